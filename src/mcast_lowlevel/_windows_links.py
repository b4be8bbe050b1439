"""Being told on Windows that addresses of the machine changed (NotifyUnicastIpAddressChange)."""

from __future__ import annotations

import contextlib
from typing import Any, Final, cast

from ._records import LinkChanges
from ._wake import WakePair
from ._windows_ffi import ffi, helper, system_error
from ._windows_types import HelperLibrary

_CHANGED: Final = b"c"
_WOKEN: Final = b"w"


class LinkWatch:
    """LinkWatch can be read when addresses of interfaces changed, or when it was woken."""

    def __init__(self, *, changes: bool, library: HelperLibrary = helper) -> None:
        """Open a watch, for being woken alone without `changes`."""
        self._library = library
        self._pair = WakePair()
        self._handle: Any = ffi.new("HANDLE *")
        self._callback: Any = None
        if changes:
            try:
                self._listen()
            except BaseException:
                self.close()
                raise

    def _listen(self) -> None:
        callback = cast(Any, ffi).callback("void __stdcall(void *, void *, int)", self._changed)
        function = ffi.cast("void *", callback)
        code = self._library.NotifyUnicastIpAddressChange(0, function, ffi.NULL, 0, self._handle)
        if code != 0:
            raise system_error(code)
        self._callback = callback  # Or it would be freed while it may be called.

    def _changed(self, context: object, row: object, kind: int) -> None:
        with contextlib.suppress(OSError):  # It may be closed meanwhile.
            self._pair.write(_CHANGED)

    def fileno(self) -> int:
        """Return the descriptor to wait for, -1 when closed."""
        return self._pair.fileno()

    def wake(self) -> None:
        """Make it readable."""
        self._pair.write(_WOKEN)

    def read(self) -> LinkChanges:
        """Return what changed since the last time, without waiting."""
        return LinkChanges(_CHANGED in self._pair.read(), frozenset())

    def close(self) -> None:
        """Give what it holds back."""
        if self._callback is not None:
            # Returns when no call is under way any more.
            self._library.CancelMibChangeNotify2(self._handle[0])
            self._callback = None
        self._pair.close()
