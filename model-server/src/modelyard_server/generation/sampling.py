"""From scores to a token. Pure: the random number comes in.

Penalties as OpenAI documents them: for tokens that the answer holds already, `count * frequency + presence` is taken
off the score. Nucleus sampling: Holtzman et al., 2020.
"""

from collections.abc import Mapping

import numpy as np

from modelyard_server.generation.requests import Chosen, Sampling, TokenScore
from modelyard_server.protocol.datatypes import Array

HEAD = 256
"""Likeliest tokens that nucleus sampling sorts first; they nearly always suffice."""


def choose(scores: Array, sampling: Sampling, counts: Mapping[int, int], allowed: bytes | None, draw: float) -> Chosen:
    """One token from float32 scores [vocabulary]; `draw` is in [0, 1)."""
    adjusted = _adjusted(scores, sampling, counts, allowed)
    token = int(adjusted.argmax()) if sampling.temperature == 0 else _drawn(adjusted, sampling, draw)
    if sampling.top_logprobs < 0:
        return Chosen(token)
    top = float(scores.max())
    total = top + float(np.log(np.exp(scores - top).sum(dtype=np.float64)))
    likeliest = _largest(scores, sampling.top_logprobs)
    found = tuple(TokenScore(int(one), float(scores[one]) - total) for one in likeliest)
    return Chosen(token, float(scores[token]) - total, found)


def _adjusted(scores: Array, sampling: Sampling, counts: Mapping[int, int], allowed: bytes | None) -> Array:
    penalised = counts and (sampling.presence_penalty or sampling.frequency_penalty)
    if not (penalised or sampling.bias or allowed is not None):
        return scores
    adjusted = scores.copy()
    if penalised:
        tokens = np.fromiter(counts.keys(), np.int64, len(counts))
        times = np.fromiter(counts.values(), np.float32, len(counts))
        adjusted[tokens] -= times * sampling.frequency_penalty + sampling.presence_penalty
    for token, bias in sampling.bias.items():
        adjusted[token] += bias
    if allowed is not None:
        bits = np.unpackbits(np.frombuffer(allowed, np.uint8), bitorder="little")[: len(adjusted)]
        adjusted[: len(bits)][bits == 0] = -np.inf
        adjusted[len(bits) :] = -np.inf
    return adjusted


def _drawn(scores: Array, sampling: Sampling, draw: float) -> int:
    """By inverted distribution: one random number finds its token."""
    weights = scores.astype(np.float32, copy=True)
    weights -= weights.max()
    weights /= max(sampling.temperature, 1e-4)
    np.exp(weights, out=weights)
    if sampling.top_p >= 1 and not sampling.top_k:
        tokens = None
    else:
        tokens = _nucleus(weights, sampling)
        weights = weights[tokens]
    sums = np.cumsum(weights, dtype=np.float64)
    found = int(np.searchsorted(sums, draw * sums[-1], side="right"))
    found = min(found, len(sums) - 1)
    return found if tokens is None else int(tokens[found])


def _nucleus(weights: Array, sampling: Sampling) -> Array:
    """The likeliest tokens, first the likeliest, that together reach top_p, and at most top_k of them."""
    wanted = sampling.top_p * float(weights.sum(dtype=np.float64))
    tokens = _largest(weights, sampling.top_k or HEAD)
    sums = np.cumsum(weights[tokens], dtype=np.float64)
    if sums[-1] < wanted and not sampling.top_k:
        tokens = np.argsort(-weights, kind="stable")
        sums = np.cumsum(weights[tokens], dtype=np.float64)
    return tokens[: int(np.searchsorted(sums, wanted)) + 1]


def _largest(values: Array, count: int) -> Array:
    """Positions of the largest values, the largest first; of equal ones the lower position."""
    if count < len(values):
        some = np.argpartition(-values, count - 1)[:count] if count else np.empty((0,), np.int64)
    else:
        some = np.arange(len(values))
    ordered: Array = some[np.lexsort((some, -values[some]))]
    return ordered
