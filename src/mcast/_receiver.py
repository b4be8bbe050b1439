"""McastRx: receiving from multicast groups."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

from ._batch import Batch
from ._datagram import Datagram
from ._errors import ClosedError
from ._receiver_base import DEFAULT, LONGEST_WAIT, Default, ReceiverBase, parse_limit, parse_timeout

T = TypeVar("T")


class McastRx(ReceiverBase):
    """McastRx receives the datagrams sent to its groups, on the interfaces where it joined them.

    It opens and joins at construction, and is a context manager that closes it and an iterator
    over the datagrams until then. Any thread may close it while another waits. The datagrams of
    one group on one interface come in the order of their arrival.
    """

    def recv(self, timeout: float | Default | None = DEFAULT) -> Datagram:
        """Return the next datagram.

        `timeout` is in seconds, None waits for ever; left out, it is the receiver's. Raises
        `TimeoutError` when the time is up, `BlockingIOError` for a timeout of 0 and no datagram,
        `ClosedError` when closed, also meanwhile by another thread.
        """
        if timeout is not DEFAULT:
            parse_timeout(timeout)
        try:
            return self._pending.popleft()
        except IndexError:
            pass
        return self._receive(timeout, self._fetch)

    def recv_batch(
        self, max_datagrams: int = 64, timeout: float | Default | None = DEFAULT
    ) -> Batch:
        """Return up to `max_datagrams` that are there, of one socket; waits for the first.

        Payloads are not copied, and nothing is decoded, before it is asked for. `timeout` and
        what is raised are as with `recv`; `ValueError` for less than one datagram.
        """
        if timeout is not DEFAULT:
            parse_timeout(timeout)
        limit = parse_limit(max_datagrams)
        return self._receive(timeout, lambda: self._take_batch(limit))

    def _receive(self, timeout: float | Default | None, take: Callable[[], T | None]) -> T:
        """Return what `take` gives, and wait until it gives something."""
        timeout = self._timeout if timeout is DEFAULT else timeout
        now = time.monotonic()
        deadline = None if timeout is None else now + timeout
        with self._lock:
            self._takers += 1
        try:
            self._look_now_and_then(now)
            while True:
                with self._lock:
                    taken = take()
                if taken:
                    return taken
                left = None if deadline is None else deadline - time.monotonic()
                if left is None or left > 0:
                    self._wait(min(left or LONGEST_WAIT, LONGEST_WAIT))
                elif self._ready or not self._wait(0):
                    if timeout == 0:
                        raise BlockingIOError(errno.EAGAIN, "no datagram is waiting")
                    raise TimeoutError(f"nothing was received within {timeout} s")
        finally:
            with self._lock:
                self._takers -= 1

    def __iter__(self) -> Iterator[Datagram]:
        """Return an iterator over the datagrams, which ends when the receiver is closed.

        It raises `TimeoutError` as `recv` does. Raises `ClosedError` when closed already.
        """
        self._require_open()
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
        self._require_open()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the receiver."""
        self.close()
