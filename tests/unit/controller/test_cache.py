"""The store of one kind: never back in time, nothing missed in a relist."""

from typing import Any

import pytest

from builders import child
from modelyard_operator.api.objects import Child
from modelyard_operator.cache import Store, key_of, model_of


def store() -> tuple[Store, list[Any]]:
    heard: list[Any] = []
    return Store(heard.append), heard


def put_list(kept: Store, namespace: str, objects: list[Child], version: str) -> None:
    kept.begin_list(namespace)
    for found in objects:
        kept.put(found)
    kept.end_list(namespace, {key_of(found.metadata) for found in objects}, version)


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
    kept.put(before := child(version="9"))
    kept.put(child(version="10"))
    after = kept.get("team", "digits")
    assert after.metadata.resource_version == "10"
    assert after.metadata.labels is before.metadata.labels, "what is the same takes memory once"
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
    put_list(kept, "", [], "8")
    kept.put(child(version="7"))
    assert len(kept) == 0
    kept.put(child(version="9"))
    assert len(kept) == 1


def test_the_late_answer_to_a_write_that_a_list_has_overtaken_leaves_no_ghost() -> None:
    kept, _ = store()
    put_list(kept, "team", [], "8")
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
    put_list(kept, "team", [child("stays")], "50")
    assert sorted(one.metadata.name for one in kept) == ["stays", "younger"]
    assert heard[-1].metadata.name == "gone"


def test_a_list_of_one_namespace_says_nothing_of_others() -> None:
    kept, _ = store()
    kept.put(child("elsewhere"))
    put_list(kept, "other", [], "50")
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


def test_what_went_without_our_doing_may_only_be_out_of_sight() -> None:
    kept, _ = store()
    kept.put(child(version="9"))
    kept.remove(child(version="10"))
    assert kept.missing("team", "digits") == ["digits"]
    kept.put(child(version="11"))
    assert kept.missing("team", "digits") == []


def test_what_a_list_lacks_is_missing_until_it_was_sought() -> None:
    kept, _ = store()
    kept.put(child(version="9"))
    put_list(kept, "", [], "10")
    assert kept.missing("team", "digits") == ["digits"]
    kept.sought("team", "digits")
    assert kept.missing("team", "digits") == []


def test_what_we_deleted_is_not_missing_even_if_the_watch_tells_first() -> None:
    kept, _ = store()
    kept.put(child(version="9", uid="one"))
    kept.remove(child(version="10", uid="one"))
    kept.forget("team", "digits", "one")
    assert kept.missing("team", "digits") == []
