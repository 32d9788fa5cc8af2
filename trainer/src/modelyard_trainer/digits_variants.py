"""Recipes: the same handwritten digits as an MLP, as a residual network that takes pictures, and exported: as an ONNX
file and as the two kinds of programs that torch writes.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from modelyard_server.engines import torch_networks
from modelyard_server.package.architectures import Architecture, ConvNet, Convolution, Mlp, Residual
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import ImageDecoding, Preprocessing
from modelyard_trainer import datasets, digits, features, packaging, scores, training
from modelyard_trainer.datasets import Dataset

MLP = Mlp(layers=(64, 64, 32, 10))
RESIDUAL = ConvNet(
    image=(1, 8, 8),
    blocks=(
        Convolution(channels=16, norm="batch"),
        Residual(channels=16),
        Residual(channels=32, stride=2),
    ),
    out_features=10,
)
LABEL = TensorSpec(name="label", datatype="BYTES", shape=(-1,))
PROBABILITIES = TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 10))
BEST = (
    TensorSpec(name="top_labels", datatype="BYTES", shape=(-1, 3)),
    TensorSpec(name="top_probabilities", datatype="FP32", shape=(-1, 3)),
)
BRIGHT = 255 / 16
"""A pixel of 0 to 16 as a grey of 0 to 255."""


def mlp(options: packaging.RunOptions) -> str:
    """Linear layers over 64 pixels; returns the package digest."""
    dataset = datasets.digits()
    step = features.standardisation(digits.INPUT, dataset.train_x)
    network, metrics = _trained(dataset, step, MLP, options)
    card = _card("digits-mlp", dataset, metrics, options, architecture=MLP, preprocessing=(step,))
    return packaging.write(options.out, card, None, lambda root: training.save(network, root / "model.safetensors"))


def pictures(options: packaging.RunOptions) -> str:
    """A residual network over PNG or JPEG of any size; returns the package digest."""
    dataset = datasets.digits()
    pixels = Preprocessing(input=digits.INPUT, scale=1 / 16, mean=(0.3,), std=(0.38,))
    network, metrics = _trained(dataset, pixels, RESIDUAL, options)
    step = Preprocessing(
        input=digits.INPUT,
        image=ImageDecoding(size=(8, 8), channels=1),
        scale=1 / 255,
        mean=pixels.mean,
        std=pixels.std,
    )
    card = _card(
        "digits-pictures", dataset, metrics, options,
        inputs=(TensorSpec(name=digits.INPUT, datatype="BYTES", shape=(-1,)),),
        outputs=(LABEL, PROBABILITIES, *BEST), architecture=RESIDUAL, preprocessing=(step,),
    )  # fmt: skip
    return packaging.write(options.out, card, None, lambda root: training.save(network, root / "model.safetensors"))


def onnx(options: packaging.RunOptions) -> str:
    """The convolutional network of `digits`, exported; returns the package digest."""
    return _exported("onnx", options, lambda network, root: _export(network, root / "model.onnx"))


def torchscript(options: packaging.RunOptions) -> str:
    """The same as TorchScript; returns the package digest, which whoever serves it must pin."""
    return _exported("torchscript", options, _trace)


def torch_export(options: packaging.RunOptions) -> str:
    """The same by torch.export; returns the package digest, which whoever serves it must pin."""
    return _exported("torch-export", options, _export_program)


def _exported(form: str, options: packaging.RunOptions, export: Callable[[nn.Module, Path], None]) -> str:
    dataset = datasets.digits()
    step = features.standardisation(digits.INPUT, dataset.train_x)
    network, metrics = _trained(dataset, step, digits.ARCHITECTURE, options)
    card = _card(f"digits-{form}", dataset, metrics, options, format=form, preprocessing=(step,))
    return packaging.write(options.out, card, None, lambda root: export(network, root))


def _trained(
    dataset: Dataset, step: Preprocessing, architecture: Architecture, options: packaging.RunOptions
) -> tuple[nn.Module, dict[str, float]]:
    """The network, and how good it is on what was held out."""
    print(f"digits: {len(dataset.train_x)} images to train, {len(dataset.test_x)} held out", flush=True)
    training.begin(options.seed)
    network = torch_networks.build(architecture)
    rows, held_out = (torch.from_numpy(features.apply(step, part)) for part in (dataset.train_x, dataset.test_x))
    training.classifier(network, (rows,), dataset.train_y, training.Plan(options.epochs, options.seed))
    predicted = training.predict(network, (held_out,))
    accuracy = scores.accuracy(dataset.test_y, predicted)
    print(f"held-out accuracy {accuracy:.4f} ({int((predicted == dataset.test_y).sum())} of {len(predicted)})")
    return network, {"accuracy": round(accuracy, 4), "heldOutRows": float(len(predicted))}


def _card(
    name: str, dataset: Dataset, metrics: dict[str, float], options: packaging.RunOptions, **fields: object
) -> ModelCard:
    usual = {
        "format": "torch",
        "inputs": (TensorSpec(name=digits.INPUT, datatype="FP32", shape=(-1, 1, 8, 8)),),
        "outputs": (LABEL, PROBABILITIES),
    }
    return ModelCard(
        name=name,
        version=options.version,
        description="Handwritten digits",
        labels=dataset.labels,
        metrics=metrics,
        origin=packaging.origin(dataset, options),
        **{**usual, **fields},  # type: ignore[arg-type]
    )


def _export(network: nn.Module, path: Path) -> None:
    """With the library onnx, which only this recipe needs."""
    free = {"image": {0: "rows"}, "scores": {0: "rows"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch prefers its other exporter, which needs one more library
        torch.onnx.export(
            network, (torch.zeros(2, 1, 8, 8),), str(path), input_names=["image"], output_names=["scores"],
            dynamic_axes=free, dynamo=False,
        )  # fmt: skip


def _trace(network: nn.Module, root: Path) -> None:
    """What the network does with two rows; it does the same with any number of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has deprecated TorchScript in favour of torch.export
        traced = torch.jit.trace(network, torch.zeros(2, 1, 8, 8))  # type: ignore[no-untyped-call]
        traced.save(str(root / "model.pt"))


def _export_program(network: nn.Module, root: Path) -> None:
    """With any number of rows."""
    rows = torch.export.Dim("rows")
    exported = torch.export.export(network, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: rows},))
    torch.export.save(exported, root / "model.pt2")
