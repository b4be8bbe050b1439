"""The interfaces that a sender sends out of, and how they are chosen."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from typing import NamedTuple

from mcast_lowlevel import SockaddrIn, SockaddrIn6, pack, packet_info

from ._addresses import FAMILY_NAMES, Address, family_of, without_scope
from ._errors import InterfaceError
from ._interfaces import (
    Interface,
    InterfaceLike,
    default_interface,
    find_interfaces,
    interfaces,
)


class Outlet(NamedTuple):
    """Outlet is one interface to send out of."""

    spec: InterfaceLike
    """What it is found by when it came back: its name, or the address that the user gave."""
    interface: Interface
    source: Address | None
    """The source address; None lets the system choose."""
    packet_info: tuple[int, int, bytes]
    """What makes a datagram leave here, whatever the socket's own interface is."""

    def sockaddr(self, address: Address, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return an address as `socket` takes it, with the interface as scope for IPv6."""
        if isinstance(address, IPv4Address):
            return str(address), port
        return str(address), port, 0, self.interface.index

    def packed_sockaddr(self, address: Address, port: int) -> bytes:
        """Return an address as the system takes it."""
        if isinstance(address, IPv4Address):
            return pack(SockaddrIn(address, port))
        return pack(SockaddrIn6(address, port, 0, self.interface.index))


def choose_outlets(
    family: socket.AddressFamily,
    interface: InterfaceLike | None,
    interfaces: Iterable[InterfaceLike] | None,
    scope: str | None,
) -> list[Outlet]:
    """Return the interfaces to send from, each of which has an address of `family`."""
    if interface is not None and interfaces is not None:
        raise InterfaceError("interface and interfaces are both given: one or several, not both")
    if interfaces is None:
        return [choose_outlet(family, interface, scope)]
    specs = [interfaces] if isinstance(interfaces, str) else list(interfaces)
    outlets = (choose_outlet(family, spec, scope) for spec in specs)
    chosen = {outlet.interface.index: outlet for outlet in outlets}
    if not chosen:
        raise InterfaceError("no interface to send from: interfaces is empty")
    return list(chosen.values())


def choose_outlet(
    family: socket.AddressFamily, spec: InterfaceLike | None, scope: str | None
) -> Outlet:
    interface = _choose_interface(family, spec, scope)
    source = given = _address_in(spec, family)
    if source is None and family == socket.AF_INET:
        # Left to itself the kernel may take another interface's address (it does on lo). For IPv6
        # it never does, and chooses by the group's scope (RFC 6724 section 4).
        source = interface.ipv4[0].ip
    explicit = source if isinstance(source, IPv4Address) else None
    info = packet_info(family, interface.index, explicit)
    return Outlet(interface.name if given is None else given, interface, source, info)


def _choose_interface(
    family: socket.AddressFamily, spec: InterfaceLike | None, scope: str | None
) -> Interface:
    """Return the one interface to send from, which has an address of `family`."""
    wanted = scope if spec is None else spec
    if wanted is None:
        return _usual_interface(family)
    found = find_interfaces(wanted)
    if len(found) > 1:
        names = ", ".join(item.name for item in found)
        raise InterfaceError(f"{wanted!s} fits several interfaces, {names}: name one of them")
    chosen = found[0]
    if scope not in (None, chosen.name, str(chosen.index)):
        raise InterfaceError(f"the group's scope is {scope} and the interface is {chosen.name}")
    if not chosen.addresses(family):
        raise InterfaceError(
            f"interface {chosen.name} has no {FAMILY_NAMES[family]} address to send from: "
            f"give it one, or choose another interface"
        )
    return chosen


def _usual_interface(family: socket.AddressFamily) -> Interface:
    """Return the default route's interface, else the only one that can send."""
    chosen = default_interface(family)
    if chosen is not None and chosen.addresses(family):
        return chosen
    able = [
        item
        for item in interfaces()
        if item.is_up and item.supports_multicast and item.addresses(family)
    ]
    if len(able) == 1:
        return able[0]
    there = ", ".join(item.name for item in able) or "none that could send"
    raise InterfaceError(
        f"there is no default route for {FAMILY_NAMES[family]} that tells the interface to send "
        f"from: name it with interface=; there are: {there}"
    )


def _address_in(spec: InterfaceLike | None, family: socket.AddressFamily) -> Address | None:
    """Return the address that `spec` is, to be the source address, if it is one of `family`."""
    if isinstance(spec, str):
        try:
            spec = ip_address(spec)
        except ValueError:
            return None
    if isinstance(spec, IPv4Interface | IPv6Interface):
        spec = spec.ip
    if isinstance(spec, IPv4Address | IPv6Address) and family_of(spec) == family:
        return without_scope(spec)
    return None
