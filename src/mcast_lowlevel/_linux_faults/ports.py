"""The port: who holds it, and who lets its datagrams go to waste."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from .._options import set_option
from .._records import Doubt, Finding, Question
from .._requests import family_of
from .._table import SocketOption
from . import memberships
from .kernel import setting
from .sockets import UdpSocket, sockets_on


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield that the port is held, or what is wrong with who listens there."""
    port = question.port
    if port is None:
        return
    sockets = sockets_on(port, question.group.version)
    held = list(_held(family_of(question.group), port, sockets))
    yield from held
    if sockets and not held:
        yield from _drops(question.group.version, port, sockets)
        yield from memberships.faults(question, port)


def _held(
    family: socket.AddressFamily, port: int, sockets: list[UdpSocket]
) -> Iterator[Finding | Doubt]:
    """Look whether another program holds the port and does not share it."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        set_option(probe.fileno(), family, SocketOption.SHARE_PORT, 1)
        if family == socket.AF_INET6:
            set_option(probe.fileno(), family, SocketOption.ONLY_IPV6, 1)
        try:
            probe.bind(("", port))
        except PermissionError:
            yield Doubt(f"whether port {port} is free", "ports that low need CAP_NET_BIND_SERVICE")
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    holders = _holders(sockets)
    who = _named(holders)
    yield Finding(
        f"port {port} is held by a program that does not share it",
        "no receiver can be opened there, not even with SO_REUSEADDR",
        who or "binding to it fails with EADDRINUSE; whose it is can only root see",
        " ".join(["kill", *(str(pid) for pid, _ in holders)]) if holders else "ss -ulpn",
    )


def _drops(version: int, port: int, sockets: list[UdpSocket]) -> Iterator[Finding]:
    """Look whether datagrams found the receive buffers of who listens full."""
    full = [item for item in sockets if item.dropped]
    if not full:
        return
    who = _named(_holders(full)) or "who listens there"
    most = setting("core", "rmem_max")
    yield Finding(
        f"{sum(item.dropped for item in full):,} datagrams to port {port} were thrown away: "
        "receive buffers were full",
        f"{who} is too slow, or its buffer too small for bursts: it may ask for "
        f"{most or 0:,} bytes (sysctl net.core.rmem_max), McastRx by receive_buffer=",
        f"/proc/net/udp{'' if version == 4 else '6'}: drops",
        f"ss --udp --all --numeric --processes --memory 'sport = :{port}'",
    )


def _named(holders: list[tuple[int, str]]) -> str:
    return ", ".join(f"{program} (process {pid})" for pid, program in holders)


def _holders(sockets: list[UdpSocket]) -> list[tuple[int, str]]:
    """Return the processes that have one of these sockets, as far as they can be seen."""
    inodes = {f"socket:[{item.inode}]" for item in sockets}
    found: list[tuple[int, str]] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = {os.readlink(item) for item in (process / "fd").iterdir()}
            program = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # It has ended, or is another user's.
            continue
        if links & inodes:
            found.append((int(process.name), program))
    return sorted(found)
