"""Recipe: disease progression as a linear model, by gradient descent, compared with the closed form."""

import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from sklearn.linear_model import LinearRegression  # type: ignore[import-untyped]
from torch import nn

from modelyard_server.engines import torch_networks
from modelyard_server.package import card as cards
from modelyard_server.package.architectures import Linear
from modelyard_trainer import datasets, features, packaging, scores
from modelyard_trainer.datasets import Array

INPUT = "measurements"
LEARNING_RATE = 0.1
MOMENTUM = 0.9


def run(options: packaging.RunOptions) -> str:
    """Train, evaluate, package; returns the package digest."""
    dataset = datasets.regression()
    print(f"diabetes: {len(dataset.train_x)} patients to train, {len(dataset.test_x)} held out", flush=True)
    step = features.standardisation(INPUT, dataset.train_x)
    rows, held_out = features.apply(step, dataset.train_x), features.apply(step, dataset.test_x)
    network = train(rows, dataset.train_y, options.epochs, options.seed)
    predicted = predict(network, held_out)
    exact = LinearRegression().fit(rows, dataset.train_y).predict(held_out)
    metrics = {
        "rmse": round(scores.rmse(dataset.test_y, predicted), 3),
        "r2": round(scores.r2(dataset.test_y, predicted), 4),
        "closedFormRmse": round(scores.rmse(dataset.test_y, exact), 3),
        "closedFormR2": round(scores.r2(dataset.test_y, exact), 4),
        "heldOutRows": float(len(predicted)),
    }
    print(f"held-out RMSE {metrics['rmse']:.3f}, R2 {metrics['r2']:.4f}")
    print(f"closed form   {metrics['closedFormRmse']:.3f}, R2 {metrics['closedFormR2']:.4f} (scikit-learn)", flush=True)
    card = cards.ModelCard(
        name="diabetes",
        version=options.version,
        format="torch",
        description="Disease progression after a year, from: " + ", ".join(dataset.features),
        inputs=(cards.TensorSpec(name=INPUT, datatype="FP32", shape=(-1, rows.shape[1])),),
        outputs=(cards.TensorSpec(name="progression", datatype="FP32", shape=(-1,)),),
        architecture=Linear(in_features=rows.shape[1], out_features=1),
        preprocessing=(step,),
        metrics=metrics,
        origin=packaging.origin(dataset, options),
    )
    reference = features.reference(INPUT, dataset.features, dataset.train_x)
    return packaging.write(options.out, card, reference, lambda root: _save(network, root))


def train(rows: Array, targets: Array, epochs: int, seed: int) -> nn.Module:
    """Full-batch gradient descent with momentum on the standardised target; its scale is folded into the weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = torch_networks.build(Linear(in_features=rows.shape[1], out_features=1))
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    mean, std = float(targets.mean()), float(targets.std())
    inputs = torch.from_numpy(rows)
    wanted = torch.from_numpy(((targets - mean) / std).astype("float32"))[:, None]
    started = time.monotonic()
    for epoch in range(1, epochs + 1):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(inputs), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if epoch in {1, epochs} or epoch % max(1, epochs // 10) == 0:
            print(f"epoch {epoch:4d}/{epochs}  loss {loss.item():.5f}  {time.monotonic() - started:5.1f} s", flush=True)
    with torch.no_grad():
        layer = network.get_submodule("out")
        layer.weight.mul_(std)  # type: ignore[operator]
        layer.bias.mul_(std).add_(mean)  # type: ignore[operator]
    return network.eval()


def predict(network: nn.Module, rows: Array) -> Array:
    """Values in the target's unit."""
    with torch.inference_mode():
        values: Array = network(torch.from_numpy(rows))[:, 0].numpy()
        return values


def _save(network: nn.Module, root: Path) -> None:
    save_file(dict(network.state_dict()), root / "model.safetensors")
