"""The UDP sockets of this host, as the kernel lists them."""

from __future__ import annotations

from typing import NamedTuple

from .kernel import table


class UdpSocket(NamedTuple):
    """UdpSocket is a line of /proc/net/udp."""

    inode: str
    dropped: int
    """Datagrams that found its receive buffer full, or were damaged."""


def sockets_on(port: int, version: int) -> list[UdpSocket]:
    """Return the sockets of a version of IP that are bound to a port; IPv6's may take IPv4 too."""
    found: list[UdpSocket] = []
    for name in ("udp", "udp6") if version == 4 else ("udp6",):
        for line in table(name)[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                found.append(UdpSocket(fields[9], int(fields[-1])))
    return found
