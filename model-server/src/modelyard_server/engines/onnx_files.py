"""What an ONNX file refers to: files with weights beside it, and operators of other domains. Pure.

Read from the wire format of protocol buffers with the field numbers of onnx.proto, since the library onnx is as large
as the runtime. Only messages on the way to these two are looked into; weights are stepped over.
"""

from collections.abc import Iterator
from typing import NamedTuple

STANDARD = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Domains whose operators ONNX Runtime holds itself."""
DEPTH = 64
"""Graphs inside of graphs, at most."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Message -> number of a field -> message in it, or one of the texts that are wanted.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 9: "opset", 10: "own domain", 11: "attribute"},
    "node": {5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
    "external": {1: "key", 2: "value"},
    "opset": {1: "domain"},
}
_TEXTS = frozenset({"domain", "own domain", "key", "value"})


class References(NamedTuple):
    """Locations of external data, and domains that neither the standard nor the file itself defines."""

    locations: frozenset[str]
    domains: frozenset[str]


def references(content: bytes | memoryview) -> References:
    """Look through a model; raises ValueError for what is no protocol buffer."""
    found: dict[str, set[str]] = {"domain": set(), "own domain": set(), "location": set()}
    for kind, text in _walk("model", memoryview(content), 0):
        found[kind].add(text)
    return References(frozenset(found["location"]), frozenset(found["domain"] - found["own domain"] - STANDARD))


def _walk(message: str, content: memoryview, depth: int) -> Iterator[tuple[str, str]]:
    if depth > DEPTH:
        raise ValueError(f"more than {DEPTH} graphs inside of each other")
    entry: dict[str, str] = {}
    for number, value in _fields(content):
        inner = _FIELDS[message].get(number)
        if inner in _TEXTS:
            entry[inner] = str(value, "utf-8")
        elif inner is not None:
            yield from _walk(inner, value, depth + 1)
    if entry.get("key") == "location":
        yield "location", entry.get("value", "")
    for kind in ("domain", "own domain"):
        if kind in entry:
            yield kind, entry[kind]


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Numbers and contents of the fields that have a length; the others are stepped over."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        if tag & 7 == _BYTES:
            size, position = _varint(content, position)
            if position + size > len(content):
                raise ValueError("a field ends behind the file")
            yield tag >> 3, content[position : position + size]
            position += size
        elif tag & 7 == _VARINT:
            _, position = _varint(content, position)
        elif tag & 7 in (_FIXED64, _FIXED32):
            position += 8 if tag & 7 == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {tag & 7} is not known")


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """A number of seven bits in a byte, the lowest first, and the position behind it."""
    result = 0
    for shift in range(0, 64, 7):
        if position >= len(content):
            break
        byte = content[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise ValueError("a number does not end")
