"""InferenceKeys on a real API server: made by the operator, judged and counted by the gateway, carried by Envoy."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest

from integration.gateway.envoy_binary import envoy_binary
from integration.gateway.pods import Pod
from integration.gateway.standing import PODS, Answer, Gateway, install, serving, standing
from integration.running import Cluster, Leader, Object, Operator, eventually

pytestmark = pytest.mark.integration

TEAM, OTHER = "keys-team", "keys-other"
PATH = f"/{TEAM}/digits/v2/health/ready"
CHAT = f"/{TEAM}/digits/openai/v1/chat/completions"
KEYS = "/apis/modelyard.dev/v1alpha1/namespaces/{}/inferencekeys"


@pytest.fixture(scope="module")
def operator(
    shared: Cluster, account: Path, leader: Leader, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    leader.end()
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    found = Operator(account, log, MODELYARD_INFERENCE_KEYS="true")
    try:
        eventually(lambda: found.metric("modelyard_leader") == 1)
        yield found
    finally:
        code = found.end()
    assert code == 0
    assert "is forbidden: User" not in log.read_text()
    assert not re.search("myk_[0-9a-f]{8}_", log.read_text())


@pytest.fixture(scope="module")
def gateway(shared: Cluster, operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    for name in (TEAM, OTHER):
        shared.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    shared.apply(*serving(TEAM, "digits", [PODS[0]]), *serving(TEAM, "more", [PODS[0]]))
    shared.apply(*serving(OTHER, "secret", [PODS[1]]))
    folder = tmp_path_factory.mktemp("gateway")
    with standing(install(shared), folder, envoy_binary(), usage_seconds="1", pod_name="gateway-0") as found:
        yield found


@pytest.fixture(scope="module")
def pods(gateway: Gateway) -> Iterator[list[Pod]]:
    found = [Pod(gateway.network, one) for one in PODS]
    yield found
    for one in found:
        one.end()


class Keys:
    """InferenceKeys of the test."""

    def __init__(self, shared: Cluster) -> None:
        self.shared = shared

    def apply(self, name: str, namespace: str = TEAM, **spec: Any) -> None:
        """As a user does."""
        head = {"name": name, "namespace": namespace}
        kind = {"apiVersion": "modelyard.dev/v1alpha1", "kind": "InferenceKey"}
        self.shared.apply({**kind, "metadata": head, "spec": spec})

    def found(self, name: str, namespace: str = TEAM) -> Object:
        """The object."""
        return self.shared.found(f"{KEYS.format(namespace)}/{name}")

    def prefix(self, name: str, namespace: str = TEAM) -> str:
        """How its newest key begins, once it has one."""
        return str(eventually(lambda: self.found(name, namespace).get("status", {}).get("prefix")))

    def secret(self, name: str, namespace: str = TEAM) -> str:
        """The key in the Secret, as a namespace's administrator reads it."""
        prefix = self.prefix(name, namespace)
        found = self.shared.found(f"/api/v1/namespaces/{namespace}/secrets/{name}-inference-key")
        key = base64.b64decode(found["data"]["api-key"]).decode()
        assert key.startswith(prefix)
        return key

    def made(self, name: str, namespace: str = TEAM, **spec: Any) -> str:
        """A new key."""
        self.apply(name, namespace, **spec)
        return self.secret(name, namespace)

    def usage(self, name: str) -> Object:
        """What the status says of its use."""
        return dict(self.found(name)["status"].get("usage", {}))


@pytest.fixture(scope="module")
def keys(shared: Cluster, gateway: Gateway, pods: list[Pod]) -> Keys:
    return Keys(shared)


@pytest.fixture(scope="module")
def good(keys: Keys, gateway: Gateway) -> str:
    found = keys.made("good", models={"names": ["digits"]})
    eventually(lambda: gateway.ask(PATH, found).status == 200)
    return found


def refused(gateway: Gateway, key: str, status: int, path: str = PATH) -> Answer:
    """The answer that refuses a key, as soon as there is one."""

    def asked() -> Answer:
        answer = chat(gateway, key, 1) if path == CHAT else gateway.ask(path, key)
        assert answer.status == status, answer
        return answer

    return eventually(asked)


def chat(gateway: Gateway, key: str, words: int, **more: Any) -> Answer:
    """A chat with a model."""
    body = json.dumps({"words": words, **more}).encode()
    return gateway.ask(CHAT, key, method="POST", body=body, more={"content-type": "application/json"})


def test_a_key_is_shown_in_a_secret_and_only_its_digest_is_kept(keys: Keys, good: str) -> None:
    found = keys.found("good")
    assert [one["sha256"] for one in found["status"]["keys"]] == [hashlib.sha256(good.encode()).hexdigest()]
    assert good not in json.dumps(found)
    [owner] = keys.shared.found(f"/api/v1/namespaces/{TEAM}/secrets/good-inference-key")["metadata"]["ownerReferences"]
    assert owner["uid"] == found["metadata"]["uid"]
    columns = keys.shared.kubectl("get", "ikey", "good", "-n", TEAM).stdout
    assert "Ready" in columns
    assert good[:12] in columns


def test_the_model_hears_who_it_was_and_not_the_key(gateway: Gateway, good: str) -> None:
    told = gateway.ask(f"/{TEAM}/digits/v2/models/digits", good).json()
    headers = dict(told["headers"])
    assert headers["x-modelyard-user"] == f"key:{TEAM}/good#{good[:12]}"
    assert good not in json.dumps(told)


class Attack(NamedTuple):
    """A request that must not get through; KEY stands for a good one."""

    path: str
    headers: dict[str, str]
    status: int
    reason: str


BEARER = {"Authorization": "Bearer KEY"}
ATTACKS = {
    "a model that was not selected": Attack(f"/{TEAM}/more/v2/health/ready", BEARER, 403, "Forbidden"),
    "a model that is not there": Attack(f"/{TEAM}/absent/v2/health/ready", BEARER, 403, "Forbidden"),
    "another namespace": Attack(f"/{OTHER}/secret/v2/health/ready", BEARER, 403, "Forbidden"),
    "dots to another namespace": Attack(
        f"/{TEAM}/digits/../../{OTHER}/secret/v2/health/ready", BEARER, 403, "Forbidden"
    ),
    "in the query": Attack(f"{PATH}?api_key=KEY", {}, 401, "NoToken"),
    "in the query of OpenAI's": Attack(f"{CHAT}?key=KEY&access_token=KEY", {}, 401, "NoToken"),
    "in another header": Attack(PATH, {"api-key": "KEY", "x-api-key": "KEY"}, 401, "NoToken"),
    "in a cookie": Attack(PATH, {"cookie": "key=KEY"}, 401, "NoToken"),
    "as a password": Attack(PATH, {"Authorization": "Basic KEY"}, 401, "InvalidToken"),
    "two keys": Attack(PATH, {"Authorization": "Bearer KEY, Bearer KEY"}, 401, "InvalidToken"),
    "with something behind it": Attack(PATH, {"Authorization": "Bearer KEY0"}, 401, "InvalidKey"),
    "its digest": Attack(PATH, {"Authorization": "Bearer DIGEST"}, 401, "InvalidToken"),
    "an unknown one": Attack(PATH, {"Authorization": f"Bearer myk_00000000_{'0' * 64}"}, 401, "InvalidKey"),
    "the metrics of a pod": Attack(f"/{TEAM}/digits/metrics", BEARER, 404, "NoSuchPath"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused(gateway: Gateway, pods: list[Pod], good: str, attack: Attack) -> None:
    def told(text: str) -> str:
        return text.replace("DIGEST", hashlib.sha256(good.encode()).hexdigest()).replace("KEY", good)

    before = [one.requests for one in pods]
    headers = {name: told(value) for name, value in attack.headers.items()}
    answer = gateway.ask(told(attack.path), more=headers)
    assert (answer.status, answer.headers.get("x-modelyard-reason")) == (attack.status, attack.reason), answer
    assert [one.requests for one in pods] == before
    assert good.encode() not in answer.body


def test_a_flood_of_strange_keys_asks_the_api_server_nothing(gateway: Gateway, good: str) -> None:
    def asked() -> float:
        return gateway.metric("modelyard_api_requests_total", verb="POST")

    before = asked()
    for number in range(300):
        assert gateway.ask(PATH, f"myk_{number:08x}_{'0' * 64}").status == 401
    assert asked() == before
    assert gateway.ask(PATH, good).status == 200


def test_a_deleted_key_is_refused_within_two_seconds(keys: Keys, gateway: Gateway) -> None:
    key = keys.made("revoked")
    eventually(lambda: gateway.ask(PATH, key).status == 200)
    keys.shared.kubectl("delete", "ikey", "revoked", "-n", TEAM)
    deleted = time.monotonic()
    eventually(lambda: gateway.ask(PATH, key).status == 401, pause=0.005)
    assert time.monotonic() - deleted < 2
    who = f"key:#{key[:12]}"
    eventually(lambda: [one for one in gateway.access_lines() if one["refused_user"] == who])


def test_a_key_ends_when_it_says(keys: Keys, gateway: Gateway) -> None:
    key = keys.made("ending", expiresAt="2100-01-01T00:00:00Z")
    eventually(lambda: gateway.ask(PATH, key).status == 200)
    keys.apply("ending", expiresAt="2020-01-01T00:00:00Z")
    answer = refused(gateway, key, 401)
    assert answer.headers["x-modelyard-reason"] in {"ExpiredKey", "InvalidKey"}
    eventually(lambda: "Expired" in keys.found("ending")["status"]["summary"])
    assert "keys" not in keys.found("ending")["status"]


def test_a_key_is_rotated_with_an_overlap(keys: Keys, gateway: Gateway) -> None:
    old = keys.made("rotated", rotation={"overlap": "3s"})
    keys.shared.kubectl("annotate", "ikey", "rotated", "-n", TEAM, "modelyard.dev/rotate=once")
    eventually(lambda: keys.prefix("rotated") != old[:12])
    rotated = time.monotonic()
    new = keys.secret("rotated")
    assert new != old
    eventually(lambda: gateway.ask(PATH, new).status == 200)
    assert gateway.ask(PATH, old).status == 200
    eventually(lambda: gateway.ask(PATH, old).status == 401)
    assert time.monotonic() - rotated > 2
    assert gateway.ask(PATH, new).status == 200


def test_a_secret_of_somebody_else_is_left_alone(keys: Keys) -> None:
    head = {"name": "foreign-inference-key", "namespace": TEAM}
    data = {"api-key": base64.b64encode(b"theirs").decode()}
    keys.shared.apply({"apiVersion": "v1", "kind": "Secret", "metadata": head, "data": data})
    keys.apply("foreign")
    status: Object = eventually(lambda: keys.found("foreign").get("status", {}))
    assert "is not of this InferenceKey" in status["summary"]
    assert "keys" not in status
    assert keys.shared.found(f"/api/v1/namespaces/{TEAM}/secrets/{head['name']}")["data"] == data


def test_requests_a_minute(keys: Keys, gateway: Gateway) -> None:
    key = keys.made("slow", rateLimit={"requestsPerMinute": 3})
    eventually(lambda: gateway.ask("/", key).status == 404)
    answers = [gateway.ask(PATH, key) for _ in range(5)]
    assert [one.status for one in answers] == [200] * 3 + [429] * 2
    assert answers[-1].headers["x-modelyard-reason"] == "TooFast"
    assert 15 <= int(answers[-1].headers["retry-after"]) <= 20


def test_tokens_of_all_kinds_of_answers_are_counted(keys: Keys, gateway: Gateway) -> None:
    key = keys.made("counted")
    eventually(lambda: gateway.ask("/", key).status == 404)
    assert chat(gateway, key, 5).status == 200
    assert chat(gateway, key, 6, stream=True, include_usage=True).body.endswith(b"[DONE]\n\n")
    usage = eventually(lambda: (found := keys.usage("counted")).get("total", {}).get("requests") == 2 and found)
    assert (usage["total"]["promptTokens"], usage["total"]["completionTokens"]) == (14, 11)
    assert usage["period"] == usage["total"]
    assert [one["model"] for one in usage["models"]] == ["digits"]
    # This one does not tell, so each event counts for a token, and four bytes of the prompt.
    chat(gateway, key, 9, stream=True)
    usage = eventually(lambda: (found := keys.usage("counted"))["total"]["requests"] == 3 and found)
    assert usage["total"]["completionTokens"] == 20
    assert gateway.metric("modelyard_gateway_estimated_total") >= 1
    assert gateway.metric("modelyard_gateway_key_tokens_total", key="counted", direction="completion") == 20
    assert gateway.metric("modelyard_gateway_tokens_total", namespace=TEAM, model="digits") > 30


def test_who_leaves_a_stream_pays_for_what_came(keys: Keys, gateway: Gateway, pods: list[Pod]) -> None:
    key = keys.made("leaver")
    eventually(lambda: gateway.ask("/", key).status == 404)
    pods[0].held.clear()
    body = json.dumps({"words": 50, "stream": True, "include_usage": True}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    with gateway.network.connect(("127.0.0.1", 8000)) as connection:
        connection.sendall(head.encode() + body)
        received = b""
        while b"data: " not in received:
            received += connection.recv(65536)
    pods[0].held.set()
    usage = eventually(lambda: (found := keys.usage("leaver")).get("total", {}).get("requests") == 1 and found)
    assert 1 <= usage["total"]["completionTokens"] < 50


def test_a_budget_warns_and_then_stops(keys: Keys, gateway: Gateway) -> None:
    key = keys.made("thrifty", budget={"tokens": 100, "period": "Day", "warnAtPercent": 50})
    eventually(lambda: gateway.ask("/", key).status == 404)
    assert "x-modelyard-warning" not in chat(gateway, key, 50).headers
    warning = eventually(lambda: gateway.ask(PATH, key).headers.get("x-modelyard-warning", ""))
    assert "57 of 100 tokens of this day" in warning
    eventually(lambda: "More than 50 %" in keys.found("thrifty")["status"]["summary"])
    assert chat(gateway, key, 50).status == 200
    answer = refused(gateway, key, 429, CHAT)
    assert answer.json()["error"]["type"] == "insufficient_quota"
    assert answer.headers["x-modelyard-reason"] == "BudgetSpent"
    eventually(lambda: re.search("Budget spent: 1.. of 100", keys.found("thrifty")["status"]["summary"]))
    events = keys.shared.items(f"/api/v1/namespaces/{TEAM}/events")
    told = {one["reason"] for one in events if one["involvedObject"]["name"] == "thrifty"}
    assert {"KeyIssued", "NearlySpent", "Spent"} <= told


def test_tokens_a_minute(keys: Keys, gateway: Gateway) -> None:
    key = keys.made("wordy", rateLimit={"tokensPerMinute": 100})
    eventually(lambda: gateway.ask("/", key).status == 404)
    assert chat(gateway, key, 200).status == 200
    answer = refused(gateway, key, 429, CHAT)
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert int(answer.headers["retry-after"]) > 50


def test_killing_the_process_loses_no_usage(keys: Keys, gateway: Gateway) -> None:
    key = keys.made("survivor")
    eventually(lambda: gateway.ask("/", key).status == 404)
    for _ in range(3):
        for _ in range(10):
            assert chat(gateway, key, 3).status == 200
        gateway.kill_and_begin_anew()
    eventually(lambda: keys.usage("survivor").get("total", {}).get("requests") == 30)
    assert keys.usage("survivor")["total"]["completionTokens"] == 90
    assert keys.usage("survivor")["writer"].startswith("gateway-0/")


def test_no_file_no_log_no_event_and_no_metric_holds_a_key(
    keys: Keys, gateway: Gateway, operator: Operator, good: str
) -> None:
    assert gateway.ask(PATH, good).status == 200
    secret = good.rpartition("_")[2].encode()
    assert "[error]" not in gateway.envoy_log.read_text()
    files = [one for one in Path(gateway.folder).parent.rglob("*") if one.is_file()]
    assert len(files) > 3
    assert not [one for one in files if secret in one.read_bytes()]
    for kind in ("events", "configmaps"):
        assert secret not in json.dumps(keys.shared.items(f"/api/v1/namespaces/{TEAM}/{kind}")).encode()
    assert secret not in operator.path("/metrics").encode()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"rateLimit": {}}, "requestsPerMinute"),
        ({"rotation": {"overlap": "3000h"}}, "at most 2160h"),
        ({"expiresAt": "2027-01-01T00:00:00+02:00"}, "expiresAt"),
        ({"budget": {"tokens": 0}}, "budget.tokens"),
        ({"budget": {"tokens": 1, "period": "Year"}}, "period"),
    ],
)
def test_the_api_server_refuses_what_makes_no_sense(shared: Cluster, spec: Object, message: str) -> None:
    kind = {"apiVersion": "modelyard.dev/v1alpha1", "kind": "InferenceKey"}
    said = shared.refusal({**kind, "metadata": {"name": "x", "namespace": "default"}, "spec": spec})
    assert message in said


def test_openais_own_client_uses_a_key_as_its_api_key(keys: Keys, gateway: Gateway, good: str) -> None:
    limited = keys.made("sdk", rateLimit={"requestsPerMinute": 1})
    eventually(lambda: gateway.ask("/", limited).status == 404)

    def asked(key: str, **more: Any) -> Any:
        base = f"http://127.0.0.1:8000/{TEAM}/digits/openai/v1"
        with gateway.network.inside(), openai.OpenAI(base_url=base, api_key=key, max_retries=0) as client:
            messages: Any = [{"role": "user", "content": "Hello"}]
            found = client.chat.completions.create(
                model="digits", messages=messages, extra_body={"words": 4, "include_usage": True}, **more
            )
            return list(found) if more else found

    assert asked(good).usage.completion_tokens == 4
    assert asked(good, stream=True)[-1].usage.completion_tokens == 4
    with pytest.raises(openai.AuthenticationError, match="not known"):
        asked(f"myk_00000000_{'0' * 64}")
    asked(limited)
    with pytest.raises(openai.RateLimitError, match="faster than it may be"):
        asked(limited)
