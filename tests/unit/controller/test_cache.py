"""Caches: never back in time, nothing missed in a relist."""

from typing import Any

import msgspec
import pytest

from builders import device_class, model, pod, runtime
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_status import Condition, ModelDeploymentStatus
from modelyard_operator.api.objects import Child
from modelyard_operator.cache import Key, Store, model_of
from modelyard_operator.caches import Caches
from modelyard_operator.kube import resources
from modelyard_operator.reading import child_from_raw, node_from_raw


def child(name: str = "digits", version: str = "5", uid: str = "u", port: int = 80, **metadata: Any) -> Child:
    labels = {"modelyard.dev/model": "digits"}
    body = {"name": name, "namespace": "team", "uid": uid, "resourceVersion": version, "labels": labels, **metadata}
    return child_from_raw(msgspec.json.encode({"metadata": body, "spec": {"port": port}}))


def store() -> tuple[Store, list[Any]]:
    heard: list[Any] = []
    return Store(heard.append), heard


def test_an_older_state_is_ignored() -> None:
    kept, heard = store()
    kept.put(child(version="9"))
    kept.put(child(version="10", port=81))
    kept.put(child(version="9"))
    assert kept.get("team", "digits").metadata.resource_version == "10"
    assert len(heard) == 2


def test_a_late_event_of_the_predecessor_is_ignored() -> None:
    kept, _ = store()
    kept.put(child(version="9", uid="new"))
    kept.put(child(version="3", uid="old"))
    assert kept.get("team", "digits").metadata.uid == "new"


def test_a_new_version_with_nothing_else_new_is_noise() -> None:
    kept, heard = store()
    kept.put(child(version="9"))
    kept.put(child(version="10"))
    assert kept.get("team", "digits").metadata.resource_version == "10"
    assert len(heard) == 1


def test_content_that_was_compared_is_dropped_and_a_change_of_it_brings_it_back() -> None:
    kept, heard = store()
    kept.put(child(version="9"))
    kept.compared(kept.get("team", "digits"))
    kept.put(child(version="10"))
    assert (kept.get("team", "digits").spec, kept.get("team", "digits").compared) == (b"", True)
    kept.put(child(version="11", port=81))
    assert (kept.get("team", "digits").spec, kept.get("team", "digits").compared) == (b'{"port":81}', False)
    assert len(heard) == 2


def test_a_comparison_that_is_late_says_nothing_of_what_came_meanwhile() -> None:
    kept, _ = store()
    kept.put(before := child(version="9"))
    kept.put(child(version="10", port=81))
    kept.compared(before)
    assert not kept.get("team", "digits").compared


@pytest.mark.parametrize("change", [{"uid": "other"}, {"annotations": {"modelyard.dev/spec-hash": "x"}}])
def test_what_was_compared_is_compared_again_when_it_is_another_or_was_asked_for_anew(change: Any) -> None:
    kept, _ = store()
    kept.put(child(version="9"))
    kept.compared(kept.get("team", "digits"))
    kept.put(child(version="10", **change))
    assert not kept.get("team", "digits").compared


def test_annotations_of_others_are_not_kept() -> None:
    assert child(annotations={"modelyard.dev/spec-hash": "x", "else.example/y": "z"}).metadata.annotations == {
        "modelyard.dev/spec-hash": "x"
    }


def test_versions_that_are_no_numbers_only_differ() -> None:
    kept, heard = store()
    kept.put(child(version="a"))
    kept.put(child(version="b", port=81))
    kept.put(child(version="b", port=82))
    assert len(heard) == 2


def test_a_deletion_of_the_predecessor_is_ignored() -> None:
    kept, _ = store()
    kept.put(child(uid="new"))
    kept.remove(child(uid="old"))
    kept.remove(child(name="never-seen"))
    assert len(kept) == 1
    kept.remove(child(uid="new"))
    assert len(kept) == 0
    assert kept.of_model("team", "digits") == []


def test_our_own_deletion_wakes_nobody_and_is_final() -> None:
    kept, heard = store()
    kept.put(child(uid="new"), announce=False)
    kept.forget("team", "digits", "old")
    assert len(kept) == 1
    kept.forget("team", "digits", "new")
    kept.put(child(version="9", uid="new"))
    assert (len(kept), heard) == (0, [])


def test_the_late_answer_to_a_write_does_not_bring_a_deleted_object_back() -> None:
    kept, _ = store()
    kept.remove(child(version="6"))
    kept.put(child(version="5"))
    assert kept.get("team", "digits") is None


def test_the_late_answer_to_a_write_does_not_replace_a_successor() -> None:
    kept, _ = store()
    kept.put(child(version="5", uid="old"))
    kept.remove(child(version="6", uid="old"))
    kept.put(child(version="8", uid="new"))
    kept.put(child(version="5", uid="old"))
    assert kept.get("team", "digits").metadata.uid == "new"


def test_an_object_that_comes_back_into_the_selection_is_there_again() -> None:
    kept, _ = store()
    kept.remove(child(version="6"))
    kept.put(child(version="7"))
    assert kept.get("team", "digits") is not None


def test_an_object_that_a_list_lacks_does_not_come_back_with_an_older_state() -> None:
    kept, _ = store()
    kept.put(child(version="5"))
    kept.replace("", [], "8")
    kept.put(child(version="7"))
    assert len(kept) == 0
    kept.put(child(version="9"))
    assert len(kept) == 1


def test_the_late_answer_to_a_write_that_a_list_has_overtaken_leaves_no_ghost() -> None:
    kept, _ = store()
    kept.replace("team", [], "8")
    kept.put(child(version="7", uid="never seen"))
    assert len(kept) == 0


def test_the_memory_of_deleted_objects_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard_operator.cache.REMEMBERED", 1)
    kept, _ = store()
    kept.remove(child(version="6", uid="one"))
    kept.remove(child(version="6", uid="two"))
    kept.put(child(version="5", uid="one"))
    assert len(kept) == 1


def test_our_own_write_wakes_nobody() -> None:
    kept, heard = store()
    kept.put(child(), announce=False)
    assert heard == []


def test_an_object_of_no_model_comes_and_goes() -> None:
    kept, heard = store()
    kept.put(child(labels={}), announce=False)
    assert heard == []
    kept.remove(child(labels={}))
    assert kept.get("team", "digits") is None


def test_a_list_removes_what_was_deleted_while_nobody_watched() -> None:
    kept, heard = store()
    kept.put(child("gone"))
    kept.put(child("stays"))
    kept.put(child("younger", version="99"))
    kept.replace("team", [child("stays")], version="50")
    assert sorted(one.metadata.name for one in kept) == ["stays", "younger"]
    assert heard[-1].metadata.name == "gone"


def test_a_list_of_one_namespace_says_nothing_of_others() -> None:
    kept, _ = store()
    kept.put(child("elsewhere"))
    kept.replace("other", [], version="50")
    assert len(kept) == 1


def test_objects_are_found_by_model_and_lose_their_place_with_the_label() -> None:
    kept, _ = store()
    kept.put(child("a"))
    kept.put(child("b"))
    assert [one.metadata.name for one in kept.of_model("team", "digits")] == ["a", "b"]
    kept.put(child("a", version="6", labels={}))
    assert [one.metadata.name for one in kept.of_model("team", "digits")] == ["b"]


def test_an_object_that_loses_its_label_tells_its_former_model() -> None:
    kept, heard = store()
    kept.put(child("a"))
    kept.put(child("a", version="6", labels={}))
    assert [one.metadata.labels for one in heard[1:]] == [{"modelyard.dev/model": "digits"}, {}]


def test_an_owner_says_more_than_a_label() -> None:
    owner = {"uid": "m", "kind": "ModelDeployment", "name": "digits", "controller": True}
    assert model_of(child(labels={}, ownerReferences=[owner]).metadata) == "digits"
    assert model_of(child(ownerReferences=[owner | {"kind": "ReplicaSet", "name": "rs"}]).metadata) == "digits"


def caches() -> tuple[Caches, list[Key], list[Key]]:
    now: list[Key] = []
    soon: list[Key] = []
    return Caches(now.append, soon.append), now, soon


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
    condition = Condition(
        type="Ready", status="True", reason="Ready", message="", observed_generation=1, last_transition_time=""
    )
    stale = msgspec.structs.replace(condition, observed_generation=0)
    every.put_model(model("new"))
    every.put_model(model("edited", status=ModelDeploymentStatus(conditions=[stale])))
    every.put_model(model("fine", status=ModelDeploymentStatus(conditions=[condition])))
    every[resources.MODEL_RUNTIMES].put(runtime())
    assert now == [("team", "new"), ("team", "edited")]
    assert list(every.catalog().runtimes) == ["modelyard-server"]


def test_a_node_queues_soon_what_waits_and_an_annotation_of_it_nothing() -> None:
    every, now, soon = caches()
    condition = Condition(
        type="Ready", status="True", reason="Ready", message="", observed_generation=1, last_transition_time=""
    )
    every.put_model(model("waits"))
    every.put_model(model("fine", status=ModelDeploymentStatus(conditions=[condition])))
    for version, annotations in (("1", {}), ("2", {"driver.example/seen": "now"})):
        metadata = {"name": "n", "resourceVersion": version, "annotations": annotations}
        every[resources.NODES].put(node_from_raw(msgspec.json.encode({"metadata": metadata})))
    assert (now, soon) == ([], [("team", "waits")])


def test_a_model_that_became_ready_is_not_queued_by_the_catalogue() -> None:
    every, now, _ = caches()
    condition = Condition(
        type="Ready", status="True", reason="Ready", message="", observed_generation=1, last_transition_time=""
    )
    every.put_model(seen("1"))
    every.put_model(msgspec.structs.replace(seen("2"), status=ModelDeploymentStatus(conditions=[condition])))
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


def test_a_list_finds_what_events_missed_and_queues_everything() -> None:
    every, now, _ = caches()
    for name in ("gone", "stays", "younger"):
        every.put_model(seen("99" if name == "younger" else "1", name, name))
    every.put_model(
        msgspec.structs.replace(seen(), metadata=msgspec.structs.replace(seen().metadata, namespace="other"))
    )
    every.replace_models("team", [seen("1", "stays", "stays"), seen("3", "new", "new")], version="50")
    assert [name for name in ("gone", "stays", "younger", "new") if every.model(("team", name))] == [
        "stays",
        "younger",
        "new",
    ]
    assert sorted(now) == [("team", "gone"), ("team", "new"), ("team", "stays"), ("team", "younger")]
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
