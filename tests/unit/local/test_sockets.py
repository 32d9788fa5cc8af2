"""Sockets: the kernel's table, read right, and what keeps a port from us."""

from __future__ import annotations

import ipaddress

import pytest

from modelyard_local.sockets import Listener, conflicts, free_ports, parse_listeners

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
V4 = "   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n"
ESTABLISHED = "   1: 0100007F:1389 0100007F:1388 01 00000000:00000000 00:00000000 00000000     0        0 4243 1\n"
V6 = (
    "   0: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000     0        0 77 1\n"
)
MAPPED = V6.replace("00000000000000000000000000000000:0035", "0000000000000000FFFF00000100007F:0035")


def test_a_listening_socket_has_address_port_and_inode() -> None:
    assert parse_listeners(HEAD + V4 + ESTABLISHED) == [Listener("127.0.0.1", 5000, "4242")]


@pytest.mark.parametrize(("line", "address"), [(V6, "::"), (MAPPED, "127.0.0.1")])
def test_addresses_of_version_6_are_read_too(line: str, address: str) -> None:
    assert parse_listeners(HEAD + line) == [Listener(address, 53, "77")]


EVERYWHERE = str(ipaddress.IPv4Address(0))


@pytest.mark.parametrize(
    ("held", "conflicting"), [("10.244.0.1", True), (EVERYWHERE, True), ("::", True), ("127.0.0.1", False)]
)
def test_a_port_is_taken_on_its_address_or_on_all(held: str, conflicting: bool) -> None:
    assert bool(conflicts("10.244.0.1", 6443, [Listener(held, 6443, "1")])) is conflicting


def test_another_port_is_no_conflict() -> None:
    assert conflicts("127.0.0.1", 5000, [Listener("127.0.0.1", 5001, "1")]) == []


def test_free_ports_are_all_different() -> None:
    assert len(set(free_ports(8))) == 8
