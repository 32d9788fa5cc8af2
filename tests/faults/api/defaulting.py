"""What a real API server adds to what was sent, for the kinds that the operator writes. Pure.

Recorded from kube-apiserver 1.37; the conformance tests compare.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from modelyard_operator.api.scalars import parse_quantity

from .kinds import BUDGETS, DEPLOYMENTS, PODS, SERVICES, Kind

_BINARY = (("Ei", 2**60), ("Pi", 2**50), ("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10))
_DECIMAL = (("G", 10**9), ("M", 10**6), ("k", 10**3))


def defaulted(kind: Kind, body: dict[str, Any], address: str) -> dict[str, Any]:
    """The object with defaults; `address` is for a Service that has none."""
    if kind is DEPLOYMENTS:
        return {"status": {}, **body, "spec": _deployment(body["spec"])}
    if kind is SERVICES:
        return {"status": {"loadBalancer": {}}, **body, "spec": _service(body["spec"], address)}
    if kind is BUDGETS:
        empty = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
        return {"status": empty, **body}
    if kind is PODS:
        return {"status": {"phase": "Pending", "qosClass": "BestEffort"}, **body}
    return body


def _deployment(spec: Mapping[str, Any]) -> dict[str, Any]:
    template = spec["template"]
    strategy = spec.get("strategy") or {"type": "RollingUpdate"}
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        rolling = {"maxSurge": "25%", "maxUnavailable": "25%", **strategy.get("rollingUpdate", {})}
        strategy = {"type": "RollingUpdate", **strategy, "rollingUpdate": rolling}
    return {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        **spec,
        "strategy": strategy,
        "template": {**template, "spec": _pod_spec(template["spec"])},
    }


def _pod_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    result = {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        **spec,
    }
    for field in ("initContainers", "containers"):
        if field in spec:
            result[field] = [_container(one) for one in spec[field]]
    if "volumes" in spec:
        result["volumes"] = [_volume(one) for one in spec["volumes"]]
    return result


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    image = str(container.get("image", ""))
    result = {
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "Always"
        if image.endswith(":latest") or ":" not in image.rsplit("/", maxsplit=1)[-1]
        else "IfNotPresent",
        "resources": {},
        **container,
    }
    result["resources"] = _resources(result["resources"])
    if "ports" in container:
        result["ports"] = [{"protocol": "TCP", **port} for port in container["ports"]]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe in container:
            result[probe] = _probe(container[probe])
    return result


def _probe(probe: Mapping[str, Any]) -> dict[str, Any]:
    result = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3, **probe}
    if "httpGet" in probe:
        result["httpGet"] = {"scheme": "HTTP", **probe["httpGet"]}
    return result


def _resources(resources: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: canonical(value) for key, value in values.items()} if name in ("requests", "limits") else values
        for name, values in resources.items()
    }


def _volume(volume: Mapping[str, Any]) -> dict[str, Any]:
    for source in ("secret", "configMap"):
        if source in volume:
            return {**volume, source: {"defaultMode": 420, **volume[source]}}
    return dict(volume)


def _service(spec: Mapping[str, Any], address: str) -> dict[str, Any]:
    result = {
        "type": "ClusterIP",
        "clusterIP": address,
        "clusterIPs": [address],
        "sessionAffinity": "None",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
        **spec,
    }
    result["ports"] = [{"protocol": "TCP", "targetPort": one["port"], **one} for one in spec.get("ports", [])]
    return result


def canonical(value: Any) -> str:
    """A quantity as the server writes it: 1000m is 1, 1024Mi is 1Gi."""
    text, number = str(value), parse_quantity(value)
    if text.endswith("i") and number == number.to_integral_value():
        for suffix, unit in _BINARY:
            if number and number % unit == 0:
                return f"{int(number / unit)}{suffix}"
    if number == number.to_integral_value():
        for suffix, unit in _DECIMAL:
            if number and number % unit == 0:
                return f"{int(number / unit)}{suffix}"
        return str(int(number))
    return f"{int(number * Decimal(1000))}m"
