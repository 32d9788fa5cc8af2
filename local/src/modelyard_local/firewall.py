"""Which iptables rules are ours, and the script that adds or removes them.

Chains of three origins: our own guard (MODELYARD-*), kube-proxy's and the kubelet's (KUBE-*), and the
CNI bridge plugin's per-pod masquerading (CNI-*, ours when a comment names our network).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import layout

GUARD = "MODELYARD-GUARD"
FORWARD = "MODELYARD-FORWARD"
_CHAIN = re.compile(r"^:(\S+) ")
_JUMP = re.compile(r" (?:-j|-g) (\S+)")


@dataclass
class Table:
    """One table of `iptables-save`: its chains, and its rules as written (`-A CHAIN ...`)."""

    name: str
    chains: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)


def parse(text: str) -> list[Table]:
    """Read `iptables-save`'s output."""
    tables: list[Table] = []
    for line in text.splitlines():
        chain = _CHAIN.match(line)
        if line.startswith("*"):
            tables.append(Table(line[1:].strip()))
        elif chain:
            tables[-1].chains.append(chain.group(1))
        elif line.startswith("-A "):
            tables[-1].rules.append(line)
    return tables


def is_kubernetes(chain: str) -> bool:
    """Return whether kube-proxy or a kubelet made the chain."""
    return chain.startswith("KUBE-")


def _chain(rule: str) -> str:
    return rule.split()[1]


def _target(rule: str) -> str:
    found = _JUMP.search(rule)
    return found.group(1) if found else ""


def our_chains(table: Table) -> list[str]:
    """Return the chains of a table that the cluster made."""
    network = f'name: \\"{layout.CNI_NETWORK}\\"'
    pods = {name for rule in table.rules if network in rule for name in (_chain(rule), _target(rule))}
    return [
        chain
        for chain in table.chains
        if is_kubernetes(chain) or chain.startswith("MODELYARD-") or (chain.startswith("CNI-") and chain in pods)
    ]


def removal_script(text: str) -> str:
    """Return the `iptables-restore --noflush` input that removes every chain of ours and every jump to one."""
    return "".join(f"*{table.name}\n{''.join(lines)}COMMIT\n" for table in parse(text) if (lines := [*_removal(table)]))


def _removal(table: Table) -> Iterator[str]:
    ours = our_chains(table)
    yield from (f":{chain} - [0:0]\n" for chain in ours)
    yield from (
        f"-D {rule.removeprefix('-A ')}\n" for rule in table.rules if _chain(rule) not in ours and _target(rule) in ours
    )
    yield from (f"-X {chain}\n" for chain in ours)


def guard_script() -> str:
    """Return the rules that keep packets from outside interfaces away from our addresses.

    Linux accepts a packet for any of its addresses on any interface; so a neighbour could reach the bridge's.
    """
    drops = "".join(f"-A {GUARD} -d {target} -j DROP\n" for target in (layout.POD_RANGE, layout.SERVICE_RANGE))
    inside = "".join(f"-A {GUARD} -i {interface} -j RETURN\n" for interface in ("lo", layout.BRIDGE))
    forward = f"-A {FORWARD} -i {layout.BRIDGE} -j ACCEPT\n-A {FORWARD} -o {layout.BRIDGE} -j ACCEPT\n"
    return (
        f"*raw\n:{GUARD} - [0:0]\n{inside}{drops}-A PREROUTING -j {GUARD}\nCOMMIT\n"
        f"*filter\n:{FORWARD} - [0:0]\n{forward}-A FORWARD -j {FORWARD}\nCOMMIT\n"
    )


def has_guard(text: str) -> bool:
    """Return whether both parts of the guard are in place."""
    jumps = {(table.name, _chain(rule), _target(rule)) for table in parse(text) for rule in table.rules}
    return {("raw", "PREROUTING", GUARD), ("filter", "FORWARD", FORWARD)} <= jumps
