"""The matrices of a decoder in the form that multiplies fastest on this machine.

A step of a few tokens reads every weight once and computes little, so its time is bytes of weights divided by memory
bandwidth; float32 is twice bfloat16 and four times int8. On a CPU oneDNN wants bfloat16 matrices in blocks, and
laying them out once, at load, saves doing it at each call.

int8: weights are rounded per output row (symmetric), inputs per token at run time. It changes what the model says, so
it has to be asked for.
"""

import warnings
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Linear(Protocol):
    """`y = x W^T + b` for x of shape [tokens, inputs]."""

    nbytes: int

    def __call__(self, x: Tensor) -> Tensor: ...


class Plain:
    """A matrix as it is."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._bias = weight, bias
        self.nbytes = weight.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self._weight, self._bias)


class Blocked:
    """A bfloat16 matrix in oneDNN's own layout, for CPUs."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.nbytes = weight.nbytes
        self._bias = bias
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)  # noqa: SLF001 (no public name)

    def __call__(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")  # noqa: SLF001
        return product


class Int8:
    """int8 weights, and inputs that are rounded token by token, for CPUs."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        rows = weight.shape[0]
        floats = weight.float()
        scale = floats.abs().amax(1).clamp_min(1e-12) / 127
        with warnings.catch_warnings():
            # torch means to drop these operators; they take half the time of those that shall follow them. A build
            # without them fails here, and the model then loads without int8.
            warnings.simplefilter("ignore", UserWarning)
            whole = torch.quantize_per_channel(floats, scale, torch.zeros(rows, dtype=torch.long), 0, torch.qint8)
            self._weight = torch.ops.quantized.linear_prepack(whole, None)
        self.nbytes = weight.numel()
        self._bias = None if bias is None else bias.float()

    def __call__(self, x: Tensor) -> Tensor:
        if x.shape[0] == 1:
            product: Tensor = torch.ops.quantized.linear_dynamic(x, self._weight, True)
        else:
            # The operator has one scale for all tokens: one request's outlier would coarsen its neighbours.
            largest = x.abs().amax(1, keepdim=True).clamp_min_(1e-12)
            product = torch.ops.quantized.linear_dynamic(x / largest, self._weight, True).mul_(largest)
        return product if self._bias is None else product.add_(self._bias)
