"""What a reconcile found out about a model, and what it makes of it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from . import claims, diagnosis, placement, rollout
from .api.model_deployment import ModelDeployment
from .api.model_status import AllocatedDevice, RevisionStatus, RolloutStatus
from .api.names import LABEL_REVISION, model_labels
from .api.objects import Child, Node
from .diagnosis import Finding, Package, Stage
from .observed import Observed
from .reasons import CATALOGUE, ConditionType, Reason, Unresolved
from .render.claim_template import claim_template_name
from .render.service import url
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
    rollout: RolloutStatus | None = None  # while an old revision is being replaced
    claim_template: str = ""  # the ResourceClaimTemplate of the asked revision's pods
    allocated: list[AllocatedDevice] = []  # to pods of that revision


class Verdict(Struct, frozen=True):
    """A condition before it has a time."""

    status: Truth
    reason: Reason
    message: str


class Plan(NamedTuple):
    """How many replicas of each revision there are, and the step that is taken from there; none when unresolved."""

    current: Mapping[str, rollout.Current]
    step: rollout.Step | None


def gather(
    parent: ModelDeployment,
    observed: Observed,
    revision: Resolved | Unresolved,
    nodes: Sequence[Node],
    plan: Plan,
) -> Facts:
    """What is true once the step is taken, so that nothing is left to tell until something else happens."""
    resolved = revision if isinstance(revision, Resolved) else None
    name, request = (resolved.name, resolved.gpu) if resolved else ("", None)
    mine = [one for one in observed.pods if one.metadata.labels.get(LABEL_REVISION) == name]
    own = [one for one in observed.deployments if one.metadata.labels.get(LABEL_REVISION) == name]
    live = diagnosis.live_pods(mine)
    findings = [diagnosis.examine(pod, request) for pod in live]
    others = [diagnosis.examine_deployment(one) for one in own] + [diagnosis.preempted(one) for one in mine]
    ready = _ready(findings, own)
    complete = ready >= parent.spec.replicas > 0
    worst = None if complete else diagnosis.worst([*findings, *(one for one in others if one)])
    step, current = plan.step, plan.current
    return Facts(
        revision=revision,
        pods=len(diagnosis.live_pods(observed.pods)),
        ready=ready,
        stage=_stage(findings, parent.spec.replicas),
        finding=_explained(worst, resolved, nodes) if worst else None,
        deadline_exceeded=any(diagnosis.deadline_exceeded(one) for one in own),
        replaced=step is not None
        and not any(step.old.values())
        and not any(one.ready for one in current.values() if one.name != name),
        revisions=_revisions(name, plan),
        package=diagnosis.package(mine),
        selector=",".join(f"{key}={value}" for key, value in model_labels(parent.metadata.name).items()),
        url=url(parent),
        rollout=_rollout(parent, plan, complete=complete),
        claim_template=claim_template_name(parent.metadata.name, resolved) if resolved else "",
        allocated=claims.allocated(observed.claims, live),
    )


def _explained(finding: Finding, revision: Resolved | None, nodes: Sequence[Node]) -> Finding:
    """The finding with the scheduler's counts in plain words, joined with what the nodes say."""
    reason = finding.reason
    if revision is None or reason is None or CATALOGUE[reason].condition is not ConditionType.SCHEDULED:
        return finding
    request, scheduling = revision.gpu, revision.scheduling
    wanted = placement.Wanted(
        request,
        (request.node_selector if request else {}) | scheduling.node_selector,
        [*(request.tolerations if request else []), *scheduling.tolerations],
    )
    return finding._replace(message=placement.explain(finding.message, wanted, nodes))


def _rollout(parent: ModelDeployment, plan: Plan, *, complete: bool) -> RolloutStatus | None:
    """How the old revisions are being replaced; None when there are none, or only what is left of them leaves."""
    step = plan.step
    if step is None or not step.message or not step.old or (complete and not any(step.old.values())):
        return None
    return RolloutStatus(strategy=step.strategy, message=step.message, served=served(parent, plan.current))


def served(parent: ModelDeployment, current: Mapping[str, rollout.Current]) -> int:
    """The most replicas that answered at once since the rollout began."""
    before = parent.status.rollout
    return max(before.served if before else 0, sum(one.ready for one in current.values()))


def _revisions(name: str, plan: Plan) -> list[RevisionStatus]:
    """Revisions that are asked for replicas, or still have a ready one."""
    asked = {one.name: one.replicas for one in plan.current.values()}
    if plan.step is not None:
        asked |= {**plan.step.old, name: plan.step.new}
    ready = {one.name: one.ready for one in plan.current.values()}
    return [
        RevisionStatus(name=one, replicas=asked[one], ready=ready.get(one, 0))
        for one in sorted(asked)
        if asked[one] or ready.get(one)
    ]


def _stage(findings: Sequence[Finding], desired: int) -> Stage:
    if len(findings) < desired:
        return Stage.PENDING
    return min((finding.stage for finding in findings), default=Stage.PENDING)


def _ready(findings: Sequence[Finding], own: Sequence[Child]) -> int:
    """Ready pods that the revision's own Deployment counts, too: not those that outlived an earlier one."""
    pods = sum(finding.stage is Stage.READY for finding in findings)
    return min(pods, sum(one.status.ready_replicas for one in own))
