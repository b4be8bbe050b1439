"""Many datagrams, one a call, for the systems that have no call for many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ._control import ControlReader
from ._records import Message, Part

if TYPE_CHECKING:
    from _cffi_backend import FFI
    from typing_extensions import Buffer

DATA_SIZE = 1 << 16
"""Bytes. No UDP payload is larger, so none is cut."""


class Taken(NamedTuple):
    """Taken is one datagram as it was received."""

    payload: bytes
    name: bytes
    """The sender's sockaddr."""
    control: bytes
    """Ancillary data: the same for datagrams that differ in payload and time alone."""
    timestamp_ns: int


class OneByOneBatch(ABC):
    """OneByOneBatch takes datagrams from a socket, one a call.

    What `receive` took is there until the next `receive`; one thread at a time may use it.
    """

    is_shared = False
    """No memory is used again: every payload is a copy."""
    _ffi: ClassVar[FFI]
    _reader: ClassVar[ControlReader]

    def __init__(self, capacity: int) -> None:
        """Be ready for `capacity` datagrams at once."""
        self.capacity = capacity
        self._taken: list[Taken] = []

    @abstractmethod
    def _take(self, sockfd: int) -> Taken | None:
        """Take one datagram, None where there is none. Raises `OSError`."""

    def receive(self, sockfd: int, limit: int) -> int:
        """Take up to `limit` datagrams, and return how many came; if fewer, there are no more.

        Never waits, for the socket is not blocking. Raises `OSError` with the system's number; what
        was taken before that is given first.
        """
        self._taken = []
        while len(self._taken) < limit:
            try:
                taken = self._take(sockfd)
            except OSError:
                if not self._taken:
                    raise
                break
            if taken is None:
                break
            self._taken.append(taken)
        return len(self._taken)

    def sizes(self) -> list[int]:
        """Return the sizes of the payloads in bytes."""
        return [len(item.payload) for item in self._taken]

    def views(self, sizes: Sequence[int]) -> Sequence[memoryview]:
        """Return the payloads."""
        return [memoryview(item.payload) for item in self._taken]

    def copies(self, sizes: Sequence[int]) -> Sequence[bytes]:
        """Return the payloads."""
        return [item.payload for item in self._taken]

    def part_views(self, parts: Iterable[Part]) -> Sequence[memoryview]:
        """Return some of the payloads."""
        return [memoryview(self._taken[part.number].payload) for part in parts]

    def part_copies(self, parts: Iterable[Part]) -> Sequence[bytes]:
        """Return some of the payloads."""
        return [self._taken[part.number].payload for part in parts]

    def keys(self) -> Sequence[bytes]:
        """Return what tells of each datagram where it came from, where to, and how far."""
        return [item.control + item.name for item in self._taken]

    def times(self) -> Sequence[int]:
        """Return when they came, in nanoseconds since the epoch."""
        return [item.timestamp_ns for item in self._taken]

    def message(self, number: int) -> Message:
        """Return what is told of one of the datagrams."""
        _, name, control, timestamp_ns = self._taken[number]
        memory: Any = self._ffi.from_buffer(control)
        return self._reader.read(name, memory, len(control), timestamp_ns)


class OneByOneSender(ABC):
    """OneByOneSender gives datagrams to a socket, one a call."""

    def __init__(self, capacity: int) -> None:
        """Be ready for `capacity` datagrams at once."""
        self.capacity = capacity

    @abstractmethod
    def _send(
        self, sockfd: int, data: Buffer, name: bytes, control: tuple[int, int, bytes] | None
    ) -> int:
        """Send one datagram, and return its size. Raises `OSError`."""

    def send(
        self,
        sockfd: int,
        payloads: Sequence[Buffer],
        name: bytes = b"",
        control: tuple[int, int, bytes] | None = None,
    ) -> int:
        """Send each payload as one datagram, in order, and return how many went.

        `name` is the sockaddr they go to, nothing where the socket is connected; `control` is
        ancillary data. Raises `OSError` with the system's number if the first cannot be sent.
        """
        for number, payload in enumerate(payloads):
            try:
                self._send(sockfd, payload, name, control)
            except OSError:
                if number == 0:
                    raise
                return number
        return len(payloads)
