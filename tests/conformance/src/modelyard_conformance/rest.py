"""Clauses of the Open Inference Protocol over REST: health, metadata and inference that succeeds."""

from __future__ import annotations

from typing import Any

from modelyard_conformance.checks import as_json, good, outputs, request, result, same
from modelyard_conformance.clauses import InapplicableError, clause, expect
from modelyard_conformance.target import Target
from modelyard_conformance.tensors import DATATYPES, sample
from modelyard_conformance.wire import Answer

JSON = "application/json"


@clause("rest.live", "GET /v2/health/live answers 200 while the server lives")
def _(target: Target) -> None:
    _succeeded(target.wire.get("/v2/health/live"))


@clause("rest.live.body", 'the answer to /v2/health/live is {"live": true}')
def _(target: Target) -> None:
    document = good(target.wire.get("/v2/health/live"))
    expect(document.get("live") is True, f"{document}")


@clause("rest.ready", "GET /v2/health/ready answers 200 when all models can be asked")
def _(target: Target) -> None:
    _succeeded(target.wire.get("/v2/health/ready"))


@clause("rest.ready.body", "the answer to /v2/health/ready holds true (as live in the text, as ready in practice)")
def _(target: Target) -> None:
    document = good(target.wire.get("/v2/health/ready"))
    expect(document.get("ready", document.get("live")) is True, f"{document}")


@clause("rest.model_ready", "GET /v2/models/NAME/ready answers 200 when the model can be asked")
def _(target: Target) -> None:
    _succeeded(target.wire.get(f"{target.path}/ready"))


@clause("rest.model_ready.body", 'the answer to a model\'s /ready is {"name": its name, "ready": true}')
def _(target: Target) -> None:
    document = good(target.wire.get(f"{target.path}/ready"))
    expect((document.get("name"), document.get("ready")) == (target.model, True), f"{document}")


@clause("rest.model_ready.version", "a model's /ready can be asked for a version that its metadata names")
def _(target: Target) -> None:
    for version in _versions(target):
        _succeeded(target.wire.get(f"{target.path}/versions/{version}/ready"))


@clause("rest.model_ready.unknown", "a model that is not there is not ready: an HTTP error status, or ready false")
def _(target: Target) -> None:
    answer = target.wire.get("/v2/models/no-such-model/ready")
    expect(answer.status >= 400 or answer.json.get("ready") is False, answer.seen)


@clause("rest.metadata", "GET /v2 answers 200 without a redirection")
def _(target: Target) -> None:
    good(target.wire.get("/v2"))


@clause("rest.metadata.body", "the server's metadata are name, version and a list of extensions")
def _(target: Target) -> None:
    answer = target.wire.get("/v2")
    document = good(answer if answer.status == 200 else target.wire.get("/v2/"))
    expect(isinstance(document.get("name"), str), f"name is {document.get('name')!r}")
    expect(isinstance(document.get("version"), str), f"version is {document.get('version')!r}")
    found = document.get("extensions")
    expect(isinstance(found, list) and all(isinstance(one, str) for one in found), f"extensions is {found!r}")


@clause("rest.model", "a model's metadata are its name, a platform, inputs and outputs")
def _(target: Target) -> None:
    document = good(target.wire.get(target.path))
    expect(document.get("name") == target.model, f"name is {document.get('name')!r}")
    expect(isinstance(document.get("platform"), str), f"platform is {document.get('platform')!r}")
    for field in ("inputs", "outputs"):
        expect(isinstance(document.get(field), list), f"{field} is {document.get(field)!r}")


@clause("rest.model.tensors", "every tensor of the metadata has a name, a datatype of the protocol and a shape")
def _(target: Target) -> None:
    for entry in (*target.metadata["inputs"], *target.metadata["outputs"]):
        expect(isinstance(entry.get("name"), str), f"name is {entry.get('name')!r}")
        expect(entry.get("datatype") in DATATYPES, f"{entry['name']}: datatype is {entry.get('datatype')!r}")
        shape: Any = entry.get("shape")
        numbers = isinstance(shape, list) and all(type(size) is int and size >= -1 for size in shape)
        expect(numbers, f"{entry['name']}: shape is {shape!r}")


@clause("rest.model.versions", "versions, where they are given, are texts, and each has metadata of its own")
def _(target: Target) -> None:
    for version in _versions(target):
        expect(isinstance(version, str), f"a version is {version!r}")
        good(target.wire.get(f"{target.path}/versions/{version}"))


@clause("rest.infer", "POST /v2/models/NAME/infer answers 200 with application/json")
def _(target: Target) -> None:
    answer = target.infer(request(target.samples()))
    good(answer)
    expect(answer.headers.get("content-type", "").startswith(JSON), f"{answer.headers.get('content-type')}")


@clause("rest.infer.model_name", "the answer names the model")
def _(target: Target) -> None:
    document = good(target.infer(request(target.samples())))
    expect(document.get("model_name") == target.model, f"model_name is {document.get('model_name')!r}")


@clause("rest.infer.model_version", "a version, where the answer names one, is one of the metadata")
def _(target: Target) -> None:
    found = good(target.infer(request(target.samples()))).get("model_version")
    if found is None:
        raise InapplicableError("the answer names no version")
    expect(isinstance(found, str), f"model_version is {found!r}")
    expect(not target.versions or found in target.versions, f"{found!r} is none of {target.versions}")


@clause("rest.infer.version", "a version that the metadata names can be asked by its path")
def _(target: Target) -> None:
    for version in _versions(target):
        path = f"{target.path}/versions/{version}/infer"
        document = good(target.wire.post(path, request(target.samples())))
        expect(document.get("model_version", version) == version, f"model_version is {document.get('model_version')!r}")


@clause("rest.infer.id", "the id of a request comes back")
def _(target: Target) -> None:
    document = good(target.infer(request(target.samples(), id="a-1")))
    expect(document.get("id") == "a-1", f"id is {document.get('id')!r}")


@clause("rest.infer.without_id", "a request needs no id")
def _(target: Target) -> None:
    result(target)


@clause("rest.infer.outputs", "without a wish all outputs of the metadata come, each once")
def _(target: Target) -> None:
    found = result(target)
    expect(sorted(found) == sorted(one.name for one in target.outputs), f"outputs are {sorted(found)}")


@clause("rest.infer.outputs.declared", "outputs have the datatypes and shapes that the metadata declare")
def _(target: Target) -> None:
    found = result(target)
    for one in target.outputs:
        tensor = found[one.name]
        expect(tensor.datatype == one.datatype, f"{one.name} is {tensor.datatype}, declared is {one.datatype}")
        expect(one.fits(tensor.shape), f"{one.name} is {list(tensor.shape)}, declared is {list(one.shape)}")


@clause("rest.infer.outputs.chosen", "only the outputs that a request names come")
def _(target: Target) -> None:
    for one in target.outputs:
        wish = request(target.samples(), outputs=[{"name": one.name}])
        found = outputs(good(target.infer(wish)))
        expect(list(found) == [one.name], f"{list(found)} for {one.name}")


@clause("rest.infer.outputs.empty", "an empty list of outputs is no wish: all come")
def _(target: Target) -> None:
    same(result(target), outputs(good(target.infer(request(target.samples(), outputs=[])))))


@clause("rest.infer.nested", "data may be nested as the shape says; the answer is that to flat data")
def _(target: Target) -> None:
    deep = {"inputs": [as_json(one, deep=True) for one in target.samples()]}
    same(result(target), outputs(good(target.infer(deep))))


@clause("rest.infer.rows", "a batch is answered row by row, in the order of its rows")
def _(target: Target) -> None:
    if any(one.shape[:1] != (-1,) for one in (*target.inputs, *target.outputs)):
        raise InapplicableError("the first size of an input or output is fixed")
    together = result(target, [sample(one, 3) for one in target.inputs])
    for at in range(3):
        alone = result(target, [sample(one, 3).row(at) for one in target.inputs])
        same({name: tensor.row(at) for name, tensor in together.items()}, alone)


@clause("rest.infer.order", "inputs may come in any order")
def _(target: Target) -> None:
    if len(target.inputs) < 2:
        raise InapplicableError("the model has one input")
    same(result(target), result(target, target.samples()[::-1]))


@clause("rest.infer.parameters", "a request, an input and an output may have parameters, also none")
def _(target: Target) -> None:
    document = request(target.samples(), parameters={}, outputs=[{"name": target.outputs[0].name, "parameters": {}}])
    for entry in document["inputs"]:
        entry["parameters"] = {}
    good(target.infer(document))


def _succeeded(answer: Answer) -> None:
    expect(answer.status == 200, answer.seen)


def _versions(target: Target) -> list[str]:
    if not target.versions:
        raise InapplicableError("the metadata name no versions")
    return target.versions
