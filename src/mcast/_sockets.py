"""The sockets behind a receiver: as few as the system's limits on memberships allow."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterable, Iterator

from mcast_lowlevel import (
    HEARS_OTHER_INTERFACES,
    LAST_BOUND_TAKES_UNICAST,
    MEMBERSHIP_ADVICE,
    MEMBERSHIPS_FULL,
    FilterMode,
    SocketOption,
    UnsupportedError,
    block_source,
    can_bind_to,
    dropped_datagrams,
    get_option,
    join_group,
    join_source_group,
    leave_group,
    leave_source_group,
    set_source_filter,
    unblock_source,
)

from ._addresses import Address, family_of
from ._advice import advised
from ._group_socket import Binding, GroupSocket, JoinedGroup, open_group_socket, open_guard
from ._interfaces import Interface
from ._joining import JoinRequest


class GroupSockets:
    """GroupSockets is all sockets of one receiver, on one port."""

    def __init__(
        self,
        port: int,
        receive_buffer: int | None,
        requests: Iterable[JoinRequest],
        *,
        coalesce: bool,
        loopback: bool,
        opened: Callable[[GroupSocket], None],
        closing: Callable[[GroupSocket], None],
        left: Callable[[], None],
    ) -> None:
        """Open nothing yet.

        A `port` of 0 lets the system choose one. `requests` are those to come first: where they
        are for one group or one interface alone, so are the sockets. `coalesce` lets datagrams come
        several in one piece, `loopback` is that of `McastRx`. `opened` is called with each
        socket when it is there, `closing` before it is given back, and `left` when something is
        not wanted any more.
        """
        self.port = port
        self._receive_buffer = receive_buffer
        self._coalesce = coalesce
        self._loopback = loopback
        self._opened = opened
        self._closing = closing
        self._left = left
        self._sockets: list[GroupSocket] = []
        self._guards: dict[socket.AddressFamily, socket.socket] = {}
        self._dropped_before = 0
        self._groups: dict[socket.AddressFamily, set[Address]] = {}
        self._names: dict[socket.AddressFamily, set[str | None]] = {}
        for group, interfaces, is_everywhere, _ in requests:
            family = family_of(group)
            self._groups.setdefault(family, set()).add(group)
            names = {None} if is_everywhere else {item.name for item in interfaces}
            self._names.setdefault(family, set()).update(names)

    def join(
        self, group: Address, interface: Interface, mode: FilterMode, sources: Iterable[Address]
    ) -> JoinedGroup:
        """Join `group` on `interface`, by a further socket where those there are full.

        `sources` are those to be heard, or not. Raises `OSError` for what the system refuses, and
        has joined nothing then.
        """
        binding = self._binding(group, interface)
        carrier = next(
            (
                item
                for item in reversed(self._sockets)
                if not item.is_full and item.binding == binding
            ),
            None,
        ) or self._open(binding)
        joined = JoinedGroup(group, interface, carrier, mode, set(sources))
        try:
            _request_join(joined)
        except OSError as error:
            if error.errno not in MEMBERSHIPS_FULL or not carrier.joined:
                self._close_if_idle(carrier)
                raise
            carrier.is_full = True
            joined.carrier = self._open(binding)
            try:
                _request_join(joined)
            except OSError:
                # It was not the socket that was full: too many sources, for example.
                carrier.is_full = False
                self._close_if_idle(joined.carrier)
                raise
        joined.carrier.add(joined)
        return joined

    def leave(self, joined: JoinedGroup) -> None:
        """Leave a group; nothing of it is received any more, nor what waits to be."""
        carrier = joined.carrier
        carrier.remove(joined.key)
        carrier.is_full = False
        if not self._close_if_idle(carrier):
            _leave_if_joined(joined)
        self._left()

    def leave_gone(self, joined: JoinedGroup) -> None:
        """Leave a group whose interface is gone; what arrived before that is still received."""
        # First of all, because such a membership counts for the limit.
        _leave_if_joined(joined)
        joined.carrier.is_full = False
        joined.carrier.gone.add(joined.key)

    def forget_gone(self, carrier: GroupSocket, group: Address | None = None) -> None:
        """Receive nothing more of the groups, or of one, whose interfaces are gone."""
        for key in list(carrier.gone):
            if group is None or key[0] == group.packed:
                carrier.remove(key)
        self._close_if_idle(carrier)

    def set_sources(self, joined: JoinedGroup, sources: set[Address]) -> None:
        """Replace the included or the blocked sources.

        Raises `OSError` for what the system refuses, and has changed nothing then.
        """
        added, gone = sources - joined.sources, joined.sources - sources
        with advised(MEMBERSHIP_ADVICE):
            if joined.mode is FilterMode.EXCLUDE and len(added) + len(gone) == 1:
                _change_one_by_one(joined, added, gone)
            elif added or gone:
                _set_filter(joined, sources, added, gone)
        joined.sources = set(sources)

    def _binding(self, group: Address, interface: Interface) -> Binding:
        """Return the narrowest binding that does for the first requests, so for most receivers."""
        family = family_of(group)
        only_here = self._names.get(family) == {interface.name}
        index = interface.index if only_here and family in HEARS_OTHER_INTERFACES else None
        only_this = self._groups.get(family) == {group} and can_bind_to(group, index)
        return Binding(family, group if only_this else None, index)

    def _open(self, binding: Binding) -> GroupSocket:
        opened = open_group_socket(
            binding,
            self.port,
            self._receive_buffer,
            coalesce=self._coalesce,
            loopback=self._loopback,
        )
        self._sockets.append(opened)
        try:
            self.port = opened.sock.getsockname()[1]
            self._guard(binding.family)
            self._opened(opened)
        except BaseException:
            self._sockets.remove(opened)
            opened.sock.close()
            raise
        for other in [item for item in self._sockets if item is not opened]:
            self._close_if_idle(other)
        return opened

    def _close_if_idle(self, carrier: GroupSocket) -> bool:
        """Close a socket without a membership, and return whether that was done.

        The last one is kept, and with it the port, until there is another.
        """
        if carrier.joined or len(self._sockets) == 1:
            return False
        self._close(carrier)
        return True

    def _guard(self, family: socket.AddressFamily) -> None:
        """Keep unicast off the only socket of a family that is bound to no group.

        From the second one on, which takes many memberships, as few descriptors as can be are
        worth more, and the packet information alone keeps it from the user.
        """
        guard = self._guards.pop(family, None)
        if guard is not None:
            guard.close()
        open_to_all = [
            item for item in self._sockets if item.family == family and not item.binding.group
        ]
        if LAST_BOUND_TAKES_UNICAST and len(open_to_all) == 1:
            self._guards[family] = open_guard(open_to_all[0].binding, self.port)

    def _close(self, closing: GroupSocket) -> None:
        with contextlib.suppress(UnsupportedError):
            self._dropped_before += dropped_datagrams(closing.fileno(), closing.family)
        self._sockets.remove(closing)
        self._closing(closing)
        closing.sock.close()
        with contextlib.suppress(OSError):  # What is left works, if not as quietly.
            self._guard(closing.family)

    def __iter__(self) -> Iterator[GroupSocket]:
        """Return an iterator over those there are now."""
        return iter(tuple(self._sockets))

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
        for item in (*(item.sock for item in self._sockets), *self._guards.values()):
            item.close()


def _request_join(joined: JoinedGroup) -> None:
    sockfd, index, group = joined.carrier.fileno(), joined.interface.index, joined.group
    with advised(MEMBERSHIP_ADVICE):
        if joined.mode is FilterMode.EXCLUDE:
            join_group(sockfd, index, group)
            filtered = 0
        else:
            join_source_group(sockfd, index, group, next(iter(joined.sources)))
            filtered = 1
        if len(joined.sources) > filtered:
            try:
                _set_filter(joined, joined.sources, list(joined.sources)[filtered:], ())
            except OSError:
                leave_group(sockfd, index, group)
                raise


def _set_filter(
    joined: JoinedGroup,
    sources: Iterable[Address],
    added: Iterable[Address],
    gone: Iterable[Address],
) -> None:
    """Set the sources, by one call where the system takes a filter as a whole."""
    sockfd, index, group = joined.carrier.fileno(), joined.interface.index, joined.group
    try:
        set_source_filter(sockfd, index, group, joined.mode, tuple(sources))
    except UnsupportedError:
        _change_one_by_one(joined, added, gone)


def _change_one_by_one(
    joined: JoinedGroup, added: Iterable[Address], gone: Iterable[Address]
) -> None:
    """Change sources singly, all of them or none."""
    sockfd, index, group = joined.carrier.fileno(), joined.interface.index, joined.group
    add, remove = join_source_group, leave_source_group
    if joined.mode is FilterMode.EXCLUDE:
        add, remove = block_source, unblock_source
    with contextlib.ExitStack() as undo:
        for source in added:
            add(sockfd, index, group, source)
            undo.callback(remove, sockfd, index, group, source)
        for source in gone:
            remove(sockfd, index, group, source)
            undo.callback(add, sockfd, index, group, source)
        undo.pop_all()


def _leave_if_joined(joined: JoinedGroup) -> None:
    try:
        leave_group(joined.carrier.fileno(), joined.interface.index, joined.group)
    except OSError as error:
        # The system has left it itself, for the interface is gone.
        if error.errno not in {errno.EADDRNOTAVAIL, errno.ENODEV}:
            raise
