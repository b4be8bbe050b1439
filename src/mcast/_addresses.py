"""Reading addresses that users give: the one place that does it."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, TypeAlias

from mcast_lowlevel import SockaddrIn6, scope_name, unpack_sockaddr

from ._errors import AddressError

Address: TypeAlias = IPv4Address | IPv6Address
AddressLike: TypeAlias = str | IPv4Address | IPv6Address
"""An address as users may write it."""
GroupLike: TypeAlias = AddressLike
"""A group as users may write it; an IPv6 group may carry its interface behind a ``%``."""

FAMILY_NAMES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


class SourceAddress(NamedTuple):
    """SourceAddress is where a datagram comes from, as `socket` writes addresses."""

    host: str
    """A link-local IPv6 address carries its scope: ``fe80::1%eth0``."""
    port: int


class Group(NamedTuple):
    """Group is a multicast group, and the interface that was written behind its ``%``."""

    address: Address
    scope: str | None

    @property
    def family(self) -> socket.AddressFamily:
        """The group's address family."""
        return family_of(self.address)


def family_of(address: Address) -> socket.AddressFamily:
    """Return the address family that `address` belongs to."""
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def without_scope(address: Address) -> Address:
    """Return `address` alone: without a ``%`` and its scope, without a prefix length."""
    kind = IPv4Address if address.version == 4 else IPv6Address
    return kind(address.packed)


def parse_group(value: GroupLike) -> Group:
    """Return the group that `value` names.

    Raises `AddressError` where it is no address or no multicast address (RFC 5771, RFC 4291) and
    `TypeError` for another type.
    """
    wanted = "a group is an IPv4 address in 224.0.0.0/4 or an IPv6 address in ff00::/8"
    address = _parse_address(value, "a group", wanted)
    if not address.is_multicast:
        raise AddressError(f"{address} is not a multicast address: {wanted}")
    scope = address.scope_id if isinstance(address, IPv6Address) else None
    return Group(without_scope(address), scope)


def parse_source(value: AddressLike, group: Address) -> Address:
    """Return the source address that `value` names, for use with `group`.

    Raises `AddressError` where it is no unicast address of the group's family, and `TypeError` for
    another type.
    """
    wanted = f"a source of {group} is a host's {FAMILY_NAMES[family_of(group)]} address"
    address = without_scope(_parse_address(value, "a source", wanted))
    if address.is_multicast or address.is_unspecified or address.version != group.version:
        raise AddressError(f"{address} cannot be a source: {wanted}")
    return address


def _parse_address(value: AddressLike, what: str, wanted: str) -> Address:
    if not isinstance(value, str | IPv4Address | IPv6Address):
        raise TypeError(f"{what} is a str or an ipaddress object, not {type(value).__name__}")
    try:
        return ip_address(value)
    except ValueError:
        raise AddressError(f"{value!r} is no IP address: {wanted}") from None


def parse_port(value: int, *, lowest: int = 0) -> int:
    """Return `value` if it is a port from `lowest` to 65535.

    Raises `AddressError` for another number and `TypeError` for another type.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a port is an int, not {type(value).__name__}")
    if not lowest <= value <= 65535:
        raise AddressError(f"port {value} is out of range: ports are {lowest} to 65535")
    return value


def parse_family(value: int) -> socket.AddressFamily:
    """Return the address family `value`; `AddressError` if it is neither IPv4's nor IPv6's."""
    if value not in FAMILY_NAMES:
        raise AddressError(f"family {value!r} is neither socket.AF_INET nor socket.AF_INET6")
    return socket.AddressFamily(value)


def source_address(host: str, port: int, scope_id: int = 0) -> SourceAddress:
    """Return the address with its scope in words, where `scope_id` is not 0."""
    return SourceAddress(f"{host}%{scope_name(scope_id)}" if scope_id else host, port)


def decode_source(name: bytes) -> SourceAddress:
    """Return the source address that the system gave as a sockaddr."""
    sockaddr = unpack_sockaddr(name)
    if isinstance(sockaddr, SockaddrIn6):
        return source_address(str(sockaddr.sin6_addr), sockaddr.sin6_port, sockaddr.sin6_scope_id)
    return SourceAddress(str(sockaddr.sin_addr), sockaddr.sin_port)
