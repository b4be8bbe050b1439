"""macOS' module on this machine, over a stand-in of its C library: see tests/darwin.py."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mcast
from mcast_lowlevel import (
    FilterMode,
    GroupFilter,
    GroupReq,
    InterfaceFlag,
    SockaddrIn,
    SockaddrIn6,
    SocketOption,
)
from mcast_lowlevel import _darwin as darwin_module
from mcast_lowlevel._darwin_ffi import ffi
from mcast_lowlevel._darwin_interfaces import default_route_interface, interface_records
from mcast_lowlevel._darwin_links import LinkWatch
from mcast_lowlevel._darwin_messages import MessageBatch
from tests import strategies
from tests.darwin import (
    SOL_SOCKET,
    STRUCTS,
    Entry,
    Library,
    address,
    control_message,
    link,
    route,
)
from tests.foreign import only_groups, refused, send_all, tell, unicast, with_asyncio
from tests.hosts import ROOT, TIMEOUT, Host
from tests.test_end_to_end import send

V4, V6 = socket.AF_INET, socket.AF_INET6


def played(host: Host) -> Host:
    """Return the host as one that runs macOS."""
    return host.running(sys.executable, "-m", "tests.on_darwin")


def interface_lists() -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Return lists of interfaces: name, link address, MTU, addresses."""
    addresses = st.builds(
        IPv4Interface, st.tuples(strategies.ipv4, st.integers(0, 32))
    ) | st.builds(IPv6Interface, st.tuples(strategies.ipv6, st.integers(0, 128)))
    return st.lists(
        st.tuples(
            st.text("abcdefgh0123456789", min_size=1, max_size=15),
            st.binary(max_size=20),
            st.sampled_from([None, 0, 1280, 1500, 9000]),
            st.lists(addresses, max_size=4),
        ),
        max_size=8,
        unique_by=lambda item: item[0],
    )


FOREIGN = Entry("en0", address=b"\x10\xfe" + bytes(14))
"""An address of a family that nobody knows."""
NOTHING = Entry("en0")
NAMELESS = Entry(None, address=b"\x10\x02" + bytes(14))


@given(interface_lists(), st.integers(0, 2**32))
def test_every_list_is_walked(listed: list[tuple[Any, ...]], seed: int) -> None:
    """Each interface comes out once, by index, in whatever order its entries come."""
    entries = [FOREIGN, NOTHING, NAMELESS]
    for index, (name, mac, mtu, addresses) in enumerate(listed, 1):
        entries.append(link(name, index, mac, mtu=mtu))
        entries += [address(name, item, index) for item in addresses]
    shuffled = random.Random(seed)  # noqa: S311 - it is to be repeatable.
    order = sorted(range(len(entries)), key=lambda _: shuffled.random())
    library: Any = Library([entries[number] for number in order])
    found = interface_records(library)
    assert library.lists == 0
    assert [record.index for record in found] == list(range(1, len(listed) + 1))
    for record, (name, mac, mtu, addresses) in zip(found, listed, strict=True):
        assert (record.name, record.scope, record.friendly_name) == (name, name, name)
        assert record.link_address == mac
        assert record.mtu == (mtu or None)
        assert sorted(map(str, record.addresses)) == sorted(map(str, map(seen, addresses)))
        assert InterfaceFlag.MULTICAST in record.flags
        assert InterfaceFlag.LOOPBACK not in record.flags


def seen(of: IPv4Interface | IPv6Interface) -> IPv4Interface | IPv6Interface:
    """Return an address as users see it: the index in a link-local one is the kernel's own."""
    if isinstance(of, IPv6Interface) and of.is_link_local:
        packed = of.ip.packed
        return IPv6Interface((packed[:2] + bytes(2) + packed[4:], of.network.prefixlen))
    return of


def test_two_hundred_interfaces_are_listed() -> None:
    """A long list is walked to its end."""
    library: Any = Library([link(f"utun{number}", number, b"") for number in range(1, 201)])
    assert [record.index for record in interface_records(library)] == list(range(1, 201))


def test_a_refused_list_is_an_error() -> None:
    """The system's errno becomes an OSError, and no list is given back that there is not."""
    library: Any = Library([])
    library.failures = [errno.ENOMEM]
    with pytest.raises(OSError, match="allocate") as caught:
        interface_records(library)
    assert caught.value.errno == errno.ENOMEM


UP, GATEWAY, HOST, SCOPED = 0x1, 0x2, 0x4, 0x1000000
EVERYWHERE4 = b"\x10\x02" + bytes(14)
EVERYWHERE6 = b"\x1c\x1e" + bytes(26)
NET10 = STRUCTS.pack(SockaddrIn(IPv4Address("10.0.0.0")))
MASK8 = b"\x05\x00\x00\x00\xff"
MASK6 = b"\x09\x00\x00\x00\x00\x00\x00\x00\xff"
ROUTER = STRUCTS.pack(SockaddrIn(IPv4Address("192.0.2.254")))
BY_LINK = b"\x14\x12" + bytes(18)


@pytest.mark.parametrize(
    ("family", "everywhere", "zero_mask"),
    [(V4, EVERYWHERE4, b"\0"), (V4, EVERYWHERE4, b"\x04\0\0\0"), (V6, EVERYWHERE6, b"\0")],
    ids=["IPv4", "IPv4 with an empty mask", "IPv6"],
)
def test_the_default_route_is_found(
    family: socket.AddressFamily, everywhere: bytes, zero_mask: bytes
) -> None:
    """It is the one to everywhere that is up, not scoped, and no host's; 0 where there is none."""
    others = [
        route(1, UP | HOST, everywhere, None, BY_LINK),
        route(2, UP | GATEWAY | SCOPED, everywhere, zero_mask, ROUTER),
        route(3, GATEWAY, everywhere, zero_mask, ROUTER),
        route(4, UP, NET10, MASK8, BY_LINK),
        route(5, UP, everywhere, MASK8 if family == V4 else MASK6, BY_LINK),
    ]
    library: Any = Library([], b"".join(others))
    assert default_route_interface(family, library) == 0
    others.append(route(6, UP | GATEWAY, everywhere, zero_mask, ROUTER))
    library = Library([], b"".join(others))
    assert default_route_interface(family, library) == 6
    # The other family's table has none of this one's.
    assert default_route_interface(V6 if family == V4 else V4, library) == 0


def test_a_growing_routing_table_is_read_again() -> None:
    """It is asked for again while it grows, a bounded number of times."""
    table = route(6, UP | GATEWAY, EVERYWHERE4, b"\0", ROUTER)
    library: Any = Library([], table)
    library.growing = 3
    assert default_route_interface(V4, library) == 6
    library = Library([], table)
    library.growing = 15
    with pytest.raises(OSError, match="changed during each of 10 listings"):
        default_route_interface(V4, library)
    library.failures = [errno.EPERM]
    with pytest.raises(PermissionError):
        default_route_interface(V4, library)


@given(st.binary(max_size=400))
def test_no_routing_table_leads_astray(table: bytes) -> None:
    """Whatever the bytes, reading stays within them and ends."""
    library: Any = Library([], table)
    assert default_route_interface(V4, library) in range(2**16)
    cut = route(6, UP | GATEWAY, EVERYWHERE4, b"\0", ROUTER)[: len(table)] + table
    library = Library([], cut)
    assert default_route_interface(V4, library) in range(2**16)


class OneDatagram:
    """OneDatagram is a library that has one datagram with control data to give."""

    def __init__(self, control: bytes) -> None:
        """Give it with `control`, then none, then be interrupted."""
        self._answers: list[int | bytes] = [errno.EINTR, errno.EAGAIN, control]

    def recvmsg(self, sockfd: int, message: Any, flags: int) -> int:
        """Give the datagram."""
        answer = self._answers.pop()
        if isinstance(answer, int):
            ffi.errno = answer
            return -1
        name = STRUCTS.pack(SockaddrIn(IPv4Address("192.0.2.1"), 5000))
        ffi.memmove(message.msg_name, name, len(name))
        message.msg_namelen = len(name)
        ffi.memmove(message.msg_control, answer, len(answer))
        message.msg_controllen = len(answer)
        ffi.memmove(message.msg_iov[0].iov_base, b"abc", 3)
        return 3


TIME = control_message(SOL_SOCKET, 2, struct.pack("=qi4x", 1_700_000_000, 123_456))
HOPS = control_message(0, 24, b"\x07")
INFO = control_message(0, 26, struct.pack("=I4s4s", 5, bytes(4), bytes([239, 1, 2, 3])))


@pytest.mark.parametrize(
    "control", [TIME + HOPS + INFO, INFO + HOPS + TIME], ids=["time first", "time last"]
)
def test_control_data_is_read_in_any_order(control: bytes) -> None:
    """The destination, the interface, the hop limit of one byte, and the time in microseconds."""
    library: Any = OneDatagram(control)
    batch = MessageBatch(8, library)
    assert batch.receive(3, 8) == 1
    assert batch.copies(batch.sizes()) == [b"abc"]
    assert batch.times() == [1_700_000_000_123_456_000]
    message = batch.message(0)
    assert message.destination == bytes([239, 1, 2, 3])
    assert (message.interface_index, message.hop_limit) == (5, 7)
    assert STRUCTS.unpack_sockaddr(message.name) == (IPv4Address("192.0.2.1"), 5000)
    assert batch.receive(3, 8) == 0


def test_datagrams_that_differ_in_time_alone_are_told_alike() -> None:
    """The key leaves the time out that comes first, so that the rest is found out once."""
    later = control_message(SOL_SOCKET, 2, struct.pack("=qi4x", 1_800_000_000, 1))
    keys: list[bytes] = []
    for control in (TIME + HOPS + INFO, later + HOPS + INFO):
        library: Any = OneDatagram(control)
        batch = MessageBatch(1, library)
        assert batch.receive(3, 1) == 1
        keys += batch.keys()
    assert keys[0] == keys[1]


@given(st.binary(max_size=250))
def test_no_control_data_leads_astray(control: bytes) -> None:
    """Whatever the bytes, reading stays within them and ends."""
    library: Any = OneDatagram(control)
    batch = MessageBatch(1, library)
    assert batch.receive(3, 1) == 1
    assert batch.message(0).name


@given(st.sampled_from(FilterMode), st.lists(strategies.ipv4, max_size=70, unique=True))
def test_source_filters_come_back(mode: FilterMode, sources: list[IPv4Address]) -> None:
    """A filter is set by the C library's function, with macOS' modes, and read as it was set."""
    library: Any = Library([])
    filters = darwin_module.SourceFilters(library)
    group = SockaddrIn(IPv4Address("239.1.2.3"))
    wanted = GroupFilter(5, group, mode, tuple(map(SockaddrIn, sources)))
    filters.set(3, wanted)
    ((number, packed),) = library.filters.values()
    assert number == {FilterMode.INCLUDE: 1, FilterMode.EXCLUDE: 2}[mode]
    assert len(packed) == 128 * len(sources)
    empty = GroupFilter(5, group, FilterMode.INCLUDE, ())
    found, count = filters.get(3, empty)
    assert (found, count) == (empty._replace(gf_fmode=mode), len(sources))
    room = empty._replace(gf_slist=(group,) * count)
    assert filters.get(3, room) == (wanted, count)
    library.failures = [errno.EADDRNOTAVAIL, errno.EADDRNOTAVAIL]
    for call in (lambda: filters.set(3, wanted), lambda: filters.get(3, room)):
        with pytest.raises(OSError, match="assign requested address"):
            call()


def test_joins_that_fail_for_no_reason_are_made_again() -> None:
    """ENOEXEC, ENOMEM and EBUSY of a join are tried five more times; nothing else is."""
    request = GroupReq(5, SockaddrIn6(IPv6Address("ff15::1")))
    for number in (errno.ENOEXEC, errno.ENOMEM, errno.EBUSY):
        error = OSError(number, "")
        again = list(darwin_module.other_requests(error, SocketOption.JOIN_GROUP, request))
        assert again == [((41, 80, "struct group_req"), request)] * 5
        assert not list(darwin_module.other_requests(error, SocketOption.LEAVE_GROUP, request))
    error = OSError(errno.EADDRINUSE, "")
    assert not list(darwin_module.other_requests(error, SocketOption.JOIN_GROUP, request))


def test_a_watch_is_readable_when_addresses_change() -> None:
    """Messages about interfaces and addresses count, those about routes do not; waking works."""
    kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    watch = LinkWatch(changes=True, open_routing_socket=lambda: ours)
    with kernel:
        assert watch.read().seen is False
        for kind, counts in ((1, False), (12, True), (13, True), (14, True), (5, False)):
            kernel.send(struct.pack("=HBB", 4, 5, kind))
            assert watch.read() == (counts, frozenset())
        watch.wake()
        assert watch.read().seen is False
    watch.close()
    assert (watch.fileno(), ours.fileno()) == (-1, -1)


# From here on the whole library runs as on macOS, its requests translated for this kernel.


def listed() -> list[list[Any]]:
    """Return what is known of each interface."""
    fields = ("name", "index", "mtu", "is_up", "is_loopback", "link_address", "ipv4", "ipv6")
    return [[str(getattr(item, name)) for name in fields] for item in mcast.interfaces()]


def test_interfaces_are_the_machines(two_hosts: tuple[Host, Host]) -> None:
    """The same interfaces are told, for all the other structs."""
    alice, _ = two_hosts
    assert played(alice).call(listed) == alice.call(listed)


@pytest.mark.parametrize("sender_is_darwin", [True, False])
def test_datagrams_cross_between_the_systems(
    two_hosts: tuple[Host, Host],
    new_group: Callable[[int], str],
    port: int,
    sender_is_darwin: bool,
) -> None:
    """Both ways, both families: payload, source, group, interface and hop limit arrive."""
    groups = [new_group(4), new_group(6)]
    sender, receiver = two_hosts
    addresses = [sender.address("eth0", "inet"), sender.address("eth0", "inet6")]
    if sender_is_darwin:
        sender = played(sender)
    else:
        receiver = played(receiver)
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


def test_unicast_is_not_delivered(two_hosts: tuple[Host, Host], group4: str, port: int) -> None:
    """A datagram to the host itself is told apart by its packet information."""
    alice, bob = two_hosts
    with played(bob).start(only_groups, group4, port) as events:
        assert events.next() == "ready"
        alice.call(unicast, bob.address("eth0", "inet"), port)
        alice.call(send, (group4, port), ["end"], "eth0")
        assert events.next() == "end"


def test_tasks_wait(two_hosts: tuple[Host, Host], group4: str) -> None:
    """AsyncMcastRx and AsyncMcastTx work."""
    alice, _ = two_hosts
    assert played(alice).call(with_asyncio, group4, "selector") == ["one", "two", "three"]


def test_what_every_system_does_is_done(two_hosts: tuple[Host, Host]) -> None:
    """The tests for any system pass."""
    alice, _ = two_hosts
    told = played(alice).under("env", "-u", "PYTEST_ADDOPTS", "-C", str(ROOT)).python(
        "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "tests",
        # These ask compilers, whose answers do not depend on what is played.
        "--ignore=tests/test_layouts.py",
    )  # fmt: skip
    assert "test_any_system.py ....." in told


def test_bad_input_and_what_it_lacks(two_hosts: tuple[Host, Host]) -> None:
    """Errors have the same types as elsewhere; what macOS lacks is named."""
    alice, _ = two_hosts
    lacking = "how many datagrams found the receive buffer full"
    assert played(alice).call(refused) == [
        ["AddressError"],
        ["InterfaceError"],
        ["AddressError"],
        ["UnsupportedError", f"macOS does not offer {lacking}"],
    ]


def joined_through_faults(group: str, failures: list[int]) -> list[Any]:
    """Join while the next calls about groups fail, and return how often it was tried and noted."""
    from mcast_lowlevel import _darwin_ffi  # noqa: PLC0415 - the stand-in, in that process.

    library: Any = _darwin_ffi.lib
    with mcast.McastRx(group, 0, interfaces="eth0", timeout=TIMEOUT) as rx:
        before = len(library.calls)
        library.library.failures = failures
        try:
            rx.join("239.255.9.9")
        except mcast.MembershipError as error:
            (outcome,) = error.outcomes
            return [len(library.calls) - before, outcome.error.errno if outcome.error else None]
        return [len(library.calls) - before, None]


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ([errno.ENOMEM] * 3, [4, None]),
        ([errno.EBUSY] * 9, [6, errno.EBUSY]),
        ([errno.EADDRNOTAVAIL] * 2, [1, errno.EADDRNOTAVAIL]),
    ],
)
def test_the_faults_of_its_kernel_are_bridged(
    two_hosts: tuple[Host, Host], group4: str, failures: list[int], expected: list[Any]
) -> None:
    """A join that fails for no reason succeeds in the end, or fails after a bounded time."""
    alice, _ = two_hosts
    assert played(alice).call(joined_through_faults, group4, failures) == expected
