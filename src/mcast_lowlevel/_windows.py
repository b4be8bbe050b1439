"""Windows: its option table, adapters, routes and messages."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from socket import AddressFamily
from typing import TYPE_CHECKING, Final, NoReturn

from . import _windows_adapters, _windows_messages
from ._errors import UnsupportedError
from ._no_faults import faults
from ._records import InterfaceRecord, Sockname
from ._structs import Structs
from ._table import Option, OptionTable, SocketOption, SourceFilterCalls, TableMaker
from ._values import (
    GroupReq,
    GroupSourceReq,
    InPktinfo,
    IpMreq,
    IpMreqSource,
    Ipv6Mreq,
    Sockaddr,
    SockaddrIn,
    SockaddrIn6,
    Struct,
)
from ._windows_ffi import ffi, helper, last_error, lib, system_error
from ._windows_links import LinkWatch
from ._windows_messages import MessageBatch, MessageSender, keep_after_reset

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "DROPPED_WORD",
    "HEARS_OTHER_INTERFACES",
    "LAST_BOUND_TAKES_UNICAST",
    "LOOPS_AT_RECEIVER",
    "MEMBERSHIPS_FULL",
    "MEMBERSHIP_ADVICE",
    "NAME",
    "OPENING_ADVICE",
    "OPTIONS",
    "SENDING_ADVICE",
    "LinkWatch",
    "MessageBatch",
    "MessageSender",
    "can_bind_to",
    "default_route_interface",
    "faults",
    "ffi",
    "getifaddrs",
    "interface_records",
    "keep_after_reset",
    "last_error",
    "lib",
    "multicast_interface",
    "other_requests",
    "scope_name",
    "send_message",
    "sending_packet_info",
    "source_filters",
    "structs",
]

NAME: Final = "Windows"

_constant = ffi.integer_const
_IPV4: Final = AddressFamily.AF_INET
_IPV6: Final = AddressFamily.AF_INET6
_LEVELS: Final = {_IPV4: _constant("IPPROTO_IP"), _IPV6: _constant("IPPROTO_IPV6")}


_MAKER: Final = TableMaker(_constant, "DWORD")

OPTIONS: Final[OptionTable] = {
    **_MAKER.at("SOL_SOCKET", SocketOption.SHARE_PORT, "SO_REUSEADDR"),
    **_MAKER.at("SOL_SOCKET", SocketOption.SEND_BUFFER, "SO_SNDBUF"),
    **_MAKER.at("SOL_SOCKET", SocketOption.RECEIVE_BUFFER, "SO_RCVBUF"),
    **_MAKER.one(SocketOption.ONLY_IPV6, _IPV6, "IPV6_V6ONLY"),
    **_MAKER.pair(SocketOption.PACKET_INFO, "IP_PKTINFO", "IPV6_PKTINFO"),
    **_MAKER.pair(
        SocketOption.SENDING_PACKET_INFO,
        "IP_PKTINFO",
        "IPV6_PKTINFO",
        ("struct in_pktinfo", "struct in6_pktinfo"),
    ),
    **_MAKER.pair(SocketOption.HOP_LIMIT, "IP_RECVTTL", "IPV6_HOPLIMIT"),
    **_MAKER.pair(SocketOption.MULTICAST_HOPS, "IP_MULTICAST_TTL", "IPV6_MULTICAST_HOPS"),
    **_MAKER.pair(SocketOption.MULTICAST_LOOP, "IP_MULTICAST_LOOP", "IPV6_MULTICAST_LOOP"),
    **_MAKER.pair(SocketOption.MULTICAST_INTERFACE, "IP_MULTICAST_IF", "IPV6_MULTICAST_IF"),
    **_MAKER.memberships(),
}

source_filters: Final[SourceFilterCalls | None] = None
"""There is none for both families: sources are changed one by one."""

MEMBERSHIPS_FULL: Final = (errno.ENOBUFS,)
"""How a socket says that it takes no further membership, or no further source."""

DROPPED_WORD: Final = 0
"""Never used: Windows does not tell what it threw away."""

HEARS_OTHER_INTERFACES: Final[frozenset[AddressFamily]] = frozenset()
"""Nothing is gained by binding to an interface: the packet information is compared."""

LAST_BOUND_TAKES_UNICAST: Final = False
"""Which of several sockets on a port gets the unicast is not defined."""

LOOPS_AT_RECEIVER: Final = True
"""Whether the receiver, not the sender, decides if datagrams of its own host are heard."""

structs: Final = Structs(NAME, ffi)

_NO_INDEX: Final = (10042, 10022, 10045)
"""WSAENOPROTOOPT, WSAEINVAL, WSAEOPNOTSUPP: how a request by index is refused."""
_BY_ADDRESS: Final = {
    SocketOption.JOIN_GROUP: ("IP_ADD_MEMBERSHIP", "IPV6_JOIN_GROUP"),
    SocketOption.LEAVE_GROUP: ("IP_DROP_MEMBERSHIP", "IPV6_LEAVE_GROUP"),
    SocketOption.JOIN_SOURCE_GROUP: ("IP_ADD_SOURCE_MEMBERSHIP", None),
    SocketOption.LEAVE_SOURCE_GROUP: ("IP_DROP_SOURCE_MEMBERSHIP", None),
    SocketOption.BLOCK_SOURCE: ("IP_BLOCK_SOURCE", None),
    SocketOption.UNBLOCK_SOURCE: ("IP_UNBLOCK_SOURCE", None),
}
"""The requests that name the interface by one of its addresses, for IPv6 still by its index."""


def other_requests(
    error: OSError, which: SocketOption, request: GroupReq | GroupSourceReq
) -> Iterator[tuple[Option, Struct]]:
    """Yield how else to ask for what failed with `error`: by an address of the interface."""
    if getattr(error, "winerror", None) not in _NO_INDEX:
        return
    ipv4, ipv6 = _BY_ADDRESS[which]
    if isinstance(request, GroupReq):
        index, group, source = request.gr_interface, request.gr_group, None
    else:
        index, group, source = request.gsr_interface, request.gsr_group, request.gsr_source
    if isinstance(group, SockaddrIn6):
        if ipv6 is None:
            return
        mreq = Ipv6Mreq(group.sin6_addr, index)
        yield Option(_LEVELS[_IPV6], _constant(ipv6), "struct ipv6_mreq"), mreq
        return
    address = _ipv4_address(index)
    if address is None:
        return
    struct: Struct = IpMreq(group.sin_addr, address)
    if isinstance(source, SockaddrIn):
        struct = IpMreqSource(group.sin_addr, address, source.sin_addr)
    yield Option(_LEVELS[_IPV4], _constant(ipv4), "struct"), struct


def multicast_interface(family: AddressFamily, index: int) -> Iterator[int]:
    """Yield the values that choose an interface to send from, the best first."""
    if family == _IPV6:
        yield index
        return
    # 0.0.0.index in network byte order, or an address of it.
    yield socket.htonl(index)
    address = _ipv4_address(index)
    if address is not None:
        yield int.from_bytes(address.packed, "little")


def _ipv4_address(index: int) -> IPv4Address | None:
    for record in interface_records():
        if record.index == index:
            for address in record.addresses:
                if address.version == 4:
                    return address.ip
    return None


def interface_records() -> list[InterfaceRecord]:
    """Return every adapter with its addresses, ordered by index."""
    return [*_windows_adapters.adapter_records(structs, helper, system_error)]


def default_route_interface(family: AddressFamily) -> int:
    """Return the index of the adapter that leads out of the local networks, or 0.

    It is asked for by addresses that are nobody's (RFC 5737, RFC 3849).
    """
    outside: Sockaddr = SockaddrIn6(IPv6Address("2001:db8::1"))
    if family == _IPV4:
        outside = SockaddrIn(IPv4Address("192.0.2.1"))
    return _windows_adapters.default_route_interface(structs, helper, system_error, outside)


def getifaddrs() -> NoReturn:
    """Raise `UnsupportedError`: Windows has GetAdaptersAddresses instead."""
    raise UnsupportedError("Windows does not offer getifaddrs: use interface_records")


def scope_name(index: int) -> str:
    """Return how a link-local address names the interface with this index behind its ``%``."""
    return str(index)


def can_bind_to(group: IPv4Address | IPv6Address, interface: int | None) -> bool:
    """Return False: binding to a group is WSAEADDRNOTAVAIL."""
    return False


def sending_packet_info(interface: int, source: IPv4Address) -> InPktinfo:
    """Return what sends one IPv4 datagram out of an interface, from a source address."""
    return InPktinfo(interface, source)


def send_message(
    sock: socket.socket,
    data: Buffer,
    ancillary: Sequence[tuple[int, int, bytes]],
    address: Sockname | None,
) -> int:
    """Send one datagram with control data, and return its size (WSASendMsg)."""
    name = b"" if address is None else _windows_messages.packed_address(structs, address)
    return _windows_messages.send_by_name(sock.fileno(), data, ancillary, name)


MEMBERSHIP_ADVICE: Final = {
    errno.EADDRNOTAVAIL: (
        "the group is joined there already, or for other sources, or the interface is gone: list "
        "them with `mcast interfaces`"
    ),
    errno.ENOPROTOOPT: "the adapter is disconnected: see `ipconfig`",
    errno.EINVAL: "the adapter does not take multicast, or there is no such membership",
}
"""What a failed membership request means to the one who asked, by errno."""

OPENING_ADVICE: Final = {
    errno.EADDRINUSE: "another socket holds the port and does not share it: `netstat -anop udp`",
    errno.EACCES: "another socket holds the port for itself alone: `netstat -anop udp`",
    errno.EADDRNOTAVAIL: "the address is no longer one of this host's: see `ipconfig`",
}
"""What a failure to open, bind or wait for a socket means to the one who asked, by errno."""

SENDING_ADVICE: Final = {
    errno.ENETUNREACH: "no route leads to the group, or on loopback nobody receives it",
    errno.EACCES: "a firewall rule on this host forbids the datagram: see `wf.msc`",
}
"""What a failure to send a datagram means to the one who sent it, by errno."""
