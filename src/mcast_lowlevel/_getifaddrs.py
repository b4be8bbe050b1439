"""getifaddrs(3), for the platforms that have it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from ._errors import system_error
from ._records import Ifaddr, SockaddrLink
from ._structs import Structs
from ._values import Sockaddr

if TYPE_CHECKING:
    from _cffi_backend import FFI

    CData = FFI.CData

T = TypeVar("T")


class IfaddrsLibrary(Protocol):
    """Statically typed version of the two functions that we use."""

    def getifaddrs(self, ifap: CData) -> int: ...

    def freeifaddrs(self, ifa: CData) -> None: ...


def read_ifaddrs(ffi: FFI, library: IfaddrsLibrary, read: Callable[[Any], T]) -> list[T]:
    """Return what `read` makes of each ``struct ifaddrs``, in the system's order.

    Raises `OSError` where the system refuses the list.
    """
    head = ffi.new("struct ifaddrs **")
    if library.getifaddrs(head) != 0:
        raise system_error(ffi.errno)
    first = cast(Any, head[0])
    try:
        found: list[T] = []
        record = first
        while record:
            found.append(read(record))
            record = record.ifa_next
        return found
    finally:
        library.freeifaddrs(first)


def ifaddr_name(ffi: FFI, record: Any) -> str:
    """Return the name in a ``struct ifaddrs``."""
    return os.fsdecode(cast(bytes, ffi.string(record.ifa_name))) if record.ifa_name else ""


def getifaddrs(
    ffi: FFI,
    library: IfaddrsLibrary,
    structs: Structs,
    link_family: int,
    decode_link: Callable[[Any], SockaddrLink],
) -> list[Ifaddr]:
    """Return the system's list in its order. Raises `OSError` where the system refuses it.

    `decode_link` reads the ``struct sockaddr *`` of an address of the family `link_family`.
    """

    def decode(address: Any) -> Sockaddr | SockaddrLink | None:
        if not address:
            return None
        if address.sa_family == link_family:
            return decode_link(address)
        size = structs.sockaddr_size(address.sa_family)
        # The BSDs leave the zeros out that a netmask ends with, and say how long the rest is.
        present = min(size, getattr(address, "sa_len", size))
        packed = bytes(ffi.buffer(address, present)).ljust(size, b"\0")
        return structs.unpack_sockaddr(packed) if size else None

    def read(record: Any) -> Ifaddr:
        return Ifaddr(
            ifa_name=ifaddr_name(ffi, record),
            ifa_flags=record.ifa_flags,
            ifa_addr=decode(record.ifa_addr),
            ifa_netmask=decode(record.ifa_netmask),
        )

    return read_ifaddrs(ffi, library, read)
