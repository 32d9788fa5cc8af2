"""Which form of the weights a model gets: measured at load on its own matrices, since it depends on the CPU."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
import torch
from torch import Tensor

from modelyard_server.generation.linear import Blocked, Int8, Linear, Plain
from modelyard_server.settings import Precision

Pack = Callable[[Tensor, Tensor | None], Linear]
WORTH_IT = 1.15
"""Speed-up below which the more exact form stays."""
TOKENS = (1, 8)
"""Tokens of a step to measure with: one answer, and eight."""
LAYERS = 6
"""Layers to measure with: enough that their weights do not stay in the CPU's cache."""
ENOUGH = 1 << 26
"""Weights to measure with, at most; one layer of a large model is enough."""
log = logging.getLogger(__name__)


class Form(msgspec.Struct, frozen=True):
    """How matrices are laid out, and in what type everything else is computed."""

    name: str
    dtype: torch.dtype
    pack: Pack


FLOAT32 = Form("float32", torch.float32, Plain)
BFLOAT16 = Form("bfloat16", torch.bfloat16, Blocked)
INT8 = Form("int8", torch.float32, Int8)


def choose(asked: Precision, weights: Mapping[str, Tensor], device: str) -> Form:
    """What was asked for, if it is faster than what is more exact; `auto` never takes int8.

    On a GPU everything but float32 is bfloat16, which its matrix units are made for.
    """
    if device != "cpu":
        if asked == "int8":
            log.warning("int8 is dropped: on a GPU this engine computes in bfloat16")
        return FLOAT32 if asked == "float32" else Form("bfloat16", torch.bfloat16, Plain)
    if asked == "float32":
        return FLOAT32
    sample = _sample(weights)
    if asked == "bfloat16":
        return FLOAT32 if _seconds(BFLOAT16, sample) is None else BFLOAT16
    forms = [FLOAT32, BFLOAT16] if asked == "auto" else [FLOAT32, BFLOAT16, INT8]
    return fastest([(form, seconds) for form in forms if (seconds := _seconds(form, sample)) is not None])


def fastest(measured: Sequence[tuple[Form, float]]) -> Form:
    """From exact to coarse; a coarser form has to be faster by WORTH_IT. What is dropped is said in the log."""
    chosen, best = measured[0]
    for form, seconds in measured[1:]:
        times = best / seconds
        if times >= WORTH_IT:
            chosen, best = form, seconds
        else:
            log.info("%s is dropped: no benefit on this CPU", form.name, extra={"speed_up": round(times, 2)})
    log.info("precision chosen", extra={"precision": chosen.name})
    return chosen


def _sample(weights: Mapping[str, Tensor]) -> list[Tensor]:
    """Matrices of the first layers."""
    sample: list[Tensor] = []
    for layer in range(LAYERS):
        names = [
            name for name in weights if name.startswith(f"model.layers.{layer}.") and name.endswith("_proj.weight")
        ]
        sample += [weights[name] for name in names]
        if sum(weight.numel() for weight in sample) >= ENOUGH:
            break
    return sample


def _seconds(form: Form, sample: Sequence[Tensor]) -> float | None:
    """Time of the layers' matrices for one and for eight tokens; None where this build of torch has no such form."""
    try:
        with torch.inference_mode():
            packed = [(form.pack(weight.to(form.dtype), None), weight.shape[1]) for weight in sample]
            inputs = [[torch.ones((tokens, size), dtype=form.dtype) for _, size in packed] for tokens in TOKENS]
            return sum(min(_timed(packed, rows) for _ in range(5)) for rows in inputs)
    except (RuntimeError, AttributeError) as error:
        log.warning("%s is dropped: not in this build of torch: %s", form.name, str(error).splitlines()[0])
        return None


def _timed(packed: Sequence[tuple[Linear, int]], rows: Sequence[Tensor]) -> float:
    started = time.perf_counter()
    for (matrix, _), row in zip(packed, rows, strict=True):
        matrix(row)
    return time.perf_counter() - started
