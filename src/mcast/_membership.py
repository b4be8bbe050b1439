"""Membership: the key to a group that a receiver has joined."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Mapping
from typing import NamedTuple, Self

from mcast_lowlevel import FilterMode

from ._addresses import Address, AddressLike, parse_source
from ._errors import ClosedError, JoinOutcome, MembershipError
from ._group_socket import JoinedGroup
from ._interfaces import Interface
from ._joining import JoinRequest
from ._sockets import GroupSockets


class Membership:
    """Membership is a group that a receiver has joined, and says which sources are heard.

    `McastRx.join` and the receiver's constructor make it. It is a context manager that leaves the
    group. What cannot be changed raises `MembershipError` and changes nothing. Any thread may use
    it while another waits in the receiver.
    """

    def __init__(
        self,
        sockets: GroupSockets,
        lock: threading.RLock,
        request: JoinRequest,
    ) -> None:
        """Join nothing yet; `lock` guards `sockets`."""
        self._sockets = sockets
        self._lock = lock
        self._group = request.group
        self._is_everywhere = request.is_everywhere
        self._mode = FilterMode.EXCLUDE if request.sources is None else FilterMode.INCLUDE
        self._heard = set(request.sources or ())
        self._joined: list[JoinedGroup] = []
        self._wanted: dict[str, Interface] = {}
        self._refused: dict[str, int] = {}
        self._is_active = True

    def join_on(self, interfaces: Iterable[Interface]) -> list[JoinOutcome]:
        """Join on each of the interfaces, and return what became of it; for the receiver."""
        outcomes: list[JoinOutcome] = []
        for interface in interfaces:
            self._wanted[interface.name] = interface
            outcomes.append(self._join_on(interface))
        return outcomes

    def _join_on(self, interface: Interface) -> JoinOutcome:
        try:
            joined = self._sockets.join(self._group, interface, self._mode, self._heard)
        except OSError as error:
            return JoinOutcome(self._group, interface, error)
        self._joined.append(joined)
        self._wanted[interface.name] = interface
        return JoinOutcome(self._group, interface, None)

    def follow(
        self,
        there: Mapping[str, Interface],
        usual: Iterable[Interface],
        gone: Container[int],
    ) -> list[InterfaceChange]:
        """Leave what is on interfaces that are gone, and join on those that are back or new.

        `there` are all interfaces by name, `usual` those to join on where none is named, `gone`
        the indices of those that were deleted. Returns what changed; for the receiver.
        """
        if self._is_everywhere:
            for interface in usual:
                self._wanted.setdefault(interface.name, interface)
        changes: list[InterfaceChange] = []
        for item in list(self._joined):
            now = there.get(item.interface.name)
            if now is None or now.index != item.interface.index or now.index in gone:
                self._sockets.leave_gone(item)
                self._joined.remove(item)
                changes.append(InterfaceChange(self, item.interface, is_joined=False))
        joined = {item.interface.name for item in self._joined}
        for name in self._wanted.keys() - joined:
            if name in there:
                changes += self._rejoin(there[name])
        return changes

    def _rejoin(self, interface: Interface) -> list[InterfaceChange]:
        error = self._join_on(interface).error
        if error is None:
            self._refused.pop(interface.name, None)
            return [InterfaceChange(self, interface, is_joined=True)]
        if self._refused.get(interface.name) == interface.index:
            return []  # Told before: it is tried again at each change, but told of once.
        self._refused[interface.name] = interface.index
        return [InterfaceChange(self, interface, is_joined=False, error=error)]

    @property
    def names(self) -> set[str]:
        """The names of the interfaces that it is for; for the receiver."""
        return set(self._wanted)

    @property
    def group(self) -> Address:
        """The group."""
        return self._group

    @property
    def interface(self) -> Interface | None:
        """The interface that it is for; None if it is for several."""
        with self._lock:
            wanted = list(self._wanted.values())
        return wanted[0] if len(wanted) == 1 else None

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """The interfaces that it is joined on now."""
        with self._lock:
            return tuple(item.interface for item in self._joined)

    @property
    def mode(self) -> FilterMode:
        """INCLUDE if only `sources` are heard, EXCLUDE if all but `sources` are (RFC 3376)."""
        return self._mode

    @property
    def sources(self) -> tuple[Address, ...]:
        """The sources that are included (mode INCLUDE) or blocked (mode EXCLUDE), in order."""
        with self._lock:
            return tuple(sorted(self._heard, key=lambda address: address.packed))

    @property
    def is_active(self) -> bool:
        """Whether it is joined still: neither left nor its receiver closed."""
        return self._is_active

    def add_source(self, source: AddressLike) -> None:
        """Hear another source, in a source-specific membership.

        Raises `MembershipError` in one for any source, and for a source beyond the system's limit.
        """
        self._change(FilterMode.INCLUDE, source, set[Address].union)

    def drop_source(self, source: AddressLike) -> None:
        """No longer hear a source, in a source-specific membership; the last one ends it."""
        self._change(FilterMode.INCLUDE, source, set[Address].difference)

    def block(self, source: AddressLike) -> None:
        """No longer hear a source, in a membership for any source.

        Raises `MembershipError` in a source-specific one, and for a source beyond the system's
        limit.
        """
        self._change(FilterMode.EXCLUDE, source, set[Address].union)

    def unblock(self, source: AddressLike) -> None:
        """Hear a source again that was blocked."""
        self._change(FilterMode.EXCLUDE, source, set[Address].difference)

    def leave(self) -> None:
        """Leave the group; nothing of it is received from here on. Leaving twice is harmless."""
        with self._lock:
            if not self._is_active:
                return
            self._is_active = False
            for item in self._joined:
                self._sockets.leave(item)
            for carrier in self._sockets:
                if carrier.gone:
                    self._sockets.forget_gone(carrier, self._group)
            self._forget()

    def end(self) -> None:
        """Take note that the receiver has closed; for the receiver."""
        self._is_active = False
        self._forget()

    def _forget(self) -> None:
        self._joined.clear()
        self._heard.clear()

    def _change(
        self,
        mode: FilterMode,
        source: AddressLike,
        combine: Callable[[set[Address], set[Address]], set[Address]],
    ) -> None:
        address = parse_source(source, self._group)
        with self._lock:
            if not self._is_active:
                raise ClosedError(f"the membership of {self._group} has ended")
            if mode is not self._mode:
                raise MembershipError(f"{self._group} is joined {HEARD[self._mode]}")
            after = combine(self._heard, {address})
            if mode is FilterMode.INCLUDE and not after:
                self.leave()
            else:
                self._set_sources(after)

    def add_sources(self, sources: Iterable[Address]) -> None:
        """Hear further sources, in a source-specific membership."""
        with self._lock:
            self._set_sources(self._heard.union(sources))

    def _set_sources(self, after: set[Address]) -> None:
        """Set the sources on each interface, or on none where the system refuses."""
        done: list[JoinedGroup] = []
        try:
            for item in self._joined:
                self._sockets.set_sources(item, after)
                done.append(item)
        except OSError:
            for item in done:
                self._sockets.set_sources(item, self._heard)
            raise
        self._heard = after

    def __enter__(self) -> Self:
        """Return the membership."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the group."""
        self.leave()

    def __repr__(self) -> str:
        """Return group, interfaces, sources and whether it has ended."""
        names = ", ".join(self._wanted)
        listed = ", ".join(map(str, self.sources))
        heard = f" {self._mode.value} {listed}" if listed else ""
        return (
            f"<Membership {self._group} on {names}{heard}{'' if self._is_active else ' (ended)'}>"
        )


class InterfaceChange(NamedTuple):
    """InterfaceChange is what following the machine's interfaces did to a membership."""

    membership: Membership
    interface: Interface
    is_joined: bool
    """Whether the group is joined there now."""
    error: OSError | None = None
    """Why it could not be joined there."""

    def __str__(self) -> str:
        """Return it in words."""
        if self.error is not None:
            result = f"cannot be joined: {self.error.strerror}"
        else:
            result = "joined" if self.is_joined else "left, the interface is gone"
        return f"{self.membership.group} on {self.interface.friendly_name}: {result}"


HEARD = {
    FilterMode.EXCLUDE: "for any source: block() and unblock() change what is heard",
    FilterMode.INCLUDE: "for certain sources: add_source() and drop_source() change what is heard",
}
"""How a membership of each mode is, in words."""
