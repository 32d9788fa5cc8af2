"""Freed memory goes back to the machine after work, not during it, and not for nothing."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from modelyard_operator import heap


async def counted(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """After which look memory was given back, when there was so much work at each."""
    given: list[int] = []
    looks: Iterator[tuple[int, int]] = iter(enumerate(asked))
    looked = -1

    def look() -> int:
        nonlocal looked
        try:
            looked, found = next(looks)
        except StopIteration:
            raise asyncio.CancelledError from None
        return found

    monkeypatch.setattr(heap, "REST_SECONDS", 0)
    monkeypatch.setattr(heap, "give_back", lambda: given.append(looked))
    with pytest.raises(asyncio.CancelledError):
        await heap.give_back_after_work(look)
    return given


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        pytest.param([500, 900, 900, 900], [2], id="once, when a burst has come to rest"),
        pytest.param([50, 50, 50], [], id="not for a little work"),
        pytest.param([150, 150, 150, 250, 250], [4], id="a little work adds up"),
        pytest.param([500, 500, 1200, 1200], [1, 3], id="again after the next burst"),
    ],
)
async def test_memory_goes_back_after_work(asked: list[int], given: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert await counted(asked, monkeypatch) == given


# In a process of its own: what this one has freed before is anybody's guess.
FREED = """
from pathlib import Path
from modelyard_operator import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

kept = [bytes(1000) for _ in range(100_000)][::1000]
before = resident()
heap.give_back()
print(before - resident(), len(kept))
"""


def test_what_was_freed_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    pages, _ = map(int, done.stdout.split())
    assert pages > 10_000, "most of 100 MB lies between what is kept"
