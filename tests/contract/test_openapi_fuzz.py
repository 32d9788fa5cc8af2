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

from unit.server import live, tiny_llm
from unit.server.live import LiveServer, echo_card

EXAMPLES = int(os.environ.get("MODELYARD_FUZZ_EXAMPLES", "8"))
# What a request may be answered with: also 501 and 503, which the document names and which are no faults.
PATHS = ("/v2", "/v1/models/{model}:")
TEXTS = ("/v1/chat", "/v1/completions", "/v1/embeddings", "/openai/v1/")
WANTED = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    models = {"echo/1": echo_card()}
    root = tmp_path_factory.mktemp("openapi")
    tiny_llm.write(root / "tiny" / "1")
    how = {"precision": "float32", "threads": 1, "max_sequences": 4, "max_answer_tokens": 4}
    running = live.start_repository(root, models, model_control="explicit", **how)
    yield running
    running.stop()


def test_every_path_answers_as_the_document_says(server: LiveServer) -> None:
    api = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 10
    for operation in operations:
        if operation.path.startswith(PATHS):
            ask(operation)


def test_every_path_of_generated_text_answers_as_the_document_says(server: LiveServer) -> None:
    api = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    asked = [operation for operation in operations if operation.path.startswith(TEXTS)]
    assert len(asked) >= 8
    for operation in asked:
        ask(operation)


def ask(operation: Any) -> None:
    """Many requests of one path and method."""

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def answered(case: Any) -> None:
        parameters = case.path_parameters or {}
        generates = "/generate" in operation.path
        if str(parameters.get("model"))[:1] in "aeiou0":
            parameters["model"] = "tiny" if generates else "echo"
            parameters |= {"version": "1"} if generates and "version" in parameters else {}
        if generates and isinstance(case.body, dict):
            how = case.body.get("parameters")
            case.body |= {"parameters": {**how, "max_tokens": 3}} if isinstance(how, dict) else {"max_tokens": 3}
        if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
            case.body |= {"model": "tiny", "max_tokens": 3}
        response = case.call()
        assert response.status_code < 500 or response.status_code in (501, 503), response.text
        case.validate_response(response, checks=WANTED)

    answered()
