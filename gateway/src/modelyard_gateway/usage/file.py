"""Envoy's file of lines: read on from where we were, also after we were restarted, and given back to the disk."""

import ctypes
import logging
import os
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

# A chunk is counted in one go, and whoever asks to be let in waits so long.
CHUNK = 1 << 15
# Given back in pieces of so many bytes: each costs a call and a change of the file's map.
GIVE_BACK = 1 << 20
# Source: fallocate(2). Linux only, on ext4, xfs, btrfs and tmpfs.
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_LIBC = ctypes.CDLL(None, use_errno=True)


class UsageFile:
    """The file that Envoy appends to. Nobody may shorten or move it while Envoy has it open.

    Instead, what was read and will not be read again becomes a hole, so the file takes the disk no more than what is
    unread. `position` is how far it was read; `keep` remembers a position for the next start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = path.with_suffix(".position")
        self._file: int | None = None
        self._holes = 0
        self.position = 0

    def open(self) -> bool:
        """Open the file, where the last process left it; False while Envoy has not made it."""
        if self._file is None and self._path.exists():
            self._file = os.open(self._path, os.O_RDWR)
            size = os.fstat(self._file).st_size
            kept = self._remembered()
            self.position = kept if kept <= size else 0
        return self._file is not None

    def size(self) -> int:
        """Bytes that Envoy wrote, ever."""
        return os.fstat(self._file).st_size if self._file is not None else 0

    def lines(self) -> Iterator[tuple[bytes, int]]:
        """Whole lines that are new, each with the position behind it; at most a chunk of them."""
        if self._file is None:
            return
        chunk = os.pread(self._file, CHUNK, self.position)
        *whole, _ = chunk.split(b"\n")
        if not whole and len(chunk) == CHUNK:
            # No line of ours is so long; to stop here would be for ever.
            self.position += CHUNK
        for line in whole:
            self.position += len(line) + 1
            yield line, self.position

    def keep(self, position: int) -> None:
        """What is before this position is in every status: start behind it next time."""
        draft = self._kept.with_suffix(".new")
        draft.write_text(str(position))
        draft.replace(self._kept)
        if self._file is not None and position - self._holes >= GIVE_BACK:
            self._give_back(self._file, position)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _remembered(self) -> int:
        try:
            return int(self._kept.read_text())
        except (OSError, ValueError):
            return 0

    def _give_back(self, file: int, position: int) -> None:
        length = position - self._holes
        done = _LIBC.fallocate(file, _KEEP_SIZE | _PUNCH_HOLE, ctypes.c_int64(self._holes), ctypes.c_int64(length))
        if done != 0 and not self._holes:
            logger.warning("%s grows: %s", self._path, os.strerror(ctypes.get_errno()))
        self._holes = position
