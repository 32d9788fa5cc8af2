"""Tensors by property: whatever is encoded comes back, and no bytes or lists crash the decoder."""

import json
import struct
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from modelyard_server.errors import BadRequestError, InferenceError, RequestError
from modelyard_server.protocol import tensors
from modelyard_server.protocol.datatypes import NUMPY, Array

NUMBERS = [name for name in NUMPY if name != "BYTES"]
JSON_NUMBERS = [name for name in NUMBERS if name != "FP16"]
SHAPES = npst.array_shapes(min_dims=1, max_dims=3, max_side=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda child: st.lists(child, max_size=4),
    max_leaves=12,
)


def finite(datatype: str) -> st.SearchStrategy[Array]:
    elements = {"allow_nan": False, "allow_infinity": False} if NUMPY[datatype].kind == "f" else {}
    return npst.arrays(NUMPY[datatype], SHAPES, elements=elements or None)


@given(st.data(), st.sampled_from(JSON_NUMBERS), st.booleans())
def test_numbers_survive_json(data: st.DataObject, datatype: str, nested: bool) -> None:
    array = data.draw(finite(datatype))
    values = array.tolist() if nested else array.ravel().tolist()
    decoded = tensors.from_json("x", datatype, array.shape, json.loads(json.dumps(values)))
    np.testing.assert_array_equal(decoded, array)
    assert decoded.dtype == NUMPY[datatype]


@given(st.data(), st.sampled_from(NUMBERS))
def test_numbers_survive_the_binary_form(data: st.DataObject, datatype: str) -> None:
    array = data.draw(finite(datatype))
    blob = tensors.to_binary(datatype, array)
    np.testing.assert_array_equal(tensors.from_binary("x", datatype, array.shape, memoryview(blob)), array)


@given(st.lists(st.binary(max_size=8), max_size=6))
def test_bytes_survive_the_binary_form(values: list[bytes]) -> None:
    blob = b"".join(struct.pack("<I", len(value)) + value for value in values)
    decoded = tensors.from_binary("x", "BYTES", (len(values),), memoryview(blob))
    assert (list(decoded), tensors.to_binary("BYTES", decoded)) == (values, blob)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), min_size=1, max_size=6))
def test_strings_survive_json(values: list[str]) -> None:
    decoded = tensors.from_json("x", "BYTES", (len(values),), values)
    assert tensors.to_json("x", "BYTES", decoded) == values


@given(JSON, st.sampled_from(list(NUMPY)), SHAPES)
def test_any_json_is_decoded_or_refused(value: object, datatype: str, shape: tuple[int, ...]) -> None:
    try:
        decoded = tensors.from_json("x", datatype, shape, value)
    except BadRequestError:
        return
    assert (decoded.shape, decoded.dtype) == (shape, NUMPY[datatype])


@given(st.binary(max_size=40), st.sampled_from(list(NUMPY)), SHAPES)
def test_any_bytes_are_decoded_or_refused(blob: bytes, datatype: str, shape: tuple[int, ...]) -> None:
    try:
        decoded = tensors.from_binary("x", datatype, shape, memoryview(blob))
    except BadRequestError:
        return
    assert (decoded.shape, tensors.to_binary(datatype, decoded)) == (shape, blob)


@given(st.integers() | st.text() | st.lists(st.integers(-2, 5) | st.booleans()))
def test_any_shape_is_read_or_refused(value: object) -> None:
    try:
        shape = tensors.shape_of("x", value)
    except BadRequestError:
        return
    assert prod(shape) >= 0


def test_nested_strings_keep_their_shape() -> None:
    assert tensors.from_json("x", "BYTES", (2, 1), [["a"], ["b"]]).tolist() == [[b"a"], [b"b"]]


@pytest.mark.parametrize("data", [[["a"], ["b", "c"]], [["a"], "b"], [[], ["a"]]])
def test_uneven_strings_are_refused(data: list[object]) -> None:
    with pytest.raises(BadRequestError, match=r"unevenly|values"):
        tensors.from_json("x", "BYTES", (2,), data)


@pytest.mark.parametrize("blob", [b"\x01", b"\x05\x00\x00\x00abc"])
def test_cut_off_strings_are_refused(blob: bytes) -> None:
    with pytest.raises(BadRequestError, match="ends within"):
        tensors.from_binary("x", "BYTES", (1,), memoryview(blob))


def test_a_boolean_byte_is_0_or_1() -> None:
    with pytest.raises(BadRequestError, match="0 or 1"):
        tensors.from_binary("x", "BOOL", (1,), memoryview(b"\x02"))


@pytest.mark.parametrize(
    ("datatype", "array", "error"),
    [
        ("FP16", np.zeros(1, np.float16), BadRequestError),
        ("BYTES", np.array([b"\xff"], np.object_), BadRequestError),
    ],
)
def test_text_and_fp16_that_json_cannot_say_are_refused(datatype: str, array: Array, error: type[RequestError]) -> None:
    with pytest.raises(error, match="ask for binary_data"):
        tensors.to_json("y", datatype, array)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_json_cannot_say_are_refused(value: float) -> None:
    array = np.array([0.5, value], np.float32)
    with pytest.raises(InferenceError, match="output 'y': holds NaN or infinity"):
        tensors.dump({"data": array}, {"x": np.zeros(1), "y": array})


def test_the_word_null_in_an_answer_is_no_number() -> None:
    assert tensors.dump({"data": ["null"]}, {"y": np.zeros(1)}) == b'{"data":["null"]}'
