"""Transformer encoder with BERT's layers and parameter names. Attention sees the tokens that are there, no padding."""

import torch
from torch import nn
from torch.nn import functional

from modelyard_server.engines.torch_networks import dense, masking
from modelyard_server.package.architectures import Encoder


class TransformerEncoder(nn.Module):
    """`embeddings`, `encoder.layer.N`, `pooler` where it is asked for, `classifier` where there are scores."""

    def __init__(self, architecture: Encoder) -> None:
        super().__init__()
        self._pooling, self._normalise = architecture.pooling, architecture.normalise
        self.embeddings = Embeddings(architecture)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(architecture) for _ in range(architecture.layers))})
        if architecture.pooling == "pooler":
            self.pooler = nn.ModuleDict({"dense": nn.Linear(architecture.hidden, architecture.hidden)})
        self.classifier: nn.Module = nn.Identity()
        if architecture.out_features is not None:
            self.classifier = nn.Linear(architecture.hidden, architecture.out_features)

    @property
    def word_embedding(self) -> nn.Module:
        """Where tokens become vectors, for those who explain."""
        return self.embeddings.word_embeddings

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Embeddings [rows, hidden] or scores [rows, outFeatures] for ids [rows, tokens] of `lengths`."""
        mask = masking.of(ids, lengths)
        states = self.embeddings(ids)
        visible = mask[:, None, None, :]
        for layer in self.encoder["layer"]:  # type: ignore[attr-defined]
            states = layer(states, visible)
        pooled = self._pooled(states, mask)
        if self._normalise:
            pooled = functional.normalize(pooled, dim=1)
        result: torch.Tensor = self.classifier(pooled)
        return result

    def _pooled(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self._pooling == "mean":
            return masking.mean(states, mask)
        if self._pooling == "max":
            return masking.maximum(states, mask)
        first = states[:, 0]
        return torch.tanh(self.pooler["dense"](first)) if self._pooling == "pooler" else first


class Embeddings(nn.Module):
    """Sum of the embeddings of token, position and token type, normalised."""

    def __init__(self, architecture: Encoder) -> None:
        super().__init__()
        hidden = architecture.hidden
        self.word_embeddings = nn.Embedding(architecture.vocabulary, hidden)
        self.position_embeddings = nn.Embedding(architecture.positions, hidden)
        if architecture.token_types:
            self.token_type_embeddings = nn.Embedding(architecture.token_types, hidden)
        self._types = bool(architecture.token_types)
        self.LayerNorm = nn.LayerNorm(hidden, eps=architecture.epsilon)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[rows, tokens] to [rows, tokens, hidden]."""
        states = self.word_embeddings(ids) + self.position_embeddings.weight[: ids.shape[1]]
        if self._types:
            states = states + self.token_type_embeddings.weight[0]
        normed: torch.Tensor = self.LayerNorm(states)
        return normed


class Layer(nn.Module):
    """Self-attention and a feed-forward network, each with its input added and normalised."""

    def __init__(self, architecture: Encoder) -> None:
        super().__init__()
        hidden, self._heads = architecture.hidden, architecture.heads
        own = {name: nn.Linear(hidden, hidden) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict({"self": nn.ModuleDict(own), "output": _output(hidden, architecture)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(hidden, architecture.intermediate)})
        self.output = _output(architecture.intermediate, architecture)
        self._activation = dense.ACTIVATIONS[architecture.activation]()

    def forward(self, states: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """[rows, tokens, hidden] to the same; `visible` is True for the tokens to look at, [rows, 1, 1, tokens]."""
        own = self.attention["self"]
        query, key, value = (self._split(own[name](states)) for name in ("query", "key", "value"))  # type: ignore[index]
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        states = _added(self.attention["output"], mixed.transpose(1, 2).flatten(2), states)
        return _added(self.output, self._activation(self.intermediate["dense"](states)), states)

    def _split(self, states: torch.Tensor) -> torch.Tensor:
        return states.view(*states.shape[:2], self._heads, -1).transpose(1, 2)


def _output(features: int, architecture: Encoder) -> nn.ModuleDict:
    norm = nn.LayerNorm(architecture.hidden, eps=architecture.epsilon)
    return nn.ModuleDict({"dense": nn.Linear(features, architecture.hidden), "LayerNorm": norm})


def _added(output: nn.Module, inner: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    parts: nn.ModuleDict = output  # type: ignore[assignment]
    result: torch.Tensor = parts["LayerNorm"](parts["dense"](inner) + states)
    return result
