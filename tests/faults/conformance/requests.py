"""Requests that a real API server and the fake must answer alike, one after another, on a fresh namespace."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from builders import DEFAULTS, catalog, model
from faults.api.verbs import APPLY, JSON_PATCH, MERGE
from modelyard_operator.render.controller_revision import controller_revision
from modelyard_operator.render.deployment import deployment
from modelyard_operator.render.disruption_budget import disruption_budget
from modelyard_operator.render.network_policy import network_policy
from modelyard_operator.render.service import service
from modelyard_operator.revision import Resolved, resolve

Body = dict[str, Any]
JSON = "application/json"
MANAGER = "fieldManager=modelyard&force=true"


class Step(NamedTuple):
    """One request; `{uid}` and `{version}` stand for those of the object that the step before returned."""

    what: str
    method: str
    path: str
    body: Any = None
    content_type: str = JSON


def core(namespace: str, plural: str, name: str = "", query: str = "") -> str:
    """Path of a core object."""
    return _path("/api/v1", namespace, plural, name, query)


def apps(namespace: str, plural: str, name: str = "", query: str = "") -> str:
    """Path of an object of apps/v1."""
    return _path("/apis/apps/v1", namespace, plural, name, query)


def _path(root: str, namespace: str, plural: str, name: str, query: str) -> str:
    return f"{root}/namespaces/{namespace}/{plural}{'/' + name if name else ''}{'?' + query if query else ''}"


def resolved(**spec: Any) -> Resolved:
    """A revision."""
    found = resolve(model(**spec), catalog(), DEFAULTS)
    assert isinstance(found, Resolved)
    return found


def children(namespace: str) -> list[tuple[str, Body]]:
    """Every kind that the operator writes, with its path."""
    parent = model(replicas=2, gpu={"count": 1, "product": ["H100"]})
    revision = resolved(replicas=2, gpu={"count": 1, "product": ["H100"]})
    budget = disruption_budget(parent)
    assert budget is not None
    found = [
        (core(namespace, "services", "digits", MANAGER), service(parent)),
        (apps(namespace, "deployments", f"digits-{revision.name}", MANAGER), deployment(parent, revision, 2)),
        (
            apps(namespace, "controllerrevisions", f"digits-{revision.name}", MANAGER),
            controller_revision(parent, revision, 1),
        ),
        (_path("/apis/policy/v1", namespace, "poddisruptionbudgets", "digits", MANAGER), budget),
        (
            _path("/apis/networking.k8s.io/v1", namespace, "networkpolicies", "modelyard-models", MANAGER),
            network_policy(namespace),
        ),
    ]
    return [(path, _in(namespace, body)) for path, body in found]


def _in(namespace: str, body: Body) -> Body:
    copied: Body = msgspec.json.decode(msgspec.json.encode(body))
    copied["metadata"]["namespace"] = namespace
    # Its owner is not there, so garbage collection would end it in the middle of a script.
    copied["metadata"].pop("ownerReferences", None)
    return copied


def with_fields(body: Body, metadata: Body | None = None, spec: Body | None = None) -> Body:
    """A copy with some fields laid over it."""
    found = {**body, "metadata": {**body["metadata"], **(metadata or {})}}
    return {**found, "spec": {**body["spec"], **spec}} if spec else found


def of_applying(namespace: str) -> Iterator[Step]:
    """Server-side apply: create, again, stale versions, fields that go."""
    for path, body in children(namespace):
        yield Step(f"apply a {body['kind']} that is not there", "PATCH", path, body, APPLY)
        yield Step(f"apply the same {body['kind']} again", "PATCH", path, body, APPLY)
    (path, one), *_ = children(namespace)
    plain = path.split("?")[0]
    yield Step("apply a stale version", "PATCH", path, with_fields(one, {"resourceVersion": "1"}), APPLY)
    yield Step("apply another uid", "PATCH", path, with_fields(one, {"uid": "nope"}), APPLY)
    other = with_fields(one, {"name": "other", "resourceVersion": "1"})
    yield Step(
        "apply a version to an object that is not there", "PATCH", path.replace("digits?", "other?"), other, APPLY
    )
    third = with_fields(one, {"name": "third", "uid": "nope"})
    yield Step("apply a uid to an object that is not there", "PATCH", path.replace("digits?", "third?"), third, APPLY)
    more = {"ports": [*one["spec"]["ports"], {"name": "more", "port": 81, "targetPort": 2, "protocol": "TCP"}]}
    yield Step(
        "apply a port more",
        "PATCH",
        path,
        with_fields(one, {"labels": {**one["metadata"]["labels"], "a": "b"}}, more),
        APPLY,
    )
    yield Step("apply without it", "PATCH", path, one, APPLY)
    port = {
        "op": "add",
        "path": "/spec/ports/0",
        "value": {"name": "x", "port": 79, "targetPort": 1, "protocol": "TCP"},
    }
    yield Step("add a port by hand", "PATCH", f"{plain}?fieldManager=kubectl-edit", [port], JSON_PATCH)
    yield Step("apply beside a port of somebody else", "PATCH", path, with_fields(one, None, more), APPLY)
    yield Step("apply without the port that was added, the other stays", "PATCH", path, one, APPLY)
    foreign = {"metadata": {"labels": {"modelyard.dev/model": "mine", "own": "1"}}}
    yield Step("change a label by hand", "PATCH", f"{plain}?fieldManager=kubectl-edit", foreign, MERGE)
    yield Step("apply the label back, the stranger's own stays", "PATCH", path, one, APPLY)
    repaired = {**with_fields(one, {"uid": "{uid}"}), "metadata": {**one["metadata"], "uid": "{uid}"}}
    yield Step("repair by a merge patch", "PATCH", f"{plain}?fieldManager=modelyard", repaired, MERGE)
    yield Step("apply once more", "PATCH", path, one, APPLY)


def of_deployments(namespace: str) -> Iterator[Step]:
    """Generation, status, template fields that come and go, quantities."""
    parent, revision = model(), resolved(resources={"requests": {"cpu": "1000m"}, "limits": {"memory": "1024Mi"}})
    body = _in(namespace, deployment(parent, revision, 1))
    plain = apps(namespace, "deployments", body["metadata"]["name"])
    path = f"{plain}?{MANAGER}"
    yield Step("apply", "PATCH", path, body, APPLY)
    yield Step("label", "PATCH", plain, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    yield Step("write the status where it is not written", "PATCH", plain, {"status": {"replicas": 5}}, MERGE)
    yield Step("scale", "PATCH", plain, {"metadata": {"uid": "{uid}"}, "spec": {"replicas": 3}}, MERGE)
    yield Step("scale to the same", "PATCH", plain, {"spec": {"replicas": 3}}, MERGE)
    status = {
        "status": {"replicas": 5, "observedGeneration": 1},
        "spec": {"replicas": 9},
        "metadata": {"labels": {"z": "z"}},
    }
    yield Step("write the status, and what does not belong there", "PATCH", f"{plain}/status", status, MERGE)
    yield Step("apply what has not changed", "PATCH", path, body, APPLY)
    container = body["spec"]["template"]["spec"]["containers"][0]
    environment = [*container["env"], {"name": "MORE", "value": "1"}]
    yield Step("apply a variable more", "PATCH", path, _with_container(body, {"env": environment}), APPLY)
    yield Step("apply without it", "PATCH", path, body, APPLY)
    side = [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "side", "image": "x:1"}}]
    yield Step("add a container by hand", "PATCH", f"{plain}?fieldManager=kubectl-edit", side, JSON_PATCH)
    yield Step("apply beside it", "PATCH", path, _with_container(body, {"args": ["other"]}), APPLY)
    yield Step("repair by a merge patch", "PATCH", f"{plain}?fieldManager=modelyard", body, MERGE)


def _with_container(body: Body, fields: Body) -> Body:
    template = body["spec"]["template"]
    first, *rest = template["spec"]["containers"]
    spec = {**template["spec"], "containers": [{**first, **fields}, *rest]}
    return with_fields(body, None, {"template": {**template, "spec": spec}})


def of_refusals(namespace: str) -> Iterator[Step]:
    """Preconditions, patches that fail, objects that are not there."""
    (path, one), *_ = children(namespace)
    plain = path.split("?")[0]
    yield Step("apply", "PATCH", path, one, APPLY)
    yield Step(
        "merge another uid", "PATCH", plain, {"metadata": {"uid": "nope"}, "spec": {"sessionAffinity": "None"}}, MERGE
    )
    yield Step("merge a stale version", "PATCH", plain, {"metadata": {"resourceVersion": "1"}}, MERGE)
    label = {"op": "add", "path": "/metadata/labels/a", "value": "b"}
    test = {"op": "test", "path": "/metadata/uid", "value": "nope"}
    yield Step("patch after a test that fails", "PATCH", plain, [test, label], JSON_PATCH)
    yield Step("patch after a test that holds", "PATCH", plain, [{**test, "value": "{uid}"}, label], JSON_PATCH)
    missing = {"op": "replace", "path": "/spec/no/where", "value": 1}
    yield Step("patch a path that is not there", "PATCH", plain, [missing], JSON_PATCH)
    delete = {"kind": "DeleteOptions", "apiVersion": "v1"}
    yield Step("delete another uid", "DELETE", plain, {**delete, "preconditions": {"uid": "nope"}})
    yield Step("delete a stale version", "DELETE", plain, {**delete, "preconditions": {"resourceVersion": "1"}})
    yield Step("get", "GET", plain)
    yield Step("delete", "DELETE", plain, {**delete, "propagationPolicy": "Background"})
    yield Step("get what is gone", "GET", plain)
    yield Step("delete what is gone", "DELETE", plain, delete)
    yield Step("patch what is gone", "PATCH", plain, {"spec": {}}, MERGE)
    yield Step("get a kind that is not served", "GET", f"/apis/apps/v1/namespaces/{namespace}/nonsense")


def of_leases(namespace: str) -> Iterator[Step]:
    """Optimistic concurrency, as leader election needs it."""
    root = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 0}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader"}, "spec": spec}
    yield Step("get a lease that is not there", "GET", f"{root}/leader")
    yield Step("create it", "POST", root, lease)
    yield Step("create it again", "POST", root, lease)
    yield Step("write it as of an old version", "PUT", f"{root}/leader", with_fields(lease, {"resourceVersion": "1"}))
    yield Step("write it without a version", "PUT", f"{root}/leader", lease)
    yield Step("read it", "GET", f"{root}/leader")
    current = with_fields(lease, {"resourceVersion": "{version}"}, {"holderIdentity": "b"})
    yield Step("write it as of the version that was read", "PUT", f"{root}/leader", current)


def of_statuses(namespace: str) -> Iterator[Step]:
    """The status of a model, written with a test of its uid."""
    root = f"/apis/modelyard.dev/v1alpha1/namespaces/{namespace}/modeldeployments"
    # Defaults of the CRD are written out: the fake knows none.
    spec = {"model": {"uri": "s3://models/digits/1", "unsafeFormats": "Deny"}, "replicas": 1}
    body = {"apiVersion": "modelyard.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "digits"}}
    texts = ("summary", "url", "ready", "selector", "runtime", "revision", "readyRevision")
    status: Body = {"observedGeneration": 1, "replicas": 0, "readyReplicas": 0, **dict.fromkeys(texts, "x")}
    test = {"op": "test", "path": "/metadata/uid", "value": "{uid}"}
    write = {"op": "add", "path": "/status", "value": status}
    path = f"{root}/digits/status?fieldManager=modelyard"
    yield Step("create a model", "POST", root, {**body, "spec": spec})
    yield Step("write the status", "PATCH", path, [test, write], JSON_PATCH)
    other = {**write, "value": {**status, "summary": "y"}}
    yield Step(FAILED_TEST, "PATCH", path, [{**test, "value": "nope"}, other], JSON_PATCH)
    yield Step("get it", "GET", f"{root}/digits")
    yield Step("write it of a model that is gone", "PATCH", path.replace("digits", "gone"), [test, write], JSON_PATCH)


FAILED_TEST = "write the status of a model with another uid"

SCRIPTS = {
    "applying": of_applying,
    "deployments": of_deployments,
    "refusals": of_refusals,
    "leases": of_leases,
    "statuses": of_statuses,
}
