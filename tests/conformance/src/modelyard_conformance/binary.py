"""Clauses of the binary tensor data extension."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from modelyard_conformance.checks import good, output, refused, request, result, same
from modelyard_conformance.clauses import InapplicableError, UnsupportedError, clause, expect
from modelyard_conformance.target import Target
from modelyard_conformance.tensors import Tensor, pack, unpack
from modelyard_conformance.wire import Answer, parse

EXTENSION = "binary_tensor_data"
LENGTH = "Inference-Header-Content-Length"
OCTETS = "application/octet-stream"


def _clause(name: str, text: str) -> Callable[[Callable[[Target], None]], None]:
    """A clause of a server that names the extension, or that takes a binary tensor without naming it."""

    def add(check: Callable[[Target], None]) -> None:
        @clause(f"binary.{name}", text)
        def judged(target: Target) -> None:
            if EXTENSION not in target.extensions and send(target, target.samples()).status >= 400:
                raise UnsupportedError(f"the metadata do not name {EXTENSION}, and a binary tensor is refused")
            check(target)

    return add


def send(target: Target, tensors: list[Tensor], cut: int = 0, stretch: int = 0, **fields: Any) -> Answer:
    """Binary inputs. `cut` bytes are missing at the end; `stretch` is added to the length of the JSON part."""
    blobs = [pack(one) for one in tensors]
    entries = [
        {"name": one.name, "shape": list(one.shape), "datatype": one.datatype,
         "parameters": {"binary_data_size": len(blob)}}
        for one, blob in zip(tensors, blobs, strict=True)
    ]  # fmt: skip
    head = json.dumps({"inputs": entries, **fields}).encode()
    body = head + b"".join(blobs)
    headers = {LENGTH: str(len(head) + stretch), "Content-Type": OCTETS}
    return target.wire.exchange("POST", f"{target.path}/infer", body[: len(body) - cut], headers)


def read(answer: Answer) -> dict[str, Tensor]:
    """Outputs of an answer, binary or JSON each."""
    expect(answer.status == 200, answer.seen)
    length = answer.headers.get(LENGTH.lower())
    if length is None:
        head, rest = answer.body, b""
    else:
        expect(length.isdigit() and int(length) <= len(answer.body), f"{LENGTH} is {length!r}")
        head, rest = answer.body[: int(length)], answer.body[int(length) :]
    found = {}
    for entry in parse(head)["outputs"]:
        size = (entry.get("parameters") or {}).get("binary_data_size")
        if size is None:
            tensor = output(entry)
        else:
            expect("data" not in entry, f"output {entry['name']} has data and binary_data_size")
            expect(size <= len(rest), f"output {entry['name']}: {size} bytes, {len(rest)} are there")
            tensor = unpack(entry["name"], entry["datatype"], tuple(entry["shape"]), rest[:size])
            rest = rest[size:]
        found[tensor.name] = tensor
    expect(not rest, f"{len(rest)} bytes after the last output")
    return found


def binary_names(answer: Answer) -> set[str]:
    """The outputs that came as bytes."""
    length = answer.headers.get(LENGTH.lower())
    head = answer.body if length is None else answer.body[: int(length)]
    entries = parse(head)["outputs"]
    return {one["name"] for one in entries if "binary_data_size" in (one.get("parameters") or {})}


@_clause("metadata", f"the server's metadata name {EXTENSION}")
def _(target: Target) -> None:
    expect(EXTENSION in target.extensions, f"extensions are {sorted(target.extensions)}")


@_clause("input", "inputs may be raw bytes after the JSON; the answer is that to JSON data")
def _(target: Target) -> None:
    same(result(target), read(send(target, target.samples())))


@_clause("input.mixed", "one input may be binary and another JSON")
def _(target: Target) -> None:
    if len(target.inputs) < 2:
        raise InapplicableError("the model has one input")
    first, *others = target.samples()
    document = request(others)
    blob = pack(first)
    head = {"name": first.name, "shape": list(first.shape), "datatype": first.datatype}
    document["inputs"].insert(0, {**head, "parameters": {"binary_data_size": len(blob)}})
    text = json.dumps(document).encode()
    headers = {LENGTH: str(len(text)), "Content-Type": OCTETS}
    answer = target.wire.exchange("POST", f"{target.path}/infer", text + blob, headers)
    same(result(target), read(answer))


@_clause("output.default", "outputs are JSON unless bytes are asked for")
def _(target: Target) -> None:
    answer = send(target, target.samples())
    expect(answer.status == 200, answer.seen)
    expect(not binary_names(answer), f"binary are {sorted(binary_names(answer))}")


@_clause("output.all", "binary_data_output asks for all outputs as bytes")
def _(target: Target) -> None:
    answer = send(target, target.samples(), parameters={"binary_data_output": True})
    same(result(target), read(answer))
    expect(binary_names(answer) == {one.name for one in target.outputs}, f"binary are {sorted(binary_names(answer))}")


@_clause("output.one", "binary_data asks for one output as bytes, also after JSON inputs")
def _(target: Target) -> None:
    name = target.outputs[0].name
    wish = request(target.samples(), outputs=[{"name": name, "parameters": {"binary_data": True}}])
    answer = target.infer(wish)
    same({name: result(target)[name]}, read(answer))
    expect(binary_names(answer) == {name}, f"binary are {sorted(binary_names(answer))}")


@_clause("output.override", "binary_data of an output wins over binary_data_output")
def _(target: Target) -> None:
    name = target.outputs[0].name
    wish = [{"name": name, "parameters": {"binary_data": False}}]
    answer = send(target, target.samples(), outputs=wish, parameters={"binary_data_output": True})
    same({name: result(target)[name]}, read(answer))
    expect(not binary_names(answer), f"binary are {sorted(binary_names(answer))}")


@_clause("output.order", "bytes follow in the order of the outputs in the JSON")
def _(target: Target) -> None:
    if len(target.outputs) < 2:
        raise InapplicableError("the model has one output")
    wish = [{"name": one.name, "parameters": {"binary_data": True}} for one in reversed(target.outputs)]
    same(result(target), read(target.infer(request(target.samples(), outputs=wish))))


@_clause("output.headers", f"an answer with bytes is {OCTETS}, with {LENGTH} and the whole Content-Length")
def _(target: Target) -> None:
    answer = send(target, target.samples(), parameters={"binary_data_output": True})
    expect(answer.status == 200, answer.seen)
    expect(answer.headers.get("content-type") == OCTETS, f"Content-Type is {answer.headers.get('content-type')}")
    expect(LENGTH.lower() in answer.headers, f"there is no {LENGTH}")
    expect(answer.headers.get("content-length") == str(len(answer.body)), f"{answer.headers.get('content-length')}")


@_clause("id", "the id of a binary request comes back")
def _(target: Target) -> None:
    document = good(send(target, target.samples(), id="b-1"))
    expect(document.get("id") == "b-1", f"id is {document.get('id')!r}")


@_clause("error.size", "a binary_data_size that contradicts the shape is refused")
def _(target: Target) -> None:
    tensor = target.samples()[0]
    if tensor.datatype == "BYTES":
        raise InapplicableError("the size of BYTES does not follow from the shape")
    short = Tensor(tensor.name, tensor.datatype, tensor.shape, tensor.values[:-1])
    refused(send(target, [short, *target.samples()[1:]]))


@_clause("error.missing", "fewer bytes than binary_data_size says are refused")
def _(target: Target) -> None:
    refused(send(target, target.samples(), cut=1))


@_clause("error.header", f"an {LENGTH} beyond the body is refused")
def _(target: Target) -> None:
    refused(send(target, target.samples(), stretch=1_000_000))
