"""Clauses of requests that must fail: an HTTP error status (typically 400) with {"error": text}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelyard_conformance.checks import refused, request
from modelyard_conformance.clauses import InapplicableError, clause
from modelyard_conformance.target import Target

Document = dict[str, Any]


@clause("rest.error.model", "inference of a model that is not there is refused")
def _(target: Target) -> None:
    refused(target.wire.post("/v2/models/no-such-model/infer", request(target.samples())))


@clause("rest.error.metadata", "metadata of a model that is not there are refused")
def _(target: Target) -> None:
    refused(target.wire.get("/v2/models/no-such-model"))


@clause("rest.error.version", "inference of a version that is not there is refused")
def _(target: Target) -> None:
    if not target.versions:
        raise InapplicableError("the metadata name no versions")
    refused(target.wire.post(f"{target.path}/versions/no-such-version/infer", request(target.samples())))


@clause("rest.error.json", "a body that is not JSON is refused")
def _(target: Target) -> None:
    refused(target.wire.exchange("POST", f"{target.path}/infer", b'{"inputs": [', {"Content-Type": "application/json"}))


@clause("rest.error.object", "a body that is no JSON object is refused")
def _(target: Target) -> None:
    refused(target.infer([1, 2]))


def _without_inputs(document: Document) -> None:
    del document["inputs"]


def _no_tensor(document: Document) -> None:
    document["inputs"] = []


def _no_name(document: Document) -> None:
    del document["inputs"][0]["name"]


def _no_shape(document: Document) -> None:
    del document["inputs"][0]["shape"]


def _no_datatype(document: Document) -> None:
    del document["inputs"][0]["datatype"]


def _no_data(document: Document) -> None:
    del document["inputs"][0]["data"]


def _unknown_input(document: Document) -> None:
    document["inputs"].append({**document["inputs"][0], "name": "no-such-input"})


def _unknown_output(document: Document) -> None:
    document["outputs"] = [{"name": "no-such-output"}]


def _unknown_datatype(document: Document) -> None:
    document["inputs"][0]["datatype"] = "FP31"


def _negative_shape(document: Document) -> None:
    document["inputs"][0]["shape"][0] = -1


def _few_values(document: Document) -> None:
    document["inputs"][0]["data"] = document["inputs"][0]["data"][:-1]


def _many_values(document: Document) -> None:
    document["inputs"][0]["data"] = document["inputs"][0]["data"] * 2


def _objects(document: Document) -> None:
    document["inputs"][0]["data"] = [{} for _ in document["inputs"][0]["data"]]


_CASES: dict[str, tuple[str, Callable[[Document], None]]] = {
    "inputs": ("a request without inputs is refused", _without_inputs),
    "inputs.empty": ("a request with an empty list of inputs is refused", _no_tensor),
    "input.name": ("an input without a name is refused", _no_name),
    "input.shape": ("an input without a shape is refused", _no_shape),
    "input.datatype": ("an input without a datatype is refused", _no_datatype),
    "input.data": ("an input without data is refused", _no_data),
    "input.unknown": ("an input that the model does not have is refused", _unknown_input),
    "output.unknown": ("a wish for an output that the model does not have is refused", _unknown_output),
    "datatype.unknown": ("a datatype that the protocol does not have is refused", _unknown_datatype),
    "shape.negative": ("a negative size in the shape of a request is refused", _negative_shape),
    "data.few": ("fewer values than the shape says are refused", _few_values),
    "data.many": ("more values than the shape says are refused", _many_values),
    "data.objects": ("values that are no elements of a tensor are refused", _objects),
}


def _add(name: str, text: str, spoil: Callable[[Document], None]) -> None:
    @clause(f"rest.error.{name}", text)
    def check(target: Target) -> None:
        document = request(target.samples())
        spoil(document)
        refused(target.infer(document))


for _name, (_text, _spoil) in _CASES.items():
    _add(_name, _text, _spoil)


@clause("rest.error.shape", "a shape that contradicts the metadata is refused")
def _(target: Target) -> None:
    document = request(target.samples())
    document["inputs"][0]["shape"] = [*document["inputs"][0]["shape"], 1, 1]
    refused(target.infer(document))


@clause("rest.error.datatype", "a datatype that contradicts the metadata is refused")
def _(target: Target) -> None:
    document = request(target.samples())
    entry = document["inputs"][0]
    strings = entry["datatype"] == "BYTES"
    entry["datatype"] = "INT32" if strings else "BYTES"
    entry["data"] = [1 if strings else "text" for _ in entry["data"]]
    refused(target.infer(document))


@clause("rest.error.recovery", "after all that the server still answers")
def _(target: Target) -> None:
    answer = target.infer(request(target.samples()))
    if answer.status != 200:
        refused(answer)
        raise AssertionError(answer.seen)
