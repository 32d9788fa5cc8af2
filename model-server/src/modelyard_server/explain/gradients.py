"""Integrated gradients (Sundararajan, Taly and Yan, 2017) of a torch network, computed by captum."""

from typing import Any

from modelyard_server.errors import UnsupportedError
from modelyard_server.protocol.datatypes import Array

AT_ONCE = 64
"""Points of the path that go through the network together: they bound its memory."""


def has_gradients(model: Any) -> bool:
    """Whether an engine's model is a network over numbers that can be differentiated."""
    return type(getattr(model, "tensors", None)).__name__ == "FloatInputs" and hasattr(model, "network")


def load() -> Any:
    """captum's method. Raises UnsupportedError where it is not installed."""
    try:
        from captum.attr import IntegratedGradients  # noqa: PLC0415 (an extra; it brings matplotlib)
    except ImportError as error:
        message = f"integrated_gradients needs {error.name}: install modelyard-server[explain]"
        raise UnsupportedError(f"{message}, or ask for occlusion or shapley") from error
    return IntegratedGradients


def scores(model: Any, name: str, rows: Array) -> Array:
    """What the network itself gives, before softmax and labels [rows, columns]."""
    import torch  # noqa: PLC0415

    with torch.inference_mode():
        found: Array = model.network(*_tensors(model, name, rows)).float().cpu().numpy()
    return found.reshape((len(found), -1))


def attribute(model: Any, name: str, ends: tuple[Array, Array], target: int, steps: int) -> tuple[Array, float]:
    """Attributions of a row in its shape, and how far their sum is from the change of the score.

    `ends` are the row and its baseline [1, ...].
    """
    import torch  # noqa: PLC0415

    method = load()(lambda x: model.network(x).flatten(1))
    inputs, baseline = (_tensors(model, name, end)[0] for end in ends)
    with torch.enable_grad():
        found, delta = method.attribute(
            inputs, baseline, target=target, n_steps=steps, return_convergence_delta=True,
            internal_batch_size=AT_ONCE,
        )  # fmt: skip
    return found.detach().float().cpu().numpy(), float(delta.item())


def _tensors(model: Any, name: str, rows: Array) -> tuple[Any, ...]:
    """Scaled as for a prediction, on the model's device. An affine scaling changes no attribution."""
    return tuple(tensor.to(model.device) for tensor in model.tensors({name: rows}))
