"""Drift: what counts as a change by hand, and what is only the server's way of writing."""

from typing import Any

import pytest

from modelyard_operator.drift import is_subset

SAME = [
    pytest.param({"a": 1}, {"a": 1, "b": 2}, id="server adds a field"),
    pytest.param({"a": {}}, {}, id="empty map is dropped"),
    pytest.param({"a": []}, {}, id="empty list is dropped"),
    pytest.param({"a": ""}, {}, id="empty string is dropped"),
    pytest.param({"a": False}, {}, id="false is dropped"),
    pytest.param({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1"}}, id="canonical quantity"),
    pytest.param({"limits": {"gpu": 1}}, {"limits": {"gpu": "1"}}, id="integer quantity"),
    pytest.param({"emptyDir": {"sizeLimit": "1024Mi"}}, {"emptyDir": {"sizeLimit": "1Gi"}}, id="size limit"),
    pytest.param([{"name": "a"}], [{"name": "a", "image": "x"}], id="list items are subsets"),
]
DIFFERENT = [
    pytest.param({"a": 1}, {"a": 2}, id="value"),
    pytest.param({"a": 1}, {}, id="missing field"),
    pytest.param({"a": {"b": 1}}, {"a": "text"}, id="other type"),
    pytest.param({"env": {"cpu": "1000m"}}, {"env": {"cpu": "1"}}, id="text that looks like a quantity"),
    pytest.param({"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, id="another quantity"),
    pytest.param({"limits": {"cpu": "1"}}, {"limits": {"cpu": "much"}}, id="no quantity at all"),
    pytest.param({"limits": {"cpu": "1"}}, {"limits": {"cpu": None}}, id="null"),
    pytest.param([1], [1, 2], id="item added by hand"),
    pytest.param([1], "1", id="no list"),
]


@pytest.mark.parametrize(("desired", "live"), SAME)
def test_no_drift(desired: Any, live: Any) -> None:
    assert is_subset(desired, live)


@pytest.mark.parametrize(("desired", "live"), DIFFERENT)
def test_drift(desired: Any, live: Any) -> None:
    assert not is_subset(desired, live)
