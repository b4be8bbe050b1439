"""Waking whoever waits for a descriptor, where the system has nothing better than two sockets."""

from __future__ import annotations

import contextlib
import socket


class WakePair:
    """WakePair can be read when it was written to."""

    def __init__(self) -> None:
        """Open the two sockets."""
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait for, -1 when closed."""
        return self._reading.fileno()

    def write(self, mark: bytes) -> None:
        """Make it readable; `mark` says why."""
        # Where it is full, whoever waits is woken already.
        with contextlib.suppress(BlockingIOError):
            self._writing.send(mark)

    def read(self) -> bytes:
        """Return the marks written since the last time, without waiting."""
        marks = b""
        with contextlib.suppress(BlockingIOError):
            while received := self._reading.recv(4096):
                marks += received
        return marks

    def close(self) -> None:
        """Give the sockets back."""
        self._reading.close()
        self._writing.close()
