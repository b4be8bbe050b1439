"""Setting and reading socket options: the one place that calls setsockopt and getsockopt."""

from __future__ import annotations

import sys
from socket import AddressFamily
from typing import Any

from ._errors import UnsupportedError
from ._platform import system
from ._table import Option, SocketOption
from ._values import Struct

ffi, lib = system.ffi, system.lib


def setsockopt(sockfd: int, level: int, optname: int, value: bytes) -> None:
    """Set an option to the bytes of `value` (setsockopt(2)). Raises `OSError` by the errno."""
    if lib.setsockopt(sockfd, level, optname, ffi.from_buffer(value), len(value)) != 0:
        raise system.last_error()


def getsockopt(sockfd: int, level: int, optname: int, value: bytes) -> bytes:
    """Return an option's bytes, read into a buffer that begins as `value` (getsockopt(2)).

    Most options ignore what the buffer holds before and only take its length; a source filter
    reads from it whose filter is asked for. Raises `OSError` with the system's errno.
    """
    memory = ffi.new("char[]", value)
    length: Any = ffi.new("socklen_t *", len(value))
    if lib.getsockopt(sockfd, level, optname, memory, length) != 0:
        raise system.last_error()
    return bytes(ffi.buffer(memory, length[0]))


def find_option(which: SocketOption, family: AddressFamily) -> Option:
    """Return how this platform sets `which`; `UnsupportedError` where it does not offer it."""
    try:
        return system.OPTIONS[which, family]
    except KeyError:
        raise UnsupportedError(
            f"{system.NAME} does not offer {which.value} ({which.name}) for "
            f"{'IPv4' if family == AddressFamily.AF_INET else 'IPv6'}"
        ) from None


def set_option(
    sockfd: int, family: AddressFamily, which: SocketOption, value: int | bytes | Struct
) -> None:
    """Set an option to a number, to bytes as they are, or to a struct.

    Raises `UnsupportedError` where the platform lacks the option, `OverflowError` for a number
    that the option's type cannot hold, and `OSError` with the system's errno.
    """
    option = find_option(which, family)
    packed = value if isinstance(value, bytes) else pack_value(option, value)
    setsockopt(sockfd, option.level, option.name, packed)


def pack_value(option: Option, value: int | Struct) -> bytes:
    """Return the bytes of a number or a struct that an option takes. Raises as `set_option`."""
    if isinstance(value, int):
        return bytes(ffi.buffer(ffi.new(f"{option.ctype} *", value)))
    return system.structs.pack(value)


def get_option(sockfd: int, family: AddressFamily, which: SocketOption) -> int:
    """Return the number that an option is set to. Raises as `set_option` does."""
    option = find_option(which, family)
    empty = bytes(ffi.sizeof(option.ctype))
    return int.from_bytes(getsockopt(sockfd, option.level, option.name, empty), sys.byteorder)
