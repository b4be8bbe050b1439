"""Who on this host is a member of the group, and what the kernel allows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, NamedTuple, TypeAlias

from .._records import Finding, Question
from .kernel import setting, table

Address: TypeAlias = IPv4Address | IPv6Address

_THE_SYSTEMS_OWN: Final = {
    4: [ip_network("224.0.0.1")],
    6: [ip_network("ff02::1"), ip_network("ff01::1"), ip_network("ff02::1:ff00:0/104")],
}
"""Groups that no program has joined: all hosts, and solicited nodes (RFC 4291 section 2.7.1)."""
_MEMBERSHIP: Final = 56
"""Bytes of net.core.optmem_max that one IPv6 membership takes (measured on Linux 6.18, 64 bits)."""
_FILTERS: Final = {4: "mcfilter", 6: "mcfilter6"}
"""Where the kernel lists the sources that are named."""
_SOURCES: Final = {4: ("ipv4", "igmp_max_msf", 10), 6: ("ipv6", "mld_max_msf", 64)}
"""Where the limit of sources of one group is, and what it is where the kernel does not tell."""


class _Limit(NamedTuple):
    """_Limit is how many memberships one socket may have."""

    memberships: int
    setting: str
    value: int
    enough: int
    """The value that lets a socket join twice as many groups as this host has."""


def faults(question: Question, port: int) -> Iterator[Finding]:
    """Yield that who listens on the port is no member, or can name no more sources."""
    yield from _membership(question, port)
    yield from _sources(question)


def _membership(question: Question, port: int) -> Iterator[Finding]:
    """Look whether who listens on the port has joined the group where it is looked for."""
    group, name = question.group, question.interface.name
    joined = list(_memberships(group.version))
    places = [interface for interface, item in joined if item == group]
    if name in places:
        return
    listed = f"/proc/net/{'igmp' if group.version == 4 else 'igmp6'}"
    limit = _limit(group.version, len(joined))
    if places:
        yield Finding(
            f"{group} is joined on {', '.join(places)}, and not on {name}",
            "a program that names no interface lets the system choose one; after this command it "
            f"chooses {name}, for programs that join from then on",
            f"{listed}: {group} on {', '.join(places)} alone",
            f"ip route replace {group} dev {name}"
            if group.version == 4
            else f"ip -6 route replace multicast {group} dev {name} table local",
        )
    elif len(joined) >= limit.memberships:
        yield Finding(
            f"a program listens on port {port}, and could not join {group}: its socket may have "
            f"{limit.memberships} memberships",
            "one more by the same socket fails with ENOBUFS or ENOMEM; McastRx opens another one",
            f"{listed}: {len(joined)} memberships, none of {group}; sysctl "
            f"{limit.setting} = {limit.value}",
            f"sysctl -w {limit.setting.replace('.', '/')}={limit.enough}",
        )
    else:
        yield Finding(
            f"a program listens on port {port}, and none has joined {group}",
            "the network is not told that this host wants it, and the kernel does not deliver it; "
            "this command joins it as long as it runs",
            f"{listed}: no {group}",
            f"mcast recv {group} {port} --interface {name}",
        )


def _limit(version: int, memberships: int) -> _Limit:
    if version == 4:
        value = setting("ipv4", "igmp_max_memberships") or 0
        return _Limit(value, "net.ipv4.igmp_max_memberships", value, 2 * memberships)
    value = setting("core", "optmem_max") or 0
    enough = 2 * memberships * _MEMBERSHIP
    return _Limit(value // _MEMBERSHIP, "net.core.optmem_max", value, enough)


def _sources(question: Question) -> Iterator[Finding]:
    """Look whether a socket that names sources of the group may name one more."""
    version = question.group.version
    family, name, usual = _SOURCES[version]
    told = setting(family, name)
    most = usual if told is None else told
    named = _filtered(question)
    if len(named) < most or question.source in named:
        return
    yield Finding(
        f"{len(named)} sources of {question.group} are named: a socket may name {most}",
        "naming one more by the same socket fails with ENOBUFS",
        f"/proc/net/{_FILTERS[version]}: {len(named)} sources; sysctl net.{family}.{name} = {most}",
        f"sysctl -w net/{family}/{name}={2 * len(named)}",
    )


def _memberships(version: int) -> Iterator[tuple[str, Address]]:
    """Yield what programs of this host have joined: interface and group."""
    for name, group in _igmp() if version == 4 else _igmp6():
        if not any(group in block for block in _THE_SYSTEMS_OWN[version]):
            yield name, group


def _igmp() -> Iterator[tuple[str, Address]]:
    name = ""
    for line in table("igmp")[1:]:
        fields = line.split()
        if not line.startswith("\t"):
            name = fields[1]
        else:
            # The kernel prints the address's bytes as a number of its own.
            yield name, IPv4Address(int(fields[0], 16).to_bytes(4, sys.byteorder))


def _igmp6() -> Iterator[tuple[str, Address]]:
    for line in table("igmp6"):
        fields = line.split()
        yield fields[1], IPv6Address(bytes.fromhex(fields[2]))


def _filtered(question: Question) -> set[Address]:
    """Return the sources that sockets have named for the group on the interface."""
    found: set[Address] = set()
    version = question.group.version
    for line in table(_FILTERS[version])[1:]:
        index, _, group, source, *_ = line.split()
        if int(index) == question.interface.index and _address(group, version) == question.group:
            found.add(_address(source, version))
    return found


def _address(text: str, version: int) -> Address:
    return IPv4Address(int(text, 16)) if version == 4 else IPv6Address(int(text, 16))
