"""The container's last words: one JSON object that the operator reads from the pod's status."""

import contextlib
from pathlib import Path

import orjson

DEFAULT_PATH = Path("/dev/termination-log")
LIMIT_BYTES = 4095  # the kubelet keeps 4096 bytes of the file


def encode(fields: dict[str, str | int]) -> bytes:
    """JSON of `fields` below the kubelet's limit; the longest text is cut in the middle of its words, not the JSON."""
    document = orjson.dumps(fields)
    while len(document) > LIMIT_BYTES:
        longest = max(
            (key for key, value in fields.items() if isinstance(value, str)), key=lambda k: len(str(fields[k]))
        )
        text = str(fields[longest])
        excess = len(document) - LIMIT_BYTES
        fields = {**fields, longest: text[: max(0, len(text) - excess - 1)] + "…"}
        document = orjson.dumps(fields)
    return document


def write(path: Path, fields: dict[str, str | int]) -> None:
    """Write the message; a missing or read-only file is ignored, since outside of a pod nobody reads it."""
    with contextlib.suppress(OSError):
        path.write_bytes(encode(fields))
