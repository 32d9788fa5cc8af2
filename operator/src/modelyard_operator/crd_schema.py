"""Typed structs -> structural OpenAPI schema, as a CustomResourceDefinition wants it. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from .api.scalars import QUANTITY_PATTERN
from .crd_rules import RULES, Rule

Schema = dict[str, Any]

# Metadata is described by Kubernetes itself; the other is a note of the operator.
_NOT_IN_SCHEMA = frozenset({"metadata", "unreadable"})

_BOUNDS = {
    "ge": "minimum",
    "le": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def struct_schema(struct: type) -> Schema:
    """Schema of a struct: properties, required, defaults, bounds, descriptions and the rules of `crd_rules`."""
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{struct!r} is not a msgspec struct")
    return _struct(info)


def _struct(info: inspect.StructType) -> Schema:
    fields = [field for field in info.fields if field.encode_name not in _NOT_IN_SCHEMA]
    schema: Schema = {"type": "object", "properties": {field.encode_name: _field(field) for field in fields}}
    if info.cls.__doc__:
        schema["description"] = " ".join(info.cls.__doc__.split())
    required = [field.encode_name for field in fields if field.required]
    if required:
        schema["required"] = required
    rules = RULES.get(info.cls)
    if rules:
        schema["x-kubernetes-validations"] = [_rule(rule) for rule in rules]
    return schema


def _field(field: inspect.Field) -> Schema:
    schema = _type(field.type)
    if isinstance(field.default, (bool, int, str)):
        schema["default"] = field.default
    return schema


def _type(info: inspect.Type) -> Schema:  # noqa: PLR0911 - one return for each kind of type is the readable form
    match info:
        case inspect.Metadata():
            return _annotated(info)
        case inspect.UnionType():
            return _union(info)
        case inspect.StructType():
            return _struct(info)
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType():
            return {"type": "integer", "format": "int64", **_bounds(info)}
        case inspect.StrType():
            return {"type": "string", **_bounds(info)}
        case inspect.LiteralType():
            return {"type": "string", "enum": list(info.values)}
        case inspect.ListType():
            return _list(info)
        case inspect.DictType():
            return _map(info)
    raise TypeError(f"no schema for {info!r}")


def _annotated(info: inspect.Metadata) -> Schema:
    marks: Mapping[str, Any] = info.extra or {}
    if marks.get("preserve"):
        schema: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    elif marks.get("quantity"):
        schema = {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "pattern": QUANTITY_PATTERN,
            "x-kubernetes-int-or-string": True,
        }
    else:
        schema = _type(info.type)
    if "format" in marks:
        schema["format"] = marks["format"]
    if "list_map_key" in marks:
        schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [marks["list_map_key"]]}
    description = (info.extra_json_schema or {}).get("description")
    if description:
        schema["description"] = description
    return schema


def _union(info: inspect.UnionType) -> Schema:
    """`T | None` is an optional T; Kubernetes has no other unions."""
    kinds = [kind for kind in info.types if not isinstance(kind, inspect.NoneType)]
    if len(kinds) != 1:
        raise TypeError(f"a structural schema has no union: {info!r}")
    return _type(kinds[0])


def _list(info: inspect.ListType) -> Schema:
    schema: Schema = {"type": "array", "items": _type(info.item_type)}
    if info.min_length is not None:
        schema["minItems"] = info.min_length
    if info.max_length is not None:
        schema["maxItems"] = info.max_length
    return schema


def _map(info: inspect.DictType) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": _type(info.value_type)}
    if info.max_length is not None:
        schema["maxProperties"] = info.max_length
    return schema


def _bounds(info: inspect.IntType | inspect.StrType) -> Schema:
    found = {name: getattr(info, name, None) for name in _BOUNDS}
    return {_BOUNDS[name]: value for name, value in found.items() if value is not None}


def _rule(rule: Rule) -> Schema:
    return {key: value for key, value in msgspec.to_builtins(rule).items() if value}
