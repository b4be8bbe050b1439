"""What comes of each stream: how much, how fast, how evenly, and what is missing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import mcast

from . import rtp
from .sequences import Sequences

_MOST_STREAMS: Final = 1_024
"""How many are kept: the one that was silent for longest goes first."""
_SMOOTHING: Final = 16
"""How slowly the jitter follows (RFC 3550 section 6.4.1)."""
_NANOSECONDS: Final = 1_000_000_000


class Key(NamedTuple):
    """Key tells streams apart."""

    source: mcast.SourceAddress
    group: str
    interface: str
    ssrc: int | None
    """Only for RTP."""


@dataclass
class Stream:
    """Stream is what came so far of one."""

    key: Key
    datagrams: int = 0
    size: int = 0
    """Bytes."""
    jitter: float = 0.0
    """Seconds: how much the time on the way varies (RTP), or else the time between datagrams."""
    sequences: Sequences = field(default_factory=Sequences)
    _first: int = 0
    _first_size: int = 0
    _arrived: int = 0
    _timestamp: int | None = None
    """The last datagram's, by the clock of RTP."""
    _spacing: float | None = None
    """Seconds from the last datagram but one to the last."""
    _reported: tuple[int, int] = (0, 0)
    """Datagrams and bytes at the last report."""

    def add(self, datagram: mcast.Datagram, header: rtp.Header | None, rate: int) -> None:
        """Take note of a datagram; `rate` is the clock's, in Hz, where the header tells none."""
        spacing = (datagram.timestamp_ns - self._arrived) / _NANOSECONDS
        if header is not None:
            self.sequences.add(header.sequence)
            self._add_transit(header, rate, spacing)
        else:
            self._add_spacing(spacing)
        if not self.datagrams:
            self._first, self._first_size = datagram.timestamp_ns, len(datagram.data)
        self._arrived = datagram.timestamp_ns
        self.datagrams += 1
        self.size += len(datagram.data)

    def _add_transit(self, header: rtp.Header, rate: int, spacing: float) -> None:
        """Compare the time between two datagrams with what their timestamps say of it."""
        if self._timestamp is not None:
            ticks = (header.timestamp - self._timestamp + 2**31) % 2**32 - 2**31
            self._smooth(abs(spacing - ticks / header.clock_rate(rate)))
        self._timestamp = header.timestamp

    def _add_spacing(self, spacing: float) -> None:
        """Compare the time between two datagrams with that between the two before."""
        if self._spacing is not None:
            self._smooth(abs(spacing - self._spacing))
        if self.datagrams:
            self._spacing = spacing

    def _smooth(self, difference: float) -> None:
        self.jitter += (difference - self.jitter) / _SMOOTHING

    def report(self, seconds: float | None) -> dict[str, Any]:
        """Return everything by name, with rates over the `seconds` since the last report.

        None is for the time from the first datagram to the last; a rate is None where that is 0.
        """
        datagrams, size = self._reported
        if seconds is None:
            # The first one begins the time, and is not in it.
            datagrams, size = 1, self._first_size
            seconds = (self._arrived - self._first) / _NANOSECONDS
        self._reported = (self.datagrams, self.size)
        told: dict[str, Any] = {
            "source_host": self.key.source.host,
            "source_port": self.key.source.port,
            "group": self.key.group,
            "interface": self.key.interface,
            "datagrams": self.datagrams,
            "bytes": self.size,
            "datagrams_per_second": (self.datagrams - datagrams) / seconds if seconds else None,
            "bytes_per_second": (self.size - size) / seconds if seconds else None,
            "jitter_seconds": self.jitter,
        }
        if self.key.ssrc is not None:
            told |= {
                "ssrc": self.key.ssrc,
                "lost": self.sequences.lost,
                "duplicates": self.sequences.duplicates,
                "reordered": self.sequences.reordered,
                "restarts": self.sequences.restarts,
            }
        return told


class Streams:
    """Streams is all that come, as many as are kept."""

    def __init__(self, *, has_rtp: bool, clock_rate: int) -> None:
        """`clock_rate` is in Hz, for payload types that have none by themselves."""
        self._has_rtp = has_rtp
        self._rate = clock_rate
        self._streams: OrderedDict[Key, Stream] = OrderedDict()

    def add(self, datagrams: Iterable[mcast.Datagram]) -> None:
        """Take note of what came."""
        for datagram in datagrams:
            header = rtp.parse(datagram.data) if self._has_rtp else None
            key = Key(
                datagram.source,
                str(datagram.group),
                datagram.interface.name,
                None if header is None else header.ssrc,
            )
            stream = self._streams.get(key)
            if stream is None:
                stream = self._streams[key] = Stream(key)
                if len(self._streams) > _MOST_STREAMS:
                    self._streams.popitem(last=False)
            self._streams.move_to_end(key)
            stream.add(datagram, header, self._rate)

    def report(self, seconds: float | None) -> list[dict[str, Any]]:
        """Return what is known of each, as `Stream.report` tells it."""
        ordered = sorted(self._streams.items(), key=lambda item: str(item[0]))
        return [stream.report(seconds) for _, stream in ordered]
