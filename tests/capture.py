"""What goes over the wire, captured and decoded."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from scapy.layers.igmp import IGMPv3_MR
from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6MLReport2, IPv6
from scapy.layers.l2 import Ether

from tests.hosts import TIMEOUT


def watch(interface: str, group: str, end: str) -> Iterator[Any]:
    """Yield each report's records for `group`, and whose datagrams came by until one to `end`."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap:
        tap.bind((interface, 3))
        tap.settimeout(TIMEOUT)
        yield "ready"
        sources: set[str] = set()
        while True:
            frame = Ether(tap.recv(65535))
            packet = frame.getlayer(IP) or frame.getlayer(IPv6)
            if packet is None:
                continue
            if IGMPv3_MR in frame:
                for record in frame[IGMPv3_MR].records:
                    if record.maddr == group:
                        yield [record.rtype, sorted(record.srcaddrs)]
            elif ICMPv6MLReport2 in frame:
                for record in frame[ICMPv6MLReport2].records:
                    if record.dst == group:
                        yield [record.rtype, sorted(record.sources)]
            elif packet.dst == group:
                sources.add(packet.src)
            elif packet.dst == end and bytes(packet.payload.payload) == b"end":
                yield ["passed", *sorted(sources)]
                sources.clear()
