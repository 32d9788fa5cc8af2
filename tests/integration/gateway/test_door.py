"""Who gets through the door, to which pods, and what they take along."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from integration.gateway.envoy_binary import envoy_binary
from integration.gateway.pods import Pod
from integration.gateway.standing import PODS, Gateway, account, install, serving, standing
from integration.running import Cluster, eventually

pytestmark = pytest.mark.integration

TEAM = "door-team"
OTHER = "door-other"


@pytest.fixture(scope="module")
def gateway(shared: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    for name in (TEAM, OTHER):
        shared.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    shared.apply(*serving(TEAM, "digits", [PODS[0]]), *serving(OTHER, "secret", [PODS[1]]))
    with standing(install(shared), tmp_path_factory.mktemp("gateway"), envoy_binary()) as found:
        yield found


@pytest.fixture(scope="module")
def pods(gateway: Gateway) -> Iterator[list[Pod]]:
    found = [Pod(gateway.network, one) for one in PODS]
    yield found
    for one in found:
        one.end()


@pytest.fixture(scope="module")
def token(shared: Cluster, gateway: Gateway) -> str:
    return account(shared, TEAM, "client", "digits", "absent", "later", "rolled")


def test_a_request_reaches_the_model_without_the_token_and_with_its_user(
    gateway: Gateway, pods: list[Pod], token: str
) -> None:
    answer = gateway.ask(f"/{TEAM}/digits/v2/models/digits?x=1", token)
    assert answer.status == 200
    assert (answer.json()["pod"], answer.json()["path"]) == (PODS[0], "/v2/models/digits?x=1")
    headers = dict(answer.json()["headers"])
    assert headers["x-modelyard-user"] == f"system:serviceaccount:{TEAM}:client"
    assert not {"authorization", "x-modelyard-cluster"} & set(headers)
    assert not [name for name in answer.headers if name.startswith("x-envoy")]


def test_what_a_client_says_of_itself_is_not_believed(gateway: Gateway, pods: list[Pod], token: str) -> None:
    forged = {
        "X-Modelyard-User": "admin",
        "x-modelyard-cluster": f"{OTHER}.secret.http",
        "x-modelyard-path": "/metrics",
    }
    answer = gateway.ask(f"/{TEAM}/digits/v2/models/digits", token, more=forged)
    told = answer.json()
    assert (told["pod"], told["path"]) == (PODS[0], "/v2/models/digits")
    users = [value for name, value in told["headers"] if name == "x-modelyard-user"]
    assert users == [f"system:serviceaccount:{TEAM}:client"]


class Attack(NamedTuple):
    """A request that must not get through; TOKEN stands for a good one."""

    path: str
    given: str | None
    status: int
    reason: str


ATTACKS = {
    "no token": Attack(f"/{TEAM}/digits/v2/health/ready", None, 401, "NoToken"),
    "garbage": Attack(f"/{TEAM}/digits/v2/health/ready", "garbage", 401, "InvalidToken"),
    "garbage that looks like a token": Attack(f"/{TEAM}/digits/v2/health/ready", "a.b.c", 401, "InvalidToken"),
    "two tokens": Attack(f"/{TEAM}/digits/v2/health/ready", "TOKEN, Bearer x", 401, "InvalidToken"),
    "a key in the query": Attack(f"/{TEAM}/digits/v2/health/ready?access_token=TOKEN", None, 401, "NoToken"),
    "another namespace": Attack(f"/{OTHER}/secret/v2/health/ready", "TOKEN", 403, "Forbidden"),
    "another namespace, a model that is not there": Attack(
        f"/{OTHER}/absent/v2/health/ready", "TOKEN", 403, "Forbidden"
    ),
    "a model that is not there": Attack(f"/{TEAM}/absent/v2/health/ready", "TOKEN", 404, "NoSuchModel"),
    "the metrics of a pod": Attack(f"/{TEAM}/digits/metrics", "TOKEN", 404, "NoSuchPath"),
    "loading a model": Attack(f"/{TEAM}/digits/v2/repository/models/x/load", "TOKEN", 404, "NoSuchPath"),
    "dots to another namespace": Attack(
        f"/{TEAM}/digits/../../{OTHER}/secret/v2/health/ready", "TOKEN", 403, "Forbidden"
    ),
    "dots to metrics": Attack(f"/{TEAM}/digits/v2/../metrics", "TOKEN", 404, "NoSuchPath"),
    "merged slashes": Attack(f"//{OTHER}//secret/v2/health/ready", "TOKEN", 403, "Forbidden"),
    "an escaped slash": Attack(f"/{TEAM}/digits%2fv2/health/ready", "TOKEN", 400, ""),
    "escaped dots": Attack(f"/{TEAM}/digits/v2/%2e%2e/metrics", "TOKEN", 404, "NoSuchPath"),
    "an upper-case namespace": Attack(f"/{TEAM.upper()}/digits/v2/health/ready", "TOKEN", 404, "NoSuchPath"),
    "no model at all": Attack("/", "TOKEN", 404, "NoSuchPath"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused(gateway: Gateway, pods: list[Pod], token: str, attack: Attack) -> None:
    before = [one.requests for one in pods]
    answer = gateway.ask(attack.path.replace("TOKEN", token), attack.given and attack.given.replace("TOKEN", token))
    assert (answer.status, answer.headers.get("x-modelyard-reason", "")) == (attack.status, attack.reason), answer
    assert [one.requests for one in pods] == before
    assert token.encode() not in answer.body


def test_a_token_for_another_audience_is_refused(shared: Cluster, gateway: Gateway) -> None:
    foreign = account(shared, TEAM, "foreign", "digits", audience="https://elsewhere.example")
    answer = gateway.ask(f"/{TEAM}/digits/v2/health/ready", foreign)
    assert (answer.status, answer.headers["x-modelyard-reason"]) == (401, "InvalidToken")
    assert "audience" in answer.json()["error"]


def test_a_token_with_another_signature_is_refused(gateway: Gateway, token: str) -> None:
    head, claims, signature = token.split(".")
    forged = f"{head}.{claims}.{signature[:-4]}AAAA"
    answer = gateway.ask(f"/{TEAM}/digits/v2/health/ready", forged)
    assert (answer.status, answer.headers["x-modelyard-reason"]) == (401, "InvalidToken")


def test_a_token_whose_account_is_gone_is_refused(shared: Cluster, gateway: Gateway) -> None:
    gone = account(shared, TEAM, "gone", "digits")
    shared.kubectl("delete", "serviceaccount", "gone", "-n", TEAM)
    answer = gateway.ask(f"/{TEAM}/digits/v2/health/ready", gone)
    assert (answer.status, answer.headers["x-modelyard-reason"]) == (401, "InvalidToken")


def test_headers_with_underscores_and_bodies_that_are_too_long_are_refused(gateway: Gateway, token: str) -> None:
    head = f"POST /{TEAM}/digits/v2/models/digits/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    assert b" 400 " in gateway.raw(f"{head}x_modelyard_user: admin\r\nContent-Length: 0\r\n\r\n".encode())[:20]
    assert b" 413 " in gateway.raw(f"{head}Content-Length: 99999999999\r\n\r\n".encode())[:20]
    assert b" 400 " in gateway.raw(f"{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n".encode())[:20]
    assert b" 431 " in gateway.raw(f"{head}x-long: {'a' * 70_000}\r\n\r\n".encode())[:20]


def test_an_openai_client_gets_an_error_that_it_can_read(gateway: Gateway) -> None:
    error = gateway.ask(f"/{TEAM}/digits/openai/v1/chat/completions", method="POST", body=b"{}").json()["error"]
    assert (error["code"], error["type"]) == ("NoToken", "invalid_request_error")
    assert "Authorization: Bearer" in error["message"]


def test_a_model_that_comes_and_goes(shared: Cluster, gateway: Gateway, pods: list[Pod], token: str) -> None:
    path = f"/{TEAM}/later/v2/health/ready"
    assert gateway.ask(path, token).status == 404
    shared.apply(*serving(TEAM, "later", [PODS[2]], ready=False))
    eventually(lambda: gateway.ask(path, token).status == 503)
    answer = gateway.ask(path, token)
    assert (answer.headers["x-modelyard-reason"], answer.headers["retry-after"]) == ("NotServing", "2")
    shared.apply(*serving(TEAM, "later", [PODS[2]]))
    eventually(lambda: gateway.ask(path, token).status == 200)
    shared.kubectl("delete", "mdep", "later", "-n", TEAM)
    eventually(lambda: gateway.ask(path, token).status == 404)


def test_pods_are_replaced_under_load_without_a_lost_request(
    shared: Cluster, gateway: Gateway, pods: list[Pod], token: str
) -> None:
    path = f"/{TEAM}/rolled/v2/health/ready"
    shared.apply(*serving(TEAM, "rolled", [PODS[0]]))
    eventually(lambda: gateway.ask(path, token).status == 200)
    statuses: dict[int, int] = {}
    seen: set[str] = set()
    for round_ in range(6):
        shared.apply(*serving(TEAM, "rolled", [PODS[round_ % 2]]))
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            answer = gateway.ask(path, token)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            seen.add(answer.json()["pod"])
    assert set(statuses) == {200}
    assert seen == {PODS[0], PODS[1]}


def test_events_come_as_they_are_made(gateway: Gateway, pods: list[Pod], token: str) -> None:
    with gateway.network.connect(("127.0.0.1", 8000)) as connection:
        head = f"GET /{TEAM}/digits/v1/chat/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        connection.sendall(head.encode())
        began, arrived, received = time.monotonic(), [], b""
        while b"data: 4" not in received:
            received += connection.recv(65536)
            arrived.append(time.monotonic() - began)
    assert len(arrived) >= 5, "a proxy that buffers would give all at once"


def test_every_request_leaves_one_line_without_a_token(gateway: Gateway, pods: list[Pod], token: str) -> None:
    gateway.ask(f"/{TEAM}/digits/v2/models/audited?secret=1", token)
    gateway.ask(f"/{OTHER}/audited/v2/health/ready", token)

    def lines() -> list[dict[str, object]]:
        found = [one for one in gateway.access_lines() if "audited" in str(one["path"])]
        assert len(found) == 2, found
        return found

    served, refused = eventually(lines)
    assert (served["user"], served["code"]) == (f"system:serviceaccount:{TEAM}:client", 200)
    assert (served["model"], served["path"]) == (f"{TEAM}.digits.http", f"/{TEAM}/digits/v2/models/audited")
    assert (refused["refused_user"], refused["code"], refused["reason"]) == (served["user"], 403, "Forbidden")
    assert token[:40] not in gateway.envoy_log.read_text()
    assert "secret=1" not in gateway.envoy_log.read_text()


def test_the_door_says_what_kubectl_says(shared: Cluster, gateway: Gateway, token: str) -> None:
    for namespace, name, status in ((TEAM, "digits", 200), (OTHER, "secret", 403)):
        asked = ["create", f"modeldeployments/{name}", "--subresource=inference", "-n", namespace]
        who = f"--as=system:serviceaccount:{TEAM}:client"
        can = shared.kubectl("auth", "can-i", *asked, who, check=False).stdout.strip()
        answer = gateway.ask(f"/{namespace}/{name}/v2/health/ready", token)
        assert (can, answer.status) == ("yes" if status == 200 else "no", status)


def test_no_file_and_no_log_of_the_gateway_holds_a_token(gateway: Gateway, pods: list[Pod], token: str) -> None:
    assert gateway.ask(f"/{TEAM}/digits/v2/health/ready", token).status == 200
    files = [one for one in Path(gateway.folder).parent.rglob("*") if one.is_file()]
    assert len(files) > 3
    assert not [one for one in files if token.encode()[-40:] in one.read_bytes()]


def chat(model: object, size: int = 0) -> bytes:
    """A request for a chat, with so many bytes of text."""
    return json.dumps({"messages": [{"role": "user", "content": "x" * size}], "model": model}).encode()


SHARED = "/openai/v1/embeddings"


@pytest.mark.parametrize("model", [f"{TEAM}/digits", "digits"])
@pytest.mark.parametrize("size", [0, 5_000_000])
def test_the_door_of_all_models_finds_the_one_that_the_body_names(
    gateway: Gateway, pods: list[Pod], token: str, model: str, size: int
) -> None:
    body = chat(model, size)
    answer = gateway.ask(SHARED, token, method="POST", body=body)
    assert answer.status == 200, answer.body
    told = answer.json()
    assert (told["pod"], told["path"], told["bytes"]) == (PODS[0], "/v1/embeddings", len(body))
    assert not {"x-modelyard-model", "authorization"} & set(dict(told["headers"]))


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (chat(f"{OTHER}/secret"), 403, "Forbidden"),
        (chat("secret"), 403, "Forbidden"),
        (chat(f"{TEAM}/absent"), 404, "NoSuchModel"),
        (chat(None), 400, "NoModel"),
        (chat(7), 403, "Forbidden"),
        (chat(["digits"]), 400, "NoModel"),
        (chat(""), 400, "NoModel"),
        (chat("a/b/c"), 400, "NoModel"),
        (b"{", 400, "NoModel"),
        (b"", 400, "NoModel"),
        (b"[1]", 400, "NoModel"),
    ],
)
def test_a_body_that_names_no_model_of_theirs_is_refused(
    gateway: Gateway, pods: list[Pod], token: str, body: bytes, status: int, reason: str
) -> None:
    answer = gateway.ask(SHARED, token, method="POST", body=body)
    assert (answer.status, answer.headers.get("x-modelyard-reason")) == (status, reason), answer.body
    assert answer.json()["error"]["code"] == reason


@pytest.mark.parametrize(
    "model",
    [
        "digits\r\nx-modelyard-user: admin",
        "digits\r\n\r\nGET /team/digits/v2 HTTP/1.1\r\nhost: a\r\n\r\n",
        "digits\u0000",
        "dïgits",
        "digits\t",
    ],
)
def test_a_name_that_would_break_out_of_a_header_never_becomes_one(
    gateway: Gateway, pods: list[Pod], token: str, model: str
) -> None:
    asked = gateway.ask(SHARED, token, method="POST", body=chat(model))
    assert asked.status in {400, 403}
    # And nobody after it gets an answer that is not theirs.
    for _ in range(20):
        assert gateway.ask(f"/{TEAM}/digits/v2", token).status == 200
        assert gateway.ask(f"/{OTHER}/secret/v2", token).status == 403


def test_a_body_is_not_waited_for_before_it_is_known_whose_it_is(gateway: Gateway) -> None:
    head = f"POST {SHARED} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 60000000\r\n\r\n"
    assert gateway.raw(head.encode()).startswith(b"HTTP/1.1 401 ")


def test_a_list_holds_the_models_of_namespaces_that_somebody_may_ask(shared: Cluster, gateway: Gateway) -> None:
    everything = account(shared, TEAM, "everything", "*")
    answer = gateway.ask("/openai/v1/models", everything)
    assert answer.status == 200, answer.body
    assert f"{TEAM}/digits" in [one["id"] for one in answer.json()["data"]]
    assert {one["owned_by"] for one in answer.json()["data"]} == {TEAM}
    assert gateway.ask("/openai/v1/models").status == 401


def test_a_list_is_given_once(gateway: Gateway) -> None:
    assert gateway.ask("/-/00000000000000000000000000000000").status == 401


def test_envoy_has_nothing_to_complain_of(gateway: Gateway) -> None:
    assert "Deprecated field" not in gateway.envoy_log.read_text()
