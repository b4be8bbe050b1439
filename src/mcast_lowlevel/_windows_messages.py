"""Receiving and sending datagrams with control data on Windows (WSARecvMsg, WSASendMsg)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Final, cast

from ._records import Message, Part, Sockname
from ._structs import Structs
from ._values import SockaddrIn, SockaddrIn6
from ._windows_ffi import ffi, last_error, lib

if TYPE_CHECKING:
    from typing_extensions import Buffer

_constant = ffi.integer_const

_DATA_SIZE: Final = 1 << 16
"""Bytes. No UDP payload is larger, so none is cut."""
_CONTROL_SIZE: Final = 256
_NAME_SIZE: Final = ffi.sizeof("struct sockaddr_in6")
_CMSGHDR_SIZE: Final = ffi.sizeof("WSACMSGHDR")
_WORD: Final = ffi.sizeof("size_t")
# {F689D7C8-6F1F-436B-8A53-E54FE351C322}: WSAID_WSARECVMSG of mswsock.h.
_WSARECVMSG: Final = bytes.fromhex("c8d789f61f6f6b438a53e54fe351c322")
_WOULD_BLOCK: Final = 10035
"""WSAEWOULDBLOCK."""
_RESET: Final = 10054
"""WSAECONNRESET: an earlier datagram of ours found no receiver (SIO_UDP_CONNRESET)."""
_MORE: Final = 10040
"""WSAEMSGSIZE: the datagram was cut."""

_PACKET_INFO: Final = {
    (_constant("IPPROTO_IP"), _constant("IP_PKTINFO")): ("struct in_pktinfo *", "ipi"),
    (_constant("IPPROTO_IPV6"), _constant("IPV6_PKTINFO")): ("struct in6_pktinfo *", "ipi6"),
}
_HOP_LIMIT: Final = (
    (_constant("IPPROTO_IP"), _constant("IP_HOPLIMIT")),
    (_constant("IPPROTO_IP"), _constant("IP_TTL")),
    (_constant("IPPROTO_IPV6"), _constant("IPV6_HOPLIMIT")),
)


class MessageBatch:
    """MessageBatch takes datagrams from a socket, one a call: Windows has no call for many.

    What `receive` took is there until the next `receive`; one thread at a time may use it.
    """

    is_shared = False
    """No memory is used again: every payload is a copy."""

    def __init__(self, capacity: int) -> None:
        """Be ready for `capacity` datagrams at once."""
        self.capacity = capacity
        self._receivers: dict[int, Callable[..., int]] = {}
        self._name = ffi.new("char[]", _NAME_SIZE)
        self._data = ffi.new("char[]", _DATA_SIZE)
        self._control: Any = ffi.new("char[]", _CONTROL_SIZE)
        self._buffer = ffi.new("WSABUF *", {"len": _DATA_SIZE, "buf": self._data})
        self._size: Any = ffi.new("DWORD *")
        message: Any = ffi.new("WSAMSG *")
        message.lpBuffers = self._buffer
        message.dwBufferCount = 1
        message.name = ffi.cast("struct sockaddr *", self._name)
        message.Control.buf = self._control
        self._message = message
        self._taken: list[tuple[bytes, bytes, bytes, int]] = []

    def receive(self, sockfd: int, limit: int) -> int:
        """Take up to `limit` datagrams, and return how many came; if fewer, there are no more.

        Never waits, for the socket is not blocking. Raises `OSError` with the system's number.
        """
        receive = self._receivers.get(sockfd)
        if receive is None:
            receive = self._receivers[sockfd] = _find_receiver(sockfd)
        self._taken = []
        message = self._message
        while len(self._taken) < limit:
            message.namelen = _NAME_SIZE
            message.Control.len = _CONTROL_SIZE
            message.dwFlags = 0
            if receive(sockfd, message, self._size, ffi.NULL, ffi.NULL) != 0:
                error = last_error()
                if _code(error) == _RESET:
                    continue
                if _code(error) == _WOULD_BLOCK:
                    break
                if _code(error) != _MORE:
                    raise error
            self._taken.append(
                (
                    bytes(ffi.buffer(self._data, self._size[0])),
                    bytes(ffi.buffer(self._name, message.namelen)),
                    bytes(ffi.buffer(self._control, message.Control.len)),
                    time.time_ns(),
                )
            )
        return len(self._taken)

    def sizes(self) -> list[int]:
        """Return the sizes of the payloads in bytes."""
        return [len(item[0]) for item in self._taken]

    def views(self, sizes: Sequence[int]) -> Sequence[memoryview]:
        """Return the payloads."""
        return [memoryview(item[0]) for item in self._taken]

    def copies(self, sizes: Sequence[int]) -> Sequence[bytes]:
        """Return the payloads."""
        return [item[0] for item in self._taken]

    def part_views(self, parts: Iterable[Part]) -> Sequence[memoryview]:
        """Return some of the payloads."""
        return [memoryview(self._taken[part.number][0]) for part in parts]

    def part_copies(self, parts: Iterable[Part]) -> Sequence[bytes]:
        """Return some of the payloads."""
        return [self._taken[part.number][0] for part in parts]

    def keys(self) -> Sequence[bytes]:
        """Return what tells of each datagram where it came from, where to, and how far."""
        return [control + name for _, name, control, _ in self._taken]

    def times(self) -> Sequence[int]:
        """Return when they were taken, in nanoseconds since the epoch; Windows tells no better."""
        return [item[3] for item in self._taken]

    def message(self, number: int) -> Message:
        """Return what is told of one of the datagrams."""
        _, name, control, taken_ns = self._taken[number]
        destination, interface_index, hop_limit = b"", 0, 0
        memory: Any = ffi.from_buffer(control)
        position = 0
        while position + _CMSGHDR_SIZE <= len(control):
            header: Any = ffi.cast("WSACMSGHDR *", memory + position)
            content = memory + position + _CMSGHDR_SIZE
            kind = (header.cmsg_level, header.cmsg_type)
            if kind in _PACKET_INFO:
                ctype, prefix = _PACKET_INFO[kind]
                info: Any = ffi.cast(ctype, content)
                field: Any = ffi.buffer(ffi.addressof(info, f"{prefix}_addr"))
                destination, interface_index = field[:], getattr(info, f"{prefix}_ifindex")
            elif kind in _HOP_LIMIT:
                hop_limit = cast(Any, ffi.cast("INT *", content))[0]
            if header.cmsg_len < _CMSGHDR_SIZE:
                break
            position += (header.cmsg_len + _WORD - 1) & -_WORD
        return Message(name, destination, interface_index, hop_limit, taken_ns, 0)


def _code(error: OSError) -> int | None:
    return cast("int | None", getattr(error, "winerror", None))


def _find_receiver(sockfd: int) -> Callable[..., int]:
    """Return the WSARecvMsg of the socket's provider."""
    found: Any = ffi.new("LPFN_WSARECVMSG *")
    size = ffi.new("DWORD *")
    failed = lib.WSAIoctl(
        sockfd,
        _constant("SIO_GET_EXTENSION_FUNCTION_POINTER"),
        ffi.from_buffer(_WSARECVMSG),
        len(_WSARECVMSG),
        found,
        ffi.sizeof("LPFN_WSARECVMSG"),
        size,
        ffi.NULL,
        ffi.NULL,
    )
    if failed:
        raise last_error()
    return cast("Callable[..., int]", found[0])


def keep_after_reset(sockfd: int) -> None:
    """Have a socket go on when a datagram of it found no receiver (SIO_UDP_CONNRESET off)."""
    off = ffi.new("BOOLEAN[4]")
    size = ffi.new("DWORD *")
    code = _constant("SIO_UDP_CONNRESET")
    if lib.WSAIoctl(sockfd, code, off, 4, ffi.NULL, 0, size, ffi.NULL, ffi.NULL) != 0:
        raise last_error()


def packed_address(structs: Structs, address: Sockname) -> bytes:
    """Return a socket address as the system takes it."""
    if len(address) == 2:
        return structs.pack(SockaddrIn(IPv4Address(address[0]), address[1]))
    host, port, flow, scope = address
    return structs.pack(SockaddrIn6(IPv6Address(host), port, flow, scope))


def send_by_name(
    sockfd: int, data: Buffer, ancillary: Sequence[tuple[int, int, bytes]], name: bytes
) -> int:
    """Send one datagram with control data, and return its size (WSASendMsg)."""
    payload = bytes(data)
    control = b"".join(_control(*item) for item in ancillary)
    memory = ffi.from_buffer(payload)
    buffer = ffi.new("WSABUF *", {"len": len(payload), "buf": ffi.cast("char *", memory)})
    message: Any = ffi.new("WSAMSG *")
    message.lpBuffers, message.dwBufferCount = buffer, 1
    held = [memory, ffi.from_buffer(name), ffi.from_buffer(control)]
    if name:
        message.name = ffi.cast("struct sockaddr *", held[1])
        message.namelen = len(name)
    if control:
        message.Control.buf = ffi.cast("char *", held[2])
        message.Control.len = len(control)
    sent: Any = ffi.new("DWORD *")
    if lib.WSASendMsg(sockfd, message, 0, sent, ffi.NULL, ffi.NULL) != 0:
        raise last_error()
    return int(sent[0])


def _control(level: int, kind: int, content: bytes) -> bytes:
    header = ffi.new(
        "WSACMSGHDR *",
        {"cmsg_len": _CMSGHDR_SIZE + len(content), "cmsg_level": level, "cmsg_type": kind},
    )
    padding = -len(content) % _WORD
    return bytes(ffi.buffer(header)) + content + bytes(padding)


class MessageSender:
    """MessageSender gives datagrams to a socket, one a call: Windows has no call for many."""

    def __init__(self, capacity: int) -> None:
        """Be ready for `capacity` datagrams at once."""
        self.capacity = capacity

    def send(
        self,
        sockfd: int,
        payloads: Sequence[Buffer],
        name: bytes = b"",
        control: tuple[int, int, bytes] | None = None,
    ) -> int:
        """Send each payload as one datagram, in order, and return how many went.

        `name` is the sockaddr they go to, nothing where the socket is connected; `control` is
        control data. Raises `OSError` with the system's number if the first cannot be sent.
        """
        ancillary = [] if control is None else [control]
        for number, payload in enumerate(payloads):
            try:
                send_by_name(sockfd, payload, ancillary, name)
            except OSError:
                if number == 0:
                    raise
                return number
        return len(payloads)
