"""A conversation as the text that its model was trained on, by the model's own template.

Templates come with the package, so they run in Jinja's sandbox: no attribute that leads out of it, nothing that
changes its arguments, and a bound on what they write.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2 import sandbox
from jinja2.ext import loopcontrols

from modelyard_server.errors import BadRequestError, StartupError
from modelyard_server.generation.weight_files import read_json

MAX_TEXT = 8 * 1024 * 1024
"""Characters of a conversation as text; more would never fit a context."""


class RefusedError(Exception):
    """The template says what it cannot show."""


class ChatTemplate:
    """One model's template."""

    def __init__(self, source: str, special: Mapping[str, str]) -> None:
        self.source = source
        self._special = special
        environment = sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_refuse, strftime_now=_now)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise StartupError("LoadFailed", f"chat template: {error}") from error

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None, **more: Any) -> str:
        """The prompt, up to where the model goes on. Raises BadRequestError."""
        try:
            pieces, size = [], 0
            for piece in self._template.generate(
                messages=messages, tools=tools, add_generation_prompt=True, **self._special, **more
            ):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_TEXT:
                    raise BadRequestError(f"messages: more than {MAX_TEXT} characters as a prompt")
            return "".join(pieces)
        except RefusedError as error:
            raise BadRequestError(f"messages: the model's chat template refuses them: {error}") from error
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise BadRequestError(f"messages: the model's chat template cannot show them: {error}") from error


def from_folder(root: Path) -> ChatTemplate | None:
    """chat_template.jinja, chat_template.json or the field of tokenizer_config.json; None without any."""
    config = read_json(root / "tokenizer_config.json")
    special = {name: text for name in ("bos_token", "eos_token", "unk_token", "pad_token")
               if (text := _text(config.get(name)))}  # fmt: skip
    file = root / "chat_template.jinja"
    if file.is_file():
        return ChatTemplate(file.read_text(encoding="utf-8"), special)
    source = read_json(root / "chat_template.json").get("chat_template", config.get("chat_template"))
    if isinstance(source, list):  # several by name
        named = {one.get("name"): one.get("template") for one in source if isinstance(one, dict)}
        source = named.get("default")
    return ChatTemplate(source, special) if isinstance(source, str) else None


def from_gguf(fields: Mapping[str, Any]) -> ChatTemplate | None:
    """`tokenizer.chat_template` of a GGUF file; None without it."""
    source = fields.get("tokenizer.chat_template")
    return ChatTemplate(source, special_tokens(fields)) if isinstance(source, str) else None


def special_tokens(fields: Mapping[str, Any]) -> dict[str, str]:
    """The names of a GGUF file's special tokens."""
    texts = fields["tokenizer.ggml.tokens"]
    keys = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    found = {name: fields.get(f"tokenizer.ggml.{key}_token_id") for name, key in keys.items()}
    return {name: texts[number] for name, number in found.items() if number is not None}


def _text(value: Any) -> str:
    """A special token is a text, or an object with its content."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else ""


def _tojson(value: Any, indent: int | None = None) -> str:
    """JSON as templates expect it: without HTML escapes."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise RefusedError(message)


def _now(form: str) -> str:
    return dt.datetime.now(dt.UTC).strftime(form)
