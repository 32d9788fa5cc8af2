"""Standardisation that the card declares, and the statistics that drift is measured against. Pure."""

from typing import Any

import msgspec
import numpy as np

from modelyard_server.package.steps import Preprocessing

Array = np.ndarray[Any, np.dtype[Any]]
BINS = 10


class FeatureStatistics(msgspec.Struct, frozen=True):
    """One feature over the training rows: moments, range, and a histogram of equal-width bins."""

    name: str
    mean: float
    std: float
    minimum: float
    maximum: float
    edges: list[float]
    counts: list[int]


class Reference(msgspec.Struct, frozen=True):
    """`reference.json`: what the inputs of a healthy model look like."""

    schema: str
    rows: int
    input: str
    features: list[FeatureStatistics]


def standardisation(input_name: str, rows: Array) -> Preprocessing:
    """Mean and deviation of each element; constant elements get deviation 1, so that they become 0."""
    flat = rows.reshape(len(rows), -1).astype(np.float64)
    std = flat.std(axis=0)
    return Preprocessing(
        input=input_name,
        mean=tuple(round(float(value), 6) for value in flat.mean(axis=0)),
        std=tuple(round(float(value), 6) if value > 1e-6 else 1.0 for value in std),
    )


def apply(step: Preprocessing, rows: Array) -> Array:
    """The same arithmetic that the server does, for training."""
    mean, std = (np.resize(np.asarray(values), rows.shape[1:]) for values in (step.mean, step.std))
    return ((rows * step.scale - mean) / std).astype(np.float32)


def reference(input_name: str, names: tuple[str, ...], rows: Array) -> Reference:
    """Statistics of every feature over the training rows."""
    flat = rows.reshape(len(rows), -1).astype(np.float64)
    features = [_statistics(name, flat[:, column]) for column, name in enumerate(names)]
    return Reference("modelyard.dev/reference/v1", len(rows), input_name, features)


def _statistics(name: str, values: Array) -> FeatureStatistics:
    counts, edges = np.histogram(values, bins=BINS)
    return FeatureStatistics(
        name=name,
        mean=round(float(values.mean()), 6),
        std=round(float(values.std()), 6),
        minimum=float(values.min()),
        maximum=float(values.max()),
        edges=[round(float(edge), 6) for edge in edges],
        counts=[int(count) for count in counts],
    )
