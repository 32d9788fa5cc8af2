"""The address of a model, taken apart. Pure."""

from typing import NamedTuple
from urllib.parse import urlsplit

SCHEMES = ("s3", "pvc", "https")


class ModelUri(NamedTuple):
    """`scheme://authority/path`; the authority is a bucket, a claim or a host."""

    scheme: str
    authority: str
    path: str


def parse(uri: str) -> ModelUri:
    """Take a model address apart; ValueError with the remedy when it is not one."""
    parts = urlsplit(uri)
    if parts.scheme not in SCHEMES or not parts.netloc or not parts.path.strip("/"):
        raise ValueError(
            f"model.uri {uri!r} is not an address of a model: use s3://bucket/path, pvc://claim/path or https://host/path"
        )
    return ModelUri(parts.scheme, parts.netloc, parts.path.strip("/"))
