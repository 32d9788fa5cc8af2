"""Revisions: what is resolved, what cannot be, and which edits make a new one."""

from typing import Any

import msgspec
import pytest

from builders import DEFAULTS, catalog, model, profile, runtime
from modelyard_operator.api.names import ANNOTATION_REFRESH
from modelyard_operator.reasons import Reason, Unresolved
from modelyard_operator.revision import Resolved, intent, resolve


def resolved(parent: Any, *objects: Any) -> Resolved:
    found = resolve(parent, catalog(*objects), DEFAULTS)
    assert isinstance(found, Resolved), found
    return found


UNRESOLVED = [
    pytest.param(
        {"runtime": "vlm"}, Reason.RUNTIME_NOT_FOUND, "known: modelyard-server", id="runtime that is not there"
    ),
    pytest.param(
        {"model": {"uri": "s3://m/d", "format": "onnx"}},
        Reason.NO_RUNTIME_FOR_FORMAT,
        "there is one for package, sklearn, torch",
        id="format that no runtime loads",
    ),
    pytest.param(
        {"model": {"uri": "s3://m/d", "format": "onnx"}, "runtime": "modelyard-server"},
        Reason.NO_RUNTIME_FOR_FORMAT,
        "it loads package, sklearn, torch",
        id="format that the named runtime does not load",
    ),
    pytest.param({"gpu": {"profile": "h200"}}, Reason.PROFILE_NOT_FOUND, "known: none", id="profile that is not there"),
    pytest.param({"model": {"uri": "s3://bucket"}}, Reason.INVALID_SPEC, "spec.model.uri", id="address without a path"),
]


@pytest.mark.parametrize(("spec", "reason", "message"), UNRESOLVED)
def test_unresolved(spec: dict[str, Any], reason: Reason, message: str) -> None:
    found = resolve(model(**spec), catalog(), DEFAULTS)
    assert isinstance(found, Unresolved)
    assert found.reason is reason
    assert message in found.message


def test_a_runtime_for_gpus_only_says_what_to_set() -> None:
    found = resolve(model(), catalog(runtime(gpuRequired=True)), DEFAULTS)
    assert isinstance(found, Unresolved)
    assert "set spec.gpu" in found.message


def test_the_runtime_with_the_highest_priority_wins() -> None:
    better = runtime("better", formats=[{"name": "package", "priority": 5}])
    assert resolved(model(), runtime(), better).runtime_name == "better"


def test_resources_of_the_model_replace_those_of_the_runtime() -> None:
    assert resolved(model()).resources.requests == {"cpu": "250m", "memory": "512Mi"}
    assert resolved(model(resources={"limits": {"memory": "2Gi"}})).resources.requests is None


def test_a_profile_goes_into_the_revision() -> None:
    found = resolved(model(gpu={"profile": "h100"}), profile("h100", memory="80G"))
    assert found.gpu is not None
    assert found.gpu.memory_mib == 76293


SAME_REVISION = [
    pytest.param({"replicas": 3}, id="replicas"),
    pytest.param({"rollout": {"progressDeadline": "1h"}}, id="rollout"),
]
OTHER_REVISION = [
    pytest.param({"model": {"uri": "s3://models/digits/2"}}, id="model"),
    pytest.param({"gpu": {}}, id="gpu"),
    pytest.param({"server": {"batching": {"maxRows": 8}}}, id="server"),
    pytest.param({"podTemplate": {"metadata": {"annotations": {"a": "b"}}}}, id="podTemplate"),
]


@pytest.mark.parametrize("spec", SAME_REVISION)
def test_an_edit_that_changes_no_pod_makes_no_revision(spec: dict[str, Any]) -> None:
    assert resolved(model(**spec)).name == resolved(model()).name


@pytest.mark.parametrize("spec", OTHER_REVISION)
def test_an_edit_that_changes_pods_makes_a_revision(spec: dict[str, Any]) -> None:
    assert resolved(model(**spec)).name != resolved(model()).name
    assert intent(model(**spec)) != intent(model())


def test_a_runtime_edit_changes_the_revision_but_not_the_intent() -> None:
    before, after = resolved(model()), resolved(model(), runtime(image="registry.example/other:2"))
    assert before.name != after.name
    assert before.intent == after.intent


def test_the_refresh_annotation_asks_for_a_new_revision() -> None:
    parent = model()
    annotated = msgspec.structs.replace(
        parent, metadata=msgspec.structs.replace(parent.metadata, annotations={ANNOTATION_REFRESH: "now"})
    )
    assert intent(annotated) != intent(parent)


def test_a_revision_survives_being_written_down() -> None:
    before = resolved(model(gpu={"count": 2, "product": ["h100"]}))
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(before)), Resolved) == before
