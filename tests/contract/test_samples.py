"""Every file of manifests/samples fits the CRDs and becomes objects that Kubernetes accepts, or a reason."""

import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate
import msgspec
import pytest
import yaml

from builders import DEFAULTS, UID, catalog, device_class, runtime
from modelyard_operator import crd, placement
from modelyard_operator.api.accelerator_profile import AcceleratorProfile
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_runtime import ModelRuntime
from modelyard_operator.api.objects import Node
from modelyard_operator.decide import decide
from modelyard_operator.observed import Observed
from modelyard_operator.render.controller_revision import controller_revision
from modelyard_operator.revision import Resolved

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "manifests" / "samples").rglob("*.yaml"))
TEXTS = {path.stem: path.read_text() for path in SAMPLES}
OBJECTS: dict[str, Object] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
MODELS = [name for name, one in OBJECTS.items() if one["kind"] == "ModelDeployment"]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")]
CLASSES = [device_class("gpu.nvidia.com"), device_class("mig.nvidia.com")]
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCHEMAS = {kind.struct.__name__: crd.document(kind)["spec"]["versions"][0]["schema"] for kind in crd.KINDS}
STRUCTS: dict[str, type] = {kind.struct.__name__: kind.struct for kind in crd.KINDS}


def strict(schema: Object) -> Object:
    """The same schema, in which a field that it does not name is an error, as it is with kubectl."""
    found = {key: value for key, value in schema.items() if key not in ("properties", "items", "additionalProperties")}
    if "properties" in schema:
        found["properties"] = {name: strict(field) for name, field in schema["properties"].items()}
        found["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if key in schema:
            found[key] = strict(schema[key])
    return found


def validate(document: Object) -> None:
    """Raise when an object does not fit the CRD of its kind."""
    schema = strict(SCHEMAS[document["kind"]]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    jsonschema.Draft7Validator(schema).validate(document)


def parsed(name: str) -> Any:
    """A sample as the operator reads it."""
    body = OBJECTS[name]
    identity = {"namespace": "team", "uid": UID, "generation": 1}
    return msgspec.convert({**body, "metadata": body["metadata"] | identity}, STRUCTS[body["kind"]], strict=False)


RUNTIMES = [runtime(), *(parsed(name) for name, one in OBJECTS.items() if one["kind"] == "ModelRuntime")]


@pytest.mark.parametrize("name", TEXTS)
class TestEverySample:
    def test_it_fits_its_crd(self, name: str) -> None:
        validate(OBJECTS[name])

    def test_two_lines_tell_what_it_shows(self, name: str) -> None:
        lines = TEXTS[name].splitlines()
        assert [line.startswith("# ") for line in lines[:3]] == [True, True, False]
        assert all(len(line) <= 120 for line in lines)

    def test_it_goes_into_whatever_namespace_kubectl_has(self, name: str) -> None:
        assert set(OBJECTS[name]["metadata"]) == {"name"}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_becomes_objects_that_kubernetes_accepts(name: str) -> None:
    parent = parsed(name)
    assert isinstance(parent, ModelDeployment)
    decision = decide(parent, Observed(), catalog(*CLASSES, *RUNTIMES), DEFAULTS)
    revision = decision.facts.revision
    assert isinstance(revision, Resolved)
    for manifest in [*decision.apply, controller_revision(parent, revision, 1)]:
        kubernetes_validate.validate(msgspec.to_builtins(manifest), "1.37", strict=True)


def test_every_object_in_the_documentation_fits_its_crd() -> None:
    blocks = [block for page in PAGES for block in BLOCK.findall(page.read_text())]
    ours = [block for block in blocks if block.startswith("apiVersion: modelyard.dev/")]
    assert ours
    for block in ours:
        validate(yaml.safe_load(block))


@pytest.mark.parametrize("name", ["word_scores.py", "pyproject.toml", "Dockerfile"])
def test_the_guide_to_ones_own_models_shows_the_example_as_it_is(name: str) -> None:
    shown = (ROOT / "docs/how-to/serve-a-python-model.md").read_text()
    assert f"\n{(ROOT / 'examples/word-scores' / name).read_text()}```" in shown


def test_no_two_samples_have_the_same_name() -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in OBJECTS.values()]
    assert len(set(names)) == len(names)


def test_the_shortest_one_has_six_lines() -> None:
    lines = [line for line in TEXTS["digits"].splitlines() if not line.startswith("#")]
    assert len(lines) <= 6


def test_the_runtime_and_the_profile_serve_a_model_that_names_them() -> None:
    vllm, h100 = parsed("runtime"), parsed("profile")
    assert isinstance(vllm, ModelRuntime)
    assert isinstance(h100, AcceleratorProfile)
    spec = {"model": {"uri": "s3://models/chat/1", "format": "transformers"}, "gpu": {"count": 2, "profile": "h100"}}
    parent = msgspec.convert({"metadata": {"name": "chat", "namespace": "team"}, "spec": spec}, ModelDeployment)
    decision = decide(parent, Observed(), catalog(runtime(), vllm, h100, H100_NODE), DEFAULTS)
    revision = decision.facts.revision
    assert isinstance(revision, Resolved)
    assert revision.runtime_name == "vllm"
    assert revision.gpu is not None
    assert placement.fits_somewhere(revision.gpu, [H100_NODE])


# Labels of GPU feature discovery on an H100 of 80 GB; the driver reports its memory in MiB.
LABELS = {
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
}
H100_NODE = msgspec.convert(
    {"metadata": {"name": "node0", "labels": LABELS}, "status": {"allocatable": {"nvidia.com/gpu": "8"}}}, Node
)
