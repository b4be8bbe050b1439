"""Fixtures: hosts to test between, and groups and ports that no other test uses."""

from __future__ import annotations

import itertools
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import settings

from tests.hosts import Host, Network
from tests.layouts import PROPERTY, Facts

# A machine may be busy with other tests: how long an example takes says nothing.
settings.register_profile("mcast", deadline=None)
settings.load_profile("mcast")

# Ports below those that systems hand out themselves (Linux: from 32768), a share for each worker
# of pytest-xdist; and groups from the blocks for local use (RFC 2365, RFC 7346), from a start that
# another session on this machine does not share.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(range(20000 + 100 * _worker, 20100 + 100 * _worker))
_groups = {
    4: itertools.count(secrets.randbelow(2**23) + int(IPv4Address("239.0.0.0"))),
    6: itertools.count(secrets.randbelow(2**95) + int(IPv6Address("ff15::"))),
}


# The rest needs network namespaces, or shows how Linux behaves.
_ANY_SYSTEM = ("any_system", "layouts", "structs", "windows_adapters", "windows_messages")
collect_ignore = [
    path.name
    for path in Path(__file__).parent.glob("test_*.py")
    if sys.platform != "linux" and path.stem.removeprefix("test_") not in _ANY_SYSTEM
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many facts of the declarations were held against which compiler."""
    checked = [
        (name.removeprefix(PROPERTY), Facts(*counts))
        for report in terminalreporter.getreports("passed")
        for name, counts in report.user_properties
        if name.startswith(PROPERTY)
    ]
    if not checked:
        return
    terminalreporter.section("declarations compared with compilers")
    row = "{:<22}" + "{:>9}" * 5
    terminalreporter.line(row.format("target", "sizes", "offsets", "widths", "constants", "all"))
    for target, facts in sorted(checked):
        terminalreporter.line(row.format(target, *facts, sum(facts)))


@pytest.fixture
def new_port() -> Callable[[], int]:
    """Return a function that gives another free port at each call."""
    return lambda: next(_ports)


@pytest.fixture
def port(new_port: Callable[[], int]) -> int:
    """Return a port that no other test uses."""
    return new_port()


@pytest.fixture
def new_group() -> Callable[[int], str]:
    """Return a function that gives another group of IP version 4 or 6 at each call."""
    return lambda version: str(ip_address(next(_groups[version])))


@pytest.fixture
def group4(new_group: Callable[[int], str]) -> str:
    """Return an IPv4 group that no other test uses."""
    return new_group(4)


@pytest.fixture
def group6(new_group: Callable[[int], str]) -> str:
    """Return an IPv6 group that no other test uses."""
    return new_group(6)


@pytest.fixture
def network() -> Iterator[Network]:
    """Return a network without hosts."""
    with Network() as network:
        yield network


@pytest.fixture
def two_hosts(network: Network) -> tuple[Host, Host]:
    """Return two hosts, each with ``eth0`` on one segment."""
    return network.host("alice", eth0=0), network.host("bob", eth0=0)


@pytest.fixture
def open_descriptors() -> Callable[[], int]:
    """Return a function that counts this process's open descriptors."""
    return lambda: len(os.listdir("/dev/fd"))
