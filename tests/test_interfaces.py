"""The list of interfaces, finding one in it, and the default one."""

from __future__ import annotations

import socket
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import Any

import pytest

import mcast
import mcast_lowlevel
from tests.hosts import Host, Network

COUNT = 200


def listed() -> list[dict[str, Any]]:
    """Return this host's interfaces as `mcast.interfaces` has them, in JSON's types."""
    return [
        {
            "name": item.name,
            "index": item.index,
            "link_address": item.link_address,
            "mtu": item.mtu,
            "flags": {
                "UP": item.is_up,
                "LOOPBACK": item.is_loopback,
                "POINTOPOINT": item.is_point_to_point,
                "MULTICAST": item.supports_multicast,
            },
            "running": item.is_running,
            "addresses": sorted(str(address) for address in (*item.ipv4, *item.ipv6)),
        }
        for item in mcast.interfaces()
    ]


def told_by_ip(host: Host) -> list[dict[str, Any]]:
    """Return the same from ``ip -json address``."""
    records: list[dict[str, Any]] = []
    for link in host.ip("address", "show"):
        addresses: list[str] = []
        for item in link["addr_info"]:
            scope = f"%{link['ifname']}" if item["scope"] == "link" and ":" in item["local"] else ""
            addresses.append(f"{item['local']}{scope}/{item['prefixlen']}")
        records.append(
            {
                "name": link["ifname"],
                "index": link["ifindex"],
                "link_address": link.get("address"),
                "mtu": link["mtu"],
                "flags": {
                    flag: flag in link["flags"]
                    for flag in ("UP", "LOOPBACK", "POINTOPOINT", "MULTICAST")
                },
                # What IFF_RUNNING stands for: RFC 2863's operational state up or unknown.
                "running": "UP" in link["flags"] and link["operstate"] in {"UP", "UNKNOWN"},
                "addresses": sorted(addresses),
            }
        )
    return sorted(records, key=lambda record: record["index"])


@pytest.fixture
def crowded(network: Network) -> Host:
    """Return a host with 200 interfaces: up and down, with and without addresses and aliases."""
    host = network.host("crowded")
    lines = [
        f"link add even{i} mtu {1400 + i} type veth peer name odd{i + 1}"
        for i in range(0, COUNT, 2)
    ]
    for i in range(0, COUNT, 4):
        lines += [
            f"link set even{i} up",
            f"link set odd{i + 1} up",
            f"address add 10.{i}.0.1/24 dev even{i}",
            f"address add 10.{i}.1.1/16 dev even{i} label even{i}:1",
            f"address add 10.{i}.2.1/32 peer 10.{i}.2.2/32 dev even{i}",
            f"address add fd00:{i}::1/64 dev even{i} nodad",
            f"address add fe80::{i + 1:x}/64 dev odd{i + 1} nodad",
        ]
    lines.append("link set even4 alias uplink")
    host.configure(*lines)
    return host


def test_two_hundred_interfaces_agree_with_ip(crowded: Host) -> None:
    """Names, indices, addresses, MTU, link addresses and flags are those that ip tells."""
    expected = told_by_ip(crowded)
    assert len(expected) == COUNT + 1
    assert crowded.call(listed) == expected


def bind_to_all() -> int:
    """Bind a socket to each address of each interface, and return how many there are."""
    bound = 0
    for item in mcast.interfaces():
        for address in (*item.addresses(socket.AF_INET), *item.addresses(socket.AF_INET6)):
            ((family, kind, _, _, sockaddr), *_) = socket.getaddrinfo(
                str(address), 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
            )
            with socket.socket(family, kind) as sock:
                sock.bind(sockaddr)
                bound += 1
    return bound


def test_every_address_can_be_bound_to(crowded: Host) -> None:
    """A socket can be bound to each address as it is told, a link-local one by its scope."""
    expected = sum(len(record["addresses"]) for record in told_by_ip(crowded))
    assert crowded.call(bind_to_all) == expected
    assert expected > COUNT


def descriptions() -> dict[str, str]:
    """Return the interfaces that have a description."""
    return {item.name: item.description for item in mcast.interfaces() if item.description}


def test_the_description_is_the_links_alias(crowded: Host) -> None:
    """What the administrator wrote to an interface (ip link set alias) is its description."""
    assert crowded.call(descriptions) == {"even4": "uplink"}


def names_found(*specs: str | int) -> list[list[str]]:
    """Return the names of what each specifier finds."""
    return [[item.name for item in mcast.find_interfaces(spec)] for spec in specs]


def test_interfaces_are_found_by_name_index_and_address(network: Network) -> None:
    """A name, an index as number or text and an address with or without scope find one."""
    host = network.host("host", eth0=0, eth1=1)
    index = host.ip("address", "show", "dev", "eth1")[0]["ifindex"]
    local = host.address("eth1", "inet6", "link")
    specs: list[str | int] = ["eth1", index, str(index), host.address("eth1", "inet")]
    specs += [host.address("eth1", "inet6"), local, f"{local}%eth1", f"{local}%{index}"]
    assert host.call(names_found, *specs) == [["eth1"]] * len(specs)


def test_a_shared_address_finds_all_its_interfaces(network: Network) -> None:
    """An address that several interfaces have finds each of them; a scope tells them apart."""
    host = network.host("host", eth0=0, eth1=1)
    for name in ("eth0", "eth1"):
        host.configure(f"address add fe80::77/64 dev {name} nodad")
    found = host.call(names_found, "fe80::77", "fe80::77%eth1")
    assert found == [["eth0", "eth1"], ["eth1"]]


def names_beat_numbers() -> list[str]:
    """Return what the text of an index finds where an interface is called so."""
    return [item.name for item in mcast.find_interfaces("1")]


def test_a_name_comes_before_an_index(network: Network) -> None:
    """An interface that is called like another's index is found by its name."""
    host = network.host("host")
    host.configure("link add 1 type veth peer name other")
    assert host.call(names_beat_numbers) == ["1"]


def test_objects_find_interfaces() -> None:
    """Address objects, with prefix length too, and interfaces themselves find one."""
    loopback = next(item for item in mcast.interfaces() if item.is_loopback)
    for spec in (ip_address("127.0.0.1"), IPv4Interface("127.0.0.1/8"), loopback):
        assert mcast.find_interfaces(spec) == [loopback]
    if loopback.ipv6:
        assert mcast.find_interfaces(IPv6Interface("::1/128")) == [loopback]


def test_among_limits_where_to_look() -> None:
    """Only the interfaces given are searched."""
    with pytest.raises(mcast.InterfaceError, match="there are: none"):
        mcast.find_interfaces("lo", among=[])


@pytest.mark.parametrize(
    "spec", ["nosuch0", 0, -1, 4_000_000, "192.0.2.200", "fe80::1%nosuch0", ""]
)
def test_what_is_not_there_is_named(spec: str | int) -> None:
    """The error for an unknown interface names it and those that there are."""
    with pytest.raises(mcast.InterfaceError) as caught:
        mcast.find_interfaces(spec)
    assert repr(spec) in str(caught.value)
    assert "lo (index 1)" in str(caught.value)
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("spec", [None, 1.5, True, b"lo", ["lo"]])
def test_what_cannot_name_an_interface_is_refused_by_type(spec: Any) -> None:
    """A value of a type that names no interface is a TypeError that says what would."""
    with pytest.raises(TypeError, match=f"not {type(spec).__name__}"):
        mcast.find_interfaces(spec)


def test_interfaces_can_be_keys() -> None:
    """An interface is equal to itself listed again, and hashable."""
    assert set(mcast.interfaces()) == set(mcast.interfaces())


def default_names() -> list[str | None]:
    """Return the names of the default interfaces of IPv4 and IPv6."""
    found = [mcast.default_interface(family) for family in (socket.AF_INET, socket.AF_INET6)]
    return [item.name if item else None for item in found]


def test_the_default_interface_is_the_one_of_the_default_route(network: Network) -> None:
    """Each family has its own; the lowest metric counts, and other tables do not."""
    host = network.host("host", eth0=0, eth1=1, eth2=2)
    assert host.call(default_names) == [None, None]
    host.configure(
        "route add default dev eth0 table 100",
        "route add default dev eth1 metric 50",
        "route add default dev eth2 metric 60",
        "route add unreachable default metric 10",
        "route add 10.0.0.0/8 dev eth0",
        "route add ::/0 dev eth0 metric 2000",
        "route add ::/0 dev eth2 metric 1000",
        "route add unreachable ::/0 metric 10",
    )
    assert host.call(default_names) == ["eth1", "eth2"]


def test_a_default_route_of_several_hops_has_the_first_interface(network: Network) -> None:
    """Of a multipath default route the first hop's interface counts."""
    host = network.host("host", eth0=0, eth1=1)
    host.configure("route add default nexthop dev eth1 weight 1 nexthop dev eth0 weight 1")
    assert host.call(default_names) == ["eth1", None]


def test_a_default_interface_has_one_of_two_families() -> None:
    """Another family than IPv4's and IPv6's is refused."""
    with pytest.raises(mcast.AddressError, match=r"neither socket\.AF_INET nor socket\.AF_INET6"):
        mcast.default_interface(socket.AF_UNIX)


def getifaddrs_as_ip() -> list[list[str]]:
    """Return getifaddrs' IPv4 and IPv6 addresses with the labels they come under."""
    return sorted(
        [record.ifa_name, str(record.ifa_addr[0])]
        for record in mcast_lowlevel.getifaddrs()
        if isinstance(record.ifa_addr, mcast_lowlevel.SockaddrIn | mcast_lowlevel.SockaddrIn6)
    )


def link_layer_by_getifaddrs() -> dict[str, list[Any]]:
    """Return getifaddrs' link layer addresses by name."""
    return {
        record.ifa_name: [record.ifa_addr.index, record.ifa_addr.link_address.hex(":")]
        for record in mcast_lowlevel.getifaddrs()
        if isinstance(record.ifa_addr, mcast_lowlevel.SockaddrLink)
    }


def test_getifaddrs_tells_what_ip_tells(crowded: Host) -> None:
    """The low level's list has every address under its label, and every link layer address."""
    links = crowded.ip("address", "show")
    addresses = [
        [item.get("label", link["ifname"]), item["local"]]
        for link in links
        for item in link["addr_info"]
    ]
    assert crowded.call(getifaddrs_as_ip) == sorted(addresses)
    assert crowded.call(link_layer_by_getifaddrs) == {
        link["ifname"]: [link["ifindex"], link["address"]] for link in links
    }
