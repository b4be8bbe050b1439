"""Interfaces as multicast_expert tells of them and finds them."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
)
from typing import TypeAlias

from .._interfaces import Interface, default_interface, interfaces
from .._interfaces import find_interfaces as find_by_facade
from ._addresses import LOCALHOST_IPV4, LOCALHOST_IPV6, MulticastExpertError


@dataclass(frozen=True)
class IfaceInfo:
    """IfaceInfo is one network interface, as it was when it was scanned."""

    machine_name: str
    """``eth0``; on Windows the GUID."""
    index: int
    link_layer_address: str | None
    """Colon-separated hexadecimal bytes (a MAC address); None where it has none."""
    ip4_addrs: Sequence[IPv4Interface]
    ip6_addrs: Sequence[IPv6Interface]

    def is_localhost(self) -> bool:
        """Return whether it has one of the addresses 127.0.0.1/8 and ::1."""
        # As the original compares it: whatever the prefix length is that these texts mean.
        has_ipv4 = IPv4Interface(LOCALHOST_IPV4) in self.ip4_addrs
        return has_ipv4 or IPv6Interface(LOCALHOST_IPV6) in self.ip6_addrs

    def ip_addrs(self, family: int) -> Sequence[IPv4Interface] | Sequence[IPv6Interface]:
        """Return the addresses of `family`, IPv4's or IPv6's; raises `KeyError` for another."""
        if family == socket.AF_INET:
            return self.ip4_addrs
        if family == socket.AF_INET6:
            return self.ip6_addrs
        raise KeyError("Unknown family!")


IfaceSpecifier: TypeAlias = str | IPv4Address | IPv6Address | IfaceInfo
"""What names an interface: its name, an address of it, or itself."""


def scan_interfaces() -> list[IfaceInfo]:
    """Return every interface of the machine. Raises `OSError`."""
    return [
        IfaceInfo(
            machine_name=interface.name,
            index=interface.index,
            link_layer_address=interface.link_address,
            ip4_addrs=list(interface.ipv4),
            ip6_addrs=list(interface.ipv6),
        )
        for interface in interfaces()
    ]


def find_interfaces(
    specifiers: Iterable[IfaceSpecifier], *, ifaces: Sequence[IfaceInfo] | None = None
) -> list[IfaceInfo]:
    """Return the interfaces that `specifiers` name, each once; an address may name several.

    `ifaces` are those to search, by default the machine's. Raises `MulticastExpertError` where one
    of `specifiers` names none.
    """
    wanted = list(specifiers)
    given = [item for item in wanted if isinstance(item, IfaceInfo)]
    if len(given) == len(wanted):
        return given
    listed = scan_interfaces() if ifaces is None else ifaces
    found = [iface for item in wanted for iface in _matching(item, listed)]
    return list({iface.index: iface for iface in found}.values())


def _matching(specifier: IfaceSpecifier, listed: Sequence[IfaceInfo]) -> list[IfaceInfo]:
    if isinstance(specifier, IfaceInfo):
        return [specifier]
    if isinstance(specifier, str):
        for iface in listed:
            if iface.machine_name == specifier:
                return [iface]
        try:
            specifier = ip_address(specifier)
        except ValueError as error:
            raise MulticastExpertError(
                f"specifier '{specifier}' is neither an interface's name nor a valid IP address"
            ) from error
    found = [iface for iface in listed if _has(iface, specifier)]
    if not found:
        raise MulticastExpertError(f"no interface matches the IP address {specifier}")
    return found


def _has(iface: IfaceInfo, wanted: IPv4Address | IPv6Address) -> bool:
    if not isinstance(wanted, IPv6Address):
        return any(item.ip == wanted for item in iface.ip4_addrs)
    addresses = [IPv6Address(address_text(item)) for item in iface.ip6_addrs]
    if wanted.scope_id is None:
        return any(item.packed == wanted.packed for item in addresses)
    return wanted in addresses


def address_text(of: IPv4Interface | IPv6Interface) -> str:
    """Return the address with its scope and without its prefix length."""
    return str(of).partition("/")[0]


def get_interface_ips(include_ipv4: bool = True, include_ipv6: bool = True) -> list[str]:
    """Return the addresses of all interfaces; warns of one that several have."""
    found: set[str] = set()
    for iface in scan_interfaces():
        addresses: list[str] = []
        if include_ipv4:
            addresses += [address_text(item) for item in iface.ip4_addrs]
        if include_ipv6:
            addresses += [address_text(item) for item in iface.ip6_addrs]
        for address in addresses:
            if address in found:
                warnings.warn(
                    f"interface {iface.machine_name} has IP {address}, which is also used by "
                    "another interface, so that it names neither: scan_interfaces() tells them "
                    "apart",
                    stacklevel=2,
                )
            found.add(address)
    return list(found)


def get_default_gateway_iface(
    addr_family: int, *, ifaces: list[IfaceInfo] | None = None
) -> IfaceInfo | None:
    """Return the interface that the default route of a family uses, None without one.

    `ifaces` are those to search, by default the machine's.
    """
    if addr_family not in (socket.AF_INET, socket.AF_INET6):
        return None
    chosen = default_interface(addr_family)
    if chosen is None:
        return None
    listed = scan_interfaces() if ifaces is None else ifaces
    return next((iface for iface in listed if iface.machine_name == chosen.name), None)


def get_default_gateway_iface_ip(
    addr_family: int, *, ifaces: list[IfaceInfo] | None = None
) -> str | None:
    """Return the first address of the interface that the default route of a family uses."""
    iface = get_default_gateway_iface(addr_family, ifaces=ifaces)
    addresses = () if iface is None else iface.ip_addrs(addr_family)
    return address_text(addresses[0]) if addresses else None


def get_default_gateway_iface_ip_v4(*, ifaces: list[IfaceInfo] | None = None) -> str | None:
    """Return the first IPv4 address of the interface that the default route uses."""
    return get_default_gateway_iface_ip(socket.AF_INET, ifaces=ifaces)


def get_default_gateway_iface_ip_v6(*, ifaces: list[IfaceInfo] | None = None) -> str | None:
    """Return the first IPv6 address of the interface that the default route uses."""
    return get_default_gateway_iface_ip(socket.AF_INET6, ifaces=ifaces)


def as_interface(iface: IfaceInfo) -> Interface:
    """Return the interface as this library knows it; raises `InterfaceError` if it is gone."""
    (found,) = find_by_facade(iface.index)
    return found
