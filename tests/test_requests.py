"""The low level's membership requests and options, as the kernel sees them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

import mcast_lowlevel as low
from tests.hosts import TIMEOUT, Host

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def filtering(
    version: int, group: str, port: int, sources: list[str], interface: str
) -> Iterator[Any]:
    """Yield the source filter, and what is heard of the sources, through each kind of request.

    Each time, the test sends one datagram from each source and a last one by unicast.
    """
    family = FAMILIES[version]
    address, (first, second) = ip_address(group), map(ip_address, sources)
    index = socket.if_nametoindex(interface)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        fd = sock.fileno()
        sock.settimeout(TIMEOUT)
        sock.bind(("", port))
        low.set_option(fd, family, low.SocketOption.MULTICAST_ALL, 0)

        def state() -> list[Any]:
            mode, found = low.get_source_filter(fd, index, address)
            return [mode.value, sorted(map(str, found))]

        def heard() -> list[str]:
            got: list[str] = []
            while (text := sock.recv(100).decode()) != "end":
                got.append(text)
            return got

        low.join_group(fd, index, address)
        yield state()
        yield heard()
        low.block_source(fd, index, address, first)
        yield state()
        yield heard()
        low.unblock_source(fd, index, address, first)
        yield state()
        yield heard()
        low.leave_group(fd, index, address)
        low.join_source_group(fd, index, address, second)
        yield state()
        yield heard()
        low.join_source_group(fd, index, address, first)
        low.leave_source_group(fd, index, address, second)
        yield state()
        yield heard()
        low.set_source_filter(fd, index, address, low.FilterMode.EXCLUDE, (first,))
        yield state()
        yield heard()
        low.set_source_filter(fd, index, address, low.FilterMode.INCLUDE, (second, first))
        yield state()
        yield heard()
        low.set_source_filter(fd, index, address, low.FilterMode.INCLUDE, ())
        yield "left"
        yield heard()


def send_from(version: int, group: str, port: int, sources: list[str], unicast: str) -> None:
    """Send from each source to the group, then the end by unicast."""
    for source in sources:
        with socket.socket(FAMILIES[version], socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            low.set_multicast_interface(
                sock.fileno(), FAMILIES[version], socket.if_nametoindex("eth0")
            )
            sock.sendto(source.encode(), (group, port))
    with socket.socket(FAMILIES[version], socket.SOCK_DGRAM) as sock:
        sock.sendto(b"end", (unicast, port))


@pytest.mark.parametrize("version", [4, 6])
def test_requests_decide_which_sources_are_heard(
    two_hosts: tuple[Host, Host], group4: str, group6: str, port: int, version: int
) -> None:
    """Join, block, unblock, source joins and whole filters let pass what they say."""
    alice, bob = two_hosts
    group, family = {4: (group4, "inet"), 6: (group6, "inet6")}[version]
    first = alice.address("eth0", family)
    second, added = {
        4: ("10.77.0.200", "10.77.0.200/24"),
        6: ("fd77::200", "fd77::200/64 nodad"),
    }[version]
    alice.configure(f"address add dev eth0 {added}")
    sources = [first, second]
    expected: list[tuple[list[Any] | str, list[str]]] = [
        (["exclude", []], [first, second]),
        (["exclude", [first]], [second]),
        (["exclude", []], [first, second]),
        (["include", [second]], [second]),
        (["include", [first]], [first]),
        (["exclude", [first]], [second]),
        (["include", sorted(sources)], [first, second]),
        ("left", []),
    ]
    with bob.start(filtering, version, group, port, sources, "eth0") as receiver:
        for state, heard in expected:
            assert receiver.next() == state
            alice.call(send_from, version, group, port, sources, bob.address("eth0", family))
            assert receiver.next() == heard
        assert receiver.finish() == []


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_a_source_filter_of_any_size_is_read_back(group4: str, count: int) -> None:
    """Reading a filter gives its mode and all its sources, up to the kernel's limit of 10."""
    group = ip_address(group4)
    sources = tuple(IPv4Address("192.0.2.1") + i for i in range(count))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        low.join_group(sock.fileno(), 1, group)
        low.set_source_filter(sock.fileno(), 1, group, low.FilterMode.EXCLUDE, sources)
        mode, found = low.get_source_filter(sock.fileno(), 1, group)
    assert (mode, set(found)) == (low.FilterMode.EXCLUDE, set(sources))


@pytest.mark.parametrize("version", [4, 6])
def test_options_are_set_and_read_back(version: int) -> None:
    """Hop limit and loopback differ from their first values after being set."""
    family = FAMILIES[version]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        fd = sock.fileno()
        assert low.get_option(fd, family, low.SocketOption.MULTICAST_HOPS) == 1
        assert low.get_option(fd, family, low.SocketOption.MULTICAST_LOOP) == 1
        low.set_multicast_hops(fd, family, 42)
        low.set_multicast_loop(fd, family, False)
        assert low.get_option(fd, family, low.SocketOption.MULTICAST_HOPS) == 42
        assert low.get_option(fd, family, low.SocketOption.MULTICAST_LOOP) == 0


def test_a_refused_request_keeps_its_errno(group4: str) -> None:
    """What the kernel refuses is an OSError with the kernel's errno and words."""
    group = ip_address(group4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fd = sock.fileno()
        low.join_group(fd, 1, group)
        refused: list[tuple[Callable[[], None], int, str]] = [
            (lambda: low.join_group(fd, 1, group), 98, "Address already in use"),
            (lambda: low.leave_group(fd, 2**31 - 1, group), 99, "Cannot assign requested address"),
            (lambda: low.join_group(fd, 2**31 - 1, group), 19, "No such device"),
            (lambda: low.join_group(fd, 1, IPv4Address("192.0.2.1")), 22, "Invalid argument"),
            (lambda: low.join_group(-1, 1, group), 9, "Bad file descriptor"),
        ]
        for request, number, words in refused:
            with pytest.raises(OSError, match=words) as caught:
                request()
            assert caught.value.errno == number


def test_an_option_that_a_platform_lacks_is_named() -> None:
    """What the platform does not offer names the platform, the feature and the family."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        pytest.raises(low.UnsupportedError, match=r"Linux does not offer .*\(ONLY_IPV6\) for IPv4"),
    ):
        low.set_option(sock.fileno(), socket.AF_INET, low.SocketOption.ONLY_IPV6, 1)
