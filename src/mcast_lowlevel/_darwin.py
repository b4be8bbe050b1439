"""macOS: its option table, source filters and advice."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from socket import AddressFamily
from typing import Any, Final

from . import _getifaddrs
from ._darwin_ffi import DarwinLibrary, ffi, lib
from ._darwin_interfaces import decode_link, default_route_interface, interface_records
from ._darwin_links import LinkWatch
from ._darwin_messages import MessageBatch, MessageSender
from ._errors import system_error
from ._no_faults import faults
from ._posix import keep_after_reset, scope_name, send_message
from ._records import Ifaddr
from ._structs import Structs
from ._table import Option, OptionTable, SocketOption, SourceFilterCalls, TableMaker
from ._values import FilterMode, GroupFilter, GroupReq, GroupSourceReq, InPktinfo, Struct

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

NAME: Final = "macOS"

_constant = ffi.integer_const
_IPV4: Final = AddressFamily.AF_INET
_IPV6: Final = AddressFamily.AF_INET6
_MAKER: Final = TableMaker(_constant)

OPTIONS: Final[OptionTable] = {
    # SO_REUSEADDR alone does not share a port here; with SO_REUSEPORT each socket gets its copy of
    # multicast, and one of them the unicast.
    **_MAKER.at("SOL_SOCKET", SocketOption.SHARE_PORT, "SO_REUSEPORT"),
    **_MAKER.at("SOL_SOCKET", SocketOption.SEND_BUFFER, "SO_SNDBUF"),
    **_MAKER.at("SOL_SOCKET", SocketOption.RECEIVE_BUFFER, "SO_RCVBUF"),
    **_MAKER.at("SOL_SOCKET", SocketOption.TIMESTAMP, "SO_TIMESTAMP"),
    **_MAKER.one(SocketOption.ONLY_IPV6, _IPV6, "IPV6_V6ONLY"),
    **_MAKER.pair(SocketOption.PACKET_INFO, "IP_RECVPKTINFO", "IPV6_RECVPKTINFO"),
    **_MAKER.pair(
        SocketOption.SENDING_PACKET_INFO,
        "IP_PKTINFO",
        "IPV6_PKTINFO",
        ("struct in_pktinfo", "struct in6_pktinfo"),
    ),
    **_MAKER.pair(SocketOption.HOP_LIMIT, "IP_RECVTTL", "IPV6_RECVHOPLIMIT"),
    **_MAKER.pair(
        SocketOption.MULTICAST_HOPS, "IP_MULTICAST_TTL", "IPV6_MULTICAST_HOPS", ("uint8_t", "int")
    ),
    **_MAKER.pair(
        SocketOption.MULTICAST_LOOP,
        "IP_MULTICAST_LOOP",
        "IPV6_MULTICAST_LOOP",
        ("uint8_t", "unsigned int"),
    ),
    **_MAKER.pair(
        SocketOption.MULTICAST_INTERFACE,
        "IP_MULTICAST_IFINDEX",
        "IPV6_MULTICAST_IF",
        ("unsigned int", "unsigned int"),
    ),
    **_MAKER.memberships(),
}

DROPPED_WORD: Final = 0
"""Never used: macOS does not tell what one socket threw away."""

HEARS_OTHER_INTERFACES: Final[frozenset[AddressFamily]] = frozenset()
"""Nothing is gained by binding to an interface: the packet information is compared."""

LAST_BOUND_TAKES_UNICAST: Final = False
"""Which of several sockets on a port gets the unicast is not documented."""

LOOPS_AT_RECEIVER: Final = False
"""Whether the receiver, not the sender, decides if datagrams of its own host are heard."""

structs: Final = Structs(NAME, ffi)

_SPURIOUS: Final = (errno.ENOEXEC, errno.ENOMEM, errno.EBUSY)
"""What joins fail with now and then for no reason (JDK-8144003)."""
_JOINS: Final = (SocketOption.JOIN_GROUP, SocketOption.JOIN_SOURCE_GROUP)
_REPETITIONS: Final = 5


def last_error() -> OSError:
    """Return the failure of the C call just made in this thread."""
    return system_error(ffi.errno)


def getifaddrs() -> list[Ifaddr]:
    """Return a record an address, in the system's order (getifaddrs(3))."""
    return _getifaddrs.getifaddrs(ffi, lib, structs, _constant("AF_LINK"), decode_link)


def multicast_interface(family: AddressFamily, index: int) -> Iterator[int]:
    """Yield the values that choose an interface to send from, the best first."""
    yield index


def other_requests(
    error: OSError, which: SocketOption, request: GroupReq | GroupSourceReq
) -> Iterator[tuple[Option, Struct]]:
    """Yield how else to ask for what failed with `error`: the same again, if it is a join."""
    if error.errno not in _SPURIOUS or which not in _JOINS:
        return
    group = request.gr_group if isinstance(request, GroupReq) else request.gsr_group
    family = _IPV4 if len(group) == 2 else _IPV6
    for _ in range(_REPETITIONS):
        yield OPTIONS[which, family], request


def sending_packet_info(interface: int, source: IPv4Address) -> InPktinfo:
    """Return what sends one IPv4 datagram out of an interface, from a source address."""
    return InPktinfo(interface, IPv4Address(0), source)


def can_bind_to(group: IPv4Address | IPv6Address, interface: int | None) -> bool:
    """Return False: a socket bound to a group does not hear its own host."""
    return False


class SourceFilters:
    """SourceFilters sets and reads a filter as a whole, which takes functions of the C library."""

    def __init__(self, library: DarwinLibrary = lib) -> None:
        """Use those of `library`."""
        self._library = library
        self._modes = {mode: _constant(f"MCAST_{mode.name}") for mode in FilterMode}

    def set(self, sockfd: int, wanted: GroupFilter) -> None:
        """Replace the whole filter (setsourcefilter(3)). Raises `OSError`."""
        group = ffi.from_buffer(structs.pack(wanted.gf_group))
        failed = self._library.setsourcefilter(
            sockfd,
            wanted.gf_interface,
            ffi.cast("struct sockaddr *", group),
            ffi.sizeof(group),
            self._modes[wanted.gf_fmode],
            len(wanted.gf_slist),
            self._list(wanted),
        )
        if failed:
            raise system_error(ffi.errno)

    def get(self, sockfd: int, room: GroupFilter) -> tuple[GroupFilter, int]:
        """Return the filter as far as there is room, and how many sources there are.

        Raises `OSError`.
        """
        group = ffi.from_buffer(structs.pack(room.gf_group))
        sources = self._list(room)
        mode: Any = ffi.new("uint32_t *")
        count: Any = ffi.new("uint32_t *", len(room.gf_slist))
        failed = self._library.getsourcefilter(
            sockfd,
            room.gf_interface,
            ffi.cast("struct sockaddr *", group),
            ffi.sizeof(group),
            mode,
            count,
            sources,
        )
        if failed:
            raise system_error(ffi.errno)
        slist = tuple(
            structs.unpack_sockaddr(bytes(ffi.buffer(sources + number, ffi.sizeof(sources[0]))))
            for number in range(min(count[0], len(room.gf_slist)))
        )
        (fmode,) = (known for known, number in self._modes.items() if number == mode[0])
        return room._replace(gf_fmode=fmode, gf_slist=slist), count[0]

    @staticmethod
    def _list(of: GroupFilter) -> Any:
        sources: Any = ffi.new("struct sockaddr_storage[]", max(1, len(of.gf_slist)))
        for number, source in enumerate(of.gf_slist):
            packed = structs.pack(source)
            ffi.memmove(sources + number, packed, len(packed))
        return sources


source_filters: Final[SourceFilterCalls | None] = SourceFilters()
"""How a source filter is set and read as a whole."""

MEMBERSHIPS_FULL: Final = (errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS)
"""How a socket says that it takes no further membership, or no further source."""

MEMBERSHIP_ADVICE: Final = {
    errno.EADDRNOTAVAIL: (
        "the interface does not exist or does not take multicast, the source is there already, or "
        "there is no such membership: list the interfaces with `ifconfig`"
    ),
    errno.EADDRINUSE: "this socket is a member of the group on that interface already",
    errno.ETOOMANYREFS: "this socket takes no more groups (4095), or the group no more sources",
    errno.ENOBUFS: "the system's limit for sources is reached: see `sysctl net.inet.ip.mcast`",
}
"""What a failed membership request means to the one who asked, by errno."""

OPENING_ADVICE: Final = {
    errno.EADDRINUSE: (
        "another socket holds the port and does not share it (SO_REUSEPORT): `lsof -nP -iUDP` "
        "tells whose it is"
    ),
    errno.EACCES: "ports below 1024 need root on one address; bind to none in particular",
    errno.EADDRNOTAVAIL: "the address is no longer one of this host's: see `ifconfig`",
    errno.EMFILE: "this process may open no more descriptors: `ulimit -n` is the limit",
    errno.ENFILE: "the system may open no more descriptors: sysctl kern.maxfiles is the limit",
}
"""What a failure to open, bind or wait for a socket means to the one who asked, by errno."""

SENDING_ADVICE: Final = {
    errno.EHOSTUNREACH: (
        "macOS 15 and newer ask whether a program may use the local network: allow it in System "
        "Settings, Privacy & Security, Local Network; or the interface is down, see `ifconfig`"
    ),
    errno.ENETUNREACH: "no route leads to the group: see `netstat -rn`",
    errno.EADDRNOTAVAIL: "the sending interface no longer exists, or has another address",
    errno.ENXIO: "the sending interface no longer exists",
    errno.ENOBUFS: "the interface is down, or has only an address of its own making: `ifconfig`",
}
"""What a failure to send a datagram means to the one who sent it, by errno."""
