"""How fast: buckets that fill evenly, and of which each request or token takes one. Pure.

Source: the token bucket, as in RFC 2697. A bucket holds what comes in a minute, so that much may come at once. Tokens
of an answer are taken when it has ended, and may leave a debt, which is filled first.
"""

from msgspec import Struct

from modelyard_operator.api.inference_key import RateLimit

MINUTE = 60.0


class Bucket(Struct):
    """What is left, and when that was so."""

    level: float
    at: float

    def fill(self, per_minute: int, now: float) -> None:
        """Let the time pass."""
        self.level = min(per_minute, self.level + (now - self.at) * per_minute / MINUTE)
        self.at = now

    def wait(self, per_minute: int) -> float:
        """Seconds until one is there."""
        return max(0.0, (1.0 - self.level) * MINUTE / per_minute)


class Pair(Struct):
    """The buckets of one key."""

    requests: Bucket
    tokens: Bucket


class Buckets:
    """The buckets of many keys."""

    def __init__(self) -> None:
        self._pairs: dict[str, Pair] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def admit(self, uid: str, limit: RateLimit, now: float) -> float:
        """Take a request; or seconds to wait, and nothing is taken."""
        pair = self._filled(uid, limit, now)
        wait = pair.tokens.wait(limit.tokens_per_minute) if limit.tokens_per_minute else 0.0
        if limit.requests_per_minute:
            wait = max(wait, pair.requests.wait(limit.requests_per_minute))
            pair.requests.level -= 0.0 if wait else 1.0
        return wait

    def charge(self, uid: str, limit: RateLimit, tokens: int, now: float) -> None:
        """Take the tokens of an answer."""
        self._filled(uid, limit, now).tokens.level -= tokens

    def forget(self, uid: str) -> None:
        """A key is gone."""
        self._pairs.pop(uid, None)

    def _filled(self, uid: str, limit: RateLimit, now: float) -> Pair:
        requests, tokens = limit.requests_per_minute or 0, limit.tokens_per_minute or 0
        pair = self._pairs.get(uid)
        if pair is None:
            pair = self._pairs[uid] = Pair(Bucket(requests, now), Bucket(tokens, now))
        pair.requests.fill(requests, now)
        pair.tokens.fill(tokens, now)
        return pair
