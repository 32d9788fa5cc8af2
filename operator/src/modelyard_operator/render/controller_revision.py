"""The ControllerRevision: a revision that was Ready once, kept so that it can be run again."""

from collections.abc import Mapping
from typing import Any

import msgspec

from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.names import LABEL_INTENT, LABEL_REVISION
from modelyard_operator.revision import Resolved

from . import Manifest
from .deployment import deployment_name
from .metadata import child_metadata, stamp
from .pod import pod_template


def controller_revision(
    parent: ModelDeployment, resolved: Resolved, number: int, written: Mapping[str, Any] | None = None
) -> Manifest:
    """The record of a revision; `number` counts up, as in `kubectl rollout history`.

    `written` is the content of a record that exists: it is immutable.
    """
    labels = {LABEL_REVISION: resolved.name, LABEL_INTENT: resolved.intent}
    return stamp(
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": child_metadata(parent, deployment_name(parent.metadata.name, resolved.name), labels),
            "revision": number,
            "data": written or _content(parent, resolved),
        }
    )


def _content(parent: ModelDeployment, resolved: Resolved) -> Mapping[str, Any]:
    """The revision with its pods as they are; the user's podTemplate is in them, so it is not kept a second time."""
    found: Mapping[str, Any] = msgspec.to_builtins(
        msgspec.structs.replace(resolved, rendered=pod_template(parent, resolved), pod_template=None)
    )
    return found
