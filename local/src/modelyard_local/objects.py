"""Kubernetes objects that every cluster needs before its first pod."""

from __future__ import annotations

from . import layout
from .api import ApiClient, JsonObject

RBAC = "rbac.authorization.k8s.io"
DNS_USER = "system:coredns"
KUBELET_CLIENT = "modelyard:apiserver-kubelet-client"


def _binding(name: str, role: str, user: str) -> tuple[str, JsonObject]:
    body: JsonObject = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }
    return f"/apis/{RBAC}/v1/clusterrolebindings/{name}", body


def _dns_role() -> tuple[str, JsonObject]:
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    body: JsonObject = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": DNS_USER},
        "rules": rules,
    }
    return f"/apis/{RBAC}/v1/clusterroles/{DNS_USER}", body


def _dns_service() -> tuple[str, JsonObject]:
    ports = [
        {"name": f"dns-{p.lower()}", "port": 53, "targetPort": layout.DNS_PORT, "protocol": p} for p in ("UDP", "TCP")
    ]
    body: JsonObject = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": layout.DNS_SERVICE, "ports": ports},
    }
    return "/api/v1/namespaces/kube-system/services/kube-dns", body


def _dns_endpoints() -> tuple[str, JsonObject]:
    """Return the way to CoreDNS, which is a process of the node and so has no pod to select."""
    ports = [{"name": f"dns-{p.lower()}", "port": layout.DNS_PORT, "protocol": p} for p in ("UDP", "TCP")]
    body: JsonObject = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-node",
            "namespace": "kube-system",
            "labels": {
                "kubernetes.io/service-name": "kube-dns",
                "endpointslice.kubernetes.io/managed-by": "modelyard-local",
            },
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [layout.ADDRESS], "conditions": {"ready": True}}],
        "ports": ports,
    }
    return "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns-node", body


def wanted() -> list[tuple[str, JsonObject]]:
    """Return path and body of every object."""
    return [
        _binding("modelyard-local:kubelet-api", "system:kubelet-api-admin", KUBELET_CLIENT),
        _dns_role(),
        _binding("modelyard-local:coredns", DNS_USER, DNS_USER),
        _dns_service(),
        _dns_endpoints(),
    ]


def ensure(client: ApiClient) -> str:
    """Apply every object; return how many were not there before."""
    objects = wanted()
    missing = [path for path, _ in objects if client.get(path) is None]
    for path, body in objects:
        client.apply(path, body)
    return f"{len(missing)} objects made" if missing else ""
