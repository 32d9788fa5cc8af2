"""The audit log: one request from one line, and a reader that goes on where it stopped."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from modelyard_local import audit
from modelyard_local.audit import AuditLog, parse


def line(**fields: Any) -> str:
    """A line of the log, about the status of a model."""
    event = {
        "verb": "patch",
        "user": {"username": "admin", "extra": {audit.CREDENTIAL: ["JTI=1"]}},
        "userAgent": "kubectl",
        "objectRef": {"resource": "modeldeployments", "subresource": "status", "namespace": "a", "name": "b"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "1970-01-01T00:00:01.500000Z",
        "stageTimestamp": "1970-01-01T00:00:02.000000Z",
        **fields,
    }
    return json.dumps(event) + "\n"


def test_a_line_tells_who_did_what_to_which_object() -> None:
    found = parse(line())
    assert found == audit.Request(
        1.5, 2.0, "admin", "JTI=1", "kubectl", "patch", "modeldeployments", "status", "a", "b", 200
    )


@pytest.mark.parametrize(
    ("verb", "writes"), [("create", True), ("patch", True), ("deletecollection", True), ("list", False), ("get", False)]
)
def test_a_write_is_told_from_a_read(verb: str, writes: bool) -> None:
    found = parse(line(verb=verb))
    assert found is not None
    assert found.writes is writes


def test_a_client_certificate_has_no_credential() -> None:
    found = parse(line(user={"username": "admin"}))
    assert found is not None
    assert found.credential == ""


def test_a_request_of_no_resource_is_left_out() -> None:
    assert parse(json.dumps({"verb": "get", "requestURI": "/readyz", "user": {}})) is None


def test_a_token_has_the_name_that_the_log_gives_it() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"jti": "0a-1b"}).encode()).decode().rstrip("=")
    assert audit.credential(f"head.{claims}.signature") == "JTI=0a-1b"


def test_a_reader_goes_on_after_what_it_read_and_waits_for_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(line(verb="get") + line(verb="list")[:20])
    log = AuditLog(path)
    assert [one.verb for one in log.read()] == ["get"]
    path.write_text(line(verb="get") + line(verb="list"))
    assert [one.verb for one in log.read()] == ["list"]


def test_what_was_skipped_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(line())
    log = AuditLog(path)
    log.skip()
    assert list(log.read()) == []


def test_the_components_of_kubernetes_are_not_logged() -> None:
    first, second, rest = json.loads(audit.policy())["rules"]
    assert "system:kube-scheduler" in first["users"]
    assert second["userGroups"] == ["system:serviceaccounts:kube-system"]
    assert (first["level"], second["level"], rest["level"]) == ("None", "None", "Metadata")
