"""The held-out set through a running server, in real requests, with a verdict."""

import time

import msgspec
import numpy as np

from modelyard_trainer import datasets, drawing, scores
from modelyard_trainer.client import Client
from modelyard_trainer.datasets import Array, Dataset


class Verdict(msgspec.Struct, frozen=True):
    """Passed, and the line that says why."""

    passed: bool
    text: str


class Options(msgspec.Struct, frozen=True):
    """What to evaluate, against what."""

    url: str
    model: str
    samples: int = 4
    batch: int = 32
    min_accuracy: float = 0.95
    max_rmse: float = 60.0
    wait: float = 120.0


def classifier(dataset: Dataset, input_name: str, options: Options) -> Verdict:
    """Accuracy of a model that answers `label` and `probabilities`."""
    outputs, report = _send(dataset.test_x, input_name, options)
    names = {label: number for number, label in enumerate(dataset.labels)}
    predicted = np.array([names[str(label)] for label in outputs["label"]])
    probabilities = np.array(outputs["probabilities"]).reshape(len(predicted), -1)
    if dataset.test_x.ndim == 4 and options.samples:
        print("\n" + _gallery(dataset, predicted, probabilities, options.samples) + "\n")
    accuracy = scores.accuracy(dataset.test_y, predicted)
    right = int((predicted == dataset.test_y).sum())
    print(report)
    text = (
        f"accuracy {accuracy:.4f} ({right} of {len(predicted)} held-out rows), at least {options.min_accuracy} wanted"
    )
    return Verdict(accuracy >= options.min_accuracy, text)


def regression(dataset: Dataset, input_name: str, output_name: str, options: Options) -> Verdict:
    """RMSE and R2 of a model that answers one value per row."""
    outputs, report = _send(dataset.test_x, input_name, options)
    predicted = np.array(outputs[output_name])
    for index in range(min(options.samples, len(predicted))):
        print(f"row {index:3d}  predicted {predicted[index]:7.1f}  true {dataset.test_y[index]:7.1f}")
    rmse, r2 = scores.rmse(dataset.test_y, predicted), scores.r2(dataset.test_y, predicted)
    print(report)
    text = (
        f"RMSE {rmse:.3f}, R2 {r2:.4f} over {len(predicted)} held-out rows, RMSE of at most {options.max_rmse:g} wanted"
    )
    return Verdict(rmse <= options.max_rmse, text)


def digits(options: Options) -> Verdict:
    """Handwritten digits."""
    return classifier(datasets.digits(), "image", options)


def diabetes(options: Options) -> Verdict:
    """Disease progression."""
    return regression(datasets.regression(), "measurements", "progression", options)


def tabular(options: Options) -> Verdict:
    """Biopsies."""
    return classifier(datasets.tabular(), "measurements", options)


def _send(rows: Array, input_name: str, options: Options) -> tuple[dict[str, list[object]], str]:
    """All rows in batches; every output's data joined, and a line about the traffic."""
    client = Client(options.url)
    try:
        client.wait_ready(options.model, options.wait)
        version = client.metadata(options.model)["versions"][0]
        joined: dict[str, list[object]] = {}
        started = time.perf_counter()
        requests = 0
        for start in range(0, len(rows), options.batch):
            part = np.ascontiguousarray(rows[start : start + options.batch])
            tensor = {"name": input_name, "shape": list(part.shape), "datatype": "FP32", "data": part.ravel()}
            for name, output in client.infer(options.model, [tensor]).items():
                joined.setdefault(name, []).extend(output["data"])
            requests += 1
        seconds = time.perf_counter() - started
    finally:
        client.close()
    report = f"{options.model} version {version}: {len(rows)} rows in {requests} requests, {seconds * 1000:.0f} ms"
    return joined, f"{report} ({len(rows) / seconds:.0f} rows/s)"


def _gallery(dataset: Dataset, predicted: Array, probabilities: Array, samples: int) -> str:
    """A few held-out images; a wrong one comes first, if there is any, since that is what a person wants to see."""
    wrong = np.flatnonzero(predicted != dataset.test_y)[:1]
    others = [index for index in range(len(predicted)) if index not in wrong]
    chosen = [*wrong, *others][:samples]
    blocks = []
    for index in chosen:
        label = dataset.labels[int(predicted[index])]
        mark = "right" if predicted[index] == dataset.test_y[index] else "WRONG"
        share = float(probabilities[index].max())
        caption = [f"says {label} ({share:.1%})", f"is {dataset.labels[int(dataset.test_y[index])]}: {mark}"]
        blocks.append(drawing.captioned(dataset.test_x[index, 0], caption))
    return drawing.side_by_side(blocks)
