"""Waiting until a socket can be read, the machine's interfaces change, or the receiver closes."""

from __future__ import annotations

import contextlib
import selectors
import threading
from typing import Any, NamedTuple, cast

from mcast_lowlevel import OPENING_ADVICE, LinkChanges, LinkWatch

from ._advice import advised
from ._errors import ClosedError
from ._group_socket import GroupSocket


class Woken(NamedTuple):
    """Woken is why a wait ended."""

    readable: list[GroupSocket]
    changes: LinkChanges | None
    """What happened to the machine's interfaces, if anything did."""


class Waiter:
    """Waiter waits for the sockets of one receiver; closing it wakes whoever waits.

    Waiting is by `selectors`, so descriptors above 1023 work. Closing is allowed in any thread
    and in a signal handler, which is why the lock may be taken again by the thread that holds it.
    """

    def __init__(self, *, follow: bool) -> None:
        """Open the selector and what wakes it; `follow` says whether changes are waited for."""
        self._lock = threading.RLock()
        self._threads = 0
        self._closed = False
        with advised(OPENING_ADVICE), contextlib.ExitStack() as undo:
            self._watch = LinkWatch(changes=follow)
            undo.callback(self._watch.close)
            self._selector = selectors.DefaultSelector()
            undo.callback(self._selector.close)
            self._selector.register(self._watch, selectors.EVENT_READ)
            undo.pop_all()

    @property
    def has_fileno(self) -> bool:
        """Whether the system's way of waiting is a descriptor itself, seen by all who wait."""
        return hasattr(self._selector, "fileno")

    def fileno(self) -> int:
        """Return a descriptor that can be read when `wait` would return at once."""
        return int(cast(Any, self._selector).fileno())

    def add(self, readable: GroupSocket) -> None:
        """Wait for `readable` too, also those who wait already where the system can."""
        with advised(OPENING_ADVICE):
            self._selector.register(readable, selectors.EVENT_READ, readable)
        if self._threads and not self.has_fileno:
            self._watch.wake()  # Those who wait do not see it by themselves.

    def remove(self, readable: GroupSocket) -> None:
        """Wait for `readable` no longer."""
        self._selector.unregister(readable)

    def wait(self, timeout: float | None) -> Woken:
        """Return what can be read, nothing when `timeout` seconds have passed.

        Raises `ClosedError` when closed, before or meanwhile.
        """
        with self._lock:
            if self._closed:
                raise ClosedError("the receiver is closed")
            self._threads += 1
        try:
            events = self._selector.select(timeout)
        finally:
            with self._lock:
                self._threads -= 1
                is_closed = self._closed
                if is_closed:
                    self._release()
        # What woke us for closing stays unread, so that it wakes all who wait.
        if is_closed:
            raise ClosedError("the receiver was closed while waiting")
        readable = [key.data for key, _ in events if key.data is not None]
        return Woken(readable, self._changes() if len(readable) < len(events) else None)

    def _changes(self) -> LinkChanges | None:
        with self._lock:
            if self._closed:
                raise ClosedError("the receiver was closed while waiting")
            changes = self._watch.read()
        return changes if changes.seen else None

    def close(self) -> None:
        """Wake every waiting thread; the last one of them gives the descriptors back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self._threads:
                    self._watch.wake()
            finally:
                self._release()

    def _release(self) -> None:
        if self._threads == 0:
            self._selector.close()
            self._watch.close()
