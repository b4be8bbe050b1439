"""What every system does alike, shown within this machine: nothing leaves it (ttl 0).

On Linux over its loopback; elsewhere over another interface if there is one, which also tells the
network of what is joined. test_windows.py and test_darwin.py run this in a namespace.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

import mcast

TIMEOUT = 10.0
LOOPBACK = sys.platform == "linux"
FAMILIES = [4] if LOOPBACK else [4, 6]
"""IPv6 over Linux's loopback takes a route, which the tests between hosts add."""


@pytest.fixture(params=FAMILIES)
def version(request: pytest.FixtureRequest) -> int:
    """Return a version of IP."""
    found: int = request.param
    return found


@pytest.fixture
def interface(version: int) -> mcast.Interface:
    """Return an interface that has an address of that version."""
    usable = [
        item
        for item in mcast.interfaces()
        if item.is_up
        and (item.supports_multicast or item.is_loopback)
        and (item.ipv4 if version == 4 else item.ipv6)
        and item.is_loopback >= LOOPBACK
    ]
    if not usable:
        pytest.skip(f"no interface has an address of IP version {version}")
    return min(usable, key=lambda item: item.is_loopback)


@pytest.fixture
def pair(
    interface: mcast.Interface, version: int, new_group: Callable[[int], str]
) -> Iterator[tuple[mcast.McastRx, mcast.McastTx]]:
    """Return a receiver and a sender of the same group."""
    group = new_group(version)
    with (
        mcast.McastRx(group, 0, interfaces=interface, loopback=True, timeout=TIMEOUT) as rx,
        mcast.McastTx(group, rx.port, interface=interface, loopback=True, ttl=0) as tx,
    ):
        yield rx, tx


def test_a_datagram_tells_all_there_is(
    pair: tuple[mcast.McastRx, mcast.McastTx], interface: mcast.Interface
) -> None:
    """Payload, group, interface, source, hop limit and time."""
    rx, tx = pair
    tx.send(b"hello")
    datagram = rx.recv()
    assert datagram.data == b"hello"
    assert (datagram.group, datagram.interface.index) == (tx.group, interface.index)
    assert datagram.source.port == tx.local_address.port
    assert datagram.ttl == 0
    assert datagram.timestamp_ns > 1_700_000_000_000_000_000


def test_batches_arrive(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """What is sent at once arrives, once and in order."""
    rx, tx = pair
    payloads = [bytes([number]) * 100 for number in range(50)]
    assert tx.send_batch(payloads) == 50
    got: list[bytes] = []
    while len(got) < 50:
        got += [bytes(payload) for payload in rx.recv_batch(64).payloads()]
    assert got == payloads


def test_another_group_is_not_heard(
    pair: tuple[mcast.McastRx, mcast.McastTx], version: int, new_group: Callable[[int], str]
) -> None:
    """A second receiver's group, on the same port, is not the first one's."""
    rx, tx = pair
    other = new_group(version)
    with mcast.McastRx(
        other, rx.port, interfaces=tx.interface, loopback=True, timeout=TIMEOUT
    ) as second:
        tx.sendto(b"other", (other, rx.port))
        tx.send(b"own")
        assert rx.recv().data == b"own"
        assert second.recv().data == b"other"


def test_groups_are_joined_and_left(
    pair: tuple[mcast.McastRx, mcast.McastTx], version: int, new_group: Callable[[int], str]
) -> None:
    """What is left is not heard any more."""
    rx, tx = pair
    other = new_group(version)
    membership = rx.join(other)
    tx.sendto(b"joined", (other, rx.port))
    assert rx.recv().data == b"joined"
    membership.leave()
    tx.sendto(b"left", (other, rx.port))
    tx.send(b"own")
    assert rx.recv().data == b"own"


def test_closing_wakes_a_thread(pair: tuple[mcast.McastRx, mcast.McastTx]) -> None:
    """Whoever waits gets ClosedError, whenever the receiver is closed."""
    rx, _ = pair
    closing = threading.Thread(target=rx.close)
    closing.start()
    with pytest.raises(mcast.ClosedError):
        rx.recv()
    closing.join()


def test_tasks_wait(
    interface: mcast.Interface, version: int, new_group: Callable[[int], str]
) -> None:
    """A task hears what another one sends."""
    group = new_group(version)

    async def main() -> list[bytes]:
        async with (
            mcast.AsyncMcastRx(group, 0, interfaces=interface, loopback=True) as rx,
            mcast.AsyncMcastTx(group, rx.port, interface=interface, loopback=True, ttl=0) as tx,
        ):
            waiting = asyncio.create_task(rx.recv(timeout=TIMEOUT))
            await asyncio.sleep(0)
            await tx.send(b"one")
            await tx.send_batch([b"two", b"three"])
            return [(await waiting).data] + [(await rx.recv()).data for _ in range(2)]

    assert asyncio.run(main()) == [b"one", b"two", b"three"]


def test_what_cannot_be_used_is_refused() -> None:
    """Before anything is opened, and with the same errors everywhere."""
    with pytest.raises(mcast.AddressError):
        mcast.McastRx("10.0.0.1", 5000)
    with pytest.raises(mcast.InterfaceError):
        mcast.McastRx("239.1.2.3", 5000, interfaces="nosuch0")
    with pytest.raises(ValueError, match="ttl"):
        mcast.McastTx("239.1.2.3", 5000, ttl=256)


def test_the_default_interface_is_listed() -> None:
    """It is one of the machine's, or there is none."""
    found = mcast.default_interface()
    assert found is None or found.index in {item.index for item in mcast.interfaces()}
