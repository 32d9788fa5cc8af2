"""What must be true of a run, whatever happened in it. Each check returns what is wrong, in words."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from modelyard_operator import conditions, metrics
from modelyard_operator.api.model_status import ModelDeploymentStatus
from modelyard_operator.caches import Caches
from modelyard_operator.decide import decide
from modelyard_operator.kube import resources
from modelyard_operator.process import _defaults

from .api.kinds import (
    BUDGETS,
    BY_NAME,
    DEPLOYMENTS,
    HISTORY,
    LEASES,
    MODELS,
    NODES,
    PODS,
    POLICIES,
    RUNTIMES,
    SERVICES,
    Kind,
)
from .api.selectors import selector
from .api.storage import Event, Key
from .api.verbs import APPLY, JSON_PATCH
from .harness import SETTINGS, SYSTEM, Run
from .world.deployments import is_ready

Body = dict[str, Any]
# Of the largest node.
GPUS = 4
CHILDREN = (DEPLOYMENTS, SERVICES, BUDGETS, POLICIES, HISTORY)
DEFAULTS = _defaults(SETTINGS)
# Once nobody edits any more, an object is written no oftener than so, in a minute, even if it never becomes ready.
WRITES_A_MINUTE = 12


class Watchman:
    """Looks at everything that is written while it is written."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._errors = _errors()
        self._told: dict[str, int] = {}
        self.wrong: list[str] = []
        self.created: Counter[tuple[Kind, Key]] = Counter()
        self.deleted: Counter[tuple[Kind, Key]] = Counter()
        run.storage.listeners.append(self._seen)

    def _seen(self, event: Event) -> None:
        if event.kind in CHILDREN:
            self.created[event.kind, event.key] += event.before is None
            self.deleted[event.kind, event.key] += event.after is None
        if event.kind is MODELS and event.after is not None:
            told = event.after.body.get("status", {}).get("observedGeneration", 0)
            generation, uid = event.after.body["metadata"]["generation"], event.after.uid
            if told > generation:
                self.wrong.append(f"{'/'.join(event.key)} tells of generation {told} before there is one")
            if told < self._told.get(uid, 0):
                self.wrong.append(f"{'/'.join(event.key)} went back from generation {self._told[uid]} to {told}")
            self._told[uid] = max(told, self._told.get(uid, 0))

    def alive(self) -> list[str]:
        """No process ended by itself, and no reconcile failed for a reason of its own."""
        wrong = [f"a process ended by itself: {one}" for one in self._run.lost_processes]
        if unexpected := _errors() - self._errors:
            told = [one for one in self._run.log.lines if "reconcile failed" in one]
            wrong.append(
                f"{unexpected:.0f} reconciles failed with an exception that is not the API server's: {told[:3]}"
            )
        return wrong

    def all(self) -> list[str]:
        """Everything that was seen."""
        return [*self.wrong, *self.alive(), *self._careless()]

    def _careless(self) -> list[str]:
        """Writes that would hit another object of the same name, had there been one by then."""
        wrong = []
        for request, target in self._run.sent:
            body = msgspec.json.decode(request.body)
            if request.method == "DELETE":
                careful = "uid" in body.get("preconditions", {})
            elif request.content_type == JSON_PATCH:
                careful = any(one["op"] == "test" and one["path"] == "/metadata/uid" for one in body)
            else:
                careful = request.content_type == APPLY or "uid" in body["metadata"] or target.kind is POLICIES
            if not careful:
                wrong.append(f"{request.method} {target.kind.name} {'/'.join(target.key)} does not say which one")
        return wrong


def _errors() -> float:
    return float(metrics.RECONCILES.labels("error")._value.get())


def settled(run: Run, *, but: Iterable[Key] = ()) -> list[str]:
    """Nothing is left to do, and what the statuses say is so."""
    left_out = set(but)
    wrong = []
    caches = fresh_caches(run)
    for key in sorted(run.storage.objects[MODELS]):
        if key not in left_out:
            wrong += _undone(run, caches, key)
            wrong += _untrue(run, key)
    return wrong + leftovers(run)


def fresh_caches(run: Run) -> Caches:
    """What an operator would know that had just listed everything."""
    caches = Caches(lambda _key: None, lambda _key: None)
    for resource in resources.WATCHED:
        matches = selector(resource.selector)
        for record in run.storage.objects[BY_NAME[resource.kind]].values():
            if matches(record.body["metadata"].get("labels") or {}):
                caches[resource].put(resource.decode(msgspec.Raw(record.raw)), announce=False)
    for record in run.storage.objects[MODELS].values():
        caches.put_model(resources.MODEL_DEPLOYMENTS.decode(msgspec.Raw(record.raw)))
    return caches


def _undone(run: Run, caches: Caches, key: Key) -> list[str]:
    """What a reconcile would still do."""
    model = caches.model(key)
    if model is None:
        return []
    decision = decide(model, caches.observed(model), caches.catalog(), DEFAULTS)
    wrong = [f"{'/'.join(key)}: {one['kind']} {one['metadata']['name']} is not as asked" for one in decision.apply]
    wrong += [f"{'/'.join(key)}: {one.name} is not scaled to {one.replicas}" for one in decision.scale]
    wrong += [f"{'/'.join(key)}: {one.kind} {one.name} is not deleted" for one in decision.delete]
    said, true = _timeless(model.status), _timeless(conditions.status(model, decision.facts, ""))
    if said != true:
        wrong.append(f"{'/'.join(key)}: status says {_only(said, true)}, true is {_only(true, said)}")
    return wrong


def _timeless(status: ModelDeploymentStatus) -> Body:
    document: Body = msgspec.to_builtins(status)
    told = {one["type"]: {**one, "lastTransitionTime": ""} for one in document.pop("conditions", [])}
    if _COUNTS_NODES in document.get("summary", ""):
        # How many nodes there are is told when something else is to be told.
        document["summary"] = _COUNTS_NODES
        told = {name: {**one, "message": ""} for name, one in told.items()}
    return {**document, "conditions": told}


_COUNTS_NODES = "nodes could serve it"


def _untrue(run: Run, key: Key) -> list[str]:
    """Ready, asked of the world rather than of the operator's own code."""
    body = run.storage.objects[MODELS][key].body
    spec, status, metadata = body["spec"], body.get("status", {}), body["metadata"]
    wrong = []
    if status.get("observedGeneration") != metadata["generation"]:
        seen = status.get("observedGeneration")
        wrong.append(f"{'/'.join(key)}: status is of generation {seen}, there is {metadata['generation']}")
    says = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
    answering = [pod for pod in run.storage.bodies(PODS, key[0]) if _of_model(pod, key[1]) and is_ready(pod)]
    right = [pod for pod in answering if spec["model"]["uri"] in pod["spec"]["initContainers"][0]["args"]]
    if says and (len(right) < spec.get("replicas", 1) or len(right) < len(answering)):
        wrong.append(
            f"{'/'.join(key)} says Ready, but {len(right)} of {len(answering)} pods that answer have the model"
        )
    if not says and healthy(run, key):
        reasons = {one["type"]: one["reason"] for one in status.get("conditions", [])}
        wrong.append(f"{'/'.join(key)} could be Ready, but says {status.get('summary')} {reasons}")
    return wrong


def _of_model(pod: Body, name: str) -> bool:
    return bool(pod["metadata"].get("labels", {}).get("modelyard.dev/model") == name)


def healthy(run: Run, key: Key) -> bool:
    """Whether nothing keeps a model from being ready: its own spec, its runtime, and GPUs for everybody."""
    spec = run.storage.objects[MODELS][key].body["spec"]
    record = run.storage.get(RUNTIMES, ("", spec.get("runtime", "modelyard-server")))
    if record is None or "missing" in spec["model"]["uri"] or not spec.get("replicas", 1):
        return False
    images = {
        one.last.body["spec"]["image"]
        for one in run.storage.history[RUNTIMES]
        if one.key == ("", record_name(record.body))
    }
    if any(word in image for image in images for word in ("no-such-image", "crashes", "too-large")):
        return False
    if "gpu" not in spec:
        return True
    nodes = [
        one.get("status", {}).get("allocatable", {}).get("nvidia.com/gpu", "0") for one in run.storage.bodies(NODES)
    ]
    wanted = [one["spec"] for one in run.storage.bodies(MODELS) if "gpu" in one["spec"]]
    needed = sum(one.get("replicas", 1) * one["gpu"].get("count", 1) for one in wanted)
    return bool(spec["gpu"].get("count", 1) <= GPUS and needed <= sum(map(int, nodes)))


def record_name(body: Body) -> str:
    """The name of an object."""
    return str(body["metadata"]["name"])


def leftovers(run: Run) -> list[str]:
    """Children without a model, and policies of namespaces without one."""
    models = {(key[0], record.uid) for key, record in run.storage.objects[MODELS].items()}
    wrong = []
    for kind in CHILDREN:
        for key, record in sorted(run.storage.objects[kind].items(), key=lambda one: one[0]):
            owners = [one["uid"] for one in record.body["metadata"].get("ownerReferences", [])]
            if kind is not POLICIES and not any((key[0], uid) in models for uid in owners):
                wrong.append(f"{kind.name} {'/'.join(key)} belongs to nobody")
    wanted, found = {space for space, _ in models}, {key[0] for key in run.storage.objects[POLICIES]}
    if wanted != found:
        wrong.append(f"namespaces with models are {sorted(wanted)}, with a policy {sorted(found)}")
    return wrong


def caches_differ(run: Run) -> list[str]:
    """Where what an operator believes is not what the server has."""
    wrong = []
    for container in run.containers.values():
        caches = container.process._caches if container.process else None
        if caches is None:
            continue
        for resource in resources.WATCHED:
            matches = selector(resource.selector)
            held = {
                (one.metadata.namespace, one.metadata.name): one.metadata.resource_version for one in caches[resource]
            }
            there = {
                key: record.body["metadata"]["resourceVersion"]
                for key, record in run.storage.objects[BY_NAME[resource.kind]].items()
                if matches(record.body["metadata"].get("labels") or {})
            }
            wrong += _difference(f"{container.name}'s {resource.plural}", held, there)
        held = {key: one.metadata.resource_version for key, one in caches._models.items()}
        there = {key: record.body["metadata"]["resourceVersion"] for key, record in run.storage.objects[MODELS].items()}
        wrong += _difference(f"{container.name}'s models", held, there)
    return wrong


def _difference(what: str, held: dict[Key, str], there: dict[Key, str]) -> list[str]:
    wrong = [f"{what}: {'/'.join(key)} is believed to be there" for key in sorted(held.keys() - there.keys())]
    wrong += [f"{what}: {'/'.join(key)} is not known" for key in sorted(there.keys() - held.keys())]
    wrong += [
        f"{what}: {'/'.join(key)} is known as of {held[key]}, not {there[key]}"
        for key in sorted(held.keys() & there.keys())
        if held[key] != there[key]
    ]
    return wrong


def too_many_writes(run: Run, since: float) -> list[str]:
    """No object is written over and over."""
    minutes = max(1.0, (run.universe.now - since) / 60)
    counts = Counter(f"{one.kind.name} {'/'.join(one.key)}" for one in run.writes if one.at >= since)
    return [
        f"{what} was written {count} times in {minutes:.1f} minutes"
        for what, count in sorted(counts.items())
        if count > WRITES_A_MINUTE * minutes
    ]


def not_led(run: Run) -> list[str]:
    """Writes of who did not hold the Lease when the server took them; to be called from `on_write`."""
    lease = run.storage.get(LEASES, (SYSTEM, "modelyard-operator"))
    holder = lease.body["spec"].get("holderIdentity") if lease else None
    last = run.writes[-1]
    return [] if last.client == holder else [f"{last}, while the Lease is held by {holder}"]


def picture(run: Run, *, history: bool = True) -> dict[str, Body]:
    """Everything that is left of a run, without what no two runs have in common."""
    found = {}
    for kind in (MODELS, *CHILDREN):
        if kind is HISTORY and not history:
            continue
        for key, record in run.storage.objects[kind].items():
            body = _masked(kind, record.body)
            if kind is MODELS and not history:
                body["status"].pop("readyRevision", None)
            found[f"{kind.name} {'/'.join(key)}"] = body
    return found


def _masked(kind: Kind, body: Body) -> Body:
    metadata = {name: body["metadata"].get(name) for name in ("labels", "annotations")}
    # What a stranger adds and nobody asked for stays.
    metadata["labels"] = {key: value for key, value in (metadata["labels"] or {}).items() if key != "mine"}
    rest = {name: value for name, value in body.items() if name not in ("metadata", "status")}
    if kind is HISTORY:
        # The second newest of two records may have any number below the newest.
        rest.pop("revision")
    if kind is SERVICES:
        rest["spec"] = {name: value for name, value in rest["spec"].items() if not name.startswith("clusterIP")}
    if kind is not MODELS:
        annotations = {key: value for key, value in (metadata["annotations"] or {}).items() if "spec-hash" not in key}
        return {"metadata": {**metadata, "annotations": annotations}, **rest}
    status = {name: value for name, value in body.get("status", {}).items() if name != "observedGeneration"}
    kept = [
        {name: value for name, value in one.items() if name in ("type", "status", "reason", "message")}
        for one in status.get("conditions", [])
    ]
    return {"metadata": metadata, **rest, "status": {**status, "conditions": kept}}


def differences(one: dict[str, Body], other: dict[str, Body], names: tuple[str, str]) -> list[str]:
    """What two pictures do not share."""
    wrong = [f"{what} only in {names[0]}" for what in sorted(one.keys() - other.keys())]
    wrong += [f"{what} only in {names[1]}" for what in sorted(other.keys() - one.keys())]
    for what in sorted(one.keys() & other.keys()):
        if one[what] != other[what]:
            left, right = _only(one[what], other[what]), _only(other[what], one[what])
            wrong.append(f"{what} differs: {names[0]} {left}, {names[1]} {right}")
    return wrong


def _only(one: Any, other: Any) -> Any:
    """What is in the first and not in the second."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: _only(value, other.get(name)) for name, value in one.items() if value != other.get(name)}
    return one
