"""Sequence to sequence with attention, written out greedily or along several beams.

Encoder: a bidirectional GRU. Decoder: a GRU whose state asks for the encoder's states by "general" scores and is mixed
with what it finds (Luong, Pham, Manning: Effective Approaches to Attention-based Neural Machine Translation, 2015).
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from modelyard_server.engines.torch_networks import masking
from modelyard_server.package.architectures import Seq2Seq


class Written(NamedTuple):
    """Answers: ids [rows, tokens], ended and filled up with the end id, and their log probability [rows]."""

    tokens: torch.Tensor
    scores: torch.Tensor


class Memory(NamedTuple):
    """What the encoder hands over: states as keys and values, which of them are there, and the first state."""

    keys: torch.Tensor
    values: torch.Tensor
    mask: torch.Tensor
    state: torch.Tensor


class AttentionSeq2Seq(nn.Module):
    """`source`, `encoder`, `bridge`, `target`, `decoder`, `keys`, `mix`, `out`."""

    def __init__(self, architecture: Seq2Seq) -> None:
        super().__init__()
        hidden, embedding = architecture.hidden, architecture.embedding
        self._start, self._end = architecture.start, architecture.end
        self._most, self._beams = architecture.max_tokens, architecture.beams
        self.source = nn.Embedding(architecture.vocabulary, embedding)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.target = nn.Embedding(architecture.target_vocabulary, embedding)
        self.decoder = nn.GRU(embedding, hidden, batch_first=True)
        self.keys = nn.Linear(2 * hidden, hidden, bias=False)
        self.mix = nn.Linear(3 * hidden, hidden)
        self.out = nn.Linear(hidden, architecture.target_vocabulary)

    def read(self, ids: torch.Tensor, lengths: torch.Tensor) -> Memory:
        """Encode ids [rows, tokens] of `lengths`."""
        packed = pack_padded_sequence(self.source(ids), lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        values, _ = pad_packed_sequence(states, batch_first=True, total_length=ids.shape[1])
        state = torch.tanh(self.bridge(torch.cat((last[0], last[1]), dim=1)))
        return Memory(self.keys(values), values, masking.of(ids, lengths), state[None])

    def step(self, memory: Memory, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of the next tokens [rows, steps, vocabulary] behind `tokens` [rows, steps], and the state."""
        outputs, state = self.decoder(self.target(tokens), state)
        weights = (outputs @ memory.keys.transpose(1, 2)).masked_fill(~memory.mask[:, None, :], float("-inf"))
        found = weights.softmax(-1) @ memory.values
        return self.out(torch.tanh(self.mix(torch.cat((outputs, found), dim=2)))), state

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> Written:
        """Write answers of `maxTokens` at most."""
        memory = self.read(ids, lengths)
        return self._greedy(memory) if self._beams == 1 else self._beam(memory)

    def _greedy(self, memory: Memory) -> Written:
        rows = memory.keys.shape[0]
        device = memory.keys.device
        token = torch.full((rows, 1), self._start, dtype=torch.long, device=device)
        total = torch.zeros(rows, device=device)
        done = torch.zeros(rows, dtype=torch.bool, device=device)
        written, state = [], memory.state
        for _ in range(self._most):
            scores, state = self.step(memory, token, state)
            best, token = scores[:, 0].log_softmax(-1).max(-1, keepdim=True)
            token = token.masked_fill(done[:, None], self._end)
            total = total + best[:, 0].masked_fill(done, 0.0)
            written.append(token)
            done = done | (token[:, 0] == self._end)
            if bool(done.all()):
                break
        return Written(torch.cat(written, dim=1), total)

    def _beam(self, memory: Memory) -> Written:
        """Keeps the `beams` most probable beginnings of each row; an ended one stays as it is."""
        rows, beams = memory.keys.shape[0], self._beams
        device = memory.keys.device
        keys, values, mask = (part.repeat_interleave(beams, 0) for part in memory[:3])
        wide = Memory(keys, values, mask, memory.state.repeat_interleave(beams, 1))
        total = torch.full((rows, beams), float("-inf"), device=device)
        total[:, 0] = 0.0
        written = torch.full((rows * beams, 1), self._start, dtype=torch.long, device=device)
        done = torch.zeros(rows * beams, dtype=torch.bool, device=device)
        state = wide.state
        first = torch.arange(rows, device=device)[:, None] * beams
        for _ in range(self._most):
            scores, state = self.step(wide, written[:, -1:], state)
            logs = scores[:, 0].log_softmax(-1)
            logs = logs.masked_fill(done[:, None], float("-inf"))
            logs[:, self._end] = logs[:, self._end].masked_fill(done, 0.0)
            reached = (total.reshape(-1, 1) + logs).reshape(rows, -1)
            total, chosen = reached.topk(beams, dim=1)
            beam = (first + chosen // logs.shape[1]).reshape(-1)
            token = (chosen % logs.shape[1]).reshape(-1, 1)
            written = torch.cat((written[beam], token), dim=1)
            state, done = state[:, beam], done[beam] | (token[:, 0] == self._end)
            if bool(done.all()):
                break
        best = first[:, 0] + total.argmax(1)
        return Written(written[best, 1:], total.amax(1))
