"""What a batcher is given: bounds, who hears its figures, and who decodes inputs."""

from collections.abc import Set
from typing import Protocol

import msgspec

from modelyard_server.batching.execution import Arrays


class Limits(msgspec.Struct, frozen=True):
    """Bounds of queue and batch; rows, not requests, are counted."""

    max_batch_rows: int
    max_batch_delay: float
    max_queue_rows: int
    queue_timeout: float


class Observer(Protocol):
    """Where figures go."""

    def batch(self, rows: int, inference_seconds: float, queue_seconds: list[float]) -> None: ...
    def rejected(self, reason: str) -> None: ...


class Prepare(Protocol):
    """Decodes the inputs of one request."""

    @property
    def ragged(self) -> Set[str]:
        """Inputs whose rows may differ in length within a batch."""

    def __call__(self, inputs: Arrays) -> Arrays: ...
