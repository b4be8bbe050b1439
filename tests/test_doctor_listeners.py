"""What is wrong with programs that listen on the port is made, found, mended, and gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

import mcast
import mcast_lowlevel
from tests.examination import assert_gone, assert_well, find, find_one
from tests.hosts import Host, Network, RemoteError

GROUP4, GROUP6 = "239.1.2.3", "ff15::1"


@pytest.fixture
def host(network: Network) -> Host:
    """Return a healthy host."""
    return network.host("patient", eth0=0)


def hold_port(port: int) -> Iterator[str]:
    """Hold a port for this process alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("", port))
        yield "held"
        holder.recv(1)


def test_a_port_that_is_held_is_found(host: Host, port: int) -> None:
    """Whose it is is told, and ending that process frees it."""
    with host.start(hold_port, port) as holder:
        assert holder.next() == "held"
        (finding,) = find(host, f"{GROUP4}:{port}", "--interface", "eth0")
        assert f"port {port} is held" in finding["problem"]
        assert f"(process {holder.pid})" in finding["evidence"]
        host.run("sh", "-c", finding["command"])
        with pytest.raises(RemoteError):
            holder.next()
        assert_well(host, f"{GROUP4}:{port}", "--interface", "eth0")


def listen(
    family: int, port: int, groups: list[str], interface: str = "", sources: list[str] | None = None
) -> Iterator[str]:
    """Listen as a program with one socket does, and read nothing; tell what a join came to."""
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        receiver.bind(("", port))
        index = socket.if_nametoindex(interface) if interface else 0
        try:
            for group in map(ip_address, groups):
                for source in map(ip_address, sources or []):
                    mcast_lowlevel.join_source_group(receiver.fileno(), index, group, source)
                if not sources:
                    mcast_lowlevel.join_group(receiver.fileno(), index, group)
        except OSError as error:
            yield str(error.strerror)
        else:
            yield "joined"
        threading.Event().wait()


@pytest.mark.parametrize("group", [GROUP4, GROUP6])
def test_a_group_joined_elsewhere_is_found(network: Network, port: int, group: str) -> None:
    """A program that names no interface gets another one; after the command it gets this one."""
    host = network.host("patient", eth0=0, eth1=1)
    if group == GROUP4:
        family = socket.AF_INET
        host.configure(f"route add {group} dev eth1")
    else:
        family = socket.AF_INET6
        host.configure(f"route add multicast {group} dev eth1 table local")
    arguments = [f"[{group}]:{port}", "--interface", "eth0"]
    problem = f"{group} is joined on eth1, and not on eth0"
    with host.start(listen, family, port, [group]) as program:
        assert program.next() == "joined"
        command = find_one(host, problem, *arguments)["command"]
    host.run("sh", "-c", command)
    with host.start(listen, family, port, [group]) as program:
        assert program.next() == "joined"
        assert_well(host, *arguments)


def test_a_group_that_nobody_joined_is_found(host: Host, port: int) -> None:
    """Binding to a port is not joining; the command joins."""
    arguments = [f"{GROUP4}:{port}", "--interface", "eth0"]
    problem = f"a program listens on port {port}, and none has joined {GROUP4}"
    with host.start(listen, socket.AF_INET, port, []) as program:
        assert program.next() == "joined"
        command = find_one(host, problem, *arguments)["command"].split()
        assert command[0] == "mcast"
        with host.popen(*host.interpreter, "-m", *command) as joining:
            assert joining.stderr is not None
            assert joining.stderr.readline().startswith("listening on port")
            assert_well(host, *arguments)
            joining.terminate()


FULL: dict[str, tuple[str, str]] = {
    GROUP4: ("net/ipv4/igmp_max_memberships=20", "No buffer space available"),
    GROUP6: ("net/core/optmem_max=2000", "Cannot allocate memory"),
}


@pytest.mark.parametrize("group", FULL)
def test_a_socket_without_room_for_the_group_is_found(host: Host, port: int, group: str) -> None:
    """A program that joins more groups than a socket may have is told of, until it may."""
    limit, failure = FULL[group]
    host.run("sysctl", "-qw", limit)
    family = socket.AF_INET if group == GROUP4 else socket.AF_INET6
    groups = [str(ip_address(group) + number) for number in range(40)][::-1]
    arguments = [f"[{group}]:{port}", "--interface", "eth0"]
    problem = f"and could not join {group}: its socket may have"
    with host.start(listen, family, port, groups, "eth0") as program:
        assert program.next() == failure
        command = find_one(host, problem, *arguments)["command"]
    host.run("sh", "-c", command)
    with host.start(listen, family, port, groups, "eth0") as program:
        assert program.next() == "joined"
        assert_well(host, *arguments)


@pytest.mark.parametrize("version", [4, 6])
def test_as_many_sources_as_a_socket_may_name_are_found(
    host: Host, port: int, version: int
) -> None:
    """One more fails; where the kernel's limit can be raised the command does it."""
    group, first, limit = (GROUP4, "10.77.0.100", 10) if version == 4 else (GROUP6, "fd77::99", 64)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    sources = [str(ip_address(first) + number) for number in range(limit)]
    asked = [f"[{group}]:{port}", "--interface", "eth0"]
    problem = f"{limit} sources of {group} are named: a socket may name {limit}"
    with host.start(listen, family, port, [group], "eth0", sources) as program:
        assert program.next() == "joined"
        finding = find_one(host, problem, *asked)
        assert_well(host, *asked, "--source", sources[0])
        if version == 4:
            host.run("sh", "-c", finding["command"])
            assert_gone(host, problem, *asked)


def send_many(group: str, port: int) -> int:
    """Send more than a small buffer holds."""
    with mcast.McastTx(group, port, interface="eth0") as tx:
        return tx.send_batch([bytes(1000)] * 1000)


@pytest.mark.parametrize("version", [4, 6])
def test_a_program_that_is_too_slow_is_found(
    two_hosts: tuple[Host, Host], port: int, version: int
) -> None:
    """How many datagrams found its buffer full is told, and by which program."""
    alice, bob = two_hosts
    group = GROUP4 if version == 4 else GROUP6
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    asked = [f"[{group}]:{port}", "--interface", "eth0"]
    with bob.start(listen, family, port, [group], "eth0") as program:
        assert program.next() == "joined"
        assert_well(bob, *asked)
        alice.call(send_many, group, port)
        finding = find_one(bob, "were thrown away: receive buffers were full", *asked)
        assert f"(process {program.pid}) is too slow" in finding["why"]
        # The command shows the program and its buffer: to make it faster is its owner's.
        assert f"pid={program.pid}," in bob.run("sh", "-c", finding["command"])
    assert_well(bob, *asked)
