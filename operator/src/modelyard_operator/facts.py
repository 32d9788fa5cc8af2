"""What a reconcile found out about a model, and what it makes of it. Pure data."""

from typing import Literal

from msgspec import Struct

from .api.model_status import AllocatedDevice, RevisionStatus
from .diagnosis import Finding, Package, Stage
from .reasons import Reason, Unresolved
from .revision import Resolved

Truth = Literal["True", "False", "Unknown"]


class Facts(Struct, frozen=True):
    """What a reconcile found out, after it acted."""

    revision: Resolved | Unresolved
    pods: int  # of all revisions
    ready: int  # of the revision that spec asks for
    stage: Stage  # the least that a pod of it has reached
    finding: Finding | None  # what holds it up
    deadline_exceeded: bool
    replaced: bool  # no old revision is meant to serve any more
    revisions: list[RevisionStatus]
    package: Package | None
    selector: str
    url: str
    shortage: str = ""
    claim_template: str = ""  # the ResourceClaimTemplate of the asked revision's pods
    allocated: list[AllocatedDevice] = []  # to pods of that revision


class Verdict(Struct, frozen=True):
    """A condition before it has a time."""

    status: Truth
    reason: Reason
    message: str
