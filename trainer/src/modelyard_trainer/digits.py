"""Recipe: handwritten digits with a small convolutional network."""

import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from modelyard_server.engines import torch_networks
from modelyard_server.package.architectures import Cnn
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Preprocessing
from modelyard_trainer import datasets, drawing, features, packaging, scores
from modelyard_trainer.datasets import Array, Dataset

INPUT = "image"
ARCHITECTURE = Cnn(image=(1, 8, 8), channels=(16, 32), hidden=(64,), out_features=10)
BATCH = 64
LEARNING_RATE = 2e-3


def run(options: packaging.RunOptions) -> str:
    """Train, evaluate, package; returns the package digest."""
    dataset = datasets.digits()
    print(f"digits: {len(dataset.train_x)} images to train, {len(dataset.test_x)} held out", flush=True)
    step = features.standardisation(INPUT, dataset.train_x)
    network = train(dataset, step, options.epochs, options.seed)
    predicted = predict(network, features.apply(step, dataset.test_x))
    accuracy = scores.accuracy(dataset.test_y, predicted)
    print(f"held-out accuracy {accuracy:.4f} ({int((predicted == dataset.test_y).sum())} of {len(predicted)})")
    print("\nconfusion (rows: true digit)")
    print(drawing.confusion_table(scores.confusion(dataset.test_y, predicted, 10), dataset.labels), flush=True)
    card = ModelCard(
        name="digits",
        version=options.version,
        format="torch",
        description="Handwritten digits, 8x8 pixels with values 0 to 16",
        inputs=(TensorSpec(name=INPUT, datatype="FP32", shape=(-1, 1, 8, 8)),),
        outputs=(
            TensorSpec(name="label", datatype="BYTES", shape=(-1,)),
            TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 10)),
        ),
        labels=dataset.labels,
        architecture=ARCHITECTURE,
        preprocessing=(step,),
        metrics={"accuracy": round(accuracy, 4), "heldOutRows": float(len(predicted))},
        origin=packaging.origin(dataset, options),
    )
    reference = features.reference(INPUT, dataset.features, dataset.train_x)
    return packaging.write(options.out, card, reference, lambda root: save(network, root / "model.safetensors"))


def train(dataset: Dataset, step: Preprocessing, epochs: int, seed: int) -> nn.Module:
    """Adam on cross-entropy. One thread and fixed order: equal seeds give equal weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = torch_networks.build(ARCHITECTURE)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    rows = torch.from_numpy(features.apply(step, dataset.train_x))
    targets = torch.from_numpy(np.asarray(dataset.train_y, np.int64))
    started = time.monotonic()
    for epoch in range(1, epochs + 1):
        total = 0.0
        for batch in torch.split(torch.randperm(len(rows)), BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(rows[batch]), targets[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(batch)
        schedule.step()
        if epoch in {1, epochs} or epoch % max(1, epochs // 10) == 0:
            print(
                f"epoch {epoch:3d}/{epochs}  loss {total / len(rows):.4f}  {time.monotonic() - started:5.1f} s",
                flush=True,
            )
    return network.eval()


def predict(network: nn.Module, rows: Array) -> Array:
    """Class numbers."""
    with torch.inference_mode():
        classes: Array = network(torch.from_numpy(rows)).argmax(dim=1).numpy()
        return classes


def save(network: nn.Module, path: Path) -> None:
    """Weights as safetensors."""
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
