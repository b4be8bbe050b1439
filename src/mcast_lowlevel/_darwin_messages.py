"""Receiving and sending datagrams with control data on macOS (recvmsg(2), sendmsg(2))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from ._control import ControlReader, Time, pack_control, packet_information
from ._darwin_ffi import DarwinLibrary, ffi, lib
from ._errors import system_error
from ._one_by_one import DATA_SIZE, OneByOneBatch, OneByOneSender, Taken

if TYPE_CHECKING:
    from typing_extensions import Buffer

_constant = ffi.integer_const

_CONTROL_SIZE: Final = 256
_NAME_SIZE: Final = ffi.sizeof("struct sockaddr_in6")
_CMSGHDR: Final = ffi.typeof("struct cmsghdr *")
_CMSGHDR_SIZE: Final = ffi.sizeof("struct cmsghdr")
_ALIGNMENT: Final = 4
"""Bytes; __DARWIN_ALIGN32 of <sys/socket.h>."""
_TIMESTAMP: Final = (_constant("SOL_SOCKET"), _constant("SCM_TIMESTAMP"))
_NO_MESSAGE: Final = (errno.EAGAIN, errno.EINTR)

_READER: Final = ControlReader(
    ffi=ffi,
    header=_CMSGHDR,
    alignment=_ALIGNMENT,
    packet_info=packet_information(ffi),
    hop_limits={
        (_constant("IPPROTO_IP"), _constant("IP_RECVTTL")),
        (_constant("IPPROTO_IPV6"), _constant("IPV6_HOPLIMIT")),
    },
    times={_TIMESTAMP: Time(ffi.typeof("struct timeval *"), "tv_sec", "tv_usec", 1000)},
)
_TIME_SIZE: Final = _CMSGHDR_SIZE + ffi.sizeof("struct timeval")
_TIME_HEADER: Final = bytes(
    ffi.buffer(
        ffi.new(
            _CMSGHDR,
            {"cmsg_len": _TIME_SIZE, "cmsg_level": _TIMESTAMP[0], "cmsg_type": _TIMESTAMP[1]},
        )
    )
)


class MessageBatch(OneByOneBatch):
    """MessageBatch takes datagrams by recvmsg."""

    _ffi = ffi
    _reader = _READER

    def __init__(self, capacity: int, library: DarwinLibrary = lib) -> None:
        """Be ready for `capacity` datagrams at once."""
        super().__init__(capacity)
        self._library = library
        self._name = ffi.new("char[]", _NAME_SIZE)
        self._data = ffi.new("char[]", DATA_SIZE)
        self._control: Any = ffi.new("char[]", _CONTROL_SIZE)
        self._iovec = ffi.new("struct iovec *", {"iov_base": self._data, "iov_len": DATA_SIZE})
        message: Any = ffi.new("struct msghdr *")
        message.msg_name, message.msg_control = self._name, self._control
        message.msg_iov, message.msg_iovlen = self._iovec, 1
        self._message = message

    def _take(self, sockfd: int) -> Taken | None:
        message = self._message
        message.msg_namelen = _NAME_SIZE
        message.msg_controllen = _CONTROL_SIZE
        size = self._library.recvmsg(sockfd, message, _constant("MSG_DONTWAIT"))
        if size < 0:
            if ffi.errno in _NO_MESSAGE:
                return None
            raise system_error(ffi.errno)
        name = bytes(ffi.buffer(self._name, message.msg_namelen))
        control = bytes(ffi.buffer(self._control, message.msg_controllen))
        timestamp_ns = _READER.read(name, self._control, len(control)).timestamp_ns
        if control.startswith(_TIME_HEADER):  # What comes first; the rest is alike for many.
            control = control[_TIME_SIZE:]
        return Taken(bytes(ffi.buffer(self._data, size)), name, control, timestamp_ns)


class MessageSender(OneByOneSender):
    """MessageSender gives datagrams to a socket by sendmsg."""

    def __init__(self, capacity: int, library: DarwinLibrary = lib) -> None:
        """Be ready for `capacity` datagrams at once."""
        super().__init__(capacity)
        self._library = library

    def _send(
        self, sockfd: int, data: Buffer, name: bytes, control: tuple[int, int, bytes] | None
    ) -> int:
        memory = ffi.from_buffer(data)
        iovec = ffi.new("struct iovec *", {"iov_base": memory, "iov_len": ffi.sizeof(memory)})
        message: Any = ffi.new("struct msghdr *", {"msg_iov": iovec, "msg_iovlen": 1})
        destination = ffi.from_buffer(name)
        if name:
            message.msg_name, message.msg_namelen = destination, len(name)
        if control is not None:
            packed = pack_control(ffi, _CMSGHDR, _ALIGNMENT, control)
            ancillary = ffi.from_buffer(packed)
            message.msg_control, message.msg_controllen = ancillary, len(packed)
        sent = self._library.sendmsg(sockfd, message, 0)
        if sent < 0:
            raise system_error(ffi.errno)
        return sent
