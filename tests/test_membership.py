"""Memberships: sources, joining and leaving while receiving, and the rules of both."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from socket import AddressFamily
from typing import Any, cast

import pytest

import mcast
from mcast import FilterMode
from mcast_lowlevel import SocketOption
from mcast_lowlevel._platform import system
from tests.hosts import TIMEOUT, Host, Network

FAMILIES = {4: "inet", 6: "inet6"}
ENDS = {4: ["239.255.255.255", "239.255.255.254"], 6: ["ff15::ffff:ffff", "ff15::ffff:fffe"]}


def hear(group: str, port: int, sources: list[str], steps: list[list[str]]) -> Iterator[Any]:
    """Join for `sources` or any; yield before and after each step which sources were heard.

    A step is a method of the membership and a source. The last datagram of each round comes from
    the test by a group that has no sources; by the same socket, so that it is the last indeed,
    because the receiver begins with several groups.
    """
    end, *_ = ends = ENDS[ip_address(group).version]
    with (
        mcast.McastRx(ends, port, timeout=TIMEOUT) as rx,
        rx.join(group, sources=sources or None) as membership,
    ):
        for step in [[], *steps]:
            if step:
                getattr(membership, step[0])(step[1])
            yield [membership.mode.name, *map(str, membership.sources)]
            heard: list[str] = []
            while str((datagram := rx.recv()).group) != end:
                assert str(datagram.group) == group
                heard.append(datagram.source.host)
            yield heard


def speak(group: str, port: int, sources: list[str]) -> None:
    """Send from each source, and then what ends a round."""
    for source in sources:
        with mcast.McastTx(group, port, interface=source) as tx:
            tx.send(b"")
    end, *_ = ENDS[ip_address(group).version]
    with mcast.McastTx(end, port, interface="eth0") as tx:
        tx.send(b"")


@pytest.fixture
def three_sources(two_hosts: tuple[Host, Host]) -> dict[int, list[str]]:
    """Give the first host three addresses of each family, and return them."""
    alice, _ = two_hosts
    found = {4: ["10.77.0.1"], 6: ["fd77::1"]}
    for number in ("101", "102"):
        alice.configure(
            f"address add 10.77.0.{number}/24 dev eth0",
            f"address add fd77::{number}/64 dev eth0 nodad",
        )
        found[4].append(f"10.77.0.{number}")
        found[6].append(f"fd77::{number}")
    return found


@pytest.mark.parametrize("version", [4, 6])
def test_only_the_joined_sources_are_heard(
    two_hosts: tuple[Host, Host],
    three_sources: dict[int, list[str]],
    new_group: Callable[[int], str],
    port: int,
    version: int,
) -> None:
    """A source-specific membership hears the sources it has, as they are added and dropped."""
    alice, bob = two_hosts
    one, two, three = sources = three_sources[version]
    steps = [["add_source", three], ["drop_source", one], ["drop_source", "192.0.2.9"]]
    if version == 6:
        steps[-1][1] = "2001:db8::9"
    expected = [[one, two], [one, two, three], [two, three], [two, three]]
    group = new_group(version)
    with bob.start(hear, group, port, [one, two], steps) as receiver:
        for heard in expected:
            assert receiver.next() == ["INCLUDE", *heard]
            alice.call(speak, group, port, sources)
            assert receiver.next() == heard
        assert receiver.finish() == []


@pytest.mark.parametrize("version", [4, 6])
def test_blocked_sources_are_not_heard(
    two_hosts: tuple[Host, Host],
    three_sources: dict[int, list[str]],
    new_group: Callable[[int], str],
    port: int,
    version: int,
) -> None:
    """A membership for any source hears all but those it blocks."""
    alice, bob = two_hosts
    one, two, three = sources = three_sources[version]
    steps = [["block", two], ["block", one], ["block", one], ["unblock", two], ["unblock", two]]
    blocked = [[], [two], [one, two], [one, two], [one], [one]]
    group = new_group(version)
    with bob.start(hear, group, port, [], steps) as receiver:
        for sources_blocked in blocked:
            assert receiver.next() == ["EXCLUDE", *sources_blocked]
            alice.call(speak, group, port, sources)
            assert receiver.next() == [item for item in sources if item not in sources_blocked]
        assert receiver.finish() == []
    assert three not in blocked[2]


def test_the_constructor_takes_sources_of_both_families(group4: str, group6: str) -> None:
    """Each group takes the sources of its own family."""
    sources = ["127.0.0.1", "::1", "127.0.0.2"]
    with mcast.McastRx([group4, group6], 0, interfaces="lo", sources=sources) as rx:
        heard = {
            str(item.group): [str(source) for source in item.sources] for item in rx.memberships
        }
        assert heard == {group4: ["127.0.0.1", "127.0.0.2"], group6: ["::1"]}
        assert {item.mode for item in rx.memberships} == {FilterMode.INCLUDE}


@pytest.fixture
def rx(group4: str) -> Iterator[mcast.McastRx]:
    """Return a receiver of one group on loopback."""
    with mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT) as rx:
        yield rx


def test_joining_twice_gives_the_same_membership(
    rx: mcast.McastRx, group4: str, new_group: Callable[[int], str]
) -> None:
    """The membership of the constructor or of an earlier join is given again."""
    assert rx.join(group4) is rx.memberships[0]
    assert rx.join(group4, interface="lo") is rx.memberships[0]
    other = rx.join(new_group(4), sources="127.0.0.5")
    assert rx.join(other.group, sources=["127.0.0.6"]) is other
    assert [str(source) for source in other.sources] == ["127.0.0.5", "127.0.0.6"]
    assert other.interface == mcast.find_interfaces("lo")[0]


def test_leaving_ends_the_membership_once(
    rx: mcast.McastRx, group4: str, new_group: Callable[[int], str]
) -> None:
    """A left group is not heard any more, nor what waited; leaving again is harmless."""
    membership = rx.join(new_group(4))
    with mcast.McastTx(interface="lo", loopback=True) as tx:
        tx.sendto(b"too late", (str(membership.group), rx.port))
        membership.leave()
        membership.leave()
        tx.sendto(b"not joined", (str(membership.group), rx.port))
        tx.sendto(b"joined", (group4, rx.port))
        assert rx.recv().data == b"joined"
    assert not membership.is_active
    assert membership.sources == ()
    assert [str(item.group) for item in rx.memberships] == [group4]
    with pytest.raises(mcast.ClosedError, match="has ended"):
        membership.block("127.0.0.1")
    again = rx.join(membership.group)
    assert again is not membership
    assert again.is_active


def test_leaving_by_group(rx: mcast.McastRx, group4: str, group6: str) -> None:
    """A receiver leaves a group by its address; one that is not joined is no error."""
    rx.leave(group4)
    rx.leave(group4)
    rx.leave(group6)
    assert rx.memberships == ()
    with pytest.raises(BlockingIOError):
        rx.recv(timeout=0)


def test_closing_ends_every_membership(rx: mcast.McastRx, new_group: Callable[[int], str]) -> None:
    """When the receiver closes its memberships end; using them is harmless or says so."""
    membership = rx.join(new_group(4), sources=["127.0.0.1"])
    rx.close()
    assert not membership.is_active
    membership.leave()
    for use in (membership.add_source, membership.drop_source):
        with pytest.raises(mcast.ClosedError, match="has ended"):
            use("127.0.0.2")
    with pytest.raises(mcast.ClosedError, match="the receiver is closed"):
        rx.join(new_group(4))


def test_dropping_the_last_source_leaves(
    rx: mcast.McastRx, new_group: Callable[[int], str]
) -> None:
    """A source-specific membership ends with its last source."""
    membership = rx.join(new_group(4), sources="127.0.0.1")
    membership.drop_source("127.0.0.1")
    assert not membership.is_active
    assert membership not in rx.memberships


def test_mixing_any_source_and_source_specific_is_refused(
    rx: mcast.McastRx, group4: str, new_group: Callable[[int], str]
) -> None:
    """One group on one interface is joined for any source or for certain ones, never both."""
    with pytest.raises(mcast.MembershipError, match=f"{group4} is joined for any source"):
        rx.join(group4, sources="127.0.0.1")
    specific = rx.join(new_group(4), sources="127.0.0.1")
    with pytest.raises(mcast.MembershipError, match="is joined for certain sources"):
        rx.join(specific.group)
    for change in (specific.block, specific.unblock):
        with pytest.raises(mcast.MembershipError, match="is joined for certain sources"):
            change("127.0.0.2")
    for change in (rx.memberships[0].add_source, rx.memberships[0].drop_source):
        with pytest.raises(mcast.MembershipError, match="is joined for any source"):
            change("127.0.0.2")
    assert [str(source) for source in specific.sources] == ["127.0.0.1"]


BAD_SOURCES: list[tuple[Any, type[Exception], str]] = [
    ("239.1.1.1", mcast.AddressError, "239.1.1.1 cannot be a source"),
    (IPv4Address(0), mcast.AddressError, "0.0.0.0 cannot be a source"),
    ("::1", mcast.AddressError, "::1 cannot be a source: a source of .* is a host's IPv4 address"),
    ("nobody", mcast.AddressError, "'nobody' is no IP address"),
    ([], mcast.AddressError, "no source of .* is given: name one or more IPv4 addresses"),
    (7, TypeError, "a source is a str or an ipaddress object, not int"),
]


@pytest.mark.parametrize(("sources", "error", "message"), BAD_SOURCES)
def test_bad_sources_are_named_and_leave_nothing_open(
    open_descriptors: Callable[[], int],
    group4: str,
    sources: Any,
    error: type[Exception],
    message: str,
) -> None:
    """What cannot be a source of the group is refused before anything is opened."""
    before = open_descriptors()
    with pytest.raises(error, match=message):
        mcast.McastRx(group4, 0, interfaces="lo", sources=sources)
    assert open_descriptors() == before


def test_sources_beyond_the_limit_change_nothing(
    rx: mcast.McastRx, new_group: Callable[[int], str], open_descriptors: Callable[[], int]
) -> None:
    """The kernel's limit on sources is ENOBUFS with its name, and nothing is half done."""
    rx.join(new_group(4))
    before = open_descriptors()
    sources = [f"127.0.1.{number}" for number in range(1, 12)]
    group = new_group(4)
    with pytest.raises(mcast.MembershipError) as caught:
        rx.join(group, sources=sources)
    assert caught.value.errno == errno.ENOBUFS
    assert "net.ipv4.igmp_max_msf" in caught.value.__notes__[0]
    assert len(rx.memberships) == 2
    membership = rx.join(group, sources=sources[:10])
    with pytest.raises(OSError, match="No buffer space") as refused:
        membership.add_source(sources[10])
    assert "net.ipv4.igmp_max_msf" in refused.value.__notes__[0]
    assert [str(source) for source in membership.sources] == sources[:10]
    assert open_descriptors() == before


def test_joining_while_another_thread_waits(
    rx: mcast.McastRx, new_group: Callable[[int], str]
) -> None:
    """A group that is joined while another thread waits in recv is received by that thread."""
    got: list[str] = []

    def receive() -> None:
        got.extend(str(rx.recv().group) for _ in range(25))

    thread = threading.Thread(target=receive)
    thread.start()
    groups = [new_group(4) for _ in range(25)]  # More than one socket takes.
    with mcast.McastTx(interface="lo", loopback=True) as tx:
        for group in groups:
            rx.join(group)
            tx.sendto(b"", (group, rx.port))
    thread.join(TIMEOUT)
    assert sorted(got) == sorted(groups)


def test_sockets_are_given_back(
    rx: mcast.McastRx, new_group: Callable[[int], str], open_descriptors: Callable[[], int]
) -> None:
    """Sockets that no membership needs any more are closed; those with room are used again."""
    kept = rx.join(new_group(4))
    before, sockets = open_descriptors(), len(rx.filenos())
    memberships = [rx.join(new_group(4)) for _ in range(59)]
    assert len(rx.filenos()) == sockets + 2
    for membership in memberships:
        membership.leave()
    assert open_descriptors() == before
    for _ in range(3):
        memberships = [rx.join(new_group(4)) for _ in range(39)]
        assert len(rx.filenos()) == sockets + 1
        for membership in memberships:
            membership.leave()
    assert open_descriptors() == before
    assert kept.is_active


def overlapping(groups: list[str], port: int) -> list[Any]:
    """Return what a receiver on several interfaces makes of joins on some of them."""
    with mcast.McastRx(groups[0], port, interfaces=["eth0", "eth1"]) as rx:
        (spanning,) = rx.memberships
        same = rx.join(groups[0]) is spanning
        single = rx.join(groups[1], interface="eth1")
        with pytest.raises(mcast.MembershipError) as partly:
            rx.join(groups[1])
        with pytest.raises(mcast.MembershipError) as other:
            rx.join(groups[0], interface="eth0", sources="10.0.0.1")
        beside = rx.join(groups[1], interface="eth0")
        rx.leave(groups[1], interface="eth1")
        return [
            spanning.interface,
            [item.name for item in spanning.interfaces],
            same,
            str(single.interface),
            str(partly.value),
            str(other.value).split(":")[0],
            beside.is_active,
            single.is_active,
        ]


def test_memberships_span_the_receivers_interfaces(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """Without an interface a group is joined on all of them by one membership."""
    host = network.host("host", eth0=0, eth1=1)
    groups = [new_group(4), new_group(4)]
    assert host.call(overlapping, groups, port) == [
        None,
        ["eth0", "eth1"],
        True,
        "eth1",
        f"{groups[1]} is joined on eth1 alone: leave it first",
        f"{groups[0]} is joined for any source",
        True,
        False,
    ]


def test_a_membership_is_a_context_manager(
    rx: mcast.McastRx, new_group: Callable[[int], str]
) -> None:
    """Leaving the block leaves the group, and the representation tells of both."""
    group = new_group(4)
    with rx.join(group, sources=["127.0.0.2", "127.0.0.1"]) as membership:
        assert repr(membership) == f"<Membership {group} on lo include 127.0.0.1, 127.0.0.2>"
    assert repr(membership) == f"<Membership {group} on lo (ended)>"


def failing_join(groups: list[str], port: int) -> list[Any]:
    """Return what is left of a join that the kernel refuses on one of several interfaces."""
    before = len(os.listdir("/dev/fd"))
    with mcast.McastRx(groups[0], port, interfaces=["eth0", "eth1"]) as rx:
        opened = len(os.listdir("/dev/fd"))
        with pytest.raises(mcast.MembershipError) as caught:
            rx.join(groups[1])
        joined = [str(item.group) for item in rx.memberships]
        return [
            [str(outcome) for outcome in caught.value.outcomes],
            joined,
            len(os.listdir("/dev/fd")) - opened,
            opened > before,
        ]


def test_a_join_that_fails_on_one_interface_is_undone(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """Where one of the named interfaces refuses a later join, none of it stays."""
    host = network.host("host", eth0=0, eth1=1)
    host.configure("link set eth1 mtu 1200")  # Too small for IPv6 (RFC 8200): it is off there.
    groups = [new_group(4), new_group(6)]
    outcomes, joined, left, _ = host.call(failing_join, groups, port)
    assert outcomes == [f"{groups[1]} on eth0: joined", f"{groups[1]} on eth1: Invalid argument"]
    assert joined == [groups[0]]
    assert left == 0


def filtered(group: str) -> set[str]:
    """Return the sources that the kernel includes of a group (/proc/net/mcfilter)."""
    lines = Path("/proc/net/mcfilter").read_text(encoding="ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    return {
        str(IPv4Address(int(source, 16)))
        for _, _, joined, source, included, _ in fields
        if IPv4Address(int(joined, 16)) == IPv4Address(group) and int(included, 16)
    }


def test_sources_are_changed_one_by_one_where_there_is_no_filter_as_a_whole(
    rx: mcast.McastRx, new_group: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: with the option gone from the table, all sources or none are set."""
    options = cast("dict[Any, Any]", system.OPTIONS)
    monkeypatch.delitem(options, (SocketOption.SOURCE_FILTER, AddressFamily.AF_INET))
    group, sources = new_group(4), [f"127.0.1.{number}" for number in range(1, 12)]
    with rx.join(group, sources=sources[:3]) as membership:
        assert filtered(group) == set(sources[:3])
        membership.add_source(sources[3])
        membership.drop_source(sources[0])
        assert filtered(group) == set(sources[1:4])
        with pytest.raises(OSError, match="No buffer space"):
            rx.join(group, sources=sources)
        assert filtered(group) == set(sources[1:4])
