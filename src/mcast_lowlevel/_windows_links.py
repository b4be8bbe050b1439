"""Being told on Windows that addresses of the machine changed (NotifyUnicastIpAddressChange)."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, cast

from ._records import LinkChanges
from ._windows_ffi import ffi, helper, system_error


class LinkWatch:
    """LinkWatch can be read when addresses of interfaces changed, or when it was woken."""

    def __init__(self, *, changes: bool) -> None:
        """Open a watch, for being woken alone without `changes`."""
        self._reading, self._writing = socket.socketpair()
        self._handle: Any = ffi.new("HANDLE *")
        self._callback: Any = None
        with contextlib.ExitStack() as undo:
            undo.callback(self._reading.close)
            undo.callback(self._writing.close)
            self._reading.setblocking(False)
            self._writing.setblocking(False)
            if changes:
                self._listen()
            undo.pop_all()

    def _listen(self) -> None:
        self._callback = cast(Any, ffi).callback(
            "void __stdcall(void *, void *, int)", self._changed
        )
        function = ffi.cast("void *", self._callback)
        code = helper.NotifyUnicastIpAddressChange(0, function, ffi.NULL, 0, self._handle)
        if code != 0:
            raise system_error(code)

    def _changed(self, context: object, row: object, kind: int) -> None:
        self._write(b"c")

    def _write(self, mark: bytes) -> None:
        # Where it is full, whoever waits is woken already.
        with contextlib.suppress(OSError):
            self._writing.send(mark)

    def fileno(self) -> int:
        """Return the descriptor to wait for, -1 when closed."""
        return self._reading.fileno()

    def wake(self) -> None:
        """Make it readable."""
        self._write(b"w")

    def read(self) -> LinkChanges:
        """Return what changed since the last time, without waiting."""
        marks = b""
        with contextlib.suppress(BlockingIOError):
            while received := self._reading.recv(4096):
                marks += received
        return LinkChanges(b"c" in marks, frozenset())

    def close(self) -> None:
        """Give what it holds back."""
        if self._callback is not None:
            helper.CancelMibChangeNotify2(self._handle[0])
            self._callback = None
        self._reading.close()
        self._writing.close()
