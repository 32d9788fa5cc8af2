"""The door on the real cluster: who gets through, who does not, and what is written down of both."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.utils

from e2e.door import Door
from e2e.node import CALLER, Node, eventually
from modelyard_demo.scenes import DEMO, DOMAIN, GATEWAY, SYSTEM
from modelyard_demo.target import Target

pytestmark = pytest.mark.e2e

TEAM = "door-team"
SMALL = "s3://models/breast-cancer/1"


@pytest.fixture(scope="module")
def team(chosen: Target) -> Iterator[Node]:
    """One namespace with one model, for all tests of this file."""
    kube = chosen.kube
    kube.run("delete", "namespace", TEAM, "--ignore-not-found", "--wait")
    kube.run("create", "namespace", TEAM)
    kube.run("label", "namespace", TEAM, "modelyard.dev/tests=e2e", "pod-security.kubernetes.io/enforce=restricted")
    found = Node(chosen, TEAM)
    data = kube.get("secret", "modelyard-object-store", "-n", DEMO)["data"]
    found.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "modelyard-object-store"}, "data": data})
    found.allow()
    found.apply(found.model("small", SMALL))
    found.ready("small", 300)
    yield found
    kube.run("delete", "namespace", TEAM, "--wait=false")


@pytest.fixture(scope="module")
def door(chosen: Target) -> Door:
    return Door(chosen.kube)


@pytest.fixture(scope="module")
def token(team: Node, door: Door) -> str:
    """Of somebody who may, once the API server knows it."""
    found = team.token()
    eventually(lambda: door.ask(f"/{TEAM}/small/v2/models/small", team.token()).status == 200)
    return found


class Attack(NamedTuple):
    """A request that must not get through. TOKEN stands for a good one, MARK for what its audit line is found by."""

    path: str
    given: str | None
    status: int
    reason: str


MODEL = f"/{TEAM}/small/v2/models/MARK"
ATTACKS = {
    "no token": Attack(MODEL, None, 401, "NoToken"),
    "garbage": Attack(MODEL, "garbage", 401, "InvalidToken"),
    "garbage that looks like a token": Attack(MODEL, "a.b.c", 401, "InvalidToken"),
    "an expired token": Attack(MODEL, "EXPIRED", 401, "InvalidToken"),
    "another signature": Attack(MODEL, "FORGED", 401, "InvalidToken"),
    "two tokens": Attack(MODEL, "TOKEN, Bearer TOKEN", 401, "InvalidToken"),
    "a key in the query": Attack(f"{MODEL}?access_token=TOKEN&key=TOKEN", None, 401, "NoToken"),
    "another namespace": Attack(f"/{DEMO}/digits/v2/models/MARK", "TOKEN", 403, "Forbidden"),
    "another namespace, no such model": Attack(f"/{DEMO}/absent/v2/models/MARK", "TOKEN", 403, "Forbidden"),
    "a model that is not there": Attack(f"/{TEAM}/absent/v2/models/MARK", "TOKEN", 404, "NoSuchModel"),
    "metrics of a pod": Attack(f"/{TEAM}/small/metrics/MARK", "TOKEN", 404, "NoSuchPath"),
    "loading a model": Attack(f"/{TEAM}/small/v2/repository/models/MARK/load", "TOKEN", 404, "NoSuchPath"),
    "dots to another namespace": Attack(f"/{TEAM}/small/../../{DEMO}/digits/v2/models/MARK", "TOKEN", 403, "Forbidden"),
    "dots out of the protocol": Attack(f"/{TEAM}/small/v2/../metrics/MARK", "TOKEN", 404, "NoSuchPath"),
    "escaped dots": Attack(f"/{TEAM}/small/v2/%2e%2e/metrics/MARK", "TOKEN", 404, "NoSuchPath"),
    "merged slashes": Attack(f"//{DEMO}//digits/v2/models/MARK", "TOKEN", 403, "Forbidden"),
    "an escaped slash": Attack(f"/{TEAM}/small%2fv2/models/MARK", "TOKEN", 400, ""),
    "an escaped backslash": Attack(f"/{TEAM}/small/v2%5c..%5cmodels/MARK", "TOKEN", 400, ""),
}


def expired(token: str) -> str:
    """The same token with an end in the past; its signature does not fit any more, but nobody needs to look at it."""
    head, claims, signature = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))) | {"exp": 1}
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip('=')}.{signature}"


def filled(text: str, token: str, mark: str) -> str:
    forged = token[:-6] + "AAAAAA"
    replaced = text.replace("EXPIRED", expired(token)).replace("FORGED", forged).replace("TOKEN", token)
    return replaced.replace("MARK", mark)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused_and_leaves_one_line(door: Door, token: str, attack: Attack) -> None:
    mark = uuid.uuid4().hex
    answer = door.ask(filled(attack.path, token, mark), attack.given and filled(attack.given, token, mark))
    assert (answer.status, answer.reason) == (attack.status, attack.reason), answer
    assert token.encode() not in answer.body

    def lines() -> list[dict[str, object]]:
        found = door.audit(mark)
        assert len(found) == 1, found
        return found

    [line] = eventually(lines, 20)
    assert (line["code"], line["reason"] or "") == (attack.status, attack.reason)
    assert "model" not in line or line["model"] is None, "no pod was asked"
    assert token[-40:] not in json.dumps(line)


def test_a_token_for_the_api_server_is_not_one_for_models(team: Node, door: Door) -> None:
    foreign = team.token(audience="https://kubernetes.default.svc")
    answer = door.ask(f"/{TEAM}/small/v2/models/small", foreign)
    assert (answer.status, answer.reason) == (401, "InvalidToken")
    assert b"audience" in answer.body


def test_a_key_opens_a_model_until_it_is_revoked(team: Node, door: Door, token: str) -> None:
    path = f"/{TEAM}/small/v2/models/small"
    head = {"name": "outside", "namespace": TEAM}
    team.apply({"apiVersion": "modelyard.dev/v1alpha1", "kind": "InferenceKey", "metadata": head, "spec": {}})
    team.kube.run("wait", "--for=condition=Ready", "inferencekey/outside", "-n", TEAM, "--timeout=60s")
    key = base64.b64decode(team.get("secret", "outside-inference-key")["data"]["api-key"]).decode()
    eventually(lambda: door.ask(path, key).status == 200, 20)
    assert door.ask(f"/{DEMO}/digits/v2/models/digits", key).status == 403
    assert door.ask(f"{path}?api_key={key}").reason == "NoToken"
    team.kube.run("delete", "inferencekey", "outside", "-n", TEAM)
    eventually(lambda: door.ask(path, key).reason == "InvalidKey", 5)
    assert door.ask(path, key).status == 401


def test_what_a_client_says_of_itself_is_not_believed(door: Door, token: str) -> None:
    mark = uuid.uuid4().hex
    forged = {
        "X-MODELYARD-USER": "system:admin",
        "x-modelyard-cluster": f"{DEMO}.digits.http",
        "X-Modelyard-Path": "/metrics",
        "x-modelyard-length": "1",
    }
    assert door.ask(f"/{TEAM}/small/v2/models/small?{mark}", token, more=forged).status == 200
    assert door.ask(f"/{TEAM}/small/v2/models/{mark}", token, more=forged).status == 404
    [line] = eventually(lambda: door.audit(mark), 20)
    assert line["user"] == f"system:serviceaccount:{TEAM}:{CALLER}"
    assert str(line["model"]).startswith(f"{TEAM}.small")


def head(mark: str, token: str) -> str:
    line = f"POST /{TEAM}/small/v2/models/{mark} HTTP/1.1\r\n"
    return f"{line}Host: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n"


BYTES = {
    "an underscore in a name": ("x_modelyard_user: admin\r\nContent-Length: 0\r\n\r\n", 400),
    "two lengths": ("Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    "a length and chunks": ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "a second Authorization": ("Authorization: Bearer x\r\nContent-Length: 0\r\n\r\n", 401),
    "a body that is too long": ("Content-Length: 99999999999\r\n\r\n", 413),
    "headers that are too long": (f"x-long: {'a' * 70_000}\r\n\r\n", 431),
    "too many headers": ("".join(f"x-{number}: 1\r\n" for number in range(200)) + "\r\n", 431),
}


@pytest.mark.parametrize(("rest", "status"), BYTES.values(), ids=BYTES.keys())
def test_malformed_requests_are_refused(door: Door, token: str, rest: str, status: int) -> None:
    answer = door.raw((head("small", token) + rest).encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]


def test_a_client_that_is_slow_to_say_what_it_wants_is_cut_off(door: Door) -> None:
    answer = door.raw(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow")
    assert answer.startswith(b"HTTP/1.1 408 "), answer[:200]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def test_streams_that_are_opened_and_reset_in_a_flood_end_their_connection_alone(door: Door, token: str) -> None:
    # HPACK's static table: GET, http, /; then the authority as a literal.
    request = b"\x82\x86\x84\x41\x01x"
    flood = b"".join(
        frame(1, 5, number, request) + frame(3, 0, number, (8).to_bytes(4, "big")) for number in range(1, 6001, 2)
    )
    with door.connect() as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
        received = b""
        try:
            connection.sendall(flood)
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionError:
            pass
    assert door.ask(f"/{TEAM}/small/v2/models/small", token).status == 200


def test_kubectl_gives_the_same_answer_as_the_door(team: Node, door: Door, token: str) -> None:
    who = f"--as=system:serviceaccount:{TEAM}:{CALLER}"
    for namespace, name, status in ((TEAM, "small", 200), (DEMO, "digits", 403)):
        asked = ("auth", "can-i", "create", f"modeldeployments.modelyard.dev/{name}", "--subresource=inference")
        may = team.kube.succeeds(*asked, "-n", namespace, who)
        assert (door.ask(f"/{namespace}/{name}/v2/models/{name}", token).status, may) == (status, status == 200)


def test_grpc_passes_with_a_token_in_its_metadata_and_not_without(team: Node, door: Door, token: str) -> None:
    rows = triton.InferInput("measurements", [2, 30], "FP32")
    rows.set_data_from_numpy(np.ones((2, 30), np.float32))
    authority = f"small.{TEAM}.{DOMAIN}"
    client = triton.InferenceServerClient(
        f"{door.address[0]}:{door.address[1]}", channel_args=[("grpc.default_authority", authority)]
    )
    try:
        answer = client.infer("small", [rows], headers={"authorization": f"Bearer {token}"})
        assert answer.get_response().outputs[0].shape[0] == 2
        with pytest.raises(tritonclient.utils.InferenceServerException, match="no Authorization header") as refused:
            client.infer("small", [rows])
        assert refused.value.status() == "StatusCode.UNAUTHENTICATED"
    finally:
        client.close()


def test_the_policy_of_the_models_lets_in_the_gateway(team: Node) -> None:
    """The local cluster enforces no NetworkPolicy: this shows only that the right one is there."""
    spec = team.get("networkpolicy", "modelyard-models")["spec"]
    [rule] = spec["ingress"]
    gateway = rule["from"][0]
    assert gateway["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": SYSTEM}
    labels = gateway["podSelector"]["matchLabels"]
    pods = team.kube.get("pods", "-n", SYSTEM, "-l", ",".join(f"{name}={value}" for name, value in labels.items()))
    assert {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in pods["items"]} == {"gateway"}


def test_a_gateway_is_replaced_without_a_lost_request(team: Node, door: Door, token: str) -> None:
    team.client("client", "small")
    team.kube.run("rollout", "restart", f"deployment/{GATEWAY}", "-n", SYSTEM)
    team.kube.run("rollout", "status", f"deployment/{GATEWAY}", "-n", SYSTEM, "--timeout=300s")
    eventually(
        lambda: len(team.kube.get("pods", "-n", SYSTEM, "-l", "app.kubernetes.io/component=gateway")["items"]) == 2
    )
    assert set(team.answers("client")) == {"200 version 1"}
