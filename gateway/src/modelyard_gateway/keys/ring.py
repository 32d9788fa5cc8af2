"""All InferenceKeys by the digest of their keys; a watch puts objects in.

A key is looked up by its SHA-256, so how long that takes says nothing of any key: whoever wants to learn a digest that
is known byte by byte would have to choose the bytes of a SHA-256.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from modelyard_operator.api.inference_key import InferenceKey, IssuedKey
from modelyard_operator.cache import Key, Store

WORD = "myk_"
_KEY = re.compile(r"(myk_[0-9a-f]{8})_[0-9a-f]{64}", re.ASCII)


class Held(Struct, frozen=True):
    """A key that somebody showed, and that is known."""

    key: InferenceKey
    issued: IssuedKey

    @property
    def name(self) -> str:
        """How the audit log calls whoever showed it: the InferenceKey, and which of its keys it was."""
        metadata = self.key.metadata
        return f"key:{metadata.namespace}/{metadata.name}#{self.issued.prefix}"

    @property
    def home(self) -> str:
        """Its namespace, whose models alone it opens."""
        return self.key.metadata.namespace

    def ended(self, now: str) -> str | None:
        """When it ended; None while it works. `now` as Kubernetes writes times, in UTC."""
        ends = [one for one in (self.key.spec.expires_at, self.issued.expires_at) if one]
        return min(ends) if ends and min(ends) <= now else None


class KeyRing:
    """Knows every key that works. `gone` hears the uid of an InferenceKey that went."""

    def __init__(self, gone: Callable[[str], None]) -> None:
        self._gone = gone
        self.keys = Store(self._changed)
        self._by_digest: dict[str, Key] = {}
        self._digests: dict[Key, tuple[str, ...]] = {}

    def find(self, token: str) -> Held | None:
        """The InferenceKey of a key; None when it is unknown, or was revoked."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        where = self._by_digest.get(digest)
        found: InferenceKey | None = self.keys.get(*where) if where else None
        for one in found.status.keys if found else ():
            if found and hmac.compare_digest(one.sha256, digest):
                return Held(found, one)
        return None

    def by_name(self, namespace: str, name: str) -> InferenceKey | None:
        """An InferenceKey; None when it is gone."""
        found: InferenceKey | None = self.keys.get(namespace, name)
        return found

    def _changed(self, changed: Any) -> None:
        where = changed.metadata.namespace, changed.metadata.name
        for digest in self._digests.pop(where, ()):
            self._by_digest.pop(digest, None)
        found: InferenceKey | None = self.keys.get(*where)
        if found is None or found.metadata.uid != changed.metadata.uid:
            self._gone(changed.metadata.uid)
        if found is None or found.metadata.deletion_timestamp is not None:
            return
        digests = tuple(one.sha256 for one in found.status.keys)
        self._digests[where] = digests
        self._by_digest.update(dict.fromkeys(digests, where))


def prefix_of(token: str) -> str | None:
    """How a key begins, which is no secret; None when the text is no key at all."""
    found = _KEY.fullmatch(token)
    return found[1] if found else None
