"""One batch through the model: join rows, predict, split. A request that breaks the batch fails alone."""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from modelyard_server.errors import InferenceError, RequestError
from modelyard_server.protocol.datatypes import Array

Arrays = Mapping[str, Array]
Predict = Callable[[Arrays], Arrays]
Outcome = Arrays | RequestError
log = logging.getLogger(__name__)


def run(
    predict: Predict, requests: Sequence[Arrays], rows: Sequence[int], max_rows: int, prepare: Predict | None = None
) -> list[Outcome]:
    """One outcome per request, in order. When the joint run fails, each request is tried alone, once.

    `prepare` decodes one request; one that cannot be decoded never meets the others.
    """
    if len(requests) == 1:
        return [_alone(predict, requests[0], rows[0], max_rows, prepare)]
    if prepare is None:
        return _together(predict, requests, rows, max_rows)
    outcomes = [_prepared(prepare, request) for request in requests]
    good = [position for position, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]
    ready = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    if good:
        results = _together(predict, ready, [rows[position] for position in good], max_rows)
        for position, result in zip(good, results, strict=True):
            outcomes[position] = result
    return outcomes


def _together(predict: Predict, requests: Sequence[Arrays], rows: Sequence[int], max_rows: int) -> list[Outcome]:
    try:
        return _split(_predict_chunks(predict, _join(requests), sum(rows), max_rows), rows)
    except Exception:  # noqa: BLE001 (whose fault it is, shows when each runs alone)
        return [_alone(predict, request, count, max_rows) for request, count in zip(requests, rows, strict=True)]


def _alone(predict: Predict, request: Arrays, rows: int, max_rows: int, prepare: Predict | None = None) -> Outcome:
    """Prepared in pieces, too, since a large request may grow a lot when it is decoded."""
    call = predict if prepare is None else lambda piece: predict(prepare(piece))
    try:
        return _predict_chunks(call, request, rows, max_rows)
    except RequestError as error:
        return error
    except Exception as error:  # noqa: BLE001 (any fault of a model is an answer to its request)
        return _failure(rows, error)


def _prepared(prepare: Predict, request: Arrays) -> Outcome:
    try:
        return prepare(request)
    except RequestError as error:
        return error
    except Exception as error:  # noqa: BLE001 (as above)
        return _failure(len(next(iter(request.values()))), error)


def _failure(rows: int, error: Exception) -> InferenceError:
    log.warning("inference failed", extra={"rows": rows}, exc_info=error)
    return InferenceError(f"the model failed on this input: {type(error).__name__}: {str(error)[:256]}")


def _join(requests: Sequence[Arrays]) -> Arrays:
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
    results: list[Outcome] = []
    start = 0
    for count in rows:
        results.append({name: array[start : start + count] for name, array in outputs.items()})
        start += count
    return results
