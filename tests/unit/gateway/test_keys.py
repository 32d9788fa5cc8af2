"""InferenceKeys at the door: which key it is, what it opens, how fast and how much."""

from typing import Any

import pytest
from msgspec.structs import replace

from modelyard_gateway.access.authorizer import Allowed, Asked, Authorizer, Listed, Rules
from modelyard_gateway.answers import Refused
from modelyard_gateway.directory import Directory
from modelyard_gateway.keys.buckets import Buckets
from modelyard_gateway.keys.gatekeeper import Gatekeeper, is_key
from modelyard_gateway.keys.limits import OwnLimits
from modelyard_gateway.keys.ring import KeyRing, prefix_of
from modelyard_gateway.usage.ledger import Ledger
from modelyard_operator.api.inference_key import InferenceKey, KeyUsage, RateLimit, Tally
from unit.gateway.objects import KEY, inference_key, model, pod, pods

# 2026-11-22T21:00:00Z.
NOW = 1795381200.0
MONTH = "2026-11-01T00:00:00Z"


class Stage:
    """An authorizer that can ask no API server, with keys."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wall = NOW
        self.limits = OwnLimits(lambda: self.now)
        self.ring = KeyRing(self.limits.forget)
        self.directory = Directory(lambda _: None)
        self.directory.models.put(model(tier="small"))
        self.directory.slices.put(pods("2", pod("10.0.0.1")))
        ledger = Ledger(self.ring.keys, None, "pod")  # type: ignore[arg-type]
        keys = Gatekeeper(self.ring, self.limits, ledger, lambda: self.wall)
        self.authorizer = Authorizer(None, self.directory, Rules(("audience",)), keys)  # type: ignore[arg-type]

    def have(self, found: InferenceKey) -> None:
        """The watch brings a key."""
        self.ring.keys.put(found)

    async def ask(self, token: str = KEY, path: str = "/team/digits/v2/models/digits/infer") -> Allowed | Refused:
        """What becomes of a request."""
        found = await self.authorizer.decide(Asked(path, "gateway", f"Bearer {token}"))
        assert not isinstance(found, Listed)
        return found

    async def reason(self, **more: Any) -> str:
        """The reason of a refusal, or who it was."""
        found = await self.ask(**more)
        return found.who if isinstance(found, Allowed) else found.reason


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_key_opens_and_the_audit_log_gets_its_name_and_prefix(stage: Stage) -> None:
    stage.have(inference_key())
    found = await stage.ask()
    assert isinstance(found, Allowed)
    assert (found.cluster, found.who, found.warning) == ("team.digits.http", "key:team/ci#myk_00010203", "")


async def test_a_key_that_is_not_known_or_was_revoked(stage: Stage) -> None:
    found = await stage.ask()
    assert isinstance(found, Refused)
    assert (found.status, found.reason, found.who) == (401, "InvalidKey", "key:#myk_00010203")
    stage.have(inference_key())
    assert await stage.reason() == "key:team/ci#myk_00010203"
    stage.ring.keys.remove(inference_key("2"))
    assert await stage.reason() == "InvalidKey"


@pytest.mark.parametrize("token", ["myk_", "myk_00010203", KEY[:-1], KEY + "0", KEY.upper().replace("MYK", "myk")])
async def test_what_only_begins_like_a_key(stage: Stage, token: str) -> None:
    stage.have(inference_key())
    found = await stage.ask(token)
    assert isinstance(found, Refused)
    assert (found.reason, found.who) == ("InvalidKey", "key:?")
    assert token not in found.message or token == "myk_"
    assert prefix_of(token) is None
    assert is_key(token)


async def test_a_rotated_key_works_until_its_overlap_ends(stage: Stage) -> None:
    found = inference_key()
    old = replace(found.status.keys[0], expires_at="2026-11-22T21:00:05Z")
    new = replace(old, sha256="0" * 64, expires_at=None)
    stage.have(replace(found, status=replace(found.status, keys=[new, old])))
    assert await stage.reason() == "key:team/ci#myk_00010203"
    stage.wall = NOW + 5
    assert await stage.reason() == "ExpiredKey"


async def test_a_digest_that_went_from_the_status_opens_nothing(stage: Stage) -> None:
    stage.have(inference_key())
    gone = inference_key("2")
    stage.have(replace(gone, status=replace(gone.status, keys=[])))
    assert await stage.reason() == "InvalidKey"


async def test_a_key_that_is_being_deleted_opens_nothing(stage: Stage) -> None:
    found = inference_key()
    stage.have(replace(found, metadata=replace(found.metadata, deletion_timestamp="2026-11-22T20:00:00Z")))
    assert await stage.reason() == "InvalidKey"


async def test_a_key_ends_at_its_own_time(stage: Stage) -> None:
    stage.have(inference_key(expiresAt="2026-11-22T21:00:01Z"))
    assert await stage.reason() == "key:team/ci#myk_00010203"
    stage.wall = NOW + 1
    assert await stage.reason() == "ExpiredKey"


@pytest.mark.parametrize(
    ("models", "path", "expected"),
    [
        ({}, "/team/digits/v2", "key:team/ci#myk_00010203"),
        ({"names": ["digits"]}, "/team/digits/v2", "key:team/ci#myk_00010203"),
        ({"names": ["other"]}, "/team/digits/v2", "Forbidden"),
        ({"names": ["other"]}, "/team/other/v2", "NoSuchModel"),
        ({"matchLabels": {"tier": "small"}}, "/team/digits/v2", "key:team/ci#myk_00010203"),
        ({"matchLabels": {"tier": "large"}}, "/team/digits/v2", "Forbidden"),
        ({"matchLabels": {"tier": "small"}}, "/team/absent/v2", "Forbidden"),
        ({}, "/other/digits/v2", "Forbidden"),
        ({}, "/metrics", "NoSuchPath"),
    ],
)
async def test_what_a_key_opens(stage: Stage, models: dict[str, Any], path: str, expected: str) -> None:
    stage.have(inference_key(models=models))
    assert await stage.reason(path=path) == expected


async def test_requests_of_a_minute(stage: Stage) -> None:
    stage.have(inference_key(rateLimit={"requestsPerMinute": 2}))
    assert [await stage.reason() for _ in range(3)] == ["key:team/ci#myk_00010203"] * 2 + ["TooFast"]
    refused = await stage.ask()
    assert isinstance(refused, Refused)
    assert (refused.status, refused.headers()["retry-after"]) == (429, "30")
    stage.now = 30
    assert await stage.reason() == "key:team/ci#myk_00010203"
    assert await stage.reason() == "TooFast"


async def test_what_is_refused_anyway_takes_nothing_from_the_limit(stage: Stage) -> None:
    stage.have(inference_key(rateLimit={"requestsPerMinute": 1}))
    for _ in range(5):
        assert await stage.reason(path="/team/absent/v2") == "NoSuchModel"
    assert await stage.reason() == "key:team/ci#myk_00010203"


async def test_a_budget_warns_and_then_refuses_until_the_next_period(stage: Stage) -> None:
    for used, version in ((79, "1"), (80, "2"), (100, "3")):
        usage = KeyUsage(since=MONTH, period=Tally(prompt_tokens=used))
        stage.have(inference_key(version, usage, budget={"tokens": 100}, rateLimit=None))
        found = await stage.ask()
        if used == 100:
            assert isinstance(found, Refused)
            assert found.reason == "BudgetSpent"
            # Eight days and three hours.
            assert found.headers()["retry-after"] == str(8 * 86400 + 3 * 3600)
            assert b'"type":"insufficient_quota"' in found.body("/openai/v1/chat/completions")
        else:
            assert isinstance(found, Allowed)
            assert bool(found.warning) == (used == 80)
    stage.wall = NOW + 9 * 86400
    assert await stage.reason() == "key:team/ci#myk_00010203"


async def test_a_budget_of_a_day_begins_anew_at_midnight(stage: Stage) -> None:
    usage = KeyUsage(since="2026-11-22T00:00:00Z", period=Tally(prompt_tokens=100))
    stage.have(inference_key("1", usage, budget={"tokens": 100, "period": "Day"}, rateLimit=None))
    refused = await stage.ask()
    assert isinstance(refused, Refused)
    assert refused.headers()["retry-after"] == str(3 * 3600)
    stage.wall = NOW + 3 * 3600
    assert await stage.reason() == "key:team/ci#myk_00010203"


class TestBuckets:
    def test_tokens_leave_a_debt_that_is_filled_first(self) -> None:
        buckets, limit = Buckets(), RateLimit(tokens_per_minute=60)
        assert buckets.admit("a", limit, 0) == 0
        buckets.charge("a", limit, 120, 0)
        assert buckets.admit("a", limit, 0) == 61
        assert buckets.admit("a", limit, 61) == 0

    def test_a_bucket_never_holds_more_than_a_minute(self) -> None:
        buckets, limit = Buckets(), RateLimit(requests_per_minute=1)
        assert buckets.admit("a", limit, 0) == 0
        assert buckets.admit("a", limit, 3600) == 0
        assert buckets.admit("a", limit, 3600) == 60

    def test_a_key_that_is_gone_is_forgotten(self) -> None:
        buckets = Buckets()
        buckets.admit("a", RateLimit(requests_per_minute=1), 0)
        buckets.forget("a")
        assert len(buckets) == 0


async def test_a_key_lists_and_names_the_models_that_it_opens() -> None:
    stage = Stage()
    stage.directory.models.put(model("2", name="other"))
    stage.have(inference_key(models={"names": ["digits"]}))
    asked = Asked("/openai/v1/models", "gateway", f"Bearer {KEY}")
    listed = await stage.authorizer.decide(asked)
    assert isinstance(listed, Listed)
    assert listed.models == (("team", "digits"),)
    # A key has a namespace, so the name of a model is enough.
    chat = replace(asked, path="/openai/v1/chat/completions", model="digits")
    assert isinstance(await stage.authorizer.decide(chat), Allowed)
