"""Why nothing arrives: looking at the host, explaining, and naming the command that mends it."""

from __future__ import annotations

import math
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
from ._interfaces import (
    Interface,
    InterfaceLike,
    default_interface,
    find_interfaces,
    interface_of,
)
from ._joining import is_usual
from ._receiver import McastRx
from ._sender import McastTx
from ._sender_base import parse_ttl

_USUAL_GROUP: Final = IPv4Address("239.255.255.250")
"""Where none is given: administratively scoped (RFC 2365), and heard by most networks anyway."""
_SOURCE_SPECIFIC: Final = (ip_network("232.0.0.0/8"), ip_network("ff30::/12"))
"""RFC 4607 section 1."""
_CONTROL_BLOCK: Final = ip_network("224.0.0.0/24")
"""RFC 5771 section 4; switches send these everywhere, snooping or not (RFC 4541 section 2.1.2)."""
_INTERFACE_LOCAL: Final = 1
_LINK_LOCAL: Final = 2
"""Scopes of IPv6 groups (RFC 4291 section 2.7)."""
_ADMINISTRATIVE: Final = ip_network("239.0.0.0/8")
"""RFC 2365."""
_WIDER: Final = {4: "233.252.0.1", 6: "ff0e::db8:0:1"}
"""Groups of global scope that are there to be written down (RFC 6676)."""
_ENOUGH: Final = 16
"""A ttl that passes more routers than most organisations have in a row."""
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
    listened: float
    """Seconds that queriers were listened for."""

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
    ttl: int | None = None,
    listen: float = 0,
) -> Diagnosis:
    """Look for what keeps the datagrams of a group away from this host.

    It changes nothing. It joins the group for a moment and sends one datagram that does not leave
    the host. `group` is an administratively scoped one if left out; `port` is looked at if given.
    `interface` is the one to receive on, by default that of the group's scope (``ff12::1%eth0``) or
    the one that a sender would choose.

    `source` is the host that sends, whose datagrams a reverse path filter may throw away; without
    it hosts on the interface's network are meant. `ttl` is what it sends with. `listen` is how many
    seconds to listen for a querier, without which switches forget who wants a group: one asks every
    125 seconds (RFC 3376 section 8.2), so 130 tell.

    Raises `AddressError` and `InterfaceError` for what cannot be used, `ValueError` for another
    number, and `OSError`.
    """
    address, scope = parse_group(_USUAL_GROUP if group is None else group)
    interface = scope if interface is None else interface
    port = None if port is None else parse_port(port, lowest=1)
    sender = None if source is None else parse_source(source, address)
    if ttl is not None:
        parse_ttl(ttl)
    if not 0 <= listen < math.inf:
        raise ValueError(f"listen is a number of seconds, not {listen!r}")
    records = {record.index: record for record in interface_records()}
    there = [interface_of(record) for record in records.values()]
    chosen = _choose(family_of(address), interface, there)
    others = [item for item in there if is_usual(item) and item.index != chosen.index]
    alternatives = None if interface is not None else tuple(item.name for item in others)
    question = Question(records[chosen.index], alternatives, address, port, sender, listen)
    found = [*_choice(question), *_group(question), *_reach(question, ttl), *faults(question)]
    # What keeps everything away is told by its cause.
    if chosen.is_up and not any(isinstance(item, Finding) for item in found):
        found += _self_test(address, chosen)
    return Diagnosis(
        address,
        port,
        chosen,
        tuple(item for item in found if isinstance(item, Finding)),
        tuple(item for item in found if isinstance(item, Doubt)),
        listen,
    )


def _choose(
    family: socket.AddressFamily, spec: InterfaceLike | None, there: list[Interface]
) -> Interface:
    if spec is not None:
        return find_interfaces(spec, among=there)[0]
    chosen = default_interface(family, among=there) or next(filter(is_usual, there), None)
    if chosen is None:
        raise InterfaceError(
            "no interface is up and takes multicast: name the one to look at with interface="
        )
    return chosen


def _choice(question: Question) -> Iterator[Finding]:
    """Look whether the interface that is chosen by itself is the one that people mean."""
    name, flags = question.interface.name, question.interface.flags
    is_tunnel = InterfaceFlag.POINT_TO_POINT in flags or InterfaceFlag.MULTICAST not in flags
    if question.alternatives and is_tunnel:
        yield Finding(
            f"the default route leads to {name}, which is no network for multicast",
            "who names no interface sends there, and most tunnels (a VPN) carry no multicast",
            f"the default route's interface is {name}; others are "
            f"{', '.join(question.alternatives)}",
            f"mcast doctor {question.group} --interface {question.alternatives[0]}",
        )


def _group(question: Question) -> Iterator[Finding]:
    """Look whether the group itself is one that works for this."""
    group = question.group
    if question.source is None and any(group in block for block in _SOURCE_SPECIFIC):
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


def _reach(question: Question, ttl: int | None) -> Iterator[Finding]:
    """Look whether datagrams can get from the source to the interface."""
    group, source = question.group, question.source
    wider = _WIDER[group.version]
    asked = f"mcast doctor {wider} --interface {question.interface.name}"
    if _scope(group) == _INTERFACE_LOCAL and InterfaceFlag.LOOPBACK not in question.interface.flags:
        yield Finding(
            f"{group} does not leave the host that sends to it",
            "its scope is one interface (RFC 4291 section 2.7)",
            "it begins with ff01 or ff11",
            asked,
        )
    elif ttl == 0:
        yield Finding(
            "a ttl of 0 keeps datagrams on the host that sends them",
            "nothing arrives on another host",
            "ttl 0 (RFC 1112 section 6.1)",
            f"mcast doctor {group} --interface {question.interface.name} --ttl 1",
        )
    if question.is_near:
        return
    away = f"{source} is not in a network of {question.interface.name}, so routers are in between"
    asked = f"{asked} --source {source}"
    if group in _CONTROL_BLOCK or _scope(group) == _LINK_LOCAL:
        yield Finding(
            f"{group} stays on the network where it is sent",
            "routers pass no group of the link-local scope on (RFC 5771 section 4, RFC 4291 "
            "section 2.7), whatever the ttl",
            away,
            asked,
        )
    elif ttl == 1:
        yield Finding(
            "a ttl of 1 keeps datagrams on the network where they are sent",
            "each router takes one off, and passes nothing on that has none left",
            f"ttl 1; {away}",
            f"mcast doctor {group} --interface {question.interface.name} --source {source} "
            f"--ttl {_ENOUGH}",
        )
    if group in _ADMINISTRATIVE and source is not None and source.is_global:
        yield Finding(
            f"{group} stays within one organisation, and {source} is a public address elsewhere",
            "routers at the border do not pass administratively scoped groups on (RFC 2365)",
            f"{group} is in {_ADMINISTRATIVE}; {away}",
            asked,
        )


def _scope(group: Address) -> int | None:
    """Return how far an IPv6 group reaches."""
    return group.packed[1] & 0x0F if group.version == 6 else None


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
