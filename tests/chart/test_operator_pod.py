"""The operator's pod: hardened, probed, spread, and told exactly the settings it knows."""

from typing import Any

import pytest

from chart.rendering import NAMESPACE, Chart, Object, only
from modelyard_operator.settings import Settings, load, variable

OPERATOR = "modelyard-operator"
# The operator takes its own namespace when it is not told another, and the chart's Role is in that namespace only.
DEFAULTED = {"MODELYARD_LEASE_NAMESPACE"}


def environment(objects: list[Object]) -> dict[str, str | None]:
    """The operator's environment; None for what comes from the pod itself."""
    container = only(objects, "Deployment", OPERATOR)["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def test_the_pod_meets_the_restricted_security_standard(defaults: list[Object]) -> None:
    spec = only(defaults, "Deployment", OPERATOR)["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert all(set(volume) <= {"name", "emptyDir", "configMap"} for volume in spec["volumes"])
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("hostPort" in port for port in container["ports"])


def test_the_standby_takes_over_without_a_gap(defaults: list[Object]) -> None:
    spec = only(defaults, "Deployment", OPERATOR)["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    assert "lifecycle" not in spec["template"]["spec"]["containers"][0]


def test_selectors_match_the_pod(defaults: list[Object]) -> None:
    deployment = only(defaults, "Deployment", OPERATOR)
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        only(defaults, "Service", f"{OPERATOR}-metrics")["spec"]["selector"],
        only(defaults, "PodDisruptionBudget", OPERATOR)["spec"]["selector"]["matchLabels"],
        only(defaults, "NetworkPolicy", OPERATOR)["spec"]["podSelector"]["matchLabels"],
        deployment["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels for selector in selectors)
    assert only(defaults, "ServiceMonitor", OPERATOR)["spec"]["selector"]["matchLabels"].items() <= (
        only(defaults, "Service", f"{OPERATOR}-metrics")["metadata"]["labels"].items()
    )


def test_probes_ask_the_health_paths_on_the_http_port(defaults: list[Object]) -> None:
    container = only(defaults, "Deployment", OPERATOR)["spec"]["template"]["spec"]["containers"][0]
    paths = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths["livenessProbe"] == paths["startupProbe"] == {"path": "/healthz", "port": "http"}
    assert paths["readinessProbe"] == {"path": "/readyz", "port": "http"}


def test_the_environment_is_every_setting_of_the_operator(chart: Chart) -> None:
    known = {variable(field) for field in Settings.__struct_fields__}
    assert set(environment(chart.objects({"objectStore.endpoint": "http://store"}))) == known - DEFAULTED


def test_the_operator_understands_its_environment(chart: Chart) -> None:
    values = {"namespaces": ["team-a", "team-b"], "operator.lease.duration": 30, "operator.log.format": "text"}
    env = {name: value for name, value in environment(chart.objects(values)).items() if value is not None}
    settings = load([], env)
    assert settings.namespaces == ["team-a", "team-b"]
    assert settings.lease_duration == 30
    assert settings.log_format == "text"
    assert settings.fetch_image == "127.0.0.1:5000/modelyard/model-server:0.1.0"


def test_values_reach_the_environment_as_text(chart: Chart) -> None:
    values = {
        "namespaces": ["team-a", "team-b"],
        "operator.workers": 32,
        "operator.apiQps": 1000,
        "images.tag": "1.2.3",
    }
    env = environment(chart.objects(values))
    assert env["MODELYARD_NAMESPACES"] == "team-a,team-b"
    assert env["MODELYARD_WORKERS"] == "32"
    assert env["MODELYARD_API_QPS"] == "1000"
    assert env["MODELYARD_FETCH_IMAGE"] == "127.0.0.1:5000/modelyard/model-server:1.2.3"
    assert "MODELYARD_OBJECT_STORE_ENDPOINT" not in env


def test_models_are_reached_by_the_gateway_and_by_whom_the_values_name(chart: Chart) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}
    env = environment(chart.objects({"networkPolicy.modelsAlsoFrom": [peer]}))
    clients = load([], {name: value for name, value in env.items() if value is not None}).clients
    assert [one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in clients] == [
        NAMESPACE,
        "apps",
    ]
    gateway = only(chart.objects(), "Deployment", "modelyard-gateway")["spec"]["template"]["metadata"]["labels"]
    assert clients[0]["podSelector"]["matchLabels"].items() <= gateway.items()


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({}, f"http://modelyard-gateway.{NAMESPACE}.svc"),
        ({"gateway.service.port": 8000}, f"http://modelyard-gateway.{NAMESPACE}.svc:8000"),
        ({"gateway.tls.secretName": "door"}, f"https://modelyard-gateway.{NAMESPACE}.svc"),
        ({"gateway.url": "https://models.example.com"}, "https://models.example.com"),
        ({"gateway.enabled": False}, None),
    ],
)
def test_models_are_told_the_address_of_the_gateway(chart: Chart, values: dict[str, Any], address: str | None) -> None:
    assert environment(chart.objects(values)).get("MODELYARD_GATEWAY_URL") == address


@pytest.mark.parametrize("value", ["gateway.enabled", "gateway.only"])
def test_without_a_gateway_or_its_privilege_everybody_reaches_models(chart: Chart, value: str) -> None:
    assert "MODELYARD_CLIENTS" not in environment(chart.objects({value: False}))


def test_a_digest_wins_over_the_tag(chart: Chart) -> None:
    digest = "sha256:" + "0" * 64
    objects = chart.objects({"images.operator.digest": digest, "images.tag": "1.2.3"})
    image = only(objects, "Deployment", OPERATOR)["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"127.0.0.1:5000/modelyard/operator@{digest}"


def test_the_network_policy_lets_in_metrics_and_out_dns_and_the_api_server(defaults: list[Object]) -> None:
    spec = only(defaults, "NetworkPolicy", OPERATOR)["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    assert sorted(port["port"] for rule in spec["egress"] for port in rule["ports"]) == [53, 53, 443, 6443]
