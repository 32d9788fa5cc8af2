"""One observed model -> what to apply, scale, delete and report. Pure: the heart of the operator."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from . import claims, diagnosis, drift, placement, rollout
from .api.model_deployment import ModelDeployment
from .api.model_status import RevisionStatus
from .api.names import ANNOTATION_SPEC_HASH, LABEL_INTENT, LABEL_REVISION, model_labels
from .api.objects import Child, Pod, ResourceClaim
from .facts import Facts
from .reasons import Unresolved
from .render import Manifest
from .render.claim_template import claim_template, claim_template_name
from .render.controller_revision import controller_revision
from .render.deployment import deployment
from .render.disruption_budget import disruption_budget
from .render.service import service, url
from .revision import Catalog, Defaults, Resolved, intent, resolve

HISTORY_LIMIT = 10


class Observed(Struct, frozen=True):
    """What the caches hold of one model: objects that it controls, and its pods."""

    deployments: Sequence[Child] = ()
    pods: Sequence[Pod] = ()
    history: Sequence[Child] = ()
    services: Sequence[Child] = ()
    budgets: Sequence[Child] = ()
    claim_templates: Sequence[Child] = ()
    claims: Sequence[ResourceClaim] = ()


class Scale(Struct, frozen=True):
    """Replicas to ask of an old revision's Deployment."""

    name: str
    uid: str
    replicas: int


class Removal(Struct, frozen=True):
    """An object to delete, if it still is the one that was seen."""

    kind: str
    name: str
    uid: str


class Decision(Struct, frozen=True):
    """What to do, in this order, and what is then true."""

    apply: list[Manifest]
    scale: list[Scale]
    delete: list[Removal]
    facts: Facts
    same: Sequence[tuple[str, Child]] = ()  # by kind: compared just now, and as they were applied


def decide(parent: ModelDeployment, observed: Observed, catalog: Catalog, defaults: Defaults) -> Decision:
    """The next actions for one model."""
    revision = asked_revision(parent, observed.history, catalog, defaults)
    if isinstance(revision, Unresolved):
        # Nothing can be said about pods: what serves goes on serving, unless the user paused the model.
        paused = [_scaled(one, 0) for one in observed.deployments if parent.spec.replicas == 0]
        return Decision([], [one for one in paused if one], [], _facts(parent, observed, revision, catalog, None))
    current = _current(observed)
    new = current.pop(revision.name, rollout.Current(revision.name))
    step = rollout.next_step(parent.spec.replicas, new, list(current.values()), surge=revision.gpu is None)
    facts = _facts(parent, observed, revision, catalog, step)
    # Pods wait for the template that they name, so it comes first.
    template = claim_template(parent, revision)
    wanted = [*([template] if template else []), service(parent), deployment(parent, revision, step.new)]
    if budget := disruption_budget(parent):
        wanted.append(budget)
    if _is_ready(parent, facts) and (record := _record(parent, revision, observed.history)):
        wanted.append(record)
    old = {one.metadata.labels.get(LABEL_REVISION, ""): one for one in observed.deployments}
    scaled = [_scaled(old[name], replicas) for name, replicas in step.old.items() if replicas > 0 and name in old]
    pairs = [(manifest, _live(manifest, observed)) for manifest in wanted]
    apply = [manifest for manifest, live in pairs if differs(manifest, live)]
    return Decision(
        apply=apply,
        scale=[one for one in scaled if one is not None],
        delete=_removals(parent, observed, revision, step),
        facts=facts,
        same=[(one["kind"], live) for one, live in pairs if live and not live.compared and one not in apply],
    )


def asked_revision(
    parent: ModelDeployment, history: Sequence[Child], catalog: Catalog, defaults: Defaults
) -> Resolved | Unresolved:
    """The revision that spec asks for: the one that was Ready with the same intent, else resolved anew."""
    wanted = intent(parent)
    proven = [one for one in history if one.metadata.labels.get(LABEL_INTENT) == wanted and one.packed]
    for record in sorted(proven, key=lambda one: -one.revision):
        try:
            return msgspec.json.decode(record.data(), type=Resolved)
        except msgspec.DecodeError:
            # Written by a version whose fields are gone: resolve anew, as for any revision that never was.
            continue
    return resolve(parent, catalog, defaults)


def differs(manifest: Manifest, live: Child | None) -> bool:
    """Whether the object has to be sent: it is missing, asked for differently, or was changed by hand."""
    if live is None:
        return True
    metadata = manifest["metadata"]
    if live.metadata.annotations.get(ANNOTATION_SPEC_HASH) != metadata["annotations"][ANNOTATION_SPEC_HASH]:
        return True
    return not live.compared and not (
        drift.is_subset(metadata["labels"], live.metadata.labels)
        and drift.is_subset(manifest.get("spec", {}), msgspec.json.decode(live.spec))
    )


def _live(manifest: Manifest, observed: Observed) -> Child | None:
    kinds: Mapping[str, Sequence[Child]] = {
        "Deployment": observed.deployments,
        "Service": observed.services,
        "PodDisruptionBudget": observed.budgets,
        "ControllerRevision": observed.history,
        "ResourceClaimTemplate": observed.claim_templates,
    }
    name = manifest["metadata"]["name"]
    return next((one for one in kinds[manifest["kind"]] if one.metadata.name == name), None)


def _current(observed: Observed) -> dict[str, rollout.Current]:
    """Replica counts of each revision, from Deployments and from pods that outlive theirs."""
    found: dict[str, rollout.Current] = {}
    proven = {one.metadata.labels.get(LABEL_REVISION, "") for one in observed.history}
    for one in observed.deployments:
        name = one.metadata.labels.get(LABEL_REVISION, "")
        leaving = one.metadata.deletion_timestamp is not None
        found[name] = rollout.Current(name, 0 if leaving else one.replicas, proven=name in proven)
    for pod in observed.pods:
        name = pod.metadata.labels.get(LABEL_REVISION, "")
        before = found.get(name, rollout.Current(name, proven=name in proven))
        scheduled = pod.condition("PodScheduled")
        waiting = scheduled is None or scheduled.status != "True"
        found[name] = before._replace(
            pods=before.pods + 1,
            ready=before.ready + diagnosis.is_ready(pod),
            waiting=before.waiting + waiting,
        )
    return found


def _facts(
    parent: ModelDeployment,
    observed: Observed,
    revision: Resolved | Unresolved,
    catalog: Catalog,
    step: rollout.Step | None,
) -> Facts:
    """What is true once the step is taken, so that nothing is left to tell until something else happens."""
    name = revision.name if isinstance(revision, Resolved) else ""
    request = revision.gpu if isinstance(revision, Resolved) else None
    mine = [one for one in observed.pods if one.metadata.labels.get(LABEL_REVISION) == name]
    live = diagnosis.live_pods(mine)
    own = [one for one in observed.deployments if one.metadata.labels.get(LABEL_REVISION) == name]
    findings = [diagnosis.examine(pod, request.resource_name if request else "") for pod in live]
    refused = [finding for one in own if (finding := diagnosis.examine_deployment(one))]
    ready = _ready(findings, own)
    complete = ready >= parent.spec.replicas > 0
    current = _current(observed)
    return Facts(
        revision=revision,
        pods=len(diagnosis.live_pods(observed.pods)),
        ready=ready,
        stage=_stage(findings, parent.spec.replicas),
        finding=None if complete else diagnosis.worst([*findings, *refused]),
        deadline_exceeded=any(diagnosis.deadline_exceeded(one) for one in own),
        replaced=step is not None
        and not any(step.old.values())
        and not any(one.ready for one in current.values() if one.name != name),
        revisions=_revisions(name, current, step),
        package=diagnosis.package(mine),
        selector=",".join(f"{key}={value}" for key, value in model_labels(parent.metadata.name).items()),
        url=url(parent),
        shortage=placement.shortage(request, catalog.nodes) if request else "",
        claim_template=claim_template_name(parent.metadata.name, revision) if isinstance(revision, Resolved) else "",
        allocated=claims.allocated(observed.claims, live),
    )


def _revisions(name: str, current: dict[str, rollout.Current], step: rollout.Step | None) -> list[RevisionStatus]:
    """Revisions that are asked for replicas, or still have a ready one."""
    asked = {one.name: one.replicas for one in current.values()}
    if step is not None:
        asked |= {**step.old, name: step.new}
    ready = {one.name: one.ready for one in current.values()}
    return [
        RevisionStatus(name=one, replicas=asked[one], ready=ready.get(one, 0))
        for one in sorted(asked)
        if asked[one] or ready.get(one)
    ]


def _stage(findings: Sequence[diagnosis.Finding], desired: int) -> diagnosis.Stage:
    if len(findings) < desired:
        return diagnosis.Stage.PENDING
    return min((finding.stage for finding in findings), default=diagnosis.Stage.PENDING)


def _is_ready(parent: ModelDeployment, facts: Facts) -> bool:
    return facts.ready >= parent.spec.replicas > 0 and facts.replaced


def _ready(findings: Sequence[diagnosis.Finding], own: Sequence[Child]) -> int:
    """Ready pods that the revision's own Deployment counts, too: not those that outlived an earlier one."""
    pods = sum(finding.stage is diagnosis.Stage.READY for finding in findings)
    return min(pods, sum(one.status.ready_replicas for one in own))


def _record(parent: ModelDeployment, revision: Resolved, history: Sequence[Child]) -> Manifest | None:
    """The record to write, if any. The newest is the revision that serves now, also after going back to an older one.

    Content that was written once is never rendered again: it is immutable, and another version may have written it.
    """
    newest = max((one.revision for one in history), default=0)
    own = next((one for one in history if one.metadata.labels.get(LABEL_REVISION) == revision.name), None)
    if own is not None and own.revision == newest:
        return None
    written = msgspec.json.decode(own.data()) if own else None
    return controller_revision(parent, revision, newest + 1, written)


def _scaled(live: Child, replicas: int) -> Scale | None:
    if live.replicas == replicas:
        return None
    return Scale(live.metadata.name, live.metadata.uid, replicas)


def _removals(parent: ModelDeployment, observed: Observed, revision: Resolved, step: rollout.Step) -> list[Removal]:
    gone = [
        Removal("Deployment", one.metadata.name, one.metadata.uid)
        for one in observed.deployments
        if step.old.get(one.metadata.labels.get(LABEL_REVISION, "")) == 0 and one.metadata.deletion_timestamp is None
    ]
    if parent.spec.replicas < 2:
        gone += [Removal("PodDisruptionBudget", one.metadata.name, one.metadata.uid) for one in observed.budgets]
    others = [one for one in observed.history if one.metadata.labels.get(LABEL_REVISION) != revision.name]
    ordered = sorted(others, key=lambda one: -one.revision)
    templates = claims.left_over(
        observed.claim_templates,
        observed.pods,
        claim_template_name(parent.metadata.name, revision),
        replacing=any(one.metadata.labels.get(LABEL_REVISION) != revision.name for one in observed.deployments),
    )
    gone += [Removal("ResourceClaimTemplate", one.metadata.name, one.metadata.uid) for one in templates]
    gone += [Removal("ControllerRevision", one.metadata.name, one.metadata.uid) for one in ordered[HISTORY_LIMIT - 1 :]]
    return gone
