"""A recurrent network over tokens. Rows are packed by their lengths, so that no step runs over padding."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from modelyard_server.engines.torch_networks import masking
from modelyard_server.package import networks
from modelyard_server.package.architectures import Recurrent

CELLS: dict[str, type[nn.RNN | nn.GRU | nn.LSTM]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentClassifier(nn.Module):
    """`embedding`, `recurrent`, `out`."""

    def __init__(self, architecture: Recurrent) -> None:
        super().__init__()
        self.embedding = nn.Embedding(architecture.vocabulary, architecture.embedding)
        self.recurrent = CELLS[architecture.cell](
            architecture.embedding,
            architecture.hidden,
            num_layers=architecture.layers,
            batch_first=True,
            bidirectional=architecture.bidirectional,
        )
        self.out = nn.Linear(networks.pooled_features(architecture), architecture.out_features)
        self._directions = 2 if architecture.bidirectional else 1
        self._pooling = architecture.pooling

    @property
    def word_embedding(self) -> nn.Module:
        """Where tokens become vectors, for those who explain."""
        return self.embedding

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores [rows, outFeatures] for ids [rows, tokens], of which row r has `lengths[r]`."""
        packed = pack_padded_sequence(self.embedding(ids), lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.recurrent(packed)
        if self._pooling == "last":
            final = last[0] if isinstance(last, tuple) else last
            pooled = torch.cat(tuple(final[-self._directions :]), dim=1)
        else:
            padded, _ = pad_packed_sequence(states, batch_first=True, total_length=ids.shape[1])
            pool = masking.mean if self._pooling == "mean" else masking.maximum
            pooled = pool(padded, masking.of(ids, lengths))
        scores: torch.Tensor = self.out(pooled)
        return scores
