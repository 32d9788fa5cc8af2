"""Single requests, one after the other."""

from __future__ import annotations

import time

from bench.gateway.scene import TEAM, Scene
from integration.gateway.pods import Pod
from integration.gateway.standing import PODS, PORT

PATH = f"/{TEAM}/digits/v2/models/digits/infer"
STREAM = 8090


def cold(scene: Scene, count: int) -> list[float]:
    """Milliseconds of the first request with each of some tokens: two questions to the API server are part of it."""
    found = []
    for token in scene.tokens(count):
        began = time.perf_counter()
        assert scene.gateway.ask(PATH, token).status == 200
        found.append((time.perf_counter() - began) * 1000)
    return found


def moves(scene: Scene, count: int) -> list[float]:
    """Milliseconds from the API server's answer to a new address until a request is answered from there."""
    found = []
    for number in range(count):
        target = (number + 1) % 2
        scene.move(PODS[target])
        began = time.perf_counter()
        while scene.gateway.ask(PATH, scene.token).headers.get("x-pod") != f"pod-{target}":
            if time.perf_counter() - began > 30:
                raise RuntimeError(f"the gateway does not know of {PODS[target]} after 30 s")
        found.append((time.perf_counter() - began) * 1000)
    return found


def first_events(scene: Scene, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds to the first event of a stream, from a pod and through the gateway."""
    pod = Pod(scene.network, PODS[1], STREAM)
    try:
        scene.shared.plane.client().request(
            "PATCH",
            f"/apis/discovery.k8s.io/v1/namespaces/{TEAM}/endpointslices/digits-x",
            {"ports": [{"name": "http", "port": STREAM, "protocol": "TCP"}]},
            "application/merge-patch+json",
        )
        scene.move(PODS[1])
        time.sleep(1)
        direct = [_first_event(scene, (PODS[1], STREAM), "/v2/stream", "") for _ in range(count)]
        token = f"authorization: Bearer {scene.token}\r\n"
        through = [_first_event(scene, ("127.0.0.1", PORT), f"/{TEAM}/digits/v2/stream", token) for _ in range(count)]
    finally:
        pod.end()
    return direct, through


def _first_event(scene: Scene, address: tuple[str, int], path: str, headers: str) -> float:
    with scene.network.connect(address) as connection:
        began = time.perf_counter()
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n".encode())
        answer = b""
        while b"data: 0" not in answer:
            if not (chunk := connection.recv(65536)):
                raise RuntimeError(f"no event, but {answer!r}")
            answer += chunk
        return (time.perf_counter() - began) * 1000
