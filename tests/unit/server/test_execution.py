"""One batch through a model: joined, split, and isolated when it breaks."""

from collections.abc import Mapping

import numpy as np

from modelyard_server.batching import execution
from modelyard_server.errors import BadRequestError, InferenceError
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


def decode(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    if inputs["x"][0] == 400:
        raise BadRequestError("not readable")
    if inputs["x"][0] == 500:
        raise KeyError("a fault of the decoder")
    return {"x": inputs["x"] + 1}


def test_a_request_that_cannot_be_decoded_never_meets_the_others() -> None:
    joint: list[list[float]] = []

    def model(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        joint.append(list(inputs["x"]))
        return double(inputs)

    requests = [request(1), request(400), request(2, 3), request(500)]
    first, bad, second, broken = execution.run(model, requests, [1, 1, 2, 1], 8, decode)
    assert joint == [[2, 3, 4]]
    assert not isinstance(first, Exception)
    assert not isinstance(second, Exception)
    assert (list(first["y"]), list(second["y"])) == ([4], [6, 8])
    assert (type(bad), str(bad)) == (BadRequestError, "not readable")
    assert isinstance(broken, InferenceError)


def test_when_none_can_be_decoded_the_model_does_not_run() -> None:
    results = execution.run(double, [request(400), request(400)], [1, 1], 8, decode)
    assert [type(result) for result in results] == [BadRequestError, BadRequestError]


def test_a_large_request_is_decoded_in_pieces() -> None:
    decoded: list[int] = []

    def counting(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        decoded.append(len(inputs["x"]))
        return decode(inputs)

    (result,) = execution.run(double, [request(1, 2, 3)], [3], 2, counting)
    assert not isinstance(result, Exception)
    assert (decoded, list(result["y"])) == ([2, 1], [4, 6, 8])


def test_a_model_may_say_that_the_client_is_at_fault() -> None:
    def model(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        if inputs["x"][0] == 7:
            raise BadRequestError("7 is no such thing")
        return double(inputs)

    bad, good = execution.run(model, [request(7), request(1)], [1, 1], 8)
    assert not isinstance(good, Exception)
    assert isinstance(bad, BadRequestError)
