"""Headers of RTP (RFC 3550): what numbers and times the datagrams of a stream."""

from __future__ import annotations

import secrets
import struct
import time
from typing import Final, NamedTuple

_LAYOUT: Final = struct.Struct("!BBHII")
"""RFC 3550 section 5.1."""
_VERSION: Final = 2
_CONTROL: Final = range(200, 205)
"""What is in the place of marker and payload type in RTCP (RFC 5761 section 4)."""
DYNAMIC: Final = 96
"""The first payload type that means what sender and receiver agree on (RFC 3551 section 6)."""
DYNAMIC_RATE: Final = 90_000
"""Hz; the clock of video, and of MPEG streams."""
_RATES: Final = {
    **dict.fromkeys((0, 3, 4, 5, 7, 8, 9, 12, 13, 15, 18), 8_000),
    **dict.fromkeys((14, 25, 26, 28, 31, 32, 33, 34), 90_000),
    6: 16_000, 10: 44_100, 11: 44_100, 16: 11_025, 17: 22_050,
}  # fmt: skip
"""Hz, by static payload type (RFC 3551 section 6)."""


class Header(NamedTuple):
    """Header is what RTP tells of a datagram."""

    payload_type: int
    sequence: int
    timestamp: int
    """By a clock whose rate goes with the payload type, from a random start."""
    ssrc: int
    """Which of a sender's streams it is of."""

    def clock_rate(self, dynamic: int) -> int:
        """Return the rate of the clock in Hz; `dynamic` is for types that have none by RFC 3551."""
        return _RATES.get(self.payload_type, dynamic)


def parse(data: bytes | memoryview) -> Header | None:
    """Return the header at the start of a datagram, None where there is none."""
    if len(data) < _LAYOUT.size:
        return None
    first, second, *rest = _LAYOUT.unpack_from(data)
    if first >> 6 != _VERSION or second in _CONTROL:
        return None
    return Header(second & 0x7F, *rest)


class Packetizer:
    """Packetizer puts a header before each payload of one stream."""

    def __init__(self) -> None:
        """Begin where nobody can guess, as RFC 3550 section 5.1 wants it."""
        self._sequence = secrets.randbits(16)
        self._start = secrets.randbits(32)
        self._ssrc = secrets.randbits(32)

    def pack(self, payload: bytes) -> bytes:
        """Return the next datagram, sampled now."""
        timestamp = self._start + time.monotonic_ns() * DYNAMIC_RATE // 1_000_000_000
        header = _LAYOUT.pack(_VERSION << 6, DYNAMIC, self._sequence, timestamp % 2**32, self._ssrc)
        self._sequence = (self._sequence + 1) % 2**16
        return header + payload
