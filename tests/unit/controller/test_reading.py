"""Objects that were stored under an older schema."""

import msgspec
import pytest

from modelyard_operator.api.model_status import ModelDeploymentStatus
from modelyard_operator.reading import from_body, from_raw

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
