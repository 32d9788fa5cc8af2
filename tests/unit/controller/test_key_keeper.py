"""The keeper of InferenceKeys against an API server that fails between two writes."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard_operator.api.inference_key import ANNOTATION_ROTATE, InferenceKey, InferenceKeySpec, InferenceKeyStatus
from modelyard_operator.api.objects import ObjectMeta
from modelyard_operator.keys.keeper import KeyKeeper
from modelyard_operator.kube.errors import ApiError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from modelyard_operator.surroundings import Surroundings

WHERE = ("team", "ci")


class Server:
    """One InferenceKey and its Secret."""

    def __init__(self) -> None:
        self.key: InferenceKey | None = InferenceKey(ObjectMeta("ci", "team", "uid-1", "1", 1), InferenceKeySpec())
        self.secret: dict[str, Any] | None = None
        self.fail: list[Exception] = []
        self.events: list[str] = []

    async def get(self, *_: object) -> bytes:
        """The InferenceKey as it is now."""
        if self.key is None:
            raise NotFoundError(404, "gone")
        return msgspec.json.encode(self.key)

    async def create(self, _: object, manifest: dict[str, Any]) -> bytes:
        """A Secret, unless one is there."""
        if self.secret is not None:
            raise ConflictError(409, "exists")
        if self.fail and isinstance(self.fail[0], ForbiddenError):
            raise self.fail.pop(0)
        self.secret = manifest
        return b""

    async def amend(self, _resource: object, _space: str, _name: str, patch: list[dict[str, Any]], _why: str) -> bytes:
        """A JSON patch of the Secret: its tests, and its data."""
        assert self.secret is not None
        kind, owner, data = (one["value"] for one in patch)
        found = self.secret["metadata"].get("ownerReferences", [{"uid": ""}])[0]["uid"]
        if (self.secret["type"], found) != (kind, owner):
            raise InvalidError(422, "the test failed")
        self.secret["data"] = data
        return b""

    async def merge_status(self, _: object, metadata: ObjectMeta, status: dict[str, Any]) -> bytes:
        """A merge patch with the version that was seen."""
        if self.fail:
            raise self.fail.pop(0)
        assert self.key
        if metadata.resource_version != self.key.metadata.resource_version:
            raise ConflictError(409, "another version")
        told = {name: value for name, value in status.items() if value is not None}
        self.change(status=msgspec.convert(told, InferenceKeyStatus))
        return await self.get()

    async def apply(self, _: object, event: dict[str, Any], _reason: str) -> bytes:
        """An Event."""
        self.events.append(event["reason"])
        return b""

    def change(self, **fields: Any) -> None:
        """Another version of the InferenceKey."""
        assert self.key
        head = fields.pop("metadata", self.key.metadata)
        head = replace(head, resource_version=str(int(self.key.metadata.resource_version) + 1))
        self.key = replace(self.key, metadata=head, **fields)

    def agrees(self) -> bool:
        """Whether the key in the Secret is the newest one that works."""
        assert self.key
        assert self.secret
        shown = base64.b64decode(self.secret["data"]["api-key"])
        return self.key.status.keys[0].sha256 == hashlib.sha256(shown).hexdigest()


class Stage:
    """A keeper, whose watch brings what we tell it to."""

    def __init__(self) -> None:
        self.server = Server()
        self.wall = datetime(2026, 11, 22, 21, tzinfo=UTC)
        surroundings = Surroundings(clock=lambda: 0.0, wall=lambda: self.wall, chance=lambda: 0.0)
        self.keeper = KeyKeeper(self.server, [], surroundings)  # type: ignore[arg-type]

    async def look(self, seen: InferenceKey | None = None) -> str:
        """What becomes of a look at the key, after the watch brought it."""
        if found := seen or self.server.key:
            self.keeper._keys.put(found)
        try:
            await self.keeper._keep(WHERE)
        except ApiError as error:
            return type(error).__name__
        return self.server.key.status.summary if self.server.key else ""


async def test_a_key_is_made_once_and_told() -> None:
    stage = Stage()
    assert [await stage.look(), await stage.look()] == ["Ready", "Ready"]
    assert stage.server.agrees()
    assert stage.server.events == ["KeyIssued"]


async def test_a_crash_between_secret_and_status_leaves_no_key_that_nobody_knows() -> None:
    stage = Stage()
    stage.server.fail = [ApiError(0, "the operator dies here")]
    assert await stage.look() == "ApiError"
    assert stage.server.secret
    first = stage.server.secret["data"]
    assert await stage.look() == "Ready"
    assert stage.server.secret["data"] != first
    assert stage.server.agrees()
    assert stage.server.key
    assert len(stage.server.key.status.keys) == 1


async def test_a_watch_that_is_late_makes_no_second_key() -> None:
    stage = Stage()
    late = stage.server.key
    await stage.look()
    other = Stage()
    other.server = stage.server
    other.keeper._client = stage.server  # type: ignore[assignment]
    assert await other.look(late) == "Ready"
    assert stage.server.agrees()
    assert stage.server.events == ["KeyIssued"]


async def test_a_rotation_keeps_the_old_key_for_its_overlap() -> None:
    stage = Stage()
    await stage.look()
    assert stage.server.key
    stage.server.change(metadata=replace(stage.server.key.metadata, annotations={ANNOTATION_ROTATE: "now"}))
    await stage.look()
    assert stage.server.agrees()
    assert [one.expires_at for one in stage.server.key.status.keys] == [None, "2026-11-23T21:00:00Z"]
    stage.wall = datetime(2026, 11, 23, 21, tzinfo=UTC)
    await stage.look()
    assert len(stage.server.key.status.keys) == 1


async def test_a_secret_of_somebody_else_is_told_and_left() -> None:
    stage = Stage()
    theirs = {"type": "Opaque", "metadata": {}, "data": {"api-key": "theirs"}}
    stage.server.secret = dict(theirs)
    assert "is not of this InferenceKey" in await stage.look()
    assert stage.server.secret == theirs


async def test_a_refusal_of_the_api_server_is_told() -> None:
    stage = Stage()
    stage.server.fail = [ForbiddenError(403, "exceeded quota: secrets=10")]
    assert "exceeded quota" in await stage.look()
    assert stage.server.events == ["SecretRefused"]


async def test_a_key_that_is_gone_gets_nothing() -> None:
    stage = Stage()
    seen, stage.server.key = stage.server.key, None
    assert await stage.look(seen) == ""
    assert stage.server.secret is None
