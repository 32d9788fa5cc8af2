"""Data that scikit-learn bundles, and one split that never changes, so that held-out rows stay held out."""

import hashlib
from typing import Any

import msgspec
import numpy as np
from sklearn import datasets as bundled  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]

Array = np.ndarray[Any, np.dtype[Any]]
SPLIT_SEED = 2026
"""Of the split only: the training seed varies runs, never what is held out."""
HELD_OUT = 0.25


class Dataset(msgspec.Struct, frozen=True):
    """Rows split into a training and a held-out part; numbers or text as a client would send them."""

    name: str
    digest: str
    features: tuple[str, ...]
    labels: tuple[str, ...]
    """Class names; empty for a regression."""
    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array


def digits() -> Dataset:
    """1,797 handwritten digits of 8x8 pixels with values 0 to 16 (UCI, Optical Recognition of Handwritten Digits)."""
    data = bundled.load_digits()
    images = data.images[:, np.newaxis, :, :].astype(np.float32)
    pixels = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    return split("digits", pixels, tuple(str(digit) for digit in range(10)), (images, data.target))


def regression() -> Dataset:
    """442 patients, 10 measurements, disease progression after a year (Efron et al., Least Angle Regression, 2004)."""
    data = bundled.load_diabetes(scaled=False)
    return split("diabetes", tuple(data.feature_names), (), (data.data.astype(np.float32), data.target))


def tabular() -> Dataset:
    """569 biopsies, 30 measurements, malignant or benign (UCI, Breast Cancer Wisconsin, Diagnostic)."""
    data = bundled.load_breast_cancer()
    names = tuple(name.replace(" ", "_") for name in data.feature_names)
    labels = tuple(str(name) for name in data.target_names)
    return split("breast-cancer", names, labels, (data.data.astype(np.float32), data.target))


def split(name: str, features: tuple[str, ...], labels: tuple[str, ...], data: tuple[Array, Array]) -> Dataset:
    """Rows and targets, a quarter of which are held out: always the same ones, evenly over the labels."""
    rows, targets = data
    content = "\n".join(rows.tolist()).encode() if rows.dtype.kind == "O" else rows.tobytes()
    digest = hashlib.sha256(content + np.asarray(targets, np.float64).tobytes()).hexdigest()
    stratify = targets if labels else None
    parts = train_test_split(rows, targets, test_size=HELD_OUT, random_state=SPLIT_SEED, stratify=stratify)
    train_x, test_x, train_y, test_y = parts
    return Dataset(name, f"sha256:{digest}", features, labels, train_x, train_y, test_x, test_y)
