"""Objects as they are stored: under an older schema, or with more than decisions need."""

import msgspec
import pytest

from modelyard_operator.api.model_status import ModelDeploymentStatus
from modelyard_operator.reading import child_from_raw, from_body, from_raw, pod_from_raw

METADATA = {"name": "digits", "namespace": "team", "uid": "u", "resourceVersion": "7"}


def test_what_can_be_read_is_kept_with_the_cause() -> None:
    spec = {"model": {"uri": "s3://models/digits/1"}, "server": {"loadTimeout": "10000000s"}, "replicas": 3}
    found = from_raw(msgspec.Raw(msgspec.json.encode({"metadata": METADATA, "spec": spec, "status": {"url": "u"}})))
    assert (found.metadata.name, found.spec.replicas, found.status.url) == ("digits", 3, "u")
    assert "$.spec.server.loadTimeout" in found.unreadable


def test_a_status_that_cannot_be_read_is_written_anew() -> None:
    found = from_body({"metadata": METADATA, "spec": {}, "status": {"replicas": "many"}})
    assert found.status == ModelDeploymentStatus()


def test_without_metadata_there_is_nothing_to_keep() -> None:
    with pytest.raises(msgspec.ValidationError):
        from_body({"metadata": {}, "spec": {}})


def test_of_a_pod_and_a_deployment_only_what_decisions_depend_on_is_kept() -> None:
    def condition(kind: str, status: str = "True", reason: str = "") -> dict[str, str]:
        return {"type": kind, "status": status, "reason": reason}

    conditions = [condition(kind) for kind in ("Initialized", "PodScheduled", "ContainersReady", "Ready")]
    pod = {"metadata": {"name": "p", "annotations": {"a": "b"}}, "status": {"conditions": conditions}}
    found = pod_from_raw(msgspec.json.encode(pod))
    assert [one.type for one in found.status.conditions] == ["PodScheduled", "Ready"]
    assert found.metadata.annotations == {}
    conditions = [
        condition("Available"),
        condition("Progressing", "False", "ProgressDeadlineExceeded"),
        condition("ReplicaFailure"),
        condition("Progressing", "True", "ReplicaSetUpdated"),
    ]
    child = child_from_raw(msgspec.json.encode({"metadata": {"name": "d"}, "status": {"conditions": conditions}}))
    assert [one.reason or one.type for one in child.status.conditions] == ["ProgressDeadlineExceeded", "ReplicaFailure"]
