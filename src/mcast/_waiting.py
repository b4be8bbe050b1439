"""Waiting until a socket can be read, or until it is closed from elsewhere."""

from __future__ import annotations

import selectors
import socket
import threading

from ._errors import ClosedError
from ._sockets import GroupSocket


class Waiter:
    """Waiter waits for the sockets of one receiver; closing it wakes whoever waits.

    Waiting is by `selectors`, so descriptors above 1023 work. Closing is allowed in any thread
    and in a signal handler, which is why the lock may be taken again by the thread that holds it.
    """

    def __init__(self) -> None:
        """Open the selector and what wakes it."""
        self._lock = threading.RLock()
        self._threads = 0
        self._closed = False
        self._wake, self._waken = socket.socketpair()
        try:
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._waken, selectors.EVENT_READ)
        except BaseException:
            self._wake.close()
            self._waken.close()
            raise

    def add(self, readable: GroupSocket) -> None:
        """Wait for `readable` too, also those who wait already where the system can."""
        self._selector.register(readable, selectors.EVENT_READ, readable)

    def remove(self, readable: GroupSocket) -> None:
        """Wait for `readable` no longer."""
        self._selector.unregister(readable)

    def wait(self, timeout: float | None) -> list[GroupSocket]:
        """Return the sockets that can be read, none when `timeout` seconds have passed.

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
                if self._closed:
                    self._release()
        if self._closed:
            raise ClosedError("the receiver was closed while waiting")
        return [key.data for key, _ in events if key.data is not None]

    def close(self) -> None:
        """Wake every waiting thread; the last one of them gives the descriptors back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._wake.send(b"\0")
            self._release()

    def _release(self) -> None:
        if self._threads == 0:
            self._selector.close()
            self._wake.close()
            self._waken.close()
