"""All stores: which models an event concerns, and which models there are."""

from typing import Any

import msgspec
import pytest

from builders import child, device_class, model, pod, runtime
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_status import Condition, ModelDeploymentStatus
from modelyard_operator.cache import Key
from modelyard_operator.caches import Caches
from modelyard_operator.kube import resources
from modelyard_operator.reading import node_from_raw


def caches() -> tuple[Caches, list[Key], list[Key]]:
    now: list[Key] = []
    soon: list[Key] = []
    return Caches(now.append, soon.append), now, soon


def ready(generation: int = 1) -> ModelDeploymentStatus:
    """The status of a model that was Ready in this generation."""
    condition = Condition(
        type="Ready", status="True", reason="Ready", message="", observed_generation=generation, last_transition_time=""
    )
    return ModelDeploymentStatus(conditions=[condition])


def test_a_child_queues_its_model_soon() -> None:
    every, now, soon = caches()
    every[resources.PODS].put(pod("r1"))
    every[resources.SERVICES].put(child(labels={}))
    assert (now, soon) == ([], [("team", "digits")])


def test_a_policy_queues_its_namespace() -> None:
    every, now, _ = caches()
    every[resources.POLICIES].put(child())
    assert now == [("team", "")]


def test_a_runtime_queues_only_models_that_it_may_help() -> None:
    every, now, _ = caches()
    every.put_model(model("new"))
    every.put_model(model("edited", status=ready(generation=0)))
    every.put_model(model("fine", status=ready()))
    every[resources.MODEL_RUNTIMES].put(runtime())
    assert now == [("team", "new"), ("team", "edited")]
    assert list(every.catalog().runtimes) == ["modelyard-server"]


def test_a_node_queues_soon_what_waits_and_an_annotation_of_it_nothing() -> None:
    every, now, soon = caches()
    every.put_model(model("waits"))
    every.put_model(model("fine", status=ready()))
    for version, annotations in (("1", {}), ("2", {"driver.example/seen": "now"})):
        metadata = {"name": "n", "resourceVersion": version, "annotations": annotations}
        every[resources.NODES].put(node_from_raw(msgspec.json.encode({"metadata": metadata})))
    assert (now, soon) == ([], [("team", "waits")])


def test_a_model_that_became_ready_is_not_queued_by_the_catalogue() -> None:
    every, now, _ = caches()
    every.put_model(seen("1"))
    every.put_model(msgspec.structs.replace(seen("2"), status=ready()))
    every[resources.MODEL_RUNTIMES].put(runtime())
    assert now == []


def test_the_catalogue_follows_its_objects() -> None:
    every, _, _ = caches()
    assert every.catalog() is every.catalog()
    before = every.catalog()
    every[resources.NODES].put(msgspec.convert({"metadata": {"name": "n"}}, resources.NODES.type))
    assert every.catalog() is not before
    assert len(every.catalog().nodes) == 1
    assert resources.NODES in list(every)


def test_only_objects_that_the_model_controls_are_observed() -> None:
    every, _, _ = caches()
    parent = model()
    owner = {"uid": parent.metadata.uid, "controller": True}
    every[resources.SERVICES].put(child(ownerReferences=[owner]))
    every[resources.DEPLOYMENTS].put(child())
    observed = every.observed(parent)
    assert (len(observed.services), len(observed.deployments)) == (1, 0)


DIGITS = ("team", "digits")


def seen(version: str = "1", uid: str = "u", name: str = "digits", **metadata: Any) -> ModelDeployment:
    found = model(name)
    return msgspec.structs.replace(
        found, metadata=msgspec.structs.replace(found.metadata, resource_version=version, uid=uid, **metadata)
    )


def test_models_are_counted_by_namespace() -> None:
    every, _, _ = caches()
    assert every.put_model(seen())
    assert not every.put_model(seen())
    assert every.has_models("team")
    every.remove_model(DIGITS, "u")
    every.remove_model(DIGITS, "u")
    assert not every.has_models("team")


def test_a_model_that_is_being_deleted_is_gone() -> None:
    every, _, _ = caches()
    every.put_model(seen())
    assert every.put_model(seen("2", deletion_timestamp="2026-01-01T00:00:00Z"))
    assert every.model(DIGITS) is None


def test_a_deleted_model_is_not_brought_back_by_a_list_that_is_late() -> None:
    every, _, _ = caches()
    every.put_model(seen())
    every.remove_model(DIGITS, "u")
    assert not every.put_model(seen("2"))


def test_a_late_event_of_the_old_model_does_not_replace_the_new_one() -> None:
    every, _, _ = caches()
    every.put_model(seen("50", "new"))
    assert not every.put_model(seen("1", "old"))
    every.remove_model(DIGITS, "old")
    kept = every.model(DIGITS)
    assert kept is not None
    assert kept.metadata.uid == "new"


def test_the_memory_of_deleted_models_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard_operator.caches.REMEMBERED", 1)
    every, _, _ = caches()
    every.remove_model(DIGITS, "first")
    every.remove_model(DIGITS, "second")
    assert not every.put_model(seen(uid="second"))
    assert every.put_model(seen(uid="first"))


def test_a_list_tells_which_models_events_have_missed_to_be_gone() -> None:
    every, _, _ = caches()
    for name in ("gone", "stays", "younger"):
        every.put_model(seen("99" if name == "younger" else "1", name, name))
    every.put_model(
        msgspec.structs.replace(seen(), metadata=msgspec.structs.replace(seen().metadata, namespace="other"))
    )
    for listed in (seen("1", "stays", "stays"), seen("3", "new", "new")):
        every.put_model(listed)
    assert every.end_model_list("team", {("team", "stays"), ("team", "new")}, version="50") == [("team", "gone")]
    assert [name for name in ("gone", "stays", "younger", "new") if every.model(("team", name))] == [
        "stays",
        "younger",
        "new",
    ]
    assert every.has_models("other")


def test_device_classes_are_known_only_where_they_are_served() -> None:
    every, now, _ = caches()
    every.put_model(model())
    every[resources.DEVICE_CLASSES].put(device_class())
    assert every.catalog().device_classes is None
    now.clear()
    every.serve_devices()
    assert every.catalog().device_classes == frozenset({"gpu.nvidia.com"})
    assert now == [("team", "digits")]


def test_namespaces_with_models_are_known() -> None:
    every, _, _ = caches()
    every.put_model(model("digits"))
    assert every.namespaces() == ["team"]
    every.remove_model(("team", "digits"), model("digits").metadata.uid)
    assert every.namespaces() == []
