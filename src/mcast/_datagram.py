"""Datagram: what a receiver delivers."""

from __future__ import annotations

from typing import NamedTuple

from ._addresses import Address, SourceAddress
from ._interfaces import Interface


class Datagram(NamedTuple):
    """Datagram is one received datagram and its story."""

    data: bytes
    source: SourceAddress
    """Who sent it."""
    group: Address
    """The group that it was sent to."""
    interface: Interface
    """The interface that it arrived on, as it was when the group was joined there."""

    ttl: int
    """The time to live (IPv4) or hop limit (IPv6) that was left when it arrived."""
    timestamp_ns: int
    """When the system received it, in nanoseconds since the epoch, by the system's clock."""
    truncated: bool = False
    """Whether the system cut it: `data` is only its beginning."""

    @property
    def interface_index(self) -> int:
        """The index of the interface that it arrived on."""
        return self.interface.index
