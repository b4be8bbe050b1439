"""A genuine Windows CPython under wine, against the namespace's own truth and a Linux peer.

Where wine differs from Windows the code follows Microsoft's documents: requests by interface index,
which wine refuses, are made first, and those by address, which it knows, after them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mcast
from tests.foreign import only_groups, refused, send_all, tell, unicast, with_asyncio
from tests.hosts import ROOT, TIMEOUT, Host, Network
from tests.skipping import skip_unless_ci
from tests.test_end_to_end import send

WINE = Path("/usr/lib/wine/wine64")
ERRORS_TO_A_PIPE = 'exec "$0" "$@" 2> >(cat >&2)'
"""For bash: a Python under wine opens its standard streams only where they are pipes."""


def newer_python() -> str:
    """Return a Python 3.13 of this machine, whose standard library Windows' is given."""
    found = shutil.which("python3.13")
    if sys.version_info[:2] == (3, 13) or found is None:
        pytest.skip("there is no other Python 3.13 on the path")
    if subprocess.run([found, "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip(f"{found} does not run")
    return found


@pytest.fixture(scope="module", params=["this Python's version", "3.13"])
def two_kinds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Host, Host]]:
    """Return a host that runs Windows' Python, and one that runs ours, on one segment."""
    if not WINE.exists() or shutil.which("x86_64-w64-mingw32-gcc") is None:
        skip_unless_ci("wine is missing: install wine64 and gcc-mingw-w64-x86-64-win32")
    python = newer_python() if request.param == "3.13" else sys.executable
    folder = tmp_path_factory.mktemp("windows")
    subprocess.run([ROOT / "tools" / "windows-python", folder / "python", python], check=True)
    environment = [
        "env", f"WINEPREFIX={folder / 'prefix'}", "WINEDEBUG=-all",
        f"PYTHONPATH=Z:{ROOT / 'src'};Z:{ROOT}", "PYTHONDONTWRITEBYTECODE=1",
    ]  # fmt: skip
    with Network() as network:
        windows = network.host("windows", eth0=0).under(*environment)
        linux = network.host("linux", eth0=0)
        # What it starts stays in the namespace where it is started first.
        windows.run(WINE, "wineboot", "-i")
        try:
            exe = folder / "python" / "python.exe"
            yield windows.running("bash", "-c", ERRORS_TO_A_PIPE, WINE, exe), linux
        finally:
            windows.run(WINE, "wineboot", "-k")


def adapters() -> list[list[Any]]:
    """Return what is known of each interface."""
    return [
        [
            item.friendly_name,
            item.index,
            item.link_address,
            item.mtu,
            item.is_up,
            item.is_loopback,
            [str(address) for address in item.ipv4],
            [str(address).split("%")[0] for address in item.ipv6],
        ]
        for item in mcast.interfaces()
    ]


def test_its_interfaces_are_the_machines(two_kinds: tuple[Host, Host]) -> None:
    """Windows' adapter list has the namespace's names, indices, link addresses, MTU, addresses."""
    windows, _ = two_kinds
    found = windows.call(adapters)
    expected = windows.ip("address", "show")
    for name, index, link_address, mtu, is_up, is_loopback, ipv4, ipv6 in found:
        (truth,) = [item for item in expected if item["ifname"] == name]
        addresses = truth["addr_info"]
        of = {
            family: [item["local"] for item in addresses if item["family"] == family]
            for family in ("inet", "inet6")
        }
        assert (index, mtu, is_up) == (truth["ifindex"], truth["mtu"], True)
        assert is_loopback == (name == "lo")
        assert link_address == (None if is_loopback else truth["address"])
        assert [item.split("/")[0] for item in ipv4] == of["inet"]
        assert sorted(item.split("/")[0] for item in ipv6) == sorted(of["inet6"])
    assert [item[0] for item in found] == ["lo", "eth0"]


def test_the_demo_runs(two_kinds: tuple[Host, Host]) -> None:
    """`mcast demo` sends and receives on Windows."""
    windows, _ = two_kinds
    assert "received" in windows.python("-m", "mcast", "demo")


@pytest.mark.parametrize("sender_is_windows", [True, False])
def test_datagrams_cross_between_the_systems(
    two_kinds: tuple[Host, Host],
    new_group: Callable[[int], str],
    port: int,
    sender_is_windows: bool,
) -> None:
    """Both ways, both families: payload, source, group, interface and hop limit arrive."""
    groups = [new_group(4), new_group(6)]
    sender, receiver = two_kinds if sender_is_windows else reversed(two_kinds)
    addresses = [sender.address("eth0", "inet"), sender.address("eth0", "inet6")]
    with receiver.start(tell, groups, port, 8) as events:
        assert events.next() == "ready"
        sender.call(send_all, [new_group(4)], port)
        sender.call(send_all, groups, port)
        got = [events.next() for _ in range(8)]
    assert sorted(got) == sorted(
        [data, address, group, "eth0", 7]
        for group, address in zip(groups, addresses, strict=True)
        for data in ("one", "two", "three", "four")
    )


def test_unicast_is_not_delivered(two_kinds: tuple[Host, Host], group4: str, port: int) -> None:
    """A datagram to the host itself is told apart by its packet information."""
    windows, linux = two_kinds
    with windows.start(only_groups, group4, port) as events:
        assert events.next() == "ready"
        linux.call(unicast, windows.address("eth0", "inet"), port)
        linux.call(send, (group4, port), ["end"], "eth0")
        assert events.next() == "end"


@pytest.mark.parametrize("kind", ["selector", "proactor"])
def test_both_of_its_loops_wait(two_kinds: tuple[Host, Host], group4: str, kind: str) -> None:
    """AsyncMcastRx and AsyncMcastTx work on Windows' selector and proactor loops."""
    windows, _ = two_kinds
    assert windows.call(with_asyncio, group4, kind) == ["one", "two", "three"]


def test_bad_input_and_what_it_lacks(two_kinds: tuple[Host, Host]) -> None:
    """Errors have the same types as elsewhere; what Windows lacks is named."""
    windows, _ = two_kinds
    assert windows.call(refused) == [
        ["AddressError"],
        ["InterfaceError"],
        ["AddressError"],
        [
            "UnsupportedError",
            "Windows does not offer how many datagrams found the receive buffer full",
        ],
    ]


def test_the_suite_passes_there(two_kinds: tuple[Host, Host]) -> None:
    """What the suite has for every system passes in Windows' Python."""
    windows, _ = two_kinds
    # There is no C compiler: what is compared with one there is compared with it here.
    windows = windows.under("env", "-u", "CI", "-u", "PYTEST_ADDOPTS")
    told = windows.python(
        "-m", "pytest", "-p", "no:cacheprovider", "-c", "NUL", "--rootdir", f"Z:{ROOT}",
        f"Z:{ROOT / 'tests'}",
    )  # fmt: skip
    assert re.search(r"test_any_system.py \.+ ", told)


def join_for_a_source(group: str) -> str:
    """Join for a source, which wine refuses in every form that Windows takes."""
    try:
        mcast.McastRx(group, 0, interfaces="eth0", sources="192.0.2.1").close()
    except mcast.MembershipError as error:
        return f"{error.winerror} {error}"  # type: ignore[attr-defined]  # pyright: ignore
    return "joined"


def test_requests_go_by_index_first(two_kinds: tuple[Host, Host], group4: str) -> None:
    """A source is joined by the interface's index, and by its address where that is refused.

    Wine's log of its sockets shows it: MCAST_JOIN_SOURCE_GROUP (45) with a group_source_req, then
    IP_ADD_SOURCE_MEMBERSHIP (15) with an ip_mreq_source in Windows' order, unknown to wine. Before
    that, the socket is told to go on after a port-unreachable.
    """
    windows, _ = two_kinds
    traced = windows.under("env", "WINEDEBUG=+winsock").popen(
        *windows.interpreter, "-c",
        f"from tests.test_windows import *; print(join_for_a_source({group4!r}))",
    )  # fmt: skip
    told, log = traced.communicate(timeout=TIMEOUT)
    assert told.startswith("10022 ")
    assert f"{group4} on eth0: " in told
    assert "SIO_UDP_CONNRESET" in log
    joins = [line.split("level ")[1] for line in log.splitlines() if " level IPPROTO_IP," in line]
    lengths = [(line.split("name ")[1].split(",")[0], line.rsplit(" ", 1)[1]) for line in joins]
    assert lengths[-2:] == [("0x2d", "264"), ("0xf", "12")]
