"""What is missing, came twice or late in a stream of numbered datagrams."""

from __future__ import annotations

from typing import Final

_NUMBERS: Final = 2**16
_MOST_MISSING: Final = 3_000
"""A larger step forward is a new start of the sender, not a loss (RFC 3550 appendix A.1)."""
_MOST_LATE: Final = 1_024
"""How many numbers back a datagram is taken for a late one."""


class Sequences:
    """Sequences follows 16-bit numbers that wrap around, in the manner of RFC 3550 appendix A.1."""

    def __init__(self) -> None:
        self.lost = 0
        self.duplicates = 0
        self.reordered = 0
        self.restarts = 0
        self._first: int | None = None
        """The numbers are counted on beyond 65,535 in here."""
        self._last = 0
        self._after_jump: int | None = None
        self._seen = [-1] * _MOST_LATE
        """The numbers that came last, each at its remainder."""

    def add(self, number: int) -> None:
        """Take note of the number of a datagram that came."""
        if self._first is None:
            self._start(number)
            return
        step = (number - self._last + _NUMBERS // 2) % _NUMBERS - _NUMBERS // 2
        extended = self._last + step
        if 0 < step <= _MOST_MISSING:
            self.lost += step - 1
            self._last = extended
            self._see(extended)
        elif -_MOST_LATE < step <= 0:
            self._add_late(extended)
        elif number == self._after_jump:
            # Two in a row from elsewhere: the sender has begun anew.
            self.restarts += 1
            self._start(number)
        else:
            self._after_jump = (number + 1) % _NUMBERS

    def _start(self, number: int) -> None:
        # Far from 0, so that what came before the first one has a number too.
        self._first = self._last = number + _NUMBERS
        self._seen = [-1] * _MOST_LATE
        self._after_jump = None
        self._see(self._last)

    def _add_late(self, number: int) -> None:
        if self._seen[number % _MOST_LATE] == number:
            self.duplicates += 1
            return
        self.reordered += 1
        self._see(number)
        if self._first is not None and number < self._first:
            self.lost += self._first - number - 1
            self._first = number
        else:
            self.lost -= 1

    def _see(self, number: int) -> None:
        self._seen[number % _MOST_LATE] = number
