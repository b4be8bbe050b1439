"""One socket of a receiver: what it is bound to, how it is opened, and what it has joined."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mcast_lowlevel import (
    HEARS_OTHER_INTERFACES,
    LOOPS_AT_RECEIVER,
    OPENING_ADVICE,
    FilterMode,
    SocketOption,
    UnsupportedError,
    keep_after_reset,
    set_option,
)

from ._addresses import Address
from ._advice import advised
from ._buffers import set_buffer
from ._interfaces import Interface
from ._stories import StoryBook


class Binding(NamedTuple):
    """Binding is what a socket is bound to beside the port: the system keeps all else off it."""

    family: socket.AddressFamily
    group: Address | None
    """The only group that it hears; unicast does not reach it then either."""
    interface: int | None
    """The index of the only interface that it hears."""


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
    binding: Binding
    joined: Joins = field(default_factory=Joins)
    gone: set[tuple[bytes, int]] = field(default_factory=set[tuple[bytes, int]])
    """Those of `joined` whose interface is gone; what came before that may wait to be read."""
    is_full: bool = False
    is_coalescing: bool = False
    """Whether several datagrams may come as one payload."""
    has_left: bool = False
    """Whether what it has left may wait to be read."""
    stories: StoryBook = field(default_factory=StoryBook)

    @property
    def hears_only_joined(self) -> bool:
        """Whether the system gives it nothing else, so that nothing has to be compared."""
        _, group, interface = self.binding
        by_interface = self.family not in HEARS_OTHER_INTERFACES or interface is not None
        return group is not None and by_interface and not self.has_left

    def add(self, joined: JoinedGroup) -> None:
        """Take note that `joined` is joined now."""
        self.joined[joined.key] = joined
        self.gone.discard(joined.key)
        self.stories.interfaces[joined.interface.index] = joined.interface
        self.stories.judge_anew()

    def remove(self, key: tuple[bytes, int]) -> None:
        """Take note that what has this key is not joined any more."""
        del self.joined[key]
        self.gone.discard(key)
        self.has_left = True
        self.stories.judge_anew()

    @property
    def family(self) -> socket.AddressFamily:
        """`socket.AF_INET` or `socket.AF_INET6`."""
        return self.binding.family

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 when closed."""
        return self.sock.fileno()


def open_group_socket(
    binding: Binding, port: int, receive_buffer: int | None, *, coalesce: bool, loopback: bool
) -> GroupSocket:
    """Open a socket that tells everything of a datagram, and has joined nothing yet.

    With `coalesce`, several datagrams may come in one piece where the system knows how to;
    `loopback` is for systems where the receiver decides. Raises `OSError` for what is refused.
    """
    family, group, interface = binding
    with _opening(binding) as sock:
        sockfd = sock.fileno()
        set_option(sockfd, family, SocketOption.PACKET_INFO, 1)
        for told in (SocketOption.HOP_LIMIT, SocketOption.TIMESTAMP):
            _set_if_known(sockfd, family, told, 1)
        keep_after_reset(sockfd)
        if LOOPS_AT_RECEIVER:
            set_option(sockfd, family, SocketOption.MULTICAST_LOOP, int(loopback))
        if coalesce:
            _set_if_known(sockfd, family, SocketOption.COALESCING, 1)
        if receive_buffer is not None:
            set_buffer(sockfd, family, SocketOption.RECEIVE_BUFFER, receive_buffer)
        host = "" if group is None else str(group)
        sock.bind((host, port) if family == socket.AF_INET else (host, port, 0, interface or 0))
        return GroupSocket(sock, binding, is_coalescing=coalesce)


def open_guard(binding: Binding, port: int) -> socket.socket:
    """Open a socket that takes unicast away from one that was bound before it.

    That one has `binding`, so that none of the two fits better. The guard is never read, and its
    buffer is the smallest there is. Raises `OSError`.
    """
    with _opening(binding) as sock:
        set_option(sock.fileno(), binding.family, SocketOption.RECEIVE_BUFFER, 0)
        sock.bind(("", port))
        return sock


@contextlib.contextmanager
def _opening(binding: Binding) -> Generator[socket.socket]:
    """Give a new socket that may share its port; it is closed if what follows fails."""
    family = binding.family
    with advised(OPENING_ADVICE), contextlib.ExitStack() as undo:
        sock = undo.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        sock.setblocking(False)
        set_option(sock.fileno(), family, SocketOption.SHARE_PORT, 1)
        if family == socket.AF_INET6:
            set_option(sock.fileno(), family, SocketOption.ONLY_IPV6, 1)
        # Other programs' groups.
        _set_if_known(sock.fileno(), family, SocketOption.MULTICAST_ALL, 0)
        if binding.interface is not None:
            _set_if_known(sock.fileno(), family, SocketOption.BOUND_INTERFACE, binding.interface)
        yield sock
        undo.pop_all()


def _set_if_known(
    sockfd: int, family: socket.AddressFamily, which: SocketOption, value: int
) -> None:
    """Set an option that the system may lack: what it does is done here as well, or left out."""
    try:
        set_option(sockfd, family, which, value)
    except UnsupportedError:
        pass
    except OSError as error:
        # A kernel from before the option, or from when it took a privilege.
        if error.errno not in {errno.ENOPROTOOPT, errno.EPERM}:
            raise
