"""Addresses as multicast_expert takes and gives them, and what it raises."""

from __future__ import annotations

import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from .._addresses import SourceAddress
from .._errors import AddressError, InterfaceError

LOCALHOST_IPV4 = "127.0.0.1"
LOCALHOST_IPV6 = "::1"

IPv4Or6Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""An address and a port, and for IPv6 the flow information and the scope, as `socket` has them."""

MulticastAddress: TypeAlias = str | IPv4Address | IPv6Address
"""A group, as text or as an object."""


class MulticastExpertError(RuntimeError):
    """MulticastExpertError is for what cannot be used, or not at that time."""


class NotOpenError(MulticastExpertError, AttributeError, ValueError):
    """NotOpenError is for what takes an open socket.

    multicast_expert fails with AttributeError before a socket was opened and with ValueError after
    it was closed, by accident; who catches those catches this.
    """


def validate_mcast_ip(mcast_ip: MulticastAddress, addr_family: int) -> None:
    """Raise `MulticastExpertError` unless `mcast_ip` is a group of that family.

    Raises `ValueError` for what is no address at all.
    """
    address = ip_address(mcast_ip)
    if not address.is_multicast:
        raise MulticastExpertError(f"mcast_ip {mcast_ip} is no multicast address")
    if address.version == 4 and addr_family == socket.AF_INET6:
        raise MulticastExpertError(f"mcast_ip {mcast_ip} is IPv4, and the socket is AF_INET6")
    if address.version == 6 and addr_family == socket.AF_INET:
        raise MulticastExpertError(f"mcast_ip {mcast_ip} is IPv6, and the socket is AF_INET")


def socket_address(of: SourceAddress, family: int, index: int) -> IPv4Or6Address:
    """Return an address as `socket` writes it; `index` is the scope of one that has a scope."""
    host, _, scope = of.host.partition("%")
    if family == socket.AF_INET:
        return host, of.port
    return host, of.port, 0, index if scope else 0


def require_port(port: int, function: str) -> None:
    """Raise what the socket module raises for a `port` that there cannot be."""
    if not isinstance(port, int):
        raise TypeError(f"{function}(): port must be an int, not {type(port).__name__}")
    if not 0 <= port <= 65535:
        raise OverflowError(f"{function}(): port must be 0-65535.")


@contextmanager
def as_system_errors() -> Generator[None]:
    """Raise what the library finds by itself as the error that the system would have given."""
    try:
        yield
    except AddressError as error:
        raise OSError(errno.EINVAL, str(error)) from error
    except InterfaceError as error:
        raise OSError(errno.ENODEV, str(error)) from error
