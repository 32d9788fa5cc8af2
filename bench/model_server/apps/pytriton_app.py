"""pytriton: Triton with a Python function, greedy batches."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from network import NAME, PORT, Network
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

network = Network()


@batch
def infer(x: Any) -> dict[str, Any]:
    """Scores of rows."""
    return {"y": network(x)}


if __name__ == "__main__":
    free = [int(port) for port in os.environ["BENCH_MORE_PORTS"].split()]
    config = TritonConfig(http_address="127.0.0.1", http_port=PORT, grpc_port=free[0], metrics_port=free[1])
    with Triton(config=config) as triton:
        triton.bind(
            model_name=NAME,
            infer_func=infer,
            inputs=[Tensor(name="x", dtype=np.float32, shape=network.row)],
            outputs=[Tensor(name="y", dtype=np.float32, shape=(network.outputs,))],
            config=ModelConfig(max_batch_size=32, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        )
        triton.serve()
