"""The model repository extension: index, load and unload."""

from typing import Any

import orjson
from fastapi import FastAPI, Request

import modelyard_server
from modelyard_server.errors import BadRequestError
from modelyard_server.models.states import ModelState
from modelyard_server.service import ModelService
from modelyard_server.web import body as bodies
from modelyard_server.web import documents

MAX_BYTES = 64 * 1024
_ERRORS: dict[int | str, dict[str, Any]] = {code: {"model": documents.Error} for code in (400, 404, 501)}


def add(app: FastAPI, service: ModelService) -> None:
    """Add the routes."""
    schema = {
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/IndexRequest"}}}}
    }

    @app.post("/v2/repository/index", tags=["repository"], responses=_ERRORS, openapi_extra=schema)
    async def index(request: Request) -> list[documents.IndexEntry]:
        """Every version that is loaded, was asked for or lies in the repository."""
        only_ready = (await _fields(request, service)).get("ready", False) is True
        return [
            documents.IndexEntry(
                name=entry.name,
                version=entry.version,
                state=entry.state,
                reason=entry.reason,
                parameter_bytes=entry.parameter_bytes,
            )
            for entry in await service.models.index()
            if entry.state is ModelState.READY or not only_ready
        ]

    @app.post("/v2/repository/models/{model}/load", tags=["repository"], responses=_ERRORS)
    async def load(model: str, request: Request) -> dict[str, str]:
        """Load what lies in the repository now; what serves goes on until the new one is warm, and when it fails."""
        parameters = (await _fields(request, service)).get("parameters")
        if parameters:
            raise BadRequestError(modelyard_server.LOAD_PARAMETERS)
        await service.load_for_client(model)
        return {}

    @app.post("/v2/repository/models/{model}/unload", tags=["repository"], responses=_ERRORS)
    async def unload(model: str, request: Request) -> dict[str, str]:
        """Take a model out of service; answers when its last request is done."""
        await _fields(request, service)
        await service.unload_for_client(model)
        return {}


async def _fields(request: Request, service: ModelService) -> dict[str, Any]:
    """The optional JSON object of a request."""
    content = await bodies.read(request.receive, MAX_BYTES, service.lifecycle)
    if not content.strip():
        return {}
    try:
        fields = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"body: not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequestError("body: must be a JSON object")
    return fields
