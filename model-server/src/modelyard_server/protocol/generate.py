"""Triton's generate extension of V2: `{"text_input": ..., "parameters": {...}}` in, `{"text_output": ...}` out.

Parameters may also stand beside `text_input`, as Triton's clients send them.
"""

from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta

from modelyard_server.errors import BadRequestError


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may say about an answer; names as TensorRT-LLM's and vLLM's back ends of Triton take them."""

    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Meta(ge=0, le=1)] = 1.0
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] = 0.0
    stop: str | Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    stream: bool = False
    exclude_input_in_output: bool = True

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else self.stop


class GenerateRequest(msgspec.Struct, frozen=True):
    """A checked request."""

    text: str
    id: str | None
    parameters: Parameters


def parse(body: bytes) -> GenerateRequest:
    """Decode and check. Raises BadRequestError."""
    try:
        fields: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"body: not valid JSON: {error}") from error
    text = fields.get("text_input") if isinstance(fields, dict) else None
    if not isinstance(text, str):
        raise BadRequestError('body: must be {"text_input": "..."}, with "parameters" as an object if there are any')
    given, request_id = fields.get("parameters") or {}, fields.get("id")
    if not isinstance(given, dict) or not isinstance(request_id, str | None):
        raise BadRequestError("body: parameters must be an object, and id a string")
    beside = {name: fields[name] for name in Parameters.__struct_fields__ if name in fields}
    try:
        return GenerateRequest(text, request_id, msgspec.convert(beside | given, Parameters))
    except msgspec.ValidationError as error:
        text, _, field = str(error).partition(" - at `$.")
        raise BadRequestError(f"parameters: {field.rstrip('`')}: {text[0].lower()}{text[1:]}") from error
