"""Clauses of gRPC calls that must end with an error status, and of the repository's calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelyard_conformance.channel import FIELDS, CallFailedError, call, messages, raw, refused, typed
from modelyard_conformance.clauses import InapplicableError, UnsupportedError, clause, expect
from modelyard_conformance.target import Target
from modelyard_conformance.tensors import Tensor


@clause("grpc.error.model", "inference of a model that is not there is refused")
def _(target: Target) -> None:
    request = raw(target, target.samples())
    request.model_name = "no-such-model"
    refused(target, "ModelInfer", request)


@clause("grpc.error.metadata", "metadata of a model that is not there are refused")
def _(target: Target) -> None:
    refused(target, "ModelMetadata", messages().ModelMetadataRequest(name="no-such-model"))


@clause("grpc.error.version", "inference of a version that is not there is refused")
def _(target: Target) -> None:
    if not target.versions:
        raise InapplicableError("the metadata name no versions")
    refused(target, "ModelInfer", raw(target, target.samples(), model_version="no-such-version"))


def _unknown_input(request: Any) -> None:
    request.inputs[0].name = "no-such-input"


def _unknown_output(request: Any) -> None:
    request.outputs.add(name="no-such-output")


def _unknown_datatype(request: Any) -> None:
    request.inputs[0].datatype = "FP31"


def _negative_shape(request: Any) -> None:
    request.inputs[0].shape[0] = -1


def _rank(request: Any) -> None:
    request.inputs[0].shape.extend([1, 1])


def _no_inputs(request: Any) -> None:
    del request.inputs[:]
    del request.raw_input_contents[:]


def _short(request: Any) -> None:
    request.raw_input_contents[0] = request.raw_input_contents[0][:-1]


def _count(request: Any) -> None:
    request.raw_input_contents.append(b"\x00")


_CASES: dict[str, tuple[str, Callable[[Any], None]]] = {
    "inputs": ("a request without inputs is refused", _no_inputs),
    "input.unknown": ("an input that the model does not have is refused", _unknown_input),
    "output.unknown": ("a wish for an output that the model does not have is refused", _unknown_output),
    "datatype.unknown": ("a datatype that the protocol does not have is refused", _unknown_datatype),
    "shape.negative": ("a negative size in the shape of a request is refused", _negative_shape),
    "shape": ("a shape that contradicts the metadata is refused", _rank),
    "raw.size": ("raw contents of another size than the shape says are refused", _short),
    "raw.count": ("raw contents must be as many as inputs", _count),
}


def _add(name: str, text: str, spoil: Callable[[Any], None]) -> None:
    @clause(f"grpc.error.{name}", text)
    def check(target: Target) -> None:
        request = raw(target, target.samples())
        spoil(request)
        refused(target, "ModelInfer", request)


for _name, (_text, _spoil) in _CASES.items():
    _add(_name, _text, _spoil)


@clause("grpc.error.both", "typed and raw contents in one request are refused")
def _(target: Target) -> None:
    request = typed(target, target.samples())
    request.raw_input_contents.extend(raw(target, target.samples()).raw_input_contents)
    refused(target, "ModelInfer", request)


@clause("grpc.error.typed.size", "fewer typed elements than the shape says are refused")
def _(target: Target) -> None:
    first, *others = target.samples()
    short = Tensor(first.name, first.datatype, first.shape, first.values[:-1])
    refused(target, "ModelInfer", typed(target, [short, *others]))


@clause("grpc.error.typed.field", "elements in the field of another datatype are refused")
def _(target: Target) -> None:
    request = typed(target, target.samples())
    entry = request.inputs[0]
    field = FIELDS[entry.datatype]
    entry.contents.ClearField(field)
    other = "bytes_contents" if field != "bytes_contents" else "fp32_contents"
    getattr(entry.contents, other).extend([b"1"] if other == "bytes_contents" else [1.0])
    refused(target, "ModelInfer", request)


def _repository(target: Target, name: str, **fields: Any) -> Any:
    try:
        return call(target, name, getattr(messages(), f"{name}Request")(**fields))
    except CallFailedError as error:
        if error.code == "UNIMPLEMENTED":
            raise UnsupportedError(str(error)) from error
        raise


@clause("grpc.repository.index", "RepositoryIndex lists the model that serves, as READY")
def _(target: Target) -> None:
    found = _repository(target, "RepositoryIndex").models
    states = [one.state for one in found if one.name == target.model]
    expect("READY" in states, f"states of {target.model} are {states}")


@clause("grpc.repository.load", "RepositoryModelLoad loads a loaded model anew")
def _(target: Target) -> None:
    _repository(target, "RepositoryModelLoad", model_name=target.model)
    expect(call(target, "ModelReady", messages().ModelReadyRequest(name=target.model)).ready, "it is not ready then")


@clause("grpc.repository.load.unknown", "a load of a model that is not there is refused")
def _(target: Target) -> None:
    refused(target, "RepositoryModelLoad", messages().RepositoryModelLoadRequest(model_name="no-such-model"))


@clause("grpc.repository.unload", "RepositoryModelUnload takes the model out of service; a load brings it back")
def _(target: Target) -> None:
    _repository(target, "RepositoryModelUnload", model_name=target.model)
    try:
        ready = call(target, "ModelReady", messages().ModelReadyRequest(name=target.model)).ready
    except CallFailedError:
        ready = False
    _repository(target, "RepositoryModelLoad", model_name=target.model)
    expect(not ready, "it is still ready after the unload")
    expect(call(target, "ModelReady", messages().ModelReadyRequest(name=target.model)).ready, "the load did not help")
