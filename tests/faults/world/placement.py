"""Pod -> node. Pure."""

from collections.abc import Iterable
from typing import Any

Body = dict[str, Any]


def node_for(pod: Body, nodes: Iterable[Body], pods: Iterable[Body]) -> tuple[str, str]:
    """The node that takes the pod, or an empty name and the scheduler's message."""
    wanted = extended(pod)
    used: dict[str, dict[str, int]] = {}
    for one in pods:
        if node := one["spec"].get("nodeName"):
            for name, count in extended(one).items():
                taken = used.setdefault(node, {})
                taken[name] = taken.get(name, 0) + count
    total, reasons = 0, dict[str, int]()
    for node in sorted(nodes, key=lambda one: str(one["metadata"]["name"])):
        total += 1
        name = node["metadata"]["name"]
        why = _why_not(pod, wanted, node, used.get(name, {}))
        if not why:
            return name, ""
        reasons[why] = reasons.get(why, 0) + 1
    listed = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items()))
    return "", f"0/{total} nodes are available: {listed}."


def extended(pod: Body) -> dict[str, int]:
    """Extended resources that a pod asks for."""
    found: dict[str, int] = {}
    for container in pod["spec"].get("containers", []):
        for name, count in container.get("resources", {}).get("limits", {}).items():
            if "/" in name:
                found[name] = found.get(name, 0) + int(count)
    return found


def _why_not(pod: Body, wanted: dict[str, int], node: Body, used: dict[str, int]) -> str:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in pod["spec"].get("nodeSelector", {}).items()):
        return "node(s) didn't match Pod's node affinity/selector"
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    if terms and not any(all(_holds(one, labels) for one in term["matchExpressions"]) for term in terms):
        return "node(s) didn't match Pod's node affinity/selector"
    offered = node.get("status", {}).get("allocatable", {})
    for name, count in sorted(wanted.items()):
        if int(offered.get(name, 0)) - used.get(name, 0) < count:
            return f"Insufficient {name}"
    return ""


def _holds(expression: Body, labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    if expression["operator"] == "In":
        return value in expression["values"]
    return value is not None and value.isdigit() and int(value) > int(expression["values"][0])
