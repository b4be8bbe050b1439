"""Each fault is made in a namespace, seen by the doctor, mended by its command, and gone."""

from __future__ import annotations

import subprocess

import pytest

import mcast
from tests.examination import asking, assert_gone, assert_well, examine, find, find_one
from tests.hosts import Host, Network

GROUP4, GROUP6 = "239.1.2.3", "ff15::1"


@pytest.fixture
def host(network: Network) -> Host:
    """Return a healthy host."""
    return network.host("patient", eth0=0)


@pytest.mark.parametrize("group", [GROUP4, f"{GROUP4}:5000", GROUP6, f"[{GROUP6}]:5000"])
def test_a_healthy_host_is_well(host: Host, group: str) -> None:
    """Nothing is found, and the exit code is 0."""
    assert_well(host, group, "--interface", "eth0")


def test_a_scope_names_the_interface(network: Network) -> None:
    """An IPv6 group that carries its interface is looked at there."""
    host = network.host("patient", eth0=0, eth1=1)
    code, told = examine(host, "[ff12::1%eth1]:5000")
    assert (code, told["interface"]) == (0, "eth1")


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
    "one host": ([], ["ff01::1:1"], "does not leave the host that sends to it"),
    "ttl 0": ([], [GROUP4, "--ttl", "0"], "a ttl of 0 keeps datagrams on the host"),
    "ttl 1": (
        [], [GROUP4, "--source", "10.78.0.9", "--ttl", "1"],
        "a ttl of 1 keeps datagrams on the network",
    ),
    "link-local": (
        [], ["224.0.0.77", "--source", "10.78.0.9"], "stays on the network where it is sent",
    ),
    "link-local, IPv6": (
        [], ["ff12::77", "--source", "fd78::9"], "stays on the network where it is sent",
    ),
    "administratively scoped": (
        [], [GROUP4, "--source", "8.8.8.8"], "stays within one organisation",
    ),
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
    command = find_one(host, problem, *arguments)["command"]
    if command.startswith("mcast doctor "):
        # Another question is what mends it.
        _, _, *arguments = command.split()
        arguments = ["--interface", "eth0", *arguments]
    else:
        host.run("sh", "-c", command)
    assert_gone(host, problem, *arguments)


def test_an_unplugged_cable_is_found(host: Host) -> None:
    """No command plugs it in; the finding is gone when somebody has."""
    host.run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "far")
    host.run("ip", "link", "set", "cable", "up")
    host.run("ip", "address", "add", "10.99.0.1/24", "dev", "cable")
    (finding,) = find(host, GROUP4, "--interface", "cable")
    assert finding["problem"] == "cable has no carrier"
    host.run("ip", "link", "set", "far", "up")
    assert_well(host, GROUP4, "--interface", "cable")


def test_a_tunnel_that_wins_is_found(host: Host) -> None:
    """A VPN with the default route is what senders would choose; the command looks elsewhere."""
    host.run("ip", "link", "add", "vpn", "type", "veth", "peer", "name", "far")
    host.run("ip", "link", "set", "vpn", "up", "multicast", "off")
    host.run("ip", "address", "add", "10.8.0.1/32", "dev", "vpn")
    host.run("ip", "route", "add", "default", "dev", "vpn")
    findings = [
        item for item in find(host, GROUP4) if "no network for multicast" in item["problem"]
    ]
    assert [item["command"] for item in findings] == [f"mcast doctor {GROUP4} --interface eth0"]
    assert_well(host, GROUP4, "--interface", "eth0")


def test_a_bridge_of_containers_that_wins_is_found(host: Host) -> None:
    """A container's bridge with the default route is what senders would choose."""
    host.run("ip", "link", "add", "docker0", "type", "bridge", "mcast_snooping", "0")
    host.run("ip", "link", "add", "inside", "type", "veth", "peer", "name", "container")
    host.run("ip", "link", "set", "inside", "master", "docker0", "up")
    host.run("ip", "link", "set", "container", "up")
    host.run("ip", "link", "set", "docker0", "up")
    host.run("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
    host.run("ip", "route", "add", "default", "dev", "docker0")
    finding = find_one(host, "docker0 is a bridge of containers", GROUP4)
    assert finding["evidence"] == "`ip link show master docker0`: inside"
    assert finding["command"] == f"mcast doctor {GROUP4} --interface eth0"
    assert_well(host, *finding["command"].split()[2:])


def test_a_route_that_leads_elsewhere_is_found(network: Network) -> None:
    """Where a route for groups goes by another interface than the default one, it is told."""
    host = network.host("patient", eth0=0, eth1=1)
    host.configure("route add default dev eth0", "route add 224.0.0.0/4 dev eth1")
    problem = f"a route leads {GROUP4} to eth1, and not to eth0"
    host.run("sh", "-c", find_one(host, problem, GROUP4)["command"])
    assert_gone(host, problem, GROUP4)


@pytest.mark.parametrize(("group", "options"), [(GROUP4, []), (GROUP6, ["--ipv6"])])
def test_a_missing_querier_is_found(
    two_hosts: tuple[Host, Host], group: str, options: list[str]
) -> None:
    """Where nobody asks for members that is found; the command asks, and it is gone."""
    alice, bob = two_hosts
    problem = "nobody asks for members on eth0"
    finding = find_one(alice, problem, group, "--interface", "eth0", "--listen", "0.1")
    assert finding["command"] == " ".join(["mcast querier --interface eth0", *options])
    with asking(bob, *options):
        # Its second query comes after a quarter of the interval, 31 seconds.
        assert_well(alice, group, "--interface", "eth0", "--listen", "60")


def test_without_privilege_it_says_what_it_cannot_see(host: Host) -> None:
    """The firewall's rules are root's to see: the exit code is 2, and nothing is guessed."""
    ordinary = host.under("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    code, told = examine(ordinary, GROUP4, "--interface", "eth0")
    assert told["findings"] == []
    assert ["firewall" in item["subject"] for item in told["doubts"]] == [True]
    assert code == 2


def test_a_querier_is_heard_by_root_alone(host: Host) -> None:
    """Without CAP_NET_RAW it is said that nothing could be heard."""
    ordinary = host.under("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    code, told = examine(ordinary, GROUP4, "--interface", "eth0", "--listen", "0.1")
    subjects = [item["subject"] for item in told["doubts"]]
    assert "whether somebody asks for members on eth0" in subjects
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
    with pytest.raises(ValueError, match="ttl 256 is out of range"):
        mcast.doctor(GROUP4, interface="lo", ttl=256)
    with pytest.raises(ValueError, match="listen is a number of seconds"):
        mcast.doctor(GROUP4, interface="lo", listen=float("nan"))
