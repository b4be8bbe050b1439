"""What receivers have in common, however they wait: sockets, memberships, what is taken."""

from __future__ import annotations

import contextlib
import enum
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from mcast_lowlevel import FilterMode, LinkChanges, MessageBatch, UnsupportedError

from ._addresses import (
    Address,
    AddressLike,
    GroupLike,
    parse_group,
    parse_port,
)
from ._batch import Batch, BatchMemory
from ._buffers import require_buffer_size
from ._datagram import Datagram
from ._errors import ClosedError, JoinOutcome, MembershipError
from ._group_socket import GroupSocket
from ._interfaces import InterfaceLike, interfaces
from ._joining import JoinRequest, choose_interfaces, is_usual, plan_joins
from ._membership import HEARD, InterfaceChange, Membership
from ._sockets import GroupSockets
from ._waiting import Waiter

_log = logging.getLogger("mcast")


class Default(enum.Enum):
    """Default stands for the receiver's own timeout where None is one itself."""

    TIMEOUT = enum.auto()


DEFAULT: Final = Default.TIMEOUT
LONGEST_WAIT = 86400.0
"""Seconds. The system takes no wait of any length at once: 24.8 days are too long for poll(2)."""
_SKIPPED_AT_ONCE = 1024
"""How many unwanted datagrams are passed over between two looks at the clock."""
_LOOK_EVERY = 0.05
"""Seconds between two looks at what changed, where there is no waiting."""
_AHEAD = 64
"""How many datagrams `recv` takes from a socket at once, to give them out one by one."""
_MOST_SEGMENTS = 64
"""How many datagrams Linux puts together (UDP_GRO_CNT_MAX); a sender in the host may put more."""
_LARGEST_BATCH = 1024
"""The most datagrams that Linux takes by one call (UIO_MAXIOV)."""


def parse_timeout(timeout: float | None) -> float | None:
    """Return a timeout in seconds; `ValueError` for less than 0."""
    if timeout is not None and not timeout >= 0:  # Nor is NaN.
        raise ValueError(f"a timeout of {timeout} s is not 0 or more: None waits for ever")
    return timeout


def parse_limit(max_datagrams: int) -> int:
    """Return how many datagrams to take at once; `ValueError` for less than one."""
    if max_datagrams < 1:
        raise ValueError(f"a batch of {max_datagrams} datagrams: ask for 1 or more")
    return min(max_datagrams, _LARGEST_BATCH)


class ReceiverBase:
    """ReceiverBase is a receiver but for waiting, which its subclasses do each in their way."""

    def __init__(
        self,
        groups: GroupLike | Iterable[GroupLike],
        port: int,
        *,
        interfaces: InterfaceLike | Iterable[InterfaceLike] | None = None,
        sources: AddressLike | Iterable[AddressLike] | None = None,
        timeout: float | None = None,
        loopback: bool = False,
        receive_buffer: int | None = None,
        coalesce: bool = False,
        follow: bool = True,
        on_interface_change: Callable[[InterfaceChange], object] | None = None,
    ) -> None:
        """Open a receiver.

        `groups` is one or many, IPv4 and IPv6 mixed; `port` 0 lets the system choose. Each group
        is joined on each of `interfaces`, one or many, which must all succeed. None joins on
        every interface that is up, multicast-capable and not loopback, and passes over one that
        refuses: it is logged, and `skipped` tells. An IPv6 group with a scope is joined on that
        interface alone. `sources`, one or many, limits what is heard to datagrams from there:
        source-specific multicast (RFC 4607); each group takes those of its family. `timeout` is
        how many seconds `recv` waits; None waits for ever. `loopback` says whether datagrams of
        this host are heard, where the receiver decides that (Windows); elsewhere the sender does.
        `receive_buffer` asks for that many bytes of buffer for what arrives faster than it is
        received; see `receive_buffer` for what is granted.

        `coalesce` lets the system hand over several datagrams of one sender in one piece where it
        can (Linux: UDP_GRO), which takes a fraction of the time. They come out one by one all the
        same; but they arrive, or are lost, together: the time of arrival is that of the piece, and
        `dropped` counts pieces.

        `follow` joins again on an interface that was deleted and is back, and without named
        interfaces on new ones. That happens while `recv` waits or is called often; each change is
        logged and given to `on_interface_change`, in the thread that receives.

        Raises `AddressError`, `InterfaceError`, `ValueError` or `TypeError` for what cannot be
        used, before anything is opened, `MembershipError` for what could not be joined, and
        `OSError` for what the system refuses.
        """
        self._timeout = parse_timeout(timeout)
        require_buffer_size(receive_buffer)
        port = parse_port(port)
        # Where the interfaces are named, all must be joined, now and by `join`.
        self._named = interfaces is not None
        self._interfaces = choose_interfaces(interfaces)
        requests = plan_joins(groups, self._interfaces, sources, named=self._named)
        self._memberships: dict[Address, list[Membership]] = {}
        self._skipped: tuple[JoinOutcome, ...] = ()
        self._pending: deque[Datagram] = deque()
        self._ready: deque[GroupSocket] = deque()
        self._lock = threading.RLock()
        self._ahead = _AHEAD
        self._messages = MessageBatch(_AHEAD)
        self._memory = BatchMemory()
        self._waiter = Waiter(follow=follow)
        self._on_interface_change = on_interface_change
        self._next_look = 0.0
        self._takers = 0
        self._sockets = GroupSockets(
            port,
            receive_buffer,
            requests,
            coalesce=coalesce,
            loopback=loopback,
            opened=self._socket_opened,
            closing=self._socket_closing,
            left=self._group_left,
        )
        self._dropped = 0
        self._closed = False
        try:
            self._join(requests, all_required=self._named)
        except BaseException:
            self.close()
            raise

    def join(
        self,
        group: GroupLike,
        *,
        interface: InterfaceLike | None = None,
        sources: AddressLike | Iterable[AddressLike] | None = None,
    ) -> Membership:
        """Join a further group, and return the key to it.

        Without an interface it is joined where the constructor joins. A group that is joined there
        already gives its membership again, and `sources` are added to those it hears.

        Raises as the constructor does, and `MembershipError` for a group that is joined on some of
        the interfaces only, or for any source where `sources` are given and the other way round.
        """
        named = interface is not None
        chosen = choose_interfaces(interface) if named else self._interfaces
        (request,) = plan_joins([group], chosen, sources, named=named)
        with self._lock:
            self._require_open()
            (membership,) = self._join([request], all_required=named or self._named)
            return membership

    def _join(self, requests: list[JoinRequest], *, all_required: bool) -> list[Membership]:
        """Join what is asked for, all of it or nothing where `all_required`."""
        memberships: list[Membership] = []
        added: list[Membership] = []
        outcomes: list[JoinOutcome] = []
        for request in requests:
            membership = self._find(request)
            if membership is None:
                membership = Membership(self._sockets, self._lock, request)
                self._memberships.setdefault(request.group, []).append(membership)
                outcomes += membership.join_on(request.interfaces)
                added.append(membership)
            memberships.append(membership)
        failed = tuple(outcome for outcome in outcomes if outcome.error is not None)
        if failed and (all_required or len(failed) == len(outcomes)):
            for membership in added:
                membership.leave()
            raise MembershipError("not every group could be joined", outcomes)
        for outcome in failed:
            _log.warning("passed over: %s", outcome)
        self._skipped += failed
        return memberships

    def _find(self, request: JoinRequest) -> Membership | None:
        """Return the membership that has `request` already, with its sources added."""
        wanted = {interface.name for interface in request.interfaces}
        there = [item for item in self._memberships.get(request.group, ()) if item.is_active]
        if request.group in self._memberships:
            self._memberships[request.group] = there
        for membership in there:
            shared = wanted & membership.names
            if not shared:
                continue
            if shared != wanted:
                names = ", ".join(sorted(shared))
                raise MembershipError(f"{request.group} is joined on {names} alone: leave it first")
            if (request.sources is None) != (membership.mode is FilterMode.EXCLUDE):
                raise MembershipError(f"{request.group} is joined {HEARD[membership.mode]}")
            if request.sources:
                membership.add_sources(request.sources)
            return membership
        return None

    def leave(self, group: GroupLike, *, interface: InterfaceLike | None = None) -> None:
        """Leave a group, everywhere or the membership on one interface; twice is harmless."""
        address = parse_group(group).address
        names = None if interface is None else {item.name for item in choose_interfaces(interface)}
        with self._lock:
            for membership in self._memberships.get(address, ()):
                if names in (None, membership.names):
                    membership.leave()

    def _socket_opened(self, opened: GroupSocket) -> None:
        self._waiter.add(opened)
        self._ready.append(opened)

    def _socket_closing(self, closing: GroupSocket) -> None:
        self._waiter.remove(closing)
        if closing in self._ready:
            self._ready.remove(closing)

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError("the receiver is closed")

    def _group_left(self) -> None:
        if not self._pending:  # Nearly always, and there may be thousands to leave.
            return
        joined = {key for item in self._sockets for key in item.joined}
        self._pending = deque(
            item for item in self._pending if (item.group.packed, item.interface.index) in joined
        )

    def _fetch(self) -> Datagram | None:
        """Return the next datagram, and have those behind it pending."""
        if not self._pending:
            # Another thread that waits would not be woken for what is taken ahead.
            limit = 1 if self._takers > 1 else self._ahead
            batch = self._take(self._messages, limit)
            if not batch:
                return None
            first, *others = batch
            self._pending.extend(others)
            return first
        try:
            return self._pending.popleft()
        except IndexError:  # Another thread took it, which needs no lock for that.
            return None

    def _take_batch(self, limit: int) -> Batch | None:
        if self._pending:
            pending = self._pending
            return Batch([pending.popleft() for _ in range(limit) if pending])
        loan = self._memory.lend(limit)
        batch = self._take(loan.messages, limit)
        if batch and len(batch) > limit:  # One message that holds more than was asked for.
            first = list(batch)
            self._pending.extend(first[limit:])
            return Batch(first[:limit])
        if batch:
            loan.user = weakref.ref(batch)
        return batch

    def _take(self, messages: MessageBatch, limit: int) -> Batch | None:
        """Return what is here now, of the ready sockets in turn; empty to be asked again."""
        self._require_open()
        ready = self._ready
        skipped = 0
        while ready:
            taken = ready.popleft()
            try:
                # Each message of a coalescing socket may hold so many datagrams.
                most = max(1, limit // _MOST_SEGMENTS) if taken.is_coalescing else limit
                count = messages.receive(taken.fileno(), most)
            except OSError:
                if self._closed:  # By a signal handler, between those two calls.
                    raise ClosedError("the receiver is closed") from None
                raise
            batch = Batch(received=(messages, taken)) if count else None
            if count == most:
                ready.append(taken)
            elif taken.gone:
                self._sockets.forget_gone(taken)
            skipped += count
            if batch or skipped >= _SKIPPED_AT_ONCE:
                return batch
        return None

    def _look_now_and_then(self, now: float) -> None:
        """See what changed: where datagrams never end there is no waiting, which sees it else."""
        if now >= self._next_look:
            self._wait(0)

    def _wait(self, timeout: float) -> bool:
        """Wait until a socket can be read or something changed; return whether one can."""
        self._next_look = time.monotonic() + _LOOK_EVERY
        readable, changes = self._waiter.wait(timeout)
        if changes is not None:
            self._follow(changes)
        with self._lock:
            for item in readable:
                if item not in self._ready:
                    self._ready.append(item)
            return bool(self._ready)

    def _follow(self, changes: LinkChanges) -> None:
        """Join and leave as the machine's interfaces changed, and tell of it."""
        there = {item.name: item for item in interfaces()}
        told: list[InterfaceChange] = []
        with self._lock:
            if self._named:
                self._interfaces = tuple(there.get(on.name, on) for on in self._interfaces)
            else:
                self._interfaces = tuple(filter(is_usual, there.values()))
            for membership in self.memberships:
                told += membership.follow(there, self._interfaces, changes.gone)
            # Each is read to its end once more, and then forgets the interfaces that are gone.
            self._ready = deque(self._sockets)
        for change in told:
            _log.log(logging.WARNING if change.error else logging.INFO, "%s", change)
            if self._on_interface_change is not None:
                self._on_interface_change(change)

    @property
    def port(self) -> int:
        """The port that datagrams are received on."""
        return self._sockets.port

    @property
    def memberships(self) -> tuple[Membership, ...]:
        """What is joined, a group's together; nothing when closed."""
        with self._lock:
            every = [item for group in self._memberships.values() for item in group]
        return tuple(item for item in every if item.is_active)

    @property
    def skipped(self) -> tuple[JoinOutcome, ...]:
        """The interfaces that refused a group, where none was named (``interfaces=None``)."""
        return self._skipped

    @property
    def dropped(self) -> int:
        """How many datagrams the system threw away since opening because the buffer was full.

        Nothing else is counted. It stays readable when closed. Raises `UnsupportedError` where
        the system does not tell.
        """
        with self._lock:
            return self._dropped if self._closed else self._sockets.dropped

    @property
    def receive_buffer(self) -> int:
        """The size of a socket's receive buffer in bytes, as the system counts it.

        Linux grants twice what was asked for and takes its own bookkeeping from it: about 700
        bytes for a small datagram. Without CAP_NET_ADMIN it grants at most twice the limit
        ``net.core.rmem_max`` (socket(7)). Raises `ClosedError`.
        """
        with self._lock:
            self._require_open()
            return self._sockets.receive_buffer

    @property
    def timeout(self) -> float | None:
        """How many seconds `recv` waits; None for ever."""
        return self._timeout

    def settimeout(self, timeout: float | None) -> None:
        """Set how many seconds `recv` waits; None for ever, 0 not at all."""
        self._timeout = parse_timeout(timeout)

    def filenos(self) -> tuple[int, ...]:
        """Return the sockets' descriptors, none when closed.

        There is one socket a family, and more where the system limits the memberships of one. From
        here on `recv` takes one datagram at a time, so that none waits where no descriptor tells;
        with `coalesce`, one piece.
        """
        with self._lock:
            if self._closed:
                return ()
            self._ahead = 1
            return self._sockets.filenos

    @property
    def closed(self) -> bool:
        """Whether the receiver is closed."""
        return self._closed

    def close(self) -> None:
        """Leave every group and close; whoever waits gets `ClosedError`. Twice is harmless."""
        with self._lock:
            if self._closed:
                return
            with contextlib.suppress(UnsupportedError):
                self._dropped = self.dropped
            self._closed = True
            self._pending.clear()
            for membership in self.memberships:
                membership.end()
            self._waiter.close()
            self._sockets.close()

    def __repr__(self) -> str:
        """Return the groups, the port and whether it is closed."""
        groups = ", ".join(map(str, self._memberships))
        state = " (closed)" if self._closed else ""
        return f"<{type(self).__name__} {groups} port {self.port}{state}>"
