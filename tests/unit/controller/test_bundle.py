"""The bundle of an installation: what is read, what is written, and what is left alone."""

from typing import Any

import pytest

from modelyard_operator.api.names import ANNOTATION_BUNDLE
from modelyard_operator.api.objects import ObjectMeta
from modelyard_operator.bundle import BundleError, Name, parse, plan

OURS = "modelyard-system/modelyard-operator"
RUNTIME = b"- {kind: ModelRuntime, name: server, spec: {image: server:1, formats: [{name: torch}]}}\n"
PROFILE = b"- {kind: AcceleratorProfile, name: a100, spec: {product: [NVIDIA-A100]}}\n"


def live(*manifests: dict[str, Any], **annotations: str) -> dict[Name, ObjectMeta]:
    """The objects as the cluster has them, with annotations changed."""
    return {
        (one["kind"], one["metadata"]["name"]): ObjectMeta(
            name=one["metadata"]["name"], annotations=one["metadata"]["annotations"] | annotations
        )
        for one in manifests
    }


def test_a_bundle_is_a_list_of_kind_name_and_spec() -> None:
    runtime, profile = parse(RUNTIME + PROFILE, OURS)
    assert (runtime["kind"], runtime["metadata"]["name"], runtime["spec"]["image"]) == (
        "ModelRuntime",
        "server",
        "server:1",
    )
    assert profile["apiVersion"] == "modelyard.dev/v1alpha1"
    assert profile["metadata"]["annotations"][ANNOTATION_BUNDLE] == OURS


def test_an_empty_bundle_is_one() -> None:
    assert parse(b"", OURS) == []


WRONG = [
    (b"- {kind: ModelRuntime, name: server}", r"missing required field `spec` - at `\$\[0\]`"),
    (b"- {kind: Secret, name: server, spec: {}}", r"Invalid enum value 'Secret' - at `\$\[0\].kind`"),
    (b"- {kind: ModelRuntime, name: server, spec: {formats: [{name: x}]}}", "ModelRuntime server: .*`image`"),
    (b"- {kind: AcceleratorProfile, name: a, spec: {mig: large}}", r"AcceleratorProfile a: .*`\$\.mig`"),
    (b"- {kind: ModelRuntime, name: server, labels: {}, spec: {}}", "unknown field `labels`"),
    (b"- {", "while parsing"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_named(text: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        parse(text, OURS)


def test_what_is_missing_is_written() -> None:
    bundle = parse(RUNTIME + PROFILE, OURS)
    assert plan(bundle, live(bundle[0]), OURS).write == bundle[1:]


def test_what_is_there_is_not_written_again_even_if_somebody_edited_it() -> None:
    bundle = parse(RUNTIME, OURS)
    found = plan(bundle, live(*bundle), OURS)
    assert (found.write, found.foreign, found.dropped) == ([], [], [])


def test_another_spec_is_written() -> None:
    [before], [after] = parse(RUNTIME, OURS), parse(RUNTIME.replace(b"server:1", b"server:2"), OURS)
    assert plan([after], live(before), OURS).write == [after]


@pytest.mark.parametrize("maker", ["", "research/modelyard-operator"])
def test_what_somebody_else_made_is_left_alone(maker: str) -> None:
    bundle = parse(RUNTIME, OURS)
    found = plan(bundle, live(*parse(PROFILE + RUNTIME, maker)), OURS)
    assert (found.write, found.foreign, found.dropped) == ([], [("ModelRuntime", "server")], [])


def test_what_is_in_the_bundle_no_longer_is_told_and_not_removed() -> None:
    runtime, profile = parse(RUNTIME + PROFILE, OURS)
    found = plan([runtime], live(runtime, profile), OURS)
    assert (found.write, found.dropped) == ([], [("AcceleratorProfile", "a100")])
