"""YAML text of `model.yaml` -> `ModelCard`. Every error names the field and what would be right."""

import difflib
import re
from typing import Any

import msgspec
import yaml

from modelyard_server.errors import PackageError
from modelyard_server.package import manifest, rules
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import ImageDecoding, Preprocessing, Tokenising

FILE = manifest.CARD_FILE
MAX_BYTES = 4 * 1024 * 1024
_PARTS = (ModelCard, TensorSpec, Preprocessing, ImageDecoding, Tokenising)
"""Whose fields a misspelt one is compared with."""


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases and repeated keys: the first can grow without bound, the second hides a value."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise PackageError(
                f"{FILE}: line {event.start_mark.line + 1}: YAML aliases are not allowed; repeat the value"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise PackageError(
                    f"{FILE}: line {node.value[position][0].start_mark.line + 1}: {key!r} is given twice"
                )
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, since the loader takes none."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (yaml's own signature)
        return True


def card(document: bytes) -> ModelCard:
    """Parse and check; raises PackageError."""
    if len(document) > MAX_BYTES:
        raise PackageError(f"{FILE}: {len(document)} bytes, allowed are {MAX_BYTES}")
    try:
        fields = yaml.load(document, Loader=_Loader)  # noqa: S506 (a SafeLoader, made stricter)
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, RecursionError) as error:
        raise PackageError(f"{FILE}: not readable as YAML: {error}") from error
    try:
        parsed = msgspec.convert(fields, ModelCard)
    except msgspec.ValidationError as error:
        raise PackageError(f"{FILE}: {_readable(str(error))}") from error
    problem = next(rules.problems(parsed), None)
    if problem:
        raise PackageError(f"{FILE}: {problem}")
    return parsed


def encode(model: ModelCard) -> bytes:
    """YAML text of a card, without defaults."""
    fields = msgspec.to_builtins(model)
    text = yaml.dump(fields, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True, default_flow_style=None)
    return text.encode()


def _readable(message: str) -> str:
    """msgspec's message with the field first: `inputs[0].shape: expected ...`."""
    text, _, path = message.partition(" - at `$")
    where = path.rstrip("`").lstrip(".")
    text = text[0].lower() + text[1:]
    if found := re.search(r"unknown field `(\w+)`", text):
        known = [field for part in _PARTS for field in part.__struct_encode_fields__]
        near = difflib.get_close_matches(found[1], known, n=1)
        text += f"; did you mean `{near[0]}`?" if near else ""
    if "expected `str`, got `int`" in text or "expected `str`, got `float`" in text:
        text += "; write the value in quotes"
    return f"{where}: {text}" if where else text
