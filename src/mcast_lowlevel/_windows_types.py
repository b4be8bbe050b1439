"""The types of just what is used of Windows' socket and IP helper libraries."""
# ruff: noqa: N802, N803, PLR0917 - the names, and how many there are, are the system's.

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _cffi_backend import FFI

    CData = FFI.CData


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
