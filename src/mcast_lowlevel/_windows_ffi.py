"""Windows' socket and IP helper libraries, with the types of just what is used."""
# ruff: noqa: N802, N803, PLR0917 - the names, and how many there are, are the system's.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from ._generated.windows import ffi

if TYPE_CHECKING:
    from _cffi_backend import FFI

    CData: TypeAlias = FFI.CData

__all__ = ["ffi", "helper", "last_error", "lib", "system_error"]


class WinsockLibrary(Protocol):
    """Statically typed version of the functions of ws2_32.dll that we use."""

    def setsockopt(self, s: int, level: int, optname: int, optval: CData, optlen: int) -> int: ...

    def getsockopt(self, s: int, level: int, optname: int, optval: CData, optlen: CData) -> int: ...

    def WSAIoctl(
        self,
        s: int,
        dwIoControlCode: int,
        lpvInBuffer: CData,
        cbInBuffer: int,
        lpvOutBuffer: CData,
        cbOutBuffer: int,
        lpcbBytesReturned: CData,
        lpOverlapped: CData,
        lpCompletionRoutine: CData,
    ) -> int: ...

    def WSASendMsg(
        self,
        Handle: int,
        lpMsg: CData,
        dwFlags: int,
        lpNumberOfBytesSent: CData,
        lpOverlapped: CData,
        lpCompletionRoutine: CData,
    ) -> int: ...


class HelperLibrary(Protocol):
    """Statically typed version of the functions of iphlpapi.dll that we use."""

    def GetAdaptersAddresses(
        self,
        Family: int,
        Flags: int,
        Reserved: CData,
        AdapterAddresses: CData,
        SizePointer: CData,
    ) -> int: ...

    def GetBestInterfaceEx(
        self,
        pDestAddr: CData,
        pdwBestIfIndex: CData,
    ) -> int: ...

    def NotifyUnicastIpAddressChange(
        self,
        Family: int,
        Callback: CData,
        CallerContext: CData,
        InitialNotification: int,
        NotificationHandle: CData,
    ) -> int: ...

    def CancelMibChangeNotify2(self, NotificationHandle: CData) -> int: ...


def system_error(code: int) -> OSError:
    """Return the error of that number, with the system's words: `winerror` is the number."""
    return OSError(0, _words(code), None, code)


def _words(code: int) -> str:
    number, words = cast(Any, ffi).getwinerror(code)
    return f"{words.strip()} ({number})"


def last_error() -> OSError:
    """Return the failure of the call just made in this thread (WSAGetLastError)."""
    code, words = cast(Any, ffi).getwinerror()
    return OSError(0, words.strip(), None, code)


lib = cast("WinsockLibrary", ffi.dlopen("ws2_32.dll"))
helper = cast("HelperLibrary", ffi.dlopen("iphlpapi.dll"))
