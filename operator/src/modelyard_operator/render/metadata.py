"""Metadata that every child carries: labels, owner and the hash of what was applied."""

from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.names import ANNOTATION_SPEC_HASH, API_VERSION, model_labels
from modelyard_operator.fingerprint import fingerprint

from . import Manifest


def owner_reference(parent: ModelDeployment) -> Manifest:
    """The ModelDeployment controls its children, so deleting it deletes them."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelDeployment",
        "name": parent.metadata.name,
        "uid": parent.metadata.uid,
        "controller": True,
    }


def child_metadata(parent: ModelDeployment, name: str, labels: dict[str, str] | None = None) -> Manifest:
    """Name, namespace, labels and owner of a child."""
    return {
        "name": name,
        "namespace": parent.metadata.namespace,
        "labels": model_labels(parent.metadata.name) | (labels or {}),
        "annotations": {},
        "ownerReferences": [owner_reference(parent)],
    }


def stamp(manifest: Manifest) -> Manifest:
    """Write the hash of the object into it: a restarted operator then knows that nothing has to be sent again."""
    stamped = {ANNOTATION_SPEC_HASH: fingerprint(manifest)}
    manifest["metadata"]["annotations"] = manifest["metadata"].get("annotations", {}) | stamped
    return manifest
