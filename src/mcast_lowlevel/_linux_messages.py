"""Receiving many datagrams by one system call, into memory that is used again."""

from __future__ import annotations

import errno
import mmap
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, cast

from ._control import ControlReader, Time, packet_information
from ._errors import system_error
from ._linux_ffi import ffi, lib
from ._records import Message, Part

_constant = ffi.integer_const

_DATA_SIZE: Final = 1 << 16
"""Bytes. No UDP payload is larger, nor what UDP_GRO puts together, so nothing is ever cut."""
_DATA_STRIDE: Final = _DATA_SIZE + 3 * 64
"""Not a power of two, so that the payloads' beginnings do not share the same lines of a cache."""
_CONTROL_SIZE: Final = 128
"""Bytes; time, segment size, packet information and hop limit take 120, for IPv6."""
_NAME_SIZE: Final = ffi.sizeof("struct sockaddr_in6")
_NAME_END: Final = _CONTROL_SIZE + _NAME_SIZE
_META_STRIDE: Final = 192
"""Bytes of control data and name together, rounded up for the columns that are read of them."""

_CMSGHDR: Final = ffi.typeof("struct cmsghdr *")
_CMSGHDR_SIZE: Final = ffi.sizeof("struct cmsghdr")
_TIME_END: Final = _CMSGHDR_SIZE + ffi.sizeof("struct timespec")
_LONG: Final = ffi.sizeof("long")
_HEADER_SIZE: Final = ffi.sizeof("struct mmsghdr")
_LENGTH_OFFSET: Final = ffi.offsetof("struct mmsghdr", "msg_len")

# What SCM_TIMESTAMPNS is defined as, too.
_TIMESTAMP: Final = (_constant("SOL_SOCKET"), _constant("SO_TIMESTAMPNS"))
_READER: Final = ControlReader(
    ffi=ffi,
    header=_CMSGHDR,
    alignment=ffi.sizeof("size_t"),
    packet_info=packet_information(ffi),
    hop_limits={
        (_constant("IPPROTO_IP"), _constant("IP_TTL")),
        (_constant("IPPROTO_IPV6"), _constant("IPV6_HOPLIMIT")),
    },
    times={_TIMESTAMP: Time(ffi.typeof("struct timespec *"), "tv_sec", "tv_nsec", 1)},
    segment_sizes={(_constant("IPPROTO_UDP"), _constant("UDP_GRO"))},
)

_TIME_HEADER: Final = bytes(
    ffi.buffer(
        ffi.new(
            _CMSGHDR,
            {"cmsg_len": _TIME_END, "cmsg_level": _TIMESTAMP[0], "cmsg_type": _TIMESTAMP[1]},
        )
    )
)
# Elsewhere a count of references does not tell at once who uses the memory.
_COUNTS_USERS: Final = (
    sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
)

_NO_MESSAGE: Final = (errno.EAGAIN, errno.EINTR)
_MSG_DONTWAIT: Final = _constant("MSG_DONTWAIT")


class MessageBatch:
    """MessageBatch takes datagrams from a socket, as many as there are by one call.

    Its memory is allocated once; pages of it are used when a datagram first comes to them. What
    `receive` took is there until the next `receive`; one thread at a time may use it. The socket
    has `PACKET_INFO`, `HOP_LIMIT` and `TIMESTAMP` set.
    """

    def __init__(self, capacity: int) -> None:
        """Make room for `capacity` datagrams."""
        self.capacity = capacity
        data_start = capacity * _META_STRIDE
        self._starts = range(data_start, data_start + capacity * _DATA_STRIDE, _DATA_STRIDE)
        self._memory = mmap.mmap(-1, data_start + capacity * _DATA_STRIDE)
        self._base: Any = ffi.from_buffer(self._memory)
        self._iovecs: Any = ffi.new("struct iovec[]", capacity)
        self._headers: Any = ffi.new("struct mmsghdr[]", capacity)
        for number, start in enumerate(self._starts):
            meta = self._base + number * _META_STRIDE
            self._iovecs[number].iov_base = self._base + start
            self._iovecs[number].iov_len = _DATA_SIZE
            header = self._headers[number].msg_hdr
            header.msg_control = meta
            header.msg_controllen = _CONTROL_SIZE
            header.msg_name = meta + _CONTROL_SIZE
            header.msg_namelen = _NAME_SIZE
            header.msg_iov = self._iovecs + number
            header.msg_iovlen = 1
        # The system overwrites the sizes of what it was given room for.
        headers = memoryview(cast("bytearray", ffi.buffer(self._headers)))
        self._headers_now = headers
        self._headers_then = bytes(headers)
        self._lengths = headers.cast("I")[_LENGTH_OFFSET // 4 :: _HEADER_SIZE // 4]
        longs = memoryview(self._memory)[:data_start].cast("l")
        self._seconds = longs[_CMSGHDR_SIZE // _LONG :: _META_STRIDE // _LONG]
        self._nanoseconds = longs[_CMSGHDR_SIZE // _LONG + 1 :: _META_STRIDE // _LONG]
        self._count = 0
        self._users = sys.getrefcount(self._memory) if _COUNTS_USERS else 0

    def receive(self, sockfd: int, limit: int) -> int:
        """Take up to `limit` datagrams, and return how many came; if fewer, there are no more.

        Never waits. Raises `OSError` with the system's errno.
        """
        dirty = self._count * _HEADER_SIZE
        self._headers_now[:dirty] = self._headers_then[:dirty]
        self._count = 0
        count = lib.recvmmsg(sockfd, self._headers, limit, _MSG_DONTWAIT, ffi.NULL)
        if count < 0:
            if ffi.errno in _NO_MESSAGE:
                return 0
            raise system_error(ffi.errno)
        self._count = count
        return count

    def sizes(self) -> list[int]:
        """Return the sizes of the payloads in bytes."""
        if self._count == 1:
            return [self._lengths[0]]
        return self._lengths[: self._count].tolist()

    def views(self, sizes: Sequence[int]) -> Sequence[memoryview]:
        """Return the payloads, of those sizes, without a copy; see `is_shared`."""
        return self._cut(memoryview(self._memory).toreadonly(), sizes)

    def copies(self, sizes: Sequence[int]) -> Sequence[bytes]:
        """Return the payloads, of those sizes."""
        return self._cut(self._memory, sizes)

    def part_views(self, parts: Iterable[Part]) -> Sequence[memoryview]:
        """Return some of the payloads, in pieces, without a copy; see `is_shared`."""
        return self._cut_parts(memoryview(self._memory).toreadonly(), parts)

    def part_copies(self, parts: Iterable[Part]) -> Sequence[bytes]:
        """Return some of the payloads, in pieces."""
        return self._cut_parts(self._memory, parts)

    def _cut(self, memory: Any, sizes: Sequence[int]) -> Sequence[Any]:
        count = self._count
        if count == 1:
            return (memory[self._starts.start : self._starts.start + sizes[0]],)
        if sizes.count(sizes[0]) == count:  # By one call: a third of the time is saved.
            return _cutter(self._starts[:count], sizes[0])(memory)
        return [
            memory[start : start + size] for start, size in zip(self._starts, sizes, strict=False)
        ]

    def _cut_parts(self, memory: Any, parts: Iterable[Part]) -> Sequence[Any]:
        pieces: list[Any] = []
        for number, size, piece_size in parts:
            start = self._starts[number]
            whole = range(start, start + size - piece_size + 1, piece_size)
            if len(whole) > 1:
                pieces += _cutter(whole, piece_size)(memory)
                start += len(whole) * piece_size
            if start < self._starts[number] + size or size == 0:
                pieces.append(memory[start : self._starts[number] + size])
        return pieces

    @property
    def is_shared(self) -> bool:
        """Whether one of `views` is there still, or what was cut from it.

        Python counts who uses the memory. Where it does not, it is taken for shared.
        """
        return not _COUNTS_USERS or sys.getrefcount(self._memory) != self._users

    def keys(self) -> Sequence[bytes]:
        """Return what tells of each datagram where it came from, where to, and how far.

        Two that have the same key differ in their payloads and times at most: what is found out of
        one by `message` holds for the other.
        """
        # What comes first is the time, which differs from all; else it must not be passed over.
        begin = _TIME_END if self._is_timed() else 0
        if self._count == 1:
            return (self._memory[begin:_NAME_END],)
        starts = range(begin, self._count * _META_STRIDE, _META_STRIDE)
        return _cutter(starts, _NAME_END - begin)(self._memory)

    def times(self) -> Sequence[int]:
        """Return when the system received them, in nanoseconds since the epoch."""
        if not self._is_timed():
            return [self.message(number).timestamp_ns for number in range(self._count)]
        if self._count == 1:
            return (self._seconds[0] * 1_000_000_000 + self._nanoseconds[0],)
        seconds = self._seconds[: self._count].tolist()
        nanoseconds = self._nanoseconds[: self._count].tolist()
        if seconds.count(seconds[0]) == self._count:
            return list(map((seconds[0] * 1_000_000_000).__add__, nanoseconds))
        return [
            second * 1_000_000_000 + nanosecond
            for second, nanosecond in zip(seconds, nanoseconds, strict=True)
        ]

    def _is_timed(self) -> bool:
        """Return whether the time is the first of the ancillary data, as it is if it is set."""
        return self._memory[:_CMSGHDR_SIZE] == _TIME_HEADER

    def message(self, number: int) -> Message:
        """Return what is told of one of the datagrams."""
        header = self._headers[number].msg_hdr
        control = self._base + number * _META_STRIDE
        name = bytes(ffi.buffer(control + _CONTROL_SIZE, header.msg_namelen))
        return _READER.read(name, control, header.msg_controllen)


@lru_cache(maxsize=256)
def _cutter(starts: range, size: int) -> Callable[[Any], Sequence[Any]]:
    """Return what cuts several pieces of one size out of memory by one call."""
    return cast(
        "Callable[[Any], Sequence[Any]]",
        itemgetter(*(slice(start, start + size) for start in starts)),
    )
