"""The cluster's bridge, kernel settings and guard rules; and the removal of all network traces."""

from __future__ import annotations

import json
from pathlib import Path

from . import firewall, layout
from .commands import run, succeeds
from .errors import LocalError

SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "net/bridge/bridge-nf-call-iptables": 1,
    "fs/inotify/max_user_instances": 1024,
}
"""Smallest values that pods need; forwarding and bridge filtering carry Services, each pod watches files."""

_BRIDGE_FOLDER = Path("/sys/class/net", layout.BRIDGE)


def ensure(changes: Path) -> str:
    """Make bridge, route, settings and guard; note in `changes` what the settings were. "" when all was there."""
    if not changes.exists():
        changes.parent.mkdir(parents=True, exist_ok=True)
        changes.write_text("{}")
    made = []
    if not _has_bridge():
        _make_bridge()
        made.append(f"bridge {layout.BRIDGE} {layout.ADDRESS}")
    if _raise_sysctls(changes):
        made.append("kernel settings")
    if not firewall.has_guard(run(["iptables-save"])):
        remove_rules(only_guard=True)
        run(["iptables-restore", "--noflush"], stdin=firewall.guard_script())
        made.append("guard rules")
    return ", ".join(made)


def _has_bridge() -> bool:
    if not _BRIDGE_FOLDER.exists():
        return False
    routes = run(["ip", "-4", "route", "show", "dev", layout.BRIDGE])
    return layout.SERVICE_RANGE in routes and layout.POD_RANGE in routes


def _make_bridge() -> None:
    """Make the bridge with a fixed MAC (else it changes with every pod) and a route that keeps Services inside."""
    if not _BRIDGE_FOLDER.exists():
        run(["ip", "link", "add", layout.BRIDGE, "address", layout.BRIDGE_MAC, "type", "bridge"])
    prefix = layout.POD_RANGE.rsplit("/", 1)[1]
    run(["ip", "address", "replace", f"{layout.ADDRESS}/{prefix}", "dev", layout.BRIDGE])
    run(["ip", "link", "set", layout.BRIDGE, "up"])
    run(["ip", "route", "replace", layout.SERVICE_RANGE, "dev", layout.BRIDGE])


def _raise_sysctls(changes: Path) -> bool:
    before: dict[str, int] = json.loads(changes.read_text())
    raised = False
    for name, wanted in SYSCTLS.items():
        file = Path("/proc/sys", name)
        if not file.exists() and not (succeeds(["modprobe", "br_netfilter"]) and file.exists()):
            raise LocalError(f"the kernel has no {name.replace('/', '.')}; load the module br_netfilter")
        current = int(file.read_text())
        if current < wanted:
            before.setdefault(name, current)
            changes.write_text(json.dumps(before))
            file.write_text(str(wanted))
            raised = True
    return raised


def remove(changes: Path) -> None:
    """Remove pods' interfaces, the bridge and every rule, and set the kernel settings back."""
    remove_rules()
    for interface in our_interfaces():
        run(["ip", "link", "delete", interface], check=False)
    for name, value in json.loads(changes.read_text()).items():
        Path("/proc/sys", name).write_text(str(value))


def our_interfaces() -> list[str]:
    """Return the bridge and everything plugged into it, the bridge last."""
    ports = sorted(path.name for path in _BRIDGE_FOLDER.glob("brif/*"))
    return ports + ([layout.BRIDGE] if _BRIDGE_FOLDER.exists() else [])


def our_rules() -> list[str]:
    """Return the chains of ours that are present, IPv4 and IPv6."""
    return [
        f"{program}: {table.name}/{chain}"
        for program in ("iptables", "ip6tables")
        for table in firewall.parse(run([f"{program}-save"]))
        for chain in firewall.our_chains(table)
    ]


def remove_rules(*, only_guard: bool = False) -> None:
    """Remove every chain of ours, or only the guard (to make it whole again), and nothing else."""
    for program in ("iptables", "ip6tables"):
        text = run([f"{program}-save"])
        if only_guard:
            text = "\n".join(line for line in text.splitlines() if line[:1] == "*" or "MODELYARD-" in line)
        script = firewall.removal_script(text)
        if script:
            run([f"{program}-restore", "--noflush"], stdin=script)
