"""Configuration of containerd, CNI, kubelet, kube-proxy, CoreDNS and the registry, as text.

The kubelet's and kube-proxy's files are JSON, which their YAML readers accept.
"""

from __future__ import annotations

import json
from pathlib import Path

from . import layout

CNI_PLUGINS = Path("/usr/lib/cni")


def containerd_toml(root: Path, sandbox_image: str) -> str:
    """Return containerd's configuration: everything private to `root`, nothing that needs CAP_SYS_RESOURCE."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{root / "root"}"
state = "{root / "state"}"
oom_score = 0
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{root / "containerd.sock"}"
[{cri}]
  sandbox_image = "{sandbox_image}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true
  stream_server_address = "127.0.0.1"
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [{cri}.containerd.runtimes.runc.options]
    SystemdCgroup = false
    Root = "{root / "runc"}"
  [{cri}.cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{root / "cni"}"
"""


def cni_conflist(data: Path) -> str:
    """Return the pod network: our bridge, addresses kept in `data`, no host ports."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": layout.POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(data),
    }
    bridge = {
        "type": "bridge",
        "bridge": layout.BRIDGE,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    return _json({"cniVersion": "0.4.0", "name": layout.CNI_NETWORK, "plugins": [bridge]})


def kubelet_config(pki: Path, root: Path, containerd_socket: Path, resolv_conf: Path) -> str:
    """Return the kubelet's configuration: cgroup v1 and machines without systemd or swap accounting are welcome."""
    return _json(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": layout.ADDRESS,
            "port": layout.KUBELET_PORT,
            "healthzBindAddress": "127.0.0.1",
            "healthzPort": layout.KUBELET_HEALTH_PORT,
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "containerRuntimeEndpoint": f"unix://{containerd_socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(pki / "kubelet.key"),
            "clusterDomain": layout.DOMAIN,
            "clusterDNS": [layout.DNS_SERVICE],
            "resolvConf": str(resolv_conf),
            "podLogsDir": str(root / "pod-logs"),
            "volumePluginDir": str(root / "volume-plugins"),
            "serializeImagePulls": False,
            "enforceNodeAllocatable": ["pods"],
            "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            # 100 = never: an image that is in no registry could not be pulled again.
            "imageGCHighThresholdPercent": 100,
        }
    )


def kube_proxy_config(kubeconfig: Path) -> str:
    """Return kube-proxy's configuration: node ports only on the bridge's address, nothing on outside interfaces."""
    return _json(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "oomScoreAdj": 0,
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "conntrack": {"maxPerCore": 0, "min": 0},
            "hostnameOverride": layout.NODE,
            "clusterCIDR": layout.POD_RANGE,
            "healthzBindAddress": f"127.0.0.1:{layout.PROXY_HEALTH_PORT}",
            "metricsBindAddress": f"127.0.0.1:{layout.PROXY_METRICS_PORT}",
            "nodePortAddresses": [layout.POD_RANGE],
            "iptables": {"localhostNodePorts": False},
        }
    )


def corefile(kubeconfig: Path, *, forward: bool) -> str:
    """Return CoreDNS's configuration; `forward` sends other names to the machine's own resolver."""
    lines = [
        f"bind {layout.ADDRESS}",
        "errors",
        f"health 127.0.0.1:{layout.DNS_HEALTH_PORT} {{\n        lameduck 0s\n    }}",
        f"ready 127.0.0.1:{layout.DNS_READY_PORT}",
        f"kubernetes {layout.DOMAIN} in-addr.arpa ip6.arpa {{\n        kubeconfig {kubeconfig}\n        ttl 5\n    }}",
        *(["forward . /etc/resolv.conf"] if forward else []),
        "cache 5",
    ]
    return f".:{layout.DNS_PORT} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def has_nameserver(resolv_conf: str) -> bool:
    """Return whether a resolv.conf names a server."""
    return any(line.split()[:1] == ["nameserver"] for line in resolv_conf.splitlines())


def pod_resolv_conf() -> str:
    """Return the resolver file for pods that do not ask for the cluster's DNS: no search domains of the machine."""
    return f"nameserver {layout.DNS_SERVICE}\n"


def registry_config(storage: Path) -> str:
    """Return the image registry's configuration: plain HTTP on loopback, deletes allowed."""
    return _json(
        {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
            "http": {"addr": layout.REGISTRY},
        }
    )


def _json(document: dict[str, object]) -> str:
    return json.dumps(document, indent=1) + "\n"
