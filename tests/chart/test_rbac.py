"""Permissions equal the table below: nobody gets a verb that is not written here."""

from collections.abc import Iterable
from typing import Any

import pytest

from chart.rendering import NAMESPACE, Chart, Object, only
from modelyard_gateway import directory
from modelyard_operator.kube import resources
from modelyard_operator.kube.resources import Resource

Permissions = set[tuple[str, str, str]]
READ = "list watch"
TELL = "create patch"
OWNED = "get list watch create patch delete"


# (API group, resource): verbs. This is the operator's whole right; to widen it is a decision, so it is written out.
OPERATOR = {
    ("modelyard.dev", "modeldeployments"): "get list watch",
    ("modelyard.dev", "modeldeployments/status"): "patch",
    ("apps", "deployments"): OWNED,
    ("apps", "controllerrevisions"): OWNED,
    ("", "services"): OWNED,
    ("policy", "poddisruptionbudgets"): OWNED,
    ("networking.k8s.io", "networkpolicies"): OWNED,
    ("resource.k8s.io", "resourceclaimtemplates"): OWNED,
    ("resource.k8s.io", "resourceclaims"): READ,
    ("", "pods"): READ,
    ("", "events"): TELL,
    ("modelyard.dev", "inferencekeys"): "get list watch",
    ("modelyard.dev", "inferencekeys/status"): "patch",
    # Written and never read.
    ("", "secrets"): "create patch",
}
CATALOG = {
    ("modelyard.dev", "modelruntimes"): READ,
    ("modelyard.dev", "acceleratorprofiles"): READ,
    ("", "nodes"): READ,
    ("resource.k8s.io", "deviceclasses"): READ,
}
BUNDLE = {
    ("modelyard.dev", "modelruntimes"): "create patch",
    ("modelyard.dev", "acceleratorprofiles"): "create patch",
}
GATEWAY = {
    ("modelyard.dev", "modeldeployments"): READ,
    ("discovery.k8s.io", "endpointslices"): READ,
    ("modelyard.dev", "inferencekeys"): "get list watch",
    ("modelyard.dev", "inferencekeys/status"): "patch",
}
INVOKER = {("modelyard.dev", "modeldeployments/inference"): "create"}
LEASES = {("coordination.k8s.io", "leases"): "create get update"}
VIEWER = {
    **{("modelyard.dev", kind): "get list watch" for kind in ("modelruntimes", "acceleratorprofiles")},
    ("modelyard.dev", "modeldeployments"): "get list watch",
    ("modelyard.dev", "modeldeployments/status"): "get",
    ("modelyard.dev", "modeldeployments/scale"): "get",
    ("modelyard.dev", "inferencekeys"): "get list watch",
    ("modelyard.dev", "inferencekeys/status"): "get",
}
EDITOR = {
    ("modelyard.dev", "modeldeployments"): "get list watch create update patch delete deletecollection",
    ("modelyard.dev", "modeldeployments/status"): "get",
    ("modelyard.dev", "modeldeployments/scale"): "get update patch",
    ("modelyard.dev", "modeldeployments/inference"): "create",
    ("modelyard.dev", "inferencekeys"): "get list watch create update patch delete deletecollection",
    ("modelyard.dev", "inferencekeys/status"): "get",
}
OWN_KEYS = ("modelyard-operator-upstream", NAMESPACE)
NAMESPACES = ["team-a", "team-b"]


def expanded(table: dict[tuple[str, str], str]) -> Permissions:
    """One entry for each group, resource and verb."""
    return {(group, resource, verb) for (group, resource), verbs in table.items() for verb in verbs.split()}


def used(found: Iterable[Resource], verbs: str) -> Permissions:
    """The same verbs for each of the operator's own resources."""
    return expanded({(one.api_version.rpartition("/")[0], one.plural): verbs for one in found})


def permissions(role: Object) -> Permissions:
    """What a role allows."""
    return {
        (g, r, v) for rule in role["rules"] for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]
    }


def bound(binding: Object) -> tuple[Any, ...]:
    """Which role a binding gives to whom."""
    subject = binding["subjects"][0]
    return (
        binding["roleRef"]["kind"],
        binding["roleRef"]["name"],
        subject["kind"],
        subject["name"],
        subject["namespace"],
    )


@pytest.fixture(scope="module")
def namespaced(chart: Chart) -> list[Object]:
    """The chart for two namespaces."""
    return chart.objects({"namespaces": NAMESPACES})


def test_the_tables_are_what_the_operator_watches_and_writes() -> None:
    kinds = (*resources.WATCHED, *resources.DEVICE_KINDS)
    watched = [one for one in kinds if one.namespaced]
    # ModelDeployments are watched through the framework, which is not in the operator's own table.
    own = {
        ("modelyard.dev", "modeldeployments"): OPERATOR["modelyard.dev", "modeldeployments"],
        ("modelyard.dev", "modeldeployments/status"): "patch",
    }
    told = used([resources.EVENTS, resources.SECRETS], TELL)
    keys = used([resources.INFERENCE_KEYS], "get list watch") | {("modelyard.dev", "inferencekeys/status", "patch")}
    owned = used(resources.WRITTEN.values(), OWNED)
    assert expanded(OPERATOR) == used(watched, READ) | owned | told | keys | expanded(own)
    assert expanded(CATALOG) == used([one for one in kinds if not one.namespaced], READ)


def test_cluster_mode_grants_the_operator_its_table(defaults: list[Object]) -> None:
    assert permissions(only(defaults, "ClusterRole", "modelyard-operator")) == expanded(OPERATOR)
    binding = only(defaults, "ClusterRoleBinding", "modelyard-operator")
    assert bound(binding) == ("ClusterRole", "modelyard-operator", "ServiceAccount", "modelyard-operator", NAMESPACE)


def test_namespaced_mode_grants_the_same_in_each_namespace_only(namespaced: list[Object]) -> None:
    roles = [o for o in namespaced if o["kind"] == "Role" and o["metadata"]["name"] == "modelyard-operator"]
    assert [o["metadata"]["namespace"] for o in roles] == NAMESPACES
    assert all(permissions(role) == expanded(OPERATOR) for role in roles)
    bindings = [o for o in namespaced if o["kind"] == "RoleBinding" and o["metadata"]["name"] == "modelyard-operator"]
    assert [o["metadata"]["namespace"] for o in bindings] == NAMESPACES
    assert {bound(b) for b in bindings} == {
        ("Role", "modelyard-operator", "ServiceAccount", "modelyard-operator", NAMESPACE)
    }


def test_namespaced_mode_has_only_catalog_bundle_and_reviews_in_the_whole_cluster(namespaced: list[Object]) -> None:
    bindings = [o for o in namespaced if o["kind"] == "ClusterRoleBinding"]
    roles = {"modelyard-operator-bundle", "modelyard-operator-catalog", "system:auth-delegator"}
    assert {b["roleRef"]["name"] for b in bindings} == roles
    assert permissions(only(namespaced, "ClusterRole", "modelyard-operator-catalog")) == expanded(CATALOG)


def test_the_operator_writes_what_its_release_brings_and_no_other(chart: Chart, defaults: list[Object]) -> None:
    role = only(defaults, "ClusterRole", "modelyard-operator-bundle")
    assert permissions(role) == expanded(BUNDLE)
    assert {tuple(rule["resourceNames"]) for rule in role["rules"]} == {("modelyard-server",), ("nvidia",)}
    second = chart.objects({"defaultRuntime.enabled": False, "acceleratorProfiles.nvidia": None})
    assert not [o for o in second if o["metadata"]["name"] == "modelyard-operator-bundle"]


def test_the_gateway_reads_what_it_watches_and_asks_who_may_do_what(defaults: list[Object]) -> None:
    keys = used([resources.INFERENCE_KEYS], "get list watch") | {("modelyard.dev", "inferencekeys/status", "patch")}
    assert expanded(GATEWAY) == used([directory.MODELS, directory.SLICES], READ) | keys
    assert permissions(only(defaults, "ClusterRole", "modelyard-gateway")) == expanded(GATEWAY)
    account = ("ServiceAccount", "modelyard-gateway", NAMESPACE)
    bindings = [o for o in defaults if o["kind"] == "ClusterRoleBinding" and bound(o)[2:] == account]
    assert {bound(one)[:2] for one in bindings} == {
        ("ClusterRole", "modelyard-gateway"),
        ("ClusterRole", "system:auth-delegator"),
    }
    assert not [o for o in defaults if o["kind"] == "RoleBinding" and bound(o)[2:] == account]


def test_in_namespaced_mode_the_gateway_reads_in_these_namespaces_only(namespaced: list[Object]) -> None:
    roles = [o for o in namespaced if o["kind"] == "Role" and o["metadata"]["name"] == "modelyard-gateway"]
    assert [o["metadata"]["namespace"] for o in roles] == NAMESPACES
    assert all(permissions(role) == expanded(GATEWAY) for role in roles)
    bindings = [o for o in namespaced if o["kind"] == "RoleBinding" and o["metadata"]["name"] == "modelyard-gateway"]
    assert [o["metadata"]["namespace"] for o in bindings] == NAMESPACES
    account = ("ServiceAccount", "modelyard-gateway", NAMESPACE)
    assert {bound(b) for b in bindings} == {("Role", "modelyard-gateway", *account)}


def test_leases_are_limited_to_the_operators_own(defaults: list[Object]) -> None:
    role = only(defaults, "Role", "modelyard-operator-lease")
    assert role["metadata"]["namespace"] == NAMESPACE
    assert permissions(role) == expanded(LEASES)
    assert [rule.get("resourceNames") for rule in role["rules"]] == [None, ["modelyard-operator"]]
    assert role["rules"][0]["verbs"] == ["create"]


def test_viewers_look_editors_run_and_ask_and_invokers_ask(defaults: list[Object]) -> None:
    assert permissions(only(defaults, "ClusterRole", "modelyard-viewer")) == expanded(VIEWER)
    assert permissions(only(defaults, "ClusterRole", "modelyard-editor")) == expanded(EDITOR)
    assert permissions(only(defaults, "ClusterRole", "modelyard-invoker")) == expanded(INVOKER)


@pytest.mark.parametrize(
    ("role", "targets"), [("viewer", {"view", "edit", "admin"}), ("editor", {"edit", "admin"}), ("invoker", set())]
)
def test_user_roles_join_kubernetes_own_roles(defaults: list[Object], role: str, targets: set[str]) -> None:
    labels = only(defaults, "ClusterRole", f"modelyard-{role}")["metadata"]["labels"]
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    assert {name.removeprefix(prefix) for name in labels if name.startswith(prefix)} == targets


def test_no_role_has_a_wildcard_or_passes_rights_on(defaults: list[Object], namespaced: list[Object]) -> None:
    roles = [o for o in defaults + namespaced if o["kind"] in {"Role", "ClusterRole"}]
    granted = {part for role in roles for permission in permissions(role) for part in permission}
    assert granted & {"*", "bind", "escalate", "impersonate", "namespaces"} == set()


def test_one_secret_alone_is_read(defaults: list[Object], namespaced: list[Object]) -> None:
    for role in defaults + namespaced:
        for rule in role.get("rules", []) if role["kind"] in {"Role", "ClusterRole"} else []:
            if "secrets" in rule["resources"]:
                own = (role["metadata"]["name"], role["metadata"].get("namespace")) == OWN_KEYS
                assert set(rule["verbs"]) == ({"get", "create", "patch"} if own else {"create", "patch"})
                assert rule.get("resourceNames") == (["modelyard-upstream"] if own else None)
