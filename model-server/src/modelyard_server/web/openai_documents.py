"""The OpenAI API in OpenAPI, and its lists of models. The bodies' schemas come from what parses them."""

from typing import Any

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel, Field

from modelyard_server.models.served import Served
from modelyard_server.openai import bodies
from modelyard_server.service import ModelService
from modelyard_server.web import documents

REFERENCE = "#/components/schemas/{name}"


class Model(BaseModel):
    id: str
    object: str = "model"
    created: int = Field(description="0: a package does not say when it was made")
    owned_by: str = "modelyard"


class Models(BaseModel):
    object: str = "list"
    data: list[Model]


class OpenAiError(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiErrorBody(BaseModel):
    error: OpenAiError


def model(name: str) -> Model:
    """One model as OpenAI lists it."""
    return Model(id=name, created=0)


def add(app: FastAPI, service: ModelService) -> None:
    """The lists, and the routes that `front` takes first: here they only document themselves."""

    @app.get("/openai/v1/models", tags=["openai"])
    async def models() -> Models:
        return Models(data=[model(name) for name in service.models.names()])

    absent: dict[int | str, dict[str, Any]] = {code: {"model": documents.Error} for code in (404, 503)}

    @app.get("/openai/v1/models/{name}", tags=["openai"], responses=absent)
    async def one(name: str) -> Model:
        served: Served = service.models.find(name)
        return model(served.name)

    errors: dict[int | str, dict[str, Any]] = {code: {"model": OpenAiErrorBody} for code in (400, 404, 429, 500, 503)}
    errors[200] = {"description": "The answer, or its events", "content": {"text/event-stream": {}}}
    for path, kind in (("chat/completions", "Chat"), ("completions", "Completion"), ("embeddings", "Embedding")):
        for prefix in ("/v1", "/openai/v1"):
            extra = _body(kind)
            app.post(f"{prefix}/{path}", tags=["openai"], responses=errors, openapi_extra=extra)(_front)


def _body(kind: str) -> dict[str, Any]:
    schema = {"schema": {"$ref": REFERENCE.format(name=kind)}}
    return {"requestBody": {"required": True, "content": {"application/json": schema}}}


async def _front() -> dict[str, Any]:
    """Answered before the framework sees it; a stream (`stream: true`) is server-sent events."""
    return {}


def schemas() -> dict[str, Any]:
    """Components of the request bodies."""
    kinds = (bodies.Chat, bodies.Completion, bodies.Embedding)
    _, components = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    return dict(components)
