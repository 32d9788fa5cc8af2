"""generate and generate_stream in OpenAPI. The parameters' schema comes from what parses them."""

from typing import Any

import msgspec
from fastapi import FastAPI, Response
from pydantic import BaseModel, Field

from modelyard_server.errors import NotFoundError, NotReadyError, RequestError
from modelyard_server.protocol.generate import Parameters
from modelyard_server.service import ModelService
from modelyard_server.web import documents

REFERENCE = "#/components/schemas/{name}"
EVENTS = (
    "`data: {…}` and an empty line for each piece: a GenerateResponse whose text_output is what has come since the last"
)


class GenerateRequest(Parameters, frozen=True, kw_only=True):
    """Parameters stand in `parameters` or, as Triton's clients send them, beside the text; the former win."""

    text_input: str
    id: str | None = None
    parameters: Parameters | None = None


class GenerateResponse(BaseModel):
    """The whole answer; without `id` when the request had none."""

    id: str | None = None
    model_name: str
    model_version: str
    text_output: str = Field(description="behind the prompt, if exclude_input_in_output is false")


def add(app: FastAPI, service: ModelService) -> None:
    """The paths that `front` takes first; here they document themselves and answer for models that do not generate."""
    body = {"schema": {"$ref": REFERENCE.format(name="GenerateRequest")}}
    common: dict[str, Any] = {
        "tags": ["inference"],
        "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": body}}},
    }

    @app.post("/v2/models/{model}/generate", response_model=GenerateResponse, responses=documents.ERRORS, **common)
    @app.post(
        "/v2/models/{model}/versions/{version}/generate",
        response_model=GenerateResponse, responses=documents.ERRORS, **common,
    )  # fmt: skip
    async def generate(model: str, version: str | None = None) -> Response:
        """Text that a language model writes behind a prompt; greedy unless `temperature` is given."""
        raise _refusal(service, model, version)

    events = {"description": EVENTS, "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    streamed: dict[int | str, dict[str, Any]] = {**documents.ERRORS, 200: events}
    usual: dict[str, Any] = {**common, "response_class": Response, "responses": streamed}

    @app.post("/v2/models/{model}/generate_stream", **usual)
    @app.post("/v2/models/{model}/versions/{version}/generate_stream", **usual)
    async def generate_stream(model: str, version: str | None = None) -> Response:
        """The same, piece by piece as it grows. An error after the first piece is the last event."""
        raise _refusal(service, model, version)


def _refusal(service: ModelService, model: str, version: str | None) -> RequestError:
    """Why `front` did not take the request: another model's name, one without text, or one that is not there yet."""
    served = service.models.find_for_request(model, version or "")
    if served.generator is None:
        return NotFoundError(f"model {model!r} generates no text; /v2/models/{model}/infer answers for it")
    return NotReadyError(f"model {model!r} became ready just now; try again")


def schemas() -> dict[str, Any]:
    """Components of the request bodies."""
    _, components = msgspec.json.schema_components((GenerateRequest,), ref_template=REFERENCE)
    return dict(components)
