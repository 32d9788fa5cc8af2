"""Whatever arrives, the answer is a result or an error in words: no other exception, no unbounded memory.

`make fuzz N=20000` looks for longer.
"""

import json
import os
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from modelyard_server.engines import registry
from modelyard_server.engines.model import LoadOptions
from modelyard_server.errors import BadRequestError, FetchError, PackageError, RequestError, StartupError
from modelyard_server.fetch import archive
from modelyard_server.package import files, manifest, parse
from modelyard_server.package.architectures import Mlp
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.protocol import v1, v2
from modelyard_server.protocol.signature import Signature
from modelyard_server.rpc import inference_pb2 as pb
from modelyard_server.rpc import messages
from unit.server import packages

fuzz = settings(
    max_examples=int(os.environ.get("MODELYARD_FUZZ_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DATATYPES = ("FP32", "INT64", "BOOL", "BYTES", "FP16", "UINT8")
SIGNATURES = st.sampled_from([
    Signature(
        (TensorSpec(name="x", datatype=kind, shape=(-1, 2)), *more),  # type: ignore[arg-type]
        (TensorSpec(name="y", datatype="FP32", shape=(-1, 2)),),
    )
    for kind in DATATYPES
    for more in ((), (TensorSpec(name="b", datatype="BYTES", shape=(-1,)),))
])  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner))
names = st.sampled_from(["x", "b", "y", "", "\ud800"]) | st.text(max_size=4)
shapes = st.lists(st.integers(-1, 4) | st.sampled_from([2**31, 2**63, 2**64]), max_size=4) | values
sizes = st.integers(-1, 40) | st.just(2**63) | values
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": names | values,
        "shape": st.just([1, 2]) | shapes,
        "datatype": st.sampled_from([*DATATYPES, "FP31"]) | values,
        "data": st.lists(scalars, max_size=5) | values,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": sizes}) | values,
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=3) | values,
        "inputs": st.lists(tensors, max_size=3) | values,
        "outputs": st.lists(st.fixed_dictionaries({"name": names}), max_size=2) | values,
        "parameters": st.fixed_dictionaries({}, optional={"timeout": sizes, "binary_data_output": values}) | values,
        "instances": st.lists(st.lists(scalars, max_size=3), max_size=3) | values,
    },
)
bodies = st.binary(max_size=64) | (documents | values).map(lambda one: json.dumps(one).encode("utf-8", "surrogatepass"))


def refused_in_words(call: Callable[[], object], *errors: type[Exception]) -> None:
    """The call succeeds, or fails with an error that has a text; anything else is a bug."""
    try:
        call()
    except errors as error:
        if not str(error):
            raise


@fuzz
@given(SIGNATURES, bodies)
def test_json_of_v2_and_v1(signature: Signature, body: bytes) -> None:
    refused_in_words(lambda: v2.parse(signature, body, None, v2.decoder(signature)), BadRequestError)
    refused_in_words(lambda: v1.parse(signature, body), BadRequestError)


@fuzz
@given(SIGNATURES, bodies, st.binary(max_size=40), st.integers(0, 200) | st.none())
def test_binary_tensors(signature: Signature, head: bytes, tail: bytes, length: int | None) -> None:
    json_bytes = len(head) if length is None else length
    refused_in_words(lambda: v2.parse(signature, head + tail, json_bytes, v2.decoder(signature)), RequestError)


@fuzz
@given(SIGNATURES, st.lists(st.integers(0, 2**63), min_size=1, max_size=5))
def test_a_shape_alone_takes_no_memory(signature: Signature, shape: list[int]) -> None:
    tensor = {"name": "x", "shape": shape, "datatype": signature.inputs[0].datatype}
    body = json.dumps({"inputs": [{**tensor, "data": []}]}).encode()
    tracemalloc.start()
    refused_in_words(lambda: v2.parse(signature, body, None), BadRequestError)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20


contents = st.builds(
    pb.InferTensorContents,
    fp32_contents=st.lists(st.floats(width=32), max_size=3),
    int64_contents=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
    bool_contents=st.lists(st.booleans(), max_size=3),
    bytes_contents=st.lists(st.binary(max_size=4), max_size=3),
    uint_contents=st.lists(st.integers(0, 2**32 - 1), max_size=3),
)
text = st.text(st.characters(codec="utf-8"), max_size=4)
rpc_tensors = st.builds(
    pb.ModelInferRequest.InferInputTensor,
    name=st.sampled_from(["x", "b"]) | text,
    datatype=st.sampled_from(DATATYPES) | text,
    shape=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 3), max_size=4),
    contents=contents | st.none(),
)
calls = st.builds(
    pb.ModelInferRequest,
    id=text,
    inputs=st.lists(rpc_tensors, max_size=3),
    raw_input_contents=st.lists(st.binary(max_size=20), max_size=3),
)


@fuzz
@given(SIGNATURES, calls)
def test_grpc_messages(signature: Signature, call: pb.ModelInferRequest) -> None:
    refused_in_words(lambda: messages.parse(signature, call), RequestError)


@fuzz
@given(SIGNATURES, calls, st.data())
def test_grpc_messages_with_changed_bytes(
    signature: Signature, call: pb.ModelInferRequest, data: st.DataObject
) -> None:
    content = changed(call.SerializeToString(), data)
    try:
        message = pb.ModelInferRequest.FromString(content)
    except DecodeError:
        return
    refused_in_words(lambda: messages.parse(signature, message), RequestError)


def changed(content: bytes, data: st.DataObject) -> bytes:
    """A few bytes replaced, inserted or cut away."""
    made = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(made)))
        made[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    return bytes(made)


CARD = ModelCard(
    name="m",
    version="1",
    format="torch",
    inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 2)),),
    outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 3)),),
    architecture=Mlp(layers=(2, 3)),
)
fields = st.sampled_from([*ModelCard.__struct_fields__, "other"])


@fuzz
@given(st.data())
def test_model_cards_with_changed_bytes(data: st.DataObject) -> None:
    refused_in_words(lambda: parse.card(changed(parse.encode(CARD), data)), PackageError)


@fuzz
@given(fields, values)
def test_model_cards_with_any_value(field: str, value: Any) -> None:
    document = yaml.safe_load(parse.encode(CARD))
    document[field] = value
    content = yaml.safe_dump(document).encode("utf-8", "surrogatepass")
    refused_in_words(lambda: parse.card(content), PackageError)


@fuzz
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda one: one.encode("utf-8", "surrogatepass")))
def test_model_cards_of_any_bytes(content: bytes) -> None:
    refused_in_words(lambda: parse.card(content), PackageError)


@fuzz
@given(values | st.fixed_dictionaries({"files": st.dictionaries(st.text(max_size=5), values)}))
def test_manifests(document: Any) -> None:
    content = json.dumps(document).encode("utf-8", "surrogatepass")
    refused_in_words(lambda: manifest.parse(content), PackageError)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("package") / "package"
    packages.make(root)
    return root


@fuzz
@given(data=st.data(), kind=st.sampled_from(["tar", "tar.gz", "zip"]))
def test_archives_with_changed_bytes(package: Path, data: st.DataObject, kind: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / f"package.{kind}"
        packages.zipped(path, package) if kind == "zip" else packages.tar(
            path, package, mode="w:gz" if "gz" in kind else "w"
        )
        path.write_bytes(changed(path.read_bytes(), data))
        refused_in_words(
            lambda: archive.unpack(path, Path(temporary) / "out", allow_unsafe=False), FetchError, PackageError
        )


members = st.lists(
    st.tuples(
        st.sampled_from(["model.yaml", "a/b", "../x", "/etc/x", "a//b", "a\\b", "con:x", ".", "a" * 600])
        | st.text(max_size=9),
        st.sampled_from(
            [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
        ),
    ),
    max_size=4,
)


@fuzz
@given(members)
def test_archives_with_any_member_stay_inside(entries: list[tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        with tarfile.open(root / "package.tar", "w", errors="surrogateescape") as made:
            for name, kind in entries:
                packages.add(made, name.replace("\ud800", "?").encode("utf-8", "replace").decode(), b"content", kind)
        target = root / "deep" / "down" / "out"
        target.parent.mkdir(parents=True)
        refused_in_words(
            lambda: archive.unpack(root / "package.tar", target, allow_unsafe=False), FetchError, PackageError
        )
        outside = [one for one in root.rglob("*") if one.is_file() and not one.is_relative_to(target)]
        assert outside == [root / "package.tar"]


@fuzz
@given(data=st.data())
def test_weights_with_changed_bytes(data: st.DataObject) -> None:
    weights = {"out.weight": np.zeros((3, 2), np.float32), "out.bias": np.zeros((3,), np.float32)}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (root / parse.FILE).write_bytes(parse.encode(CARD))
        (root / "model.safetensors").write_bytes(changed(save(weights), data))
        files.seal(root)
        refused_in_words(lambda: registry.load(files.read(root), LoadOptions()), StartupError, PackageError)
