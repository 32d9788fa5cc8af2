"""Rendered configuration: private to the cluster's home, off outside interfaces."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from modelyard_local import components, layout, nodefiles
from modelyard_local.components import ControlPlaneSettings, apiserver_arguments, etcd_arguments
from modelyard_local.objects import wanted

ROOT = Path("/state")


def settings(*, node_tier: bool) -> ControlPlaneSettings:
    return ControlPlaneSettings(ROOT / "pki", ROOT / "etcd", "127.0.0.1", 1, 2, 3, 4, node_tier=node_tier)


def test_containerd_keeps_everything_below_its_root() -> None:
    document = tomllib.loads(nodefiles.containerd_toml(ROOT, "127.0.0.1:5000/modelyard/pause:1"))
    cri = document["plugins"]["io.containerd.grpc.v1.cri"]
    assert {document["root"], document["state"], document["grpc"]["address"]} == {
        "/state/root",
        "/state/state",
        "/state/containerd.sock",
    }
    assert cri["containerd"]["runtimes"]["runc"]["options"]["Root"] == "/state/runc"
    assert cri["netns_mounts_under_state_dir"] is True


def test_containerd_works_without_the_right_to_lower_oom_scores() -> None:
    document = tomllib.loads(nodefiles.containerd_toml(ROOT, "pause"))
    assert document["oom_score"] == 0
    assert document["plugins"]["io.containerd.grpc.v1.cri"]["restrict_oom_score_adj"] is True


def test_the_kubelet_listens_on_the_bridge_and_lets_nobody_in_unknown() -> None:
    document = json.loads(nodefiles.kubelet_config(ROOT, ROOT, ROOT / "socket", ROOT / "resolv.conf"))
    assert document["address"] == layout.ADDRESS
    assert document["healthzBindAddress"] == "127.0.0.1"
    assert document["authentication"]["anonymous"]["enabled"] is False
    assert document["authorization"]["mode"] == "Webhook"


def test_node_ports_stay_on_the_bridge() -> None:
    document = json.loads(nodefiles.kube_proxy_config(ROOT / "kubeconfig"))
    assert document["nodePortAddresses"] == [layout.POD_RANGE]
    assert document["healthzBindAddress"].startswith("127.0.0.1:")
    assert document["metricsBindAddress"].startswith("127.0.0.1:")


def test_pods_get_addresses_of_our_bridge_remembered_in_our_state() -> None:
    [bridge] = json.loads(nodefiles.cni_conflist(ROOT / "addresses"))["plugins"]
    assert bridge["bridge"] == layout.BRIDGE
    assert bridge["ipam"]["dataDir"] == "/state/addresses"


@pytest.mark.parametrize("forward", [True, False])
def test_other_names_are_forwarded_only_if_there_is_a_resolver(forward: bool) -> None:
    assert ("forward . /etc/resolv.conf" in nodefiles.corefile(ROOT / "k", forward=forward)) is forward


@pytest.mark.parametrize(
    ("text", "there"), [("nameserver 1.1.1.1\n", True), ("# nameserver 1.1.1.1\nsearch x\n", False), ("", False)]
)
def test_a_resolver_counts_only_if_it_is_named(text: str, there: bool) -> None:
    assert nodefiles.has_nameserver(text) is there


def test_etcd_lets_only_clients_of_its_own_authority_in() -> None:
    arguments = etcd_arguments(settings(node_tier=False))
    assert "--client-cert-auth" in arguments
    assert "--trusted-ca-file=/state/pki/etcd-ca.crt" in arguments
    assert "--listen-client-urls=https://127.0.0.1:2" in arguments


def test_a_control_plane_without_nodes_keeps_its_loopback_address_to_itself() -> None:
    arguments = apiserver_arguments(settings(node_tier=False))
    assert "--endpoint-reconciler-type=none" in arguments
    assert not any(argument.startswith("--advertise-address") for argument in arguments)


def test_a_cluster_advertises_its_address_and_knows_the_kubelets_authority() -> None:
    arguments = apiserver_arguments(settings(node_tier=True))
    assert "--advertise-address=127.0.0.1" in arguments
    assert "--kubelet-certificate-authority=/state/pki/ca.crt" in arguments
    assert "--authorization-mode=Node,RBAC" in arguments


def test_the_api_servers_certificate_is_valid_for_its_service() -> None:
    [served] = [one for one in components.certificates("10.244.0.1") if one.name == "apiserver"]
    assert {"10.244.0.1", layout.API_SERVICE, "kubernetes.default.svc"} <= set(served.hosts)


def test_no_listener_of_the_cluster_is_on_an_outside_interface() -> None:
    assert {address for address, _ in layout.LISTENERS} == {"127.0.0.1", layout.ADDRESS}


def test_every_object_is_applied_to_the_path_that_bears_its_name() -> None:
    for path, body in wanted():
        assert path.endswith(f"/{body['metadata']['name']}")


def test_the_dns_service_leads_to_the_process_on_the_node() -> None:
    bodies = {body["kind"]: body for _, body in wanted()}
    assert bodies["Service"]["spec"]["clusterIP"] == layout.DNS_SERVICE
    assert "selector" not in bodies["Service"]["spec"]
    assert bodies["EndpointSlice"]["endpoints"][0]["addresses"] == [layout.ADDRESS]
    assert {port["targetPort"] for port in bodies["Service"]["spec"]["ports"]} == {
        port["port"] for port in bodies["EndpointSlice"]["ports"]
    }
