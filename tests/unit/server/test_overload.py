"""What happens when more arrives than the model can do, when a row is poisoned, and when parts die."""

import json
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from modelyard_server import serving
from unit.server import echo_engine
from unit.server.live import LiveServer, Reply, echo_card

Start = Callable[..., LiveServer]


def metric(server: LiveServer, line: str) -> float:
    text = server.request("GET", "/metrics").body.decode()
    return next((float(row.rsplit(" ", 1)[1]) for row in text.splitlines() if row.startswith(line)), 0.0)


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask again and again; each condition is a real HTTP request, which takes its time."""
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"


def blocked(server: LiveServer, pool: ThreadPoolExecutor, queued: int) -> list[Future[Reply]]:
    """Occupy the model with one request and queue more behind it."""
    running = [pool.submit(server.infer, [echo_engine.BLOCK, 0], [1, 2])]
    assert echo_engine.blocked.wait(10)
    running += [pool.submit(server.infer, [0, 0], [1, 2]) for _ in range(queued)]
    wait_until(lambda: metric(server, "modelyard_server_queue_rows") == queued)
    return running


def test_a_full_queue_is_429_with_retry_after(start: Start) -> None:
    server = start(max_queue_rows=2)
    echo_engine.batches.clear()
    with ThreadPoolExecutor(4) as pool:
        running = blocked(server, pool, queued=2)
        reply = server.infer([0, 0], [1, 2])
        echo_engine.gate.set()
        assert [future.result().status for future in running] == [200, 200, 200]
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    assert "queue holds 2 of 2 rows" in reply.json["error"]
    assert metric(server, 'modelyard_server_rejected_total{model="echo",reason="queue_full"') == 1


def test_what_queues_up_runs_in_one_batch(start: Start) -> None:
    server = start()
    echo_engine.batches.clear()
    with ThreadPoolExecutor(8) as pool:
        running = blocked(server, pool, queued=5)
        echo_engine.gate.set()
        assert all(future.result().status == 200 for future in running)
    assert echo_engine.batches == [1, 5]


def test_waiting_too_long_is_504(start: Start) -> None:
    server = start(queue_timeout=0.2)
    echo_engine.batches.clear()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(server.infer, [echo_engine.BLOCK, 0], [1, 2])
        assert echo_engine.blocked.wait(10)
        late: Reply = server.infer([0, 0], [1, 2])
        echo_engine.gate.set()
        assert first.result().status == 200
    assert (late.status, "0.2 s in the queue" in late.json["error"]) == (504, True)


@pytest.mark.parametrize(
    ("headers", "parameters"),
    [({"X-Envoy-Expected-Rq-Timeout-Ms": "50"}, {}), ({}, {"timeout": 50_000}),
     ({"X-Envoy-Expected-Rq-Timeout-Ms": "50"}, {"timeout": 9_000_000})],
)  # fmt: skip
def test_a_client_bounds_its_own_wait(start: Start, headers: dict[str, str], parameters: dict[str, int]) -> None:
    server = start()
    with ThreadPoolExecutor(4) as pool:
        running = blocked(server, pool, queued=1)
        tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
        body = {"inputs": [tensor], "parameters": parameters}
        late = server.request("POST", "/v2/models/echo/infer", body, headers)
        echo_engine.gate.set()
        assert [future.result().status for future in running] == [200, 200]
    assert (late.status, "0.05 s in the queue" in late.json["error"]) == (504, True)


def test_a_client_that_does_not_read_is_cut_off(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "UNREAD_AFTER", 1.0)
    server = start(card=echo_card("BYTES", (1,)))
    content = struct.pack("<I", 16 << 20) + bytes(16 << 20)
    size = {"parameters": {"binary_data_size": len(content)}}
    tensor = {"name": "x", "shape": [1, 1], "datatype": "BYTES", **size}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    lengths = (len(head), len(head) + len(content))
    start_line = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\n"
    fields = b"Inference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % lengths
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        for _ in range(2):
            client.sendall(start_line + fields + head + content)
        wait_until(lambda: metric(server, "modelyard_server_requests_total") == 2)
        assert metric(server, "modelyard_server_inflight_requests") == 0


def test_a_client_that_leaves_frees_its_place_in_the_queue(start: Start) -> None:
    server = start()
    echo_engine.batches.clear()
    with ThreadPoolExecutor(4) as pool:
        running = blocked(server, pool, queued=0)
        body = b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}'
        with socket.create_connection(("127.0.0.1", server.port)) as leaver:
            leaver.sendall(
                b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 1)
        wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 0)
        echo_engine.gate.set()
        assert [future.result().status for future in running] == [200]
    assert echo_engine.batches == [1]
    assert metric(server, 'modelyard_server_requests_total{code="499"') == 1


def test_a_poisoned_row_fails_alone(start: Start) -> None:
    server = start()
    echo_engine.batches.clear()
    with ThreadPoolExecutor(8) as pool:
        running = blocked(server, pool, queued=2)
        poison = pool.submit(server.infer, [echo_engine.POISON, 0], [1, 2])
        wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 3)
        echo_engine.gate.set()
        assert [future.result().status for future in running] == [200, 200, 200]
    assert poison.result().status == 500
    assert "poisoned row" in poison.result().json["error"]


def test_a_dead_worker_fails_liveness_and_its_requests(start: Start) -> None:
    server = start()
    assert server.infer([echo_engine.DIE, 0], [1, 2]).status == 500
    assert server.request("GET", "/v2/health/live").status == 503
    assert server.request("GET", "/v2/health/ready").status == 503
    late = server.infer([0, 0], [1, 2])
    assert (late.status, "inference thread has died" in late.json["error"]) == (503, True)
    assert metric(server, 'modelyard_server_rejected_total{model="echo",reason="failed"') == 1


def test_what_waits_behind_a_dying_worker_is_503_at_once(start: Start) -> None:
    server = start()
    with ThreadPoolExecutor(4) as pool:
        killer = pool.submit(server.infer, [echo_engine.BLOCK, echo_engine.DIE], [1, 2])
        assert echo_engine.blocked.wait(10)
        waiting = [pool.submit(server.infer, [0, 0], [1, 2]) for _ in range(2)]
        wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 2)
        echo_engine.gate.set()
        replies = [future.result(10) for future in waiting]
        assert killer.result(10).status == 500
    assert [(reply.status, reply.headers["retry-after"]) for reply in replies] == [(503, "1")] * 2
    assert "inference thread has died" in replies[0].json["error"]
    assert metric(server, "modelyard_server_queue_rows") == 0
    assert metric(server, 'modelyard_server_rejected_total{model="echo",reason="failed"') == 2


def test_more_rows_than_a_batch_are_run_in_pieces(start: Start) -> None:
    server = start(max_batch_rows=4)
    echo_engine.batches.clear()
    reply = server.infer(list(range(20)), [10, 2])
    assert reply.json["outputs"][0]["data"] == [float(value) for value in range(20)]
    assert echo_engine.batches == [4, 4, 2]


def test_more_rows_than_the_queue_holds_is_413(start: Start) -> None:
    reply = start(max_queue_rows=3).infer([0] * 8, [4, 2])
    assert (reply.status, "at most 3" in reply.json["error"]) == (413, True)


@pytest.mark.parametrize("announced", [True, False])
def test_a_large_body_is_413_and_closes_the_connection(start: Start, announced: bool) -> None:
    server = start(max_body_bytes=1000)
    body = b" " * 2000
    headers = b"Content-Length: 2000\r\n\r\n" if announced else b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\n" + headers + body)
        if not announced:
            client.sendall(b"\r\n0\r\n\r\n")
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
    assert metric(server, 'modelyard_server_rejected_total{model="echo",reason="too_large"') == 1


def test_rows_of_different_sizes_never_share_a_batch(start: Start) -> None:
    server = start(card=echo_card(row=(-1,)))
    echo_engine.batches.clear()
    with ThreadPoolExecutor(8) as pool:
        running = blocked(server, pool, queued=0)
        others = [pool.submit(server.infer, [1.0] * size, [1, size]) for size in (1, 3, 1, 3)]
        wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 4)
        echo_engine.gate.set()
        answers = [future.result().json["outputs"][0]["data"] for future in others]
        assert running[0].result().status == 200
    assert answers == [[1.0], [1.0] * 3, [1.0], [1.0] * 3]
    assert echo_engine.batches == [1, 2, 2]


def test_while_loading_liveness_is_true_and_inference_is_503(start: Start) -> None:
    server = start(card=echo_card(description="blocks while it loads"), wait_loaded=False, name="echo")
    assert server.request("GET", "/v2/health/live").status == 200
    assert server.request("GET", "/v2/health/ready").status == 503
    reply = server.infer([1, 2], [1, 2])
    assert (reply.status, reply.headers["retry-after"], "still loading" in reply.json["error"]) == (503, "1", True)
    assert server.request("GET", "/v2/models/echo/ready").json == {"name": "echo", "ready": False}
    # Before it has looked into the package it knows no name, so any may be the one that is loading.
    wait_until(lambda: server.request("POST", "/v2/models/other/infer", {}).status == 404)
    echo_engine.gate.set()
    server.wait_loaded()
    assert server.infer([1, 2], [1, 2]).status == 200


def test_while_draining_requests_are_answered_and_connections_closed(start: Start) -> None:
    server = start()
    server.on_loop(server.service.lifecycle.drain)
    wait_until(lambda: server.request("GET", "/v2/health/ready").status == 503)
    reply = server.infer([1, 2], [1, 2])
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert server.request("GET", "/v2/health/live").status == 200


def test_a_delay_lets_a_batch_grow_until_it_is_full(start: Start) -> None:
    server = start(max_batch_delay=10.0, max_batch_rows=2)
    echo_engine.batches.clear()
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda value: server.infer([value, 0], [1, 2]), [1, 2]))
    assert [reply.status for reply in replies] == [200, 200]
    assert echo_engine.batches == [2]


def test_a_delay_that_is_over_runs_what_is_there(start: Start) -> None:
    server = start(max_batch_delay=0.05)
    assert server.infer([1, 2], [1, 2]).status == 200


def test_what_still_waits_when_the_drain_time_is_over_is_503(start: Start) -> None:
    server = start()
    echo_engine.batches.clear()
    with ThreadPoolExecutor(4) as pool:
        first, second = blocked(server, pool, queued=1)
        server.on_loop(lambda: server.service.models.close("the server is shutting down"))
        refused = second.result()
        late = server.infer([0, 0], [1, 2])
        echo_engine.gate.set()
        assert first.result().status == 200
    assert (refused.status, late.status) == (503, 503)
    assert "shutting down" in refused.json["error"]
    assert metric(server, 'modelyard_server_rejected_total{model="echo",reason="draining"') == 2
