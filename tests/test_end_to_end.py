"""A sender and a receiver as separate processes on separate hosts."""

from __future__ import annotations

import errno
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mcast
from tests.hosts import TIMEOUT, Host, Network


def receive(
    groups: list[str], port: int, count: int, interfaces: list[str] | None = None
) -> Iterator[Any]:
    """Yield "ready", then what is known of each of `count` datagrams."""
    with mcast.McastRx(groups, port, interfaces=interfaces, timeout=TIMEOUT) as rx:
        yield "ready"
        for _, datagram in zip(range(count), rx, strict=False):
            yield [
                datagram.data.decode(),
                str(datagram.group),
                datagram.interface.name,
                datagram.source.host,
            ]


def send(
    address: tuple[str, int], texts: list[str], interface: str | None = None, ttl: int = 1
) -> list[Any]:
    """Send each text, and return what the sender says of its own address."""
    with mcast.McastTx(*address, interface=interface, ttl=ttl) as tx:
        for text in texts:
            tx.send(text.encode())
        return list(tx.local_address)


def receive_story(group: str, port: int) -> Iterator[Any]:
    """Yield "ready", then what a datagram tells beside its payload and addresses."""
    with mcast.McastRx(group, port, timeout=TIMEOUT) as rx:
        yield "ready"
        datagram = rx.recv()
        yield [datagram.ttl, datagram.timestamp_ns, datagram.truncated, datagram.interface_index]


@pytest.mark.parametrize("version", [4, 6])
def test_a_datagram_tells_its_hop_limit_and_time(
    two_hosts: tuple[Host, Host], new_group: Callable[[int], str], port: int, version: int
) -> None:
    """The hop limit is the sender's; the time of arrival lies between sending and asking."""
    alice, bob = two_hosts
    group = new_group(version)
    with bob.start(receive_story, group, port) as receiver:
        assert receiver.next() == "ready"
        before = time.time_ns()
        alice.call(send, (group, port), ["x" * 1400], "eth0", 17)
        ((ttl, timestamp_ns, truncated, index),) = receiver.finish()
        after = time.time_ns()
    assert (ttl, truncated) == (17, False)
    assert before <= timestamp_ns <= after
    assert index == bob.ip("address", "show", "dev", "eth0")[0]["ifindex"]


@pytest.mark.parametrize("version", [4, 6])
def test_a_datagram_arrives_on_another_host(
    two_hosts: tuple[Host, Host], new_group: Callable[[int], str], port: int, version: int
) -> None:
    """A datagram arrives with its payload, and tells its group, interface and source."""
    alice, bob = two_hosts
    group = new_group(version)
    with bob.start(receive, [group], port, 1) as receiver:
        assert receiver.next() == "ready"
        host, _ = alice.call(send, (group, port), ["hello"], "eth0")
        assert receiver.finish() == [["hello", group, "eth0", host]]
    assert host == alice.address("eth0", {4: "inet", 6: "inet6"}[version])


def test_one_receiver_hears_groups_of_both_families_on_several_interfaces(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """A receiver without named interfaces hears all its groups on every one that can."""
    listener = network.host("listener", eth0=0, eth1=1)
    senders = [network.host("zero", eth0=0), network.host("one", eth0=1)]
    groups = [new_group(4), new_group(6), new_group(4)]
    with listener.start(receive, groups, port, 6) as receiver:
        assert receiver.next() == "ready"
        expected = [
            [
                f"{group} by {sender.name}",
                group,
                interface,
                sender.call(send, (group, port), [f"{group} by {sender.name}"], "eth0")[0],
            ]
            for sender, interface in zip(senders, ["eth0", "eth1"], strict=True)
            for group in groups
        ]
        assert sorted(receiver.finish()) == sorted(expected)


def test_only_joined_groups_on_joined_interfaces_are_delivered(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """Unicast, groups of others, and one's own group on another interface are not delivered."""
    listener = network.host("listener", eth0=0, eth1=1)
    near, far = network.host("near", eth0=0), network.host("far", eth0=1)
    for version, name in ((4, "inet"), (6, "inet6")):
        mine, other = new_group(version), new_group(version)
        with (
            listener.start(receive, [mine], port, 1, ["eth0"]) as receiver,
            listener.start(receive, [other, mine], port, 4, ["eth0", "eth1"]) as bystander,
        ):
            assert receiver.next() == "ready"
            assert bystander.next() == "ready"
            far.call(send, (mine, port), ["on another interface"], "eth0")
            near.call(send, (other, port), ["to another group"], "eth0")
            near.call(unicast, (listener.address("eth0", name), port))
            near.call(send, (mine, port), ["for me"], "eth0")
            assert [event[0] for event in receiver.finish()] == ["for me"]
            # The same datagrams did arrive on the host.
            heard = [bystander.next()[0] for _ in range(3)]
            assert sorted(heard) == ["for me", "on another interface", "to another group"]


def unicast(address: tuple[str, int]) -> None:
    """Send a datagram to a host's own address."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"unicast", tuple(address))


def test_a_sender_uses_the_default_route_unless_told(
    network: Network, group4: str, group6: str, port: int
) -> None:
    """Without an interface, a sender uses the default route's, in each family."""
    host = network.host("host", eth0=0, eth1=1)
    listener = network.host("listener", eth0=1)
    host.configure("route add default dev eth1", "route add ::/0 dev eth1")
    for group in (group4, group6):
        with listener.start(receive, [group], port, 1) as receiver:
            assert receiver.next() == "ready"
            host.call(send, (group, port), ["by default"])
            assert receiver.finish()[0][:3] == ["by default", group, "eth0"]


def chosen_interface(group: str, port: int) -> str:
    """Return the interface that a sender takes when none is named."""
    with mcast.McastTx(group, port) as tx:
        return tx.interface.name


def test_a_sender_without_a_default_route_takes_the_only_interface(
    network: Network, group4: str, group6: str, port: int
) -> None:
    """Where there is no default route and one interface that can send, it is that one."""
    host = network.host("host", eth0=0)
    assert host.call(chosen_interface, group4, port) == "eth0"
    assert host.call(chosen_interface, group6, port) == "eth0"


def explain_no_interface(group: str, port: int) -> str:
    """Return the error of a sender that cannot tell which interface to take."""
    with pytest.raises(mcast.InterfaceError) as caught:
        mcast.McastTx(group, port)
    return str(caught.value)


def test_a_sender_does_not_guess_between_interfaces(
    network: Network, group4: str, port: int
) -> None:
    """Where several could send and no route tells which, the error names them."""
    host = network.host("host", eth0=0, eth1=1)
    message = host.call(explain_no_interface, group4, port)
    assert message.startswith("there is no default route for IPv4")
    assert message.endswith("there are: eth0, eth1")


def send_by_address(group: str, port: int, address: str) -> list[Any]:
    """Send from an interface that is named by an address."""
    with mcast.McastTx(group, port, interface=address) as tx:
        tx.send(b"from there")
        return [*tx.local_address, tx.interface.name]


def test_an_address_names_the_interface_and_is_the_source(
    network: Network, group4: str, group6: str, port: int
) -> None:
    """A sender whose interface is given by an address sends from that address."""
    alice, bob = network.host("alice", eth0=0, eth1=1), network.host("bob", eth0=1)
    alice.configure("address add 10.88.0.9/24 dev eth1", "address add fd88::9/64 dev eth1 nodad")
    for group, address in ((group4, "10.88.0.9"), (group6, "fd88::9")):
        with bob.start(receive, [group], port, 1) as receiver:
            assert receiver.next() == "ready"
            assert alice.call(send_by_address, group, port, address)[::2] == [address, "eth1"]
            assert receiver.finish()[0][3] == address


def test_link_local_sources_carry_their_scope(two_hosts: tuple[Host, Host], port: int) -> None:
    """A datagram to a link-local group comes from a link-local address with its scope."""
    alice, bob = two_hosts
    with bob.start(receive, ["ff12::77"], port, 1) as receiver:
        assert receiver.next() == "ready"
        host, _ = alice.call(send, ("ff12::77%eth0", port), ["near"])
        source = alice.address("eth0", "inet6", "link")
        assert host == f"{source}%eth0"
        assert receiver.finish() == [["near", "ff12::77", "eth0", f"{source}%eth0"]]


def lonely_receiver(groups: list[str], port: int) -> Any:
    """Return what a receiver that names no interface joined, and what it passed over."""
    with mcast.McastRx(groups, port) as rx:
        joined = [[str(item.group), on.name] for item in rx.memberships for on in item.interfaces]
        return joined, [str(outcome) for outcome in rx.skipped]


def test_an_interface_that_refuses_is_passed_over(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """Without named interfaces, one that refuses is told of and the others are joined."""
    host = network.host("host", eth0=0, eth1=1)
    host.configure("link set eth1 mtu 1200")  # Too small for IPv6 (RFC 8200): it is off there.
    group = new_group(6)
    joined, skipped = host.call(lonely_receiver, [group], port)
    assert joined == [[group, "eth0"]]
    assert skipped == [f"{group} on eth1: Invalid argument"]


def named_receiver(groups: list[str], port: int, interfaces: list[str]) -> Any:
    """Return what the error of a receiver says that cannot join everywhere."""
    with pytest.raises(mcast.MembershipError) as caught:
        mcast.McastRx(groups, port, interfaces=interfaces)
    error = caught.value
    return error.errno, [str(outcome) for outcome in error.outcomes], error.__notes__


def test_named_interfaces_must_all_be_joined(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """With named interfaces, one refusal is an error that tells what became of each."""
    host = network.host("host", eth0=0, eth1=1)
    host.configure("link set eth1 mtu 1200")
    group = new_group(6)
    number, outcomes, notes = host.call(named_receiver, [group], port, ["eth0", "eth1"])
    assert number == errno.EINVAL
    assert outcomes == [f"{group} on eth0: joined", f"{group} on eth1: Invalid argument"]
    assert "for IPv6 its MTU must be 1280 bytes or more" in notes[0]


def join_without_address(group: str, port: int) -> list[str]:
    """Join on an interface that has no address of the family."""
    with mcast.McastRx(group, port, interfaces="eth0") as rx:
        return [on.name for item in rx.memberships for on in item.interfaces]


def test_joining_needs_no_address(network: Network, group4: str, port: int) -> None:
    """A group is joined by index on an interface that has no address at all."""
    host = network.host("host", eth0=0)
    host.configure("address flush dev eth0")
    assert host.call(join_without_address, group4, port) == ["eth0"]


def no_interface(group: str, port: int) -> str:
    """Return the error where there is nothing to join on."""
    with pytest.raises(mcast.InterfaceError) as caught:
        mcast.McastRx(group, port)
    return str(caught.value)


def test_a_host_without_a_network_is_told_to_name_loopback(
    network: Network, group4: str, port: int
) -> None:
    """Where loopback is all there is, a receiver that names no interface says so."""
    assert "none is up, multicast-capable and not loopback" in network.host("alone").call(
        no_interface, group4, port
    )


def over_loopback(group: str) -> list[Any]:
    """Return what arrives over loopback."""
    with (
        mcast.McastRx(group, 0, interfaces="lo", timeout=TIMEOUT) as rx,
        mcast.McastTx(group, rx.port, interface="lo") as tx,
    ):
        tx.send(b"round")
        return [rx.recv().data.decode()]


def unreachable(group: str) -> list[Any]:
    """Return errno and note of sending where no route leads."""
    with pytest.raises(OSError, match="unreachable") as caught:
        over_loopback(group)
    return [caught.value.errno, *caught.value.__notes__]


def test_ipv6_over_loopback_without_a_route_is_explained(network: Network, group6: str) -> None:
    """The kernel's ENETUNREACH comes with the command that mends it."""
    host = network.host("alone")
    number, note = host.call(unreachable, group6)
    assert number == 101
    command = re.search("`(ip -6 .*)`", note)
    assert command is not None, note
    host.run(*command[1].split())
    assert host.call(over_loopback, group6) == ["round"]
