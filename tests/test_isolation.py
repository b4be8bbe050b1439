"""What was not sent to a joined group on its interface: not delivered, and it wakes nobody."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import mcast
from tests.hosts import TIMEOUT, Network

COUNT = 100_000


def wait_for(groups: list[str], port: int) -> Iterator[Any]:
    """Yield each datagram's payload, and what was lost, until "end"."""
    with mcast.McastRx(groups, port, interfaces="eth0", timeout=TIMEOUT) as rx:
        yield "ready"
        for datagram in rx:
            yield datagram.data.decode()
            if datagram.data == b"end":
                yield rx.dropped


def hear_the_last(groups: list[str], port: int) -> Iterator[str]:
    """Join groups that are not the other program's, on every interface; yield at their "end"."""
    with mcast.McastRx(groups, port, timeout=TIMEOUT) as rx:
        yield "ready"
        while rx.recv().data != b"end":
            pass
        yield "end"


def flood(destinations: list[tuple[str, int, str]], count: int) -> None:
    """Send `count` datagrams in all to hosts and groups, each by an interface; "end" at last."""
    senders: list[tuple[socket.socket, Any]] = []
    for host, port, interface in destinations:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sender = socket.socket(family, socket.SOCK_DGRAM)
        index = socket.if_nametoindex(interface)
        if family == socket.AF_INET6:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            mreqn = bytes(8) + index.to_bytes(4, sys.byteorder)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, mreqn)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        senders.append((sender, (host, port)))
    for _ in range(count // len(senders)):
        for sender, address in senders:
            sender.sendto(b"unwanted", address)
    for sender, address in senders:
        sender.sendto(b"end", address)
        sender.close()


def switches(pid: int) -> int:
    """Return how often the process gave up a processor, once it sleeps for its sockets."""
    deadline = time.monotonic() + TIMEOUT
    while "poll" not in Path(f"/proc/{pid}/wchan").read_text(encoding="ascii"):
        assert time.monotonic() < deadline
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("how_many", [1, 2])
def test_what_is_not_wanted_wakes_nobody(
    network: Network, new_group: Callable[[int], str], port: int, version: int, how_many: int
) -> None:
    """Neither unicast, nor other groups, nor the own group on another interface is noticed."""
    family = {4: "inet", 6: "inet6"}[version]
    alice, bob = (network.host(name, eth0=0, eth1=1) for name in ("alice", "bob"))
    groups = [new_group(version) for _ in range(how_many)]
    foreign = new_group(version)
    unwanted = [
        (bob.address("eth0", family), port, "eth0"),
        (foreign, port, "eth0"),
        (groups[0], port, "eth1"),
    ]
    if (version, how_many) == (4, 1):  # It reaches every socket that is not bound to a group.
        unwanted.append(("10.77.0.255", port, "eth0"))
    with (
        ExitStack() as stack,
        bob.start(hear_the_last, [foreign], port) as other,
        bob.start(hear_the_last, [groups[0], foreign], port) as third,
    ):
        assert [other.next(), third.next()] == ["ready", "ready"]
        # Bound after them, the receiver would be the one to get the unicast.
        receiver = stack.enter_context(bob.start(wait_for, groups, port))
        assert receiver.next() == "ready"
        before = switches(receiver.pid)
        alice.call(flood, unwanted, COUNT)
        alice.call(flood, unwanted, 0)
        assert [other.next(), third.next()] == ["end", "end"]
        assert switches(receiver.pid) == before
        alice.call(flood, [(groups[-1], port, "eth0")], 1)
        assert [receiver.next(), receiver.next(), receiver.next()] == ["unwanted", "end", 0]
