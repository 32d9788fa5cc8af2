"""What the caches hold of one model. Pure data."""

from collections.abc import Sequence

from msgspec import Struct

from .api.objects import Child, Pod, ResourceClaim


class Observed(Struct, frozen=True):
    """Objects that one model controls, its pods and their claims."""

    deployments: Sequence[Child] = ()
    pods: Sequence[Pod] = ()
    history: Sequence[Child] = ()
    services: Sequence[Child] = ()
    budgets: Sequence[Child] = ()
    claim_templates: Sequence[Child] = ()
    claims: Sequence[ResourceClaim] = ()
