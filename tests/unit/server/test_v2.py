"""V2 details that need a model of more than one input or output."""

import json

import msgspec
import numpy as np
import pytest

from modelyard_server.errors import BadRequestError
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol import v2
from modelyard_server.protocol.signature import Signature


def spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return msgspec.convert({"name": name, "datatype": datatype, "shape": shape}, TensorSpec)


PAIR = Signature((spec("a", "INT64", -1, 1), spec("b", "FP32", -1)), (spec("y", "FP64", -1), spec("z", "BYTES", -1)))
A = {"name": "a", "shape": [2, 1], "datatype": "INT64", "data": [1, 2]}
B = {"name": "b", "shape": [2], "datatype": "FP32", "data": [1, 2]}


def parse(*inputs: object, **fields: object) -> v2.Request:
    return v2.parse(PAIR, json.dumps({"inputs": inputs, **fields}).encode(), None)


def test_all_inputs_and_outputs() -> None:
    request = parse(A, B)
    assert (request.rows, sorted(request.inputs), [o.name for o in request.outputs]) == (2, ["a", "b"], ["y", "z"])


def test_a_missing_input_is_named() -> None:
    with pytest.raises(BadRequestError, match="input 'b': is missing; inputs are a, b"):
        parse(A)


def test_inputs_agree_on_the_number_of_rows() -> None:
    with pytest.raises(BadRequestError, match="different numbers of rows"):
        parse(A, {**B, "shape": [1], "data": [1]})


def test_body_parameters_must_be_an_object() -> None:
    with pytest.raises(BadRequestError, match="body: parameters must be an object"):
        parse(A, B, parameters=[])


@pytest.mark.parametrize(("microseconds", "seconds"), [(1_500_000, 1.5), (0, None), (None, None)])
def test_the_timeout_of_a_request_is_in_microseconds(microseconds: int | None, seconds: float | None) -> None:
    assert parse(A, B, parameters={"timeout": microseconds}).timeout == seconds


@pytest.mark.parametrize("value", [-1, 1.5, "1", True])
def test_a_timeout_that_is_no_number_of_microseconds_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError, match="timeout must be a number of microseconds"):
        parse(A, B, parameters={"timeout": value})


@pytest.mark.parametrize("body", [b"", b"\x00" * 5])
def test_raw_bodies_need_whole_rows_and_one_numeric_input(body: bytes) -> None:
    one = Signature((spec("b", "FP32", -1, 1),), (spec("y", "FP64", -1),))
    with pytest.raises(BadRequestError, match="no whole number of rows"):
        v2.parse(one, body, 0)
    with pytest.raises(BadRequestError, match="one numeric input"):
        v2.parse(PAIR, body, 0)


def test_binary_and_json_outputs_mix() -> None:
    request = parse(A, B, outputs=[{"name": "z", "parameters": {"binary_data": True}}, {"name": "y"}], id="7")
    outputs = {"y": np.array([0.5, 1.5]), "z": np.array([b"p", b"qq"], np.object_)}
    response = v2.respond(PAIR, ("m", "1"), request, outputs)
    head = json.loads(response.body[: response.json_bytes])
    assert response.body[response.json_bytes :] == b"\x01\0\0\0p\x02\0\0\0qq"
    assert head["id"] == "7"
    assert [output["name"] for output in head["outputs"]] == ["z", "y"]
    assert head["outputs"][1]["data"] == [0.5, 1.5]
