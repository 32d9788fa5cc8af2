"""Where a model answers, by what the API server tells."""

import msgspec

from modelyard_gateway.directory import Directory
from unit.gateway.objects import model, pod, pods


def directory() -> tuple[Directory, list[tuple[str, str]]]:
    changed: list[tuple[str, str]] = []
    return Directory(changed.append), changed


def test_a_model_serves_at_the_ready_addresses_of_its_slices_each_once() -> None:
    found, changed = directory()
    found.models.put(model())
    found.slices.put(pods("2", pod("10.0.0.2"), pod("10.0.0.1", ready=None), pod("10.0.0.3", ready=False)))
    found.slices.put(pods("3", pod("10.0.0.2"), pod("10.0.0.4"), name="two"))
    place = found.find("team", "digits")
    assert place is not None
    assert place.addresses["http"] == (("10.0.0.1", 8080), ("10.0.0.2", 8080), ("10.0.0.4", 8080))
    assert place.addresses["grpc"][0] == ("10.0.0.1", 9000)
    assert (place.cluster("http"), place.cluster("grpc")) == ("team.digits.http", "team.digits.grpc")
    assert changed == [("team", "digits")] * 3


def test_a_model_without_a_ready_address_serves_nowhere() -> None:
    found, _ = directory()
    found.models.put(model())
    found.slices.put(pods("2", pod("10.0.0.3", ready=False), {"addresses": []}))
    found.slices.put(pods("2", name="empty", endpoints=None, ports=None))
    place = found.find("team", "digits")
    assert place is not None
    assert place.cluster("http") is None


def test_a_slice_without_its_model_is_none() -> None:
    found, _ = directory()
    found.slices.put(pods("2", pod("10.0.0.1")))
    assert found.find("team", "digits") is None


def test_a_slice_of_somebody_else_concerns_no_model() -> None:
    found, changed = directory()
    foreign = pods("2", pod("10.0.0.1"))
    head = msgspec.structs.replace(foreign.metadata, labels={})
    found.slices.put(msgspec.structs.replace(foreign, metadata=head))
    assert changed == []
