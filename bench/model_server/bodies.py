"""One request in each form, and the answer back. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
LENGTH = "inference-header-content-length"


@dataclass(frozen=True)
class Body:
    """What is sent."""

    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def make(form: str, row: Array) -> Body:
    """`v2`, `bentoml` or `binary`. Every JSON form has the same numbers, written alike."""
    values = [round(float(value), 4) for value in row.ravel()]
    tensor = {"name": "x", "shape": list(row.shape), "datatype": "FP32"}
    if form == "bentoml":
        return _json({"x": np.array(values).reshape(row.shape).tolist()})
    if form == "v2":
        return _json({"inputs": [{**tensor, "data": values}]})
    raw = np.array(values, "<f4").tobytes()
    size = {"parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [{**tensor, **size}], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
    return Body(head + raw, headers)


def _json(document: object) -> Body:
    return Body(json.dumps(document).encode(), {"Content-Type": "application/json"})


def scores(body: bytes, headers: Mapping[str, str]) -> Array:
    """The scores of an answer in any form."""
    if LENGTH in headers:
        return np.frombuffer(body[int(headers[LENGTH]) :], "<f4")
    document = json.loads(body)
    data = document if isinstance(document, list) else document["outputs"][0]["data"]
    return np.array(data, np.float32).ravel()
