"""The held-out set through a running server, in real requests, with a verdict."""

import io
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from modelyard_trainer import datasets, drawing, numerals, scores
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
    data: Path | None = None
    token: Path | None = None


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


def pictures(options: Options) -> Verdict:
    """Handwritten digits as PNG, in base64 since JSON holds no bytes."""
    from PIL import Image  # noqa: PLC0415 (only this one)

    dataset = datasets.digits()
    encoded = np.empty((len(dataset.test_x),), np.object_)
    for position, pixels in enumerate(dataset.test_x[:, 0]):
        stream = io.BytesIO()
        picture = Image.fromarray(np.rint(pixels * 255 / 16).astype(np.uint8))
        picture.save(stream, "PNG")
        encoded[position] = b64encode(stream.getvalue()).decode()
    return classifier(msgspec.structs.replace(dataset, test_x=encoded), "image", options)


def package_sections(options: Options) -> Verdict:
    """Sections of software packages."""
    from modelyard_trainer import sections  # noqa: PLC0415

    return classifier(sections.load(options.data), "text", options)


def exact_numerals(options: Options) -> Verdict:
    """Numbers in words; an answer is right when it is right to the last digit."""
    pairs = numerals.held_out()
    outputs, report = _send(np.array([words for words, _ in pairs], np.object_), "words", options)
    for (words, number), answer in list(zip(pairs, outputs["text"], strict=True))[: options.samples]:
        print(f"{words!r}: {answer} ({'right' if answer == number else f'WRONG, it is {number}'})")
    share = float(np.mean([answer == number for (_, number), answer in zip(pairs, outputs["text"], strict=True)]))
    print(report)
    text = f"exact answers {share:.4f} of {len(pairs)} held-out numbers, at least {options.min_accuracy} wanted"
    return Verdict(share >= options.min_accuracy, text)


def paraphrases(options: Options) -> Verdict:
    """Embeddings: is each sentence nearest to the one that says the same in other words?"""
    sentences = np.array([sentence for pair in PARAPHRASES for sentence in pair], np.object_)
    outputs, report = _send(sentences, "text", options)
    vectors = np.array(outputs["embedding"], np.float64).reshape(len(sentences), -1)
    nearest = (vectors @ vectors.T - 2 * np.eye(len(vectors))).argmax(axis=1)
    share = float((nearest == np.arange(len(vectors)) ^ 1).mean())
    print(report)
    text = f"{share:.4f} of {len(sentences)} sentences are nearest to their paraphrase, {options.min_accuracy} wanted"
    return Verdict(share >= options.min_accuracy, text)


PARAPHRASES = (
    ("How do I change my password?", "I want to set a new password for my account."),
    ("The train to Berlin is an hour late.", "There is a delay of sixty minutes on the rail service to Berlin."),
    ("A man is cutting up a cucumber.", "Someone slices a cucumber."),
    ("Shares fell sharply on Monday.", "The stock market dropped a lot at the start of the week."),
    ("Add two eggs and a cup of flour.", "Mix in flour and a pair of eggs."),
    (
        "The pod was evicted since the node ran out of memory.",
        "Lack of RAM on the machine made Kubernetes remove it.",
    ),
    ("Is the museum open on Sundays?", "Can one visit the museum at the weekend?"),
    ("The doctor told her to rest for a week.", "She was advised by her physician to take it easy for seven days."),
)
"""Written for this purpose: each pair says one thing twice, without repeating its words."""
JUDGES: Mapping[str, Callable[[Options], Verdict]] = {
    "digits": digits,
    "digits-mlp": digits,
    "digits-pictures": pictures,
    "digits-onnx": digits,
    "digits-torchscript": digits,
    "digits-torch-export": digits,
    "regression": diabetes,
    "tabular": tabular,
    "lstm": package_sections,
    "encoder": package_sections,
    "bayes": package_sections,
    "seq2seq": exact_numerals,
    "minilm": paraphrases,
}
"""Recipe -> how its model is judged."""


def _send(rows: Array, input_name: str, options: Options) -> tuple[dict[str, list[object]], str]:
    """All rows in batches; every output's data joined, and a line about the traffic."""
    client = Client(options.url, options.token)
    try:
        client.wait_ready(options.model, options.wait)
        version = client.metadata(options.model)["versions"][0]
        joined: dict[str, list[object]] = {}
        started = time.perf_counter()
        requests = 0
        for start in range(0, len(rows), options.batch):
            tensor = _tensor(input_name, rows[start : start + options.batch])
            for name, output in client.infer(options.model, [tensor]).items():
                joined.setdefault(name, []).extend(output["data"])
            requests += 1
        seconds = time.perf_counter() - started
    finally:
        client.close()
    report = f"{options.model} version {version}: {len(rows)} rows in {requests} requests, {seconds * 1000:.0f} ms"
    return joined, f"{report} ({len(rows) / seconds:.0f} rows/s)"


def _tensor(name: str, rows: Array) -> dict[str, object]:
    """Text as BYTES, numbers as FP32."""
    if rows.dtype.kind == "O":
        return {"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": rows.tolist()}
    return {"name": name, "shape": list(rows.shape), "datatype": "FP32", "data": np.ascontiguousarray(rows).ravel()}


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
