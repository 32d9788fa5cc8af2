"""Clauses of the Open Inference Protocol over gRPC that must succeed. Answers are compared with those over REST."""

from __future__ import annotations

from typing import Any

from modelyard_conformance.channel import CallFailedError, call, messages, outputs, raw, typed
from modelyard_conformance.checks import result, same
from modelyard_conformance.clauses import FailedError, InapplicableError, clause, expect
from modelyard_conformance.target import Target
from modelyard_conformance.tensors import sample


def _ok(target: Target, call_name: str, /, **fields: Any) -> Any:
    """The answer of a call that must succeed, by the name of the call."""
    return call(target, call_name, getattr(messages(), f"{call_name}Request")(**fields))


@clause("grpc.live", "ServerLive answers true")
def _(target: Target) -> None:
    expect(_ok(target, "ServerLive").live, "live is false")


@clause("grpc.ready", "ServerReady answers true when all models can be asked")
def _(target: Target) -> None:
    expect(_ok(target, "ServerReady").ready, "ready is false")


@clause("grpc.model_ready", "ModelReady answers true for a model that can be asked, also by its version")
def _(target: Target) -> None:
    for version in ("", *target.versions):
        expect(_ok(target, "ModelReady", name=target.model, version=version).ready, f"version {version!r}: false")


@clause("grpc.model_ready.unknown", "a model that is not there is not ready: false, or an error status")
def _(target: Target) -> None:
    try:
        answer = _ok(target, "ModelReady", name="no-such-model")
    except CallFailedError as error:
        expect(error.code not in ("UNAVAILABLE", "UNIMPLEMENTED"), str(error))
        return
    expect(not answer.ready, "ready is true")


@clause("grpc.metadata", "ServerMetadata gives name, version and extensions, as REST does")
def _(target: Target) -> None:
    answer = _ok(target, "ServerMetadata")
    expect(answer.name and answer.version, f"name is {answer.name!r}, version is {answer.version!r}")
    expect(set(answer.extensions) == target.extensions, f"{list(answer.extensions)}, REST: {sorted(target.extensions)}")


@clause("grpc.model", "ModelMetadata gives inputs, outputs, platform and versions, as REST does")
def _(target: Target) -> None:
    answer = _ok(target, "ModelMetadata", name=target.model)
    expect(answer.name == target.model, f"name is {answer.name!r}")
    expect(list(answer.versions) == target.versions, f"versions are {list(answer.versions)}")
    for field, declared in (("inputs", target.inputs), ("outputs", target.outputs)):
        found = [(one.name, one.datatype, tuple(one.shape)) for one in getattr(answer, field)]
        expect(found == [(one.name, one.datatype, one.shape) for one in declared], f"{field} are {found}")


@clause("grpc.infer.typed", "ModelInfer takes typed contents and gives the answer of REST")
def _(target: Target) -> None:
    same(result(target), outputs(call(target, "ModelInfer", typed(target, target.samples()))))


@clause("grpc.infer.raw", "ModelInfer takes raw contents and gives the answer of REST")
def _(target: Target) -> None:
    same(result(target), outputs(call(target, "ModelInfer", raw(target, target.samples()))))


@clause("grpc.infer.names", "the answer names the model, and a version of its metadata")
def _(target: Target) -> None:
    answer = call(target, "ModelInfer", raw(target, target.samples()))
    expect(answer.model_name == target.model, f"model_name is {answer.model_name!r}")
    known = ("", *target.versions)
    expect(not target.versions or answer.model_version in known, f"model_version is {answer.model_version!r}")


@clause("grpc.infer.version", "a version that the metadata name can be asked")
def _(target: Target) -> None:
    if not target.versions:
        raise InapplicableError("the metadata name no versions")
    for version in target.versions:
        call(target, "ModelInfer", raw(target, target.samples(), model_version=version))


@clause("grpc.infer.id", "the id of a request comes back")
def _(target: Target) -> None:
    answer = call(target, "ModelInfer", raw(target, target.samples(), id="g-1"))
    expect(answer.id == "g-1", f"id is {answer.id!r}")


@clause("grpc.infer.without_id", "a request needs no id")
def _(target: Target) -> None:
    call(target, "ModelInfer", raw(target, target.samples()))


@clause("grpc.infer.outputs", "without a wish all outputs of the metadata come, with their datatypes and shapes")
def _(target: Target) -> None:
    found = outputs(call(target, "ModelInfer", raw(target, target.samples())))
    expect(sorted(found) == sorted(one.name for one in target.outputs), f"outputs are {sorted(found)}")
    for one in target.outputs:
        tensor = found[one.name]
        expect(tensor.datatype == one.datatype, f"{one.name} is {tensor.datatype}, declared is {one.datatype}")
        expect(one.fits(tensor.shape), f"{one.name} is {list(tensor.shape)}, declared is {list(one.shape)}")


@clause("grpc.infer.outputs.chosen", "only the outputs that a request names come")
def _(target: Target) -> None:
    for one in target.outputs:
        request = raw(target, target.samples())
        request.outputs.add(name=one.name)
        found = outputs(call(target, "ModelInfer", request))
        expect(list(found) == [one.name], f"{list(found)} for {one.name}")


@clause("grpc.infer.parameters", "a request may have parameters that the server does not know")
def _(target: Target) -> None:
    request = raw(target, target.samples())
    request.parameters["x-conformance"].string_param = "any"
    try:
        call(target, "ModelInfer", request)
    except CallFailedError as error:
        raise FailedError(str(error)) from error


@clause("grpc.infer.rows", "a batch is answered row by row, in the order of its rows")
def _(target: Target) -> None:
    if any(one.shape[:1] != (-1,) for one in (*target.inputs, *target.outputs)):
        raise InapplicableError("the first size of an input or output is fixed")
    tensors = [sample(one, 3) for one in target.inputs]
    together = outputs(call(target, "ModelInfer", raw(target, tensors)))
    for at in range(3):
        alone = outputs(call(target, "ModelInfer", raw(target, [one.row(at) for one in tensors])))
        same({name: tensor.row(at) for name, tensor in together.items()}, alone)
