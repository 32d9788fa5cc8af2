"""Many models on a control plane with a scheduler and simulated nodes, and what its audit log says of them."""

from __future__ import annotations

import json
import os
import ssl
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from chart.rendering import NAMESPACE
from integration.running import MODELS, Cluster, Object, Operator, cluster, eventually, model
from modelyard_local.audit import AuditLog, Request
from modelyard_local.components import UNBOUND
from modelyard_local.simulation import Nodes, SimulatedNodes

COUNT = int(os.environ.get("MODELYARD_SCALE_MODELS", "200"))
NAMES = [f"m{number}" for number in range(COUNT)]
GPUS = 4
POOLS = (Nodes("cpu", 4), Nodes("gpu", 1, gpus=GPUS))
# Seconds for something of which there are hundreds, and between two looks at all of them: looking costs, too.
PATIENCE = 240.0
PAUSE = 0.5
SETTINGS = {
    "MODELYARD_API_QPS": "1000000",
    "MODELYARD_API_BURST": "1000000",
    # Half of the default: a standby waits so long after each kill.
    "MODELYARD_LEASE_DURATION": "8",
    "MODELYARD_LOG_LEVEL": "WARNING",
}


@contextmanager
def scale_cluster(directory: Path) -> Iterator[Cluster]:
    """An audited control plane whose pods are scheduled and become ready."""
    with cluster(directory, rate=UNBOUND, audited=True) as found, SimulatedNodes(found.plane, *POOLS, rate=UNBOUND):
        yield found


class Process(Operator):
    """An operator with a token of its own, so that the audit log tells it from any other."""

    def __init__(self, shared: Cluster, log: Path) -> None:
        config, self.credential = shared.plane.process_kubeconfig(NAMESPACE, "modelyard-operator")
        super().__init__(config, log, **SETTINGS)


class Journal:
    """What the API server logged of operators since this was made."""

    def __init__(self, shared: Cluster) -> None:
        self._log = AuditLog(shared.plane.audit_log)
        self._log.skip()
        self._seen: list[Request] = []

    def requests(self, process: Process) -> list[Request]:
        """Everything that one process asked for, its Lease left out."""
        return [one for one in self._all() if one.credential == process.credential and one.resource != "leases"]

    def writes(self, *processes: Process) -> list[Request]:
        """Writes of some processes."""
        return [one for process in processes for one in self.requests(process) if one.writes]

    def lease(self, process: Process) -> int:
        """How often a process asked for its Lease: a clock that needs no sleep."""
        return sum(one.credential == process.credential and one.resource == "leases" for one in self._all())

    def _all(self) -> list[Request]:
        self._seen += self._log.read()
        return self._seen


class Births:
    """Counts how often objects of a collection came and went, by a watch of our own."""

    def __init__(self, shared: Cluster, path: str) -> None:
        context = ssl.create_default_context(cafile=str(shared.plane.pki / "ca.crt"))
        context.load_cert_chain(shared.plane.pki / "admin.crt", shared.plane.pki / "admin.key")
        self._stream = urllib.request.urlopen(
            f"{shared.plane.server}{path}?watch=1&timeoutSeconds=3600", context=context
        )
        self._events: Counter[tuple[str, str]] = Counter()
        self._thread = Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        for line in self._stream:
            event = json.loads(line)
            self._events[event["type"], event["object"]["metadata"]["name"]] += 1

    def count(self, event: str) -> Counter[str]:
        """How often each name had an event: ADDED, also for what was there before, or DELETED."""
        return Counter({name: count for (kind, name), count in list(self._events.items()) if kind == event})


def everywhere(work: Callable[[str], object], names: Iterable[str] = NAMES) -> None:
    """Do something for each model, eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, names))


def create(shared: Cluster, namespace: str, names: Iterable[str] = NAMES, **spec: Any) -> None:
    """Create models."""
    client = shared.plane.client()
    everywhere(lambda name: client.request("POST", MODELS.format(namespace), model(namespace, name, **spec)), names)


def edit(shared: Cluster, namespace: str, change: Callable[[str], Object], names: Iterable[str] = NAMES) -> None:
    """Merge a change into the spec of models."""
    client = shared.plane.client()
    everywhere(
        lambda name: client.merge(f"{MODELS.format(namespace)}/{name}", {"spec": change(name)}),
        names,
    )


def version(number: int) -> Callable[[str], Object]:
    """The change to another version of each model."""
    return lambda name: {"model": {"uri": f"s3://models/{name}/{number}"}}


def all_have(shared: Cluster, namespace: str, check: Callable[[Object], bool], count: int = COUNT) -> None:
    """Wait until every model has a current status that passes."""

    def missing() -> bool:
        models = shared.items(MODELS.format(namespace))
        bad = [one["metadata"]["name"] for one in models if not (_is_current(one) and check(one))]
        assert not bad, f"{len(bad)} of {len(models)} not there yet, such as {bad[0]}"
        return len(models) == count

    eventually(missing, PATIENCE, PAUSE)


def ready(one: Object) -> bool:
    """Whether a model is Ready."""
    return bool(_truth(one)["status"] == "True")


def because(*reasons: str) -> Callable[[Object], bool]:
    """Whether a model is not Ready for one of these reasons."""
    return lambda one: _truth(one)["status"] == "False" and _truth(one)["reason"] in reasons


def _truth(one: Object) -> Object:
    return next(dict(found) for found in one["status"]["conditions"] if found["type"] == "Ready")


def _is_current(one: Object) -> bool:
    found = one.get("status", {})
    return bool(found.get("observedGeneration") == one["metadata"]["generation"])


CHILDREN = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Service": "/api/v1/namespaces/{}/services",
    "ControllerRevision": "/apis/apps/v1/namespaces/{}/controllerrevisions",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "ModelDeployment": MODELS,
}
# What the server counts by itself, and what differs between two objects that are made alike.
_MASKED = {
    "resourceVersion",
    "generation",
    "observedGeneration",
    "creationTimestamp",
    "managedFields",
    "lastTransitionTime",
    "lastUpdateTime",
}


def snapshot(shared: Cluster, namespace: str, also: frozenset[str] = frozenset()) -> dict[tuple[str, str], Any]:
    """Every object of a namespace's models by kind and name, without keys of `also` and what the server counts."""
    return {
        (kind, one["metadata"]["name"]): masked(one, _MASKED | also)
        for kind, path in CHILDREN.items()
        for one in shared.items(path.format(namespace))
    }


def masked(value: Any, keys: frozenset[str] | set[str]) -> Any:
    """A value without these keys, at any depth."""
    if isinstance(value, dict):
        return {key: masked(one, keys) for key, one in value.items() if key not in keys}
    if isinstance(value, list):
        return [masked(one, keys) for one in value]
    return value
