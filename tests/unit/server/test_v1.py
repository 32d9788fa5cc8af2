"""V1 bodies without HTTP: rows, flat rows, several inputs, several outputs."""

import json

import msgspec
import numpy as np
import pytest

from modelyard_server.errors import BadRequestError
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol import v1
from modelyard_server.protocol.signature import Signature


def spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return msgspec.convert({"name": name, "datatype": datatype, "shape": shape}, TensorSpec)


IMAGE = Signature((spec("image", "FP32", -1, 1, 2, 2),), (spec("label", "BYTES", -1), spec("p", "FP32", -1, 2)))
PAIR = Signature((spec("a", "INT64", -1), spec("b", "BYTES", -1)), (spec("y", "FP64", -1),))


def parse(signature: Signature, instances: list[object]) -> dict[str, list[object]]:
    arrays, _ = v1.parse(signature, json.dumps({"instances": instances}).encode())
    return {name: array.tolist() for name, array in arrays.items()}


def test_rows_may_be_nested_or_flat() -> None:
    nested: list[object] = [[[[1, 2], [3, 4]]]]
    assert parse(IMAGE, nested) == parse(IMAGE, [[1, 2, 3, 4]]) == {"image": nested}


def test_several_inputs_are_named() -> None:
    assert parse(PAIR, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]) == {"a": [1, 2], "b": [b"x", b"y"]}


@pytest.mark.parametrize(
    ("signature", "instances", "message"),
    [
        (PAIR, [1, 2], "each instance must be an object with a, b"),
        (PAIR, [{"a": 1}], "has no 'b'"),
        (IMAGE, [[1, 2, 3]], "data has 3 values"),
        (IMAGE, [[[1, 2]]], "the model takes"),
        (IMAGE, [[], []], "the model takes"),
    ],
)
def test_wrong_instances_are_refused(signature: Signature, instances: list[object], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        parse(signature, instances)


def test_several_outputs_become_objects_and_one_a_bare_value() -> None:
    label = np.array([b"cat"], np.object_)
    both = v1.respond(IMAGE, {"label": label, "p": np.array([[0.5, 0.25]], np.float32)})
    assert json.loads(both) == {"predictions": [{"label": "cat", "p": [0.5, 0.25]}]}
    assert json.loads(v1.respond(PAIR, {"y": np.array([1.5, 2.0])})) == {"predictions": [1.5, 2.0]}


TEXT = Signature(
    inputs=(TensorSpec(name="x", datatype="BYTES", shape=(-1,)),),
    outputs=(TensorSpec(name="y", datatype="BYTES", shape=(-1,)),),
)


def test_bytes_travel_as_base64() -> None:
    arrays, rows = v1.parse(TEXT, b'{"instances": ["a", {"b64": "/wA="}, {"b64": "YQ=="}]}')
    assert (arrays["x"].tolist(), rows) == ([b"a", b"\xff\x00", b"a"], 3)
    arrays, _ = v1.parse(TEXT, b'{"instances": [{"x": {"b64": "/wA="}}]}')
    assert arrays["x"].tolist() == [b"\xff\x00"]


@pytest.mark.parametrize(
    ("instance", "message"),
    [('{"b64": "?"}', "b64 does not hold base64"), ('{"b64": 7}', "b64 does not hold base64"),
     ("7", "each row must be a string"), ('["a"]', "each row must be a string")],
)  # fmt: skip
def test_other_bytes_are_refused(instance: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        v1.parse(TEXT, b'{"instances": [%s]}' % instance.encode())
