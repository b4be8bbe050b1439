"""Membership requests and the settings of a sender, for both address families.

The functions are RFC 3678's, by interface index: ``(interface, group, source)`` in that order.
Each raises `UnsupportedError` for what the platform lacks and `OSError` with the system's errno.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from socket import AddressFamily
from typing import TypeAlias

from ._options import find_option, getsockopt, pack_value, set_option, setsockopt
from ._platform import system
from ._table import SocketOption
from ._values import (
    FilterMode,
    GroupFilter,
    GroupReq,
    GroupSourceReq,
    In6Pktinfo,
    Sockaddr,
    SockaddrIn,
    SockaddrIn6,
)

Address: TypeAlias = IPv4Address | IPv6Address

_ATTEMPTS = 10
"""How often a source filter that grows while it is read is read again."""


def family_of(address: Address) -> AddressFamily:
    """Return the address family that `address` belongs to."""
    return AddressFamily.AF_INET if address.version == 4 else AddressFamily.AF_INET6


def sockaddr(address: Address) -> Sockaddr:
    """Return `address` as a socket address without a port or a scope."""
    if isinstance(address, IPv4Address):
        return SockaddrIn(address)
    return SockaddrIn6(address)


def join_group(sockfd: int, interface: int, group: Address) -> None:
    """Receive `group` on the interface with that index, from any source."""
    _group_request(sockfd, SocketOption.JOIN_GROUP, interface, group)


def leave_group(sockfd: int, interface: int, group: Address) -> None:
    """End the membership of `group` on that interface, whatever its sources."""
    _group_request(sockfd, SocketOption.LEAVE_GROUP, interface, group)


def join_source_group(sockfd: int, interface: int, group: Address, source: Address) -> None:
    """Receive `group` on that interface from `source`, and from those joined before."""
    _source_request(sockfd, SocketOption.JOIN_SOURCE_GROUP, interface, group, source)


def leave_source_group(sockfd: int, interface: int, group: Address, source: Address) -> None:
    """No longer receive `group` on that interface from `source`; the last one ends it."""
    _source_request(sockfd, SocketOption.LEAVE_SOURCE_GROUP, interface, group, source)


def block_source(sockfd: int, interface: int, group: Address, source: Address) -> None:
    """No longer receive `source` in a membership for any source."""
    _source_request(sockfd, SocketOption.BLOCK_SOURCE, interface, group, source)


def unblock_source(sockfd: int, interface: int, group: Address, source: Address) -> None:
    """Receive a source again that was blocked."""
    _source_request(sockfd, SocketOption.UNBLOCK_SOURCE, interface, group, source)


def set_source_filter(
    sockfd: int, interface: int, group: Address, mode: FilterMode, sources: tuple[Address, ...]
) -> None:
    """Replace the whole source filter of a membership (RFC 3678 section 5.2.1).

    Including no source ends the membership.
    """
    slist = tuple(sockaddr(source) for source in sources)
    request = GroupFilter(interface, sockaddr(group), mode, slist)
    if system.source_filters is None:
        set_option(sockfd, family_of(group), SocketOption.SOURCE_FILTER, request)
    else:
        system.source_filters.set(sockfd, request)


def get_source_filter(
    sockfd: int, interface: int, group: Address
) -> tuple[FilterMode, tuple[Address, ...]]:
    """Return the mode and the sources of a membership (RFC 3678 section 5.2.2)."""
    room: tuple[Sockaddr, ...] = ()
    for _ in range(_ATTEMPTS):
        request = GroupFilter(interface, sockaddr(group), FilterMode.INCLUDE, room)
        if system.source_filters is None:
            found, count = _read_filter(sockfd, request, family_of(group))
        else:
            found, count = system.source_filters.get(sockfd, request)
        if count <= len(room):
            return found.gf_fmode, tuple(source[0] for source in found.gf_slist)
        room = (sockaddr(group),) * count
    raise OSError(f"the source filter of {group} changed during each of {_ATTEMPTS} readings")


def _read_filter(
    sockfd: int, request: GroupFilter, family: AddressFamily
) -> tuple[GroupFilter, int]:
    """Return the filter, or `request` where it has too little room; and how many sources it has."""
    option = find_option(SocketOption.SOURCE_FILTER, family)
    answer = getsockopt(sockfd, option.level, option.name, system.structs.pack(request))
    count = system.structs.source_count(answer)
    if count > len(request.gf_slist):
        return request, count
    return system.structs.unpack(GroupFilter, answer), count


def set_multicast_interface(sockfd: int, family: AddressFamily, interface: int) -> None:
    """Send multicast datagrams out of the interface with that index."""
    failure: OSError | None = None
    for value in system.multicast_interface(family, interface):
        try:
            set_option(sockfd, family, SocketOption.MULTICAST_INTERFACE, value)
        except OSError as error:
            failure = failure or error
        else:
            return
    if failure is not None:
        raise failure


def packet_info(
    family: AddressFamily, interface: int, source: IPv4Address | None = None
) -> tuple[int, int, bytes]:
    """Return the ancillary data that sends one datagram out of the interface with that index.

    `source` is its source address; for IPv6 the system chooses one of that interface (RFC 6724).
    """
    option = find_option(SocketOption.SENDING_PACKET_INFO, family)
    info = (
        system.sending_packet_info(interface, source or IPv4Address(0))
        if family == AddressFamily.AF_INET
        else In6Pktinfo(IPv6Address(0), interface)
    )
    return option.level, option.name, pack_value(option, info)


def segment_size(family: AddressFamily, size: int) -> tuple[int, int, bytes]:
    """Return the ancillary data that makes one payload several datagrams of `size` bytes each."""
    option = find_option(SocketOption.SEGMENT_SIZE, family)
    return option.level, option.name, pack_value(option, size)


def set_multicast_hops(sockfd: int, family: AddressFamily, hops: int) -> None:
    """Let multicast datagrams pass `hops` routers less one: 0 keeps them on this host."""
    set_option(sockfd, family, SocketOption.MULTICAST_HOPS, hops)


def set_multicast_loop(sockfd: int, family: AddressFamily, loop: bool) -> None:
    """Say whether this host hears the multicast datagrams that it sends itself."""
    set_option(sockfd, family, SocketOption.MULTICAST_LOOP, int(loop))


def dropped_datagrams(sockfd: int, family: AddressFamily) -> int:
    """Return how many datagrams the system threw away because the receive buffer was full."""
    option = find_option(SocketOption.DROPPED, family)
    empty = bytes(system.ffi.sizeof(option.ctype))
    words = memoryview(getsockopt(sockfd, option.level, option.name, empty)).cast("I")
    return words[system.DROPPED_WORD]


def _group_request(sockfd: int, which: SocketOption, interface: int, group: Address) -> None:
    _request(sockfd, which, GroupReq(interface, sockaddr(group)), family_of(group))


def _source_request(
    sockfd: int, which: SocketOption, interface: int, group: Address, source: Address
) -> None:
    request = GroupSourceReq(interface, sockaddr(group), sockaddr(source))
    _request(sockfd, which, request, family_of(group))


def _request(
    sockfd: int, which: SocketOption, request: GroupReq | GroupSourceReq, family: AddressFamily
) -> None:
    """Ask by interface index, and as the platform wants it otherwise where it refuses that."""
    try:
        set_option(sockfd, family, which, request)
    except OSError as refusal:
        error = refusal
    else:
        return
    for option, struct in system.other_requests(error, which, request):
        try:
            setsockopt(sockfd, option.level, option.name, pack_value(option, struct))
        except OSError as refusal:
            error = refusal
        else:
            return
    raise error
