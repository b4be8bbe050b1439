"""Windows' socket and IP helper libraries, and their errors."""

from __future__ import annotations

from typing import Any, cast

from ._generated.windows import ffi
from ._windows_types import HelperLibrary, WinsockLibrary

__all__ = ["ffi", "helper", "last_error", "lib", "system_error"]


class _Late:
    """_Late is a library that is opened when a function of it is first called.

    So the modules about Windows can be imported, and their logic be tested, on any system.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        function = getattr(ffi.dlopen(self._name), name)
        setattr(self, name, function)
        return function


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


lib = cast("WinsockLibrary", _Late("ws2_32.dll"))
helper = cast("HelperLibrary", _Late("iphlpapi.dll"))
