"""AsyncMcastRx and AsyncMcastTx: receiving and sending where asyncio waits."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import select
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self, TypeVar

from ._addresses import Address
from ._batch import Batch
from ._datagram import Datagram
from ._errors import ClosedError
from ._interfaces import InterfaceLike
from ._outlets import Outlet
from ._receiver_base import (
    DEFAULT,
    LONGEST_WAIT,
    Default,
    ReceiverBase,
    parse_limit,
    parse_timeout,
)
from ._sender_base import Destination, SenderBase

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")

_LOOK_AGAIN = 0.1
"""Seconds after which a thread looks again whether the sender was closed."""
_IN_A_ROW = 64
"""How many times a task may receive or send before others get their turn."""


class _Turns:
    """_Turns lets tasks take what is there without waiting, but others run now and then."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._left = _IN_A_ROW

    def is_free(self) -> bool:
        """Return whether nobody waits before us, and no other task's turn is due."""
        self._left -= 1
        return self._left > 0 and not self.lock.locked()

    async def pass_on(self) -> None:
        """Let others run if it is their turn; nothing has been taken, so nothing can be lost."""
        if self._left <= 0:
            self._left = _IN_A_ROW
            await asyncio.sleep(0)


class AsyncMcastRx(ReceiverBase):
    """AsyncMcastRx is `McastRx` for asyncio: what waits there is awaited here.

    It opens and joins at construction and is an asynchronous context manager that closes it, and
    an asynchronous iterator over the datagrams until then. Cancelling what waits loses no
    datagram. Tasks that wait at once are served in turn. It belongs to the event loop that waits
    first; `join`, `leave` and the properties need none, and `close` wakes whoever waits.
    """

    _loop: asyncio.AbstractEventLoop | None = None
    _woken: asyncio.Future[None] | None = None
    _thread: threading.Thread | None = None

    @cached_property
    def _turns(self) -> _Turns:
        return _Turns()

    async def recv(self, timeout: float | Default | None = DEFAULT) -> Datagram:
        """Return the next datagram.

        `timeout` is in seconds, None waits for ever; left out, it is the receiver's. Raises
        `TimeoutError` when the time is up, `BlockingIOError` for a timeout of 0 and no datagram,
        `ClosedError` when closed, also meanwhile.
        """
        if timeout is not DEFAULT:
            parse_timeout(timeout)
        if self._pending and self._turns.is_free():
            return self._pending.popleft()
        return await self._receive(timeout, self._fetch)

    async def recv_batch(
        self, max_datagrams: int = 64, timeout: float | Default | None = DEFAULT
    ) -> Batch:
        """Return up to `max_datagrams` that are there, of one socket; waits for the first.

        `timeout` and what is raised are as with `recv`; `ValueError` for less than one datagram.
        """
        if timeout is not DEFAULT:
            parse_timeout(timeout)
        limit = parse_limit(max_datagrams)
        return await self._receive(timeout, lambda: self._take_batch(limit))

    async def _receive(self, timeout: float | Default | None, take: Callable[[], T | None]) -> T:
        timeout = self._timeout if timeout is DEFAULT else timeout
        await self._turns.pass_on()
        if not self._turns.lock.locked():
            taken = self._take_now(take)
            if taken:
                return taken
        if timeout == 0:
            raise BlockingIOError(errno.EAGAIN, "no datagram is waiting")
        if timeout is None:
            return await self._wait_for(take)
        try:
            async with asyncio.timeout(timeout):
                return await self._wait_for(take)
        except TimeoutError:
            raise TimeoutError(f"nothing was received within {timeout} s") from None

    async def _wait_for(self, take: Callable[[], T | None]) -> T:
        async with self._turns.lock:
            while True:
                # Between this and its return nothing is awaited, so no cancellation loses it.
                taken = self._take_now(take)
                if taken:
                    return taken
                await self._readable()

    def _take_now(self, take: Callable[[], T | None]) -> T | None:
        """Return what `take` gives without waiting, and follow the machine's interfaces."""
        self._look_now_and_then(time.monotonic())
        taken = take()
        while not taken and (self._ready or self._wait(0)):
            taken = take()
        return taken

    async def _readable(self) -> None:
        """Wait until a socket can be read, something changed, or the receiver is closed."""
        loop = asyncio.get_running_loop()
        self._woken = loop.create_future()
        try:
            if self._waiter.has_fileno:
                self._read_in(loop)
            elif self._thread is None:
                # Windows: its selector is no descriptor, and its other loop waits for none.
                self._thread = threading.Thread(
                    target=self._wait_in_thread, args=[loop], daemon=True
                )
                self._thread.start()
            await self._woken
        finally:
            self._woken = None

    def _read_in(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not loop:
            self._stop_reading()
            loop.add_reader(self._waiter.fileno(), self._wake)
            self._loop = loop

    def _wait_in_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait once; who waited may be cancelled by then, and the next one is woken by it."""
        with contextlib.suppress(ClosedError):
            self._wait(LONGEST_WAIT)
        self._thread = None
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._woken is None:
            self._stop_reading()  # Nobody waits: it would be called again and again.
        elif not self._woken.done():
            self._woken.set_result(None)

    def _stop_reading(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._waiter.fileno())
        self._loop = None

    def close(self) -> None:
        """Leave every group and close; whoever waits gets `ClosedError`. Twice is harmless."""
        if not self._closed:
            self._stop_reading()
        super().close()
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def __aiter__(self) -> Self:
        """Return the iterator, which ends when the receiver is closed; `ClosedError` if it is."""
        self._require_open()
        return self

    async def __anext__(self) -> Datagram:
        """Return the next datagram."""
        if self._pending and self._turns.is_free():
            return self._pending.popleft()
        try:
            return await self._receive(DEFAULT, self._fetch)
        except ClosedError:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        """Return the receiver; `ClosedError` when closed."""
        self._require_open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close the receiver."""
        self.close()


class AsyncMcastTx(SenderBase):
    """AsyncMcastTx is `McastTx` for asyncio: where the send buffer is full, it awaits room.

    It opens at construction and is an asynchronous context manager that closes it. Tasks that send
    at once are served in turn. What is cancelled while it waits has not been sent; out of several
    interfaces, and of several payloads, the first may have been.
    """

    _is_blocking = False

    @cached_property
    def _turns(self) -> _Turns:
        return _Turns()

    async def send(self, data: Buffer, *, interface: InterfaceLike | None = None) -> int:
        """Send one datagram to the group and port given at construction, as `McastTx.send`."""
        if interface is None and len(self._outlets) == 1:
            return await self._when_there_is_room(lambda: self._send_single(data))
        outlets = self._outlets if interface is None else [self._outlet(interface)]
        return await self._send_by_each(outlets, data, self._destination())

    def _send_single(self, data: Buffer) -> int:
        try:
            return self._send(data)
        except OSError as error:
            return self._send_despite(error, data)

    async def sendto(self, data: Buffer, address: Destination) -> int:
        """Send one datagram to another group and port, as `McastTx.sendto`."""
        outlets, destination = self._addressed(address)
        return await self._send_by_each(outlets, data, destination)

    async def _send_by_each(
        self, outlets: Sequence[Outlet], data: Buffer, to: tuple[Address, int]
    ) -> int:
        sent = 0
        failures: list[OSError] = []
        for outlet in list(outlets):
            try:
                sent = await self._when_there_is_room(partial(self._send_by, outlet, data, to))
            except OSError as error:
                failures.append(self._noted(error, outlet))
        self._raise_unsent(failures, [data])
        return sent

    async def send_batch(
        self, payloads: Iterable[Buffer], address: Destination | None = None
    ) -> int:
        """Send each payload as one datagram, in order, as `McastTx.send_batch`."""
        listed, outlets, destination = self._plan_batch(payloads, address)
        counts: list[int] = []
        failures: list[OSError] = []
        for outlet in list(outlets):
            sent = 0
            try:
                while sent < len(listed):
                    sent += await self._when_there_is_room(
                        partial(self._send_all, outlet, listed[sent:], destination)
                    )
            except OSError as error:
                if sent == 0:
                    failures.append(self._noted(error, outlet))
            counts.append(sent)
        self._raise_unsent(failures, listed)
        return min(counts)

    async def _when_there_is_room(self, attempt: Callable[[], int]) -> int:
        await self._turns.pass_on()
        if self._turns.is_free():
            with contextlib.suppress(BlockingIOError):
                return attempt()
        async with self._turns.lock:
            while True:
                try:
                    return attempt()
                except BlockingIOError:
                    await self._writable()

    async def _writable(self) -> None:
        loop, sockfd = asyncio.get_running_loop(), self.fileno()
        ready: asyncio.Future[None] = loop.create_future()
        try:
            loop.add_writer(sockfd, _resolve, ready)
        except NotImplementedError:  # Windows' loop that waits for no descriptors.
            await loop.run_in_executor(None, _wait_for_room, sockfd)
            return
        self._waiting = ready
        try:
            await ready
        finally:
            self._waiting = None
            if sockfd == self.fileno():  # Else closing has removed it.
                loop.remove_writer(sockfd)

    def close(self) -> None:
        """Close the sender; whoever waits gets `ClosedError`. Twice is harmless."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.get_loop().remove_writer(self.fileno())
            self._waiting.set_result(None)
        super().close()

    _waiting: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        """Return the sender; `ClosedError` when closed."""
        self._require_open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close the sender."""
        self.close()


def _wait_for_room(sockfd: int) -> None:
    select.select([], [sockfd], [], _LOOK_AGAIN)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
