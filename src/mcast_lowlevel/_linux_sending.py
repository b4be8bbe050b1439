"""Sending many datagrams by one system call."""

from __future__ import annotations

import errno
import mmap
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, cast

from ._control import pack_control
from ._errors import system_error
from ._linux_ffi import ffi, lib

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LARGEST: Final = 65535
"""Bytes; no UDP payload is larger."""
_CMSGHDR: Final = ffi.typeof("struct cmsghdr *")
_WORD: Final = ffi.sizeof("size_t")
_WORD_CODE: Final = "Q" if _WORD == 8 else "I"


class MessageSender:
    """MessageSender gives datagrams to a socket, up to `capacity` by one call.

    Its memory is allocated once; one thread at a time may use it.
    """

    def __init__(self, capacity: int) -> None:
        """Make room for `capacity` datagrams of any size."""
        self.capacity = capacity
        self._memory = mmap.mmap(-1, capacity * _LARGEST)
        self._base: Any = ffi.from_buffer(self._memory)
        self._iovecs: Any = ffi.new("struct iovec[]", capacity)
        self._headers: Any = ffi.new("struct mmsghdr[]", capacity)
        for number in range(capacity):
            self._headers[number].msg_hdr.msg_iov = self._iovecs + number
            self._headers[number].msg_hdr.msg_iovlen = 1
        self._words = memoryview(ffi.buffer(self._iovecs)).cast("B").cast(_WORD_CODE)
        self._start = int(ffi.cast("size_t", self._base))
        self._sizes: Sequence[int] = ()
        self._addressed: tuple[bytes, tuple[int, int, bytes] | None] = (b"", None)
        self._kept: list[Any] = []

    def send(
        self,
        sockfd: int,
        payloads: Sequence[Buffer],
        name: bytes = b"",
        control: tuple[int, int, bytes] | None = None,
    ) -> int:
        """Send each payload as one datagram, in order, and return how many went.

        `name` is the sockaddr they go to, nothing where the socket is connected; `control` is
        ancillary data as `socket.sendmsg` takes it. There are `capacity` payloads at most, and
        at least one. Raises `OSError` with the system's errno if the first cannot be sent.
        """
        joined = b"".join(payloads)
        sizes = list(map(len, cast("Sequence[bytes]", payloads)))
        if sum(sizes) != len(joined):  # Some have elements of several bytes.
            sizes = [memoryview(payload).nbytes for payload in payloads]
        if max(sizes) > _LARGEST:
            fitting = next(number for number, size in enumerate(sizes) if size > _LARGEST)
            if fitting == 0:
                raise system_error(errno.EMSGSIZE)
            sizes = sizes[:fitting]
            joined = joined[: sum(sizes)]
        self._memory[: len(joined)] = joined
        if sizes != self._sizes:
            self._lay_out(sizes)
        if (name, control) != self._addressed:
            self._address(name, control)
        count = lib.sendmmsg(sockfd, self._headers, len(sizes), 0)
        if count < 0:
            raise system_error(ffi.errno)
        return count

    def _lay_out(self, sizes: list[int]) -> None:
        """Have the payloads where they are in memory, one behind the other."""
        words = array(_WORD_CODE, bytes(2 * _WORD * len(sizes)))
        words[0::2] = array(_WORD_CODE, list(accumulate(sizes[:-1], initial=self._start)))
        words[1::2] = array(_WORD_CODE, sizes)
        self._words[: len(words)] = memoryview(words)
        self._sizes = sizes

    def _address(self, name: bytes, control: tuple[int, int, bytes] | None) -> None:
        """Give all datagrams the same address and ancillary data."""
        destination: Any = ffi.from_buffer(name) if name else ffi.NULL
        ancillary: Any = ffi.NULL
        length = 0
        if control is not None:
            packed = pack_control(ffi, _CMSGHDR, _WORD, control)
            ancillary, length = ffi.from_buffer(packed), len(packed)
        for number in range(self.capacity):
            header = self._headers[number].msg_hdr
            header.msg_name, header.msg_namelen = destination, len(name)
            header.msg_control, header.msg_controllen = ancillary, length
        self._addressed = (name, control)
        self._kept = [destination, ancillary]  # Or it would be freed while it is pointed at.
