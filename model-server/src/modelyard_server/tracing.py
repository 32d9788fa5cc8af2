"""Spans of a request and of its way through the server, by OpenTelemetry; off by default, and then never imported.

Exporter, sampler, resource and service name follow the standard OTEL_ variables. Of a request nothing but model,
protocol, status and numbers is told.
"""

import time
from collections.abc import Mapping
from typing import Any

from modelyard_server.errors import StartupError
from modelyard_server.passages import Passage, TextPassage

SERVICE = "modelyard-server"


class Tracing:
    """Makes a trace for each request; raises StartupError where the libraries are missing."""

    def __init__(self) -> None:
        try:
            from opentelemetry import propagate, trace  # noqa: PLC0415 (an extra, and 10 MB)
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ModuleNotFoundError as error:
            message = f"MODELYARD_TRACING=otlp needs {error.name}: install modelyard-server[tracing]"
            raise StartupError("LoadFailed", message) from error
        self._trace = trace
        self._extract = propagate.extract
        resource = Resource.create()  # reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = Resource.create({"service.name": SERVICE})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SERVICE)
        self._offset = time.time_ns() - time.monotonic_ns()

    def request(self, headers: Mapping[str, str], model: str, protocol: str) -> "RequestTrace":
        """Begin a span below the one that the client's `traceparent` names; `model` may be empty, and be told later."""
        return self._begin("request", self._extract(headers), model, protocol)

    def stream(self, headers: Mapping[str, str], protocol: str) -> "RequestTrace":
        """Begin the span of a call of many requests."""
        return self._begin("stream", self._extract(headers), "", protocol)

    def below(self, parent: Any, model: str, protocol: str) -> "RequestTrace":
        """Begin the span of one request of a stream."""
        return self._begin("request", self._trace.set_span_in_context(parent), model, protocol)

    def _begin(self, name: str, context: Any, model: str, protocol: str) -> "RequestTrace":
        attributes = {"modelyard.protocol": protocol} | ({"modelyard.model": model} if model else {})
        span = self._tracer.start_span(name, context, self._trace.SpanKind.SERVER, attributes=attributes)
        return RequestTrace(self, span, protocol)

    def child(self, parent: Any, name: str, times: tuple[float, float], attributes: Mapping[str, int]) -> Any:
        """A span that has been already."""
        context = self._trace.set_span_in_context(parent)
        began, ended = (int(one * 1e9) + self._offset for one in times)
        span = self._tracer.start_span(name, context, attributes=dict(attributes), start_time=began)
        span.end(ended)
        return span

    def failed(self, span: Any, status: int) -> None:
        """Mark a span whose request ended with a fault of ours."""
        if status >= 500:
            span.set_status(self._trace.StatusCode.ERROR)

    def close(self) -> None:
        """Send what was not sent."""
        self._provider.shutdown()


class RequestTrace:
    """The span of one request, or of a stream of them."""

    def __init__(self, tracing: Tracing, span: Any, protocol: str) -> None:
        self._tracing = tracing
        self._span = span
        self._protocol = protocol

    def named(self, model: str) -> None:
        """The request has found its model."""
        self._span.set_attribute("modelyard.model", model)

    def request(self, model: str) -> "RequestTrace":
        """One request of this stream."""
        return self._tracing.below(self._span, model, self._protocol)

    def passed(self, passage: Passage | TextPassage) -> None:
        """What lay between question and answer; once for each answer."""
        if isinstance(passage, TextPassage):
            self._generated(passage)
        else:
            self._batched(passage)

    def _generated(self, passage: TextPassage) -> None:
        """The wait for a slot, the prompt up to the first token, and all other tokens."""
        child = self._tracing.child
        began, first = passage.began or passage.ended, passage.first or passage.ended
        child(self._span, "queue", (passage.arrived, began), {})
        if passage.began:
            sizes = {"modelyard.tokens.prompt": passage.prompt, "modelyard.tokens.cached": passage.cached}
            child(self._span, "prefill", (began, first), sizes)
        if passage.first:
            child(self._span, "decode", (first, passage.ended), {"modelyard.tokens.generated": passage.generated})

    def _batched(self, passage: Passage) -> None:
        """Queue, batch, and the model's part of the batch."""
        child = self._tracing.child
        child(self._span, "queue", (passage.enqueued, passage.dispatched), {})
        sizes = {"modelyard.batch.rows": passage.rows, "modelyard.batch.requests": passage.requests}
        batch = child(self._span, "batch", (passage.dispatched, passage.done), sizes)
        child(batch, "forward", (passage.forwarded, passage.done), {})

    def end(self, status: int) -> None:
        """The answer is there."""
        self._span.set_attribute("modelyard.status", status)
        self._tracing.failed(self._span, status)
        self._span.end()
