"""McastRx: receiving from multicast groups."""

from __future__ import annotations

import contextlib
import enum
import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final, Self

from mcast_lowlevel import (
    MEMBERSHIP_ADVICE,
    MessageReader,
    UnsupportedError,
)

from ._addresses import (
    Group,
    GroupLike,
    SourceAddress,
    decode_source,
    parse_group,
    parse_port,
)
from ._advice import advise
from ._buffers import require_buffer_size
from ._datagram import Datagram
from ._errors import AddressError, ClosedError, InterfaceError, JoinOutcome, MembershipError
from ._interfaces import Interface, InterfaceLike, find_interfaces, interfaces
from ._sockets import GroupSocket, GroupSockets, Membership
from ._waiting import Waiter

_log = logging.getLogger("mcast")


class _Default(enum.Enum):
    TIMEOUT = enum.auto()


_DEFAULT: Final = _Default.TIMEOUT
_LONGEST_WAIT = 86400.0
"""Seconds. The system takes no wait of any length at once: 24.8 days are too long for poll(2)."""
_SKIPPED_AT_ONCE = 1024
"""How many unwanted datagrams are passed over between two looks at the clock."""
_KNOWN_SOURCES = 1024
"""How many senders' addresses are remembered in words."""


def _listed(values: Any) -> list[Any]:
    """Return one value or many as a list; text is one value."""
    several = hasattr(values, "__iter__") and not isinstance(values, str)
    return list(values) if several else [values]


def _parse_timeout(timeout: float | None) -> float | None:
    if timeout is not None and not timeout >= 0:  # Nor is NaN.
        raise ValueError(f"a timeout of {timeout} s is not 0 or more: None waits for ever")
    return timeout


def _is_past(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _choose_interfaces(
    groups: Iterable[Group], specs: InterfaceLike | Iterable[InterfaceLike] | None
) -> list[tuple[Group, list[Interface]]]:
    """Return on which interfaces to join each group."""
    there = interfaces()
    if specs is None:
        chosen = [
            item
            for item in there
            if item.is_up and item.supports_multicast and not item.is_loopback
        ]
    else:
        chosen = [item for spec in _listed(specs) for item in find_interfaces(spec, among=there)]
    wanted: list[tuple[Group, list[Interface]]] = []
    for group in groups:
        if group.scope is None:
            wanted.append((group, chosen))
            continue
        own = find_interfaces(group.scope, among=there)
        if specs is not None and not set(own) <= set(chosen):
            names = ", ".join(item.name for item in chosen)
            raise InterfaceError(
                f"the scope of {group.address}%{group.scope} is none of the interfaces: {names}"
            )
        wanted.append((group, own))
    if not any(on_interfaces for _, on_interfaces in wanted):
        raise InterfaceError(
            "no interface to join on: none is up, multicast-capable and not loopback; "
            "name the ones to use with interfaces="
        )
    return wanted


def _failure(outcomes: list[JoinOutcome]) -> MembershipError:
    error = MembershipError("not every group could be joined", outcomes)
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    error.__cause__ = errors[0]
    for note in dict.fromkeys(note for item in errors for note in getattr(item, "__notes__", ())):
        error.add_note(note)
    return error


class McastRx:
    """McastRx receives the datagrams sent to its groups, on the interfaces where it joined them.

    It opens and joins at construction, and is a context manager that closes it and an iterator
    over the datagrams until then. Any thread may close it while another waits.
    """

    def __init__(
        self,
        groups: GroupLike | Iterable[GroupLike],
        port: int,
        *,
        interfaces: InterfaceLike | Iterable[InterfaceLike] | None = None,
        timeout: float | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        """Open a receiver.

        `groups` is one or many, IPv4 and IPv6 mixed; `port` 0 lets the system choose. Each group
        is joined on each of `interfaces`, one or many, which must all succeed. None joins on
        every interface that is up, multicast-capable and not loopback, and passes over one that
        refuses: it is logged, and `skipped` tells. An IPv6 group with a scope is joined on that
        interface alone. `timeout` is how many seconds `recv` waits; None waits for ever.
        `receive_buffer` asks for that many bytes of buffer for what arrives faster than it is
        received; see `receive_buffer` for what is granted.

        Raises `AddressError`, `InterfaceError`, `ValueError` or `TypeError` for what cannot be
        used, before anything is opened, `MembershipError` for what could not be joined, and
        `OSError` for what the system refuses.
        """
        self._timeout = _parse_timeout(timeout)
        parsed = [parse_group(group) for group in _listed(groups)]
        if not parsed:
            raise AddressError("no group is given: name one or more")
        require_buffer_size(receive_buffer)
        port = parse_port(port)
        wanted = _choose_interfaces(parsed, interfaces)
        self._skipped: tuple[JoinOutcome, ...] = ()
        self._sources: dict[bytes, SourceAddress] = {}
        self._ready: deque[GroupSocket] = deque()
        self._lock = threading.RLock()
        self._reader = MessageReader()
        self._waiter = Waiter()
        self._sockets = GroupSockets(port, receive_buffer, self._opened)
        self._dropped = 0
        self._closed = False
        try:
            self._join(wanted, all_required=interfaces is not None)
        except BaseException:
            self.close()
            raise

    def _opened(self, opened: GroupSocket) -> None:
        self._waiter.add(opened)
        self._ready.append(opened)

    def _join(self, wanted: list[tuple[Group, list[Interface]]], *, all_required: bool) -> None:
        outcomes = [
            JoinOutcome(group.address, interface, self._try_join(group, interface))
            for group, on_interfaces in wanted
            for interface in on_interfaces
        ]
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        if failed and (all_required or len(failed) == len(outcomes)):
            raise _failure(outcomes)
        for outcome in failed:
            _log.warning("passed over: %s", outcome)
        self._skipped = tuple(failed)

    def _try_join(self, group: Group, interface: Interface) -> OSError | None:
        try:
            self._sockets.join(group.address, interface)
        except OSError as error:
            advise(error, MEMBERSHIP_ADVICE)
            return error
        return None

    def recv(self, timeout: float | _Default | None = _DEFAULT) -> Datagram:
        """Return the next datagram.

        `timeout` is in seconds, None waits for ever; left out, it is the receiver's. Raises
        `TimeoutError` when the time is up, `BlockingIOError` for a timeout of 0 and no datagram,
        `ClosedError` when closed, also meanwhile by another thread.
        """
        timeout = self._timeout if timeout is _DEFAULT else _parse_timeout(timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            datagram = self._take(deadline)
            if datagram is not None:
                return datagram
            left = None if deadline is None else deadline - time.monotonic()
            if left is None or left > 0:
                self._refill(self._waiter.wait(min(left or _LONGEST_WAIT, _LONGEST_WAIT)))
            elif self._ready or not self._refill(self._waiter.wait(0)):
                if timeout == 0:
                    raise BlockingIOError(errno.EAGAIN, "no datagram is waiting")
                raise TimeoutError(f"nothing was received within {timeout} s")

    def _take(self, deadline: float | None) -> Datagram | None:
        """Return the next datagram that is here now, from each ready socket in turn."""
        with self._lock:
            if self._closed:
                raise ClosedError("the receiver is closed")
            ready = self._ready
            skipped = 0
            while ready:
                taken = ready.popleft()
                try:
                    message = self._reader.read(taken.fileno())
                except OSError:
                    if self._closed:  # By a signal handler, between those two calls.
                        raise ClosedError("the receiver is closed") from None
                    raise
                if message is None:
                    continue
                ready.append(taken)
                membership = taken.memberships.get((message.destination, message.interface_index))
                # Unicast to the port, and what the kernel could not keep off: not for the user.
                if membership is not None:
                    source = self._sources.get(message.name) or self._learn(message.name)
                    return Datagram(
                        message.data,
                        source,
                        membership.group,
                        membership.interface,
                        message.hop_limit,
                        message.timestamp_ns,
                        message.truncated,
                    )
                skipped += 1
                if skipped % _SKIPPED_AT_ONCE == 0 and _is_past(deadline):
                    break
            return None

    def _refill(self, readable: list[GroupSocket]) -> bool:
        """Take note of the sockets that can be read, and return whether there are any."""
        with self._lock:
            self._ready.extend(item for item in readable if item not in self._ready)
            return bool(self._ready)

    def _learn(self, name: bytes) -> SourceAddress:
        if len(self._sources) >= _KNOWN_SOURCES:
            self._sources.clear()
        source = self._sources[name] = decode_source(name)
        return source

    @property
    def port(self) -> int:
        """The port that datagrams are received on."""
        return self._sockets.port

    @property
    def memberships(self) -> tuple[Membership, ...]:
        """What is joined; nothing when closed."""
        return () if self._closed else self._sockets.memberships

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
            if self._closed:
                raise ClosedError("the receiver is closed")
            return self._sockets.receive_buffer

    @property
    def timeout(self) -> float | None:
        """How many seconds `recv` waits; None for ever."""
        return self._timeout

    def settimeout(self, timeout: float | None) -> None:
        """Set how many seconds `recv` waits; None for ever, 0 not at all."""
        self._timeout = _parse_timeout(timeout)

    def filenos(self) -> tuple[int, ...]:
        """Return the sockets' descriptors, none when closed.

        There is one socket a family, and more where the system limits the memberships of one.
        """
        return () if self._closed else self._sockets.filenos

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
            self._waiter.close()
            self._sockets.close()

    def __iter__(self) -> Iterator[Datagram]:
        """Return an iterator over the datagrams, which ends when the receiver is closed.

        It raises `TimeoutError` as `recv` does. Raises `ClosedError` when closed already.
        """
        if self._closed:
            raise ClosedError("the receiver is closed")
        return self._datagrams()

    def _datagrams(self) -> Iterator[Datagram]:
        while True:
            try:
                datagram = self.recv()
            except ClosedError:
                return
            yield datagram

    def __enter__(self) -> Self:
        """Return the receiver; `ClosedError` when closed."""
        if self._closed:
            raise ClosedError("the receiver is closed")
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the receiver."""
        self.close()

    def __repr__(self) -> str:
        """Return the groups, the port and whether it is closed."""
        groups = ", ".join(dict.fromkeys(str(item.group) for item in self._sockets.memberships))
        return f"<McastRx {groups} port {self.port}{' (closed)' if self._closed else ''}>"
