"""What must be true of a run, whatever happened in it. Each check returns what is wrong, in words."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from modelyard_operator import conditions
from modelyard_operator.api.model_status import ModelDeploymentStatus
from modelyard_operator.caches import Caches
from modelyard_operator.decide import decide
from modelyard_operator.kube import resources
from modelyard_operator.process import _defaults

from .api.kinds import (
    BY_NAME,
    LEASES,
    MODELS,
    NODES,
    PODS,
    POLICIES,
    RUNTIMES,
)
from .api.selectors import selector
from .api.storage import Key
from .harness import SETTINGS, SYSTEM, Run
from .pictures import only
from .watchman import CHILDREN
from .world.deployments import is_ready

Body = dict[str, Any]
# Of the largest node.
GPUS = 4
DEFAULTS = _defaults(SETTINGS)
# Once nobody edits any more, an object is written no oftener than so, in a minute, even if it never becomes ready.
WRITES_A_MINUTE = 12


def settled(run: Run, *, but: Iterable[Key] = ()) -> list[str]:
    """Nothing is left to do or left over, and what the statuses say is so."""
    return models_settled(run, but=but) + leftovers(run)


def models_settled(run: Run, *, but: Iterable[Key] = ()) -> list[str]:
    """Nothing is left to do for a model that is there, and its status tells the truth.

    A pod that crashes again at this very moment is known to its status a moment later.
    """
    left_out = frozenset(but)
    if wrong := _unsettled(run, left_out):
        run.wait(1)
        wrong = _unsettled(run, left_out)
    return wrong


def _unsettled(run: Run, left_out: Collection[Key]) -> list[str]:
    wrong = []
    caches = fresh_caches(run)
    for key in sorted(run.storage.objects[MODELS]):
        if key not in left_out:
            wrong += _undone(run, caches, key)
            wrong += _untrue(run, key)
    return wrong


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
        wrong.append(f"{'/'.join(key)}: status says {only(said, true)}, true is {only(true, said)}")
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
    needed = sum(max(_asks(one["spec"]), _holds(run, one["metadata"])) for one in run.storage.bodies(MODELS))
    return bool(spec["gpu"].get("count", 1) <= GPUS and needed <= sum(map(int, nodes)))


def _asks(spec: Body) -> int:
    """GPUs that a model asks for."""
    return int(spec.get("replicas", 1) * spec["gpu"].get("count", 1)) if "gpu" in spec else 0


def _holds(run: Run, metadata: Body) -> int:
    """GPUs of a model's pods, also of an old revision that goes on while the new one cannot start."""
    pods = [pod for pod in run.storage.bodies(PODS, metadata["namespace"]) if _of_model(pod, metadata["name"])]
    requests = [one.get("resources", {}).get("limits", {}) for pod in pods for one in pod["spec"]["containers"]]
    return sum(int(one.get("nvidia.com/gpu", 0)) for one in requests)


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
    """Where what an operator believes is not what the server has, beyond what is on its way."""
    if wrong := _believed_wrongly(run):
        run.wait(1)
        wrong = _believed_wrongly(run)
    return wrong


def _believed_wrongly(run: Run) -> list[str]:
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
