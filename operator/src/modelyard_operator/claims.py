"""Claims for devices of one model: which templates are left over, and what its pods were given. Pure."""

from collections.abc import Iterable, Sequence

from .api.model_status import AllocatedDevice
from .api.objects import Child, Pod, ResourceClaim


def left_over(templates: Sequence[Child], pods: Sequence[Pod], keep: str, *, replacing: bool) -> list[Child]:
    """Templates that nobody needs any more: no pod names them, and none that will be made can.

    `keep` is the template of the revision that is asked for; while an old revision is still being replaced its
    Deployment may make pods, so all are kept.
    """
    if replacing:
        return []
    used = {claim.resource_claim_template_name for pod in pods for claim in pod.spec.resource_claims} | {keep}
    return [one for one in templates if one.metadata.name not in used and one.metadata.deletion_timestamp is None]


def allocated(claims: Iterable[ResourceClaim], pods: Iterable[Pod]) -> list[AllocatedDevice]:
    """Devices that these pods got, in the order of their names."""
    names = {pod.metadata.name for pod in pods}
    return [
        AllocatedDevice(pod=owner.name, driver=one.driver, pool=one.pool, device=one.device)
        for claim in sorted(claims, key=lambda claim: claim.metadata.name)
        for owner in claim.metadata.owner_references
        if owner.kind == "Pod" and owner.name in names and claim.status.allocation is not None
        for one in claim.status.allocation.devices.results
    ]
