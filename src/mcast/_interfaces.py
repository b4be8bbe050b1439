"""The machine's network interfaces, and finding the one that a user means."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from typing import TypeAlias

from mcast_lowlevel import (
    OPENING_ADVICE,
    InterfaceFlag,
    InterfaceRecord,
    default_route_interface,
    interface_records,
)

from ._addresses import Address, family_of, parse_family, without_scope
from ._advice import advised
from ._errors import InterfaceError


@dataclass(frozen=True)
class Interface:
    """Interface is one network interface, as it was when it was listed."""

    name: str
    index: int
    """The system's number for it, 1 and up."""
    friendly_name: str
    """What the system's dialogs call it; the name where they have no other."""
    description: str
    link_address: str | None
    """Colon-separated hexadecimal bytes (a MAC address); None where it has none."""
    mtu: int | None
    """Bytes."""
    is_up: bool
    """Switched on by the administrator."""
    is_running: bool
    """Able to carry datagrams: a cable is plugged in."""
    is_loopback: bool
    is_point_to_point: bool
    supports_multicast: bool
    ipv4: tuple[IPv4Interface, ...]
    ipv6: tuple[IPv6Interface, ...]
    """Link-local addresses carry their scope: ``fe80::1%eth0/64``."""

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def addresses(self, family: socket.AddressFamily) -> tuple[Address, ...]:
        """Return the addresses of `family` as sockets take them: with scope, without prefix length.

        `IPv6Interface.ip` would lose the scope.
        """
        found = self.ipv4 if family == socket.AF_INET else self.ipv6
        return tuple(ip_address(str(address).partition("/")[0]) for address in found)


InterfaceLike: TypeAlias = (
    str | int | IPv4Address | IPv6Address | IPv4Interface | IPv6Interface | Interface
)
"""An interface as users may name it: by name, friendly name, index, address, or itself."""


def interfaces() -> list[Interface]:
    """Return every network interface, ordered by index, with or without addresses.

    Raises `OSError` where the system refuses the list.
    """
    with advised(OPENING_ADVICE):
        return [interface_of(record) for record in interface_records()]


@lru_cache(maxsize=64)
def _states(flags: InterfaceFlag) -> Mapping[str, bool]:
    return {
        "is_up": InterfaceFlag.UP in flags,
        "is_running": InterfaceFlag.RUNNING in flags,
        "is_loopback": InterfaceFlag.LOOPBACK in flags,
        "is_point_to_point": InterfaceFlag.POINT_TO_POINT in flags,
        "supports_multicast": InterfaceFlag.MULTICAST in flags,
    }


def interface_of(record: InterfaceRecord) -> Interface:
    """Return what the system says of an interface as users see it."""
    addresses = record.addresses
    return Interface(
        name=record.name,
        index=record.index,
        friendly_name=record.friendly_name,
        description=record.description,
        link_address=record.link_address.hex(":") or None,
        mtu=record.mtu,
        **_states(record.flags),
        ipv4=tuple([item for item in addresses if item.version == 4]),
        ipv6=tuple([_scoped(item, record.scope) for item in addresses if item.version == 6]),
    )


def _scoped(address: IPv6Interface, scope: str) -> IPv6Interface:
    if not address.ip.is_link_local:
        return address
    return IPv6Interface(f"{address.ip}%{scope}/{address.network.prefixlen}")


def find_interfaces(
    spec: InterfaceLike, *, among: Iterable[Interface] | None = None
) -> list[Interface]:
    """Return the interfaces that `spec` names: nearly always one, several for a shared address.

    A string is tried as a name, a friendly name, an address and an index, in that order; the
    first that fits counts. An IPv6 address need not carry its scope. `among` are the interfaces
    to search, by default the machine's.

    Raises `InterfaceError` where none fits and `TypeError` for a `spec` of another type.
    """
    candidates = interfaces() if among is None else list(among)
    found = _matching(spec, candidates)
    if not found:
        listed = (f"{item.friendly_name} (index {item.index})" for item in candidates)
        there = ", ".join(listed) or "none"
        wanted = repr(spec) if isinstance(spec, str) else str(spec)
        raise InterfaceError(
            f"no interface has the name, address or index {wanted}; there are: {there}"
        )
    return found


def _matching(spec: InterfaceLike, candidates: list[Interface]) -> list[Interface]:
    match spec:
        case Interface():
            return [
                item for item in candidates if item.index == spec.index and item.name == spec.name
            ]
        case int() if not isinstance(spec, bool):
            return [item for item in candidates if item.index == spec]
        case IPv4Address() | IPv6Address():
            return _with_address(spec, candidates)
        case str():
            return _matching_text(spec, candidates)
        case _:
            raise TypeError(
                "an interface is a name, an index, an address or an Interface, "
                f"not {type(spec).__name__}"
            )


def _matching_text(text: str, candidates: list[Interface]) -> list[Interface]:
    named = [item for item in candidates if item.name == text]
    named = named or [item for item in candidates if item.friendly_name == text]
    if named:
        return named
    try:
        return _with_address(ip_address(text), candidates)
    except ValueError:
        return [item for item in candidates if str(item.index) == text]


def _with_address(wanted: Address, candidates: list[Interface]) -> list[Interface]:
    scope = wanted.scope_id if isinstance(wanted, IPv6Address) else None
    family, bare = family_of(wanted), without_scope(wanted)
    return [
        item
        for item in candidates
        if scope in (None, item.name, str(item.index))
        and any(without_scope(address) == bare for address in item.addresses(family))
    ]


def default_interface(
    family: int = socket.AF_INET, *, among: Iterable[Interface] | None = None
) -> Interface | None:
    """Return the interface that the default route of `family` uses, or None without one.

    Of several default routes the one with the lowest metric counts. `among` are the interfaces to
    search, by default the machine's. Raises `AddressError` for
    another family than IPv4's and IPv6's.
    """
    index = default_route_interface(parse_family(family))
    candidates = interfaces() if among is None else among
    return next((item for item in candidates if item.index == index), None)
