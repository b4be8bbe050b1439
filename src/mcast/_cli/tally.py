"""Counting what was sent or received, and how fast."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rich.filesize import decimal

from .words import amount


@dataclass
class Tally:
    """Tally is how much there was so far."""

    datagrams: int = 0
    size: int = 0
    first_size: int = 0
    first_time: float = 0.0
    last_time: float = 0.0

    def add(self, size: int) -> None:
        """Count a datagram, now."""
        self.last_time = time.monotonic()
        if not self.datagrams:
            self.first_time, self.first_size = self.last_time, size
        self.datagrams += 1
        self.size += size

    @property
    def seconds(self) -> float:
        """From the first datagram to the last."""
        return self.last_time - self.first_time

    @property
    def rates(self) -> tuple[float, float] | None:
        """Datagrams and bytes a second; None for fewer than two datagrams."""
        if not self.seconds:
            return None
        # The first one begins the time and is not in it: three at one a second take two seconds.
        return (self.datagrams - 1) / self.seconds, (self.size - self.first_size) / self.seconds

    def __str__(self) -> str:
        """Return it in words."""
        text = amount(self.datagrams, self.size)
        return text if self.rates is None else f"{text} {self.pace}"

    @property
    def pace(self) -> str:
        """How fast it was, in words; empty for fewer than two datagrams."""
        if self.rates is None:
            return ""
        datagrams, size = self.rates
        return f"in {self.seconds:,.3f} s: {datagrams:,.1f} datagrams/s, {decimal(int(size))}/s"

    def record(self) -> dict[str, float | None]:
        """Return everything by name."""
        datagrams, size = self.rates or (None, None)
        return {
            "datagrams": self.datagrams,
            "bytes": self.size,
            "seconds": self.seconds,
            "datagrams_per_second": datagrams,
            "bytes_per_second": size,
        }
