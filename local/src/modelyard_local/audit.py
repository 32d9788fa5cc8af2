"""The API server's audit log: who sent which request, by the server's own word.

Only what people and operators send is logged: Kubernetes' own components would drown it. A token that is minted anew
for each process tells processes of the same account apart, as the log names it (`credential`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

POLICY_NAME = "audit-policy.json"
LOG_NAME = "audit.log"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
CREDENTIAL = "authentication.kubernetes.io/credential-id"
_COMPONENTS = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "modelyard:simulated-nodes",
]


@dataclass(frozen=True)
class Request:
    """One request as the API server answered it; `began` and `ended` are seconds since the epoch."""

    began: float
    ended: float
    user: str
    credential: str
    agent: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int

    @property
    def writes(self) -> bool:
        """Whether it is a write."""
        return self.verb in WRITES


def policy() -> str:
    """Return the audit policy: who, what and when of each request, without bodies, and nothing of Kubernetes' own."""
    rules: list[dict[str, Any]] = [
        {"level": "None", "users": _COMPONENTS},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "omitStages": ["RequestReceived", "ResponseStarted"]},
    ]
    return json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitManagedFields": True, "rules": rules})


def credential(token: str) -> str:
    """Return the name under which the log knows a ServiceAccount's token."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"JTI={claims['jti']}"


def parse(line: str) -> Request | None:
    """Read one line of the log; None for a request of no resource, such as a health check."""
    event = json.loads(line)
    target = event.get("objectRef")
    if target is None:
        return None
    user = event["user"]
    return Request(
        began=_seconds(event["requestReceivedTimestamp"]),
        ended=_seconds(event["stageTimestamp"]),
        user=user.get("username", ""),
        credential=next(iter(user.get("extra", {}).get(CREDENTIAL, [])), ""),
        agent=event.get("userAgent", ""),
        verb=event["verb"],
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )


class AuditLog:
    """Reads a log from where it was read to before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def skip(self) -> None:
        """Forget what was logged so far."""
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> Iterator[Request]:
        """Yield the requests that were answered since the last `read` or `skip`; a line that is half written waits."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                if found := parse(line.decode()):
                    yield found


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
