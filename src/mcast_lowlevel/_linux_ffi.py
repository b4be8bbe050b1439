"""The C library and the kernel's structs on Linux, with the types of just what is used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from ._getifaddrs import IfaddrsLibrary

if sys.maxsize > 2**32:
    from ._generated.linux import ffi
else:
    from ._generated.linux32 import ffi

if TYPE_CHECKING:
    from _cffi_backend import FFI

    CData: TypeAlias = FFI.CData

__all__ = ["ffi", "lib"]


class LinuxLibrary(IfaddrsLibrary, Protocol):
    """Statically typed version of the C library's functions that we use."""

    def setsockopt(
        self, sockfd: int, level: int, optname: int, optval: CData, optlen: int
    ) -> int: ...

    def getsockopt(
        self, sockfd: int, level: int, optname: int, optval: CData, optlen: CData
    ) -> int: ...

    def sendmmsg(self, sockfd: int, msgvec: CData, vlen: int, flags: int) -> int: ...

    def recvmmsg(
        self, sockfd: int, msgvec: CData, vlen: int, flags: int, timeout: CData
    ) -> int: ...


lib = cast("LinuxLibrary", ffi.dlopen(cast(Any, None)))
