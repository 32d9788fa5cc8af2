"""KServe's Python server: a custom model for V1, V2 and gRPC."""

from __future__ import annotations

from typing import Any

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from network import NAME, Network


class Predictor(Model):
    """One network."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._network = Network()
        self.ready = True

    async def get_input_types(self) -> list[dict[str, Any]]:
        """For the metadata."""
        return [{"name": "x", "datatype": "FP32", "shape": [-1, *self._network.row]}]

    async def get_output_types(self) -> list[dict[str, Any]]:
        """For the metadata."""
        return [{"name": "y", "datatype": "FP32", "shape": [-1, self._network.outputs]}]

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002 (KServe's signature)
        """Scores of the first input (V2), or of the instances (V1)."""
        if not isinstance(payload, InferRequest):
            return {"predictions": self._network(payload["instances"]).tolist()}
        scores = self._network(payload.inputs[0].as_numpy())
        output = InferOutput("y", list(scores.shape), "FP32")
        output.set_data_from_numpy(scores, binary_data=payload.use_binary_outputs)
        return InferResponse(
            payload.id or "",
            self.name,
            [output],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


if __name__ == "__main__":
    ModelServer(enable_latency_logging=False).start([Predictor()])
