"""What users, admins and strangers do, by seed: a list of edits, each valid, in an order that nobody would plan."""

import random
from contextvars import ContextVar
from typing import Any

from msgspec import Struct

from .api.kinds import BUDGETS, DEPLOYMENTS, MODELS, NODES, PODS, POLICIES, RUNTIMES, SERVICES, Kind
from .api.verbs import MERGE
from .harness import Run, object_path

Body = dict[str, Any]
NAMESPACES = ("team-a", "team-b")
MODEL_NAMES = ("digits", "words", "trees")
GOOD_IMAGE = "registry.example/modelyard/model-server:1"
PRODUCT = "NVIDIA-H100-80GB-HBM3"
GPUS = 4
CHILDREN: dict[str, Kind] = {one.name: one for one in (DEPLOYMENTS, SERVICES, BUDGETS, POLICIES)}


# Edits that are left out, by number: how a failing scenario is made smaller.
OMITTED: ContextVar[frozenset[int]] = ContextVar("OMITTED", default=frozenset())


class Edit(Struct, frozen=True):
    """One thing that somebody does; `pause` seconds pass before it."""

    what: str
    pause: float
    namespace: str = ""
    name: str = ""
    document: Body = {}
    pick: float = 0.0  # which of several objects, from 0 to 1

    def __str__(self) -> str:
        return f"after {self.pause:.1f} s: {self.what} {self.namespace}/{self.name} {self.document or ''}".rstrip()


class Taste(Struct, frozen=True):
    """Which edits a scenario may have."""

    bad: bool = True  # specs that never become ready
    platform: bool = True  # changes of runtimes and nodes
    strangers: bool = True  # changes of children by hand
    deletions: bool = True
    patience: float = 20.0  # longest pause between edits


def edits(chance: random.Random, count: int, taste: Taste) -> list[Edit]:
    """A scenario. It begins with a model."""
    kinds = ["model"] * 6
    kinds += ["delete-model"] if taste.deletions else []
    kinds += ["edit-child", "delete-child", "delete-pod"] if taste.strangers else []
    kinds += ["runtime", "node"] if taste.platform else []
    found = [_edit("model", chance, taste, 0.0)]
    while len(found) < count:
        # Some edits come at once, some while pods start, some into the calm after.
        pause = chance.choice((0.0, 0.3, chance.random() * 5, chance.random() * taste.patience))
        found.append(_edit(chance.choice(kinds), chance, taste, pause))
    return [edit for number, edit in enumerate(found) if number not in OMITTED.get()]


def _edit(what: str, chance: random.Random, taste: Taste, pause: float) -> Edit:
    namespace, name = chance.choice(NAMESPACES), chance.choice(MODEL_NAMES)
    if what == "model":
        return Edit(what, pause, namespace, name, model(chance, name, bad=taste.bad))
    if what == "runtime":
        images = [GOOD_IMAGE, "registry.example/other:2"] + (["x/no-such-image:1", "x/crashes:1"] if taste.bad else [])
        return Edit(what, pause, "", "custom", runtime(chance.choice(images)))
    if what == "node":
        return Edit(what, pause, "", "gpus-1", {"gpus": chance.choice((0, 2, 4))})
    if what == "edit-child":
        document = {"kind": chance.choice(sorted(CHILDREN)), "how": chance.choice(("labels", "spec", "replicas"))}
        return Edit(what, pause, namespace, "", document, chance.random())
    if what == "delete-child":
        return Edit(what, pause, namespace, "", {"kind": chance.choice(sorted(CHILDREN))}, chance.random())
    return Edit(what, pause, namespace, name, pick=chance.random())


def model(chance: random.Random, name: str, *, bad: bool = False) -> Body:
    """A ModelDeployment without its name."""
    spec: Body = {"model": {"uri": f"s3://models/{name}/{chance.randint(1, 3)}"}}
    annotations: dict[str, str] = {}
    if bad and chance.random() < 0.15:
        spec["model"]["uri"] = f"s3://models/{name}/missing"
    if bad and chance.random() < 0.1:
        spec["runtime"] = chance.choice(("absent", "broken", "too-large"))
    elif chance.random() < 0.3:
        spec["runtime"] = chance.choice(("custom", "modelyard-server"))
    spec["replicas"] = chance.choice((1, 1, 1, 2, 2, 3, 0))
    if chance.random() < 0.3:
        spec["gpu"] = chance.choice(({"count": 1}, {"count": 1, "product": ["H100"]}, {"profile": "h100"}))
    if bad and "gpu" in spec and chance.random() < 0.2:
        spec["gpu"] = {"count": 8}
    if chance.random() < 0.3:
        spec["resources"] = {"requests": {"cpu": chance.choice(("1000m", "0.5", "2"))}, "limits": {"memory": "1024Mi"}}
    if chance.random() < 0.2:
        spec["rollout"] = {"progressDeadline": chance.choice(("30s", "5m"))}
    if chance.random() < 0.2:
        spec["podTemplate"] = {"spec": {"containers": [{"name": "server", "env": [{"name": "MORE", "value": "1"}]}]}}
    if chance.random() < 0.2:
        annotations["modelyard.dev/refresh"] = str(chance.randint(1, 3))
    return {"metadata": {"annotations": annotations}, "spec": spec}


def runtime(image: str) -> Body:
    """A ModelRuntime without its name."""
    command = {"command": ["modelyard-server"], "args": ["serve", "--model", "$(MODEL_PATH)"]}
    # Only models that name it use it: its formats are not those that are looked for.
    keys = {"env": [{"name": "KEYS", "value": "$(API_KEY_FILE)"}]}
    return {"spec": {"image": image, "formats": [{"name": "torch"}], **command, **keys}}


def node(run: Run, name: str, gpus: int) -> None:
    """Have a node with so many GPUs, or none of that name."""
    present = run.storage.get(NODES, ("", name))
    if not gpus:
        if present is not None:
            run.delete(NODES, ("", name))
        return
    if present is None:
        labels = {"nvidia.com/gpu.product": PRODUCT, "nvidia.com/gpu.memory": "81559"}
        run.verbs.create(NODES, "", {"metadata": {"name": name, "labels": labels}, "spec": {}})
    path = object_path(NODES, "", name) + "/status"
    run.send("PATCH", path, {"status": {"allocatable": {"cpu": "64", "nvidia.com/gpu": str(gpus)}}}, MERGE)


def furnish(run: Run) -> None:
    """What every cluster has: nodes, runtimes, a profile."""
    node(run, "gpus-0", GPUS)
    default = runtime(GOOD_IMAGE)
    default["spec"]["formats"] = [{"name": "package"}, {"name": "torch"}]
    run.put(RUNTIMES, "", "modelyard-server", default)
    run.put(RUNTIMES, "", "custom", runtime("registry.example/other:1"))
    run.put(RUNTIMES, "", "broken", runtime("x/no-such-image:1"))
    run.put(RUNTIMES, "", "too-large", runtime("x/too-large:1"))
    profile = {"spec": {"product": ["H100"], "memory": "40Gi"}}
    run.send("POST", "/apis/modelyard.dev/v1alpha1/acceleratorprofiles", {"metadata": {"name": "h100"}, **profile})


def perform(run: Run, edit: Edit) -> None:
    """Do it. What cannot be done, because the object is not there, is not done."""
    if edit.what == "model":
        run.put(MODELS, edit.namespace, edit.name, edit.document)
    elif edit.what == "delete-model":
        run.delete(MODELS, (edit.namespace, edit.name))
    elif edit.what == "runtime":
        run.put(RUNTIMES, "", edit.name, edit.document)
    elif edit.what == "node":
        node(run, edit.name, edit.document["gpus"])
    else:
        _strange(run, edit)


def _strange(run: Run, edit: Edit) -> None:
    kind = PODS if edit.what == "delete-pod" else CHILDREN[edit.document["kind"]]
    keys = sorted(key for key in run.storage.objects[kind] if key[0] == edit.namespace)
    if not keys:
        return
    key = keys[int(edit.pick * len(keys))]
    if edit.what != "edit-child":
        run.delete(kind, key)
    elif edit.document["how"] == "labels":
        by_model = kind is DEPLOYMENTS and edit.pick < 0.5
        label = "modelyard.dev/model" if by_model else "app.kubernetes.io/managed-by"
        run.patch(kind, key, {"metadata": {"labels": {label: None, "mine": "1"}}})
    elif edit.document["how"] == "replicas" and kind is DEPLOYMENTS:
        run.patch(kind, key, {"spec": {"replicas": int(edit.pick * 5)}})
    else:
        run.patch(kind, key, CHANGES[kind])


CHANGES: dict[Kind, Body] = {
    DEPLOYMENTS: {"spec": {"revisionHistoryLimit": 7, "template": {"spec": {"terminationGracePeriodSeconds": 1}}}},
    SERVICES: {"spec": {"ports": [{"name": "http", "port": 9999, "targetPort": "http", "protocol": "TCP"}]}},
    BUDGETS: {"spec": {"maxUnavailable": 7}},
    POLICIES: {"spec": {"ingress": []}},
}


def play(run: Run, scenario: list[Edit]) -> None:
    """Perform all edits with their pauses."""
    for edit in scenario:
        run.wait(edit.pause)
        perform(run, edit)
