"""Decisions about claims for devices."""

from typing import Any

import msgspec

from builders import claim, device_class, live, model, pod
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.decide import Removal
from modelyard_operator.observed import Observed
from modelyard_operator.render.claim_template import claim_template
from modelyard_operator.render.deployment import deployment
from unit.controller.deciding import applied, decided, revision

DRA = {"allocation": "DRA"}


AMD = {"allocation": "DRA", "vendor": "amd"}


CLASSES = (device_class("gpu.nvidia.com"), device_class("gpu.amd.com"))


def template(parent: ModelDeployment) -> Any:
    found = claim_template(parent, revision(parent, *CLASSES))
    assert found is not None
    return found


def test_a_claim_template_comes_before_the_deployment_that_names_it() -> None:
    parent = model(gpu=DRA)
    found = decided(parent, Observed(), *CLASSES)
    name = template(parent)["metadata"]["name"]
    assert applied(found)[0] == ("ResourceClaimTemplate", name)
    pods = found.apply[2]["spec"]["template"]["spec"]
    assert pods["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": name}]
    assert pods["containers"][0]["resources"]["claims"] == [{"name": "gpu"}]
    assert found.facts.claim_template == name


def test_a_claim_template_of_the_user_is_named_and_not_made() -> None:
    parent = model(gpu={"resourceClaimTemplateName": "mine"})
    found = decided(parent, Observed(), *CLASSES)
    assert "ResourceClaimTemplate" not in [kind for kind, _ in applied(found)]
    assert found.facts.claim_template == "mine"


def test_revisions_that_ask_for_the_same_devices_share_a_template() -> None:
    first, second = model(gpu=DRA), model(gpu=DRA, model={"uri": "s3://models/digits/2"})
    assert template(first) == template(second)
    found = decided(second, Observed(claim_templates=[live(template(first))]), *CLASSES)
    assert "ResourceClaimTemplate" not in [kind for kind, _ in applied(found)]


def test_pods_that_were_rendered_before_keep_the_name_of_their_template() -> None:
    asked = revision(model(gpu=DRA), *CLASSES)
    spec = {"resourceClaims": [{"name": "mine"}, {"name": "gpu", "resourceClaimTemplateName": "digits-gpu-before"}]}
    spec["resourceClaims"][0]["resourceClaimName"] = "mine"
    before = msgspec.structs.replace(asked, rendered={"spec": spec})
    found = claim_template(model(gpu=DRA), before)
    assert found is not None
    assert found["metadata"]["name"] == "digits-gpu-before"


def test_a_superseded_template_goes_after_the_last_pod_that_names_it() -> None:
    before, after = model(gpu=DRA), model(gpu=AMD)
    old, new = template(before), template(after)
    asked = revision(after, *CLASSES)
    own = live(deployment(after, asked, 1), status={"readyReplicas": 1})
    ready = pod(asked.name, ready=True, template=new["metadata"]["name"])
    leaving = pod("r0", "leaving", deleted=True, template=old["metadata"]["name"])
    both = Observed(deployments=[own], pods=[ready, leaving], claim_templates=[live(old), live(new)])
    assert decided(after, both, *CLASSES).delete == []
    gone = msgspec.structs.replace(both, pods=[ready])
    assert decided(after, gone, *CLASSES).delete == [Removal("ResourceClaimTemplate", old["metadata"]["name"], "live")]


def test_devices_of_the_asked_revision_are_told() -> None:
    parent = model(gpu=DRA)
    name = revision(parent, *CLASSES).name
    pods = [pod(name, "a"), pod("older", "b")]
    found = decided(parent, Observed(pods=pods, claims=[claim("a", "gpu-0"), claim("b", "gpu-1")]), *CLASSES)
    assert [one.device for one in found.facts.allocated] == ["gpu-0"]
