"""Tensors of gRPC messages: every datatype there and back, for any values, and what is refused."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from modelyard_server.errors import BadRequestError
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol import tensors
from modelyard_server.protocol.datatypes import NUMPY, Array
from modelyard_server.protocol.signature import Signature
from modelyard_server.rpc import contents, messages
from modelyard_server.rpc.inference_pb2 import InferTensorContents, ModelInferRequest

NUMBERS = [name for name in contents.FIELDS if name != "BYTES"]
SHAPES = numpy_st.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=40)


def arrays(datatype: str) -> st.SearchStrategy[Array]:
    return numpy_st.arrays(NUMPY[datatype], SHAPES)


def spec(datatype: str) -> TensorSpec:
    return msgspec.convert({"name": "x", "datatype": datatype, "shape": (-1,)}, TensorSpec)


def again(message: InferTensorContents) -> InferTensorContents:
    """As it comes out of the wire."""
    return InferTensorContents.FromString(message.SerializeToString())


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_come_back_bit_by_bit(datatype: str) -> None:
    @given(arrays(datatype))
    def check(array: Array) -> None:
        found = contents.decode("x", datatype, array.shape, again(contents.encode(datatype, array)))
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())

    check()


@given(st.lists(st.binary(max_size=300), max_size=50))
def test_bytes_come_back(values: list[bytes]) -> None:
    message = again(contents.encode("BYTES", tensors.objects(values)))
    assert contents.decode("x", "BYTES", (len(values),), message).tolist() == values


@pytest.mark.parametrize("datatype", NUMBERS)
def test_what_is_written_is_what_protobuf_itself_would_write(datatype: str) -> None:
    @given(arrays(datatype))
    def check(array: Array) -> None:
        plain = InferTensorContents(**{contents.FIELDS[datatype]: array.ravel().tolist()})
        assert contents.encode(datatype, array).SerializeToString() == plain.SerializeToString()

    check()


@given(st.binary(max_size=200), st.sampled_from(NUMBERS), st.integers(0, 50))
def test_any_message_is_a_tensor_or_refused(blob: bytes, datatype: str, size: int) -> None:
    try:
        message = InferTensorContents.FromString(blob)
    except DecodeError:  # gRPC refuses it, so it never comes here
        return
    try:
        assert contents.decode("x", datatype, (size,), message).shape == (size,)
    except BadRequestError:
        assert size != len(getattr(message, contents.FIELDS[datatype])) or message.ListFields()


def test_fields_of_a_newer_protocol_are_passed_over() -> None:
    message = InferTensorContents.FromString(b"\x32\x04\x00\x00\x80\x3f" + b"\x9a\x06\x05extra")
    assert contents.decode("x", "FP32", (1,), message).tolist() == [1.0]


@pytest.mark.parametrize(
    ("datatype", "fields", "reason"),
    [
        ("FP16", {"fp32_contents": [1]}, "FP16 has no typed contents; send it in raw_input_contents"),
        ("FP32", {"fp64_contents": [1]}, "FP32 travels in fp32_contents, not in fp64_contents"),
        ("FP32", {"fp32_contents": [1], "int_contents": [1]}, "not in int_contents"),
        ("INT8", {"int_contents": [128]}, "out of range for INT8"),
        ("UINT16", {"uint_contents": [65536]}, "out of range for UINT16"),
        ("FP32", {"fp32_contents": [1, 2]}, "data has 2 values, shape [1] needs 1"),
        ("FP32", {}, "data has 0 values, shape [1] needs 1"),
    ],
)
def test_values_in_the_wrong_place_are_refused(datatype: str, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        contents.decode("x", datatype, (1,), InferTensorContents(**fields))
    assert reason in str(caught.value)


def request(change: Callable[[ModelInferRequest], object]) -> messages.Request:
    message = ModelInferRequest(model_name="m")
    message.inputs.add(name="x", datatype="FP32", shape=[2]).contents.fp32_contents.extend([1, 2])
    change(message)
    return messages.parse(Signature((spec("FP32"),), (spec("FP32"),)), message)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.raw_input_contents.append(b"12345678"), "contents or raw_input_contents, not both"),
        (lambda m: m.raw_input_contents.extend([b"", b""]), "2 tensors for 1 inputs"),
        (lambda m: m.inputs.append(m.inputs[0]), "is given twice"),
        (lambda m: m.inputs.add(name="z"), "inputs are x"),
        (lambda m: m.outputs.add(name="z"), "outputs are x"),
        (lambda m: m.inputs[0].shape.append(-1), "shape must be a list of sizes"),
        (lambda m: m.inputs[0].shape.append(1 << 40), "more than"),
        (lambda m: setattr(m.inputs[0], "datatype", "FP64"), "the model takes FP32"),
        (lambda m: setattr(m.parameters["timeout"], "string_param", "1"), "timeout must be a number"),
    ],
)
def test_a_wrong_request_says_why(change: Callable[[ModelInferRequest], object], reason: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        request(change)
    assert reason in str(caught.value)


def test_wanted_outputs_and_empty_parameters() -> None:
    assert request(lambda m: m.outputs.add(name="x")).outputs == ("x",)
    assert request(lambda m: m.parameters["timeout"]).timeout is None


def test_an_fp16_output_makes_the_whole_answer_raw() -> None:
    signature = Signature((spec("FP32"),), (spec("FP16"),))
    asked = messages.Request("", {}, 1, ("x",), raw=False, timeout=None)
    answer = messages.respond(signature, ("m", "1"), asked, {"x": np.array([1.5], np.float16)})
    assert (list(answer.raw_output_contents), answer.outputs[0].HasField("contents")) == ([b"\x00\x3e"], False)
