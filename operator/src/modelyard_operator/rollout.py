"""Replica counts in, next step out: how a new revision takes over from old ones. Pure.

*Surge* (no GPUs): the new revision starts whole beside the old one, and each new replica that is ready lets one old
replica go. *In place* (GPUs): a full pool has no room beside, so one old replica goes down first and its GPU serves a
new one. At one replica that means a short gap: the price of never waiting for a GPU that cannot come free.

Promises, held by tests: by our own hand, ready replicas never fall below `desired` (surge), or one less than what was
asked for and had a GPU (in place); a full pool never blocks the change; once new replicas can become ready it ends.
"""

from typing import NamedTuple


class Current(NamedTuple):
    """One revision as it is now."""

    name: str
    replicas: int = 0  # asked of its Deployment
    pods: int = 0  # that exist, terminating ones too: each still holds its GPU
    ready: int = 0
    waiting: int = 0  # pods without a node
    proven: bool = False  # was Ready once


class Step(NamedTuple):
    """Replicas to ask of the new revision and of each old one; an old one at 0 is to be removed."""

    new: int
    old: dict[str, int]


def next_step(desired: int, new: Current, old: list[Current], *, surge: bool) -> Step:
    """The next step from here; the same input gives the same step, so it may be asked again at any time."""
    if desired == 0:
        return Step(0, {one.name: 0 for one in old})
    if surge:
        return Step(desired, _share(old, desired - new.ready))
    return _in_place(desired, new, old)


def _in_place(desired: int, new: Current, old: list[Current]) -> Step:
    occupied = sum(max(one.pods, _kept(one)) for one in old)
    kept = sum(_kept(one) for one in old)
    grown = min(desired, max(new.replicas, desired - occupied))
    needed = _attainable(desired, new, old) - 1 - new.ready
    settled = grown == new.replicas and new.ready >= new.replicas - new.waiting and occupied == kept
    if new.ready >= desired:
        return Step(grown, _share(old, 0))
    target = min(kept - 1 if settled else kept, desired - grown)
    return Step(grown, _share(old, max(target, needed)))


def _kept(one: Current) -> int:
    """Replicas that are worth keeping: a revision that never served anybody gives its places up at once.

    One that did serve keeps them while its pods are away for a moment, else a blip would end in an outage.
    """
    return one.replicas if one.ready or one.proven else 0


def _attainable(desired: int, new: Current, old: list[Current]) -> int:
    """How many replicas can be ready at all: all of them, or as many as have a node when some wait for one."""
    everyone = [new, *old]
    if not any(one.waiting for one in everyone):
        return desired
    return min(desired, sum(one.pods - one.waiting for one in everyone))


def _share(old: list[Current], total: int) -> dict[str, int]:
    """Give `total` replicas to the old revisions, those with most ready ones first; never more than they have."""
    shares: dict[str, int] = {}
    left = max(0, total)
    for one in sorted(old, key=lambda one: (-one.ready, one.name)):
        shares[one.name] = min(_kept(one), left)
        left -= shares[one.name]
    return shares
