"""Deployments and pods -> how many replicas of each revision there are, as the planner counts them. Pure."""

from collections.abc import Sequence

from . import diagnosis, placement
from .api.names import LABEL_REVISION
from .api.objects import Child, Node, Pod
from .gpu import GpuRequest
from .observed import Observed
from .reasons import Reason
from .rollout import Current

# Such pods hold no GPU and never serve again; they stay until Kubernetes tidies up.
_ENDED = ("Failed", "Succeeded")


def current(observed: Observed, request: GpuRequest | None, nodes: Sequence[Node]) -> dict[str, Current]:
    """Counts of each revision, from Deployments and from pods that outlive theirs.

    `request` is that of the revision that is asked for: no old replica helps one that fits on no node at all.
    """
    found: dict[str, Current] = {}
    proven = {_revision(one) for one in observed.history}
    waiting = {pod.metadata.name for pod in observed.pods if placement.needs_room(pod)}
    if waiting and request and not placement.fits_somewhere(request, nodes):
        waiting = set()
    for one in observed.deployments:
        name = _revision(one)
        leaving = one.metadata.deletion_timestamp is not None
        found[name] = Current(name, 0 if leaving else one.replicas, proven=name in proven)
    for pod in observed.pods:
        if pod.status.phase in _ENDED:
            continue
        name = _revision(pod)
        before = found.get(name, Current(name, proven=name in proven))
        scheduled = pod.condition("PodScheduled")
        waits = scheduled is None or scheduled.status != "True"
        found[name] = before._replace(
            pods=before.pods + 1,
            ready=before.ready + diagnosis.is_ready(pod),
            waiting=before.waiting + waits,
            no_room=before.no_room + (pod.metadata.name in waiting),
        )
    for one in observed.deployments:
        found[_revision(one)] = _with_refused(one, found[_revision(one)])
    return found


def _with_refused(deployment: Child, found: Current) -> Current:
    """Count pods that a quota refuses as pods that wait, and one of them as one that an old pod could make room for.

    The Deployment tries again only now and then, so what it says of more than one may be old news.
    """
    finding = diagnosis.examine_deployment(deployment)
    missing = found.replicas - found.pods
    if finding is None or finding.reason is not Reason.QUOTA_EXCEEDED or missing <= 0:
        return found
    return found._replace(pods=found.replicas, waiting=found.waiting + missing, no_room=found.no_room + 1)


def _revision(one: Child | Pod) -> str:
    return one.metadata.labels.get(LABEL_REVISION, "")
