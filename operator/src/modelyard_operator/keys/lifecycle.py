"""What an InferenceKey needs now, and what is to be said of it. Pure: the time is a text, in UTC, as Kubernetes has it.

Such texts (2026-11-30T08:00:00Z) sort like the moments that they name.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec.structs import replace

from modelyard_operator.api.inference_key import (
    ANNOTATION_ROTATE,
    Budget,
    InferenceKey,
    InferenceKeyStatus,
    IssuedKey,
    KeyUsage,
    spent,
)
from modelyard_operator.api.model_status import Condition

from .material import Material, secret_name

# Type, whether it holds, reason and message of a condition.
Told = tuple[str, bool, str, str]
MOST_KEYS = 4
# What the operator says; `usage` is the gateway's.
_WRITTEN = ("observedGeneration", "summary", "prefix", "secret", "keys", "rotated", "conditions")
READY, WITHIN_BUDGET = "Ready", "WithinBudget"
# Reasons of these conditions.
ISSUED, EXPIRED, SECRET_REFUSED = "Issued", "Expired", "SecretRefused"
NO_BUDGET, BELOW_BUDGET, NEARLY_SPENT, SPENT = "NoBudget", "BelowBudget", "NearlySpent", "Spent"


def needs_key(found: InferenceKey, now: str) -> bool:
    """Whether a key is to be made: the first one, or another because the annotation changed."""
    if is_expired(found, now):
        return False
    return not found.status.keys or rotation(found) != found.status.rotated


def rotation(found: InferenceKey) -> str:
    """The text whose change asks for another key."""
    return found.metadata.annotations.get(ANNOTATION_ROTATE, "")[:256]


def is_expired(found: InferenceKey, now: str) -> bool:
    """Whether its own end has come."""
    return found.spec.expires_at is not None and found.spec.expires_at <= now


def issued(found: InferenceKey, made: Material, now: str, overlap_ends: str) -> InferenceKeyStatus:
    """The status with a new key in front; those before it work until `overlap_ends`, or until they would end anyway."""
    before = [replace(one, expires_at=min(one.expires_at or overlap_ends, overlap_ends)) for one in found.status.keys]
    new = IssuedKey(prefix=made.prefix, sha256=made.sha256, created_at=now)
    return replace(
        found.status,
        keys=[new, *before][:MOST_KEYS],
        prefix=made.prefix,
        secret=secret_name(found.metadata.name),
        rotated=rotation(found),
    )


def settled(found: InferenceKey, status: InferenceKeyStatus, now: str, refused: str = "") -> InferenceKeyStatus:
    """The status without keys that have ended, with its conditions; `refused` is why no key could be made."""
    alive = [one for one in status.keys if one.expires_at is None or one.expires_at > now]
    conditions = [_condition(found, told, now) for told in _told(found, status, now, refused)]
    broken = next((one for one in conditions if one.status == "False"), None)
    near = next((one for one in conditions if one.reason == NEARLY_SPENT), None)
    worst = broken or near
    return replace(
        status,
        observed_generation=found.metadata.generation,
        keys=[] if is_expired(found, now) else alive,
        summary=worst.message if worst else "Ready",
        conditions=conditions,
    )


def document(status: InferenceKeyStatus) -> dict[str, object]:
    """The operator's part of a status, for a merge patch: a field that is empty is to go."""
    told = msgspec.to_builtins(status)
    return {name: told.get(name) for name in _WRITTEN}


def _told(found: InferenceKey, status: InferenceKeyStatus, now: str, refused: str) -> Iterator[Told]:
    if is_expired(found, now):
        yield READY, False, EXPIRED, f"Expired at {found.spec.expires_at}; set a later spec.expiresAt for a new key"
    elif refused:
        yield READY, False, SECRET_REFUSED, refused
    else:
        yield READY, True, ISSUED, f"the key {status.prefix}… is in Secret {status.secret}"
    yield _budget(found.spec.budget, status.usage, now)


def _budget(budget: Budget | None, usage: KeyUsage, now: str) -> Told:
    if budget is None:
        return WITHIN_BUDGET, True, NO_BUDGET, "there is no budget"
    used, period = spent(usage, budget.period, now), "today" if budget.period == "Day" else "this month"
    if used >= budget.tokens:
        message = f"Budget spent: {used} of {budget.tokens} tokens {period}; raise spec.budget.tokens or wait"
        return WITHIN_BUDGET, False, SPENT, message
    # A message that changes with every request would be a write for every request.
    if used * 100 >= budget.tokens * budget.warn_at_percent:
        message = f"More than {budget.warn_at_percent} % of {budget.tokens} tokens are used {period}"
        return WITHIN_BUDGET, True, NEARLY_SPENT, message
    return WITHIN_BUDGET, True, BELOW_BUDGET, f"less than {budget.warn_at_percent} % of the budget is used"


def _condition(found: InferenceKey, told: Told, now: str) -> Condition:
    kind, holds, reason, message = told
    before = found.status.condition(kind)
    status: Literal["True", "False"] = "True" if holds else "False"
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message[:2048],
        observed_generation=found.metadata.generation,
        last_transition_time=before.last_transition_time if before and before.status == status else now,
    )
