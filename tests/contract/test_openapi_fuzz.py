"""Requests made from our own OpenAPI document, fitting and not: no 5xx, no code and no body that it does not name."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from unit.server import live
from unit.server.live import LiveServer, echo_card

EXAMPLES = int(os.environ.get("MODELYARD_FUZZ_EXAMPLES", "8"))
# What a request may be answered with: also 501 and 503, which the document names and which are no faults.
# Generated text has protocols of its own, with tests of their own.
PATHS = ("/v2", "/v1/models/{model}:")
WANTED = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    models = {"echo/1": echo_card()}
    running = live.start_repository(tmp_path_factory.mktemp("openapi"), models, model_control="explicit")
    yield running
    running.stop()


def test_every_path_answers_as_the_document_says(server: LiveServer) -> None:
    api = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 10
    for operation in operations:
        if operation.path.startswith(PATHS) and "generate" not in operation.path:
            ask(operation)


def ask(operation: Any) -> None:
    """Many requests of one path and method."""

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def answered(case: Any) -> None:
        parameters = case.path_parameters or {}
        if str(parameters.get("model"))[:1] in "aeiou0":
            parameters["model"] = "echo"
        response = case.call()
        assert response.status_code < 500 or response.status_code in (501, 503), response.text
        case.validate_response(response, checks=WANTED)

    answered()
