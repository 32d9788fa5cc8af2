"""Which tokens of a padded batch are there, and pooling over those alone."""

import torch


def of(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """True for tokens, False for padding; [rows, tokens]."""
    return torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]


def mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens that are there; [rows, tokens, features] to [rows, features]."""
    weights = mask[:, :, None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def maximum(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Largest value over the tokens that are there."""
    return states.masked_fill(~mask[:, :, None], float("-inf")).amax(1)
