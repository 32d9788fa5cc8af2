"""Bodies as OpenAPI shows them. Inference itself is parsed by `protocol`; these exist for readers and generators."""

from typing import Any

from pydantic import BaseModel, Field


class Error(BaseModel):
    """Every error of every route."""

    error: str


ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Error} for code in (400, 404, 408, 413, 429, 500, 501, 503, 504)
}
"""What any route that knows models may answer with."""


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class ModelReady(BaseModel):
    name: str
    ready: bool


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int] = Field(description="-1 fits any size; the first dimension is the number of rows")


class ModelMetadata(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelList(BaseModel):
    """Of KServe (`models`) and of OpenAI (all else) in one."""

    models: list[str]
    object: str = "list"
    data: list[Any] = []


class V1Model(BaseModel):
    """Of KServe (`name`, `ready`) and of OpenAI (all else) in one."""

    name: str
    ready: bool
    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "modelyard"


class IndexRequest(BaseModel):
    ready: bool = Field(default=False, description="true for the versions that serve only")


class IndexEntry(BaseModel):
    name: str
    version: str
    state: str = Field(description="UNAVAILABLE, LOADING, READY or UNLOADING")
    reason: str
    parameter_bytes: int = Field(description="memory of the weights; 0 while the version is not loaded")


class InputTensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = Field(None, description="binary_data_size: bytes of raw data after the JSON")
    data: list[Any] | None = Field(None, description="row-major, flat or nested as shape")


class RequestedOutput(BaseModel):
    name: str
    parameters: dict[str, Any] | None = Field(None, description="binary_data: true for raw bytes after the JSON")


class InferRequest(BaseModel):
    id: str | None = None
    parameters: dict[str, Any] | None = None
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | None = None


class OutputTensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class InferResponse(BaseModel):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class PredictRequest(BaseModel):
    instances: list[Any]


class PredictResponse(BaseModel):
    predictions: list[Any]


class ExplainParameters(BaseModel):
    method: str | None = Field(None, description="integrated_gradients (torch, texts as well), occlusion or shapley")
    target: int | None = Field(None, description="column of the output; each row's highest one when absent")
    baseline: float | list[float] = Field(
        default=0, description="what features are replaced with: one number, or one for each; of a text a token"
    )
    steps: int = Field(default=50, description="of integrated gradients")
    samples: int = Field(default=20, description="orders of the features, for shapley")
    seed: int = 0


class ExplainRequest(BaseModel):
    instances: list[Any]
    parameters: ExplainParameters | None = None


class ExplanationEntry(BaseModel):
    method: str
    output: str
    target: int
    attributions: list[Any] = Field(description="in the shape of the row; of a text one for each token")
    tokens: list[str] | None = Field(default=None, description="of a text")
    convergence_delta: float


class ExplainResponse(BaseModel):
    predictions: list[Any]
    explanations: list[ExplanationEntry]
