"""The ModelRuntimes and AcceleratorProfiles that an installation brings along: what they are, what is to be done. Pure.

Helm and kubectl look up every kind before they create anything, and the API server serves a new CRD only a moment after
it has accepted it: an installation with a CRD and an object of that kind fails by chance. So it hands the operator a
list of these objects, and the operator, which waits for its kinds anyway, writes them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from .api.accelerator_profile import AcceleratorProfileSpec
from .api.model_runtime import ModelRuntimeSpec
from .api.names import ANNOTATION_BUNDLE, ANNOTATION_SPEC_HASH, API_VERSION, LABEL_MANAGED_BY, MANAGED_BY
from .api.objects import ObjectMeta
from .api.scalars import ObjectName
from .render import Manifest
from .render.metadata import stamp

Name = tuple[str, str]  # kind, name
_SPECS = {"ModelRuntime": ModelRuntimeSpec, "AcceleratorProfile": AcceleratorProfileSpec}


class BundleError(Exception):
    """A bundle cannot be used; the message names the entry and the field."""


class Plan(Struct, frozen=True):
    """What is to be done so that the cluster has what the bundle says."""

    write: list[Manifest]
    foreign: list[Name]  # of a name in the bundle, made by somebody else
    dropped: list[Name]  # made of an earlier bundle


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["ModelRuntime", "AcceleratorProfile"]
    name: ObjectName
    spec: dict[str, Any]


def parse(text: bytes, installation: str) -> list[Manifest]:
    """Objects of a bundle, a YAML list of kind, name and spec; `installation` is written into them as their maker."""
    try:
        entries = msgspec.yaml.decode(text, type=list[_Entry] | None) or []
    except msgspec.MsgspecError as error:
        raise BundleError(str(error)) from error
    for entry in entries:
        try:
            msgspec.convert(entry.spec, _SPECS[entry.kind])
        except msgspec.ValidationError as error:
            raise BundleError(f"{entry.kind} {entry.name}: {error}") from error
    return [_manifest(entry, installation) for entry in entries]


def plan(bundle: Iterable[Manifest], live: Mapping[Name, ObjectMeta], installation: str) -> Plan:
    """Compare a bundle with the objects of its kinds. What an installation did not make is never touched by it."""
    bundled = {(one["kind"], one["metadata"]["name"]): one for one in bundle}
    ours = {name for name, metadata in live.items() if metadata.annotations.get(ANNOTATION_BUNDLE) == installation}
    return Plan(
        write=[
            manifest
            for name, manifest in bundled.items()
            if name not in live or (name in ours and _hash(live[name].annotations) != _hash(_annotations(manifest)))
        ],
        foreign=sorted((bundled.keys() & live.keys()) - ours),
        dropped=sorted(ours - bundled.keys()),
    )


def _manifest(entry: _Entry, installation: str) -> Manifest:
    return stamp(
        {
            "apiVersion": API_VERSION,
            "kind": entry.kind,
            "metadata": {
                "name": entry.name,
                "labels": {LABEL_MANAGED_BY: MANAGED_BY},
                "annotations": {ANNOTATION_BUNDLE: installation},
            },
            "spec": entry.spec,
        }
    )


def _annotations(manifest: Manifest) -> Mapping[str, str]:
    found: Mapping[str, str] = manifest["metadata"]["annotations"]
    return found


def _hash(annotations: Mapping[str, str]) -> str | None:
    return annotations.get(ANNOTATION_SPEC_HASH)
