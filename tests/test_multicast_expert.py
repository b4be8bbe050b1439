"""mcast.multicast_expert against multicast_expert itself, side by side in one namespace."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from mcast import multicast_expert as ours
from tests.hosts import ROOT, TIMEOUT, Host, Network, RemoteProcess
from tests.skipping import skip_unless_ci

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
PORT = 5454
GROUPS4 = ["239.1.2.3", "239.1.2.4"]
GROUPS6 = ["ff15::1", "ff05::2"]
GROUP_LISTS = st.sampled_from(
    [
        *[GROUPS4, GROUPS4[:1], GROUPS6, GROUPS6[1:]] * 3,
        [GROUPS4[0], GROUPS6[0]], ["10.0.0.1"], [GROUPS4[1], "nonsense"],
    ]
)  # fmt: skip
NO_PAIR = cast(Any, multiple())
MOSTLY = st.sampled_from([True, True, True, False])
EVERYTHING = 3
"""ETH_P_ALL of <linux/if_ether.h>."""
WHILE = 0.005
"""Seconds to wait for what may come; within one host it is there when sending returns."""


@pytest.fixture(autouse=True)
def original() -> ModuleType:
    """Return the package that ours is held against."""
    if importlib.util.find_spec("multicast_expert") is None:
        skip_unless_ci("multicast_expert is missing: pip install -e '.[compat-test]'")
    return importlib.import_module("multicast_expert")


def test_every_name_is_there(original: ModuleType) -> None:
    """Each public name, with the same parameters, defaults and order."""
    public = [
        name
        for name, value in vars(original).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    ]
    assert set(public) == set(ours.__all__)
    for name in public:
        theirs, mine = getattr(original, name), getattr(ours, name)
        if inspect.isclass(theirs) and name not in {"MulticastExpertError", "IPv4Or6Address"}:
            for method in [item for item in vars(theirs) if callable(getattr(theirs, item))]:
                if not method.startswith("_") or method == "__init__":
                    assert parameters(getattr(mine, method)) == parameters(getattr(theirs, method))
        elif inspect.isfunction(theirs):
            assert parameters(mine) == parameters(theirs)


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """Return names, kinds and defaults."""
    of = inspect.signature(function).parameters.values()
    return [(item.name, item.kind, item.default) for item in of]


def outcome(action: Callable[[], Any]) -> Any:
    """Return what `action` returns, or what it raises."""
    try:
        return action()
    except Exception as error:
        return error


def agree(theirs: Any, mine: Any) -> None:
    """Assert that two outcomes are alike: equal, or errors that the same `except` catches."""
    if isinstance(theirs, Exception):
        name = "MulticastExpertError"
        kind = ours.MulticastExpertError if type(theirs).__name__ == name else type(theirs)
        assert isinstance(mine, kind), (theirs, mine)
        if isinstance(theirs, OSError):
            assert getattr(mine, "errno", None) == theirs.errno, (theirs, mine)
    else:
        assert mine == theirs


class Machine(RuleBasedStateMachine):
    """Machine does the same with both packages, in random order, and compares."""

    heard = 0
    """How many datagrams were heard by both, in all programs."""
    sent = 0
    """How many packets went out of eth0 by either."""
    senders = Bundle("senders")
    receivers = Bundle("receivers")

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        theirs = importlib.import_module("multicast_expert")
        self.modules: tuple[Any, Any] = (theirs, ours)
        self.opened: list[tuple[Any, Any]] = []
        self.broken: list[tuple[Any, Any]] = []
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERYTHING))
        self.wire.bind(("eth0", EVERYTHING))
        self.wire.setblocking(False)

    def both(self, action: Callable[[Any], Any], pair: tuple[Any, Any]) -> tuple[Any, Any]:
        """Do it with both, compare, and return what came of it."""
        theirs, mine = (outcome(partial(action, item)) for item in pair)
        agree(
            theirs if isinstance(theirs, Exception) else None,
            mine if isinstance(mine, Exception) else None,
        )
        return theirs, mine

    @initialize(target=senders, family=st.sampled_from([V4, V6]))
    def begin_with_a_sender(self, family: int) -> Any:
        """Have one that others can hear."""
        groups = GROUPS4 if family == V4 else GROUPS6
        return self.make_sender(family, groups, "eth0", False, 1, True, True)

    @initialize(target=receivers, family=st.sampled_from([V4, V6]))
    def begin_with_a_receiver(self, family: int) -> Any:
        """Have one that can hear others."""
        groups = GROUPS4 if family == V4 else GROUPS6
        return self.make_receiver(family, groups, {"iface": "eth0"}, PORT, None, True)

    @rule(
        target=senders,
        family=st.sampled_from([V4, V6]),
        groups=GROUP_LISTS,
        iface=st.sampled_from(
            [None, *["eth0"] * 6, "lo", "10.77.0.1", "fd77::1", "nosuch0", "192.0.2.9"]
        ),
        old_name=st.booleans(),
        ttl=st.sampled_from([1, 1, 1, 0, 7, 255, 256, -1, -2]),
        loop=st.sampled_from([True, True, False]),
        is_open=MOSTLY,
    )
    def make_sender(  # noqa: PLR0917 - hypothesis hands them over by name.
        self,
        family: int,
        groups: list[str],
        iface: str | None,
        old_name: bool,
        ttl: int,
        loop: bool,
        is_open: bool,
    ) -> Any:
        """Make a sender."""
        named = {"iface_ip" if old_name else "iface": iface}
        pair = self.both(
            lambda module: module.McastTxSocket(
                family, groups, ttl=ttl, enable_external_loopback=loop, **named
            ),
            self.modules,
        )
        if isinstance(pair[0], Exception):
            return NO_PAIR
        agree(describe(pair[0].network_interface), describe(pair[1].network_interface))
        self.open_if(pair, is_open)
        return pair

    @rule(
        target=receivers,
        family=st.sampled_from([V4, V6]),
        groups=GROUP_LISTS,
        ifaces=st.sampled_from(
            [
                {},
                *[{"iface": "eth0"}] * 6,
                {"iface_ip": "10.77.0.1"},
                {"iface_ips": ["fd77::1"]},
                {"ifaces": ["lo"]},
                {"ifaces": ["eth0"], "iface": "lo"},
                {"iface_ips": ["10.77.0.1"], "iface_ip": "10.77.0.1"},
                {"iface": "nosuch0"},
            ]
        ),
        port=st.sampled_from([PORT, PORT, PORT, 70000, -1]),
        sources=st.sampled_from([None, None, [], ["10.77.0.1"], ["192.0.2.1"]]),
        is_open=MOSTLY,
    )
    def make_receiver(  # noqa: PLR0917 - see above.
        self,
        family: int,
        groups: list[str],
        ifaces: dict[str, Any],
        port: int,
        sources: list[str] | None,
        is_open: bool,
    ) -> Any:
        """Make a receiver; sources are for IPv4, which alone has them in the original."""
        given = sources if family == V4 else None
        pair = self.both(
            lambda module: module.McastRxSocket(
                family, groups, port, source_ips=given, timeout=WHILE, **ifaces
            ),
            self.modules,
        )
        if isinstance(pair[0], Exception):
            return NO_PAIR
        agree(*[list(map(describe, item.network_interfaces)) for item in pair])
        self.open_if(pair, is_open)
        return pair

    def open_if(self, pair: tuple[Any, Any], is_open: bool) -> None:
        """Open it, as most programs do at once."""
        if is_open:
            self.open(pair)

    @rule(pair=receivers | senders)
    def open_again(self, pair: tuple[Any, Any]) -> None:
        """Open it, twice as well."""
        self.open(pair)

    def open(self, pair: tuple[Any, Any]) -> None:
        """Open it with both."""
        theirs, _ = self.both(lambda item: item.__enter__(), pair)
        if isinstance(theirs, OSError):
            # The original is left half open, and sends with settings that nobody chose.
            self.broken.append(pair)
        if pair[0].is_opened and pair not in self.opened:
            self.opened.append(pair)
        agree(pair[0].is_opened, pair[1].is_opened)

    @rule(pair=receivers | senders)
    def close(self, pair: tuple[Any, Any]) -> None:
        """Close it, twice as well."""
        self.both(lambda item: item.__exit__(None, None, None), pair)
        self.opened = [item for item in self.opened if item is not pair]

    @rule(pair=receivers, bufsize=st.sampled_from([4, 4096]), peek=st.booleans())
    def receive_nothing(self, pair: tuple[Any, Any], bufsize: int, peek: bool) -> None:
        """Nothing is there, for what was sent is read when it was sent."""
        if pair in self.opened:
            flags = socket.MSG_PEEK if peek else 0
            agree(*[item.recvfrom(bufsize, flags) for item in pair])

    @rule(
        pair=senders,
        group=st.sampled_from([None, None, *GROUPS4, *GROUPS6]),
        port=st.sampled_from([PORT, PORT, PORT, PORT, 0, 70000]),
        bufsize=st.sampled_from([4, 4096]),
        peek=st.booleans(),
    )
    def send(
        self, pair: tuple[Any, Any], group: str | None, port: int, bufsize: int, peek: bool
    ) -> None:
        """Send by each in turn: each receiver of both hears the same of either."""
        if pair in self.broken:
            return
        group = group or str(pair[0].mcast_ips[0])
        heard: list[list[Any]] = []
        on_wire: list[list[bytes]] = []
        results: list[Any] = []
        for tx in pair:
            results.append(outcome(partial(tx.sendto, b"datagram", (group, port))))
            name = tx.getsockname() if pair in self.opened else None
            on_wire.append(sent_packets(self.wire))
            heard.append(self.listen(name, bufsize, peek))
        agree(*results)
        assert on_wire[0] == on_wire[1]
        assert heard[0] == heard[1]
        type(self).sent += len(on_wire[0])

    def listen(self, name: Any, bufsize: int, peek: bool) -> list[Any]:
        """Return what each receiver of both hears, which is the same, from whom."""
        told: list[Any] = []
        for theirs, mine in self.opened:
            if not hasattr(theirs, "recvfrom"):
                continue
            got: list[list[Any]] = []
            for rx in (theirs, mine):
                if peek:
                    rx.recvfrom(bufsize, socket.MSG_PEEK)
                first = rx.recvfrom(bufsize)
                assert rx.recv() is None
                got.append([first])
            assert got[0] == got[1]
            # Ports differ between the senders, all else is alike.
            told += [(item[0], item[1] == name, item[1][0]) for (item,) in got if item]
        type(self).heard += len(told)
        return told

    def teardown(self) -> None:
        """Close what is open."""
        self.wire.close()
        for pair in self.opened:
            for item in pair:
                item.__exit__(None, None, None)


def unopened(module: Any) -> list[Any]:
    """Return what using a socket gives before it is opened, and after it was closed."""
    rx = module.McastRxSocket(V4, GROUPS4, PORT, iface="eth0", timeout=0)
    tx = module.McastTxSocket(V4, GROUPS4, iface="eth0")
    uses: list[Callable[[], Any]] = [
        rx.recv, rx.filenos, tx.fileno, tx.getsockname,
        lambda: tx.sendto(b"", (GROUPS4[0], PORT)),
    ]  # fmt: skip
    told = [outcome(use) for use in uses]
    for item in (rx, tx):
        with item:
            pass
    return told + [outcome(use) for use in uses if use != rx.filenos]


def use_unopened() -> int:
    """Compare the two."""
    for theirs, mine in zip(
        *map(unopened, (importlib.import_module("multicast_expert"), ours)), strict=True
    ):
        agree(theirs, mine)
    return 1


def test_using_what_is_not_open_agrees(machine_of_one: Host) -> None:
    """The same errors can be caught."""
    assert machine_of_one.call(use_unopened) == 1


def sent_packets(wire: socket.socket) -> list[bytes]:
    """Return each packet of UDP that went out since the last time, but for what must differ."""
    packets: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            packet, (_, _, kind, *_) = wire.recvfrom(65535)
            is_ipv4 = packet[0] >> 4 == 4
            if kind != socket.PACKET_OUTGOING or packet[9 if is_ipv4 else 6] != socket.IPPROTO_UDP:
                continue
            header = 20 if is_ipv4 else 40
            # Not the identification and the checksums, nor the source port, nor a flow's label.
            ip = packet[6:10] + packet[12:20] if is_ipv4 else packet[4:40]
            packets.append(ip + packet[header + 2 : header + 6] + packet[header + 8 :])
    return packets


def describe(iface: Any) -> list[Any]:
    """Return what is known of an interface."""
    return [
        iface.machine_name,
        iface.index,
        iface.link_layer_address,
        list(map(str, iface.ip4_addrs)),
        list(map(str, iface.ip6_addrs)),
        iface.is_localhost(),
    ]


def run_machine() -> list[int]:
    """Run random programs in this host."""
    programs = settings(max_examples=120, stateful_step_count=20, deadline=None, database=None)
    run_state_machine_as_test(Machine, settings=programs)
    return [Machine.heard, Machine.sent]


@pytest.fixture
def machine_of_one(network: Network) -> Host:
    """Return a host with a default route in both families."""
    host = network.host("alone", eth0=0)
    host.run("ip", "route", "add", "default", "via", "10.77.0.99")
    host.run("ip", "-6", "route", "add", "default", "via", "fd77::99")
    return host


def test_random_programs_agree(machine_of_one: Host) -> None:
    """Results, exceptions and packets are alike, whatever is done in whatever order."""
    heard, sent = machine_of_one.call(run_machine)
    assert heard > 0
    assert sent > 0


def interface_functions() -> int:
    """Compare what both tell of interfaces."""
    theirs: Any = importlib.import_module("multicast_expert")
    listed: Any = [theirs.scan_interfaces(), ours.scan_interfaces()]
    agree(*[sorted(map(describe, item)) for item in listed])
    for family in (V4, V6, 99):
        found = [module.get_default_gateway_iface(family) for module in (theirs, ours)]
        agree(*[item and describe(item) for item in found])
        agree(*[module.get_default_gateway_iface_ip(family) for module in (theirs, ours)])
    for name in ("get_default_gateway_iface_ip_v4", "get_default_gateway_iface_ip_v6"):
        agree(*[getattr(module, name)() for module in (theirs, ours)])
    for ipv4, ipv6 in ((True, True), (True, False), (False, True), (False, False)):
        agree(*[sorted(module.get_interface_ips(ipv4, ipv6)) for module in (theirs, ours)])
    specs: list[list[Any]] = [
        ["eth0"], ["lo", "eth0", "127.0.0.1"], ["::1"], ["fd77::1"], ["10.77.0.1"], ["nosuch0"],
        ["192.0.2.9"], [], [str(listed[0][1].ip6_addrs[-1]).split("/", maxsplit=1)[0]],
    ]  # fmt: skip

    def described(module: Any, spec: list[Any]) -> Any:
        return outcome(lambda: [describe(item) for item in module.find_interfaces(spec)])

    for spec in specs:
        agree(described(theirs, spec), described(ours, spec))
    for address in ("239.1.2.3", "ff15::1", "10.0.0.1", "::1", "nonsense"):
        for family in (V4, V6):
            agree(
                outcome(partial(theirs.validate_mcast_ip, address, family)),
                outcome(partial(ours.validate_mcast_ip, address, family)),
            )
    with pytest.raises(KeyError):
        ours.scan_interfaces()[0].ip_addrs(99)
    return 1


def test_interfaces_agree(machine_of_one: Host) -> None:
    """Interfaces, default gateways and what finds them are alike."""
    assert machine_of_one.call(interface_functions) == 1


def beyond() -> list[Any]:
    """Do what the original refuses."""
    groups = [f"239.2.0.{number}" for number in range(30)]
    told: list[Any] = []
    with ours.McastRxSocket(V4, groups, PORT, iface="eth0", timeout=TIMEOUT) as rx:
        with ours.McastTxSocket(V4, groups, iface="eth0", enable_external_loopback=True) as tx:
            for group in groups:
                tx.sendto(group.encode(), (group, PORT))
        told.append(
            sorted(str(rx.recv()) for _ in groups) == sorted(str(g.encode()) for g in groups)
        )
    sources = ["fd77::1"]
    with (
        ours.McastRxSocket(
            V6, ["ff15::1"], PORT, iface="eth0", source_ips=sources, timeout=TIMEOUT
        ) as rx,
        ours.McastTxSocket(V6, ["ff15::1"], iface="eth0", enable_external_loopback=True) as tx,
    ):
        tx.sendto(b"of a source", ("ff15::1", PORT))
        received = rx.recvfrom()
        told.append(received == (b"of a source", tx.getsockname()))
    return told


def test_what_it_refuses_works(machine_of_one: Host) -> None:
    """More than 20 groups, and sources in IPv6."""
    assert machine_of_one.call(beyond) == [True, True]


def in_tasks(name: str) -> list[Any]:
    """Receive in asyncio with one of the packages."""
    package: Any = importlib.import_module(name)

    async def main() -> list[Any]:
        told: list[Any] = []
        arguments = (V4, GROUPS4[:1])
        with package.AsyncMcastRxSocket(*arguments, PORT, iface="eth0", timeout=WHILE) as rx:
            told.append(type(await raised(rx.recv())).__name__)
            rx.settimeout(0)
            told.append(type(await raised(rx.recvfrom())).__name__)
            rx.settimeout(None)
            waiting = asyncio.create_task(rx.recvfrom())
            await asyncio.sleep(0)
            with package.McastTxSocket(*arguments, "eth0", enable_external_loopback=True) as tx:
                tx.sendto(b"one", (GROUPS4[0], PORT))
                told.append((await waiting)[0].decode())
                tx.sendto(b"two", (GROUPS4[0], PORT))
                told.append((await rx.recv()).decode())
        return told

    outside = outcome(lambda: package.AsyncMcastRxSocket(V4, GROUPS4, PORT).__enter__())
    return [type(outside).__name__, *asyncio.run(main())]


async def raised(awaitable: Any) -> Any:
    """Return what awaiting raises."""
    try:
        return await awaitable
    except Exception as error:
        return error


@pytest.mark.filterwarnings("ignore")
def test_asyncio_agrees(machine_of_one: Host) -> None:
    """Time-outs, waiting and receiving are alike."""
    mine = machine_of_one.call(in_tasks, "mcast.multicast_expert")
    assert mine == ["RuntimeError", "TimeoutError", "TimeoutError", "one", "two"]
    assert machine_of_one.call(in_tasks, "multicast_expert") == mine


def communicate(family: int, number: int, port: int) -> Any:
    """Say hello to the group of all and to one's own; yield what comes for all and for the next."""
    groups = [f"239.2.2.{item}" if family == V4 else f"ff15::222{item}" for item in range(4)]
    heard = [groups[0], groups[number % 3 + 1]]
    with (
        ours.McastRxSocket(family, heard, port, iface="eth0", timeout=TIMEOUT) as rx,
        ours.McastTxSocket(family, [groups[0], groups[number]], iface="eth0") as tx,
    ):
        yield "ready"
        if number > 1:
            assert rx.recv() == b"begin"
        tx.sendto(b"begin", (groups[0], port))
        for group in (groups[0], groups[number]):
            tx.sendto(f"{number} to {groups.index(group)}".encode(), (group, port))
        got: set[str] = set()
        while len(got) < 3:
            received = rx.recv()
            assert received is not None
            if received != b"begin":
                got.add(received.decode())
        yield sorted(got)


@pytest.mark.parametrize("family", [V4, V6])
def test_three_machines_hear_what_they_should(network: Network, port: int, family: int) -> None:
    """Each hears both others in the group of all, and the next one's own group, and no more."""
    hosts = [network.host(f"machine{number}", eth0=0) for number in (1, 2, 3)]
    with contextlib.ExitStack() as running:
        machines: list[RemoteProcess] = []
        for number in (3, 2, 1):  # The first one begins, when the others listen.
            machine = hosts[number - 1].start(communicate, family, number, port)
            machines.append(running.enter_context(machine))
            assert machine.next() == "ready"
        third, second, first = (machine.next() for machine in machines)
    assert first == ["2 to 0", "2 to 2", "3 to 0"]
    assert second == ["1 to 0", "3 to 0", "3 to 3"]
    assert third == ["1 to 0", "1 to 1", "2 to 0"]


def test_typed_programs_stay_typed(tmp_path: Path) -> None:
    """A program with the original's annotations passes mypy --strict with the one line changed."""
    if importlib.util.find_spec("mypy") is None:
        skip_unless_ci("mypy is missing: pip install -e '.[compat-test]'")
    program = (ROOT / "tests" / "typed_program.py").read_text(encoding="utf-8")
    theirs, mine = "import multicast_expert\n", "from mcast import multicast_expert\n"
    assert theirs in program
    path = tmp_path / "program.py"
    path.write_text(program.replace(theirs, mine), encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", path],
        capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=ROOT,
        env={"MYPYPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
