"""Random bytes -> a key, and the Secret that holds it. Pure."""

import base64
import hashlib
from typing import Any

from msgspec import Struct

from modelyard_operator.api.inference_key import SECRET_FIELD, SECRET_SUFFIX, SECRET_TYPE, InferenceKey
from modelyard_operator.api.names import API_VERSION, LABEL_MANAGED_BY, MANAGED_BY

# The first word tells people and secret scanners what it is; the second tells keys apart.
WORD = "myk_"
PREFIX_BYTES = 4
SECRET_BYTES = 32
RANDOM_BYTES = PREFIX_BYTES + SECRET_BYTES


class Material(Struct, frozen=True):
    """A key that was just made. Never logged: only the prefix and the digest leave this process outside the Secret."""

    key: str
    prefix: str
    sha256: str


def make(random: bytes) -> Material:
    """A key of 256 secret bits, `myk_`, 8 characters to recognise it by, `_` and 64 characters, from 36 bytes."""
    prefix = WORD + random[:PREFIX_BYTES].hex()
    key = f"{prefix}_{random[PREFIX_BYTES:RANDOM_BYTES].hex()}"
    return Material(key, prefix, hashlib.sha256(key.encode()).hexdigest())


def secret_name(name: str) -> str:
    """The Secret of a key. Nobody may choose it: else a key could be used to write into a Secret of somebody else."""
    return name + SECRET_SUFFIX


def secret(owner: InferenceKey, material: Material) -> dict[str, Any]:
    """The Secret; it goes when the InferenceKey does."""
    metadata = owner.metadata
    reference = {
        "apiVersion": API_VERSION,
        "kind": "InferenceKey",
        "name": metadata.name,
        "uid": metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(metadata.name),
            "namespace": metadata.namespace,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY},
            "ownerReferences": [reference],
        },
        "type": SECRET_TYPE,
        "data": _data(material),
    }


def replacement(owner: InferenceKey, material: Material) -> list[dict[str, Any]]:
    """The key in a Secret that is there already, as JSON patch: refused unless the Secret is ours.

    The type of a Secret cannot be changed, so nobody can make another Secret look like one of these.
    """
    return [
        {"op": "test", "path": "/type", "value": SECRET_TYPE},
        {"op": "test", "path": "/metadata/ownerReferences/0/uid", "value": owner.metadata.uid},
        {"op": "add", "path": "/data", "value": _data(material)},
    ]


def _data(material: Material) -> dict[str, str]:
    return {SECRET_FIELD: base64.b64encode(material.key.encode()).decode()}
