"""What the operator owns of an object, and the same for another model."""

from __future__ import annotations

from typing import Any

from bench.control_plane.children import manifest, owned, renamed


def live() -> dict[str, Any]:
    fields = {
        "f:metadata": {"f:labels": {"f:modelyard.dev/model": {}}, "f:ownerReferences": {'k:{"uid":"1"}': {}}},
        "f:spec": {"f:ports": {'k:{"port":80}': {".": {}, "f:port": {}}}, "f:selector": {}, "f:gone": {}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "m0",
            "namespace": "a",
            "uid": "9",
            "labels": {"modelyard.dev/model": "m0", "added": "by somebody"},
            "ownerReferences": [{"uid": "1"}],
            "managedFields": [
                {"manager": "modelyard", "fieldsV1": fields},
                {"manager": "modelyard", "subresource": "status", "fieldsV1": {"f:status": {}}},
                {"manager": "kube-controller-manager", "fieldsV1": {"f:spec": {"f:clusterIP": {}}}},
            ],
        },
        "spec": {
            "clusterIP": "10.0.0.1",
            "selector": {"app": "m0"},
            "ports": [{"port": 80, "protocol": "TCP"}, {"port": 81}],
        },
    }


def test_only_what_the_operator_asked_for_is_applied_again_without_an_owner() -> None:
    assert manifest(live()) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "m0", "namespace": "a", "labels": {"modelyard.dev/model": "m0"}},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "m0"}},
    }


def test_an_owned_value_of_a_set_is_kept_and_the_others_are_not() -> None:
    assert owned(["a", "b"], {'v:"b"': {}}) == ["b"]


def test_another_model_has_the_name_wherever_it_stood_alone_or_began_a_name() -> None:
    template: dict[str, Any] = {
        "metadata": {"name": "m0-0123456789", "namespace": "a"},
        "spec": {"x": ["m0", "s3://m0/1", "m01"]},
    }
    assert renamed(template, "m0", "b", "m7") == {
        "metadata": {"name": "m7-0123456789", "namespace": "b"},
        "spec": {"x": ["m7", "s3://m0/1", "m01"]},
    }
    assert template["metadata"]["name"] == "m0-0123456789"
