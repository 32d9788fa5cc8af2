"""Names, addresses and ports of the cluster. Nothing here listens on an outside interface."""

from __future__ import annotations

NODE = "modelyard-local"
BRIDGE = "modelyard0"
BRIDGE_MAC = "02:6d:64:79:00:01"
ADDRESS = "10.244.0.1"
"""The node: the bridge's own address, reached from the host and from every pod."""

POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
DOMAIN = "cluster.local"
CNI_NETWORK = "modelyard-local"

API_PORT = 6443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
ETCD_HEALTH_PORT = 2381
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
KUBELET_PORT = 10250
KUBELET_HEALTH_PORT = 10248
PROXY_HEALTH_PORT = 10256
PROXY_METRICS_PORT = 10249
DNS_PORT = 1053
DNS_HEALTH_PORT = 10253
DNS_READY_PORT = 10254
REGISTRY_PORT = 5000
REGISTRY = f"127.0.0.1:{REGISTRY_PORT}"

GPUS = 4

LISTENERS: dict[tuple[str, int], str] = {
    ("127.0.0.1", ETCD_PORT): "etcd",
    ("127.0.0.1", ETCD_PEER_PORT): "etcd",
    ("127.0.0.1", ETCD_HEALTH_PORT): "etcd",
    (ADDRESS, API_PORT): "kube-apiserver",
    ("127.0.0.1", CONTROLLER_MANAGER_PORT): "kube-controller-manager",
    ("127.0.0.1", SCHEDULER_PORT): "kube-scheduler",
    (ADDRESS, KUBELET_PORT): "kubelet",
    ("127.0.0.1", KUBELET_HEALTH_PORT): "kubelet",
    ("127.0.0.1", PROXY_HEALTH_PORT): "kube-proxy",
    ("127.0.0.1", PROXY_METRICS_PORT): "kube-proxy",
    (ADDRESS, DNS_PORT): "coredns",
    ("127.0.0.1", DNS_HEALTH_PORT): "coredns",
    ("127.0.0.1", DNS_READY_PORT): "coredns",
    ("127.0.0.1", REGISTRY_PORT): "registry",
}
"""Every TCP address that the cluster listens on, and the process that does."""
