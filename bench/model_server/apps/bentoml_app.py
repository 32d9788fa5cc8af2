"""BentoML: adaptive batches, with a limit of latency that does not shed load."""

from __future__ import annotations

import bentoml
import numpy as np
from network import Network


@bentoml.service(workers=1, traffic={"timeout": 60})
class Service:
    """One network."""

    def __init__(self) -> None:
        self._network = Network()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60000)
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Scores of rows."""
        scores: np.ndarray = self._network(x)
        return scores
