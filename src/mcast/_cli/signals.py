"""What Ctrl-C and SIGTERM do."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType


def on_signals(stop: Callable[[], None]) -> None:
    """Have `stop` called at Ctrl-C and at SIGTERM."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
