"""Receiving and sending datagrams with control data on Windows (WSARecvMsg, WSASendMsg)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Final, cast

from ._control import ControlReader, pack_control, packet_information
from ._one_by_one import DATA_SIZE, OneByOneBatch, OneByOneSender, Taken
from ._records import Sockname
from ._structs import Structs
from ._values import SockaddrIn, SockaddrIn6
from ._windows_ffi import ffi, last_error, lib

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._windows_types import WinsockLibrary

_constant = ffi.integer_const

_CONTROL_SIZE: Final = 256
_NAME_SIZE: Final = ffi.sizeof("struct sockaddr_in6")
_CMSGHDR: Final = ffi.typeof("WSACMSGHDR *")
_WORD: Final = ffi.sizeof("size_t")
# {F689D7C8-6F1F-436B-8A53-E54FE351C322}: WSAID_WSARECVMSG of mswsock.h.
_WSARECVMSG: Final = bytes.fromhex("c8d789f61f6f6b438a53e54fe351c322")
_WOULD_BLOCK: Final = 10035
"""WSAEWOULDBLOCK."""
_RESET: Final = 10054
"""WSAECONNRESET: an earlier datagram of ours found no receiver (SIO_UDP_CONNRESET)."""
_MORE: Final = 10040
"""WSAEMSGSIZE: the datagram was cut."""

_READER: Final = ControlReader(
    ffi=ffi,
    header=_CMSGHDR,
    alignment=_WORD,
    packet_info=packet_information(ffi),
    hop_limits={
        (_constant("IPPROTO_IP"), _constant("IP_HOPLIMIT")),
        (_constant("IPPROTO_IP"), _constant("IP_TTL")),
        (_constant("IPPROTO_IPV6"), _constant("IPV6_HOPLIMIT")),
    },
)


class MessageBatch(OneByOneBatch):
    """MessageBatch takes datagrams by WSARecvMsg; when they came is when they were taken."""

    _ffi = ffi
    _reader = _READER

    def __init__(self, capacity: int, library: WinsockLibrary = lib) -> None:
        """Be ready for `capacity` datagrams at once."""
        super().__init__(capacity)
        self._library = library
        self._receivers: dict[int, Callable[..., int]] = {}
        self._name = ffi.new("char[]", _NAME_SIZE)
        self._data = ffi.new("char[]", DATA_SIZE)
        self._control: Any = ffi.new("char[]", _CONTROL_SIZE)
        self._buffer = ffi.new("WSABUF *", {"len": DATA_SIZE, "buf": self._data})
        self._size: Any = ffi.new("DWORD *")
        message: Any = ffi.new("WSAMSG *")
        message.lpBuffers = self._buffer
        message.dwBufferCount = 1
        message.name = ffi.cast("struct sockaddr *", self._name)
        message.Control.buf = self._control
        self._message = message

    def _take(self, sockfd: int) -> Taken | None:
        receive = self._receivers.get(sockfd)
        if receive is None:
            receive = self._receivers[sockfd] = self._find_receiver(sockfd)
        message = self._message
        while True:
            message.namelen = _NAME_SIZE
            message.Control.len = _CONTROL_SIZE
            message.dwFlags = 0
            if receive(sockfd, message, self._size, ffi.NULL, ffi.NULL) == 0:
                break
            error = last_error()
            code = getattr(error, "winerror", None)
            if code == _MORE:
                break
            if code == _WOULD_BLOCK:
                return None
            if code != _RESET:
                raise error
        return Taken(
            bytes(ffi.buffer(self._data, self._size[0])),
            bytes(ffi.buffer(self._name, message.namelen)),
            bytes(ffi.buffer(self._control, message.Control.len)),
            time.time_ns(),
        )

    def _find_receiver(self, sockfd: int) -> Callable[..., int]:
        """Return the WSARecvMsg of the socket's provider."""
        found: Any = ffi.new("LPFN_WSARECVMSG *")
        size = ffi.new("DWORD *")
        failed = self._library.WSAIoctl(
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


def keep_after_reset(sockfd: int, library: WinsockLibrary = lib) -> None:
    """Have a socket go on when a datagram of it found no receiver (SIO_UDP_CONNRESET off)."""
    off = ffi.new("BOOLEAN[4]")
    size = ffi.new("DWORD *")
    code = _constant("SIO_UDP_CONNRESET")
    if library.WSAIoctl(sockfd, code, off, 4, ffi.NULL, 0, size, ffi.NULL, ffi.NULL) != 0:
        raise last_error()


def packed_address(structs: Structs, address: Sockname) -> bytes:
    """Return a socket address as the system takes it."""
    if len(address) == 2:
        return structs.pack(SockaddrIn(IPv4Address(address[0]), address[1]))
    host, port, flow, scope = address
    return structs.pack(SockaddrIn6(IPv6Address(host), port, flow, scope))


def send_by_name(
    sockfd: int,
    data: Buffer,
    ancillary: Sequence[tuple[int, int, bytes]],
    name: bytes,
    library: WinsockLibrary = lib,
) -> int:
    """Send one datagram with control data, and return its size (WSASendMsg)."""
    payload = bytes(data)
    control = b"".join(pack_control(ffi, _CMSGHDR, _WORD, item) for item in ancillary)
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
    if library.WSASendMsg(sockfd, message, 0, sent, ffi.NULL, ffi.NULL) != 0:
        raise last_error()
    return int(sent[0])


class MessageSender(OneByOneSender):
    """MessageSender gives datagrams to a socket by WSASendMsg."""

    def __init__(self, capacity: int, library: WinsockLibrary = lib) -> None:
        """Be ready for `capacity` datagrams at once."""
        super().__init__(capacity)
        self._library = library

    def _send(
        self, sockfd: int, data: Buffer, name: bytes, control: tuple[int, int, bytes] | None
    ) -> int:
        return send_by_name(sockfd, data, [] if control is None else [control], name, self._library)
