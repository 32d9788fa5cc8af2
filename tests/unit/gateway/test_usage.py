"""What was used: from Envoy's lines to the statuses of keys."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from modelyard_gateway.keys.limits import OwnLimits
from modelyard_gateway.usage import series
from modelyard_gateway.usage.counting import Counting
from modelyard_gateway.usage.file import CHUNK, UsageFile
from modelyard_gateway.usage.ledger import Ledger
from modelyard_gateway.usage.line import Sample, parse
from modelyard_gateway.usage.tallies import MOST_MODELS, Pending, written
from modelyard_operator.api.inference_key import KeyUsage, ModelUse, Tally
from modelyard_operator.cache import Store
from modelyard_operator.kube.errors import ApiError, ConflictError, NotFoundError
from unit.gateway.objects import inference_key

NOVEMBER, DECEMBER = "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"
# 2026-11-22T21:00:00Z.
BEGAN = 1795381200


def line(user: str = "key:team/ci#myk_00010203", **more: Any) -> bytes:
    told = {"user": user, "cluster": "team.digits.http", "code": 200, "milliseconds": 1500, "began": str(BEGAN)}
    return json.dumps({**told, "received": 40, **more}).encode()


class TestLines:
    def test_tokens_that_the_answer_tells(self) -> None:
        found = parse(line(events=3, prompt_tokens=7, completion_tokens=5))
        assert found
        assert (found.used, found.key, found.estimated) == (Tally(1, 7, 5, 1500), ("team", "ci"), False)
        assert (found.namespace, found.model, found.revision, found.code) == ("team", "digits", "", 200)

    def test_embeddings_tell_prompts_only(self) -> None:
        found = parse(line(events=0, prompt_tokens=7))
        assert found
        assert (found.used.prompt_tokens, found.used.completion_tokens) == (7, 0)

    def test_a_stream_without_usage_is_guessed(self) -> None:
        found = parse(line(events=12))
        assert found
        assert (found.used.prompt_tokens, found.used.completion_tokens, found.estimated) == (10, 12, True)

    def test_a_refusal_of_the_model_costs_no_tokens(self) -> None:
        found = parse(line(events=0, code=422))
        assert found
        assert (found.used.tokens, found.estimated) == (0, False)

    def test_users_of_kubernetes_and_revisions(self) -> None:
        found = parse(line("system:serviceaccount:team:client", cluster="team.digits.http.7f3c"))
        assert found
        assert (found.key, found.revision, found.used.tokens) == (None, "7f3c", 0)

    @pytest.mark.parametrize(
        "text", [b'{"user": "x", "clu', b"", line(cluster="modelyard.authorizer"), line(cluster=None)]
    )
    def test_what_is_no_request_of_a_model(self, text: bytes) -> None:
        assert parse(text) is None


class TestTallies:
    def test_what_is_pending_is_added(self) -> None:
        pending = Pending()
        pending.add(NOVEMBER, ("digits", ""), Tally(1, 2, 3, 4), "2026-11-22T00:00:00Z")
        pending.add(NOVEMBER, ("digits", ""), Tally(1, 2, 3, 4), "2026-11-22T00:00:01Z")
        first = written(KeyUsage(), pending, "pod/1")
        second = written(first, pending, "pod/2")
        assert second.total == second.period == Tally(4, 8, 12, 16)
        assert second.models == [ModelUse("digits", Tally(4, 8, 12, 16))]
        assert (second.since, second.last_used, second.writer) == (NOVEMBER, "2026-11-22T00:00:01Z", "pod/2")

    def test_a_new_period_begins_with_nothing(self) -> None:
        pending = Pending()
        pending.add(NOVEMBER, ("digits", ""), Tally(5), "2026-11-30T23:59:59Z")
        pending.add(DECEMBER, ("digits", ""), Tally(1), "2026-12-01T00:00:00Z")
        found = written(KeyUsage(Tally(10), NOVEMBER, Tally(10)), pending, "pod/1")
        assert (found.total.requests, found.since, found.period.requests) == (16, DECEMBER, 1)
        assert found.models == [ModelUse("digits", Tally(1))]

    def test_who_is_late_does_not_bring_an_old_period_back(self) -> None:
        pending = Pending()
        pending.add(NOVEMBER, ("digits", ""), Tally(5), "2026-11-30T23:59:59Z")
        found = written(KeyUsage(Tally(10), DECEMBER, Tally(1)), pending, "pod/1")
        assert (found.total.requests, found.since, found.period.requests) == (15, DECEMBER, 1)

    def test_models_are_bounded(self) -> None:
        pending = Pending()
        for number in range(MOST_MODELS + 10):
            pending.add(NOVEMBER, (f"m{number:03}", ""), Tally(1), "")
        found = {one.model: one.used.requests for one in written(KeyUsage(), pending, "").models}
        assert (len(found), found["other"]) == (MOST_MODELS, 11)

    def test_what_could_not_be_written_comes_first(self) -> None:
        failed, more = Pending(), Pending()
        failed.add(NOVEMBER, ("a", ""), Tally(1), "1")
        more.add(NOVEMBER, ("a", ""), Tally(2), "2")
        more.add(NOVEMBER, ("b", ""), Tally(4), "2")
        whole = more.after(failed)
        assert (whole.total.requests, whole.period.requests, whole.last_used) == (7, 7, "2")
        assert whole.models == {("a", ""): Tally(3), ("b", ""): Tally(4)}
        assert Pending().after(failed) == failed
        later = Pending()
        later.add(DECEMBER, ("a", ""), Tally(8), "3")
        assert (later.after(failed).total.requests, later.after(failed).period.requests) == (9, 8)


class TestFile:
    def test_it_is_read_on_after_a_restart(self, tmp_path: Path) -> None:
        path = tmp_path / "usage.log"
        file = UsageFile(path)
        assert not file.open()
        assert list(file.lines()) == []
        path.write_bytes(b"one\ntwo\nthr")
        assert file.open()
        assert list(file.lines()) == [(b"one", 4), (b"two", 8)]
        file.keep(4)
        file.close()
        again = UsageFile(path)
        assert again.open()
        assert [text for text, _ in again.lines()] == [b"two"]
        with path.open("ab") as envoy:
            envoy.write(b"ee\n")
        assert [text for text, _ in again.lines()] == [b"three"]
        again.close()

    def test_what_was_read_takes_no_place_on_the_disk(self, tmp_path: Path) -> None:
        path = tmp_path / "usage.log"
        path.write_bytes(b"x" * 99 + b"\n")
        with path.open("ab") as envoy:
            for _ in range(40_000):
                envoy.write(b"x" * 99 + b"\n")
        file = UsageFile(path)
        file.open()
        while list(file.lines()):
            pass
        file.keep(file.position)
        assert path.stat().st_size == file.size() == 4_000_100
        assert path.stat().st_blocks * 512 < 100_000
        file.close()

    def test_a_line_without_an_end_is_passed_over(self, tmp_path: Path) -> None:
        path = tmp_path / "usage.log"
        path.write_bytes(b"x" * (CHUNK + 5) + b"\ngood\n")
        file = UsageFile(path)
        file.open()
        assert list(file.lines()) == []
        assert [text for text, _ in file.lines()] == [b"xxxxx", b"good"]
        file.close()

    def test_a_position_behind_the_end_is_of_another_file(self, tmp_path: Path) -> None:
        path = tmp_path / "usage.log"
        path.write_bytes(b"one\n")
        path.with_suffix(".position").write_text("4000")
        file = UsageFile(path)
        file.open()
        assert [text for text, _ in file.lines()] == [b"one"]
        file.close()


class Server:
    """An API server with one InferenceKey, which several gateways write to."""

    def __init__(self) -> None:
        self.key = inference_key()
        self.fail: list[Exception] = []
        self.lose = 0
        self.writes = 0

    async def merge_status(self, _: object, metadata: Any, status: dict[str, Any]) -> bytes:
        """As the API server: refused unless it is the version that was seen."""
        self.writes += 1
        if self.fail:
            raise self.fail.pop(0)
        if metadata.resource_version != self.key.metadata.resource_version:
            raise ConflictError(409, "another version")
        usage = msgspec.convert(status["usage"], KeyUsage)
        self.key = inference_key(str(int(metadata.resource_version) + 1), usage=usage)
        if self.lose:
            self.lose -= 1
            raise ApiError(0, "the connection is gone")
        return await self.get()

    async def get(self, *_: object) -> bytes:
        """The object."""
        return msgspec.json.encode(self.key)


def gateway(server: Server, pod: str = "pod") -> tuple[Ledger, Store]:
    keys = Store(lambda _: None)
    keys.put(server.key)
    return Ledger(keys, server, pod), keys  # type: ignore[arg-type]


def sample(tokens: int = 10) -> Sample:
    found = parse(line(events=0, prompt_tokens=tokens, completion_tokens=0))
    assert found
    return found


NOW = "2026-11-22T21:00:02Z"


class TestLedger:
    def spent(self, ledger: Ledger, keys: Store) -> int:
        return ledger.spent(keys.get("team", "ci"), "Month", NOW)

    async def test_what_is_noted_counts_at_once_and_is_written_once(self) -> None:
        server = Server()
        ledger, keys = gateway(server)
        ledger.note(sample(), 100)
        ledger.note(sample(), 200)
        assert self.spent(ledger, keys) == 20
        assert await ledger.flush(200)
        assert await ledger.flush(200)
        assert (self.spent(ledger, keys), server.key.status.usage.period.tokens, server.writes) == (20, 20, 1)

    async def test_two_gateways_add_up(self) -> None:
        server = Server()
        (one, one_keys), (two, two_keys) = gateway(server, "one"), gateway(server, "two")
        for position in range(1, 6):
            one.note(sample(), position)
            two.note(sample(), position)
            assert await one.flush(position)
            assert await two.flush(position)
        assert server.key.status.usage.total == Tally(10, 100, 0, 15_000)
        one_keys.put(server.key)
        assert self.spent(one, one_keys) == self.spent(two, two_keys) == 100

    async def test_an_answer_that_was_lost_is_not_written_twice(self) -> None:
        server = Server()
        ledger, keys = gateway(server)
        ledger.note(sample(), 100)
        server.lose = 1
        assert await ledger.flush(100)
        assert (server.key.status.usage.total.requests, self.spent(ledger, keys)) == (1, 10)

    async def test_while_the_api_server_is_away_nothing_is_lost(self) -> None:
        server = Server()
        ledger, keys = gateway(server)
        ledger.note(sample(), 100)
        server.fail = [ApiError(503, "away")]
        assert not await ledger.flush(100)
        ledger.note(sample(), 200)
        assert self.spent(ledger, keys) == 20
        assert await ledger.flush(200)
        assert server.key.status.usage.total.requests == 2

    async def test_a_restart_counts_what_was_not_written_and_no_more(self) -> None:
        server = Server()
        ledger, _ = gateway(server)
        ledger.note(sample(), 100)
        await ledger.flush(100)
        # Killed before it could remember the position: all lines are read again.
        again, keys = gateway(server)
        assert again.note(sample(), 100) is None
        assert again.note(sample(), 200)
        assert self.spent(again, keys) == 20

    async def test_while_a_write_is_under_way_nothing_counts_twice(self) -> None:
        server = Server()
        ledger, keys = gateway(server)
        ledger.note(sample(), 100)
        answered = asyncio.Event()
        write = server.merge_status

        async def slowly(*arguments: Any) -> bytes:
            raw = await write(*arguments)
            await answered.wait()
            return raw

        server.merge_status = slowly  # type: ignore[method-assign, assignment]
        flush = asyncio.create_task(ledger.flush(100))
        await asyncio.sleep(0)
        assert self.spent(ledger, keys) == 10
        # The watch is faster than the answer.
        keys.put(server.key)
        assert self.spent(ledger, keys) == 10
        answered.set()
        assert await flush
        assert self.spent(ledger, keys) == 10

    async def test_a_key_that_is_gone_needs_nothing(self) -> None:
        server = Server()
        ledger, keys = gateway(server)
        ledger.note(sample(), 100)
        server.fail = [NotFoundError(404, "gone")]
        assert await ledger.flush(100)
        ledger.note(sample(), 200)
        keys.remove(server.key)
        assert await ledger.flush(200)
        assert ledger.note(sample(), 300) is None
        assert ledger.note(parse(line("somebody")) or sample(), 300) is None


async def test_lines_reach_limits_and_statuses(tmp_path: Path) -> None:
    server = Server()
    ledger, _ = gateway(server)
    path = tmp_path / "usage.log"
    path.write_bytes(line(events=0, prompt_tokens=60, completion_tokens=0) + b"\nnonsense\n")
    limits = OwnLimits(lambda: 0.0)
    await Counting(UsageFile(path), ledger, limits, 3600.0, lambda: 0.0).end()
    assert server.key.status.usage.total.prompt_tokens == 60
    assert path.with_suffix(".position").read_text() == str(path.stat().st_size)
    assert server.key.spec.rate_limit
    assert await limits.admit("uid-ci", server.key.spec.rate_limit) > 0


def test_metrics_have_a_bounded_number_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MOST_MODELS", 2)
    monkeypatch.setattr(series, "MOST_KEYS", 1)
    counted = series.Series()
    for number in range(5):
        found = parse(line(f"key:team/k{number}#myk_00010203", cluster=f"bounded.m{number}.http", events=4))
        assert found
        counted.count(found)

    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, labels)

    requests = "modelyard_gateway_requests_total"
    assert value(requests, namespace="bounded", model="m0", revision="", code="2xx") == 1
    assert value(requests, namespace="bounded", model="m2", revision="", code="2xx") is None
    assert value(requests, namespace="other", model="other", revision="other", code="2xx") == 3
    assert value("modelyard_gateway_key_requests_total", namespace="other", key="other") == 4
