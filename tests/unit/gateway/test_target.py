"""Which model a request is for, and what of a model is not for clients."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_gateway.access.target import Target, Unclear, find, find_shared

DOMAIN = "models.example.com"
GRPC = "application/grpc+proto"
INFER = "/inference.GRPCInferenceService/ModelInfer"


@pytest.mark.parametrize(
    ("path", "host", "expected"),
    [
        ("/team/digits/v2/models/digits/infer", "any", Target("team", "digits", "/v2/models/digits/infer")),
        ("/team/digits/v2", "any", Target("team", "digits", "/v2")),
        ("/team/digits/v1/models/digits:predict?x=1", "any", Target("team", "digits", "/v1/models/digits:predict")),
        ("/team/chat/openai/v1/chat/completions", "any", Target("team", "chat", "/openai/v1/chat/completions")),
        ("/v2/health/ready", "digits.team.models.example.com", Target("team", "digits", "/v2/health/ready")),
        ("/v2/health/ready", "Digits.Team.models.example.com:443", Target("team", "digits", "/v2/health/ready")),
    ],
)
def test_a_path_or_a_host_names_the_model(path: str, host: str, expected: Target) -> None:
    assert find(path, host, "application/json", DOMAIN) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/team",
        "/team/digits",
        "/team/digits/",
        "/team/digits/metrics",
        "/team/digits/docs",
        "/team/digits/v2x",
        "/team/digits/v1/modelsx",
        "/team/digits/v2/repository/index",
        "/team/digits/v2/repository",
        "/Team/digits/v2",
        "/-team/digits/v2",
        "/-/Busy/x",
        "/team/digits.x/v2",
        "/team//v2",
        "/tëam/digits/v2",
        "/team/digits\n/v2",
        "/v2/health/ready",
    ],
)
def test_a_path_that_is_for_no_client(path: str) -> None:
    assert find(path, "gateway", "", DOMAIN) is None


@pytest.mark.parametrize("host", ["digits.team.example.com", "team.models.example.com", "a.b.c.models.example.com", ""])
def test_a_host_that_is_no_model_s(host: str) -> None:
    assert find("/v2/health/ready", host, "", DOMAIN) is None


def test_without_a_domain_no_host_is_a_model_s() -> None:
    assert find("/v2/health/ready", "digits.team.", "", "") is None


def test_grpc_is_asked_by_host() -> None:
    assert find(INFER, f"digits.team.{DOMAIN}", GRPC, DOMAIN) == Target("team", "digits", INFER, "grpc")
    assert find("/grpc.health.v1.Health/Check", f"digits.team.{DOMAIN}", GRPC, DOMAIN) is not None


@pytest.mark.parametrize("path", ["/inference.GRPCInferenceService/RepositoryModelLoad", "/other.Service/Call", "/v2"])
def test_grpc_calls_that_are_for_no_client(path: str) -> None:
    assert find(path, f"digits.team.{DOMAIN}", GRPC, DOMAIN) is None


def test_grpc_without_the_host_of_a_model_is_for_none() -> None:
    assert find(f"/team/digits{INFER}", "gateway", GRPC, DOMAIN) is None


@given(st.text(), st.text(max_size=40))
def test_whatever_is_asked_names_a_model_or_none(path: str, host: str) -> None:
    found = find(path, host, "", DOMAIN)
    assert found is None or (found.path.startswith("/v") or found.path.startswith("/openai/"))


CHAT = "/openai/v1/chat/completions"


@pytest.mark.parametrize(
    ("model", "home", "expected"),
    [
        ("team/chat", "", Target("team", "chat", "/v1/chat/completions")),
        ("chat", "home", Target("home", "chat", "/v1/chat/completions")),
        ("team/chat", "home", Target("team", "chat", "/v1/chat/completions")),
    ],
)
def test_a_body_names_the_model(model: str, home: str, expected: Target) -> None:
    assert find_shared(CHAT, model, home) == expected


@pytest.mark.parametrize(
    ("path", "model", "reason"),
    [
        (CHAT, "chat", "NoModel"),
        (CHAT, "-", "NoModel"),
        (CHAT, "a/b/c", "NoModel"),
        (CHAT, "../b", "NoModel"),
        ("/openai/v1/files", "team/chat", "NoSuchPath"),
        ("/openai/v1/v1/chat/completions", "team/chat", "NoSuchPath"),
    ],
)
def test_a_body_that_names_none_is_told_how(path: str, model: str, reason: str) -> None:
    found = find_shared(path, model, "")
    assert isinstance(found, Unclear)
    assert found.reason == reason
