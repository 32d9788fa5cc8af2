"""Training loops in torch. One thread and a fixed order: equal seeds give equal weights."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save_file
from torch import nn

from modelyard_trainer.datasets import Array

Batch = tuple[torch.Tensor, ...]


class Plan(msgspec.Struct, frozen=True):
    """How a network is trained."""

    epochs: int
    seed: int
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.0


def begin(seed: int) -> None:
    """Before the network is built: its first weights depend on the seed, too."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)


def fit(network: nn.Module, rows: int, plan: Plan, loss_of: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """Adam with a cosine schedule; `loss_of` gives the mean loss of the rows with the given numbers."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.epochs)
    network.train()
    started = time.monotonic()
    for epoch in range(1, plan.epochs + 1):
        total = 0.0
        for chosen in torch.split(torch.randperm(rows), plan.batch):
            optimizer.zero_grad()
            loss = loss_of(chosen)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(chosen)
        schedule.step()
        if epoch in {1, plan.epochs} or epoch % max(1, plan.epochs // 10) == 0:
            seconds = time.monotonic() - started
            print(f"epoch {epoch:3d}/{plan.epochs}  loss {total / rows:.4f}  {seconds:5.1f} s", flush=True)
    return network.eval()


def classifier(network: nn.Module, inputs: Sequence[torch.Tensor], targets: Array, plan: Plan) -> nn.Module:
    """Cross-entropy on scores."""
    wanted = torch.from_numpy(targets.astype("int64"))

    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(network(*(tensor[chosen] for tensor in inputs)), wanted[chosen])

    return fit(network, len(wanted), plan, loss_of)


def predict(network: nn.Module, inputs: Sequence[torch.Tensor]) -> Array:
    """Class numbers."""
    with torch.inference_mode():
        classes: Array = network(*inputs).argmax(dim=1).numpy()
        return classes


def save(network: nn.Module, path: Path) -> None:
    """Weights as safetensors."""
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
