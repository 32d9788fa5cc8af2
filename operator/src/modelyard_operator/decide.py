"""One observed model -> what to apply, scale, delete and report. Pure: the heart of the operator."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from . import claims, counts, diagnosis, drift, facts, rollout
from .api.model_deployment import ModelDeployment
from .api.names import ANNOTATION_SPEC_HASH, LABEL_INTENT, LABEL_REVISION
from .api.objects import Child
from .facts import Facts
from .observed import Observed
from .reasons import Unresolved
from .render import Manifest
from .render.claim_template import claim_template, claim_template_name
from .render.controller_revision import controller_revision
from .render.deployment import deployment
from .render.disruption_budget import disruption_budget
from .render.service import service
from .revision import Catalog, Defaults, Resolved, intent, resolve


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
    lost: Sequence[str] = ()  # revisions whose pods run without a Deployment that was seen
    same: Sequence[tuple[str, Child]] = ()  # by kind: compared just now, and as they were applied


def decide(parent: ModelDeployment, observed: Observed, catalog: Catalog, defaults: Defaults) -> Decision:
    """The next actions for one model."""
    revision = asked_revision(parent, observed.history, catalog, defaults)
    request = revision.gpu if isinstance(revision, Resolved) else None
    current = counts.current(observed, request, catalog.nodes)
    if isinstance(revision, Unresolved):
        # Nothing can be said about pods: what serves goes on serving, unless the user paused the model.
        paused = [_scaled(one, 0) for one in observed.deployments if parent.spec.replicas == 0]
        known = facts.gather(parent, observed, revision, catalog.nodes, facts.Plan(current, None))
        return Decision([], [one for one in paused if one], [], known, _lost(observed, ""))
    step = rollout.next_step(
        _asked(parent, revision, current),
        current.get(revision.name, rollout.Current(revision.name)),
        [one for name, one in current.items() if name != revision.name],
    )
    known = facts.gather(parent, observed, revision, catalog.nodes, facts.Plan(current, step))
    pairs = [(one, _live(one, observed)) for one in _wanted(parent, observed, revision, known, step.new)]
    apply = [one for one, live in pairs if differs(one, live)]
    return Decision(
        apply=apply,
        scale=_scales(observed, step),
        delete=_removals(parent, observed, revision, step),
        facts=known,
        lost=_lost(observed, revision.name),
        same=[(one["kind"], live) for one, live in pairs if live and not live.compared and one not in apply],
    )


def _asked(parent: ModelDeployment, revision: Resolved, current: Mapping[str, rollout.Current]) -> rollout.Asked:
    wanted = parent.spec.rollout
    return rollout.Asked(
        desired=parent.spec.replicas,
        strategy=wanted.strategy,
        gpus=revision.gpu is not None,
        paused=wanted.paused,
        served=facts.served(parent, current),
    )


def _wanted(parent: ModelDeployment, observed: Observed, revision: Resolved, known: Facts, new: int) -> list[Manifest]:
    """What the model needs, in the order in which it is applied: pods wait for the template that they name."""
    wanted = [service(parent), deployment(parent, revision, new)]
    # A template is immutable, so one that is there is never sent again.
    if (template := claim_template(parent, revision)) and _live(template, observed) is None:
        wanted.insert(0, template)
    if budget := disruption_budget(parent):
        wanted.append(budget)
    if known.ready >= parent.spec.replicas > 0 and known.replaced:
        wanted += _record(parent, revision, observed.history)
    return wanted


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


def _record(parent: ModelDeployment, revision: Resolved, history: Sequence[Child]) -> list[Manifest]:
    """The record to write, if any. The newest is the revision that serves now, also after going back to an older one.

    Content that was written once is never rendered again: it is immutable, and another version may have written it.
    """
    newest = max((one.revision for one in history), default=0)
    own = next((one for one in history if one.metadata.labels.get(LABEL_REVISION) == revision.name), None)
    if own is not None and own.revision == newest:
        return []
    written = msgspec.json.decode(own.data()) if own else None
    return [controller_revision(parent, revision, newest + 1, written)]


def _scales(observed: Observed, step: rollout.Step) -> list[Scale]:
    live = {one.metadata.labels.get(LABEL_REVISION, ""): one for one in observed.deployments}
    scaled = [_scaled(live[name], replicas) for name, replicas in step.old.items() if replicas > 0 and name in live]
    return [one for one in scaled if one is not None]


def _scaled(live: Child, replicas: int) -> Scale | None:
    if live.replicas == replicas:
        return None
    return Scale(live.metadata.name, live.metadata.uid, replicas)


def _lost(observed: Observed, asked: str) -> list[str]:
    """Revisions with pods but no Deployment: it was deleted just now, or somebody took away the label that shows it.

    The Deployment of the asked revision is not among them: it is applied, and found by its name.
    """
    running = {pod.metadata.labels.get(LABEL_REVISION, "") for pod in diagnosis.live_pods(observed.pods)}
    return sorted(running - {one.metadata.labels.get(LABEL_REVISION) for one in observed.deployments} - {"", asked})


def _removals(parent: ModelDeployment, observed: Observed, revision: Resolved, step: rollout.Step) -> list[Removal]:
    gone = [
        Removal("Deployment", one.metadata.name, one.metadata.uid)
        for one in observed.deployments
        if step.old.get(one.metadata.labels.get(LABEL_REVISION, "")) == 0 and one.metadata.deletion_timestamp is None
    ]
    if parent.spec.replicas < 2:
        gone += [Removal("PodDisruptionBudget", one.metadata.name, one.metadata.uid) for one in observed.budgets]
    deployed = {one.metadata.labels.get(LABEL_REVISION, "") for one in observed.deployments} | {revision.name}
    template = claim_template_name(parent.metadata.name, revision)
    replacing = deployed != {revision.name}
    templates = claims.left_over(observed.claim_templates, observed.pods, template, replacing=replacing)
    gone += [Removal("ResourceClaimTemplate", one.metadata.name, one.metadata.uid) for one in templates]
    older = [one for one in observed.history if one.metadata.labels.get(LABEL_REVISION) != revision.name]
    surplus = sorted(older, key=lambda one: -one.revision)[parent.spec.rollout.revision_history_limit :]
    # The record of a revision that still runs tells that it was Ready once.
    gone += [
        Removal("ControllerRevision", one.metadata.name, one.metadata.uid)
        for one in surplus
        if one.metadata.labels.get(LABEL_REVISION) not in deployed
    ]
    return gone
