"""One request -> allowed or refused, with an API server that answers as it is told."""

import asyncio
import base64
import json
from collections import Counter
from typing import Any, cast

import pytest

from modelyard_gateway.access.authorizer import ALLOWED_SECONDS, DENIED_SECONDS, Allowed, Asked, Authorizer, Rules
from modelyard_gateway.access.reviews import MOST_WAITING, Reviews
from modelyard_gateway.answers import Refused
from modelyard_gateway.directory import Directory
from modelyard_operator.kube.errors import ApiError
from modelyard_operator.kube.throttle import Throttle
from modelyard_operator.kube.transport import Request, Transport
from unit.gateway.objects import model, pod, pods

AUDIENCE = "modelyard.dev/inference"
PATH = "/team/digits/v2/models/digits/infer"


def token(signature: str = "good") -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"aud": AUDIENCE}).encode()).rstrip(b"=").decode()
    return f"head.{claims}.{signature}"


class ApiServer:
    """Knows one token, and who may what."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.allowed = True
        self.failure: ApiError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.audiences = [AUDIENCE]

    async def send(self, request: Request) -> bytes:
        """Answer a review."""
        self.asked[request.plural] += 1
        await self.gate.wait()
        if self.failure:
            raise self.failure
        spec = json.loads(request.body or b"")["spec"]
        if request.plural == "tokenreviews":
            known = spec["token"] == token()
            user = {"username": "someone", "groups": ["system:authenticated"], "extra": {"a": ["b"]}}
            return json.dumps(
                {"status": {"authenticated": known, "user": user, "audiences": self.audiences if known else []}}
            ).encode()
        assert spec["resourceAttributes"]["subresource"] == "inference"
        assert (spec["user"], spec["groups"], spec["extra"]) == ("someone", ["system:authenticated"], {"a": ["b"]})
        return json.dumps({"status": {"allowed": self.allowed}}).encode()


class Stage:
    """An authorizer whose clock is ours."""

    def __init__(self) -> None:
        self.now = 0.0
        self.server = ApiServer()
        self.directory = Directory(lambda _: None)
        self.directory.models.put(model())
        self.directory.slices.put(pods("2", pod("10.0.0.1")))
        self.reviews = Reviews(cast("Transport", self.server), Throttle(1e6, 10**6, lambda: self.now), [AUDIENCE])
        self.authorizer = Authorizer(
            self.reviews, self.directory, Rules((AUDIENCE,), longest_body=100), clock=lambda: self.now, wall=lambda: 0.0
        )

    async def ask(self, given: str = "", path: str = PATH, length: int = 0) -> str:
        """The cluster, or the reason of the refusal."""
        asked = Asked(path, "gateway", f"Bearer {given or token()}", "application/json", length)
        found = await self.authorizer.decide(asked)
        if isinstance(found, Refused):
            return found.reason
        return found.cluster if isinstance(found, Allowed) else " ".join(map("/".join, found.models))


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_two_questions_let_a_token_in_for_a_minute(stage: Stage) -> None:
    assert [await stage.ask() for _ in range(3)] == ["team.digits.http"] * 3
    assert stage.server.asked == {"tokenreviews": 1, "subjectaccessreviews": 1}
    stage.now = ALLOWED_SECONDS
    assert await stage.ask() == "team.digits.http"
    assert stage.server.asked == {"tokenreviews": 2, "subjectaccessreviews": 2}


async def test_a_refusal_holds_for_seconds_only(stage: Stage) -> None:
    stage.server.allowed = False
    assert [await stage.ask(), await stage.ask()] == ["Forbidden", "Forbidden"]
    stage.server.allowed = True
    stage.now = DENIED_SECONDS
    assert await stage.ask() == "team.digits.http"


async def test_an_unknown_token_is_asked_about_once_in_a_while(stage: Stage) -> None:
    assert [await stage.ask(token("bad")), await stage.ask(token("bad"))] == ["InvalidToken"] * 2
    assert stage.server.asked["tokenreviews"] == 1
    stage.now = DENIED_SECONDS
    await stage.ask(token("bad"))
    assert stage.server.asked["tokenreviews"] == 2


async def test_a_token_that_was_made_for_everybody_is_not_for_us(stage: Stage) -> None:
    stage.server.audiences = []
    assert await stage.ask() == "InvalidToken"


async def test_garbage_costs_the_api_server_nothing(stage: Stage) -> None:
    assert {await stage.ask(f"garbage-{number}") for number in range(100)} == {"InvalidToken"}
    assert stage.server.asked == {}


async def test_a_flood_of_strange_tokens_does_not_hurt_known_ones(stage: Stage) -> None:
    await stage.ask()
    stage.server.gate.clear()
    flood = [asyncio.create_task(stage.ask(token(f"strange-{number}"))) for number in range(MOST_WAITING + 50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await stage.ask() == "team.digits.http"
    stage.server.gate.set()
    assert Counter(await asyncio.gather(*flood)) == {"InvalidToken": MOST_WAITING, "Busy": 50}


async def test_without_the_api_server_known_tokens_work_until_their_time_is_over(stage: Stage) -> None:
    await stage.ask()
    stage.server.failure = ApiError(0, "connection refused")
    assert await stage.ask() == "team.digits.http"
    assert await stage.ask(token("strange")) == "CannotCheck"
    stage.now = ALLOWED_SECONDS
    assert await stage.ask() == "CannotCheck"
    stage.server.failure = None
    assert await stage.ask() == "team.digits.http"


async def test_rights_that_cannot_be_checked_are_none(stage: Stage) -> None:
    await stage.ask()
    stage.server.failure = ApiError(500, "etcd is away")
    assert await stage.ask(path="/team/other/v2") == "CannotCheck"


async def test_models_that_are_not_there_or_do_not_serve(stage: Stage) -> None:
    assert await stage.ask(path="/team/other/v2") == "NoSuchModel"
    stage.directory.slices.put(pods("3", pod("10.0.0.1", ready=False)))
    assert await stage.ask() == "NotServing"


async def test_a_body_that_is_too_long_and_a_path_that_is_none(stage: Stage) -> None:
    assert await stage.ask(length=100) == "team.digits.http"
    assert await stage.ask(length=101) == "TooLarge"
    assert await stage.ask(path="/metrics") == "NoSuchPath"


async def test_no_refusal_holds_a_token(stage: Stage) -> None:
    for header in (None, f"Bearer {token('bad')}", f"Bearer {token()} {token()}", "Bearer garbage"):
        found: Any = await stage.authorizer.decide(Asked(PATH, "gateway", header))
        assert isinstance(found, Refused)
        assert "head." not in found.message
        assert "garbage" not in found.message


def public(stage: Stage) -> None:
    stage.directory.models.put(model("9", mode="Public"))


async def test_a_public_model_asks_nobody_for_a_token(stage: Stage) -> None:
    public(stage)
    stage.authorizer = Authorizer(
        stage.reviews, stage.directory, Rules((AUDIENCE,), allow_public=True), clock=lambda: stage.now
    )
    found = await stage.authorizer.decide(Asked(PATH, "gateway"))
    assert isinstance(found, Allowed)
    assert (found.who, found.cluster) == ("system:anonymous", "team.digits.http")
    assert await stage.ask("sk-anything") == "team.digits.http"
    assert stage.server.asked == {}
    other = await stage.authorizer.decide(Asked(PATH.replace("digits", "secret"), "gateway"))
    assert isinstance(other, Refused)
    assert other.reason == "NoToken"


async def test_a_model_cannot_be_public_where_the_installation_does_not_allow_it(stage: Stage) -> None:
    public(stage)
    found = await stage.authorizer.decide(Asked(PATH, "gateway"))
    assert isinstance(found, Refused)
    assert found.reason == "NoToken"


CHAT = "/openai/v1/chat/completions"


async def test_at_the_door_of_all_models_the_body_says_which_one(stage: Stage) -> None:
    for model_named, expected in {
        "team/digits": "team.digits.http",
        "digits": "NoModel",
        "team/other": "NoSuchModel",
    }.items():
        asked = Asked(CHAT, "gateway", f"Bearer {token()}", "application/json", 0, model_named)
        found = await stage.authorizer.decide(asked)
        assert (found.cluster if isinstance(found, Allowed) else getattr(found, "reason", "")) == expected


async def test_a_list_holds_what_somebody_may_ask_all_of(stage: Stage) -> None:
    stage.directory.models.put(model("3", name="second"))
    assert await stage.ask(path="/openai/v1/models?limit=1") == "team/digits team/second"
    stage.now = ALLOWED_SECONDS
    stage.server.allowed = False
    assert await stage.ask(path="/openai/v1/models") == ""
    stage.now += ALLOWED_SECONDS
    stage.server.failure = ApiError(0, "connection refused")
    assert await stage.ask(path="/openai/v1/models") == "CannotCheck"
