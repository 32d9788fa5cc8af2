"""One batch through the model: join rows, predict, split. A request that breaks the batch fails alone."""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from modelyard_server.errors import InferenceError
from modelyard_server.protocol.datatypes import Array

Arrays = Mapping[str, Array]
Predict = Callable[[Arrays], Arrays]
Outcome = Arrays | InferenceError
log = logging.getLogger(__name__)


def run(predict: Predict, requests: Sequence[Arrays], rows: Sequence[int], max_rows: int) -> list[Outcome]:
    """One outcome per request, in order. When the joint run fails, each request is tried alone, once."""
    try:
        return _split(_predict_chunks(predict, _join(requests), sum(rows), max_rows), rows)
    except Exception as error:  # any fault of a model is an answer to its request
        if len(requests) == 1:
            log.warning("inference failed", extra={"rows": rows[0]}, exc_info=error)
            return [InferenceError(f"the model failed on this input: {type(error).__name__}: {str(error)[:256]}")]
    return [run(predict, [request], [count], max_rows)[0] for request, count in zip(requests, rows, strict=True)]


def _join(requests: Sequence[Arrays]) -> Arrays:
    if len(requests) == 1:
        return requests[0]
    return {name: np.concatenate([request[name] for request in requests]) for name in requests[0]}


def _predict_chunks(predict: Predict, inputs: Arrays, rows: int, max_rows: int) -> Arrays:
    """A single request may exceed the batch limit, which protects memory; it then runs in pieces."""
    if rows <= max_rows:
        return _checked(predict(inputs), rows)
    parts = []
    for start in range(0, rows, max_rows):
        piece = {name: array[start : start + max_rows] for name, array in inputs.items()}
        parts.append(_checked(predict(piece), min(max_rows, rows - start)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _checked(outputs: Arrays, rows: int) -> Arrays:
    """A model that loses or adds rows would hand one client's answer to another."""
    for name, array in outputs.items():
        if array.shape[0] != rows:
            raise ValueError(f"output {name!r} has {array.shape[0]} rows for {rows} rows of input")
    return outputs


def _split(outputs: Arrays, rows: Sequence[int]) -> list[Outcome]:
    if len(rows) == 1:
        return [outputs]
    results: list[Outcome] = []
    start = 0
    for count in rows:
        results.append({name: array[start : start + count] for name, array in outputs.items()})
        start += count
    return results
