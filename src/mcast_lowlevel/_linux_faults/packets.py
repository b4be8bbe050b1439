"""What has to get through a firewall, so that a group's datagrams arrive and go on arriving."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from .._records import Question
from .firewall import Packet, Value

_INCOMING: Final = frozenset({"ingress", "prerouting", "input"})
_OUTGOING: Final = frozenset({"output", "postrouting", "egress"})
_FORGOTTEN: Final = "switches and routers stop sending to this host after some minutes"
_PROTOCOLS: Final = {
    # By header: the names of its protocol, nft's and iptables', and its number.
    "udp": frozenset({"udp", "17"}),
    "igmp": frozenset({"igmp", "2"}),
    "icmpv6": frozenset({"icmpv6", "ipv6-icmp", "58"}),
}
_CONTROL: Final = {
    # By version of IP: name and header, who is asked for members, and who is told (RFC 3376
    # section 4.2.14, RFC 3810 section 5.2.14).
    4: ("IGMP", "igmp", "224.0.0.1", "224.0.0.22"),
    6: ("MLD", "icmpv6", "ff02::1", "ff02::16"),
}
_NONE: Final = frozenset[str]()
_LINK_LOCAL: Final = ip_network("fe80::/64")
"""Where MLD comes from (RFC 3810 section 5)."""


def packets(question: Question) -> tuple[Packet, ...]:
    """Return the group's datagrams, queries for its members, and what this host answers."""
    version = question.group.version
    name, header, everyone, routers = _CONTROL[version]
    neighbours = _network(question)
    here = frozenset({question.interface.name})
    comes: dict[str, Value] = {
        "meta iif": here,
        "meta iifname": here,
        "meta oif": _NONE,
        "meta oifname": _NONE,
    }
    goes: dict[str, Value] = {
        "meta iif": _NONE,
        "meta iifname": _NONE,
        "meta oif": here,
        "meta oifname": here,
    }
    source = neighbours if question.source is None else ip_network(question.source)
    controller = neighbours if version == 4 else _LINK_LOCAL
    port: dict[str, Value] = {"udp dport": question.port, "th dport": question.port}
    # A route leads back to neighbours; whether one leads to others is not looked at.
    back: dict[str, Value] = {} if question.is_near else {"fib oif": None}
    asked: dict[str, Value] = {"icmpv6 type": frozenset({"mld-listener-query", "130"})}
    told: dict[str, Value] = {"icmpv6 type": frozenset({"mld2-listener-report", "143"})}
    return (
        Packet(
            f"datagrams to {question.group}",
            "a capture shows them, and programs do not receive them",
            str(question.group),
            _INCOMING,
            _headers(version, "udp", "th"),
            _fields("udp", source, str(question.group)) | comes | port | back,
        ),
        Packet(
            f"{name} queries",
            f"this host does not answer who asks for members, and {_FORGOTTEN}",
            everyone,
            _INCOMING,
            _headers(version, header),
            _fields(header, controller, everyone) | comes | asked,
        ),
        Packet(
            f"{name} reports",
            f"nobody is told which groups this host wants, and {_FORGOTTEN}",
            routers,
            _OUTGOING,
            _headers(version, header),
            _fields(header, controller, routers) | goes | told,
        ),
    )


def _headers(version: int, *inner: str) -> frozenset[str]:
    return frozenset({"ip" if version == 4 else "ip6", *inner})


def _fields(
    header: str, source: IPv4Network | IPv6Network | None, destination: str
) -> dict[str, Value]:
    """Return what every packet has."""
    address = ip_network(destination)
    protocol = _PROTOCOLS[header]
    ip = "ip" if address.version == 4 else "ip6"
    return {
        f"{ip} saddr": source,
        f"{ip} daddr": address,
        "ip protocol": protocol,
        "ip6 nexthdr": protocol,
        "meta l4proto": protocol,
        "meta pkttype": frozenset({"multicast"}),
        "meta nfproto": frozenset({f"ipv{address.version}"}),
        "fib type": frozenset({"multicast"}),
        "fib oif": frozenset({"True"}),
        # Nobody answers what is sent to a group: each datagram is a new connection.
        "ct state": frozenset({"new"}),
        "ct status": _NONE,
    }


def _network(question: Question) -> IPv4Network | IPv6Network | None:
    """Return the interface's network: its hosts are meant where no source is named."""
    networks = [
        address.network
        for address in question.interface.addresses
        if address.version == question.group.version
    ]
    return min(networks, key=lambda network: network.is_link_local, default=None)
