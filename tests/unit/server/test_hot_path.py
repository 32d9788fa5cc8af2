"""What makes a request cheap: typed JSON, one write for an answer, figures that are added up later."""

import asyncio
from typing import Any

import numpy as np
import pytest

from modelyard_server.errors import BadRequestError
from modelyard_server.metrics import SETTLE_AT, Metrics
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol import tensors, v2
from modelyard_server.protocol.datatypes import NUMPY
from modelyard_server.protocol.signature import Signature
from modelyard_server.web.transport import JoinedWrites

NUMBERS = [name for name in NUMPY if name not in ("BYTES", "FP16")]


def signature(*datatypes: str) -> Signature:
    specs = tuple(TensorSpec(name=f"x{at}", datatype=kind, shape=(-1, 2)) for at, kind in enumerate(datatypes))  # type: ignore[arg-type]
    return Signature(specs, specs)


def body(data: str, datatype: str = "FP32") -> bytes:
    return b'{"inputs":[{"name":"x0","shape":[1,2],"datatype":"%s","data":%s}]}' % (datatype.encode(), data.encode())


@pytest.mark.parametrize("datatype", NUMBERS)
def test_typed_data_become_the_same_array_as_any_data(datatype: str) -> None:
    one = signature(datatype)
    content = body("[true,false]" if datatype == "BOOL" else "[1,0]", datatype)
    typed, general = v2.parse(one, content, None, v2.decoder(one)), v2.parse(one, content, None)
    assert typed.inputs["x0"].dtype == general.inputs["x0"].dtype
    assert typed.inputs["x0"].tolist() == general.inputs["x0"].tolist()


@pytest.mark.parametrize("data", ["[[1.5,2]]", "[1.5, 2e300]", '[1.5,"2"]', "[1.5,null]", "[1.5,true]", "1", "[1.5]"])
def test_what_is_not_flat_and_typed_is_read_as_before(data: str) -> None:
    def outcome(*decode: v2.Decode) -> Any:
        try:
            return v2.parse(one, body(data), None, *decode).inputs["x0"].tolist()
        except Exception as error:  # noqa: BLE001 (compared below)
            return type(error), str(error)

    one = signature("FP32")
    assert outcome(v2.decoder(one)) == outcome()


def test_inputs_of_different_kinds_are_read_as_before() -> None:
    one = signature("FP32", "INT64")
    inputs = b'{"name":"x0","shape":[1,2],"datatype":"FP32","data":[1,2]},{"name":"x1","shape":[1,2],"datatype":"INT64"'
    request = v2.parse(one, b'{"inputs":[%s,"data":[3,4]}]}' % inputs, None, v2.decoder(one))
    assert request.inputs["x1"].tolist() == [[3, 4]]


@pytest.mark.parametrize(("datatype", "values"), [("INT8", [128]), ("UINT64", [1 << 64]), ("UINT8", [-1])])
def test_a_number_out_of_range_is_not_packed(datatype: str, values: list[int]) -> None:
    assert tensors.pack(datatype, values) is None


def test_packed_numbers_are_those_of_numpy() -> None:
    values = [0.1, 1 / 3, 16777217.0]
    np.testing.assert_array_equal(tensors.pack("FP32", values), np.array(values, np.float32))


class Recorder(asyncio.Transport):
    """Writes of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.written.append(b"closed")


async def test_writes_of_one_turn_leave_together() -> None:
    recorder = Recorder()
    transport = JoinedWrites(recorder, asyncio.get_running_loop())
    transport.write(b"head")
    transport.write(b"body")
    assert recorder.written == []
    await asyncio.sleep(0)
    transport.write(b"next")
    await asyncio.sleep(0)
    assert recorder.written == [b"headbody", b"next"]


async def test_a_connection_is_closed_after_what_was_written() -> None:
    recorder = Recorder()
    transport = JoinedWrites(recorder, asyncio.get_running_loop())
    transport.write(b"last")
    transport.close()
    await asyncio.sleep(0)
    assert recorder.written == [b"last", b"closed"]


def test_figures_are_added_up_when_somebody_looks() -> None:
    metrics = Metrics()
    figures = metrics.of("m", "1")
    figures.answered("v2", 200, 0.01)
    figures.answered("v2", 404, 0.01)
    figures.batch(2, 0.01, [0.001, 0.002])
    text = metrics.render().decode()
    assert 'modelyard_server_requests_total{code="200",model="m",protocol="v2",version="1"} 1.0' in text
    assert 'modelyard_server_request_duration_seconds_count{model="m",version="1"} 2.0' in text
    assert 'modelyard_server_queue_duration_seconds_count{model="m",version="1"} 2.0' in text


def test_many_figures_do_not_wait_for_somebody() -> None:
    metrics = Metrics()
    figures = metrics.of("m", "1")
    for _ in range(SETTLE_AT):
        figures.answered("v2", 200, 0.01)
    assert metrics.registry.get_sample_value(
        "modelyard_server_requests_total", {"model": "m", "version": "1", "code": "200", "protocol": "v2"}
    ) == float(SETTLE_AT)


def test_a_version_that_has_left_does_not_come_back_with_its_last_figures() -> None:
    metrics = Metrics()
    figures = metrics.of("m", "1")
    figures.answered("v2", 200, 0.01)
    metrics.remove("m", "1")
    assert 'model="m"' not in metrics.render().decode()
    assert figures.names == ("m", "1")


def test_large_integers_that_are_nested_stay_exact() -> None:
    rows = [[1, (1 << 63) + 1]]
    assert tensors.from_json("x", "UINT64", (1, 2), rows).tolist() == rows


def test_fractions_are_no_integers() -> None:
    with pytest.raises(BadRequestError, match="values that are not UINT64"):
        tensors.from_json("x", "UINT64", (1, 2), [[1.5, 2]])
