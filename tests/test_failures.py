"""Failures of the system at any moment: what they say, and that they leave nothing behind."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import mcast
from tests.hosts import Network
from tests.skipping import skip_unless_ci

NOTHING: list[Any] = [0, [], True]
"""What `attempt` returns where nothing failed and all is as it was."""
HALF_DONE: list[Any] = [0, [], False]


def opening(groups: list[str]) -> list[Any]:
    """Open a receiver, as the system may not let it."""
    return attempt(lambda: mcast.McastRx(groups, 0, interfaces=["eth0", "eth1"]))


def joining(groups: list[str]) -> list[Any]:
    """Join a further group with a receiver that is open."""
    with opened(groups[:1]) as rx:
        outcome = attempt(lambda: rx.join(groups[1])) if rx else NOTHING
        expected = 2 if outcome == NOTHING else 1
        return outcome if rx is None or len(rx.memberships) == expected else HALF_DONE


def filtering(groups: list[str]) -> list[Any]:
    """Join for two sources, then add one."""
    sources = [f"192.0.2.{number}" for number in range(1, 4)]
    with opened(groups[2:]) as rx:
        outcome = attempt(lambda: rx.join(groups[0], sources=sources[:2])) if rx else NOTHING
        if rx is None or outcome != NOTHING:
            return outcome
        membership = rx.memberships[-1]
        outcome = attempt(lambda: membership.add_source(sources[2]))
        return outcome if len(membership.sources) == (2 if outcome[0] else 3) else HALF_DONE


def sending(groups: list[str]) -> list[Any]:
    """Open a sender."""
    return attempt(lambda: mcast.McastTx(groups[0], 5000, interface="eth0"))


@contextlib.contextmanager
def opened(groups: list[str]) -> Generator[mcast.McastRx | None]:
    """Give a receiver, or None if it is that which failed."""
    try:
        rx = mcast.McastRx(groups, 0, interfaces=["eth0", "eth1"])
    except OSError:
        yield None
    else:
        with rx:
            yield rx


def attempt(action: Callable[[], object]) -> list[Any]:
    """Return the errno and the notes of what `action` raises, and whether nothing is left of it."""
    before = state()
    try:
        done = action()
    except OSError as error:
        notes = getattr(error, "__notes__", [])
        return [error.errno, notes, state() == before]
    if isinstance(done, mcast.McastRx | mcast.McastTx):
        done.close()
        return [0, [], state() == before]
    return NOTHING


def state() -> list[Any]:
    """Return how many descriptors are open, and which groups this host has joined how often."""
    igmp, igmp6 = (
        Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()
        for name in ("igmp", "igmp6")
    )
    joined = [line.split()[:2] for line in igmp if line.startswith("\t")]
    joined += [line.split()[1:4] for line in igmp6]
    return [len(os.listdir("/dev/fd")), joined]


@pytest.mark.parametrize(
    ("attempted", "failure"),
    [
        (opening, ("socket", "EMFILE", "ulimit -n")),
        (opening, ("setsockopt", "ENOBUFS", "net.ipv4.igmp_max_memberships")),
        (opening, ("setsockopt", "ENODEV", "ip link")),
        (opening, ("setsockopt", "EPERM", "")),
        (opening, ("bind", "EADDRINUSE", "ss -ulpn")),
        (opening, ("bind", "EADDRNOTAVAIL", "ip address")),
        (opening, ("getsockname", "ENOBUFS", "")),
        (opening, ("epoll_create1", "EMFILE", "ulimit -n")),
        (opening, ("epoll_ctl", "ENOSPC", "fs.epoll.max_user_watches")),
        (opening, ("sendto", "ENOBUFS", "")),
        (opening, ("recvfrom", "ENOMEM", "")),
        (joining, ("socket", "EMFILE", "ulimit -n")),
        (joining, ("setsockopt", "ENOMEM", "net.core.optmem_max")),
        (joining, ("bind", "EADDRINUSE", "ss -ulpn")),
        (joining, ("getsockname", "ENOBUFS", "")),
        (joining, ("epoll_ctl", "ENOSPC", "fs.epoll.max_user_watches")),
        (filtering, ("setsockopt", "ENOBUFS", "net.ipv4.igmp_max_msf")),
        (filtering, ("setsockopt", "EADDRNOTAVAIL", "no such member")),
        (sending, ("socket", "EMFILE", "ulimit -n")),
        (sending, ("setsockopt", "ENODEV", "ip link")),
        (sending, ("bind", "EADDRNOTAVAIL", "ip address")),
        (sending, ("connect", "ENETUNREACH", "ip link")),
        (sending, ("sendto", "ENOBUFS", "")),
        (sending, ("recvfrom", "ENOMEM", "")),
    ],
)
def test_a_failure_anywhere_leaves_nothing(
    network: Network,
    new_group: Callable[[int], str],
    tmp_path: Path,
    attempted: Callable[[list[str]], list[Any]],
    failure: tuple[str, str, str],
) -> None:
    """Whichever call of the system fails, its errno is raised and nothing stays of what was begun.

    A failure is a call, its error and what one note at least names of all that are added to it.
    """
    call, error, named = failure
    if shutil.which("strace") is None:
        skip_unless_ci("strace is missing: install strace")
    host = network.host("host", eth0=0, eth1=1)
    groups = [new_group(version) for version in (4, 4, 4, 6)]
    notes: list[str] = []
    log = tmp_path / "log"
    number = 0
    while True:
        number += 1
        inject = f"inject={call}:error={error}:when={number}"
        traced = host.under("strace", "-f", "-o", log, "-e", f"trace={call}", "-e", inject)
        outcome = traced.call(attempted, groups)
        if "(INJECTED)" not in log.read_text(encoding="utf-8"):
            break
        raised, noted, is_clean = outcome
        assert raised in {getattr(errno, error), 0}, number
        assert is_clean, number
        notes += noted
    assert number > 1
    assert any(named in note for note in ("", *notes))
