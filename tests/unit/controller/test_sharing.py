"""Strings that many objects hold are held once, and Python may forget them again."""

import msgspec

from builders import model
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.objects import Pod
from modelyard_operator.sharing import shared

POD = b"""{"metadata": {"name": "p", "namespace": "team", "resourceVersion": "7", "labels": {"app": "some-app"}},
 "status": {"phase": "Running", "containerStatuses": [{"name": "server", "image": "registry.example/server:1"}],
 "conditions": [{"type": "Ready", "status": "True", "message": "every pod has a node"}]}}"""


def pod() -> Pod:
    return shared(msgspec.json.decode(POD, type=Pod))


def test_strings_of_two_objects_are_the_same_ones_at_every_depth() -> None:
    one, other = pod(), pod()
    assert one == msgspec.json.decode(POD, type=Pod)
    assert one.metadata.labels["app"] is other.metadata.labels["app"]
    assert one.status.conditions[0].message is other.status.conditions[0].message
    assert one.status.container_statuses[0].image is other.status.container_statuses[0].image


def test_a_resource_version_is_left_alone_since_no_two_objects_have_the_same() -> None:
    assert pod().metadata.resource_version is not pod().metadata.resource_version


def test_lists_are_shared_in_place() -> None:
    raw = msgspec.json.encode(model())
    found = msgspec.json.decode(raw, type=ModelDeployment)
    assert shared(found) is found
    assert found == model()
