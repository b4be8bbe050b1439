"""What the operating system tells of interfaces and datagrams, as plain records."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import NamedTuple, TypeAlias

from ._values import Sockaddr


class InterfaceFlag(enum.Flag):
    """InterfaceFlag is what a system says of an interface's state and kind."""

    UP = enum.auto()
    """Switched on by the administrator."""
    RUNNING = enum.auto()
    """Able to carry datagrams now: a cable is plugged in."""
    LOOPBACK = enum.auto()
    POINT_TO_POINT = enum.auto()
    MULTICAST = enum.auto()


@dataclass(frozen=True)
class AddressRecord:
    """AddressRecord is one address of the interface with this index."""

    index: int
    address: IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class InterfaceRecord:
    """InterfaceRecord is one network interface, whatever its number of addresses."""

    index: int
    name: str
    friendly_name: str
    description: str
    scope: str
    """How this system writes the interface behind the ``%`` of a link-local address."""
    link_address: bytes
    mtu: int | None
    flags: InterfaceFlag
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


Sockname: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as `socket` takes it."""


class LinkChanges(NamedTuple):
    """LinkChanges is what happened to the machine's interfaces."""

    seen: bool
    """Whether anything did."""
    gone: frozenset[int]
    """The indices of interfaces that were deleted; another one may have got such an index since."""


@dataclass(frozen=True)
class SockaddrLink:
    """SockaddrLink is a link layer's address: Linux's sockaddr_ll, macOS's sockaddr_dl."""

    index: int
    link_address: bytes


class Ifaddr(NamedTuple):
    """Ifaddr is one struct ifaddrs, as getifaddrs(3) gives it: an alias label under its own name.

    An address of a family that is neither IPv4, IPv6 nor the link layer's is None.
    """

    ifa_name: str
    ifa_flags: int
    ifa_addr: Sockaddr | SockaddrLink | None
    ifa_netmask: Sockaddr | SockaddrLink | None


class Message(NamedTuple):
    """Message is what the system tells of one received datagram beside its payload.

    Addresses are as the system gave them, because most callers have seen them before and look
    them up instead of decoding them again.
    """

    name: bytes
    """The sender's sockaddr."""
    destination: bytes
    """The packed address that the datagram was sent to: 4 or 16 bytes."""
    interface_index: int
    """The interface that it arrived on."""
    hop_limit: int
    """The time to live (IPv4) or hop limit (IPv6) that it arrived with."""
    timestamp_ns: int
    """When the system received it, in nanoseconds since the epoch."""
    segment_size: int
    """Bytes of each of several datagrams that came as one payload, the last may be less; else 0."""


class Part(NamedTuple):
    """Part is one payload, and what size the pieces are that it is to be cut into."""

    number: int
    """Which datagram's payload, from 0."""
    size: int
    piece_size: int
    """Bytes; the last piece may be shorter."""


class Question(NamedTuple):
    """Question is what is to be received, to be looked at for what stands in the way."""

    interface: InterfaceRecord
    alternatives: tuple[str, ...] | None
    """The names of other interfaces that could be meant; None if the user has named this one."""
    group: IPv4Address | IPv6Address
    port: int | None
    source: IPv4Address | IPv6Address | None
    """None for any host on the interface's network."""
    listen: float
    """Seconds to listen for what the network says by itself."""

    @property
    def is_near(self) -> bool:
        """Whether the source is on the interface's network, without a router in between."""
        source = self.source
        return source is None or any(source in item.network for item in self.interface.addresses)


@dataclass(frozen=True)
class Finding:
    """Finding is something that keeps datagrams away, or will."""

    problem: str
    why: str
    """What it does to who sends or receives."""
    evidence: str
    """Where it was seen, with its value."""
    command: str
    """What mends it, to be run as it stands."""


@dataclass(frozen=True)
class Doubt:
    """Doubt is something that could not be looked at."""

    subject: str
    why: str
