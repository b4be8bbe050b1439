"""getifaddrs(3), for the platforms that have it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from ._errors import system_error
from ._records import Ifaddr, SockaddrLink
from ._structs import Structs
from ._values import Sockaddr

if TYPE_CHECKING:
    from _cffi_backend import FFI

    CData = FFI.CData


class IfaddrsLibrary(Protocol):
    """Statically typed version of the two functions that we use."""

    def getifaddrs(self, ifap: CData) -> int: ...

    def freeifaddrs(self, ifa: CData) -> None: ...


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
        return structs.unpack_sockaddr(bytes(ffi.buffer(address, size))) if size else None

    head = ffi.new("struct ifaddrs **")
    if library.getifaddrs(head) != 0:
        raise system_error(ffi.errno)
    first = cast(Any, head[0])
    try:
        found: list[Ifaddr] = []
        record = first
        while record:
            found.append(
                Ifaddr(
                    ifa_name=os.fsdecode(cast(bytes, ffi.string(record.ifa_name))),
                    ifa_flags=record.ifa_flags,
                    ifa_addr=decode(record.ifa_addr),
                    ifa_netmask=decode(record.ifa_netmask),
                )
            )
            record = record.ifa_next
        return found
    finally:
        library.freeifaddrs(first)
