"""What the operator made of a model, as manifests that a bare client can apply for any other model. Pure.

The fields are those that the API server says the operator owns: nothing of the operator's code is needed, and nothing
that the server filled in by itself is sent.
Format of managedFields: https://kubernetes.io/docs/reference/using-api/server-side-apply/#serialization
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MANAGER = "modelyard"


def manifest(live: Mapping[str, Any], manager: str = MANAGER) -> dict[str, Any]:
    """The object as its manager asked for it, without its owner."""
    entries = [
        one for one in live["metadata"]["managedFields"] if one["manager"] == manager and "subresource" not in one
    ]
    found: dict[str, Any] = {}
    for entry in entries:
        found |= owned(live, entry["fieldsV1"])
    asked = {key: found["metadata"][key] for key in ("labels", "annotations") if key in found["metadata"]}
    metadata = {**asked, "name": live["metadata"]["name"], "namespace": live["metadata"]["namespace"]}
    return {**found, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}


def owned(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of a value that a set of fields names; all of it when the set is empty."""
    if not any(key != "." for key in fields):
        return value
    if isinstance(value, list):
        return [owned(one, fields[key]) for one in value for key in fields if _is_meant(one, key)]
    names = {key.removeprefix("f:"): deeper for key, deeper in fields.items() if key.startswith("f:")}
    return {name: owned(value[name], deeper) for name, deeper in names.items() if name in value}


def _is_meant(item: Any, key: str) -> bool:
    """Whether a list's item is the one with this key or this value."""
    kind, _, text = key.partition(":")
    if kind == "k":
        return all(item.get(name) == wanted for name, wanted in json.loads(text).items())
    return bool(kind == "v" and item == json.loads(text))


def renamed(template: Mapping[str, Any], old: str, namespace: str, new: str) -> dict[str, Any]:
    """The same object for another model in another namespace: every text that begins with the model's name changes."""
    found: dict[str, Any] = _replaced(template, old, new)
    found["metadata"]["namespace"] = namespace
    return found


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, old, new) for one in value]
    if isinstance(value, str) and (value == old or value.startswith(f"{old}-")):
        return new + value.removeprefix(old)
    return value
