"""The key that the gateway shows to models: read from a file that is replaced, and never forgotten."""

from pathlib import Path

import msgspec

from modelyard_gateway.upstream import LOOK_SECONDS, UpstreamKey
from modelyard_operator.api import upstream
from modelyard_operator.api.upstream import Ring

OLD, NEW = (upstream.first(upstream.encoded(one * 32), 0.0) for one in (b"a", b"b"))


class Stage:
    """A key whose clock and file are ours."""

    def __init__(self, folder: Path) -> None:
        self.path, self.now = folder / "ring.json", 0.0
        self.key = UpstreamKey(self.path, lambda: self.now, lambda: self.now)

    def write(self, ring: Ring) -> None:
        self.path.write_bytes(msgspec.json.encode(ring))


def test_without_a_file_nothing_is_shown() -> None:
    key = UpstreamKey(None, lambda: 0.0, lambda: 0.0)
    assert (key.shown("team"), key.unready()) == ("", [])


def test_it_is_not_ready_before_the_key_is_there(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert "ring.json" in stage.key.unready()[0]
    stage.write(OLD)
    assert stage.key.unready() == []
    assert stage.key.shown("team") == OLD.shown("team", 0)


def test_a_file_that_is_replaced_is_read_again_and_one_that_is_broken_is_not_believed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.write(OLD)
    assert stage.key.unready() == []
    stage.write(NEW)
    assert stage.key.shown("team") == OLD.shown("team", 0)
    stage.now += LOOK_SECONDS
    assert stage.key.shown("team") == NEW.shown("team", 0)
    stage.path.write_bytes(b"?")
    stage.now += LOOK_SECONDS
    assert stage.key.shown("team") == NEW.shown("team", 0)
    assert (stage.key.unready(), "is not a ring" in stage.key.trouble) == ([], True)
