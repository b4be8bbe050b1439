"""Linux: its option table, interfaces, routes and messages."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from socket import AddressFamily
from typing import Any, Final, cast

from . import _getifaddrs, _netlink
from ._errors import system_error
from ._linux_ffi import ffi, lib
from ._linux_messages import MessageBatch
from ._linux_sending import MessageSender
from ._posix import flag_reader, keep_after_reset, scope_name, send_message
from ._records import (
    Doubt,
    Finding,
    Ifaddr,
    InterfaceRecord,
    Question,
    SockaddrLink,
)
from ._structs import Structs
from ._table import Option, OptionTable, SocketOption, SourceFilterCalls, TableMaker
from ._values import GroupReq, GroupSourceReq, InPktinfo, IpMreqn, Struct

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

NAME: Final = "Linux"

LinkWatch = _netlink.LinkWatch

_constant = ffi.integer_const
_IPV4: Final = AddressFamily.AF_INET
_IPV6: Final = AddressFamily.AF_INET6
_MAKER: Final = TableMaker(_constant)
_MEMINFO: Final = f"uint32_t[{_constant('SK_MEMINFO_VARS')}]"

OPTIONS: Final[OptionTable] = {
    # SO_REUSEADDR gives each socket on the port its copy; SO_REUSEPORT would share them out.
    **_MAKER.at("SOL_SOCKET", SocketOption.SHARE_PORT, "SO_REUSEADDR"),
    **_MAKER.at("SOL_SOCKET", SocketOption.SEND_BUFFER, "SO_SNDBUF"),
    **_MAKER.at("SOL_SOCKET", SocketOption.SEND_BUFFER_FORCED, "SO_SNDBUFFORCE"),
    **_MAKER.at("SOL_SOCKET", SocketOption.RECEIVE_BUFFER, "SO_RCVBUF"),
    **_MAKER.at("SOL_SOCKET", SocketOption.RECEIVE_BUFFER_FORCED, "SO_RCVBUFFORCE"),
    **_MAKER.at("SOL_SOCKET", SocketOption.BOUND_INTERFACE, "SO_BINDTOIFINDEX"),
    **_MAKER.at("SOL_SOCKET", SocketOption.DROPPED, "SO_MEMINFO", _MEMINFO),
    **_MAKER.at("SOL_SOCKET", SocketOption.TIMESTAMP, "SO_TIMESTAMPNS"),
    **_MAKER.at("IPPROTO_UDP", SocketOption.COALESCING, "UDP_GRO"),
    **_MAKER.at("IPPROTO_UDP", SocketOption.SEGMENT_SIZE, "UDP_SEGMENT", "uint16_t"),
    **_MAKER.one(SocketOption.ONLY_IPV6, _IPV6, "IPV6_V6ONLY"),
    **_MAKER.pair(SocketOption.PACKET_INFO, "IP_PKTINFO", "IPV6_RECVPKTINFO"),
    **_MAKER.pair(
        SocketOption.SENDING_PACKET_INFO,
        "IP_PKTINFO",
        "IPV6_PKTINFO",
        ("struct in_pktinfo", "struct in6_pktinfo"),
    ),
    **_MAKER.pair(SocketOption.HOP_LIMIT, "IP_RECVTTL", "IPV6_RECVHOPLIMIT"),
    **_MAKER.pair(SocketOption.HEADER_OPTIONS, "IP_OPTIONS", "IPV6_HOPOPTS", ("char[]", "char[]")),
    **_MAKER.pair(SocketOption.MULTICAST_ALL, "IP_MULTICAST_ALL", "IPV6_MULTICAST_ALL"),
    **_MAKER.pair(SocketOption.MULTICAST_HOPS, "IP_MULTICAST_TTL", "IPV6_MULTICAST_HOPS"),
    **_MAKER.pair(SocketOption.MULTICAST_LOOP, "IP_MULTICAST_LOOP", "IPV6_MULTICAST_LOOP"),
    **_MAKER.pair(
        SocketOption.MULTICAST_INTERFACE,
        "IP_MULTICAST_IF",
        "IPV6_MULTICAST_IF",
        ("struct ip_mreqn", "int"),
    ),
    **_MAKER.memberships(),
    **_MAKER.pair(
        SocketOption.SOURCE_FILTER,
        "MCAST_MSFILTER",
        "MCAST_MSFILTER",
        ("struct group_filter", "struct group_filter"),
    ),
}

source_filters: Final[SourceFilterCalls | None] = None
"""A source filter as a whole is a socket option."""

MEMBERSHIPS_FULL: Final = (errno.ENOBUFS, errno.ENOMEM)
"""How a socket says that it takes no further membership, or no further source."""

DROPPED_WORD: Final = _constant("SK_MEMINFO_DROPS")
"""Which word of what `SocketOption.DROPPED` reads is the number of datagrams."""

HEARS_OTHER_INTERFACES: Final = frozenset({_IPV6})
"""The families of whose groups a socket hears what arrives on any interface, joined there or not.

That is so where another socket joined on the other interface: IPV6_MULTICAST_ALL does not look at
it, IP_MULTICAST_ALL does.
"""

LAST_BOUND_TAKES_UNICAST: Final = True
"""Whether of the sockets that share a port, the one that was bound last gets the unicast."""

LOOPS_AT_RECEIVER: Final = False
"""Whether the receiver, not the sender, decides if datagrams of its own host are heard."""

structs: Final = Structs(NAME, ffi)

_LINK_LOCAL: Final = 2

_flags = flag_reader(_constant)


def last_error() -> OSError:
    """Return the failure of the C call just made in this thread."""
    return system_error(ffi.errno)


def getifaddrs() -> list[Ifaddr]:
    """Return a record an address, in the system's order (getifaddrs(3))."""

    def decode_link(address: Any) -> SockaddrLink:
        link = cast(Any, ffi.cast("struct sockaddr_ll *", address))
        return SockaddrLink(link.sll_ifindex, bytes(ffi.buffer(link.sll_addr, link.sll_halen)))

    return _getifaddrs.getifaddrs(ffi, lib, structs, _constant("AF_PACKET"), decode_link)


def interface_records() -> list[InterfaceRecord]:
    """Return every interface with its addresses, ordered by index.

    Two dumps of rtnetlink(7) in all: getifaddrs(3) makes the same two, drops the MTU from the
    first, and names an aliased address by its label instead of its interface.
    """
    addresses: dict[int, list[Any]] = {}
    for record in _netlink.addresses():
        addresses.setdefault(record.index, []).append(record.address)
    return [
        InterfaceRecord(
            index=link.index,
            name=link.name,
            friendly_name=link.name,
            description=link.alias,
            scope=link.name,
            link_address=link.link_address,
            mtu=link.mtu,
            flags=_flags(link.flags),
            addresses=tuple(addresses.get(link.index, ())),
        )
        for link in sorted(_netlink.links(), key=lambda link: link.index)
    ]


def multicast_interface(family: AddressFamily, index: int) -> Iterator[int | Struct]:
    """Yield the values that choose an interface to send from, the best first."""
    yield index if family == _IPV6 else IpMreqn(IPv4Address(0), IPv4Address(0), index)


def other_requests(
    error: OSError, which: SocketOption, request: GroupReq | GroupSourceReq
) -> Iterator[tuple[Option, Struct]]:
    """Yield how else to ask for what failed with `error`; nothing, for Linux knows `request`."""
    yield from ()


def sending_packet_info(interface: int, source: IPv4Address) -> InPktinfo:
    """Return what sends one IPv4 datagram out of an interface, from a source address."""
    return InPktinfo(interface, IPv4Address(0), source)


def can_bind_to(group: IPv4Address | IPv6Address, interface: int | None) -> bool:
    """Return whether a socket can be bound to `group`, and hear that group alone.

    `interface` is the index of the one that it is bound to, if any: groups of interface-local and
    link-local scope (RFC 4291 section 2.7) need one.
    """
    return group.version == 4 or interface is not None or group.packed[1] & 0x0F > _LINK_LOCAL


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield what in this host stands in the way of what is asked about."""
    from . import _linux_faults  # noqa: PLC0415 - for those who ask, which are few.

    return _linux_faults.faults(question)


def default_route_interface(family: AddressFamily) -> int:
    """Return the index of the interface that the main table's default route uses, or 0.

    Of several default routes the one with the lowest metric counts, as for the kernel.
    """
    main = _constant("RT_TABLE_MAIN")
    candidates = [
        route
        for route in _netlink.routes(family)
        if route.prefix_length == 0 and route.table == main
    ]
    return min(candidates, key=lambda route: route.priority).interface if candidates else 0


MEMBERSHIP_ADVICE: Final = {
    errno.ENOBUFS: (
        "the kernel's limit is reached: sysctl net.ipv4.igmp_max_memberships for IPv4 groups on "
        "one socket, net.ipv4.igmp_max_msf or net.ipv6.mld_max_msf for sources of one group"
    ),
    errno.ENOMEM: (
        "the socket's memory for options is used up by its memberships: sysctl "
        "net.core.optmem_max raises the limit"
    ),
    errno.ENODEV: "the interface does not exist, or no longer: list them with `ip link`",
    errno.EINVAL: (
        "the interface does not speak the group's version of IP: for IPv6 its MTU must be 1280 "
        "bytes or more, see `ip link`"
    ),
    errno.EADDRINUSE: "this socket is a member of the group on that interface already",
    errno.EADDRNOTAVAIL: "this socket is no such member, or has no such source",
}
"""What a failed membership request means to the one who asked, by errno."""

OPENING_ADVICE: Final = {
    errno.EADDRINUSE: (
        "another socket holds the port and does not share it: `ss -ulpn` tells whose it is"
    ),
    errno.EACCES: (
        "ports below sysctl net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE"
    ),
    errno.EADDRNOTAVAIL: "the address is no longer one of this host's: list them with `ip address`",
    errno.ENODEV: "the interface does not exist, or no longer: list them with `ip link`",
    errno.EMFILE: "this process may open no more descriptors: `ulimit -n` is the limit",
    errno.ENFILE: "the system may open no more descriptors: sysctl fs.file-max is the limit",
    errno.ENOSPC: "this user may wait for no more sockets: sysctl fs.epoll.max_user_watches",
}
"""What a failure to open, bind or wait for a socket means to the one who asked, by errno."""

SENDING_ADVICE: Final = {
    errno.ENETUNREACH: (
        "no route leads to the group: see that the interface is up (`ip link`); IPv6 over "
        "loopback needs a local route: `ip -6 route add local ff00::/8 dev lo`"
    ),
    errno.ENODEV: "the sending interface no longer exists",
    errno.EPERM: "a firewall rule on this host forbids the datagram: see `nft list ruleset`",
}
"""What a failure to send a datagram means to the one who sent it, by errno."""
