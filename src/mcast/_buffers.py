"""The sizes of a socket's buffers."""

from __future__ import annotations

from socket import AddressFamily

from mcast_lowlevel import SocketOption, UnsupportedError, set_option

_FORCED = {
    SocketOption.SEND_BUFFER: SocketOption.SEND_BUFFER_FORCED,
    SocketOption.RECEIVE_BUFFER: SocketOption.RECEIVE_BUFFER_FORCED,
}
_LARGEST = 2**31 - 1
"""Bytes: sockets take the size as an int."""


def require_buffer_size(size: int | None) -> None:
    """Raise `ValueError` or `TypeError` where `size` cannot be a buffer's size in bytes."""
    if size is None:
        return
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"a buffer's size is an int, not {type(size).__name__}")
    if not 1 <= size <= _LARGEST:
        raise ValueError(f"a buffer of {size} bytes is out of range: 1 to {_LARGEST}")


def set_buffer(sockfd: int, family: AddressFamily, which: SocketOption, size: int) -> None:
    """Ask for `size` bytes: beyond the system's limit where this process may, else up to it."""
    try:
        set_option(sockfd, family, _FORCED[which], size)
    except (PermissionError, UnsupportedError):
        set_option(sockfd, family, which, size)
