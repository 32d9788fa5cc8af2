"""The fake answers as a real API server does: the same requests to both, their answers compared."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from faults.conformance.requests import FAILED_TEST, MANAGER, SCRIPTS, Step, children, core
from faults.conformance.servers import Fake, Real, Server
from modelyard_operator.reconcile import TERMINATING

pytestmark = pytest.mark.integration

Body = Any
# What no two servers have in common, or what the fake does not keep.
_OWN = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "clusterIP", "clusterIPs", "details"}


def masked(body: Body) -> Body:
    """An answer without what may differ."""
    if isinstance(body, dict):
        kept = {name: masked(value) for name, value in body.items() if name not in _OWN}
        # An object that another controller has looked at has a status; its shape is the world's business.
        if kept.get("kind") in ("Deployment", "PodDisruptionBudget"):
            kept.pop("status", None)
            kept["metadata"] = {k: v for k, v in kept["metadata"].items() if k != "annotations"} | _own_annotations(
                kept
            )
        return kept
    return [masked(value) for value in body] if isinstance(body, list) else body


def _own_annotations(body: Body) -> Body:
    annotations = body["metadata"].get("annotations", {})
    return {"annotations": {key: value for key, value in annotations.items() if "deployment.kubernetes.io" not in key}}


def filled(value: Body, last: Body) -> Body:
    """The request with the uid and the version of the object that was returned last."""
    text = json.dumps(value)
    metadata = last.get("metadata", {}) if isinstance(last, dict) else {}
    text = text.replace("{uid}", metadata.get("uid", "")).replace("{version}", metadata.get("resourceVersion", ""))
    return json.loads(text)


def answers(server: Server, steps: list[Step]) -> list[tuple[str, int, Body]]:
    """What a server says to each step, and whether it made a new version."""
    found: list[tuple[str, int, Body]] = []
    last: Body = {}
    for step in steps:
        body = None if step.body is None else filled(step.body, last)
        status, raw = server.send(step.method, step.path, body, step.content_type)
        answer = json.loads(raw)
        if step.method == "DELETE" and status == 200:
            # Some kinds answer with the object, others with a Status.
            answer = {}
        found.append((step.what, status, masked(answer)))
        last = answer if status < 300 else last
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_both_answer_alike(fake: Fake, real: Real, namespace: str, script: str) -> None:
    steps = list(SCRIPTS[script](namespace))
    expected, found = answers(real, steps), answers(fake, steps)
    for (what, real_status, real_body), (_, fake_status, fake_body) in zip(expected, found, strict=True):
        assert (what, fake_status) == (what, real_status), (fake_body, real_body)
        if fake_status < 300:
            assert (what, fake_body) == (what, real_body)
        else:
            assert (what, fake_body["reason"]) == (what, real_body["reason"])


def test_a_test_that_fails_is_not_named_in_the_answer(fake: Fake, real: Real, namespace: str) -> None:
    said = [
        body["message"]
        for server in (real, fake)
        for what, _, body in answers(server, list(SCRIPTS["statuses"](namespace)))
        if what == FAILED_TEST
    ]
    assert said == ["the server rejected our request due to an error in our request"] * 2


@pytest.mark.parametrize("index", range(5))
def test_applying_the_same_makes_no_version(fake: Fake, real: Real, namespace: str, index: int) -> None:
    path, body = children(namespace)[index]
    for server in (real, fake):
        first = json.loads(server.send("PATCH", path, body, "application/apply-patch+yaml")[1])
        again = json.loads(server.send("PATCH", path, body, "application/apply-patch+yaml")[1])
        assert again["metadata"].get("generation") == first["metadata"].get("generation")
        if "Budget" not in body["kind"] and body["kind"] != "Deployment":
            # Controllers write the status of these two in between.
            assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def config_maps(server: Server, namespace: str, count: int) -> list[str]:
    """Make some objects; their versions."""
    versions = []
    for number in range(count):
        labels = {"parity": "odd" if number % 2 else "even", "number": str(number)}
        body = {"metadata": {"name": f"one-{number}", "labels": labels}, "data": {"a": "b"}}
        answer = json.loads(server.send("POST", core(namespace, "configmaps"), body, "application/json")[1])
        versions.append(answer["metadata"]["resourceVersion"])
    return versions


def listed(server: Server, path: str) -> tuple[list[str], Body]:
    """Names and metadata of a list."""
    status, raw = server.send("GET", path)
    assert status == 200, raw
    body = json.loads(raw)
    return [one["metadata"]["name"] for one in body["items"] if one["metadata"]["name"] != "kube-root-ca.crt"], body[
        "metadata"
    ]


def test_pages_show_one_moment(fake: Fake, real: Real, namespace: str) -> None:
    for server in (real, fake):
        config_maps(server, namespace, 5)
        path = core(namespace, "configmaps", query="limit=2&labelSelector=parity")
        names, metadata = listed(server, path)
        assert names == ["one-0", "one-1"]
        server.send("DELETE", core(namespace, "configmaps", "one-4"))
        more, rest = listed(server, f"{path}&continue={metadata['continue']}")
        last, end = listed(server, f"{path}&continue={rest['continue']}")
        assert (more, last) == (["one-2", "one-3"], ["one-4"])
        assert "continue" not in end
        assert rest["resourceVersion"] == end["resourceVersion"] == metadata["resourceVersion"]


@pytest.mark.parametrize(
    ("selector", "numbers"),
    [
        ("parity=odd", "13"),
        ("parity!=odd,parity", "024"),
        ("number in (0,3)", "03"),
        ("number notin (0,3),number", "124"),
        ("number,!absent", "01234"),
    ],
)
def test_selectors_select_the_same(fake: Fake, real: Real, namespace: str, selector: str, numbers: str) -> None:
    for server in (real, fake):
        config_maps(server, namespace, 5)
        names, _ = listed(server, core(namespace, "configmaps", query=f"labelSelector={selector.replace(' ', '%20')}"))
        assert names == [f"one-{number}" for number in numbers]


def watched(server: Server, namespace: str, query: str) -> list[tuple[str, str]]:
    """What a watch of a second tells."""
    _, raw = server.send("GET", core(namespace, "configmaps", query=f"watch=1&timeoutSeconds=1&{query}"))
    events = [json.loads(line) for line in raw.splitlines()]
    return [(one["type"], one["object"].get("metadata", {}).get("name", "")) for one in events]


def test_a_watch_tells_what_happened_since_a_version(fake: Fake, real: Real, namespace: str) -> None:
    for server in (real, fake):
        version = config_maps(server, namespace, 3)[0]
        path = core(namespace, "configmaps", "one-1")
        server.send("PATCH", path, {"data": {"a": "c"}}, "application/merge-patch+json")
        server.send("DELETE", path)
        assert watched(server, namespace, f"resourceVersion={version}&labelSelector=parity") == [
            ("ADDED", "one-1"),
            ("ADDED", "one-2"),
            ("MODIFIED", "one-1"),
            ("DELETED", "one-1"),
        ]


def test_an_object_comes_into_a_selection_and_leaves_it(fake: Fake, real: Real, namespace: str) -> None:
    for server in (real, fake):
        version = config_maps(server, namespace, 1)[0]
        path = core(namespace, "configmaps", "one-0")
        for parity in ("odd", "even"):
            server.send("PATCH", path, {"metadata": {"labels": {"parity": parity}}}, "application/merge-patch+json")
        found = watched(server, namespace, f"resourceVersion={version}&labelSelector=parity%3Dodd")
        assert found == [("ADDED", "one-0"), ("DELETED", "one-0")]


def test_a_child_of_nobody_is_collected(fake: Fake, real: Real, namespace: str) -> None:
    for server in (real, fake):
        config_maps(server, namespace, 1)
        path = core(namespace, "configmaps", "one-0")
        owner = json.loads(server.send("GET", path)[1])["metadata"]["uid"]
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "one-0", "uid": owner}
        child = {"metadata": {"name": "child", "ownerReferences": [reference]}}
        server.send("POST", core(namespace, "configmaps"), child, "application/json")
        server.send("DELETE", path)
        orphan = {"metadata": {"name": "orphan", "ownerReferences": [{**reference, "uid": "nobody"}]}}
        server.send("POST", core(namespace, "configmaps"), orphan, "application/json")
        for name in ("child", "orphan"):
            eventually(partial(is_gone, server, core(namespace, "configmaps", name)))


def is_gone(server: Server, path: str) -> bool:
    """Whether there is no such object."""
    return server.send("GET", path)[0] == 404


def eventually(check: Callable[[], bool]) -> None:
    """Wait for a controller."""
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline, "never became true"
        time.sleep(0.05)


def test_a_finalizer_keeps_an_object_until_it_is_removed(fake: Fake, real: Real, namespace: str) -> None:
    for server in (real, fake):
        body = {"metadata": {"name": "kept", "finalizers": ["example.com/wait"]}}
        server.send("POST", core(namespace, "configmaps"), body, "application/json")
        path = core(namespace, "configmaps", "kept")
        server.send("DELETE", path)
        assert "deletionTimestamp" in json.loads(server.send("GET", path)[1])["metadata"]
        server.send("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
        assert server.send("GET", path)[0] == 404


def test_a_namespace_that_is_being_deleted_says_so_in_the_words_that_are_looked_for(real: Real, namespace: str) -> None:
    kept = {"metadata": {"name": "kept", "finalizers": ["example.com/wait"]}}
    real.send("POST", core(namespace, "configmaps"), kept, "application/json")
    real.send("DELETE", f"/api/v1/namespaces/{namespace}")
    status, raw = real.send("POST", core(namespace, "configmaps"), {"metadata": {"name": "late"}}, "application/json")
    release = {"metadata": {"finalizers": None}}
    real.send("PATCH", core(namespace, "configmaps", "kept"), release, "application/merge-patch+json")
    assert status == 403
    assert TERMINATING in json.loads(raw)["message"]


def test_the_manager_must_be_named(fake: Fake, real: Real, namespace: str) -> None:
    path, body = children(namespace)[0]
    for server in (real, fake):
        assert server.send("PATCH", path.replace(MANAGER, ""), body, "application/apply-patch+yaml")[0] in (400, 422)
