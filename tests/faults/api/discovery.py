"""Which groups and kinds the server has, as a client asks before it watches. Pure."""

from typing import Any

import msgspec

from .answers import Answer
from .kinds import KINDS, Kind

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def documents() -> dict[str, Answer]:
    """Every discovery document, by path."""
    groups = sorted({(kind.group, kind.version) for kind in KINDS if kind.group})
    found: dict[str, Any] = {
        "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.1"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*one) for one in groups]},
    }
    for kind in KINDS:
        listed = found.setdefault(
            kind.root,
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": kind.api_version, "resources": []},
        )
        listed["resources"] += _resources(kind)
    return {path: Answer(200, msgspec.json.encode(document)) for path, document in found.items()}


def _group(group: str, version: str) -> dict[str, Any]:
    served = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [served], "preferredVersion": served}


def _resources(kind: Kind) -> list[dict[str, Any]]:
    base = {"kind": kind.name, "namespaced": kind.namespaced}
    found = [{**base, "name": kind.plural, "singularName": kind.name.lower(), "verbs": _VERBS}]
    if kind.status:
        found.append({**base, "name": f"{kind.plural}/status", "singularName": "", "verbs": ["get", "patch", "update"]})
    return found
