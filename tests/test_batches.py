"""Batches: sending and receiving many datagrams by one call."""

from __future__ import annotations

import errno
import itertools
import signal
import threading
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mcast
from tests.hosts import TIMEOUT, Host, Network


@pytest.fixture
def pair(group4: str) -> Iterator[tuple[mcast.McastRx, mcast.McastTx]]:
    """Return a receiver and a sender of one group on the loopback interface."""
    with (
        mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT, receive_buffer=4_000_000) as rx,
        mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as tx,
    ):
        yield rx, tx


def test_a_batch_is_a_sequence_of_datagrams(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """It has the datagrams in order, with all that is told of each, sizes and payloads."""
    rx, tx = pair
    sent = [bytes([number]) * number for number in range(10)]
    for data in sent:
        tx.send(data)
    batch = rx.recv_batch()
    assert (len(batch), batch.total_bytes, list(batch.sizes)) == (10, 45, list(range(10)))
    assert [bytes(view) for view in batch.payloads()] == sent
    assert [datagram.data for datagram in batch] == sent
    assert batch[3].data == sent[3]
    assert [datagram.data for datagram in batch[-2:]] == sent[-2:]
    assert {datagram.source for datagram in batch} == {tx.local_address}
    assert {(datagram.group, datagram.interface.name, datagram.ttl) for datagram in batch} == {
        (tx.group, "lo", 1)
    }
    times = [datagram.timestamp_ns for datagram in batch]
    assert times == sorted(times)
    assert [bytes(view) for view in batch.payloads()] == sent
    assert repr(batch) == "<Batch of 10 datagrams, 45 bytes>"


def test_recv_and_recv_batch_share_one_order(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """What recv took ahead comes first."""
    rx, tx = pair
    for number in range(100):
        tx.send(bytes([number]))
    got = [rx.recv().data[0]]
    got += [datagram.data[0] for datagram in rx.recv_batch(5)]
    got += [datagram.data[0] for datagram in rx.recv_batch(1000)]
    while len(got) < 100:
        got.append(rx.recv().data[0])
    assert got == list(range(100))


def test_a_view_outlives_its_batch(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """A payload that is kept, or a part of it, never changes, whatever is received later."""
    rx, tx = pair
    kept: list[tuple[memoryview, bytes]] = []
    for number in range(50):
        data = bytes([number]) * 100
        tx.send(data)
        (view,) = rx.recv_batch().payloads()
        if number % 3 == 0:
            kept.append((view[10:20] if number % 2 else view, data))
    assert all(view.tobytes() == data[: view.nbytes] for view, data in kept)
    with pytest.raises(TypeError):
        kept[0][0][0] = 1


def test_a_batch_that_is_kept_does_not_change(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """Batches may be read long after, in any order."""
    rx, tx = pair
    batches: list[mcast.Batch] = []
    for number in range(10):
        tx.send(bytes([number]))
        batches.append(rx.recv_batch())
    assert [batch[0].data[0] for batch in reversed(batches)] == list(reversed(range(10)))


def test_the_time_is_up_for_a_batch_too(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """Without a datagram it raises as recv does, and bad arguments are named."""
    rx, _ = pair
    with pytest.raises(BlockingIOError):
        rx.recv_batch(timeout=0)
    with pytest.raises(TimeoutError):
        rx.recv_batch(timeout=0.01)
    with pytest.raises(ValueError, match="a batch of 0 datagrams"):
        rx.recv_batch(0)
    with pytest.raises(ValueError, match="a timeout of -1 s"):
        rx.recv_batch(timeout=-1)
    rx.close()
    with pytest.raises(mcast.ClosedError):
        rx.recv_batch()


def test_two_threads_share_a_receiver(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """Whatever one thread takes ahead, the other one need not wait for."""
    rx, tx = pair
    got: list[int] = []

    def receive() -> None:
        got.append(rx.recv().data[0])

    threads = [threading.Thread(target=receive) for _ in range(20)]
    for thread in threads:
        thread.start()
    for number in range(20):
        tx.send(bytes([number]))
    for thread in threads:
        thread.join(TIMEOUT)
    assert sorted(got) == list(range(20))


def test_what_was_taken_ahead_is_left_too(
    pair: tuple[mcast.McastRx, mcast.McastTx], new_group: Callable[[int], str]
) -> None:
    """After leaving a group nothing of it comes, and of the others everything does."""
    _, tx = pair
    others = [new_group(4), new_group(4)]
    with mcast.McastRx(others, 0, interfaces="lo", timeout=TIMEOUT) as rx:
        for number in range(10):
            tx.sendto(bytes([number]), (others[number % 2], rx.port))
        assert rx.recv().data == b"\0"
        rx.leave(others[0])
        assert [rx.recv().data[0] for _ in range(5)] == [1, 3, 5, 7, 9]
        with pytest.raises(BlockingIOError):
            rx.recv(timeout=0)


@settings(max_examples=50)
@given(st.data())
def test_every_batch_arrives_as_it_was_sent(data: st.DataObject) -> None:
    """Payloads of any sizes, equal or not, come as single datagrams, in order."""
    size = data.draw(st.sampled_from([0, 1, 64, 1316, 1472, 1473, 9000, 65507]))
    equal = [b"%d" % number * size for number in range(10)]
    payloads = data.draw(
        st.lists(st.binary(max_size=100), max_size=200)
        | st.lists(st.sampled_from([item[:size] for item in equal]), max_size=150)
    )
    with (
        mcast.McastRx("239.255.0.9", 0, interfaces="lo", timeout=TIMEOUT) as rx,
        mcast.McastTx("239.255.0.9", rx.port, interface="lo", loopback=True) as tx,
    ):
        got: list[bytes] = []
        at_once = 2 if size > 5000 else 40  # As many as the receive buffer takes.
        for begin in range(0, len(payloads), at_once):
            some = payloads[begin : begin + at_once]
            assert tx.send_batch(some) == len(some)
            got += [rx.recv().data for _ in some]
        assert got == payloads


def collect(group: str, port: int, count: int, options: dict[str, Any]) -> Iterator[Any]:
    """Yield the payloads and the sources of `count` datagrams."""
    with mcast.McastRx(
        group, port, interfaces="eth0", timeout=TIMEOUT, receive_buffer=8_000_000, **options
    ) as rx:
        yield "ready"
        got: list[mcast.Datagram] = []
        limits = itertools.cycle([64, 10, 1, 1000])
        while len(got) < count:
            batch = rx.recv_batch(limit := next(limits))
            assert 1 <= len(batch) <= limit
            assert batch.total_bytes == sum(map(len, batch.payloads()))
            got += batch
            if len(got) < count:
                got.append(rx.recv())
        yield [item.data.hex() for item in got]
        yield sorted({item.source.host for item in got})


def send_sizes(group: str, port: int, sizes: list[list[int]], interfaces: list[str]) -> list[int]:
    """Send batches of numbered payloads; return how many of each went."""
    numbers = itertools.count()
    with mcast.McastTx(group, port, interfaces=interfaces) as tx:
        return [
            tx.send_batch([next(numbers).to_bytes(2, "big") + bytes(size - 2) for size in batch])
            for batch in sizes
        ]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("interfaces", [["eth0"], ["eth0", "eth1"]], ids=["one", "several"])
def test_batches_cross_the_network(
    network: Network,
    new_group: Callable[[int], str],
    port: int,
    version: int,
    interfaces: list[str],
) -> None:
    """Cut by the system or not, with a shorter last one, too large for a packet: all arrive."""
    alice, bob = (network.host(name, eth0=0, eth1=1) for name in ("alice", "bob"))
    group = new_group(version)
    batches = [[64] * 200, [1316] * 100, [1316] * 10 + [700], [700, 1316, 64], [3000] * 5, [64]]
    count = sum(map(len, batches))
    sizes = [size for batch in batches for size in batch]
    address = alice.address("eth0", {4: "inet", 6: "inet6"}[version])
    with (
        bob.start(collect, group, port, count, {}) as receiver,
        bob.start(collect, group, port, count, {"coalesce": True}) as coalescing,
    ):
        assert [receiver.next(), coalescing.next()] == ["ready", "ready"]
        assert alice.call(send_sizes, group, port, batches, interfaces) == list(map(len, batches))
        for process in (receiver, coalescing):
            got = [bytes.fromhex(item) for item in process.next()]
            assert [len(item) for item in got] == sizes
            assert [int.from_bytes(item[:2], "big") for item in got] == list(range(count))
            assert process.next() == [address]


def test_a_batch_says_how_many_went(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """Those before one that is too large are sent, and counted; the next call raises its error."""
    rx, tx = pair
    payloads = [b"1", b"22", bytes(70_000), b"4"]
    assert tx.send_batch(payloads) == 2
    assert tx.send_batch([b"3"] + [bytes(65_600)] * 80) == 1
    with pytest.raises(OSError, match="a payload of 70000 bytes is too large") as caught:
        tx.send_batch(payloads[2:])
    assert caught.value.errno == errno.EMSGSIZE
    # As long as a segment may be on loopback, but not as a payload.
    with pytest.raises(OSError, match="a payload of 65508 bytes is too large"):
        tx.send_batch([bytes(65_508)])
    assert tx.send_batch([bytearray(b"5"), memoryview(b"66")]) == 2
    words = memoryview(array("H", [0x4141] * 3))
    assert tx.send_batch([b"4444", words, b"22"]) == 3
    assert tx.send_batch([words, words]) == 2
    sent = [b"1", b"22", b"3", b"5", b"66", b"4444", b"A" * 6, b"22", b"A" * 6, b"A" * 6]
    assert [rx.recv().data for _ in sent] == sent
    assert tx.send_batch([]) == 0
    assert tx.send_batch([b"to another"], ("239.255.1.2", rx.port)) == 1
    with pytest.raises(mcast.AddressError):
        tx.send_batch([b""], ("192.0.2.1", 5000))
    tx.close()
    with pytest.raises(mcast.ClosedError):
        tx.send_batch([b"7"])


def send_through_signals(group: str, port: int, sizes: list[int]) -> list[int]:
    """Return how many of a batch went, and how often a timer interrupted the waiting."""
    interruptions = 0

    def interrupt(*_: object) -> None:
        nonlocal interruptions
        interruptions += 1

    signal.signal(signal.SIGALRM, interrupt)
    with mcast.McastTx(group, port, interface="eth0", send_buffer=20_000) as tx:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        sent = tx.send_batch([bytes(size) for size in sizes])
        signal.setitimer(signal.ITIMER_REAL, 0)
    return [sent, interruptions]


@pytest.mark.parametrize("sizes", [[1000] * 100, list(range(1000, 1100))])
def test_signals_do_not_end_a_batch(
    two_hosts: tuple[Host, Host], group4: str, port: int, sizes: list[int]
) -> None:
    """A signal's handler runs while the send buffer is full, and sending goes on (PEP 475)."""
    alice, _ = two_hosts
    alice.slow_down("eth0", "2mbit")
    sent, interruptions = alice.call(send_through_signals, group4, port, sizes)
    assert sent == 100
    assert interruptions > 0


def test_a_batch_without_a_group_is_refused() -> None:
    """A sender that has no group of its own needs an address."""
    with mcast.McastTx(interface="lo") as tx, pytest.raises(mcast.AddressError, match="sendto"):
        tx.send_batch([b""])
