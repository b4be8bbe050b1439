"""A program as people write them for multicast_expert, to be type-checked: it is never run."""

# ruff: noqa: UP045 - as people write them.
from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Optional, assert_type

import multicast_expert

ADDRESS = "239.1.2.3"


def pick() -> multicast_expert.IfaceInfo:
    """Return the default gateway's interface, or the first that there is."""
    found: multicast_expert.IfaceInfo | None
    found = multicast_expert.get_default_gateway_iface(socket.AF_INET)
    if found is None:
        found = multicast_expert.scan_interfaces()[0]
    index: int = found.index
    addresses: list[ipaddress.IPv4Interface] = list(found.ip4_addrs)
    print(found.machine_name, index, found.link_layer_address, addresses, found.is_localhost())
    return found


def specifiers() -> list[multicast_expert.IfaceSpecifier]:
    """Return each kind of specifier."""
    return ["eth0", ipaddress.ip_address("192.0.2.1"), pick()]


def talk() -> None:
    """Send and receive."""
    groups: list[multicast_expert.MulticastAddress] = [ADDRESS, ipaddress.ip_address("239.1.2.4")]
    multicast_expert.validate_mcast_ip(ADDRESS, socket.AF_INET)
    interfaces = multicast_expert.find_interfaces(specifiers(), ifaces=[pick()])
    with (
        multicast_expert.McastRxSocket(
            socket.AF_INET, groups, 5000, ifaces=interfaces, source_ips=["192.0.2.1"], timeout=1.5
        ) as rx,
        multicast_expert.McastTxSocket(socket.AF_INET, groups, iface=interfaces[0], ttl=2) as tx,
    ):
        rx.settimeout(None)
        tx.sendto(b"hello", (ADDRESS, 5000))
        received = rx.recvfrom(bufsize=65535)
        assert_type(received, Optional[tuple[bytes, multicast_expert.IPv4Or6Address]])
        if received is not None:
            data, address = received
            host: str = address[0]
            print(data.decode(), host, address[1])
        assert_type(rx.recv(), Optional[bytes])
        descriptors: list[int] = [*rx.filenos(), tx.fileno()]
        name: tuple[str, int] = tx.getsockname()
        print(descriptors, name, rx.network_interfaces, tx.network_interface)


async def listen() -> None:
    """Receive in asyncio."""
    with multicast_expert.AsyncMcastRxSocket(socket.AF_INET, [ADDRESS], 5000) as rx:
        data, address = await rx.recvfrom()
        assert_type(data, bytes)
        print(address, await rx.recv())


def main() -> None:
    """Do all of it."""
    try:
        talk()
        asyncio.run(listen())
    except multicast_expert.MulticastExpertError as error:
        ips: list[str] = multicast_expert.get_interface_ips(include_ipv6=False)
        print(error, ips, multicast_expert.get_default_gateway_iface_ip_v4())


if __name__ == "__main__":
    main()
