"""Each fault is made in a namespace, seen by the doctor, mended by its command, and gone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

import mcast
from tests.hosts import Host, Network, RemoteError

GROUP4, GROUP6 = "239.1.2.3", "ff15::1"


@pytest.fixture
def host(network: Network) -> Host:
    """Return a healthy host."""
    return network.host("patient", eth0=0)


def examine(host: Host, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `mcast doctor --json`, and what it says."""
    process = host.popen(*host.interpreter, "-m", "mcast", "doctor", "--json", *arguments)
    told, errors = process.communicate(timeout=60)
    assert told, errors
    return process.returncode, json.loads(told)


def assert_well(host: Host, *arguments: str) -> None:
    """Assert that nothing is found, and nothing left out."""
    code, told = examine(host, *arguments)
    assert (told["findings"], told["doubts"], code) == ([], [], 0)


def find(host: Host, *arguments: str) -> list[dict[str, str]]:
    """Return what is found, which has all that a finding has."""
    code, told = examine(host, *arguments)
    findings: list[dict[str, str]] = told["findings"]
    assert code == 1
    for finding in findings:
        assert all(finding[part] for part in ("problem", "why", "evidence", "command"))
    return findings


@pytest.mark.parametrize("group", [GROUP4, f"{GROUP4}:5000", GROUP6, f"[{GROUP6}]:5000"])
def test_a_healthy_host_is_well(host: Host, group: str) -> None:
    """Nothing is found, and the exit code is 0."""
    assert_well(host, group, "--interface", "eth0")


def test_it_changes_nothing(host: Host) -> None:
    """The host is as it was, and no group stays joined."""
    looks = (["ip", "maddress"], ["ip", "address"], ["nft", "list", "ruleset"])
    before = [host.run(*look) for look in looks]
    settings = host.run("sh", "-c", "sysctl -a --pattern 'net.ipv[46].conf' 2>/dev/null")
    assert_well(host, GROUP4, "--interface", "eth0")
    assert [host.run(*look) for look in looks] == before
    assert host.run("sh", "-c", "sysctl -a --pattern 'net.ipv[46].conf' 2>/dev/null") == settings


FAULTS: dict[str, tuple[list[str], list[str], str]] = {
    # What makes the fault, what the doctor is asked, what it finds.
    "down": (["ip link set eth0 down"], [GROUP4], "eth0 is switched off"),
    "no multicast": (["ip link set eth0 multicast off"], [GROUP4], "does not take multicast"),
    "IPv6 off": (["sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1"], [GROUP6], "does not speak IPv6"),
    "no address": (["ip address flush dev eth0 scope global"], [GROUP4], "has no IPv4 address"),
    "no IPv6 address": (["ip -6 address flush dev eth0"], [GROUP6], "has no IPv6 address"),
    "IGMP version": (
        ["sysctl -qw net.ipv4.conf.eth0.force_igmp_version=2"], [GROUP4],
        "IGMP is held at version 2",
    ),
    "IGMP version of all": (
        ["sysctl -qw net.ipv4.conf.all.force_igmp_version=1"], [GROUP4],
        "IGMP is held at version 1",
    ),
    "MLD version": (
        ["sysctl -qw net.ipv6.conf.eth0.force_mld_version=1"], [GROUP6], "MLD is held at version 1",
    ),
    "reverse path, strict": (
        [
            "sysctl -qw net.ipv4.conf.eth0.rp_filter=1",
            "ip link add other type veth peer name far && ip link set other up",
            "ip address add 198.51.100.1/24 dev other",
        ],
        [GROUP4, "--source", "198.51.100.7"],
        "the reverse path filter throws away what 198.51.100.7 sends",
    ),
    "reverse path, loose": (
        ["sysctl -qw net.ipv4.conf.all.rp_filter=2"],
        [GROUP4, "--source", "203.0.113.9"],
        "the reverse path filter throws away what 203.0.113.9 sends",
    ),
    "firewall, datagrams": (
        [
            "nft add table inet filter",
            "nft 'add chain inet filter input { type filter hook input priority 0; }'",
            "nft add rule inet filter input ip daddr 224.0.0.0/4 udp dport '{ 4000-6000 }' drop",
        ],
        [f"{GROUP4}:5000"],
        f"the firewall throws datagrams to {GROUP4} away",
    ),
    "firewall, IGMP": (
        [
            "nft add table ip filter",
            "nft 'add chain ip filter input { type filter hook input priority 0; }'",
            "nft add rule ip filter input ip protocol igmp drop",
        ],
        [GROUP4],
        "the firewall throws IGMP queries away",
    ),
    "firewall, MLD": (
        [
            "nft add table ip6 filter",
            "nft 'add chain ip6 filter input { type filter hook input priority 0; }'",
            "nft add rule ip6 filter input icmpv6 type mld-listener-query reject",
        ],
        [GROUP6],
        "the firewall throws MLD queries away",
    ),
    "bridge without a querier": (
        ["ip link add br0 type bridge mcast_snooping 1", "ip link set br0 up"],
        [GROUP4, "--interface", "br0"],
        "bridge br0 listens for members, and nobody asks",
    ),
    "port of a bridge without a querier": (
        ["ip link add br0 type bridge && ip link set br0 up && ip link set eth0 master br0"],
        [GROUP6],
        "bridge br0 listens for members, and nobody asks",
    ),
    "loopback without a route": (
        ["ip link set lo up"],
        [GROUP6, "--interface", "lo"],
        "lo does not bring a datagram back",
    ),
    "source-specific": ([], ["232.1.2.3"], "is source-specific, and no source is named"),
    "twin": ([], ["239.128.0.5"], "shares its Ethernet address with 224.0.0.5"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_mended(host: Host, name: str) -> None:
    """The finding is there, its command runs, and it is gone."""
    made, arguments, problem = FAULTS[name]
    if "--interface" not in arguments:
        arguments = [*arguments, "--interface", "eth0"]
    for command in made:
        host.run("sh", "-c", command)
    (finding,) = [item for item in find(host, *arguments) if problem in item["problem"]]
    command = finding["command"]
    if command.startswith("mcast doctor "):
        # Another question is what mends it.
        _, _, *asked = command.split()
        _, told = examine(host, *asked, "--interface", "eth0")
    else:
        host.run("sh", "-c", command)
        _, told = examine(host, *arguments)
    assert not [item for item in told["findings"] if problem in item["problem"]]


def test_an_unplugged_cable_is_found(host: Host) -> None:
    """No command plugs it in; the finding is gone when somebody has."""
    host.run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "far")
    host.run("ip", "link", "set", "cable", "up")
    host.run("ip", "address", "add", "10.99.0.1/24", "dev", "cable")
    (finding,) = find(host, GROUP4, "--interface", "cable")
    assert finding["problem"] == "cable has no carrier"
    host.run("ip", "link", "set", "far", "up")
    assert_well(host, GROUP4, "--interface", "cable")


def test_a_policy_that_accepts_nothing_is_found(host: Host) -> None:
    """Where nothing is accepted, both the datagrams and the queries are told of, and mended."""
    host.run("nft", "add table inet filter")
    host.run(
        "nft", "add chain inet filter input { type filter hook input priority 0; policy drop; }"
    )
    host.run("nft", "add rule inet filter input meta iifname lo accept")
    findings = find(host, GROUP4, "--interface", "eth0")
    assert len(findings) == 2
    for finding in findings:
        host.run("sh", "-c", finding["command"])
    assert_well(host, GROUP4, "--interface", "eth0")


def hold_port(port: int) -> Iterator[str]:
    """Hold a port for this process alone."""
    import socket  # noqa: PLC0415 - in that process.

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("", port))
        yield "held"
        holder.recv(1)


def test_a_port_that_is_held_is_found(host: Host, port: int) -> None:
    """Whose it is is told, and ending that process frees it."""
    with host.start(hold_port, port) as holder:
        assert holder.next() == "held"
        (finding,) = find(host, f"{GROUP4}:{port}", "--interface", "eth0")
        assert f"port {port} is held" in finding["problem"]
        assert f"(process {holder.pid})" in finding["evidence"]
        host.run("sh", "-c", finding["command"])
        with pytest.raises(RemoteError):
            holder.next()
        assert_well(host, f"{GROUP4}:{port}", "--interface", "eth0")


def test_a_tunnel_that_wins_is_found(host: Host) -> None:
    """A VPN with the default route is what senders would choose; the command looks elsewhere."""
    host.run("ip", "link", "add", "vpn", "type", "veth", "peer", "name", "far")
    host.run("ip", "link", "set", "vpn", "up", "multicast", "off")
    host.run("ip", "address", "add", "10.8.0.1/32", "dev", "vpn")
    host.run("ip", "route", "add", "default", "dev", "vpn")
    findings = [
        item for item in find(host, GROUP4) if "no network for multicast" in item["problem"]
    ]
    assert [item["command"] for item in findings] == ["mcast doctor --interface eth0"]
    assert_well(host, GROUP4, "--interface", "eth0")


def test_without_privilege_it_says_what_it_cannot_see(host: Host) -> None:
    """The firewall's rules are root's to see: the exit code is 2, and nothing is guessed."""
    ordinary = host.under("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    code, told = examine(ordinary, GROUP4, "--interface", "eth0")
    assert told["findings"] == []
    assert ["firewall" in item["subject"] for item in told["doubts"]] == [True]
    assert code == 2


def test_people_are_told_in_lines(host: Host) -> None:
    """Without --json it is text, and commands stand on one line."""
    host.run("ip", "link", "set", "eth0", "multicast", "off")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        host.run(*host.interpreter, "-m", "mcast", "doctor", GROUP4, "--interface", "eth0")
    lines = caught.value.output.splitlines()
    assert lines[0] == f"{GROUP4} on eth0"
    assert "  mended by       ip link set eth0 multicast on" in lines


def test_what_cannot_be_asked_is_refused() -> None:
    """Errors are those of the rest of the library."""
    with pytest.raises(mcast.AddressError):
        mcast.doctor("10.0.0.1")
    with pytest.raises(mcast.InterfaceError):
        mcast.doctor(interface="nosuch0")
    with pytest.raises(mcast.AddressError):
        mcast.doctor(GROUP4, 0, interface="lo")
