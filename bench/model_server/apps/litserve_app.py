"""LitServe: it takes the JSON of V2, so that every server parses the same body."""

from typing import Any

import litserve
import numpy as np
from fastapi import Request
from network import PORT, Network


class Api(litserve.LitAPI):
    """One network."""

    def setup(self, device: str) -> None:  # noqa: ARG002 (LitServe's signature)
        """Read the weights."""
        self._network = Network()

    def decode_request(self, request: Request) -> Any:
        """Rows of the first input. Whatever the type says, LitServe gives the parsed body."""
        document: Any = request
        return np.array(document["inputs"][0]["data"], np.float32)

    def predict(self, x: Any) -> Any:
        """Scores."""
        return self._network(x)

    def encode_response(self, output: Any) -> dict[str, Any]:
        """As V2 answers."""
        data = output.ravel().tolist()
        return {"outputs": [{"name": "y", "datatype": "FP32", "shape": list(output.shape), "data": data}]}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="error")
