"""InferenceKeys: when a key is made, what its status says, and how its Secret looks."""

import base64
import hashlib

import msgspec
import pytest

from modelyard_operator.api.inference_key import (
    ANNOTATION_ROTATE,
    Budget,
    InferenceKey,
    InferenceKeySpec,
    InferenceKeyStatus,
    IssuedKey,
    KeyUsage,
    Tally,
    period_start,
    spent,
)
from modelyard_operator.api.objects import ObjectMeta
from modelyard_operator.keys import lifecycle, material, telling

NOW = "2026-11-22T21:00:00Z"
LATER = "2026-11-23T21:00:00Z"
MADE = material.make(bytes(range(36)))
PLAIN, EMPTY = InferenceKeySpec(), InferenceKeyStatus()


def key(spec: InferenceKeySpec = PLAIN, status: InferenceKeyStatus = EMPTY, rotate: str = "") -> InferenceKey:
    annotations = {ANNOTATION_ROTATE: rotate} if rotate else {}
    return InferenceKey(ObjectMeta("ci", "team", "uid-1", "7", 3, annotations=annotations), spec, status)


def with_key(spec: InferenceKeySpec = PLAIN, rotate: str = "") -> InferenceKey:
    status = lifecycle.issued(key(spec), MADE, "2026-11-01T00:00:00Z", LATER)
    return key(spec, status, rotate)


class TestMaterial:
    def test_a_key_has_a_word_a_prefix_and_256_bits(self) -> None:
        assert MADE.prefix == "myk_00010203"
        assert MADE.key == f"myk_00010203_{bytes(range(4, 36)).hex()}"
        assert MADE.sha256 == hashlib.sha256(MADE.key.encode()).hexdigest()

    def test_the_secret_goes_with_its_owner_and_holds_the_key(self) -> None:
        made = material.secret(key(), MADE)
        assert made["metadata"]["name"] == "ci-inference-key"
        [owner] = made["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("InferenceKey", "uid-1", True)
        assert base64.b64decode(made["data"]["api-key"]).decode() == MADE.key

    def test_a_secret_of_somebody_else_is_never_replaced(self) -> None:
        tests = {one["path"]: one["value"] for one in material.replacement(key(), MADE) if one["op"] == "test"}
        assert tests == {"/type": "modelyard.dev/inference-key", "/metadata/ownerReferences/0/uid": "uid-1"}


class TestWhenAKeyIsMade:
    def test_the_first_one(self) -> None:
        assert lifecycle.needs_key(key(), NOW)
        assert not lifecycle.needs_key(with_key(), NOW)

    def test_another_when_the_annotation_changes(self) -> None:
        assert lifecycle.needs_key(with_key(rotate="today"), NOW)
        found = lifecycle.issued(with_key(rotate="today"), MADE, NOW, LATER)
        assert not lifecycle.needs_key(key(status=found, rotate="today"), NOW)

    def test_none_after_the_end(self) -> None:
        assert not lifecycle.needs_key(key(InferenceKeySpec(expires_at=NOW)), NOW)
        assert lifecycle.needs_key(key(InferenceKeySpec(expires_at=LATER)), NOW)


class TestRotation:
    def test_the_old_key_works_until_the_overlap_ends(self) -> None:
        first = with_key()
        second = lifecycle.issued(first, material.make(bytes(36)), NOW, LATER)
        assert [one.expires_at for one in second.keys] == [None, LATER]
        assert second.prefix == "myk_00000000"
        kept = lifecycle.settled(key(status=second), second, LATER)
        assert [one.prefix for one in kept.keys] == ["myk_00000000"]

    def test_a_second_rotation_makes_no_key_live_longer(self) -> None:
        found = key(status=InferenceKeyStatus(keys=[IssuedKey("a", "0" * 64, NOW, "2026-11-22T22:00:00Z")]))
        assert lifecycle.issued(found, MADE, NOW, LATER).keys[1].expires_at == "2026-11-22T22:00:00Z"

    def test_no_more_keys_than_the_status_holds(self) -> None:
        found = key()
        for number in range(6):
            status = lifecycle.issued(found, material.make(bytes([number]) * 36), NOW, LATER)
            found = key(status=status)
        assert [one.prefix[:6] for one in found.status.keys] == ["myk_05", "myk_04", "myk_03", "myk_02"]


class TestStatus:
    def test_ready(self) -> None:
        found = with_key()
        status = lifecycle.settled(found, found.status, NOW)
        assert (status.summary, status.observed_generation, status.secret) == ("Ready", 3, "ci-inference-key")
        assert {one.type: (one.status, one.reason) for one in status.conditions} == {
            "Ready": ("True", "Issued"),
            "WithinBudget": ("True", "NoBudget"),
        }

    def test_nothing_new_is_no_change(self) -> None:
        found = with_key()
        status = lifecycle.settled(found, found.status, NOW)
        assert lifecycle.settled(key(status=status), status, LATER) == status

    def test_an_expired_key_has_none_that_works(self) -> None:
        found = with_key(InferenceKeySpec(expires_at=NOW))
        status = lifecycle.settled(found, found.status, NOW)
        assert status.keys == []
        assert status.summary.startswith(f"Expired at {NOW}")

    def test_a_refused_secret_is_told(self) -> None:
        status = lifecycle.settled(key(), InferenceKeyStatus(), NOW, "Secret x is of somebody else")
        assert status.summary == "Secret x is of somebody else"
        assert status.conditions[0].reason == "SecretRefused"

    @pytest.mark.parametrize(
        ("used", "since", "status", "reason"),
        [
            (79, "2026-11-01T00:00:00Z", "True", "BelowBudget"),
            (80, "2026-11-01T00:00:00Z", "True", "NearlySpent"),
            (100, "2026-11-01T00:00:00Z", "False", "Spent"),
            (100, "2026-10-01T00:00:00Z", "True", "BelowBudget"),
        ],
    )
    def test_a_budget(self, used: int, since: str, status: str, reason: str) -> None:
        usage = KeyUsage(since=since, period=Tally(prompt_tokens=used - 1, completion_tokens=1))
        found = with_key(InferenceKeySpec(budget=Budget(100)))
        found = key(found.spec, msgspec.structs.replace(found.status, usage=usage))
        condition = lifecycle.settled(found, found.status, NOW).condition("WithinBudget")
        assert condition
        assert (condition.status, condition.reason) == (status, reason)

    def test_what_is_written_leaves_usage_alone_and_names_what_is_to_go(self) -> None:
        document = lifecycle.document(InferenceKeyStatus(usage=KeyUsage(writer="pod/1")))
        assert "usage" not in document
        assert document["keys"] is None

    def test_a_transition_keeps_its_time(self) -> None:
        found = with_key()
        status = lifecycle.settled(found, found.status, NOW)
        later = lifecycle.settled(key(InferenceKeySpec(budget=Budget(100, "Day")), status), status, LATER)
        assert [one.last_transition_time for one in later.conditions] == [NOW, NOW]


class TestEvents:
    def test_a_new_key_and_each_new_trouble_are_told_once(self) -> None:
        found = with_key(InferenceKeySpec(expires_at=LATER))
        first = lifecycle.settled(found, found.status, NOW)
        assert [one.reason for one in telling.notes(InferenceKeyStatus(), first)] == ["KeyIssued"]
        ended = lifecycle.settled(key(found.spec, first), first, LATER)
        [note] = telling.notes(first, ended)
        assert (note.type, note.reason) == ("Warning", "Expired")
        assert list(telling.notes(ended, ended)) == []

    def test_the_event_is_about_the_key_and_does_not_hold_it(self) -> None:
        made = telling.event(key(), telling.Note("Normal", "KeyIssued", "the key myk_1…"), NOW, 255)
        assert (made["metadata"]["name"], made["involvedObject"]["uid"]) == ("ci.keyissued.ff", "uid-1")
        assert MADE.key not in str(made)


def test_periods_begin_in_utc() -> None:
    assert period_start("Day", NOW) == "2026-11-22T00:00:00Z"
    assert period_start("Month", NOW) == "2026-11-01T00:00:00Z"
    assert spent(KeyUsage(), "Month", NOW) == 0
