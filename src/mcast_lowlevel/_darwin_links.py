"""Being told on macOS that interfaces or their addresses changed (route(4))."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from ._darwin_ffi import ffi
from ._records import LinkChanges
from ._wake import WakePair

_constant = ffi.integer_const

_RECEIVE_SIZE: Final = 1 << 16
_TYPE: Final = ffi.offsetof("struct rt_msghdr", "rtm_type")
"""Where every routing message says its type, whatever its struct."""
_CHANGES: Final = tuple(map(_constant, ("RTM_NEWADDR", "RTM_DELADDR", "RTM_IFINFO")))


def _open_routing_socket() -> socket.socket:
    return socket.socket(_constant("PF_ROUTE"), socket.SOCK_RAW, 0)


class LinkWatch:
    """LinkWatch can be read when interfaces or addresses changed, or when it was woken."""

    def __init__(
        self,
        *,
        changes: bool,
        open_routing_socket: Callable[[], socket.socket] = _open_routing_socket,
    ) -> None:
        """Open a watch, for being woken alone without `changes`."""
        with contextlib.ExitStack() as undo:
            self._pair = WakePair()
            undo.callback(self._pair.close)
            # Its descriptor can be read when one of what it waits for can.
            self._selector = selectors.DefaultSelector()
            undo.callback(self._selector.close)
            self._selector.register(self._pair, selectors.EVENT_READ)
            self._routing: socket.socket | None = None
            if changes:
                self._routing = undo.enter_context(open_routing_socket())
                self._routing.setblocking(False)
                self._selector.register(self._routing, selectors.EVENT_READ)
            undo.pop_all()

    def fileno(self) -> int:
        """Return the descriptor to wait for, -1 when closed."""
        return int(cast(Any, self._selector).fileno()) if self._pair.fileno() >= 0 else -1

    def wake(self) -> None:
        """Make it readable."""
        self._pair.write(b"w")

    def read(self) -> LinkChanges:
        """Return what changed since the last time, without waiting.

        No interface is told to be gone: that it is not listed any more says it.
        """
        self._pair.read()
        seen = False
        while self._routing is not None:
            try:
                received = self._routing.recv(_RECEIVE_SIZE)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                seen = True  # More changed than the kernel kept for us.
                continue
            if not received:
                break
            seen = seen or (len(received) > _TYPE and received[_TYPE] in _CHANGES)
        return LinkChanges(seen, frozenset())

    def close(self) -> None:
        """Give the descriptors back."""
        self._selector.close()
        self._pair.close()
        if self._routing is not None:
            self._routing.close()
