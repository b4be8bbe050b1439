"""McastTx: what it takes, what it refuses, what it leaves behind."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest

import mcast
from mcast_lowlevel import SocketOption, get_option
from tests.hosts import TIMEOUT, Host, Network
from tests.skipping import skip_unless_ci

Descriptors = Callable[[], int]


@pytest.fixture
def loopback_pair(group4: str) -> Iterator[tuple[mcast.McastRx, mcast.McastTx]]:
    """Return a receiver and a sender of one group on the loopback interface."""
    with (
        mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT) as rx,
        mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as tx,
    ):
        yield rx, tx


def test_send_returns_the_size_and_tells_its_address(
    loopback_pair: tuple[mcast.McastRx, mcast.McastTx],
) -> None:
    """Sending returns the number of bytes, and the receiver sees the sender's local address."""
    rx, tx = loopback_pair
    for payload in (b"bytes", bytearray(b"array"), memoryview(b"view"), b""):
        assert tx.send(payload) == len(payload)
        datagram = rx.recv()
        assert (datagram.data, datagram.source) == (bytes(payload), tx.local_address)


def test_sendto_reaches_another_group(
    loopback_pair: tuple[mcast.McastRx, mcast.McastTx], new_group: Callable[[int], str]
) -> None:
    """A datagram goes to the group and port given with it, whatever the constructor's were."""
    _, tx = loopback_pair
    other = new_group(4)
    with mcast.McastRx(other, 0, interfaces="lo", timeout=TIMEOUT) as rx:
        assert tx.sendto(b"elsewhere", (other, rx.port)) == 9
        assert str(rx.recv().group) == other


def test_a_sender_without_a_group_sends_to_any(group4: str) -> None:
    """Without a group, sendto works and send says how to send."""
    with (
        mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT) as rx,
        mcast.McastTx(interface="lo", loopback=True) as tx,
    ):
        assert (tx.group, tx.port, tx.family) == (None, None, socket.AF_INET)
        tx.sendto(b"there", (group4, rx.port))
        assert rx.recv().data == b"there"
        with pytest.raises(mcast.AddressError, match=r"no group was given.*sendto"):
            tx.send(b"nowhere")


def test_the_options_are_those_asked_for(group4: str, port: int) -> None:
    """Hop limit, loopback and send buffer reach the socket, and can be read from the sender."""
    with mcast.McastTx(
        group4, port, interface="lo", ttl=7, loopback=True, send_buffer=50_000
    ) as tx:
        assert (tx.ttl, tx.loopback) == (7, True)
        family = socket.AF_INET
        assert get_option(tx.fileno(), family, SocketOption.MULTICAST_HOPS) == 7
        assert get_option(tx.fileno(), family, SocketOption.MULTICAST_LOOP) == 1
        # Linux doubles what is asked for, for its own bookkeeping: socket(7).
        assert get_option(tx.fileno(), family, SocketOption.SEND_BUFFER) == 100_000
        assert str(tx.group) == group4
        assert (tx.port, tx.interface.name) == (port, "lo")


def test_the_defaults_stay_on_the_network(group4: str, port: int) -> None:
    """Unless asked otherwise the hop limit is 1 and the own host hears nothing."""
    with mcast.McastTx(group4, port, interface="lo") as tx:
        assert get_option(tx.fileno(), socket.AF_INET, SocketOption.MULTICAST_HOPS) == 1
        assert get_option(tx.fileno(), socket.AF_INET, SocketOption.MULTICAST_LOOP) == 0


def heard_from_itself(group: str, port: int) -> str:
    """Return the first datagram heard of a sender without and one with loopback."""
    with (
        mcast.McastRx(group, port, interfaces="eth0", timeout=TIMEOUT) as rx,
        mcast.McastTx(group, port, interface="eth0", loopback=False) as quiet,
        mcast.McastTx(group, port, interface="eth0", loopback=True) as loud,
    ):
        quiet.send(b"quiet")
        loud.send(b"loud")
        return rx.recv().data.decode()


@pytest.mark.parametrize("version", [4, 6])
def test_without_loopback_the_own_host_hears_nothing(
    network: Network, new_group: Callable[[int], str], port: int, version: int
) -> None:
    """A receiver on the sender's host gets the datagrams of the sender that allows it alone."""
    host = network.host("host", eth0=0)
    assert host.call(heard_from_itself, new_group(version), port) == "loud"


BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"group": "192.0.2.1"},
        mcast.AddressError,
        r"192\.0\.2\.1 is not a multicast.*224\.0\.0\.0/4",
    ),
    ({"group": "fe80::1"}, mcast.AddressError, r"fe80::1 is not a multicast.*ff00::/8"),
    ({"group": "239.1.2"}, mcast.AddressError, r"'239\.1\.2' is no IP address"),
    ({"group": ""}, mcast.AddressError, "'' is no IP address"),
    ({"group": 42}, TypeError, "not int"),
    ({"port": -1}, mcast.AddressError, "port -1 is out of range: ports are 1 to 65535"),
    ({"port": 0}, mcast.AddressError, "port 0 is out of range"),
    ({"port": 65536}, mcast.AddressError, "port 65536 is out of range"),
    ({"port": "5000"}, TypeError, "a port is an int, not str"),
    ({"port": True}, TypeError, "a port is an int, not bool"),
    ({"port": None}, mcast.AddressError, "group and port belong together"),
    ({"group": None}, mcast.AddressError, "group and port belong together"),
    ({"ttl": -1}, ValueError, "ttl -1 is out of range: 0 to 255"),
    ({"ttl": 256}, ValueError, "ttl 256 is out of range: 0 to 255"),
    ({"ttl": 1.5}, TypeError, "a ttl is an int, not float"),
    ({"family": socket.AF_INET6}, mcast.AddressError, "is an IPv4 group.*family is IPv6"),
    ({"family": socket.AF_UNIX}, mcast.AddressError, "neither socket.AF_INET nor"),
    ({"interface": "nosuch0"}, mcast.InterfaceError, "'nosuch0'; there are: lo"),
    ({"interfaces": ["lo"]}, mcast.InterfaceError, "one or several, not both"),
    ({"interface": None, "interfaces": []}, mcast.InterfaceError, "interfaces is empty"),
    ({"interface": None, "interfaces": ["lo", "nosuch0"]}, mcast.InterfaceError, "'nosuch0'"),
    ({"send_buffer": 0}, ValueError, "a buffer of 0 bytes is out of range"),
    ({"group": "ff12::1%lo", "interface": "ifb0"}, mcast.InterfaceError, "'ifb0'|scope is lo"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments_are_named_and_leave_nothing_open(
    open_descriptors: Descriptors,
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    """Each argument that cannot be used has its own error, and no descriptor is left."""
    before = open_descriptors()
    usual: dict[str, Any] = {"group": "239.1.2.3", "port": 5000, "interface": "lo"}
    with pytest.raises(error, match=message):
        mcast.McastTx(**(usual | arguments))
    assert open_descriptors() == before


BAD_ADDRESSES: list[tuple[Any, type[Exception], str]] = [
    (("192.0.2.1", 5000), mcast.AddressError, "is not a multicast address"),
    (("ff15::1", 5000), mcast.AddressError, "ff15::1 is an IPv6 group.*family is IPv4"),
    (("239.1.2.3", 70000), mcast.AddressError, "port 70000 is out of range"),
    (("239.1.2.3", 0), mcast.AddressError, "port 0 is out of range"),
]


@pytest.mark.parametrize(("address", "error", "message"), BAD_ADDRESSES)
def test_sendto_refuses_a_bad_address(
    loopback_pair: tuple[mcast.McastRx, mcast.McastTx],
    address: Any,
    error: type[Exception],
    message: str,
) -> None:
    """An address that cannot be used is named, and the sender goes on working."""
    rx, tx = loopback_pair
    with pytest.raises(error, match=message):
        tx.sendto(b"data", address)
    tx.send(b"still here")
    assert rx.recv().data == b"still here"


def test_sendto_refuses_the_scope_of_another_interface(network: Network, port: int) -> None:
    """An IPv6 group with the scope of an interface that is not the sender's is refused."""
    message = network.host("host", eth0=0, eth1=1).call(send_to_scope, port)
    assert message.startswith("no interface has the name, address or index 'eth1'; there are: eth0")


def send_to_scope(port: int) -> str:
    """Return the error of sending to another interface's scope."""
    with mcast.McastTx("ff12::5", port, interface="eth0") as tx:
        tx.sendto(b"", ("ff12::5%eth0", port))
        with pytest.raises(mcast.InterfaceError) as caught:
            tx.sendto(b"", ("ff12::5%eth1", port))
    return str(caught.value)


def largest_payload(group: str, port: int) -> list[Any]:
    """Send the largest payload and one byte more; return size, errno and message."""
    with mcast.McastTx(group, port, interface="eth0") as tx:
        largest = 65507 if ip_address(group).version == 4 else 65527
        sent = tx.send(bytes(largest))
        with pytest.raises(OSError, match="too large") as caught:
            tx.send(bytes(largest + 1))
        with pytest.raises(OSError, match="too large"):
            tx.sendto(bytes(largest + 1), (group, port))
        return [sent, caught.value.errno, str(caught.value)]


@pytest.mark.parametrize(("version", "largest"), [(4, 65507), (6, 65527)])
def test_a_payload_that_is_too_large_is_named(
    network: Network, new_group: Callable[[int], str], port: int, version: int, largest: int
) -> None:
    """The largest payload of UDP is sent; one byte more is EMSGSIZE with both sizes."""
    host = network.host("host", eth0=0)
    sent, number, message = host.call(largest_payload, new_group(version), port)
    assert (sent, number) == (largest, errno.EMSGSIZE)
    assert f"a payload of {largest + 1} bytes is too large" in message
    assert f"carries up to {largest}" in message


def without_address(group: str, port: int) -> list[Any]:
    """Return the error and the descriptors that a sender without an address leaves open."""
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(mcast.InterfaceError) as caught:
        mcast.McastTx(group, port, interface="eth0")
    return [str(caught.value), len(os.listdir("/dev/fd")) - before]


@pytest.mark.parametrize("version", [4, 6])
def test_an_interface_without_an_address_of_the_family_is_named(
    network: Network, new_group: Callable[[int], str], port: int, version: int
) -> None:
    """A sender's interface that has no address of the family is refused before a socket is open."""
    host: Host = network.host("host", eth0=0)
    host.configure("address flush dev eth0 scope global" if version == 4 else "link set eth0 down")
    message, left = host.call(without_address, new_group(version), port)
    assert message.startswith(f"interface eth0 has no IPv{version} address to send from")
    assert left == 0


def test_a_closed_sender_says_so(group4: str, port: int, open_descriptors: Descriptors) -> None:
    """Every use of a closed sender is a ClosedError; closing again is harmless."""
    before = open_descriptors()
    tx = mcast.McastTx(group4, port, interface="lo")
    tx.close()
    tx.close()
    assert (tx.closed, tx.fileno(), open_descriptors()) == (True, -1, before)
    for use in (
        lambda: tx.send(b""),
        lambda: tx.sendto(b"", (group4, port)),
        lambda: tx.local_address,
        tx.__enter__,
    ):
        with pytest.raises(mcast.ClosedError, match="the sender is closed"):
            use()


def test_a_sender_tells_about_itself(group4: str, port: int) -> None:
    """Its representation has the destination, the interface and whether it is closed."""
    with mcast.McastTx(group4, port, interface="lo") as tx:
        assert repr(tx) == f"<McastTx to {group4} port {port} by lo>"
    assert repr(tx) == f"<McastTx to {group4} port {port} by lo (closed)>"


def hears_on_each(group: str, port: int, count: int) -> Iterator[Any]:
    """Yield "ready", then payload, interface and source of what arrives on any interface."""
    with mcast.McastRx(group, port, timeout=TIMEOUT) as rx:
        yield "ready"
        for _ in range(count):
            datagram = rx.recv()
            yield [datagram.data.decode(), datagram.interface.name, datagram.source.host]


def send_on_each(group: str, port: int, interfaces: list[str]) -> list[str]:
    """Send out of all of the interfaces, out of one, and to a destination given with the data."""
    with mcast.McastTx(group, port, interfaces=interfaces) as tx:
        assert tx.send(b"all") == 3
        assert tx.send(b"one", interface=interfaces[1]) == 3
        assert tx.sendto(b"there", (group, port)) == 5
        with pytest.raises(mcast.InterfaceError):
            tx.send(b"", interface="lo")
        return [item.name for item in tx.interfaces]


@pytest.mark.parametrize("version", [4, 6])
def test_one_sender_sends_out_of_several_interfaces(
    network: Network, new_group: Callable[[int], str], port: int, version: int
) -> None:
    """Each datagram leaves by each interface or the one chosen, from an address of that one."""
    names = ["eth0", "eth1", "eth2"]
    segments = {name: number for number, name in enumerate(names)}
    alice, bob = network.host("alice", **segments), network.host("bob", **segments)
    group, family = new_group(version), {4: "inet", 6: "inet6"}[version]
    with bob.start(hears_on_each, group, port, 7) as receiver:
        assert receiver.next() == "ready"
        assert alice.call(send_on_each, group, port, names) == names
        sources = {name: alice.address(name, family) for name in names}
        expected = [[text, name, sources[name]] for text in ("all", "there") for name in names]
        expected.append(["one", "eth1", sources["eth1"]])
        assert sorted(receiver.finish()) == sorted(expected)


def send_with_one_down(group: str, port: int) -> list[Any]:
    """Return errno and notes of sending out of two interfaces of which the first is down."""
    with mcast.McastTx(group, port, interfaces=["eth0", "eth1"]) as tx:
        with pytest.raises(OSError, match="unreachable") as caught:
            tx.send(b"by the other")
        return [caught.value.errno, caught.value.__notes__]


def test_one_interface_that_fails_does_not_keep_the_others(
    network: Network, group4: str, port: int
) -> None:
    """The interfaces that can send do, and the error names the one that could not."""
    segments = {"eth0": 0, "eth1": 1}
    alice, bob = network.host("alice", **segments), network.host("bob", **segments)
    alice.configure("link set eth0 down")
    with bob.start(hears_on_each, group4, port, 1) as receiver:
        assert receiver.next() == "ready"
        number, notes = alice.call(send_with_one_down, group4, port)
        assert receiver.finish() == [["by the other", "eth1", alice.address("eth1", "inet")]]
    assert number == errno.ENETUNREACH
    assert notes[0] == "out of interface eth0"


def over_all_ttls(group: str, port: int) -> list[int]:
    """Send with several hop limits to a receiver on the own host."""
    with mcast.McastRx(group, port, interfaces="eth0", timeout=TIMEOUT) as rx:
        for ttl in (0, 1, 255):
            with mcast.McastTx(group, port, interface="eth0", ttl=ttl, loopback=True) as tx:
                tx.send(bytes([ttl]))
        return [rx.recv().data[0] for _ in range(3)]


def hears(group: str, port: int) -> Iterator[Any]:
    """Yield "ready", then the first byte of two datagrams."""
    with mcast.McastRx(group, port, interfaces="eth0", timeout=TIMEOUT) as rx:
        yield "ready"
        for _ in range(2):
            yield rx.recv().data[0]


@pytest.mark.parametrize("version", [4, 6])
def test_a_ttl_of_0_stays_on_the_host(
    two_hosts: tuple[Host, Host], new_group: Callable[[int], str], port: int, version: int
) -> None:
    """With a hop limit of 0 the own host hears a datagram, and the other does not."""
    alice, bob = two_hosts
    group = new_group(version)
    with bob.start(hears, group, port) as receiver:
        assert receiver.next() == "ready"
        assert alice.call(over_all_ttls, group, port) == [0, 1, 255]
        assert receiver.finish() == [1, 255]


def forbidden(group: str, port: int) -> list[Any]:
    """Return errno and notes of sending."""
    with mcast.McastTx(group, port, interface="eth0") as tx:
        with pytest.raises(PermissionError) as caught:
            tx.send(b"")
        return [caught.value.errno, caught.value.__notes__]


def test_a_firewall_is_named(network: Network, group4: str, port: int) -> None:
    """A datagram that a rule of this host forbids is EPERM, with where to look for the rule."""
    if shutil.which("nft") is None:
        skip_unless_ci("nft is missing: install nftables")
    host = network.host("host", eth0=0)
    host.run("nft", "add table inet t")
    host.run("nft", "add chain inet t c { type filter hook output priority 0; }")
    host.run("nft", f"add rule inet t c udp dport {port} drop")
    number, notes = host.call(forbidden, group4, port)
    assert number == errno.EPERM
    assert "nft list ruleset" in notes[0]
