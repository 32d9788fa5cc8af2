"""Replica counts in, next step out: how a new revision takes over from old ones. Pure.

*Surge*: the new revision starts whole beside the old one, and each new replica that is ready lets one old replica go.
*Borrow*: one old replica goes first, and its GPU serves a new one; one after the other.
*Recreate*: all old replicas go first.
*Auto*: Surge without GPUs. With GPUs one new replica is tried beside the old ones; when it is seen to wait for room,
one old replica gives its place (Borrow; with one replica that is Recreate), and the next is tried.

It sees nothing but the model's own pods: that one of them waits for a node tells that there is no room. All that is
remembered is `served`, the most replicas that answered in this rollout, so it may be asked again at any time.

Promises, held by tests: by our own hand, ready replicas never fall below what is asked for (Surge), or one less than
what was asked for and once answered (Borrow, Auto with GPUs); a full pool never blocks the change; once new replicas
can become ready it ends; the same input gives the same step.
"""

from typing import Literal, NamedTuple

Strategy = Literal["Auto", "Surge", "Borrow", "Recreate"]


class Current(NamedTuple):
    """One revision as it is now."""

    name: str
    replicas: int = 0  # asked of its Deployment
    pods: int = 0  # that exist, terminating ones too: each still holds its GPU
    ready: int = 0
    waiting: int = 0  # pods without a node
    no_room: int = 0  # those of them of which it is known that another pod must go first
    proven: bool = False  # was Ready once


class Asked(NamedTuple):
    """What the user asks of a rollout, and what is remembered of it."""

    desired: int
    strategy: Strategy = "Auto"
    gpus: bool = False
    paused: bool = False
    served: int = 0  # the most replicas that were ready at once since this rollout began


class Step(NamedTuple):
    """Replicas to ask of the new revision and of each old one; an old one at 0 is to be removed."""

    new: int
    old: dict[str, int]
    strategy: Strategy = "Surge"
    message: str = ""


SURGE = "Surge: new replicas start beside the old ones, and each that is ready lets one go"
SURGE_WAITS = "Surge: new replicas wait for a node; rollout.strategy Auto or Borrow would give them old replicas' GPUs"
TRY = "Surge: a new replica is tried beside the old ones"
BORROW = "Borrow: one old replica after the other gives its place to a new one"
NO_ROOM = "Borrow: the new replica waits for a node, so one old replica gives its GPU"
RECREATE = "Recreate: all old replicas go before new ones start"
NO_ROOM_FOR_ONE = "Recreate: the new replica waits for a node, so the only old one gives its GPU"
HOLD = "rollout.paused is set: nothing is started or replaced"


def next_step(asked: Asked, new: Current, old: list[Current]) -> Step:
    """The next step from here; the same input gives the same step, so it may be asked again at any time."""
    if asked.desired == 0:
        return Step(0, {one.name: 0 for one in old}, asked.strategy)
    if asked.paused and old:
        return _hold(asked, new, old)
    if asked.strategy == "Recreate":
        return _recreate(asked, new, old)
    if asked.strategy == "Borrow":
        return _borrow(asked, new, old)
    if asked.gpus and asked.strategy == "Auto":
        return _try(asked, new, old)
    message = SURGE_WAITS if new.no_room else SURGE
    return Step(asked.desired, _share(old, asked.desired - new.ready), "Surge", message)


def _hold(asked: Asked, new: Current, old: list[Current]) -> Step:
    """Stay where it is. A change of `desired` goes to the old revision that serves most."""
    kept = min(new.replicas, asked.desired)
    shares = _share(old, asked.desired - min(kept, new.ready))
    lacking = asked.desired - kept - sum(shares.values())
    if lacking > 0:
        shares[next(iter(shares))] += lacking
    return Step(kept, shares, asked.strategy, HOLD)


def _recreate(asked: Asked, new: Current, old: list[Current]) -> Step:
    """Nothing new starts while an old pod may hold its GPU."""
    gone = not any(one.pods or one.replicas for one in old)
    return Step(asked.desired if gone else min(new.replicas, asked.desired), _share(old, 0), "Recreate", RECREATE)


def _borrow(asked: Asked, new: Current, old: list[Current]) -> Step:
    """One old replica goes; once its pod is gone a new one takes the place; once that is ready, the next goes."""
    grown = min(asked.desired, max(new.replicas, asked.desired - _places(old)))
    kept = _total(old) - _settled(grown, new, old)
    if new.ready >= asked.desired:
        kept = 0
    return Step(grown, _lowered(asked, new, old, min(kept, asked.desired - grown)), "Borrow", BORROW)


def _try(asked: Asked, new: Current, old: list[Current]) -> Step:
    """One new replica more than there is place for is asked for; where it finds none, one old replica goes."""
    grown = min(asked.desired, max(new.replicas, asked.desired + 1 - _places(old)))
    full = new.no_room > 0
    kept = _total(old) - (full and _settled(grown, new, old))
    shares = _lowered(asked, new, old, min(kept, asked.desired - new.ready))
    if not full and sum(shares.values()) + new.ready >= asked.desired:
        return Step(grown, shares, "Surge", TRY)
    if asked.desired == 1:
        return Step(grown, shares, "Recreate", NO_ROOM_FOR_ONE)
    return Step(grown, shares, "Borrow", NO_ROOM)


def _settled(grown: int, new: Current, old: list[Current]) -> bool:
    """Whether everything has come to rest: no pod is leaving, missing, starting, or not looked at by the scheduler yet.

    A new pod that waits for anything else than room is not at rest: no old replica's leaving would help it.
    """
    return (
        new.pods == grown
        and new.ready == new.pods - new.waiting
        and new.waiting == new.no_room
        and _places(old) == _total(old)
    )


def _lowered(asked: Asked, new: Current, old: list[Current], kept: int) -> dict[str, int]:
    """Shares of the old revisions, as low as `kept` where the promise allows: one less than once answered, at least.

    What is not ready may go in any case: it costs nobody an answer.
    """
    promise = min(asked.desired, asked.served) - 1
    return _share(old, max(kept, min(promise - new.ready, sum(one.ready for one in old))))


def _kept(one: Current) -> int:
    """Replicas that are worth keeping: a revision that never served anybody gives its places up at once.

    One that did serve keeps them while its pods are away for a moment, else a blip would end in an outage.
    """
    return one.replicas if one.ready or one.proven else 0


def _total(old: list[Current]) -> int:
    return sum(_kept(one) for one in old)


def _places(old: list[Current]) -> int:
    """Places that old pods hold, terminating ones too."""
    return sum(max(one.pods, _kept(one)) for one in old)


def _share(old: list[Current], total: int) -> dict[str, int]:
    """Give `total` replicas to the old revisions: ready ones first, then the rest; never more than they have."""
    ranked = sorted(old, key=lambda one: (-one.ready, one.name))
    shares = dict.fromkeys((one.name for one in ranked), 0)
    left = max(0, total)
    for most in (lambda one: min(one.ready, _kept(one)), _kept):
        for one in ranked:
            given = min(left, most(one) - shares[one.name])
            shares[one.name] += given
            left -= given
    return shares
