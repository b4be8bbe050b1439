"""The values that requests to the operating system are made of.

Each class stands for one struct of the system's headers and has its name and its field names.
Interface indices are the system's (1 and up; 0 where a struct lets the system choose), ports and
flow information are in host byte order here and in network byte order in the packed struct.
"""

from __future__ import annotations

import enum
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, TypeAlias


class FilterMode(enum.Enum):
    """FilterMode says what a source filter's list means (RFC 3376 section 3.1)."""

    INCLUDE = "include"
    """Only the listed sources are received: source-specific multicast."""
    EXCLUDE = "exclude"
    """All sources but the listed ones are received: any-source multicast."""


class SockaddrIn(NamedTuple):
    """struct sockaddr_in: an IPv4 address and a port."""

    sin_addr: IPv4Address
    sin_port: int = 0


class SockaddrIn6(NamedTuple):
    """struct sockaddr_in6: an IPv6 address (without a scope of its own), a port and the scope."""

    sin6_addr: IPv6Address
    sin6_port: int = 0
    sin6_flowinfo: int = 0
    sin6_scope_id: int = 0


class IpMreq(NamedTuple):
    """struct ip_mreq: a membership on the interface that has an address."""

    imr_multiaddr: IPv4Address
    imr_interface: IPv4Address


class IpMreqn(NamedTuple):
    """struct ip_mreqn: a membership, or a sending interface, by index."""

    imr_multiaddr: IPv4Address
    imr_address: IPv4Address
    imr_ifindex: int


class IpMreqSource(NamedTuple):
    """struct ip_mreq_source: a membership for one source, on the interface with an address."""

    imr_multiaddr: IPv4Address
    imr_interface: IPv4Address
    imr_sourceaddr: IPv4Address


class Ipv6Mreq(NamedTuple):
    """struct ipv6_mreq: an IPv6 membership by interface index."""

    ipv6mr_multiaddr: IPv6Address
    ipv6mr_interface: int


class GroupReq(NamedTuple):
    """struct group_req: a membership of either family by interface index (RFC 3678)."""

    gr_interface: int
    gr_group: SockaddrIn | SockaddrIn6


class GroupSourceReq(NamedTuple):
    """struct group_source_req: a membership for one source, of either family (RFC 3678)."""

    gsr_interface: int
    gsr_group: SockaddrIn | SockaddrIn6
    gsr_source: SockaddrIn | SockaddrIn6


class GroupFilter(NamedTuple):
    """struct group_filter: the whole source filter of a membership (RFC 3678).

    The struct's `gf_numsrc` is the length of `gf_slist`.
    """

    gf_interface: int
    gf_group: SockaddrIn | SockaddrIn6
    gf_fmode: FilterMode
    gf_slist: tuple[SockaddrIn | SockaddrIn6, ...]


class InPktinfo(NamedTuple):
    """struct in_pktinfo: the interface and the addresses of one IPv4 datagram."""

    ipi_ifindex: int
    ipi_addr: IPv4Address
    ipi_spec_dst: IPv4Address = IPv4Address(0)
    """A local address; Windows has no such field."""


class In6Pktinfo(NamedTuple):
    """struct in6_pktinfo: the interface and the address of one IPv6 datagram."""

    ipi6_addr: IPv6Address
    ipi6_ifindex: int


Sockaddr: TypeAlias = SockaddrIn | SockaddrIn6
Struct: TypeAlias = (
    SockaddrIn
    | SockaddrIn6
    | IpMreq
    | IpMreqn
    | IpMreqSource
    | Ipv6Mreq
    | GroupReq
    | GroupSourceReq
    | GroupFilter
    | InPktinfo
    | In6Pktinfo
)
