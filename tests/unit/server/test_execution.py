"""One batch through a model: joined, split, and isolated when it breaks."""

from collections.abc import Mapping

import numpy as np

from modelyard_server.batching import execution
from modelyard_server.errors import InferenceError
from modelyard_server.protocol.datatypes import Array


def request(*values: float) -> Mapping[str, Array]:
    return {"x": np.array(values)}


def double(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    if (inputs["x"] < 0).any():
        raise ValueError("negative")
    return {"y": inputs["x"] * 2}


def test_rows_come_back_to_their_request() -> None:
    results = execution.run(double, [request(1), request(2, 3)], [1, 2], 8)
    assert [list(result["y"]) for result in results if not isinstance(result, Exception)] == [[2], [4, 6]]


def test_a_broken_request_fails_alone() -> None:
    good, bad = execution.run(double, [request(1), request(-1)], [1, 1], 8)
    assert not isinstance(good, Exception)
    assert isinstance(bad, InferenceError)
    assert "ValueError: negative" in str(bad)


def test_a_large_request_runs_in_pieces() -> None:
    seen: list[int] = []

    def model(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        seen.append(len(inputs["x"]))
        return double(inputs)

    (result,) = execution.run(model, [request(1, 2, 3, 4, 5)], [5], 2)
    assert not isinstance(result, Exception)
    assert (seen, list(result["y"])) == ([2, 2, 1], [2, 4, 6, 8, 10])


def test_a_model_that_loses_rows_is_caught() -> None:
    (result,) = execution.run(lambda inputs: {"y": inputs["x"][:1]}, [request(1, 2)], [2], 8)
    assert isinstance(result, InferenceError)
    assert "has 1 rows for 2 rows" in str(result)
