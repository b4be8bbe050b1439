"""The network that the other tests stand on."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import Host, Network, RemoteError


def _echo(family: int, address: str, port: int) -> Iterator[str]:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((address, port))
        yield "ready"
        data, _ = sock.recvfrom(100)
        yield data.decode()


def _say(family: int, address: str, port: int, text: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), (address, port))


@pytest.mark.parametrize(("family", "name"), [(socket.AF_INET, "inet"), (socket.AF_INET6, "inet6")])
def test_hosts_reach_each_other(
    two_hosts: tuple[Host, Host], port: int, family: socket.AddressFamily, name: str
) -> None:
    """A datagram that one host sends to the other's address arrives there."""
    alice, bob = two_hosts
    address = bob.address("eth0", name)
    with bob.start(_echo, family, address, port) as echo:
        assert echo.next() == "ready"
        alice.call(_say, family, address, port, "hello")
        assert echo.finish() == ["hello"]


def _fail() -> None:
    error = ValueError("of no value")
    error.add_note("a hint")
    raise error


def test_an_error_in_a_host_comes_back(network: Network) -> None:
    """A function that raises in a host raises here, with its own traceback and notes."""
    with pytest.raises(RemoteError, match=r"(?s)in _fail.*ValueError: of no value.*a hint"):
        network.host("alone").call(_fail)


def test_nothing_is_left_of_a_network() -> None:
    """When a network is closed, every namespace that held it is gone."""
    with Network() as network:
        host = network.host("alone", eth0=0)
        namespace = Path(host.run("readlink", "/proc/self/ns/net").strip())
    held = [
        process
        for process in Path("/proc").glob("[0-9]*/ns/net")
        if os.access(process, os.R_OK) and _readlink(process) == namespace
    ]
    assert held == []


def _readlink(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:  # The process has ended meanwhile.
        return None


def build_without_root() -> list[str]:
    """Return a host's address in a network that an ordinary user builds."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    with Network() as network:
        host = network.host("alone", eth0=0)
        return [host.address("eth0", family) for family in ("inet", "inet6")]


def test_needs_no_root() -> None:
    """An ordinary user can build a network where the kernel allows user namespaces."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(build_without_root) == ["10.77.0.1", "fd77::1"]
