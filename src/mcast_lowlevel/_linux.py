"""Linux: its option table, interfaces, routes and messages."""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import IPv4Address, IPv6Address
from socket import AddressFamily
from typing import Any, Final, cast

from . import _getifaddrs, _netlink
from ._linux_ffi import ffi, lib
from ._records import Ifaddr, InterfaceFlag, InterfaceRecord, Message, SockaddrLink
from ._structs import Structs
from ._table import Option, OptionTable, SocketOption

__all__ = [
    "DROPPED_WORD",
    "HEARS_OTHER_INTERFACES",
    "LAST_BOUND_TAKES_UNICAST",
    "MEMBERSHIP_ADVICE",
    "NAME",
    "OPENING_ADVICE",
    "OPTIONS",
    "SENDING_ADVICE",
    "LinkWatch",
    "MessageReader",
    "can_bind_to",
    "default_route_interface",
    "ffi",
    "getifaddrs",
    "interface_records",
    "last_error",
    "lib",
    "scope_name",
    "structs",
]

NAME: Final = "Linux"

LinkWatch = _netlink.LinkWatch

_constant = ffi.integer_const
_IPV4: Final = AddressFamily.AF_INET
_IPV6: Final = AddressFamily.AF_INET6
_BOTH: Final = ((_IPV4, _constant("IPPROTO_IP")), (_IPV6, _constant("IPPROTO_IPV6")))


def _socket_level(which: SocketOption, name: str, ctype: str = "int") -> OptionTable:
    option = Option(_constant("SOL_SOCKET"), _constant(name), ctype)
    return {(which, family): option for family, _ in _BOTH}


def _request(which: SocketOption, name: str, ctype: str) -> OptionTable:
    """Return the entries of a request of RFC 3678: the same number on both levels."""
    return {(which, family): Option(level, _constant(name), ctype) for family, level in _BOTH}


def _pair(which: SocketOption, ipv4: str, ipv6: str, ctype: str = "int") -> OptionTable:
    return {
        (which, _IPV4): Option(_constant("IPPROTO_IP"), _constant(ipv4), ctype),
        (which, _IPV6): Option(_constant("IPPROTO_IPV6"), _constant(ipv6), ctype),
    }


_MEMINFO: Final = f"uint32_t[{_constant('SK_MEMINFO_VARS')}]"

OPTIONS: Final[OptionTable] = {
    # SO_REUSEADDR gives each socket on the port its copy; SO_REUSEPORT would share them out.
    **_socket_level(SocketOption.SHARE_PORT, "SO_REUSEADDR"),
    **_socket_level(SocketOption.SEND_BUFFER, "SO_SNDBUF"),
    **_socket_level(SocketOption.SEND_BUFFER_FORCED, "SO_SNDBUFFORCE"),
    **_socket_level(SocketOption.RECEIVE_BUFFER, "SO_RCVBUF"),
    **_socket_level(SocketOption.RECEIVE_BUFFER_FORCED, "SO_RCVBUFFORCE"),
    **_socket_level(SocketOption.BOUND_INTERFACE, "SO_BINDTOIFINDEX"),
    **_socket_level(SocketOption.DROPPED, "SO_MEMINFO", _MEMINFO),
    (SocketOption.ONLY_IPV6, _IPV6): Option(
        _constant("IPPROTO_IPV6"), _constant("IPV6_V6ONLY"), "int"
    ),
    **_pair(SocketOption.PACKET_INFO, "IP_PKTINFO", "IPV6_RECVPKTINFO"),
    (SocketOption.SENDING_PACKET_INFO, _IPV4): Option(
        _constant("IPPROTO_IP"), _constant("IP_PKTINFO"), "struct in_pktinfo"
    ),
    (SocketOption.SENDING_PACKET_INFO, _IPV6): Option(
        _constant("IPPROTO_IPV6"), _constant("IPV6_PKTINFO"), "struct in6_pktinfo"
    ),
    **_pair(SocketOption.HOP_LIMIT, "IP_RECVTTL", "IPV6_RECVHOPLIMIT"),
    **_socket_level(SocketOption.TIMESTAMP, "SO_TIMESTAMPNS"),
    **_pair(SocketOption.MULTICAST_ALL, "IP_MULTICAST_ALL", "IPV6_MULTICAST_ALL"),
    **_pair(SocketOption.MULTICAST_HOPS, "IP_MULTICAST_TTL", "IPV6_MULTICAST_HOPS"),
    **_pair(SocketOption.MULTICAST_LOOP, "IP_MULTICAST_LOOP", "IPV6_MULTICAST_LOOP"),
    (SocketOption.MULTICAST_INTERFACE, _IPV4): Option(
        _constant("IPPROTO_IP"), _constant("IP_MULTICAST_IF"), "struct ip_mreqn"
    ),
    (SocketOption.MULTICAST_INTERFACE, _IPV6): Option(
        _constant("IPPROTO_IPV6"), _constant("IPV6_MULTICAST_IF"), "int"
    ),
    **_request(SocketOption.JOIN_GROUP, "MCAST_JOIN_GROUP", "struct group_req"),
    **_request(SocketOption.LEAVE_GROUP, "MCAST_LEAVE_GROUP", "struct group_req"),
    **_request(
        SocketOption.JOIN_SOURCE_GROUP, "MCAST_JOIN_SOURCE_GROUP", "struct group_source_req"
    ),
    **_request(
        SocketOption.LEAVE_SOURCE_GROUP, "MCAST_LEAVE_SOURCE_GROUP", "struct group_source_req"
    ),
    **_request(SocketOption.BLOCK_SOURCE, "MCAST_BLOCK_SOURCE", "struct group_source_req"),
    **_request(SocketOption.UNBLOCK_SOURCE, "MCAST_UNBLOCK_SOURCE", "struct group_source_req"),
    **_request(SocketOption.SOURCE_FILTER, "MCAST_MSFILTER", "struct group_filter"),
}

DROPPED_WORD: Final = _constant("SK_MEMINFO_DROPS")
"""Which word of what `SocketOption.DROPPED` reads is the number of datagrams."""

HEARS_OTHER_INTERFACES: Final = frozenset({_IPV6})
"""The families of whose groups a socket hears what arrives on any interface, joined there or not.

That is so where another socket joined on the other interface: IPV6_MULTICAST_ALL does not look at
it, IP_MULTICAST_ALL does.
"""

LAST_BOUND_TAKES_UNICAST: Final = True
"""Whether of the sockets that share a port, the one that was bound last gets the unicast."""

structs: Final = Structs(NAME, ffi)

_LINK_LOCAL: Final = 2

_FLAGS: Final = {
    _constant("IFF_UP"): InterfaceFlag.UP,
    _constant("IFF_RUNNING"): InterfaceFlag.RUNNING,
    _constant("IFF_LOOPBACK"): InterfaceFlag.LOOPBACK,
    _constant("IFF_POINTOPOINT"): InterfaceFlag.POINT_TO_POINT,
    _constant("IFF_MULTICAST"): InterfaceFlag.MULTICAST,
}


def last_error() -> OSError:
    """Return the failure of the C call just made in this thread."""
    return OSError(ffi.errno, os.strerror(ffi.errno))


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


def _flags(number: int) -> InterfaceFlag:
    flags = InterfaceFlag(0)
    for bit, flag in _FLAGS.items():
        if number & bit:
            flags |= flag
    return flags


def can_bind_to(group: IPv4Address | IPv6Address, interface: int | None) -> bool:
    """Return whether a socket can be bound to `group`, and hear that group alone.

    `interface` is the index of the one that it is bound to, if any: groups of interface-local and
    link-local scope (RFC 4291 section 2.7) need one.
    """
    return group.version == 4 or interface is not None or group.packed[1] & 0x0F > _LINK_LOCAL


def scope_name(index: int) -> str:
    """Return how a link-local address names the interface with this index behind its ``%``."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)  # It is gone; the number is what is left of it.


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

# Which ancillary data carries packet information, and its fields: address, interface index.
_PACKET_INFO: Final = {
    (_constant("IPPROTO_IP"), _constant("IP_PKTINFO")): (
        ffi.typeof("struct in_pktinfo *"),
        "ipi_addr",
        "ipi_ifindex",
    ),
    (_constant("IPPROTO_IPV6"), _constant("IPV6_PKTINFO")): (
        ffi.typeof("struct in6_pktinfo *"),
        "ipi6_addr",
        "ipi6_ifindex",
    ),
}
_HOP_LIMIT: Final = (
    (_constant("IPPROTO_IP"), _constant("IP_TTL")),
    (_constant("IPPROTO_IPV6"), _constant("IPV6_HOPLIMIT")),
)
# What SCM_TIMESTAMPNS is defined as, too.
_TIMESTAMP: Final = (_constant("SOL_SOCKET"), _constant("SO_TIMESTAMPNS"))
_TIMESPEC: Final = ffi.typeof("struct timespec *")
_INT: Final = ffi.typeof("int *")
_CMSGHDR: Final = ffi.typeof("struct cmsghdr *")
_CMSGHDR_SIZE: Final = ffi.sizeof("struct cmsghdr")
_NAME_SIZE: Final = ffi.sizeof("struct sockaddr_storage")
_WORD: Final = ffi.sizeof("size_t")
_NO_MESSAGE: Final = (errno.EAGAIN, errno.EINTR)
_MSG_TRUNC: Final = _constant("MSG_TRUNC")
_MSG_DONTWAIT: Final = _constant("MSG_DONTWAIT")


class MessageReader:
    """MessageReader takes datagrams from a socket one at a time, with their ancillary data.

    Its buffers are allocated once and used for every call, so one thread at a time may read.
    """

    _DATA_SIZE: Final = 1 << 16
    """Bytes. No UDP payload is larger, so none is cut."""
    _CONTROL_SIZE: Final = 256
    """Bytes; packet information, hop limit and time take 96."""

    def __init__(self) -> None:
        self._name = ffi.new("struct sockaddr_storage *")
        self._data = ffi.new("char[]", self._DATA_SIZE)
        self._control: Any = ffi.new("char[]", self._CONTROL_SIZE)
        self._iovec = ffi.new(
            "struct iovec *", {"iov_base": self._data, "iov_len": self._DATA_SIZE}
        )
        self._msghdr: Any = ffi.new(
            "struct msghdr *",
            {
                "msg_name": self._name,
                "msg_iov": self._iovec,
                "msg_iovlen": 1,
                "msg_control": self._control,
            },
        )

    def read(self, sockfd: int) -> Message | None:
        """Return the next datagram of a socket that has `PACKET_INFO` set.

        Its hop limit and time of arrival are there if `HOP_LIMIT` and `TIMESTAMP` are set too.
        Never waits: None says that no datagram is there. Raises `OSError` with the system's errno.
        """
        msghdr = self._msghdr
        msghdr.msg_namelen = _NAME_SIZE
        msghdr.msg_controllen = self._CONTROL_SIZE
        size = lib.recvmsg(sockfd, msghdr, _MSG_DONTWAIT)
        if size < 0:
            if ffi.errno in _NO_MESSAGE:
                return None
            raise last_error()
        destination, interface_index, hop_limit, timestamp_ns = self._ancillary_data()
        return Message(
            ffi.buffer(self._data, size)[:],
            ffi.buffer(self._name, msghdr.msg_namelen)[:],
            destination,
            interface_index,
            hop_limit,
            timestamp_ns,
            bool(msghdr.msg_flags & _MSG_TRUNC),
        )

    def _ancillary_data(self) -> tuple[bytes, int, int, int]:
        destination, interface_index, hop_limit, timestamp_ns = b"", 0, 0, 0
        end = self._msghdr.msg_controllen
        position = 0
        while position + _CMSGHDR_SIZE <= end:
            header: Any = ffi.cast(_CMSGHDR, self._control + position)
            content = self._control + position + _CMSGHDR_SIZE
            kind = (header.cmsg_level, header.cmsg_type)
            if kind in _PACKET_INFO:
                ctype, address, index = _PACKET_INFO[kind]
                info: Any = ffi.cast(ctype, content)
                field: Any = ffi.buffer(ffi.addressof(info, address))
                destination, interface_index = field[:], getattr(info, index)
            elif kind == _TIMESTAMP:
                time: Any = ffi.cast(_TIMESPEC, content)
                timestamp_ns = time.tv_sec * 1_000_000_000 + time.tv_nsec
            elif kind in _HOP_LIMIT:
                number: Any = ffi.cast(_INT, content)
                hop_limit = number[0]
            position += (header.cmsg_len + _WORD - 1) & -_WORD
        return destination, interface_index, hop_limit, timestamp_ns
