"""The C library and the kernel's structs on macOS, with the types of just what is used."""
# ruff: noqa: PLR0917 - how many arguments there are is the system's.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from ._generated.darwin import ffi
from ._getifaddrs import IfaddrsLibrary

if TYPE_CHECKING:
    from _cffi_backend import FFI

    CData = FFI.CData

__all__ = ["DarwinLibrary", "ffi", "lib"]


class DarwinLibrary(IfaddrsLibrary, Protocol):
    """Statically typed version of the C library's functions that we use."""

    def setsockopt(
        self, socket: int, level: int, option_name: int, option_value: CData, option_len: int
    ) -> int: ...

    def getsockopt(
        self, socket: int, level: int, option_name: int, option_value: CData, option_len: CData
    ) -> int: ...

    def recvmsg(self, socket: int, message: CData, flags: int) -> int: ...

    def sendmsg(self, socket: int, message: CData, flags: int) -> int: ...

    def sysctl(
        self, name: CData, namelen: int, oldp: CData, oldlenp: CData, newp: CData, newlen: int
    ) -> int: ...

    def setsourcefilter(
        self,
        s: int,
        interface: int,
        group: CData,
        grouplen: int,
        fmode: int,
        numsrc: int,
        slist: CData,
    ) -> int: ...

    def getsourcefilter(
        self,
        s: int,
        interface: int,
        group: CData,
        grouplen: int,
        fmode: CData,
        numsrc: CData,
        slist: CData,
    ) -> int: ...


lib = cast("DarwinLibrary", ffi.dlopen(cast(Any, None)))
