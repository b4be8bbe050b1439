"""macOS' interfaces (getifaddrs(3)) and routes (the routing table's sysctl(3))."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from socket import AddressFamily
from typing import Any, Final, cast

from ._darwin_ffi import DarwinLibrary, ffi, lib
from ._errors import system_error
from ._getifaddrs import ifaddr_name, read_ifaddrs
from ._posix import flag_reader
from ._records import InterfaceFlag, InterfaceRecord, SockaddrLink

_constant = ffi.integer_const

_AF_INET: Final = _constant("AF_INET")
_AF_INET6: Final = _constant("AF_INET6")
_AF_LINK: Final = _constant("AF_LINK")
_LINK_DATA: Final = ffi.offsetof("struct sockaddr_dl", "sdl_data")
_ADDRESSES: Final = {
    _AF_INET: (ffi.offsetof("struct sockaddr_in", "sin_addr"), 4),
    _AF_INET6: (ffi.offsetof("struct sockaddr_in6", "sin6_addr"), 16),
}
"""Where in a socket address the address is, and how many bytes it has, by the system's family."""
_flags = flag_reader(_constant)
_NO_FLAGS: Final = InterfaceFlag(0)
_ATTEMPTS: Final = 10
"""How often the routing table is asked for again because it grew since its size was told."""
_LINE: Final = 4
"""Bytes; the addresses of a routing message begin at multiples of it."""


@dataclass
class _Found:
    """_Found is what the list's entries tell of one interface, one by one."""

    link: SockaddrLink | None = None
    mtu: int | None = None
    flags: InterfaceFlag = _NO_FLAGS
    addresses: list[IPv4Interface | IPv6Interface] = field(
        default_factory=list[IPv4Interface | IPv6Interface]
    )


def interface_records(library: DarwinLibrary = lib) -> list[InterfaceRecord]:
    """Return every interface with its addresses, ordered by index. Raises `OSError`."""
    found: dict[str, _Found] = {}

    def read(record: Any) -> None:
        of = found.setdefault(ifaddr_name(ffi, record), _Found())
        of.flags |= _flags(record.ifa_flags)
        if not record.ifa_addr:
            return
        if record.ifa_addr.sa_family == _AF_LINK:
            of.link = decode_link(record.ifa_addr)
            if record.ifa_data:
                data: Any = ffi.cast("struct if_data *", record.ifa_data)
                of.mtu = data.ifi_mtu or None
        else:
            address = _address(record.ifa_addr, record.ifa_netmask)
            if address is not None:
                of.addresses.append(address)

    read_ifaddrs(ffi, library, read)
    return sorted(
        (
            InterfaceRecord(
                index=of.link.index,
                name=name,
                friendly_name=name,
                description="",
                scope=name,
                link_address=of.link.link_address,
                mtu=of.mtu,
                flags=of.flags,
                addresses=tuple(of.addresses),
            )
            for name, of in found.items()
            if of.link is not None
        ),
        key=lambda record: record.index,
    )


def decode_link(address: Any) -> SockaddrLink:
    """Return what a ``struct sockaddr_dl`` tells: its name comes before its address."""
    link: Any = ffi.cast("struct sockaddr_dl *", address)
    start = _LINK_DATA + link.sdl_nlen
    # It may be longer than the struct, but never than it says.
    packed: Any = ffi.buffer(address, link.sdl_len)
    return SockaddrLink(link.sdl_index, bytes(packed[start : start + link.sdl_alen]))


def _address(address: Any, netmask: Any) -> IPv4Interface | IPv6Interface | None:
    family = address.sa_family
    if family not in _ADDRESSES:
        return None
    _, size = _ADDRESSES[family]
    packed = _packed(address, family)
    mask = _packed(netmask, family) if netmask else b"\xff" * size
    prefix_length = _leading_ones(mask)
    if family == _AF_INET:
        return IPv4Interface((packed, prefix_length))
    if IPv6Interface(packed).is_link_local:
        # The kernel keeps the interface's index where RFC 4291 section 2.5.6 has zeros.
        packed = packed[:2] + bytes(2) + packed[4:]
    return IPv6Interface((packed, prefix_length))


def _packed(address: Any, family: int) -> bytes:
    """Return the bytes of the address in a ``struct sockaddr *``, which may end before it does.

    Netmasks lack the zeros that they end with, and may lack their family.
    """
    start, size = _ADDRESSES[family]
    present: Any = ffi.buffer(address, min(address.sa_len, start + size))
    return bytes(present[start:]).ljust(size, b"\0")


def _leading_ones(mask: bytes) -> int:
    bits = 8 * len(mask)
    inverted = ~int.from_bytes(mask, "big") & ((1 << bits) - 1)
    return bits - inverted.bit_length()


def default_route_interface(family: AddressFamily, library: DarwinLibrary = lib) -> int:
    """Return the index of the interface that the default route uses, or 0. Raises `OSError`."""
    system_family = _AF_INET if family == AddressFamily.AF_INET else _AF_INET6
    for message, addresses in _routes(_read_table(system_family, library)):
        # Scoped routes only serve sockets that are bound to their interface.
        is_usable = message.rtm_flags & _constant("RTF_UP") and not message.rtm_flags & (
            _constant("RTF_IFSCOPE") | _constant("RTF_HOST")
        )
        destination = addresses.get(_constant("RTA_DST"))
        netmask = addresses.get(_constant("RTA_NETMASK"))
        if not is_usable or destination is None or destination.sa_family != system_family:
            continue
        if not any(_packed(destination, system_family)) and not (
            netmask and any(_packed(netmask, system_family))
        ):
            return int(message.rtm_index)
    return 0


def _read_table(family: int, library: DarwinLibrary) -> Any:
    """Return the memory that the routes of a family were written to."""
    what = (_constant("CTL_NET"), _constant("PF_ROUTE"), 0, family, _constant("NET_RT_DUMP"), 0)
    name = ffi.new("int[6]", what)
    size: Any = ffi.new("size_t *")
    for _ in range(_ATTEMPTS):
        if library.sysctl(name, 6, ffi.NULL, size, ffi.NULL, 0) != 0:
            raise system_error(ffi.errno)
        size[0] += size[0] // 8  # Some may be added before the next call.
        memory = ffi.new("char[]", size[0])
        if library.sysctl(name, 6, memory, size, ffi.NULL, 0) == 0:
            return ffi.buffer(memory, size[0])
        if ffi.errno != errno.ENOMEM:
            raise system_error(ffi.errno)
    raise OSError(f"the routing table changed during each of {_ATTEMPTS} listings")


def _routes(table: Any) -> Iterator[tuple[Any, dict[int, Any]]]:
    """Yield each message, and its addresses by their bit in rtm_addrs."""
    memory: Any = ffi.from_buffer(table)
    header_size = ffi.sizeof("struct rt_msghdr")
    position = 0
    while position + header_size <= len(table):
        message = cast(Any, ffi.cast("struct rt_msghdr *", memory + position))
        end = position + message.rtm_msglen
        if message.rtm_msglen < header_size or end > len(table):
            return
        yield message, dict(_addresses(memory, position + header_size, end, message.rtm_addrs))
        position = end


def _addresses(memory: Any, position: int, end: int, present: int) -> Iterator[tuple[int, Any]]:
    for number in range(_constant("RTAX_MAX")):
        if present & (1 << number) and position < end:
            address = cast(Any, ffi.cast("struct sockaddr *", memory + position))
            if position + address.sa_len > end:
                return
            yield 1 << number, address
            position += max(_LINE, (address.sa_len + _LINE - 1) & -_LINE)
