"""`compile` and `int8`, tried at load: kept when faster with the same answers, else dropped with a log line."""

import copy
import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from modelyard_server.engines import timing
from modelyard_server.settings import Optimisation

FASTER = 1.1
"""Speed-up over all batch sizes below which an option is not worth its surprises."""
TOLERANCE = {"compile": 1e-3, "int8": 5e-2}
"""Largest difference of an output, as a share of the largest output."""
Batch = tuple[torch.Tensor, ...]
Forward = Callable[..., Any]
log = logging.getLogger(__name__)


class Trial(NamedTuple):
    """What came of an option: its speed-up, its largest difference, and why it was dropped, if it was."""

    speedup: float
    difference: float
    dropped: str


def choose(network: nn.Module, wanted: Sequence[Optimisation], batches: Sequence[Batch], device: str) -> Forward:
    """The network, or what replaces it: each option is tried on top of those that were kept."""
    chosen: Forward = network
    for option in wanted:
        try:
            candidate = _quantised(chosen, device) if option == "int8" else torch.compile(chosen, dynamic=True)
            trial = attempt(chosen, candidate, batches, TOLERANCE[option])
        except Exception as error:  # noqa: BLE001 (compilers fail in many ways, and the model serves without them)
            log.warning("optimisation dropped", extra={"optimisation": option, "why": f"failed: {str(error)[:300]}"})
            continue
        figures = {"optimisation": option, "speedup": round(trial.speedup, 3), "difference": trial.difference}
        if trial.dropped:
            log.warning("optimisation dropped", extra={**figures, "why": trial.dropped})
        else:
            log.info("optimisation kept", extra=figures)
            chosen = candidate
    return chosen


def attempt(before: Forward, after: Forward, batches: Sequence[Batch], tolerance: float) -> Trial:
    """Compare answers, then times, over batches of all sizes that were warmed up."""
    with torch.inference_mode():
        difference = max(_difference(before(*batch), after(*batch)) for batch in batches)
        old, new = (
            sum(timing.best_seconds(lambda call=call, batch=batch: call(*batch)) for batch in batches)  # type: ignore[misc]
            for call in (before, after)
        )
    speedup = old / new
    if difference > tolerance:
        return Trial(speedup, difference, f"outputs differ by {difference:.2g}, allowed is {tolerance:g}")
    if speedup < FASTER:
        return Trial(speedup, difference, f"speed-up {speedup:.2f}, wanted is {FASTER:g}")
    return Trial(speedup, difference, "")


def _difference(one: Any, other: Any) -> float:
    if not isinstance(one, torch.Tensor):  # a tuple of tensors
        return max(_difference(*pair) for pair in zip(one, other, strict=True))
    if one.shape != other.shape:
        return float("inf")
    one, other = one.double(), other.double()
    scale = float(one.abs().max()) or 1.0
    return float((one - other).abs().max()) / scale


def _quantised(network: Forward, device: str) -> nn.Module:
    """Linear and recurrent layers with weights of eight bits; activations are quantised as they come."""
    if device != "cpu" or not isinstance(network, nn.Module):
        raise RuntimeError("int8 is for networks on the CPU, before compile")
    layers = {nn.Linear, nn.LSTM, nn.GRU}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces another library, which is slower on CPUs
        quantise = torch.ao.quantization.quantize_dynamic
        made: nn.Module = quantise(copy.deepcopy(network), layers, dtype=torch.qint8)  # type: ignore[no-untyped-call]
    return made
