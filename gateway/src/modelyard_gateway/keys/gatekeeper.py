"""One request with a key -> whether it may. The API server is not asked, and no key is kept or told."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from modelyard_gateway.answers import Refused
from modelyard_gateway.usage.ledger import Ledger
from modelyard_operator.api.inference_key import Budget, InferenceKey, KeyModels
from modelyard_operator.api.objects import ObjectMeta

from .limits import Limits
from .ring import WORD, Held, KeyRing, prefix_of


class Admitted(Struct, frozen=True):
    """The request may; `warning` is what its answer should say."""

    warning: str = ""


class Gatekeeper:
    """Knows keys, what they open, and what they have used."""

    def __init__(self, ring: KeyRing, limits: Limits, ledger: Ledger, wall: Callable[[], float]) -> None:
        self._ring = ring
        self._limits = limits
        self._ledger = ledger
        self._wall = wall

    def identify(self, token: str) -> Held | Refused:
        """Whose key it is."""
        prefix = prefix_of(token)
        found = self._ring.find(token) if prefix else None
        if found is None:
            message = "the key is not known: it may have been revoked or replaced; ask whoever gave it to you"
            return Refused("InvalidKey", message, f"key:#{prefix}" if prefix else "key:?")
        if ended := found.ended(kubernetes_time(self._wall())):
            return Refused("ExpiredKey", f"the key {found.issued.prefix}… ended at {ended}", found.name)
        return found

    async def admit(self, held: Held) -> Admitted | Refused:
        """Whether the key may be used now; takes a request from its limit."""
        spec, warning = held.key.spec, ""
        if spec.budget:
            told = self._budget(held, spec.budget)
            if isinstance(told, Refused):
                return told
            warning = told
        if spec.rate_limit and (wait := await self._limits.admit(held.key.metadata.uid, spec.rate_limit)):
            seconds = max(1, math.ceil(wait))
            message = f"the key {held.issued.prefix}… is used faster than it may be; try again in {seconds} s"
            return Refused("TooFast", message, held.name, seconds)
        return Admitted(warning)

    def _budget(self, held: Held, budget: Budget) -> Refused | str:
        """A refusal, a warning, or nothing."""
        now = self._wall()
        used = self._ledger.spent(held.key, budget.period, kubernetes_time(now))
        if used >= budget.tokens:
            message = f"the budget of {budget.tokens} tokens a {budget.period.lower()} is spent"
            return Refused("BudgetSpent", message, held.name, _until_next(budget, now))
        if used * 100 >= budget.tokens * budget.warn_at_percent:
            return f"{used} of {budget.tokens} tokens of this {budget.period.lower()} are used"
        return ""


def is_key(token: str) -> bool:
    """Whether a bearer token claims to be a key of ours: nothing that the API server knows begins so."""
    return token.startswith(WORD)


def opens(key: InferenceKey, namespace: str, model: ObjectMeta | None, name: str) -> bool:
    """Whether a key is for a model. Of a model that is not there only the name is known."""
    wanted: KeyModels = key.spec.models
    if namespace != key.metadata.namespace or (wanted.names and name not in wanted.names):
        return False
    labels = model.labels if model else {}
    return all(labels.get(label) == value for label, value in wanted.match_labels.items())


def kubernetes_time(seconds: float) -> str:
    """A moment as Kubernetes writes it, from Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _until_next(budget: Budget, seconds: float) -> int:
    """Seconds until the next period begins."""
    now = datetime.fromtimestamp(seconds, UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if budget.period == "Day":
        return math.ceil(86_400 - (now - today).total_seconds())
    next_month = today.replace(year=now.year + now.month // 12, month=now.month % 12 + 1, day=1)
    return math.ceil((next_month - now).total_seconds())
