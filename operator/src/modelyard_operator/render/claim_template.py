"""The ResourceClaimTemplate of a model that asks for devices by a claim (DRA).

Its spec is immutable, so its name carries the hash of it: another request is another template, and revisions that ask
for the same devices share one.
"""

from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.names import model_labels
from modelyard_operator.device_claims import DeviceOption
from modelyard_operator.fingerprint import fingerprint
from modelyard_operator.gpu import GpuRequest
from modelyard_operator.revision import Resolved

from . import Manifest
from .metadata import child_metadata, stamp

# Name of the claim in the pod, and of the only request in the claim.
CLAIM = "gpu"


def claim_template(parent: ModelDeployment, resolved: Resolved) -> Manifest | None:
    """The template, or None when nothing is asked for by a claim, or the user brings a template.

    Kubernetes copies the labels inside it to each claim that it makes, so ours can be told from all others.
    """
    request = resolved.gpu
    if request is None or request.claim is None or request.claim.template:
        return None
    name = claim_template_name(parent.metadata.name, resolved)
    return stamp(
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaimTemplate",
            "metadata": child_metadata(parent, name),
            "spec": {"metadata": {"labels": model_labels(parent.metadata.name)}, "spec": _claim(request)},
        }
    )


def claim_template_name(model: str, resolved: Resolved) -> str:
    """Name of the template that the pods of a revision use; empty when they use none.

    Pods that were rendered before name it themselves, however a later operator would call it.
    """
    request = resolved.gpu
    if request is None or request.claim is None:
        return ""
    if request.claim.template:
        return request.claim.template
    for one in (resolved.rendered or {}).get("spec", {}).get("resourceClaims", []):
        if one["name"] == CLAIM:
            return str(one["resourceClaimTemplateName"])
    return f"{model}-gpu-{fingerprint(_claim(request))}"


def pod_claims(model: str, resolved: Resolved) -> Manifest:
    """The part of a pod's spec that names its claim; empty when there is none."""
    name = claim_template_name(model, resolved)
    return {"resourceClaims": [{"name": CLAIM, "resourceClaimTemplateName": name}]} if name else {}


def _claim(request: GpuRequest) -> Manifest:
    options = request.claim.options if request.claim else []
    if len(options) == 1:
        wanted: Manifest = {"exactly": {"allocationMode": "ExactCount", **_option(options[0], request.count)}}
    else:
        numbered = enumerate(options, 1)
        wanted = {
            "firstAvailable": [
                {"name": f"option-{number}", **_option(option, request.count)} for number, option in numbered
            ]
        }
    return {"devices": {"requests": [{"name": CLAIM, **wanted}]}}


def _option(option: DeviceOption, count: int) -> Manifest:
    found: Manifest = {"deviceClassName": option.device_class, "count": count}
    if option.selectors:
        found["selectors"] = [{"cel": {"expression": one}} for one in option.selectors]
    return found
