"""What is looked for on the machine: collisions before up, leftovers after down, the state of parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard_local import gpu, layout
from modelyard_local.daemons import is_ready_since
from modelyard_local.preflight import missing_controllers, overlapping_routes
from modelyard_local.status import Part, duration, table
from modelyard_local.teardown import is_ours, parse_mounts

HOME = Path("/var/lib/modelyard-local")
MOUNTS = """22 1 0:21 / /proc rw - proc proc rw
30 1 8:1 /x /var/lib/modelyard-local/kubelet rw - ext4 /dev/vda rw
31 30 0:30 / /var/lib/modelyard-local/kubelet/pods/a\\040b rw - tmpfs tmpfs rw
32 1 0:31 / /var/lib/modelyard-local-other/x rw - tmpfs tmpfs rw
"""


def ready_node(beat: str, status: str = "True") -> dict[str, object]:
    return {"status": {"conditions": [{"type": "Ready", "status": status, "lastHeartbeatTime": beat}]}}


def test_routes_that_overlap_our_ranges_are_named() -> None:
    routes = [
        {"dst": "default", "dev": "eth0"},
        {"dst": "10.0.0.0/8", "dev": "vpn0"},
        {"dst": "192.168.0.0/24", "dev": "eth0"},
        {"dst": "10.96.3.4", "dev": "eth1"},
    ]
    assert overlapping_routes(routes) == ["10.0.0.0/8 dev vpn0", "10.96.3.4 dev eth1"]


def test_missing_cgroup_controllers_are_named() -> None:
    assert missing_controllers({"cpu", "memory", "io"}) == ["cpuset", "pids"]


def test_mounts_below_the_home_come_deepest_first_and_no_others() -> None:
    assert parse_mounts(MOUNTS, HOME) == [f"{HOME}/kubelet/pods/a b", f"{HOME}/kubelet"]


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["/cache/bin/kubelet", f"--config={HOME}/config/kubelet.json"], True),
        (["/usr/bin/containerd-shim-runc-v2", "-address", f"{HOME}/containerd/containerd.sock"], True),
        (["/usr/bin/kubelet", "--config=/etc/kubelet.json"], False),
        (["tail", "-f", f"{HOME}/log/kubelet.log"], False),
        (["/cache/bin/kubelet", f"--config={HOME}-other/config/kubelet.json"], False),
        ([], False),
    ],
)
def test_only_daemons_and_shims_of_this_home_are_ours(words: list[str], ours: bool) -> None:
    assert is_ours(words, HOME) is ours


@pytest.mark.parametrize(
    ("node", "ready"),
    [
        (ready_node("1970-01-01T00:01:40Z"), True),
        (ready_node("1970-01-01T00:01:39Z"), False),
        (ready_node("1970-01-01T00:02:00Z", "Unknown"), False),
        ({"status": {}}, False),
        (None, False),
    ],
)
def test_a_node_is_ready_once_the_running_kubelet_said_so(node: dict[str, object] | None, ready: bool) -> None:
    assert is_ready_since(node, 100.7) is ready


def test_gpus_count_only_with_capacity_and_labels() -> None:
    node = {
        "metadata": {"labels": dict(gpu.LABELS)},
        "status": {"allocatable": {gpu.RESOURCE: str(layout.GPUS)}},
    }
    assert gpu.is_advertised(node)
    assert not gpu.is_advertised(node | {"metadata": {}})
    assert not gpu.is_advertised(node | {"status": {"allocatable": {gpu.RESOURCE: "0"}}})


@pytest.mark.parametrize(("seconds", "text"), [(119, "119s"), (120, "2m"), (7200, "2h"), (172800, "2d")])
def test_ages_read_like_kubectls(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_table_is_aligned_and_has_no_trailing_spaces() -> None:
    lines = table([Part("etcd", "7", "3s", "healthy", True), Part("GPUs", "", "", "4", True)]).splitlines()
    assert lines == ["PART  PID  AGE  STATE", "etcd  7    3s   healthy", "GPUs            4"]
