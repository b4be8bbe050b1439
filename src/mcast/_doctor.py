"""Why nothing arrives: looking at the host, explaining, and naming the command that mends it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from typing import Final

from mcast_lowlevel import Doubt, Finding, InterfaceFlag, Question, faults, interface_records

from ._addresses import (
    Address,
    AddressLike,
    GroupLike,
    family_of,
    parse_group,
    parse_port,
    parse_source,
)
from ._errors import InterfaceError, McastError
from ._interfaces import Interface, InterfaceLike, default_interface, find_interfaces, interfaces
from ._joining import is_usual
from ._receiver import McastRx
from ._sender import McastTx

_USUAL_GROUP: Final = IPv4Address("239.255.255.250")
"""Where none is given: administratively scoped (RFC 2365), and heard by most networks anyway."""
_SOURCE_SPECIFIC: Final = (ip_network("232.0.0.0/8"), ip_network("ff30::/12"))
"""RFC 4607 section 1."""
_CONTROL_BLOCK: Final = ip_network("224.0.0.0/24")
"""RFC 5771 section 4; switches send these everywhere, snooping or not (RFC 4541 section 2.1.2)."""
_SELF_TEST: Final = 1.0
"""Seconds; what a host sends to itself is there at once."""


@dataclass(frozen=True)
class Diagnosis:
    """Diagnosis is what `doctor` found out."""

    group: Address
    port: int | None
    interface: Interface
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]
    """What could not be looked at."""

    @property
    def is_well(self) -> bool:
        """Whether everything was looked at and nothing found."""
        return not self.findings and not self.doubts


def doctor(
    group: GroupLike | None = None,
    port: int | None = None,
    *,
    interface: InterfaceLike | None = None,
    source: AddressLike | None = None,
) -> Diagnosis:
    """Look for what keeps the datagrams of a group away from this host.

    It changes nothing. It joins the group for a moment and sends one datagram that does not leave
    the host. `group` is an administratively scoped one if left out; `port` is looked at if given.
    `interface` is the one to receive on, by default the one that a sender would choose. `source` is
    the host that sends, whose datagrams a reverse path filter may throw away.

    Raises `AddressError` and `InterfaceError` for what cannot be used, and `OSError`.
    """
    address = _USUAL_GROUP if group is None else parse_group(group).address
    port = None if port is None else parse_port(port, lowest=1)
    sender = None if source is None else parse_source(source, address)
    chosen = _choose(family_of(address), interface)
    record = next(item for item in interface_records() if item.index == chosen.index)
    found: list[Finding | Doubt] = []
    if interface is None:
        found += _choice(chosen)
    found += _group(address, sender)
    found += faults(Question(record, address, port, sender))
    # What keeps everything away is told by its cause.
    if InterfaceFlag.UP in record.flags and not any(isinstance(item, Finding) for item in found):
        found += _self_test(address, chosen)
    return Diagnosis(
        address,
        port,
        chosen,
        tuple(item for item in found if isinstance(item, Finding)),
        tuple(item for item in found if isinstance(item, Doubt)),
    )


def _choose(family: socket.AddressFamily, spec: InterfaceLike | None) -> Interface:
    if spec is not None:
        return find_interfaces(spec)[0]
    chosen = default_interface(family)
    if chosen is None:
        chosen = next(filter(is_usual, interfaces()), None)
    if chosen is None:
        raise InterfaceError(
            "no interface is up and takes multicast: name the one to look at with interface="
        )
    return chosen


def _choice(chosen: Interface) -> Iterator[Finding]:
    """Look whether the interface that is chosen by itself is the one that people mean."""
    others = [item for item in interfaces() if is_usual(item) and item.index != chosen.index]
    if (chosen.is_point_to_point or not chosen.supports_multicast) and others:
        names = ", ".join(item.name for item in others)
        yield Finding(
            f"the default route leads to {chosen.name}, which is no network for multicast",
            "who names no interface sends there, and most tunnels (a VPN) carry no multicast",
            f"the default route's interface is {chosen.name}; others are {names}",
            f"mcast doctor --interface {others[0].name}",
        )


def _group(group: Address, source: Address | None) -> Iterator[Finding]:
    if source is None and any(group in block for block in _SOURCE_SPECIFIC):
        yield Finding(
            f"{group} is source-specific, and no source is named",
            "routers and switches pass such a group on for named sources alone (RFC 4607)",
            "the group is in 232.0.0.0/8 or ff3x::/32",
            f"mcast doctor {group} --source {'192.0.2.1' if group.version == 4 else '2001:db8::1'}",
        )
    if isinstance(group, IPv4Address) and group not in _CONTROL_BLOCK:
        twin = IPv4Address(int(IPv4Address("224.0.0.0")) | int(group) & 0x7FFFFF)
        if twin in _CONTROL_BLOCK:
            other = IPv4Address(int(group) + 0x100)
            yield Finding(
                f"{group} shares its Ethernet address with {twin}",
                "32 groups have one address (RFC 1112), and switches send this one everywhere, "
                "because routing protocols use it",
                f"the last 23 bits are those of {twin}",
                f"mcast doctor {other}",
            )


def _self_test(group: Address, interface: Interface) -> Iterator[Finding]:
    """Send a datagram to this host itself, and receive it."""
    try:
        with (
            McastRx(group, 0, interfaces=interface, loopback=True, follow=False) as rx,
            McastTx(group, rx.port, interface=interface, loopback=True, ttl=0) as tx,
        ):
            tx.send(b"")
            rx.recv(timeout=_SELF_TEST)
    except (McastError, OSError) as error:
        hints = [note for note in getattr(error, "__notes__", ()) if "`" in note]
        command = hints[0].split("`")[-2] if hints else f"mcast recv {group} 5000"
        yield Finding(
            f"{interface.name} does not bring a datagram back that this host sends to itself",
            "what does not arrive within the host does not arrive from elsewhere either",
            str(error) or "nothing came within a second",
            command,
        )
