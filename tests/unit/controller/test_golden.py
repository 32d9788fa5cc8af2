"""Golden renders: `in.yaml` is what a user applies, `out.yaml` what the operator makes of it.

`MODELYARD_UPDATE_GOLDEN=1 pytest tests/unit/controller/test_golden.py` writes the outputs anew; read the diff.
"""

import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import msgspec
import pytest
import yaml

from builders import DEFAULTS, UID, catalog, device_class, profile
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.decide import decide
from modelyard_operator.observed import Observed
from modelyard_operator.render.controller_revision import controller_revision
from modelyard_operator.render.network_policy import network_policy
from modelyard_operator.revision import Resolved

CASES = sorted((Path(__file__).parents[2] / "golden").iterdir())
H100 = profile(product=["H100"], nodeSelector={"pool": "fast"}, tolerations=[{"key": "fast", "operator": "Exists"}])
CLASSES = [device_class("gpu.nvidia.com"), device_class("mig.nvidia.com")]


def rendered(case: Path) -> list[dict[str, Any]]:
    body = yaml.safe_load((case / "in.yaml").read_text())
    body["metadata"] |= {"namespace": "team", "uid": UID, "generation": 1}
    parent = msgspec.convert(body, ModelDeployment)
    decision = decide(parent, Observed(), catalog(H100, *CLASSES), DEFAULTS)
    revision = decision.facts.revision
    assert isinstance(revision, Resolved)
    return [*decision.apply, controller_revision(parent, revision, 1), network_policy("team")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path) -> None:
    text = yaml.safe_dump_all(rendered(case), sort_keys=False, width=120)
    if os.environ.get("MODELYARD_UPDATE_GOLDEN"):
        (case / "out.yaml").write_text(text)
    assert text == (case / "out.yaml").read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_object_fits_the_schema_of_kubernetes(case: Path) -> None:
    for manifest in rendered(case):
        kubernetes_validate.validate(msgspec.to_builtins(manifest), "1.37", strict=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pods_satisfy_the_restricted_standard(case: Path) -> None:
    pod = next(one for one in rendered(case) if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["initContainers"] + pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True


def test_only_the_fetch_container_sees_credentials() -> None:
    for case in CASES:
        pod = next(one for one in rendered(case) if one["kind"] == "Deployment")["spec"]["template"]["spec"]
        for container in pod["containers"]:
            assert "credentials" not in [mount["name"] for mount in container["volumeMounts"]]


def test_default_credentials_never_go_to_a_web_server() -> None:
    case = next(case for case in CASES if case.name == "https")
    volumes = next(one for one in rendered(case) if one["kind"] == "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert DEFAULTS.credentials not in str(volumes)
