"""The sockets behind a receiver: as few as the system's limits on memberships allow."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from mcast_lowlevel import (
    BINDING_ADVICE,
    SocketOption,
    UnsupportedError,
    dropped_datagrams,
    get_option,
    join_group,
    set_option,
)

from ._addresses import Address, family_of
from ._advice import advise
from ._buffers import set_buffer
from ._interfaces import Interface

_FULL = (errno.ENOBUFS, errno.ENOMEM)
"""How a socket says that it takes no further membership."""


@dataclass(frozen=True)
class Membership:
    """Membership is one group, joined on one interface."""

    group: Address
    interface: Interface


Memberships: TypeAlias = dict[tuple[bytes, int], Membership]
"""Memberships by packed group and interface index."""


@dataclass(frozen=True, eq=False)
class GroupSocket:
    """GroupSocket is one socket and what is joined on it.

    A datagram is one of a socket's own memberships or not wanted: Linux gives an IPv6 datagram to
    every socket that joined its group, on whichever interface, so it would come twice.
    """

    sock: socket.socket
    family: socket.AddressFamily
    memberships: Memberships = field(default_factory=Memberships)

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 when closed."""
        return self.sock.fileno()


class GroupSockets:
    """GroupSockets is all sockets of one receiver, on one port."""

    def __init__(
        self, port: int, receive_buffer: int | None, opened: Callable[[GroupSocket], None]
    ) -> None:
        """Open nothing yet.

        A `port` of 0 lets the system choose one. `opened` is called with each new socket.
        """
        self.port = port
        self._receive_buffer = receive_buffer
        self._opened = opened
        self._sockets: list[GroupSocket] = []

    def join(self, group: Address, interface: Interface) -> None:
        """Join `group` on `interface`, by a further socket where those there are full.

        Does nothing where it is joined already. Raises `OSError` for what the system refuses.
        """
        key = (group.packed, interface.index)
        family = family_of(group)
        there = [item for item in self._sockets if item.family == family]
        if any(key in item.memberships for item in there):
            return
        # Those before the last one are full.
        chosen = there[-1] if there else self._open(family)
        try:
            join_group(chosen.fileno(), interface.index, group)
        except OSError as error:
            if error.errno not in _FULL or not chosen.memberships:
                raise
            chosen = self._open(family)
            join_group(chosen.fileno(), interface.index, group)
        chosen.memberships[key] = Membership(group, interface)

    def _open(self, family: socket.AddressFamily) -> GroupSocket:
        opened = GroupSocket(socket.socket(family, socket.SOCK_DGRAM), family)
        self._sockets.append(opened)
        sockfd = opened.fileno()
        opened.sock.setblocking(False)
        set_option(sockfd, family, SocketOption.SHARE_PORT, 1)
        if family == socket.AF_INET6:
            set_option(sockfd, family, SocketOption.ONLY_IPV6, 1)
        for told in (SocketOption.PACKET_INFO, SocketOption.HOP_LIMIT, SocketOption.TIMESTAMP):
            set_option(sockfd, family, told, 1)
        _keep_other_groups_off(sockfd, family)
        if self._receive_buffer is not None:
            set_buffer(sockfd, family, SocketOption.RECEIVE_BUFFER, self._receive_buffer)
        try:
            opened.sock.bind(("", self.port))
        except OSError as error:
            advise(error, BINDING_ADVICE)
            raise
        self.port = opened.sock.getsockname()[1]
        self._opened(opened)
        return opened

    @property
    def memberships(self) -> tuple[Membership, ...]:
        """What is joined."""
        return tuple(item for each in self._sockets for item in each.memberships.values())

    @property
    def dropped(self) -> int:
        """How many datagrams found a buffer full; `UnsupportedError` where nothing tells."""
        return sum(dropped_datagrams(item.fileno(), item.family) for item in self._sockets)

    @property
    def receive_buffer(self) -> int:
        """The size in bytes of the smallest buffer."""
        return min(
            get_option(item.fileno(), item.family, SocketOption.RECEIVE_BUFFER)
            for item in self._sockets
        )

    @property
    def filenos(self) -> tuple[int, ...]:
        """The sockets' descriptors."""
        return tuple(item.fileno() for item in self._sockets)

    def close(self) -> None:
        """Close all sockets, which leaves their groups."""
        for item in self._sockets:
            item.sock.close()


def _keep_other_groups_off(sockfd: int, family: socket.AddressFamily) -> None:
    try:
        set_option(sockfd, family, SocketOption.MULTICAST_ALL, 0)
    except UnsupportedError:
        pass  # The packet information of each datagram is compared in any case.
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:  # A kernel from before the option.
            raise
