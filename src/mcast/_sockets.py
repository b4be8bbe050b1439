"""The sockets behind a receiver: as few as the system's limits on memberships allow."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from mcast_lowlevel import (
    BINDING_ADVICE,
    MEMBERSHIP_ADVICE,
    FilterMode,
    SocketOption,
    UnsupportedError,
    block_source,
    dropped_datagrams,
    get_option,
    join_group,
    join_source_group,
    leave_group,
    set_option,
    set_source_filter,
    unblock_source,
)

from ._addresses import Address, family_of
from ._advice import advise
from ._buffers import set_buffer
from ._interfaces import Interface

_FULL = (errno.ENOBUFS, errno.ENOMEM)
"""How a socket says that it takes no further membership, or no further source."""


@dataclass(eq=False)
class JoinedGroup:
    """JoinedGroup is one group on one interface, as one socket has joined it."""

    group: Address
    interface: Interface
    carrier: GroupSocket
    mode: FilterMode
    sources: set[Address]
    """Those that are included, or those that are blocked."""

    @property
    def key(self) -> tuple[bytes, int]:
        """What a datagram's packet information says of it."""
        return self.group.packed, self.interface.index


Joins: TypeAlias = dict[tuple[bytes, int], JoinedGroup]
"""What is joined, by its key."""


@dataclass(eq=False)
class GroupSocket:
    """GroupSocket is one socket and what is joined on it.

    A datagram is one of a socket's own groups or not wanted: Linux gives an IPv6 datagram to every
    socket that joined its group, on whichever interface, so it would come twice.
    """

    sock: socket.socket
    family: socket.AddressFamily
    joined: Joins = field(default_factory=Joins)
    is_full: bool = False

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 when closed."""
        return self.sock.fileno()


class GroupSockets:
    """GroupSockets is all sockets of one receiver, on one port."""

    def __init__(
        self,
        port: int,
        receive_buffer: int | None,
        *,
        opened: Callable[[GroupSocket], None],
        closing: Callable[[GroupSocket], None],
    ) -> None:
        """Open nothing yet.

        A `port` of 0 lets the system choose one. `opened` is called with each socket when it is
        there, and `closing` before it is given back.
        """
        self.port = port
        self._receive_buffer = receive_buffer
        self._opened = opened
        self._closing = closing
        self._sockets: list[GroupSocket] = []
        self._dropped_before = 0

    def join(
        self, group: Address, interface: Interface, mode: FilterMode, sources: Iterable[Address]
    ) -> JoinedGroup:
        """Join `group` on `interface`, by a further socket where those there are full.

        `sources` are those to be heard, or not. Raises `OSError` for what the system refuses, and
        has joined nothing then.
        """
        family = family_of(group)
        carrier = next(
            (item for item in self._sockets if item.family == family and not item.is_full), None
        ) or self._open(family)
        joined = JoinedGroup(group, interface, carrier, mode, set(sources))
        try:
            _request_join(joined)
        except OSError as error:
            if error.errno not in _FULL or not carrier.joined:
                raise
            carrier.is_full = True
            joined.carrier = self._open(family)
            try:
                _request_join(joined)
            except OSError:
                # It was not the socket that was full: too many sources, for example.
                carrier.is_full = False
                self._close(joined.carrier)
                raise
        joined.carrier.joined[joined.key] = joined
        return joined

    def leave(self, joined: JoinedGroup) -> None:
        """Leave a group; nothing of it is received any more, nor what waits to be."""
        carrier = joined.carrier
        del carrier.joined[joined.key]
        carrier.is_full = False
        if carrier.joined or len(self._sockets) == 1:
            _leave_if_joined(joined)
        else:
            self._close(carrier)

    def set_sources(self, joined: JoinedGroup, sources: set[Address]) -> None:
        """Replace the included or the blocked sources.

        Raises `OSError` for what the system refuses, and has changed nothing then.
        """
        sockfd, index, group = joined.carrier.fileno(), joined.interface.index, joined.group
        added, gone = sources - joined.sources, joined.sources - sources
        with _advised():
            if joined.mode is FilterMode.EXCLUDE and len(added) + len(gone) == 1:
                for source in added:
                    block_source(sockfd, index, group, source)
                for source in gone:
                    unblock_source(sockfd, index, group, source)
            elif added or gone:
                set_source_filter(sockfd, index, group, joined.mode, tuple(sources))
        joined.sources = set(sources)

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

    def _close(self, closing: GroupSocket) -> None:
        with contextlib.suppress(UnsupportedError):
            self._dropped_before += dropped_datagrams(closing.fileno(), closing.family)
        self._sockets.remove(closing)
        self._closing(closing)
        closing.sock.close()

    @property
    def dropped(self) -> int:
        """How many datagrams found a buffer full; `UnsupportedError` where nothing tells."""
        now = sum(dropped_datagrams(item.fileno(), item.family) for item in self._sockets)
        return self._dropped_before + now

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


@contextlib.contextmanager
def _advised() -> Generator[None]:
    try:
        yield
    except OSError as error:
        advise(error, MEMBERSHIP_ADVICE)
        raise


def _request_join(joined: JoinedGroup) -> None:
    sockfd, index, group = joined.carrier.fileno(), joined.interface.index, joined.group
    with _advised():
        if joined.mode is FilterMode.EXCLUDE:
            join_group(sockfd, index, group)
            filtered = 0
        else:
            join_source_group(sockfd, index, group, next(iter(joined.sources)))
            filtered = 1
        if len(joined.sources) > filtered:
            try:
                set_source_filter(sockfd, index, group, joined.mode, tuple(joined.sources))
            except OSError:
                leave_group(sockfd, index, group)
                raise


def _leave_if_joined(joined: JoinedGroup) -> None:
    try:
        leave_group(joined.carrier.fileno(), joined.interface.index, joined.group)
    except OSError as error:
        # The system has left it itself, for the interface is gone.
        if error.errno not in {errno.EADDRNOTAVAIL, errno.ENODEV}:
            raise


def _keep_other_groups_off(sockfd: int, family: socket.AddressFamily) -> None:
    try:
        set_option(sockfd, family, SocketOption.MULTICAST_ALL, 0)
    except UnsupportedError:
        pass  # The packet information of each datagram is compared in any case.
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:  # A kernel from before the option.
            raise
