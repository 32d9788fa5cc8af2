"""Several models in one process: versions, load, replace, unload, and what others notice of it (nothing)."""

import http.client
import json
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from modelyard_server.errors import StartupError
from modelyard_server.package import parse
from modelyard_server.package.card import ModelCard
from unit.server import echo_engine, live
from unit.server.live import LiveServer, echo_card
from unit.server.test_overload import metric, wait_until

Serve = Callable[..., LiveServer]
A, B = "/v2/repository/models/a", "/v2/repository/models/b"
BROKEN = echo_card(description="does not load")


def version(card_version: str) -> ModelCard:
    return msgspec.structs.replace(echo_card(), version=card_version)


def served(server: LiveServer, model: str) -> tuple[int, str]:
    reply = server.infer([1, 2], [1, 2], model=model)
    return reply.status, reply.json.get("model_version", reply.json.get("error"))


def test_each_model_answers_under_its_folder_with_its_highest_version(serve: Serve) -> None:
    server = serve({"a/9": echo_card(), "a/10": echo_card(), "b": echo_card()})
    assert server.request("GET", "/v2/health/ready").status == 200
    assert [served(server, model) for model in ("a", "a/versions/10", "b")] == [(200, "10"), (200, "10"), (200, "3")]
    assert served(server, "a/versions/9") == (404, "model 'a' has no version '9'; this server has '10'")
    assert served(server, "c") == (404, "model 'c' is not served here; this server has 'a', 'b'")
    assert server.request("GET", "/v1/models").json["models"] == ["a", "b"]
    assert server.index() == {"a/9": "UNAVAILABLE: not loaded", "a/10": "READY", "b/3": "READY"}
    assert server.index(ready=True) == {"a/10": "READY", "b/3": "READY"}


def test_all_versions_are_addressed_and_listed_when_asked_for(serve: Serve) -> None:
    server = serve({"a/1": echo_card(), "a/2": echo_card()}, version_policy="all")
    assert [served(server, f"a{path}") for path in ("", "/versions/1", "/versions/2")] == [
        (200, "2"),
        (200, "1"),
        (200, "2"),
    ]
    assert server.request("GET", "/v2/models/a/versions/1").json["versions"] == ["1", "2"]
    assert server.request("GET", "/v2/models/a/versions/1/ready").json == {"name": "a", "ready": True}
    assert server.request("GET", "/v2/models/a/versions/3/ready").status == 404


def test_a_version_that_does_not_load_stops_no_other(serve: Serve) -> None:
    server = serve({"a/1": BROKEN, "a/2": echo_card()}, version_policy="all", model_control="explicit")
    assert served(server, "a") == (200, "2")
    assert server.index() == {"a/1": "UNAVAILABLE: weights are missing", "a/2": "READY"}


def test_the_index_tells_memory(serve: Serve) -> None:
    server = serve({"a": echo_card()})
    (entry,) = server.request("POST", "/v2/repository/index").json
    assert entry["parameter_bytes"] == echo_engine.EchoModel.parameter_bytes
    assert metric(server, 'modelyard_server_parameter_bytes{model="a",version="3"}') == entry["parameter_bytes"]


@pytest.mark.parametrize("action", ["load", "unload"])
def test_without_explicit_control_nobody_loads_or_unloads(serve: Serve, action: str) -> None:
    reply = serve({"a": echo_card()}).request("POST", f"{A}/{action}")
    assert (reply.status, "--model-control explicit" in reply.json["error"]) == (501, True)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (f"{B}/load", {}, 404, "model 'b' is not in the repository; it holds 'a'"),
        (f"{B}/unload", {}, 404, "model 'b' is not in the repository; it holds 'a'"),
        (f"{A}/load", {"parameters": {"config": "{}"}}, 400, "none is known for a load"),
        (f"{A}/load", b"{", 400, "not valid JSON"),
        (f"{A}/load", [], 400, "must be a JSON object"),
    ],
)
def test_a_wrong_load_or_unload_says_why(serve: Serve, path: str, body: object, status: int, message: str) -> None:
    reply = serve({"a": echo_card()}, model_control="explicit").request("POST", path, body)
    assert (reply.status, message in reply.json["error"]) == (status, True)


def test_a_load_puts_a_new_version_in_the_place_of_the_old(serve: Serve, tmp_path: Path) -> None:
    server = serve({"a/1": echo_card(), "b": echo_card()}, model_control="explicit")
    live.write_package(tmp_path / "a" / "2", echo_card())
    assert served(server, "a") == (200, "1")
    assert server.request("POST", f"{A}/load").status == 200
    assert (served(server, "a"), served(server, "a/versions/1")[0]) == ((200, "2"), 404)
    wait_until(lambda: metric(server, 'modelyard_server_model_ready{model="a",version="1"}') == 0)
    assert 'model="a",version="1"' not in server.request("GET", "/metrics").body.decode()


def test_the_same_version_is_loaded_anew(serve: Serve, tmp_path: Path) -> None:
    server = serve({"a": echo_card()}, model_control="explicit")
    live.write_package(tmp_path / "a", version("4"))
    assert [server.request("POST", f"{A}/load").status for _ in range(2)] == [200, 200]
    assert (served(server, "a"), server.index()) == ((200, "4"), {"a/4": "READY"})
    assert metric(server, 'modelyard_server_model_ready{model="a",version="4"}') == 1


def test_a_load_that_fails_leaves_the_earlier_one_serving(serve: Serve, tmp_path: Path) -> None:
    server = serve({"a/1": echo_card()}, model_control="explicit")
    live.write_package(tmp_path / "a" / "2", BROKEN)
    reply = server.request("POST", f"{A}/load")
    assert (reply.status, "weights are missing" in reply.json["error"]) == (400, True)
    assert served(server, "a") == (200, "1")
    assert server.index() == {"a/1": "READY", "a/2": "UNAVAILABLE: weights are missing"}
    live.write_package(tmp_path / "a" / "1", BROKEN)
    (tmp_path / "a" / "2" / parse.FILE).unlink()
    assert server.request("POST", f"{A}/load").status == 400
    assert (served(server, "a"), "the one before serves" in server.index()["a/1"]) == ((200, "1"), True)


def test_code_that_ends_the_process_is_a_load_that_fails(serve: Serve, tmp_path: Path) -> None:
    server = serve({"a": echo_card()}, model_control="explicit")
    live.write_package(tmp_path / "b", echo_card(description="leaves while it loads"))
    reply = server.request("POST", f"{B}/load")
    assert (reply.status, "SystemExit: good bye" in reply.json["error"]) == (400, True)
    assert (served(server, "a")[0], server.request("GET", "/v2/health/live").status) == (200, 200)


def test_an_unloaded_model_is_503_and_others_go_on(serve: Serve) -> None:
    server = serve({"a": echo_card(), "b": echo_card()}, model_control="explicit")
    assert server.request("POST", f"{A}/unload", {"parameters": {"unload_dependents": False}}).status == 200
    assert served(server, "a") == (503, "model 'a' is UNAVAILABLE: unloaded")
    assert served(server, "b") == (200, "3")
    assert server.index() == {"a/3": "UNAVAILABLE: unloaded", "b/3": "READY"}
    assert server.request("GET", "/v2/models/a/ready").json == {"name": "a", "ready": False}
    assert server.request("GET", "/v2/health/ready").status == 200
    assert server.request("POST", f"{A}/load").status == 200
    assert served(server, "a") == (200, "3")


def test_unload_waits_for_the_last_request(serve: Serve) -> None:
    server = serve({"a": echo_card(), "b": echo_card()}, model_control="explicit")
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(server.infer, [echo_engine.BLOCK, 0], [1, 2], model="a")
        assert echo_engine.blocked.wait(10)
        unloading = pool.submit(server.request, "POST", f"{A}/unload")
        wait_until(lambda: server.index()["a/3"] == "UNLOADING: finishes its last requests")
        assert served(server, "a")[0] == 503
        echo_engine.gate.set()
        assert (running.result().status, unloading.result().status) == (200, 200)


def test_what_does_not_finish_in_time_is_refused(serve: Serve) -> None:
    server = serve({"a": echo_card()}, model_control="explicit", drain_timeout=0.1)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(server.infer, [echo_engine.BLOCK, 0], [1, 2], model="a")
        assert echo_engine.blocked.wait(10)
        waiting = pool.submit(server.infer, [0, 0], [1, 2], model="a")
        wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 1)
        assert server.request("POST", f"{A}/unload").status == 200
        assert "is unloaded" in waiting.result().json["error"]
        echo_engine.gate.set()
        assert running.result().status == 200


def test_the_memory_of_an_unloaded_model_is_free(serve: Serve) -> None:
    server = serve({"a": echo_card()}, model_control="explicit")
    served(server, "a")
    model = weakref.ref(server.service.models.find("a").model)
    assert server.request("POST", f"{A}/unload").status == 200
    wait_until(lambda: server.request("GET", "/v2").status == 200 and model() is None)


def test_readiness_waits_for_what_was_asked_for_and_liveness_does_not(serve: Serve, tmp_path: Path) -> None:
    server = serve({"a": echo_card(), "b": BROKEN}, model_control="explicit")
    health = [server.request("GET", f"/v2/health/{kind}").status for kind in ("live", "ready")]
    assert (health, served(server, "a")[0]) == ([200, 503], 200)
    assert server.index()["b/3"] == "UNAVAILABLE: weights are missing"
    live.write_package(tmp_path / "b", echo_card())
    assert server.request("POST", f"{B}/load").status == 200
    assert server.request("GET", "/v2/health/ready").status == 200


def test_a_model_that_nobody_can_repair_ends_the_start(serve: Serve) -> None:
    server = serve({"a": echo_card(), "b": BROKEN}, wait_loaded=False)
    with pytest.raises(StartupError, match="model 'b': weights are missing"):
        server.wait_loaded()


@pytest.mark.parametrize(
    ("models", "settings", "message"),
    [({}, {}, "holds no package"), ({"a": echo_card()}, {"load_models": ("b", "a")}, "holds no model b; it holds a")],
)
def test_a_repository_without_what_is_asked_for_ends_the_start(
    serve: Serve, models: dict[str, ModelCard], settings: dict[str, tuple[str, ...]], message: str
) -> None:
    server = serve(models, wait_loaded=False, **settings)
    with pytest.raises(StartupError, match=message):
        server.wait_loaded()


def test_only_the_named_models_are_loaded_at_the_start(serve: Serve) -> None:
    server = serve({"a": echo_card(), "b": BROKEN}, load_models=("a",))
    assert server.request("GET", "/v2/health/ready").status == 200
    assert served(server, "b") == (503, "model 'b' is UNAVAILABLE: not loaded")


def test_an_empty_repository_may_be_filled_later(serve: Serve, tmp_path: Path) -> None:
    server = serve({}, model_control="explicit")
    assert (server.index(), server.request("GET", "/v2/health/ready").status) == ({}, 200)
    live.write_package(tmp_path / "a" / "1", echo_card())
    assert server.request("POST", f"{A}/load").status == 200
    assert served(server, "a") == (200, "1")


def test_loading_and_unloading_loses_no_request_of_another_model(serve: Serve) -> None:
    server = serve({"a": echo_card(), "b": echo_card()}, model_control="explicit")
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(busy, server.port, stop) for _ in range(4)]
        for _ in range(5):
            assert [server.request("POST", f"{A}/{action}").status for action in ("unload", "load", "load")] == [
                200
            ] * 3
        stop.set()
        outcomes = sum((client.result() for client in clients), Counter[int]())
    assert (set(outcomes), outcomes[200] > 20) == ({200}, True)


def busy(port: int, stop: threading.Event) -> Counter[int]:
    """Statuses of model b on one connection until `stop`."""
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    outcomes: Counter[int] = Counter()
    while not stop.is_set():
        connection.request("POST", "/v2/models/b/infer", body)
        response = connection.getresponse()
        response.read()
        outcomes[response.status] += 1
    connection.close()
    return outcomes
