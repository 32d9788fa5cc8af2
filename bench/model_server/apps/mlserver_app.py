"""MLServer: a custom runtime, as its documentation writes one. `mlserver start` finds it by model-settings.json."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from network import Network


class Runtime(MLModel):
    """One network."""

    async def load(self) -> bool:
        """Read the weights."""
        self._network = Network()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Scores of the first input."""
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        output = NumpyCodec.encode_output("y", self._network(rows))
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
