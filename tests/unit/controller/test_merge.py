"""Merging podTemplate."""

from modelyard_operator.render.merge import merged


def test_maps_are_merged_and_scalars_replaced() -> None:
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}) == {"a": {"b": 1, "c": 3}}


def test_null_removes() -> None:
    assert merged({"a": 1, "b": 2}, {"a": None, "z": None}) == {"b": 2}


def test_containers_are_matched_by_name_and_new_ones_added() -> None:
    base = {"containers": [{"name": "server", "image": "a", "env": [{"name": "A", "value": "1"}]}]}
    patch = {
        "containers": [{"name": "server", "env": [{"name": "B", "value": "2"}]}, {"name": "sidecar", "image": "b"}]
    }
    assert merged(base, patch) == {
        "containers": [
            {"name": "server", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "sidecar", "image": "b"},
        ]
    }


def test_other_lists_are_replaced_whole() -> None:
    assert merged({"args": ["a"]}, {"args": ["b"]}) == {"args": ["b"]}


def test_the_inputs_stay_as_they_are() -> None:
    base = {"containers": [{"name": "server"}], "labels": {"a": "b"}}
    merged(base, {"containers": [{"name": "server", "image": "x"}], "labels": {"c": "d"}})
    assert base == {"containers": [{"name": "server"}], "labels": {"a": "b"}}


def test_a_keyed_list_with_something_odd_in_it_keeps_it() -> None:
    assert merged({"env": [{"name": "A"}]}, {"env": ["odd"]}) == {"env": [{"name": "A"}, "odd"]}


def test_a_name_that_is_no_text_is_no_match_and_no_crash() -> None:
    assert merged({"env": [{"name": "A"}]}, {"env": [{"name": {"odd": 1}}]}) == {
        "env": [{"name": "A"}, {"name": {"odd": 1}}]
    }
