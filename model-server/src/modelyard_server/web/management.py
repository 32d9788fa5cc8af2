"""Metadata and docs on FastAPI, and the protocol's error body for every path and method."""

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import modelyard_server
from modelyard_server.errors import NotReadyError, RequestError
from modelyard_server.service import ModelService
from modelyard_server.web import documents, generate_documents, openai_documents, repository
from modelyard_server.web.inference import error_answer

log = logging.getLogger(__name__)


def create(service: ModelService) -> FastAPI:
    """The management app of one service."""
    app = FastAPI(title="Modelyard model server", version=modelyard_server.__version__, redirect_slashes=False)
    _errors(app)
    _health(app, service)
    _metadata(app, service)
    _inference(app, service)
    generate_documents.add(app, service)
    repository.add(app, service)
    openai_documents.add(app, service)
    _add_request_schemas(app)
    return app


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RequestError)
    def request_error(_request: Request, error: RequestError) -> Response:
        code, headers, content = error_answer(error)
        return Response(content, code, {name.decode(): value.decode() for name, value in headers})

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: HTTPException) -> Response:
        texts = {
            404: f"no such path: {request.url.path}",
            405: f"{request.method} is not allowed on {request.url.path}",
        }
        return JSONResponse({"error": texts.get(error.status_code, error.detail)}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(Exception)
    def unexpected(_request: Request, _error: Exception) -> Response:
        return JSONResponse({"error": "internal error; the server's log has details"}, 500)


def _health(app: FastAPI, service: ModelService) -> None:
    """The paths that `front` answers from `health`: here they only document themselves."""

    @app.get("/v2/health/live", tags=["health"])
    async def live() -> documents.Live:
        """True while the event loop and the inference thread are alive, also during load and drain."""
        return documents.Live(live=service.live)

    @app.get("/v2/health/ready", tags=["health"])
    async def ready() -> documents.Ready:
        """True when all models asked for at the start are in service; false once the server drains or has failed."""
        return documents.Ready(ready=service.ready)


def _metadata(app: FastAPI, service: ModelService) -> None:
    @app.get("/v2/", include_in_schema=False)
    @app.get("/v2", tags=["metadata"])
    async def server() -> documents.ServerMetadata:
        version = modelyard_server.__version__
        return documents.ServerMetadata(
            name=modelyard_server.NAME, version=version, extensions=list(modelyard_server.EXTENSIONS)
        )

    @app.get("/v2/models/{model}/ready", tags=["health"], responses=documents.ERRORS)
    @app.get("/v2/models/{model}/versions/{version}/ready", tags=["health"], responses=documents.ERRORS)
    async def model_ready(model: str, response: Response, version: str | None = None) -> documents.ModelReady:
        return _model_ready(service, response, (model, version or ""))

    @app.get("/v2/models/{model}", tags=["metadata"], responses=documents.ERRORS)
    @app.get("/v2/models/{model}/versions/{version}", tags=["metadata"], responses=documents.ERRORS)
    async def model_metadata(model: str, version: str | None = None) -> documents.ModelMetadata:
        served = service.models.find(model, version or "")
        inputs, outputs = (
            [documents.TensorMetadata(name=s.name, datatype=s.datatype, shape=list(s.shape)) for s in specs]
            for specs in (served.signature.inputs, served.signature.outputs)
        )
        versions = service.models.versions(model)
        return documents.ModelMetadata(
            name=model, versions=versions, platform=served.platform, inputs=inputs, outputs=outputs
        )

    @app.get("/v1/models", tags=["v1"])
    async def models() -> documents.ModelList:
        """The list of KServe and that of OpenAI, whose clients ask at the same path."""
        names = service.models.names()
        return documents.ModelList(models=names, data=[openai_documents.model(name) for name in names])

    @app.get("/v1/models/{model}", tags=["v1"], responses=documents.ERRORS)
    async def v1_ready(model: str, response: Response) -> documents.V1Model:
        if model.endswith((":predict", ":explain")):
            raise HTTPException(405, headers={"Allow": "POST"})
        ready = _model_ready(service, response, (model, "")).ready
        return documents.V1Model(name=model, ready=ready, id=model)


def _model_ready(service: ModelService, response: Response, key: tuple[str, str]) -> documents.ModelReady:
    ready = service.model_ready(*key)
    response.status_code = 200 if ready else 503
    return documents.ModelReady(name=key[0], ready=ready)


def _inference(app: FastAPI, service: ModelService) -> None:
    """The paths that `front` takes first; here they document themselves and answer for wrong names and early calls."""

    def body(model: str) -> dict[str, object]:
        schema = {"schema": {"$ref": f"#/components/schemas/{model}"}}
        return {"requestBody": {"required": True, "content": {"application/json": schema}}}

    v2 = {"tags": ["inference"], "response_model": documents.InferResponse, "responses": documents.ERRORS}

    @app.post("/v2/models/{model}/infer", openapi_extra=body("InferRequest"), **v2)  # type: ignore[arg-type]
    @app.post("/v2/models/{model}/versions/{version}/infer", openapi_extra=body("InferRequest"), **v2)  # type: ignore[arg-type]
    async def infer(model: str, version: str | None = None) -> Response:
        raise _refusal(service, model, version)

    v1 = {"tags": ["v1"], "response_model": documents.PredictResponse, "responses": documents.ERRORS}

    @app.post("/v1/models/{model}:predict", openapi_extra=body("PredictRequest"), **v1)  # type: ignore[arg-type]
    async def predict(model: str) -> Response:
        raise _refusal(service, model, None)

    explained = {**v1, "response_model": documents.ExplainResponse}

    @app.post("/v1/models/{model}:explain", openapi_extra=body("ExplainRequest"), **explained)  # type: ignore[arg-type]
    async def explain(model: str) -> Response:
        """Predictions, and how much each feature of a row adds to its score."""
        raise _refusal(service, model, None)


def _refusal(service: ModelService, model: str, version: str | None) -> RequestError:
    """Why `front` did not take an inference request: another model's name, or a model that is not there yet."""
    service.models.find_for_request(model, version or "")
    return NotReadyError(f"model {model!r} became ready just now; try again")


def _add_request_schemas(app: FastAPI) -> None:
    """Request bodies are parsed by hand, so their schemas are added to the document by hand."""
    generate = app.openapi

    def openapi() -> dict[str, object]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in (
            documents.InferRequest,
            documents.PredictRequest,
            documents.ExplainRequest,
            documents.IndexRequest,
        ):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        schemas.update(generate_documents.schemas())
        schemas.update(openai_documents.schemas())
        return document

    app.openapi = openapi  # type: ignore[method-assign]
