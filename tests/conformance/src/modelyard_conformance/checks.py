"""The expectations that clauses share: a good answer of inference, and an error as the protocol wants it."""

from __future__ import annotations

from math import prod
from typing import Any

from modelyard_conformance.clauses import expect
from modelyard_conformance.target import Target
from modelyard_conformance.tensors import Tensor, alike, flatten, nested
from modelyard_conformance.wire import Answer


def request(tensors: list[Tensor], **fields: Any) -> dict[str, Any]:
    """An inference request with flat data."""
    return {"inputs": [as_json(one) for one in tensors], **fields}


def as_json(tensor: Tensor, *, deep: bool = False) -> dict[str, Any]:
    """One input; `deep` nests its data as the shape says."""
    head = {"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype}
    return {**head, "data": nested(tensor) if deep else list(tensor.values)}


def good(answer: Answer) -> dict[str, Any]:
    """The document of an answer that must be 200."""
    expect(answer.status == 200, answer.seen)
    document = answer.json
    expect(isinstance(document, dict), f"the body is no JSON object: {answer.seen}")
    return dict(document)


def outputs(document: dict[str, Any]) -> dict[str, Tensor]:
    """Output tensors of a JSON answer by name."""
    found = document.get("outputs")
    expect(isinstance(found, list), f"outputs is {found!r}")
    tensors = [output(one) for one in found or []]
    names = [one.name for one in tensors]
    expect(len(set(names)) == len(names), f"an output comes twice: {names}")
    return {one.name: one for one in tensors}


def output(entry: Any) -> Tensor:
    """One output with JSON data."""
    expect(isinstance(entry, dict), f"an output is {entry!r}")
    for field, kind in (("name", str), ("datatype", str), ("shape", list), ("data", list)):
        expect(isinstance(entry.get(field), kind), f"output {entry.get('name')}: {field} is {entry.get(field)!r}")
    shape, values = tuple(entry["shape"]), flatten(entry["data"])
    expect(len(values) == prod(shape), f"output {entry['name']}: {len(values)} values for shape {list(shape)}")
    return Tensor(entry["name"], entry["datatype"], shape, values)


def result(target: Target, tensors: list[Tensor] | None = None) -> dict[str, Tensor]:
    """What the server answers to a plain request."""
    return outputs(good(target.infer(request(tensors or target.samples()))))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Two results must be alike."""
    expect(one.keys() == other.keys(), f"outputs {sorted(one)} and {sorted(other)}")
    for name, tensor in one.items():
        again = other[name]
        expect(alike(tensor, again), f"output {name}: {_short(tensor)} and {_short(again)}")


def _short(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {list(tensor.values[:4])}"


def refused(answer: Answer) -> None:
    """An HTTP error status, and a body with one text under `error`."""
    expect(answer.status >= 400, f"it was not refused: {answer.seen}")
    document = answer.json
    text = document.get("error") if isinstance(document, dict) else None
    expect(isinstance(text, str) and text, f'no {{"error": text}}: {answer.seen}')
