"""Calls of functions in what a model says, where its template shows how its family writes them.

Hermes and Qwen: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, one after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

OPEN, CLOSE = "<tool_call>", "</tool_call>"


class Call(msgspec.Struct, frozen=True):
    """A function and its arguments as JSON text."""

    name: str
    arguments: str


def convention(template: str) -> bool:
    """Does the template teach a way of calling that we can read?"""
    return OPEN in template and CLOSE in template


def schema(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a call of one of these functions looks like, as a JSON schema."""
    return {"anyOf": [
        {
            "type": "object",
            "properties": {"name": {"const": one["name"]}, "arguments": one.get("parameters") or {"type": "object"}},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for one in functions
    ]}  # fmt: skip


def split(text: str) -> tuple[str, list[Call]]:
    """What is said, and the calls. A call that is not well formed stays text: the client sees what the model wrote."""
    said, *parts = text.split(OPEN)
    calls = []
    for part in parts:
        content, closed, rest = part.partition(CLOSE)
        call = _call(content)
        if call is None:
            said += OPEN + part
        else:
            calls.append(call)
            said += rest if closed else ""
    return (said.rstrip() if calls else said), calls


def _call(content: str) -> Call | None:
    try:
        found: Any = msgspec.json.decode(content.strip())
    except msgspec.DecodeError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return None
    arguments = found.get("arguments", found.get("parameters", {}))
    return Call(found["name"], arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode())


def documents(calls: list[Call], new_id: Callable[[], str], *, indexed: bool) -> list[dict[str, Any]]:
    """Calls as the protocol shows them; chunks of a stream number them."""
    found = []
    for number, call in enumerate(calls):
        function = {"name": call.name, "arguments": call.arguments}
        one: dict[str, Any] = {"id": f"call_{new_id()}", "type": "function", "function": function}
        found.append({"index": number, **one} if indexed else one)
    return found
