"""Integrated gradients of a network over tokens: the path leads through the embeddings of the tokens, by captum.

It starts at the embeddings of a row in whose place stands padding, but for the tokens that frame a text. The path is
walked in pieces, whose attributions add up to those of the whole, so that none of them holds the model for long.
"""

from collections.abc import Collection
from math import ceil
from typing import Any

import msgspec
import numpy as np

from modelyard_server.explain import gradients
from modelyard_server.protocol.datatypes import Array

TOKENS = 1024
"""Tokens of all points of one piece: what a prediction that comes just then waits for."""


class Path(msgspec.Struct, frozen=True):
    """From the baseline to a row; both as embeddings [1, tokens, width]."""

    ids: Any
    begin: Any
    end: Any


def has_embeddings(model: Any) -> bool:
    """Whether an engine's model is a network over tokens that gives scores or an embedding of the whole text."""
    return hasattr(getattr(model, "network", None), "word_embedding")


def rows_of(model: Any, name: str, rows: Array) -> list[Any]:
    """Ids of each row [1, tokens], without what fills it up."""
    ids, lengths = model.tensors({name: rows})
    return [ids[at : at + 1, : int(length)].to(model.device) for at, length in enumerate(lengths)]


def scores(model: Any, ids: Any) -> Array:
    """What the network itself gives for one row [1, columns]."""
    import torch  # noqa: PLC0415

    with torch.inference_mode():
        found: Array = model.network(ids, _lengths(ids)).float().cpu().numpy()
    return found


def path(model: Any, ids: Any, baseline: int, kept: Collection[int]) -> Path:
    """The way to one row [1, tokens] from `baseline` in the place of all tokens but those `kept`."""
    import torch  # noqa: PLC0415

    stays = torch.isin(ids, torch.tensor(sorted(kept), dtype=ids.dtype, device=ids.device))
    start = torch.where(stays, ids, torch.full_like(ids, baseline))
    with torch.no_grad():
        begin, end = (model.network.word_embedding(one) for one in (start, ids))
    return Path(ids, begin, end)


def pieces(tokens: int, steps: int) -> list[tuple[float, float, int]]:
    """Begin and end of each piece of the path, as shares of it, and its steps."""
    count = ceil(steps / max(1, TOKENS // tokens))
    sizes = [steps // count + (number < steps % count) for number in range(count)]
    ends = np.cumsum(sizes) / steps
    return [(float(ends[at - 1]) if at else 0.0, float(ends[at]), size) for at, size in enumerate(sizes)]


def attribute(model: Any, way: Path, target: int, piece: tuple[float, float, int]) -> tuple[Array, float]:
    """What each token adds on one piece of the path [tokens], and how far their sum is from the change of the score."""
    import torch  # noqa: PLC0415

    begin, end, steps = piece
    method = gradients.load()(_through(model.network, way.ids))
    first, last = (torch.lerp(way.begin, way.end, share) for share in (begin, end))
    # Recurrent networks of cuDNN give gradients while they are trained only.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        found, delta = method.attribute(last, first, target=target, n_steps=steps, return_convergence_delta=True)
    return found.detach().double().sum(-1)[0].cpu().numpy(), float(delta.item())


def _through(network: Any, ids: Any) -> Any:
    """The network as a function of embeddings [n, tokens, width] in the place of those of `ids`."""

    def scored(embedded: Any) -> Any:
        handle = network.word_embedding.register_forward_hook(lambda *_: embedded)
        try:
            same = ids.expand(len(embedded), -1)
            return network(same, _lengths(same)).flatten(1)
        finally:
            handle.remove()

    return scored


def _lengths(ids: Any) -> Any:
    return ids.new_full((ids.shape[0],), ids.shape[1])
