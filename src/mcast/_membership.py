"""Membership: the key to a group that a receiver has joined."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from mcast_lowlevel import FilterMode

from ._addresses import Address, AddressLike, parse_source
from ._errors import ClosedError, MembershipError
from ._interfaces import Interface
from ._sockets import GroupSockets, JoinedGroup


class Membership:
    """Membership is a group that a receiver has joined, and says which sources are heard.

    `McastRx.join` and the receiver's constructor make it. It is a context manager that leaves the
    group. What cannot be changed raises `MembershipError` and changes nothing. Any thread may use
    it while another waits in the receiver.
    """

    def __init__(
        self, sockets: GroupSockets, lock: threading.RLock, joined: Sequence[JoinedGroup]
    ) -> None:
        """Hold what is joined in `sockets`, which `lock` guards."""
        self._sockets = sockets
        self._lock = lock
        self._joined = list(joined)
        self._group = joined[0].group
        self._mode = joined[0].mode
        self._interfaces = tuple(item.interface for item in joined)
        self._is_active = True

    @property
    def group(self) -> Address:
        """The group."""
        return self._group

    @property
    def interface(self) -> Interface | None:
        """The interface that it is joined on; None if there are several."""
        return self._interfaces[0] if len(self._interfaces) == 1 else None

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """The interfaces that it is joined on."""
        return self._interfaces

    @property
    def mode(self) -> FilterMode:
        """INCLUDE if only `sources` are heard, EXCLUDE if all but `sources` are (RFC 3376)."""
        return self._mode

    @property
    def sources(self) -> tuple[Address, ...]:
        """The sources that are included (mode INCLUDE) or blocked (mode EXCLUDE), in order."""
        with self._lock:
            found = self._joined[0].sources if self._joined else set[Address]()
            return tuple(sorted(found, key=lambda address: address.packed))

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
            self._joined.clear()

    def end(self) -> None:
        """Take note that the receiver has closed."""
        self._is_active = False
        self._joined.clear()

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
            before = self._joined[0].sources
            after = combine(before, {address})
            if mode is FilterMode.INCLUDE and not after:
                self.leave()
            else:
                self._set_sources(before, after)

    def add_sources(self, sources: Iterable[Address]) -> None:
        """Hear further sources, in a source-specific membership."""
        with self._lock:
            before = self._joined[0].sources
            self._set_sources(before, before.union(sources))

    def _set_sources(self, before: set[Address], after: set[Address]) -> None:
        """Set the sources on each interface, or on none where the system refuses."""
        done: list[JoinedGroup] = []
        try:
            for item in self._joined:
                self._sockets.set_sources(item, after)
                done.append(item)
        except OSError:
            for item in done:
                self._sockets.set_sources(item, before)
            raise

    def __enter__(self) -> Self:
        """Return the membership."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the group."""
        self.leave()

    def __repr__(self) -> str:
        """Return group, interfaces, sources and whether it has ended."""
        names = ", ".join(item.name for item in self._interfaces)
        listed = ", ".join(map(str, self.sources))
        heard = f" {self._mode.value} {listed}" if listed else ""
        return (
            f"<Membership {self._group} on {names}{heard}{'' if self._is_active else ' (ended)'}>"
        )


HEARD = {
    FilterMode.EXCLUDE: "for any source: block() and unblock() change what is heard",
    FilterMode.INCLUDE: "for certain sources: add_source() and drop_source() change what is heard",
}
"""How a membership of each mode is, in words."""
