"""Counting what was lost, and the buffers that keep it from being lost."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mcast
from tests.hosts import TIMEOUT, Host
from tests.skipping import skip_unless_ci

COUNT = 1_000_000


def flood(group: str, port: int, count: int) -> None:
    """Send `count` numbered datagrams as fast as it goes."""
    with mcast.McastTx(group, port, interface="eth0") as tx:
        for number in range(count):
            tx.send(number.to_bytes(8, "big"))


def receive_all(group: str, port: int, count: int) -> Iterator[Any]:
    """Receive until `count` are accounted for; yield how many came, were lost and came twice."""
    with mcast.McastRx(group, port, timeout=0, receive_buffer=20_000) as rx:
        yield "ready"
        received = lost = repeated = 0
        last = -1
        deadline = time.monotonic() + TIMEOUT
        while received + lost < count and time.monotonic() < deadline:
            try:
                number = int.from_bytes(rx.recv().data, "big")
            except BlockingIOError:
                lost = rx.dropped
                continue
            received += 1
            repeated += number <= last
            last = number
        rx.close()
        yield [received, rx.dropped, repeated]


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_sent_is_received_or_counted(
    two_hosts: tuple[Host, Host], new_group: Callable[[int], str], port: int, version: int
) -> None:
    """In a flood that overruns a small buffer, sent is exactly received and dropped together."""
    alice, bob = two_hosts
    group = new_group(version)
    with bob.start(receive_all, group, port, COUNT) as receiver:
        assert receiver.next() == "ready"
        alice.call(flood, group, port, COUNT)
        ((received, dropped, repeated),) = receiver.finish()
    assert received + dropped == COUNT
    assert dropped > 0
    assert repeated == 0


def test_the_granted_buffer_is_told(group4: str) -> None:
    """A larger buffer holds more; what is told is what the kernel granted, twice what was asked."""
    with mcast.McastRx(group4, 0, interfaces="lo", receive_buffer=30_000) as rx:
        assert rx.receive_buffer == 60_000


def granted(group: str, asked: int, *, privileged: bool) -> int:
    """Return what a receiver that asks for `asked` bytes is granted."""
    if not privileged:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    with mcast.McastRx(group, 0, interfaces="lo", receive_buffer=asked) as rx:
        return rx.receive_buffer


@pytest.mark.parametrize("privileged", [True, False])
def test_the_limit_holds_for_those_without_privilege(group4: str, *, privileged: bool) -> None:
    """Root gets a buffer beyond rmem_max; others get the limit instead of an error."""
    if os.geteuid() != 0:
        skip_unless_ci("beyond the system's own limit goes its root alone: run as root")
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii"))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        got = pool.apply(granted, (group4, limit * 2), {"privileged": privileged})
    assert got == (limit * 4 if privileged else limit * 2)
