"""When the next datagrams are due, and how long to go on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

_MOST_LATE: Final = 0.1
"""Seconds that are caught up. Input that paused for longer makes no burst."""


def paced(items: Iterable[T], size: int, interval: float, duration: float) -> Iterator[list[T]]:
    """Yield items in lists of `size`, one item each `interval` seconds, for `duration` seconds.

    Each list is due by the clock, not by the list before: a little late, the next ones catch up.
    """
    start = time.monotonic()
    rest = iter(items)
    due = start
    while (now := time.monotonic()) - start < duration:
        if due > now:
            time.sleep(min(due, start + duration) - now)
            continue
        batch = list(islice(rest, size))
        if not batch:
            return
        yield batch
        due = max(due, now - _MOST_LATE) + len(batch) * interval
