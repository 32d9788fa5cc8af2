"""Why nothing serves under a name and version: what is not there is 404, what may yet come or comes again is 503."""

import pytest

from modelyard_server.models import states
from modelyard_server.models.states import Entry, ModelState

ENTRIES = [
    Entry("a", "1", ModelState.UNAVAILABLE, "weights are missing"),
    Entry("a", "2", ModelState.LOADING),
    Entry("b", "1", ModelState.UNLOADING, "finishes its last requests"),
]


@pytest.mark.parametrize(
    ("name", "version", "status", "message"),
    [
        ("a", "", 503, "model 'a' is still loading"),
        ("a", "1", 503, "model 'a' is UNAVAILABLE: weights are missing"),
        ("a", "9", 404, "model 'a' has no version '9'; this server has '1', '2'"),
        ("b", "", 503, "model 'b' is UNLOADING: finishes its last requests"),
        ("c", "", 503, "model 'c' is UNAVAILABLE: not loaded"),
        ("d", "", 404, "model 'd' is not served here; this server has 'a', 'b', 'c'"),
    ],
)
def test_a_look_up_that_finds_nothing_says_why(name: str, version: str, status: int, message: str) -> None:
    error = states.absence(ENTRIES, ["a", "b", "c"], name, version)
    assert (error.status, str(error)) == (status, message)


def test_before_the_repository_is_read_every_name_may_come() -> None:
    assert str(states.absence([], [], "a", "")) == "the server is still loading"


def test_what_does_not_serve_has_neither_route_nor_memory() -> None:
    assert states.routes(ENTRIES) == {}
    assert ENTRIES[0].parameter_bytes == 0


def test_an_empty_list_says_so() -> None:
    assert states.listed([]) == "none"
