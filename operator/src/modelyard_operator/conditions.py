"""Everything known about a model -> its status. Pure; the clock is an argument."""

import msgspec

from . import gpu
from .api.gpus import Gpu
from .api.model_deployment import ModelDeployment
from .api.model_status import (
    Condition,
    GpuStatus,
    ModelDeploymentStatus,
    ModelStatus,
)
from .diagnosis import Finding, Stage, remedy
from .facts import Facts, Verdict
from .reasons import CATALOGUE, ConditionType, Reason, Unresolved
from .revision import Resolved
from .summary import NO_GPU, cut, summary

MESSAGE_LIMIT = 1024
TEXT_LIMIT = 256
NAMES_LIMIT = 512
# Enough to see what was given; a status stays small with a hundred replicas.
ALLOCATED_LIMIT = 16


def status(parent: ModelDeployment, facts: Facts, now: str) -> ModelDeploymentStatus:
    """The status to write. Equal to the present one when nothing changed, whatever the clock says."""
    previous = parent.status
    resolved = facts.revision if isinstance(facts.revision, Resolved) else None
    verdicts = _verdicts(parent, facts)
    ready = verdicts[ConditionType.READY]
    revision = resolved.name if resolved else previous.revision
    return ModelDeploymentStatus(
        observed_generation=parent.metadata.generation,
        summary=summary(parent, facts, ready),
        url=facts.url,
        replicas=facts.pods,
        ready_replicas=facts.ready,
        ready=f"{facts.ready}/{parent.spec.replicas}",
        selector=facts.selector,
        runtime=resolved.runtime_name if resolved else previous.runtime,
        revision=revision,
        ready_revision=revision if ready.status == "True" else previous.ready_revision,
        model=_model(parent, facts, revision),
        gpu=_gpu(parent, facts, resolved.gpu) if resolved and resolved.gpu else None,
        rollout=facts.rollout,
        revisions=facts.revisions,
        conditions=[_condition(parent, kind, verdict, now) for kind, verdict in verdicts.items()],
    )


def _condition(parent: ModelDeployment, kind: ConditionType, verdict: Verdict, now: str) -> Condition:
    before = parent.status.condition(kind)
    changed = before is None or before.status != verdict.status
    return Condition(
        type=kind.value,
        status=verdict.status,
        reason=verdict.reason.value,
        message=cut(verdict.message, MESSAGE_LIMIT),
        observed_generation=parent.metadata.generation,
        last_transition_time=now if before is None or changed else before.last_transition_time,
    )


def _verdicts(parent: ModelDeployment, facts: Facts) -> dict[ConditionType, Verdict]:
    ready = _ready(parent, facts)
    return {
        ConditionType.READY: ready,
        ConditionType.PROGRESSING: _progressing(parent, facts, ready),
        ConditionType.MODEL_RESOLVED: _resolved(facts),
        ConditionType.MODEL_VERIFIED: _verified(parent, facts),
        ConditionType.SCHEDULED: _scheduled(parent, facts),
        ConditionType.LOADED: _loaded(parent, facts),
    }


def _ready(parent: ModelDeployment, facts: Facts) -> Verdict:  # noqa: PLR0911 - a table of causes, first match wins
    desired = parent.spec.replicas
    if isinstance(facts.revision, Unresolved):
        return _failed(facts.revision.reason, facts.revision.message)
    if desired == 0:
        return _failed(Reason.PAUSED, "spec.replicas is 0: no pod serves the model")
    if facts.ready >= desired and facts.replaced:
        return Verdict(
            "True", Reason.READY, f"{facts.ready} of {desired} replicas answer with revision {facts.revision.name}"
        )
    if facts.finding is not None and facts.finding.reason is not None:
        return _failed(facts.finding.reason, _explained(parent, facts, facts.finding))
    progress = f"{facts.ready} of {desired} replicas of revision {facts.revision.name} are ready"
    if facts.deadline_exceeded:
        return _failed(Reason.PROGRESS_DEADLINE_EXCEEDED, f"{progress}, and none was added in time")
    if parent.spec.rollout.paused and facts.rollout is not None:
        return _failed(Reason.ROLLOUT_PAUSED, f"{progress}, and {facts.rollout.message}")
    if _old_serves(facts):
        return _failed(Reason.ROLLING_OUT, f"{progress}; the previous revision goes on serving until they are")
    names = {Stage.FETCHING: Reason.FETCHING, Stage.LOADING: Reason.LOADING}
    return _failed(names.get(facts.stage, Reason.STARTING), progress)


def _explained(parent: ModelDeployment, facts: Facts, finding: Finding) -> str:
    """The cause with its numbers, and what to do next."""
    text = finding.message.rstrip(". ")
    if finding.reason in NO_GPU and isinstance(facts.revision, Resolved) and facts.revision.gpu:
        waiting = max(0, parent.spec.replicas - facts.ready)
        text = (
            f"{facts.ready} of {parent.spec.replicas} replicas are ready, {waiting} wait{'s' * (waiting == 1)} for "
            f"{facts.revision.gpu}{' each' * (waiting != 1)}: {text}"
        )
    serving = "; the previous revision goes on serving" if _old_serves(facts) else ""
    return f"{text}. {remedy(finding.reason)}{serving}" if finding.reason else text


def _old_serves(facts: Facts) -> bool:
    current = facts.revision.name if isinstance(facts.revision, Resolved) else ""
    return any(one.ready > 0 and one.name != current for one in facts.revisions)


def _failed(reason: Reason, message: str) -> Verdict:
    return Verdict("False", reason, message)


def _progressing(parent: ModelDeployment, facts: Facts, ready: Verdict) -> Verdict:
    if ready.status == "True" or ready.reason is Reason.PAUSED:
        return _failed(Reason.COMPLETE, "nothing is left to do")
    if facts.deadline_exceeded:
        return _failed(
            Reason.PROGRESS_DEADLINE_EXCEEDED,
            f"no progress within {parent.spec.rollout.progress_deadline or 'server.loadTimeout plus 10m'} "
            "(rollout.progressDeadline)",
        )
    if CATALOGUE[ready.reason].condition is ConditionType.PROGRESSING and ready.reason is not Reason.ROLLING_OUT:
        return _failed(ready.reason, ready.message)
    if isinstance(facts.revision, Unresolved) or facts.finding is not None:
        return _failed(Reason.WAITING, f"waiting for {ready.reason.value} to be mended")
    return Verdict("True", ready.reason, ready.message)


def _resolved(facts: Facts) -> Verdict:
    if isinstance(facts.revision, Unresolved):
        return _failed(facts.revision.reason, facts.revision.message)
    if finding := _of(facts, ConditionType.MODEL_RESOLVED):
        return finding
    return Verdict(
        "True", Reason.RESOLVED, f"{facts.revision.model.uri} served by runtime {facts.revision.runtime_name}"
    )


def _verified(parent: ModelDeployment, facts: Facts) -> Verdict:
    if finding := _of(facts, ConditionType.MODEL_VERIFIED):
        return finding
    if facts.package is not None:
        pinned = "the pinned digest" if parent.spec.model.digest else "digest"
        return Verdict(
            "True", Reason.VERIFIED, f"every file is as its manifest says, with {pinned} {facts.package.digest}"
        )
    return Verdict("Unknown", Reason.NOT_VERIFIED, "the package has not been fetched yet")


def _scheduled(parent: ModelDeployment, facts: Facts) -> Verdict:
    if finding := _of(facts, ConditionType.SCHEDULED):
        explained = _explained(parent, facts, facts.finding) if facts.finding else finding.message
        return Verdict("False", finding.reason, explained)
    if parent.spec.replicas == 0:
        return Verdict("Unknown", Reason.PAUSED, "there are no pods to place")
    if isinstance(facts.revision, Unresolved):
        return Verdict("Unknown", facts.revision.reason, "there are no pods to place yet")
    if facts.stage > Stage.PENDING:
        return Verdict("True", Reason.SCHEDULED, "every pod has a node")
    return Verdict("Unknown", Reason.STARTING, "pods are being created")


def _loaded(parent: ModelDeployment, facts: Facts) -> Verdict:
    if finding := _of(facts, ConditionType.LOADED):
        return finding
    desired = parent.spec.replicas
    if desired > 0 and facts.ready >= desired and isinstance(facts.revision, Resolved):
        return Verdict("True", Reason.LOADED, f"{facts.ready} of {desired} replicas have loaded the model")
    reason = {Stage.FETCHING: Reason.FETCHING, Stage.LOADING: Reason.LOADING}.get(facts.stage, Reason.STARTING)
    return _failed(reason, f"{facts.ready} of {desired} replicas have loaded the model")


def _of(facts: Facts, kind: ConditionType) -> Verdict | None:
    """The finding as a verdict, when it belongs to this condition."""
    finding = facts.finding
    if finding is None or finding.reason is None or CATALOGUE[finding.reason].condition is not kind:
        return None
    return _failed(finding.reason, finding.message)


def _model(parent: ModelDeployment, facts: Facts, revision: str) -> ModelStatus:
    if facts.package is not None:
        return ModelStatus(
            digest=facts.package.digest, version=facts.package.version, format=facts.package.format, verified=True
        )
    # Pods come and go; what was verified of the same revision stays true while it is the one that was Ready.
    return parent.status.model if revision == parent.status.ready_revision else ModelStatus()


def _gpu(parent: ModelDeployment, facts: Facts, request: gpu.GpuRequest) -> GpuStatus:
    return GpuStatus(
        mechanism=request.mechanism,
        count=request.count,
        request=cut(str(request), TEXT_LIMIT),
        reason=gpu.why(parent.spec.gpu or Gpu(), request),
        resource_name=request.resource_name or None,
        device_class=cut(", ".join(request.claim.classes()), NAMES_LIMIT) or None if request.claim else None,
        claim_template=facts.claim_template or None,
        allocated=facts.allocated[:ALLOCATED_LIMIT],
    )


def as_document(value: ModelDeploymentStatus) -> dict[str, object]:
    """The status as it is written to the API server."""
    document: dict[str, object] = msgspec.to_builtins(value)
    return document
