"""Interfaces that go and come back while a receiver listens and a sender sends."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

import mcast
from tests.hosts import TIMEOUT, Host, Network
from tests.test_end_to_end import send


def listen(
    groups: list[str],
    port: int,
    *,
    interfaces: list[str] | None = None,
    sources: list[str] | None = None,
    follow: bool = True,
) -> Iterator[Any]:
    """Yield each change of the interfaces, and the payload of each datagram, until "end"."""
    events: list[Any] = []
    logged: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(record.getMessage())

    logging.getLogger("mcast").addHandler(Keeper())
    logging.getLogger("mcast").setLevel(logging.INFO)
    with mcast.McastRx(
        groups,
        port,
        interfaces=interfaces,
        sources=sources,
        follow=follow,
        timeout=0.02,
        on_interface_change=lambda change: events.append(str(change)),
    ) as rx:
        yield "ready"
        data = b""
        while data != b"end":
            try:
                data = rx.recv().data
                events.append(data.decode())
            except TimeoutError:
                pass
            yield from events
            events.clear()
        yield [
            sorted(on.name for item in rx.memberships for on in item.interfaces),
            logged,
            len(rx.filenos()),
        ]


def replug(
    network: Network, host: Host, interface: str, segment: int, *, index: int | None = None
) -> None:
    """Delete an interface and make it anew."""
    host.configure(f"link delete {interface}")
    network.plug(host, interface, segment, index=index)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("interfaces", [None, ["eth0"]], ids=["every", "named"])
def test_an_interface_that_comes_back_is_joined_again(
    network: Network,
    new_group: Callable[[int], str],
    port: int,
    version: int,
    interfaces: list[str] | None,
) -> None:
    """Deleted and made anew, an interface is received on again, and each change is told."""
    alice, bob = network.host("alice", eth0=0), network.host("bob", eth0=0)
    group = new_group(version)
    with bob.start(listen, [group], port, interfaces=interfaces) as receiver:
        assert receiver.next() == "ready"
        alice.call(send, (group, port), ["before"], "eth0")
        assert receiver.next() == "before"
        bob.configure("link delete eth0")
        assert receiver.next() == f"{group} on eth0: left, the interface is gone"
        network.plug(bob, "eth0", 0)
        assert receiver.next() == f"{group} on eth0: joined"
        alice.call(send, (group, port), ["after", "end"], "eth0")
        assert receiver.next() == "after"
        end, (joined, logged, _) = receiver.finish()
    assert (end, joined) == ("end", ["eth0"])
    assert logged == [
        f"{group} on eth0: left, the interface is gone",
        f"{group} on eth0: joined",
    ]


def test_a_new_interface_is_joined(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """A receiver that names no interface joins on one that appears; loopback stays out."""
    alice, bob = network.host("alice", eth0=1), network.host("bob", eth0=0)
    groups = [new_group(4), new_group(6)]
    with bob.start(listen, groups, port) as receiver:
        assert receiver.next() == "ready"
        network.plug(bob, "eth1", 1)
        assert {receiver.next(), receiver.next()} == {
            f"{group} on eth1: joined" for group in groups
        }
        for group in groups:
            alice.call(send, (group, port), [f"to {group}"], "eth0")
            assert receiver.next() == f"to {group}"
        alice.call(send, (groups[0], port), ["end"], "eth0")
        end, (joined, _, _) = receiver.finish()
    assert (end, joined) == ("end", ["eth0", "eth0", "eth1", "eth1"])


def test_a_named_receiver_takes_no_other_interface(
    network: Network, group4: str, port: int
) -> None:
    """A receiver on named interfaces leaves new ones alone."""
    alice, bob = network.host("alice", eth0=0), network.host("bob", eth0=0)
    with bob.start(listen, [group4], port, interfaces=["eth0"]) as receiver:
        assert receiver.next() == "ready"
        network.plug(bob, "eth1", 1)
        replug(network, bob, "eth0", 0)
        assert receiver.next() == f"{group4} on eth0: left, the interface is gone"
        assert receiver.next() == f"{group4} on eth0: joined"
        alice.call(send, (group4, port), ["end"], "eth0")
        end, (joined, _, _) = receiver.finish()
    assert (end, joined) == ("end", ["eth0"])


def test_following_can_be_switched_off(network: Network, group4: str, port: int) -> None:
    """With follow=False an interface that comes back is not joined."""
    alice, bob = network.host("alice", eth0=0, eth1=1), network.host("bob", eth0=0, eth1=1)
    with bob.start(listen, [group4], port, follow=False) as receiver:
        assert receiver.next() == "ready"
        replug(network, bob, "eth0", 0)
        alice.call(send, (group4, port), ["not heard"], "eth0")
        alice.call(send, (group4, port), ["end"], "eth1")
        assert receiver.finish()[:-1] == ["end"]


@pytest.mark.parametrize("version", [4, 6])
def test_sources_are_kept(
    network: Network, new_group: Callable[[int], str], port: int, version: int
) -> None:
    """A source-specific membership is joined again for its sources."""
    alice, bob = network.host("alice", eth0=0), network.host("bob", eth0=0)
    group = new_group(version)
    source = {4: "10.77.0.1", 6: "fd77::1"}[version]
    other = {4: "10.77.0.200", 6: "fd77::200"}[version]
    alice.configure(f"address add {other}/{32 if version == 4 else 128} dev eth0")
    with bob.start(listen, [group], port, sources=[source, source[:-1] + "9"]) as receiver:
        assert receiver.next() == "ready"
        replug(network, bob, "eth0", 0)
        assert receiver.next() == f"{group} on eth0: left, the interface is gone"
        assert receiver.next() == f"{group} on eth0: joined"
        alice.call(send, (group, port), ["from another"], other)
        alice.call(send, (group, port), ["end"], source)
        assert receiver.finish()[0] == "end"


def test_stale_memberships_do_not_eat_the_limit(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """After more re-creations than the kernel allows memberships, one socket still serves."""
    alice, bob = network.host("alice", eth0=0), network.host("bob", eth0=0)
    groups = [new_group(4) for _ in range(20)]
    with bob.start(listen, groups, port, interfaces=["eth0"]) as receiver:
        assert receiver.next() == "ready"
        for _ in range(5):
            replug(network, bob, "eth0", 0)
            heard: set[str] = set()
            while len(heard) < 40:
                heard.add(receiver.next())
            assert heard == {
                f"{group} on eth0: {change}"
                for group in groups
                for change in ("joined", "left, the interface is gone")
            }
        alice.call(send, (groups[0], port), ["end"], "eth0")
        _, (joined, _, sockets) = receiver.finish()
    assert (len(joined), sockets) == (20, 1)


def test_an_interface_with_the_same_index_is_noticed(
    network: Network, group4: str, port: int
) -> None:
    """An interface that comes back with the index it had is joined again all the same."""
    alice, bob = network.host("alice", eth0=0), network.host("bob")
    network.plug(bob, "eth0", 0, index=77)
    with bob.start(listen, [group4], port, interfaces=["eth0"]) as receiver:
        assert receiver.next() == "ready"
        replug(network, bob, "eth0", 0, index=77)
        assert receiver.next() == f"{group4} on eth0: left, the interface is gone"
        assert receiver.next() == f"{group4} on eth0: joined"
        alice.call(send, (group4, port), ["end"], "eth0")
        assert receiver.finish()[0] == "end"


def closing_descriptors(group: str) -> int:
    """Return how many descriptors a receiver that follows leaves open."""
    before = len(os.listdir("/dev/fd"))
    for _ in range(10):
        mcast.McastRx(group, 0, interfaces="lo").close()
    return len(os.listdir("/dev/fd")) - before


def test_following_leaves_no_descriptor(group4: str) -> None:
    """What watches the interfaces is closed with the receiver."""
    assert closing_descriptors(group4) == 0


def test_two_descriptors_beside_the_sockets(
    group4: str, open_descriptors: Callable[[], int]
) -> None:
    """A receiver takes its sockets and two more descriptors, to wait and to follow."""
    before = open_descriptors()
    with mcast.McastRx(group4, 0, interfaces="lo") as rx:
        assert open_descriptors() - before == len(rx.filenos()) + 2
        assert socket.AF_INET in {item.family for item in map(_duplicate, rx.filenos())}


def _duplicate(descriptor: int) -> socket.socket:
    with socket.socket(fileno=os.dup(descriptor)) as duplicate:
        return duplicate


def test_changes_are_seen_in_a_stream_without_pauses(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """A receiver that never waits, for one interface is busy, follows another all the same."""
    alice, bob = network.host("alice", eth0=0, eth1=1), network.host("bob", eth0=0, eth1=1)
    group = new_group(4)
    with (
        bob.start(listen_busily, group, port) as receiver,
        alice.start(flood_until_killed, group, port),
    ):
        assert receiver.next() == "ready"
        assert receiver.next() == "busy"
        replug(network, bob, "eth1", 1)
        assert receiver.next() == f"{group} on eth1: left, the interface is gone"
        assert receiver.next() == f"{group} on eth1: joined"


def listen_busily(group: str, port: int) -> Iterator[str]:
    """Yield changes of the interfaces from a loop that asks for as much as there is."""
    events: list[str] = []
    with mcast.McastRx(
        group, port, timeout=TIMEOUT, on_interface_change=lambda change: events.append(str(change))
    ) as rx:
        yield "ready"
        rx.recv()
        yield "busy"
        while True:
            rx.recv()
            yield from events
            events.clear()


def flood_until_killed(group: str, port: int) -> Iterator[None]:
    """Send without a pause."""
    with mcast.McastTx(group, port, interface="eth0") as tx:
        for _ in range(50_000_000):
            tx.send(b"")
    yield


def send_numbers(group: str, port: int, options: dict[str, Any]) -> Iterator[int]:
    """Send 1, 2, 3, … for ever, and yield each number, or less than 0: the errno it failed with.

    A "family" among the options for `McastTx` makes it a sender without a group of its own.
    """
    to = "family" in options
    with mcast.McastTx(*(None, None) if to else (group, port), **options) as tx:
        for number in range(1, 1_000_000):
            data = str(number).encode()
            try:
                tx.sendto(data, (group, port)) if to else tx.send(data)
            except OSError as error:
                yield -(error.errno or 0)
            else:
                yield number
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("version", "options"),
    [
        (4, {"interface": "eth0"}),
        (6, {"interface": "eth0"}),
        (4, {"interface": "eth0", "family": socket.AF_INET}),
        (6, {"interface": "eth0", "family": socket.AF_INET6}),
        (4, {"interfaces": ["eth0", "eth1"]}),
        (6, {"interfaces": ["eth0", "eth1"]}),
    ],
)
def test_a_sender_follows_its_interface(
    network: Network,
    new_group: Callable[[int], str],
    port: int,
    version: int,
    options: dict[str, Any],
) -> None:
    """A sender whose interface was deleted fails until it is back, and is heard again then."""
    alice, bob = network.host("alice", eth0=0, eth1=1), network.host("bob", eth0=0)
    group = new_group(version)
    with (
        bob.start(listen, [group], port) as receiver,
        alice.start(send_numbers, group, port, options) as sender,
    ):
        assert receiver.next() == "ready"
        assert sender.next() == 1
        for _ in range(2):
            alice.configure("link delete eth0")
            while (outcome := sender.next()) > 0:
                pass
            assert -outcome in {errno.ENODEV, errno.ENETUNREACH}
            network.plug(alice, "eth0", 0)
            while (number := sender.next()) < 0:
                pass
            while int(receiver.next()) < number:
                pass


def test_a_sender_follows_an_address(network: Network, group4: str, port: int) -> None:
    """A sender that was given an address finds the interface that has it by then."""
    alice, bob = network.host("alice", eth0=1, eth1=0), network.host("bob", eth0=0)
    address = "10.77.0.200"
    alice.configure(f"address add {address}/24 dev eth0")
    with (
        bob.start(listen, [group4], port) as receiver,
        alice.start(send_numbers, group4, port, {"interface": address}) as sender,
    ):
        assert receiver.next() == "ready"
        assert sender.next() == 1
        alice.configure("link delete eth0")
        while sender.next() > 0:
            pass
        alice.configure(f"address add {address}/24 dev eth1")
        while (number := sender.next()) < 0:
            pass
        assert int(receiver.next()) == number


@pytest.mark.parametrize("version", [4, 6])
def test_a_sender_that_must_not_follow_fails(
    network: Network, new_group: Callable[[int], str], port: int, version: int
) -> None:
    """With follow=False a sender goes on failing when its interface is back."""
    alice = network.host("alice", eth0=0)
    options = {"interface": "eth0", "follow": False}
    with alice.start(send_numbers, new_group(version), port, options) as sender:
        assert sender.next() == 1
        replug(network, alice, "eth0", 0)
        while sender.next() > 0:
            pass
        assert {sender.next() < 0 for _ in range(20)} == {True}


def stream(groups: list[str], port: int) -> Iterator[Any]:
    """Send a number and the time to each group by turns until told to end; yield those times."""
    ended: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: ended.append(number))
    sent: list[int] = []
    with contextlib.ExitStack() as senders:
        every = [
            senders.enter_context(mcast.McastTx(group, port, interface="eth0")) for group in groups
        ]
        yield "ready"
        while not ended:
            for tx in every:
                sent.append(time.monotonic_ns())
                tx.send((len(sent) - 1).to_bytes(8, "big"))
            time.sleep(0.001)
    yield sent


def hear_stream(groups: list[str], port: int) -> Iterator[Any]:
    """Yield index and time when all is joined on an interface; at the "end", what numbers came."""
    heard: list[int] = []
    joined: dict[int, int] = {}
    told: list[list[int]] = []

    def note(change: mcast.InterfaceChange) -> None:
        index = change.interface.index
        joined[index] = joined.get(index, 0) + change.is_joined
        if joined[index] == len(groups):
            told.append([index, time.monotonic_ns()])

    with mcast.McastRx(groups, port, timeout=0.01, on_interface_change=note) as rx:
        yield "ready"
        data = b""
        while data != b"end":
            with contextlib.suppress(TimeoutError):
                data = rx.recv().data
                heard.append(int.from_bytes(data, "big"))
            yield from told
            told.clear()
    yield heard


def test_a_hundred_times_gone_and_back(
    network: Network, new_group: Callable[[int], str], port: int
) -> None:
    """Whatever is sent from joining again to the next deletion is received, once; in both families.

    Joining again takes less than the second that is promised.
    """
    alice, bob = network.host("alice", eth0=0), network.host("bob", eth0=0)
    groups = [new_group(4), new_group(6)]
    up: list[tuple[int, int]] = []
    with (
        alice.start(stream, groups, port) as sender,
        bob.start(hear_stream, groups, port) as receiver,
    ):
        assert [sender.next(), receiver.next()] == ["ready", "ready"]
        for _ in range(100):
            bob.configure("link delete eth0")
            network.plug(bob, "eth0", 0)
            plugged = time.monotonic_ns()
            (link,) = bob.ip("link", "show", "dev", "eth0")
            while (event := receiver.next())[0] != link["ifindex"]:
                pass
            joined = max(event[1], plugged)
            assert joined - plugged < 1_000_000_000
            while time.monotonic_ns() < joined + 50_000_000:
                time.sleep(0.01)
            up.append((joined, time.monotonic_ns()))
        sender.signal(signal.SIGUSR1)
        sent = sender.next()
        alice.call(send, (groups[0], port), ["end"], "eth0")
        *_, heard = receiver.finish()
    assert len(heard) == len(set(heard))
    due = {
        number
        for number, (at, after) in enumerate(pairwise(sent))
        if any(begin < at and after < end for begin, end in up)
    }
    assert len(due) > 100 * 20
    assert due <= set(heard), up


def listen_late(group: str, port: int) -> Iterator[Any]:
    """Open, and receive when told by a signal; yield what came, joinings among it, until "end"."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    events: list[str] = []

    def note(change: mcast.InterfaceChange) -> None:
        events.append("joined" if change.is_joined else "left")

    with mcast.McastRx(
        group, port, interfaces=["eth0", "eth1"], timeout=TIMEOUT, on_interface_change=note
    ) as rx:
        yield "ready"
        signal.sigwait({signal.SIGUSR1})
        while "end" not in events:
            events.append(rx.recv().data.decode())
            if events[-1] == "last":
                yield "last"
        yield [events, len(rx.filenos()), len(rx.memberships)]


@pytest.mark.parametrize("version", [4, 6])
def test_what_waits_of_an_interface_that_goes_is_received(
    network: Network, new_group: Callable[[int], str], port: int, version: int
) -> None:
    """Datagrams that arrived before their interface was deleted are not lost by following."""
    alice, bob = network.host("alice", eth0=0, eth1=1), network.host("bob", eth0=0, eth1=1)
    group = new_group(version)
    numbers = [str(number) for number in range(100)]
    with bob.start(listen_late, group, port) as receiver:
        assert receiver.next() == "ready"
        alice.call(send, (group, port), numbers, "eth0")
        replug(network, bob, "eth0", 0)
        alice.call(send, (group, port), ["last"], "eth1")
        receiver.signal(signal.SIGUSR1)
        assert receiver.next() == "last"
        alice.call(send, (group, port), ["end"], "eth0")
        events, sockets, memberships = receiver.next()
    assert [event for event in events if event in numbers] == numbers
    assert [event for event in events if event in {"left", "joined", "end"}] == [
        "left",
        "joined",
        "end",
    ]
    assert (sockets, memberships) == (1, 1)
