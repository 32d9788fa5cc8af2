"""The keys that the gateway shows to models: derived for each namespace from those of the installation. Pure.

The installation has a few master keys, in one Secret that the operator keeps and the gateway mounts. Servers of a
namespace accept what is derived from any of them; the gateway shows what is derived from the newest that is in force.
So a new key reaches every server before it is used, and an old one is used by nobody when it goes.
"""

import base64
import hashlib
import hmac

import msgspec
from msgspec import Struct

# The Secret of the installation, and the one of each namespace with models.
MASTER_ENTRY = "ring.json"
NAMESPACE_SECRET = "modelyard-upstream-key"  # noqa: S105 - a name
NAMESPACE_ENTRY = "keys"
KEY_BYTES = 32
# Seconds from a new key to its use, and from then to the end of the old one: the kubelet brings a changed Secret into
# its pods within two minutes, and the servers look at their file every few seconds.
OVERLAP_SECONDS = 600.0


class MasterKey(Struct, frozen=True):
    """A secret of the installation, base64url; in force from `since`, in Unix seconds."""

    secret: str
    since: float


class Ring(Struct, frozen=True):
    """All master keys, the newest last; and the demand for a new one that was answered last."""

    keys: tuple[MasterKey, ...]
    answered: str = ""

    def accepted(self, namespace: str) -> list[str]:
        """Keys that servers of a namespace take, the newest first."""
        return [_derived(one.secret, namespace) for one in reversed(self.keys)]

    def shown(self, namespace: str, now: float) -> str:
        """The key that the gateway shows: the newest that is in force, or else the oldest, whatever the clock says."""
        in_force = [one for one in self.keys if one.since <= now]
        return _derived((in_force[-1] if in_force else self.keys[0]).secret, namespace)

    def identity(self) -> str:
        """Tells one ring from another, and nothing of its keys."""
        return hashlib.sha256("/".join(one.secret for one in self.keys).encode()).hexdigest()[:10]


def read(payload: bytes) -> Ring:
    """The ring as it was written; ValueError says what is wrong, without anything of it."""
    try:
        ring = msgspec.json.decode(payload, type=Ring)
    except msgspec.DecodeError as error:
        raise ValueError(f"{MASTER_ENTRY} is not a ring of keys: {str(error).partition(':')[0]}") from None
    if not ring.keys or any(len(one.secret) < KEY_BYTES for one in ring.keys):
        raise ValueError(f"{MASTER_ENTRY} holds no key, or one that is too short")
    return ring


def first(secret: str, now: float) -> Ring:
    """The ring of an installation that has none: its key is in force at once, there is nobody with another."""
    return Ring((MasterKey(secret, now),))


def turned(ring: Ring, now: float, every: float, demand: str, secret: str) -> Ring:
    """The ring as it should be at `now`: a new key every so many seconds (0: never) or on demand, old ones gone.

    While one key replaces another nothing begins anew, so there are never more than two.
    """
    newest = ring.keys[-1]
    if len(ring.keys) > 1:
        over = newest.since + OVERLAP_SECONDS <= now
        return Ring((newest,), ring.answered) if over else ring
    asked = demand != ring.answered
    due = every > 0 and newest.since + every <= now
    if not asked and not due:
        return ring
    return Ring((newest, MasterKey(secret, now + OVERLAP_SECONDS)), demand)


def encoded(entropy: bytes) -> str:
    """Random bytes as the secret of a master key."""
    return base64.urlsafe_b64encode(entropy).decode().rstrip("=")


def _derived(secret: str, namespace: str) -> str:
    """HMAC-SHA256 is a pseudo-random function (RFC 2104, RFC 5869 section 2.3): no key tells of another."""
    digest = hmac.digest(secret.encode(), f"modelyard.dev/upstream/1/{namespace}".encode(), "sha256")
    return encoded(digest)
