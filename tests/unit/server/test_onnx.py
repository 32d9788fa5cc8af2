"""The onnx engine on small models: what they compute, and what is refused."""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from modelyard_server.engines import hardware, onnx_files, preparation, registry
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import BadRequestError, StartupError
from modelyard_server.package import files, parse
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Preprocessing, Tokenising
from modelyard_server.protocol.datatypes import Array

CPU = LoadOptions(device="cpu", threads=1)
FLOAT, INT, TEXT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
WEIGHTS = np.array([[1, 0], [0, 2], [0, 0]], np.float32)
Value = tuple[str, int, list[Any]]


def write(root: Path, nodes: list[Any], taken: list[Value], given_: list[Value], **tensors: Array) -> onnx.ModelProto:
    """A model with weights as initializers."""
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info(*one) for one in taken],
        [helper.make_tensor_value_info(*one) for one in given_],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (root / "model.onnx").write_bytes(model.SerializeToString())
    return model


def linear(root: Path, rows: object = "rows") -> onnx.ModelProto:
    """y = x @ w."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return write(root, [node], [("x", FLOAT, [rows, 3])], [("y", FLOAT, [rows, 2])], w=WEIGHTS)


def card(**fields: Any) -> ModelCard:
    return ModelCard(**{
        "name": "m", "version": "1", "format": "onnx",
        "inputs": (TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
        "outputs": (TensorSpec(name="y", datatype="FP32", shape=(-1, 2)),),
        **fields,
    })  # fmt: skip


def load(root: Path, model: ModelCard, options: LoadOptions = CPU) -> Model:
    (root / parse.FILE).write_bytes(parse.encode(model))
    return registry.load(files.read(root), options)


def refused(root: Path, model: ModelCard, options: LoadOptions = CPU) -> StartupError:
    with pytest.raises(StartupError) as error:
        load(root, model, options)
    return error.value


def test_a_model_computes_what_it_says(tmp_path: Path) -> None:
    linear(tmp_path)
    model = load(tmp_path, card())
    assert model.predict({"x": np.array([[1, 2, 3], [0, 1, 0]], np.float32)})["y"].tolist() == [[1, 4], [0, 2]]
    assert (model.device, model.device_memory()) == ("cpu", {})
    assert model.parameter_bytes == (tmp_path / "model.onnx").stat().st_size


def test_numbers_are_scaled_as_declared(tmp_path: Path) -> None:
    linear(tmp_path)
    spec = TensorSpec(name="x", datatype="INT64", shape=(-1, 3))
    model = load(tmp_path, card(inputs=(spec,), preprocessing=(Preprocessing(input="x", scale=0.5),)))
    assert model.predict({"x": np.array([[2, 4, 6]])})["y"].tolist() == [[1, 4]]


def test_scores_of_a_classifier_become_the_declared_outputs(tmp_path: Path) -> None:
    linear(tmp_path)
    outputs = (
        TensorSpec(name="label", datatype="BYTES", shape=(-1,)),
        TensorSpec(name="top_probabilities", datatype="FP32", shape=(-1, 1)),
    )
    found = load(tmp_path, card(labels=("no", "yes"), outputs=outputs)).predict({"x": np.ones((1, 3), np.float32)})
    assert found["label"].tolist() == [b"yes"]
    assert found["top_probabilities"].tolist() == [[pytest.approx(np.e / (1 + np.e))]]


def test_text_goes_through_a_model_of_strings(tmp_path: Path) -> None:
    write(tmp_path, [helper.make_node("Identity", ["x"], ["y"])], [("x", TEXT, ["n"])], [("y", TEXT, ["n"])])
    text = {"datatype": "BYTES", "shape": (-1,)}
    model = load(tmp_path, card(inputs=(TensorSpec(name="x", **text),), outputs=(TensorSpec(name="y", **text),)))  # type: ignore[arg-type]
    values = np.array(["ä".encode(), b"b"], np.object_)
    assert model.predict({"x": values})["y"].tolist() == values.tolist()
    with pytest.raises(BadRequestError, match="is not UTF-8 text"):
        model.predict({"x": np.array([b"\xff"], np.object_)})


def tokens_card() -> ModelCard:
    return card(
        inputs=(TensorSpec(name="text", datatype="BYTES", shape=(-1,)),),
        outputs=(TensorSpec(name="sum", datatype="INT64", shape=(-1,)),),
        preprocessing=(Preprocessing(input="text", tokens=Tokenising(max_tokens=20)),),
    )


def sums(root: Path, *names: str) -> None:
    """Sum of the ids of a row, counted only where the mask is 1."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 5, "b": 7}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(root / "tokenizer.json"))
    nodes = [
        helper.make_node("Mul", list(names[:2]), ["there"]),
        helper.make_node("ReduceSum", ["there", "axes"], ["sum"], keepdims=0),
    ]
    write(root, nodes, [(name, INT, ["n", "t"]) for name in names], [("sum", INT, ["n"])], axes=np.array([1]))


def test_tokens_reach_a_transformer_s_inputs_with_their_mask(tmp_path: Path) -> None:
    sums(tmp_path, "input_ids", "attention_mask")
    model = load(tmp_path, tokens_card())
    prepare = preparation.of(files.read(tmp_path))
    assert prepare is not None
    rows: Mapping[str, Array] = prepare({"text": np.array([b"a b", b"b", b""], np.object_)})
    assert model.predict(rows)["sum"].tolist() == [12, 7, 0]


def test_other_inputs_of_a_model_of_text_are_told(tmp_path: Path) -> None:
    sums(tmp_path, "ids", "mask")
    message = str(refused(tmp_path, tokens_card()))
    assert "a model of text takes input_ids; this one takes ids tensor(int64) ['n', 't']" in message
    assert "the model also takes ids" in message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": (TensorSpec(name="z", datatype="FP32", shape=(-1, 3)),)}, "the model takes no 'z'; it takes x"),
        ({"inputs": (TensorSpec(name="x", datatype="FP64", shape=(-1, 3)),)}, "x is FP64, the model takes tensor("),
        ({"inputs": (TensorSpec(name="x", datatype="FP32", shape=(-1, 4)),)}, "rows of x are [4], the model takes [3]"),
        ({"inputs": (TensorSpec(name="x", datatype="FP32", shape=(-1, 3, 1)),)}, "rows of x are [3, 1]"),
        ({"outputs": (TensorSpec(name="y", datatype="INT64", shape=(-1, 2)),)}, "y is INT64, the model gives tensor("),
        (
            {"outputs": tuple(TensorSpec(name=name, datatype="FP32", shape=(-1, 2)) for name in ("y", "z"))},
            "the model gives no 'z'; it gives y tensor(float) ['rows', 2]",
        ),
    ],
)  # fmt: skip
def test_a_card_that_does_not_fit_the_model_is_told(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    linear(tmp_path)
    assert message in str(refused(tmp_path, card(**fields)))


def test_a_decoded_input_needs_a_model_of_numbers(tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    write(tmp_path, [node], [("x", INT, ["n", 3])], [("y", INT, ["n", 3])])
    outputs = (TensorSpec(name="y", datatype="INT64", shape=(-1, 3)),)
    fields = {"outputs": outputs, "preprocessing": (Preprocessing(input="x", scale=2.0),)}
    assert "x is decoded to numbers, the model takes tensor(int64)" in str(refused(tmp_path, card(**fields)))


def test_a_fixed_number_of_rows_is_told(tmp_path: Path) -> None:
    linear(tmp_path, rows=1)
    assert "export it with a free first dimension" in str(refused(tmp_path, card()))


def external(root: Path, location: str, content: bytes | None) -> None:
    """The weights of `linear` in a file of their own."""
    model = linear(root)
    (weights,) = model.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", location
    (root / "model.onnx").write_bytes(model.SerializeToString())
    if content is not None:
        (root / location).write_bytes(content)


def test_weights_may_lie_beside_the_model(tmp_path: Path) -> None:
    external(tmp_path, "weights.bin", WEIGHTS.tobytes())
    model = load(tmp_path, card())
    assert model.predict({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[1, 2]]
    assert model.parameter_bytes == (tmp_path / "model.onnx").stat().st_size + WEIGHTS.nbytes


def test_weights_outside_of_the_package_are_not_read(tmp_path: Path) -> None:
    root = tmp_path / "package"
    root.mkdir()
    (tmp_path / "secret").write_bytes(WEIGHTS.tobytes())
    for location in ("../secret", str(tmp_path / "secret")):
        external(root, location, None)
        error = refused(root, card())
        assert (error.reason, "is not inside of the package" in str(error)) == ("UnsafeFormat", True)
    (root / "link").symlink_to(tmp_path / "secret")
    external(root, "link", None)
    assert refused(root, card()).reason == "UnsafeFormat"
    external(root, "gone", None)
    assert "external data 'gone': no such file" in str(refused(root, card()))


def test_custom_operators_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Anything", ["x"], ["y"], domain="com.example")
    model = write(tmp_path, [node], [("x", FLOAT, ["n", 3])], [("y", FLOAT, ["n", 2])])
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    error = refused(tmp_path, card())
    assert error.reason == "UnsafeFormat"
    assert "operators of com.example" in str(error)


def test_functions_of_the_file_itself_are_no_custom_operators(tmp_path: Path) -> None:
    body = [helper.make_node("MatMul", ["a", "b"], ["c"])]
    opset = helper.make_opsetid("", 17)
    function = helper.make_function("local", "Multiply", ["a", "b"], ["c"], body, [opset])
    model = linear(tmp_path)
    model.graph.node[0].CopyFrom(helper.make_node("Multiply", ["x", "w"], ["y"], domain="local"))
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert load(tmp_path, card()).predict({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "does not fit|does not load"), (b"hello", "not readable as ONNX"),
     (b"\x08\x07", "ONNX Runtime does not load it")],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    assert re.search(message, str(refused(tmp_path, card())))


def test_a_missing_gpu_is_said(tmp_path: Path) -> None:
    linear(tmp_path)
    assert "device cuda was asked for, but onnxruntime" in str(refused(tmp_path, card(), LoadOptions(device="cuda")))


def test_threads_are_measured_where_there_are_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_share", lambda: 2)
    linear(tmp_path)
    model = load(tmp_path, card(), LoadOptions(device="auto", warm_rows=4))
    assert model.predict({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[1, 2]]


class TestReferences:
    def test_sparse_weights_and_inner_graphs_are_looked_into(self) -> None:
        def at(location: str) -> TensorProto:
            tensor = TensorProto(name=location, data_type=FLOAT, dims=[1])
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", location
            return tensor

        inner = helper.make_graph([], "inner", [], [], [at("in a branch")])
        nodes = [
            helper.make_node("Constant", [], ["c"], value=at("in a constant")),
            helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner, domain="strange"),
        ]
        graph = helper.make_graph(nodes, "outer", [], [])
        graph.sparse_initializer.add().values.CopyFrom(at("in a sparse one"))
        found = onnx_files.references(helper.make_model(graph).SerializeToString())
        assert found.locations == {"in a branch", "in a constant", "in a sparse one"}
        assert found.domains == {"strange"}

    def test_endless_nesting_is_refused(self) -> None:
        content = b""
        for _ in range(40):
            for field in (6, 5, 1):
                content = bytes([field << 3 | 2]) + _size(len(content)) + content
        with pytest.raises(ValueError, match="graphs inside of each other"):
            onnx_files.references(b"\x3a" + _size(len(content)) + content)

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"\x3a\x05a", "a field ends behind"), (b"\x80", "a number does not end"), (b"\x0b", "wire type 3"),
         (b"\xff" * 11, "a number does not end")],
    )  # fmt: skip
    def test_what_is_no_protocol_buffer_is_refused(self, content: bytes, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            onnx_files.references(content)

    def test_numbers_of_fixed_size_are_stepped_over(self) -> None:
        assert onnx_files.references(b"\x09" + b"x" * 8 + b"\x0d" + b"x" * 4).locations == frozenset()

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, content: bytes) -> None:
        with contextlib.suppress(ValueError):
            onnx_files.references(content)


def _size(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
