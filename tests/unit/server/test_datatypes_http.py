"""Each datatype of the protocol through a server and back."""

import json
from collections.abc import Callable

import pytest

from unit.server.live import LiveServer, echo_card

VALUES = [
    ("BOOL", [True, False]), ("UINT8", [0, 255]), ("UINT16", [0, 65535]), ("UINT32", [0, 2**32 - 1]),
    ("UINT64", [0, 2**64 - 1]), ("INT8", [-128, 127]), ("INT16", [-32768, 32767]), ("INT32", [-(2**31), 2**31 - 1]),
    ("INT64", [-(2**63), 2**63 - 1]), ("FP32", [0.5, -1.25]), ("FP64", [0.1, 1e300]), ("BYTES", ["a", "ü€"]),
]  # fmt: skip


@pytest.mark.parametrize(("datatype", "values"), VALUES)
def test_json_round_trip(start: Callable[..., LiveServer], datatype: str, values: list[object]) -> None:
    reply = start(card=echo_card(datatype)).infer(values, [1, 2], datatype)
    assert (reply.status, reply.json["outputs"][0]["data"]) == (200, values)


@pytest.mark.parametrize("datatype", [name for name, _ in VALUES] + ["FP16"])
def test_binary_round_trip(start: Callable[..., LiveServer], datatype: str) -> None:
    server = start(card=echo_card(datatype))
    width = {"BOOL": 1, "BYTES": 0, "FP16": 2}.get(datatype) or int("".join(filter(str.isdigit, datatype)) or 0) // 8
    raw = b"\x01\x00\x00\x00a\x00\x00\x00\x00" if datatype == "BYTES" else bytes([1] + [0] * (2 * width - 1))
    tensor = {"name": "x", "shape": [1, 2], "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    reply = server.request("POST", "/v2/models/echo/infer", head + raw, headers)
    assert reply.body[int(reply.headers["inference-header-content-length"]) :] == raw


@pytest.mark.parametrize(
    ("datatype", "values", "message"),
    [
        ("INT8", [1, 128], "out of range for INT8"),
        ("UINT8", [-1, 0], "out of range for UINT8"),
        ("UINT64", [2**64, 0], "not UINT64"),
        ("INT32", [1.5, 2], "not INT32"),
        ("BOOL", [1, 0], "not BOOL"),
        ("BYTES", [1, 2], "must be strings"),
        ("FP16", [1, 2], "send it as binary tensor data"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    start: Callable[..., LiveServer], datatype: str, values: list[object], message: str
) -> None:
    reply = start(card=echo_card(datatype)).infer(values, [1, 2], datatype)
    assert (reply.status, message in reply.json["error"]) == (400, True)


def test_fp16_cannot_be_answered_as_json(start: Callable[..., LiveServer]) -> None:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP16", "parameters": {"binary_data_size": 4}}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    reply = start(card=echo_card("FP16")).request("POST", "/v2/models/echo/infer", head + bytes(4), headers)
    assert (reply.status, "ask for binary_data" in reply.json["error"]) == (400, True)


def test_nan_cannot_be_answered_as_json(start: Callable[..., LiveServer]) -> None:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    reply = start().request("POST", "/v2/models/echo/infer", head + b"\x00\x00\xc0\x7f" * 2, headers)
    assert (reply.status, "NaN" in reply.json["error"]) == (500, True)
