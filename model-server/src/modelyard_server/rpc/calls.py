"""The calls of the inference service. They share queue, checks and figures with the REST routes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

import modelyard_server
from modelyard_server.batching.execution import Arrays
from modelyard_server.errors import BadRequestError, RequestError
from modelyard_server.models.served import Served
from modelyard_server.models.states import ModelState
from modelyard_server.passages import Passed
from modelyard_server.rpc import explained, messages, status
from modelyard_server.rpc import inference_pb2 as pb
from modelyard_server.service import ModelService
from modelyard_server.tracing import RequestTrace

Context = grpc.aio.ServicerContext[Any, Any]
In = TypeVar("In", bound=Message)
Out = TypeVar("Out", bound=Message)
SERVICE = "inference.GRPCInferenceService"
CANCELLED = 499
"""What the figures say of a call whose client went away, as over HTTP."""
WINDOW = 64
"""Requests of one stream that are inside at once; the client's next ones wait in its connection."""
log = logging.getLogger(__name__)


class Calls:
    """One method for each call."""

    def __init__(self, service: ModelService) -> None:
        self._service = service
        self._changes: set[asyncio.Task[None]] = set()

    def handler(self) -> grpc.GenericRpcHandler:
        """All calls of the service by name."""
        unary: dict[str, tuple[Callable[[Any, Context], Awaitable[Message]], type[Message]]] = {
            "ServerLive": (self.server_live, pb.ServerLiveRequest),
            "ServerReady": (self.server_ready, pb.ServerReadyRequest),
            "ModelReady": (self.model_ready, pb.ModelReadyRequest),
            "ServerMetadata": (self.server_metadata, pb.ServerMetadataRequest),
            "ModelMetadata": (self.model_metadata, pb.ModelMetadataRequest),
            "ModelInfer": (self.model_infer, pb.ModelInferRequest),
            "RepositoryIndex": (self.repository_index, pb.RepositoryIndexRequest),
            "RepositoryModelLoad": (self.repository_model_load, pb.RepositoryModelLoadRequest),
            "RepositoryModelUnload": (self.repository_model_unload, pb.RepositoryModelUnloadRequest),
        }
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(answering(call), kind.FromString, _serialize)
            for name, (call, kind) in unary.items()
        }
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
            self.model_stream_infer, pb.ModelInferRequest.FromString, _serialize
        )
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    async def server_live(self, _request: pb.ServerLiveRequest, _context: Context) -> pb.ServerLiveResponse:
        """As /v2/health/live."""
        return pb.ServerLiveResponse(live=self._service.live)

    async def server_ready(self, _request: pb.ServerReadyRequest, _context: Context) -> pb.ServerReadyResponse:
        """As /v2/health/ready."""
        return pb.ServerReadyResponse(ready=self._service.ready)

    async def model_ready(self, request: pb.ModelReadyRequest, _context: Context) -> pb.ModelReadyResponse:
        """Does a model, or one of its versions, serve?"""
        return pb.ModelReadyResponse(ready=self._service.model_ready(request.name, request.version))

    async def server_metadata(self, _request: pb.ServerMetadataRequest, _context: Context) -> pb.ServerMetadataResponse:
        """Name, version and extensions of the server."""
        version, extensions = modelyard_server.__version__, modelyard_server.EXTENSIONS
        return pb.ServerMetadataResponse(name=modelyard_server.NAME, version=version, extensions=extensions)

    async def model_metadata(self, request: pb.ModelMetadataRequest, _context: Context) -> pb.ModelMetadataResponse:
        """Inputs, outputs and versions of a model."""
        served = self._service.models.find(request.name, request.version)
        versions = self._service.models.versions(request.name)
        response = pb.ModelMetadataResponse(name=request.name, versions=versions, platform=served.platform)
        for spec in served.signature.inputs:
            response.inputs.add(name=spec.name, datatype=spec.datatype, shape=spec.shape)
        for spec in served.signature.outputs:
            response.outputs.add(name=spec.name, datatype=spec.datatype, shape=spec.shape)
        return response

    async def model_infer(self, request: pb.ModelInferRequest, context: Context) -> pb.ModelInferResponse:
        """One inference; the client's deadline bounds its time in the queue."""
        tracing = self._service.tracing
        trace = None if tracing is None else tracing.request(metadata_of(context), request.model_name, "grpc")
        return await self._infer(request, context.time_remaining(), trace)

    async def model_stream_infer(self, requests: AsyncIterator[pb.ModelInferRequest], context: Context) -> None:
        """Many inferences; they are batched like those of other clients and answered in their order."""
        answers: asyncio.Queue[asyncio.Task[pb.ModelStreamInferResponse] | None] = asyncio.Queue(WINDOW)
        tracing = self._service.tracing
        stream = None if tracing is None else tracing.stream(metadata_of(context), "grpc")

        async def read() -> None:
            async for request in requests:
                trace = None if stream is None else stream.request(request.model_name)
                await answers.put(group.create_task(self._stream_answer(request, context.time_remaining(), trace)))
            await answers.put(None)

        code = CANCELLED
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(read())
                while (answer := await answers.get()) is not None:
                    await context.write(await answer)
            code = 200
        finally:
            if stream is not None:
                stream.end(code)

    async def repository_index(
        self, request: pb.RepositoryIndexRequest, _context: Context
    ) -> pb.RepositoryIndexResponse:
        """Every version that is loaded, was asked for or lies in the repository."""
        response = pb.RepositoryIndexResponse()
        for entry in await self._service.models.index():
            if entry.state is ModelState.READY or not request.ready:
                response.models.add(name=entry.name, version=entry.version, state=entry.state, reason=entry.reason)
        return response

    async def repository_model_load(
        self, request: pb.RepositoryModelLoadRequest, _context: Context
    ) -> pb.RepositoryModelLoadResponse:
        """Load or replace a model. A client that goes away does not stop it halfway."""
        if request.parameters:
            raise BadRequestError(modelyard_server.LOAD_PARAMETERS)
        await self._to_the_end(self._service.load_for_client(request.model_name))
        return pb.RepositoryModelLoadResponse()

    async def repository_model_unload(
        self, request: pb.RepositoryModelUnloadRequest, _context: Context
    ) -> pb.RepositoryModelUnloadResponse:
        """Take a model out of service; answers when its last request is done."""
        await self._to_the_end(self._service.unload_for_client(request.model_name))
        return pb.RepositoryModelUnloadResponse()

    async def _to_the_end(self, change: Awaitable[None]) -> None:
        task = asyncio.ensure_future(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        await asyncio.shield(task)

    async def _infer(
        self, message: pb.ModelInferRequest, remaining: float | None, trace: RequestTrace | None
    ) -> pb.ModelInferResponse:
        """One inference, counted and traced."""
        started, code, served = time.perf_counter(), 500, None
        try:
            served = self._service.models.find_for_request(message.model_name, message.model_version)
            served.inflight += 1
            response = await self._answer(served, message, remaining, None if trace is None else trace.passed)
            code = 200
        except RequestError as error:
            code = error.status
            raise
        except asyncio.CancelledError:
            code = CANCELLED
            raise
        finally:
            if served is not None:
                served.inflight -= 1
                served.last_request = time.monotonic()
                served.figures.answered("grpc", code, time.perf_counter() - started)
            if trace is not None:
                trace.end(code)
        return response

    async def _answer(
        self, served: Served, message: pb.ModelInferRequest, remaining: float | None, passed: Passed | None
    ) -> pb.ModelInferResponse:
        request = messages.parse(served.signature, message)
        if "explain" in message.parameters:
            explainer = self._service.explainer
            return await explained.answer(
                explainer, served, (message, request), lambda: _outputs(served, request, remaining, passed)
            )
        outputs = await _outputs(served, request, remaining, passed)
        return messages.respond(served.signature, (served.name, served.version), request, outputs)

    async def _stream_answer(
        self, message: pb.ModelInferRequest, remaining: float | None, trace: RequestTrace | None
    ) -> pb.ModelStreamInferResponse:
        try:
            response = await self._infer(message, remaining, trace)
        except RequestError as error:
            failed = pb.ModelInferResponse(model_name=message.model_name, id=message.id)
            return pb.ModelStreamInferResponse(error_message=str(error), infer_response=failed)
        if messages.parameter(message.parameters, "triton_enable_empty_final_response"):
            response.parameters["triton_final_response"].bool_param = True
        return pb.ModelStreamInferResponse(infer_response=response)


def metadata_of(context: Context) -> dict[str, str]:
    """Metadata of a call that are text."""
    return {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}


async def _outputs(served: Served, request: messages.Request, remaining: float | None, passed: Passed | None) -> Arrays:
    limits = [limit for limit in (request.timeout, remaining) if limit is not None]
    future = served.batcher.submit(request.inputs, request.rows, timeout=min(limits, default=None), passed=passed)
    try:
        return await future
    except asyncio.CancelledError:
        served.batcher.withdraw(future)
        raise


def answering(call: Callable[[In, Context], Awaitable[Out]]) -> Callable[[In, Context], Awaitable[Out]]:
    """Turn our errors into codes."""

    async def answer(request: In, context: Context) -> Out:
        try:
            return await call(request, context)
        except RequestError as error:
            await context.abort(status.code_of(error), str(error), status.trailers_of(error))
        except Exception:
            log.exception("call failed")
            await context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has details")
        raise AssertionError("abort raises")

    return answer


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
