"""Which queued requests run next. Pure: time and queue come in, a decision goes out.

Greedy batching: dispatch what is queued the moment the worker is idle. Under load a batch fills up while the previous
one runs; a waiting window would only add latency (a delay above zero is for models whose step cost is high and flat).
"""

from collections import deque
from math import inf
from typing import Protocol, TypeVar


class Ticket(Protocol):
    """What the policy knows of a queued request. Only tickets with equal `key` (row shapes) can run together."""

    @property
    def rows(self) -> int: ...
    @property
    def key(self) -> object: ...
    @property
    def enqueued(self) -> float: ...
    @property
    def deadline(self) -> float: ...


T = TypeVar("T", bound=Ticket)


def fits(queued_rows: int, rows: int, max_queue_rows: int) -> bool:
    """May a request of `rows` join a queue of `queued_rows`? An empty queue takes any request up to the limit."""
    return queued_rows + rows <= max_queue_rows


def take_expired(queue: deque[T], now: float) -> list[T]:
    """Remove and return the requests whose deadline has passed, wherever they stand: clients set deadlines, too."""
    expired = [ticket for ticket in queue if ticket.deadline <= now]
    if expired:
        left = [ticket for ticket in queue if ticket.deadline > now]
        queue.clear()
        queue.extend(left)
    return expired


def earliest_deadline(queue: deque[T]) -> float:
    """Before this moment nothing in the queue expires; infinity for an empty queue."""
    return min((ticket.deadline for ticket in queue), default=inf)


def seconds_to_wait(queue: deque[T], now: float, max_delay: float, max_rows: int) -> float:
    """How long to let the batch of the oldest request grow; 0 to run now. The queue must not be empty."""
    remaining = queue[0].enqueued + max_delay - now
    if remaining <= 0:
        return 0.0
    key = queue[0].key
    rows = sum(ticket.rows for ticket in queue if ticket.key == key)
    return 0.0 if rows >= max_rows else remaining


def take_batch(queue: deque[T], max_rows: int) -> list[T]:
    """Remove and return the oldest request and those that can run with it, in order, up to `max_rows` rows.

    A request that alone has more rows is returned alone; the execution cuts it into pieces. Requests of other shapes
    keep their place, so each is the oldest one soon and none starves.
    """
    batch = [queue.popleft()]
    rows, key = batch[0].rows, batch[0].key
    while queue and queue[0].key == key and rows + queue[0].rows <= max_rows:
        rows += queue[0].rows
        batch.append(queue.popleft())
    if queue and rows < max_rows and any(ticket.key != key for ticket in queue):
        batch += _matching(queue, key, max_rows - rows)
    return batch


def _matching(queue: deque[T], key: object, room: int) -> list[T]:
    """Requests of `key` from behind others, in order; stops at the first that does not fit, so order is kept."""
    taken: list[T] = []
    left: list[T] = []
    open_ = True
    for ticket in queue:
        if open_ and ticket.key == key:
            open_ = ticket.rows <= room
        if open_ and ticket.key == key:
            room -= ticket.rows
            taken.append(ticket)
        else:
            left.append(ticket)
    queue.clear()
    queue.extend(left)
    return taken
