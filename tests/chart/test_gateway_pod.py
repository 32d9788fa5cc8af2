"""The gateway's pod: hardened, begun and ended in order, and told exactly the settings it knows."""

from typing import Any

import pytest

from chart.rendering import NAMESPACE, Chart, Object, named, only
from modelyard_gateway.settings import PREFIX, Settings, load

GATEWAY = "modelyard-gateway"


def pod(objects: list[Object]) -> Any:
    """The spec of the gateway's pods."""
    return only(objects, "Deployment", GATEWAY)["spec"]["template"]["spec"]


def containers(objects: list[Object]) -> dict[str, Any]:
    """Both containers by name."""
    spec = pod(objects)
    return {one["name"]: one for one in (*spec["initContainers"], *spec["containers"])}


def environment(container: Any) -> dict[str, str]:
    """What a container is told, without what comes from the pod itself."""
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def test_the_pod_meets_the_restricted_security_standard(defaults: list[Object]) -> None:
    spec = pod(defaults)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert all(set(volume) <= {"name", "emptyDir", "projected", "secret"} for volume in spec["volumes"])
    for container in containers(defaults).values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("hostPort" in port for port in container["ports"])


def test_envoy_begins_after_the_process_knows_the_models_and_ends_before_it(defaults: list[Object]) -> None:
    beside = containers(defaults)["gateway"]
    assert beside["restartPolicy"] == "Always", "a sidecar starts before and ends after the containers of the pod"
    assert beside["startupProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert [one["name"] for one in pod(defaults)["containers"]] == ["envoy"]


def test_envoy_has_no_token_and_only_the_process_has_one(defaults: list[Object]) -> None:
    assert pod(defaults)["automountServiceAccountToken"] is False
    mounted = {name: {one["name"] for one in found["volumeMounts"]} for name, found in containers(defaults).items()}
    assert mounted == {"gateway": {"shared", "token", "upstream"}, "envoy": {"shared"}}


def test_only_envoy_holds_the_certificate(chart: Chart) -> None:
    objects = chart.objects({"gateway.tls.secretName": "door"})
    found = containers(objects)
    assert "tls" in {one["name"] for one in found["envoy"]["volumeMounts"]}
    assert "tls" not in {one["name"] for one in found["gateway"]["volumeMounts"]}
    assert environment(found["gateway"])["MODELYARD_GATEWAY_TLS"] == "/etc/modelyard/tls"
    port = only(objects, "Service", GATEWAY)["spec"]["ports"][0]
    assert (port["port"], port["targetPort"]) == (443, "https")
    assert only(objects, "NetworkPolicy", GATEWAY)["spec"]["ingress"][0]["ports"] == [
        {"port": "https", "protocol": "TCP"}
    ]


def test_the_end_of_a_pod_leaves_time_to_drain(chart: Chart) -> None:
    spec = pod(chart.objects({"gateway.drainTimeout": 600}))
    assert spec["terminationGracePeriodSeconds"] > 600
    command = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert command[-2:] == ["modelyard_gateway", "drain"]
    rolling = only(chart.objects(), "Deployment", GATEWAY)["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


def test_both_containers_are_told_every_setting_and_understand_it(chart: Chart) -> None:
    values = {
        "namespaces": ["team-a", "team-b"],
        "gateway.audiences": ["one", "two"],
        "gateway.domain": "models.example.com",
        "gateway.longestBody": 134217728,
        "gateway.mostConnections": 2000000 // 2,
        "gateway.trustedHops": 1,
        "gateway.drainTimeout": 7,
        "gateway.log.level": "DEBUG",
    }
    found = containers(chart.objects(values))
    assert found["gateway"]["env"] == found["envoy"]["env"]
    known = {PREFIX + field.upper() for field in Settings.__struct_fields__} - {
        f"{PREFIX}{one}" for one in ("ADDRESS", "LIMITS_URL")
    }
    assert {one["name"] for one in found["gateway"]["env"]} == known
    settings = load(environment(found["gateway"]))
    assert (settings.namespaces, settings.audiences) == (("team-a", "team-b"), ("one", "two"))
    assert (settings.longest_body, settings.most_connections) == (134217728, 1000000)
    assert (settings.trusted_hops, settings.drain_timeout, settings.tls) == (1, 7, "")
    assert (settings.domain, settings.log_level) == ("models.example.com", "DEBUG")


def test_ports_are_those_of_the_settings(defaults: list[Object]) -> None:
    found = containers(defaults)
    settings = load(environment(found["envoy"]))
    ports = {port["name"]: port["containerPort"] for one in found.values() for port in one["ports"]}
    assert ports == {
        "http": settings.port,
        "metrics": settings.http_port,
        "envoy-metrics": settings.envoy_port,
    }


def test_selectors_match_the_pod_and_no_pod_of_the_operator(defaults: list[Object]) -> None:
    labels = only(defaults, "Deployment", GATEWAY)["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        only(defaults, "Deployment", GATEWAY)["spec"]["selector"]["matchLabels"],
        only(defaults, "Service", GATEWAY)["spec"]["selector"],
        only(defaults, "PodDisruptionBudget", GATEWAY)["spec"]["selector"]["matchLabels"],
        only(defaults, "NetworkPolicy", GATEWAY)["spec"]["podSelector"]["matchLabels"],
        pod(defaults)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    operator = only(defaults, "Deployment", "modelyard-operator")["spec"]["template"]["metadata"]["labels"].items()
    assert all(selector.items() <= labels for selector in selectors)
    assert not any(selector.items() <= operator for selector in selectors)


def test_the_network_policy_lets_in_requests_and_metrics_and_out_what_is_needed(defaults: list[Object]) -> None:
    spec = only(defaults, "NetworkPolicy", GATEWAY)["spec"]
    assert [[port["port"] for port in rule["ports"]] for rule in spec["ingress"]] == [
        ["http"],
        ["metrics", "envoy-metrics"],
    ]
    models = next(rule for rule in spec["egress"] if "ports" not in rule)
    assert models["to"] == [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/managed-by": "modelyard"}}}
    ]
    assert sorted(port["port"] for rule in spec["egress"] for port in rule.get("ports", [])) == [53, 53, 443, 6443]


def test_an_autoscaler_decides_about_replicas_alone(chart: Chart) -> None:
    objects = chart.objects({"gateway.autoscaling.enabled": True, "gateway.replicas": 1})
    assert "replicas" not in only(objects, "Deployment", GATEWAY)["spec"]
    assert only(objects, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == GATEWAY
    assert GATEWAY in named(objects, "PodDisruptionBudget")


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ServiceAccount", "NetworkPolicy", "ClusterRole"])
def test_without_a_gateway_nothing_of_it_is_left(chart: Chart, kind: str) -> None:
    assert GATEWAY in named(chart.objects(), kind)
    left = [o for o in chart.objects({"gateway.enabled": False}) if "gateway" in o["metadata"]["name"]]
    assert left == []


def test_its_account_is_the_one_that_is_bound(chart: Chart) -> None:
    objects = chart.objects({"gateway.serviceAccount.name": "door"})
    assert pod(objects)["serviceAccountName"] == "door"
    bindings = [o for o in objects if o["kind"] == "ClusterRoleBinding" and "gateway" in o["metadata"]["name"]]
    assert {(o["subjects"][0]["name"], o["subjects"][0]["namespace"]) for o in bindings} == {("door", NAMESPACE)}


def test_only_the_process_is_told_where_limits_are_shared(chart: Chart) -> None:
    objects = chart.objects({"gateway.limits.secretName": "limits", "gateway.limits.port": 6380})
    told = {name: {one["name"]: one for one in found["env"]} for name, found in containers(objects).items()}
    variable = "MODELYARD_GATEWAY_LIMITS_URL"
    assert told["gateway"][variable]["valueFrom"] == {"secretKeyRef": {"name": "limits", "key": "url"}}
    assert variable not in told["envoy"]
    egress = only(objects, "NetworkPolicy", GATEWAY)["spec"]["egress"]
    assert {"ports": [{"port": 6380, "protocol": "TCP"}]} in egress
