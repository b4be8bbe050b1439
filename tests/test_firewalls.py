"""Rules of nftables and iptables that throw multicast away are found, and others are not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import mcast
from tests.examination import assert_gone, assert_well, examine, find, find_one
from tests.hosts import TIMEOUT, Host, Network
from tests.skipping import skip_unless_ci

GROUP4, GROUP6 = "239.1.2.3", "ff15::1"
HERE = ["--interface", "eth0"]


@pytest.fixture
def host(network: Network, tmp_path: Path) -> Host:
    """Return a healthy host, where iptables takes no lock of the whole machine."""
    lock = f"XTABLES_LOCKFILE={tmp_path / 'lock'}"
    return network.host("patient", eth0=0).under("env", lock)


def obey(host: Host, commands: Iterable[str]) -> None:
    """Run each command by a shell."""
    for command in commands:
        program = command.split()[0]
        if shutil.which(program) is None:
            skip_unless_ci(f"{program} is missing: install nftables and iptables")
        host.run("sh", "-c", command)


FAULTS: dict[str, tuple[list[str], list[str], str]] = {
    # What makes the fault, what the doctor is asked, what it finds.
    "datagrams": (
        [
            "nft add table inet filter",
            "nft 'add chain inet filter input { type filter hook input priority 0; }'",
            "nft add rule inet filter input ip daddr 224.0.0.0/4 udp dport '{ 4000-6000 }' drop",
        ],
        [f"{GROUP4}:5000"],
        f"the firewall throws datagrams to {GROUP4} away",
    ),
    "IGMP": (
        [
            "nft add table ip filter",
            "nft 'add chain ip filter input { type filter hook input priority 0; }'",
            "nft add rule ip filter input ip protocol igmp drop",
        ],
        [GROUP4],
        "the firewall throws IGMP queries away",
    ),
    "MLD": (
        [
            "nft add table ip6 filter",
            "nft 'add chain ip6 filter input { type filter hook input priority 0; }'",
            "nft add rule ip6 filter input icmpv6 type mld-listener-query reject",
        ],
        [GROUP6],
        "the firewall throws MLD queries away",
    ),
    "jump to a chain that drops": (
        [
            "nft add table inet filter",
            "nft add chain inet filter more",
            "nft 'add chain inet filter input { type filter hook input priority 0; }'",
            "nft add rule inet filter input iifname '\"e*\"' jump more",
            "nft add rule inet filter more ct state vmap '{ established : accept, new : drop }'",
        ],
        [GROUP4],
        f"the firewall throws datagrams to {GROUP4} away",
    ),
    "a named set": (
        [
            "nft add table ip filter",
            ("nft 'add set ip filter groups { type ipv4_addr; flags interval; "
            "elements = { 239.0.0.0/8 }; }'"),
            "nft 'add chain ip filter input { type filter hook prerouting priority 0; }'",
            "nft add rule ip filter input ip daddr @groups udp dport '>= 5000' drop",
        ],
        [f"{GROUP4}:5000"],
        f"the firewall throws datagrams to {GROUP4} away",
    ),
    "a map of verdicts": (
        [
            "nft add table inet filter",
            ("nft 'add map inet filter ports { type inet_service : verdict; "
            "elements = { 5000 : drop }; }'"),
            "nft 'add chain inet filter input { type filter hook input priority 0; }'",
            "nft add rule inet filter input udp dport vmap @ports",
        ],
        [f"[{GROUP6}]:5000"],
        f"the firewall throws datagrams to {GROUP6} away",
    ),
    "reports": (
        [
            "nft add table ip filter",
            "nft 'add chain ip filter output { type filter hook output priority 0; }'",
            "nft add rule ip filter output meta l4proto igmp drop",
        ],
        [GROUP4],
        "the firewall throws IGMP reports away",
    ),
    "iptables, datagrams": (
        [
            "iptables-nft -N more",
            ("iptables-nft -A INPUT -p udp -m udp --dport 5000 -m pkttype --pkt-type multicast "
            "-j more"),
            "iptables-nft -A more -m comment --comment 'no \"streams\" here' ! -i lo -j DROP",
        ],
        [f"{GROUP4}:5000"],
        f"the firewall throws datagrams to {GROUP4} away",
    ),
    "iptables, queries": (
        ["iptables-nft -A INPUT -p igmp -m addrtype --dst-type MULTICAST -j REJECT"],
        [GROUP4],
        "the firewall throws IGMP queries away",
    ),
    "ip6tables, queries": (
        [("ip6tables-nft -A INPUT -m addrtype --dst-type MULTICAST -p icmpv6 "
         "--icmpv6-type 130 -j DROP")],
        [GROUP6],
        "the firewall throws MLD queries away",
    ),
    "older iptables": (
        [("iptables-legacy -t raw -A PREROUTING -d 239.0.0.0/8 -p udp -m multiport "
         "--dports 4000:6000 -j DROP")],
        [f"{GROUP4}:5000"],
        f"the firewall throws datagrams to {GROUP4} away",
    ),
    "older ip6tables": (
        ["ip6tables-legacy -P OUTPUT DROP"], [GROUP6], "the firewall throws MLD reports away",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_rule_is_found_and_deleted(host: Host, name: str) -> None:
    """The finding is there, its command runs, and it is gone."""
    made, arguments, problem = FAULTS[name]
    obey(host, made)
    finding = find_one(host, problem, *arguments, *HERE)
    host.run("sh", "-c", finding["command"])
    assert_gone(host, problem, *arguments, *HERE)


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


HARMLESS: dict[str, list[str]] = {
    "what desktops have": [
        "nft add table inet filter",
        "nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'",
        (
            "nft add rule inet filter input ct state vmap "
            "'{ established : accept, related : accept, invalid : drop }'"
        ),
        "nft add rule inet filter input iifname lo accept",
        "nft add rule inet filter input tcp dport 22 accept",
        "nft add rule inet filter input fib saddr . iif oif missing drop",
        "nft add rule inet filter input ip saddr 192.0.2.0/24 drop",
        "nft add rule inet filter input meta pkttype multicast accept",
        "nft add rule inet filter input limit rate 5/minute log",
    ],
    "another interface's": [
        "iptables-nft -A INPUT -i wlan+ -d 224.0.0.0/4 -j DROP",
        "iptables-nft -A INPUT ! -i eth0 -p udp -j DROP",
        "ip6tables-nft -A INPUT -i wlan0 -m addrtype --dst-type MULTICAST -j DROP",
    ],
    "a chain that returns": [
        "iptables-legacy -N more",
        "iptables-legacy -A more -d 239.0.0.0/8 -j RETURN",
        "iptables-legacy -A more -p igmp -j RETURN",
        "iptables-legacy -A more -j DROP",
        "iptables-legacy -A INPUT -j more",
    ],
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_rule_that_lets_multicast_through_is_no_finding(host: Host, name: str) -> None:
    """What rules say of others, and what comes before them, is understood."""
    obey(host, HARMLESS[name])
    for group in (GROUP4, GROUP6):
        assert_well(host, group, *HERE)


@pytest.mark.parametrize(
    "rule", ["udp dport 5000 drop", "ip saddr 10.77.0.9 drop", "limit rate over 5/second drop"]
)
def test_what_depends_on_the_datagram_is_a_doubt(host: Host, rule: str) -> None:
    """Where port, source or time decide, it is said that the doctor cannot tell."""
    host.run("nft", "add table ip filter")
    host.run("nft", "add chain ip filter input { type filter hook input priority 0; }")
    host.run("nft", f"add rule ip filter input {rule}")
    code, told = examine(host, GROUP4, *HERE)
    assert (told["findings"], code) == ([], 2)
    assert told["doubts"][0]["subject"] == (
        f"whether the firewall lets datagrams to {GROUP4} through"
    )
    assert "rule with handle" in told["doubts"][0]["why"]


def test_a_port_or_a_source_ends_the_doubt(host: Host) -> None:
    """Named, they make it a finding, or none."""
    host.run("nft", "add table ip filter")
    host.run("nft", "add chain ip filter input { type filter hook input priority 0; }")
    host.run("nft", "add rule ip filter input ip saddr 10.77.0.9 udp dport 5000 drop")
    assert_well(host, f"{GROUP4}:5001", *HERE, "--source", "10.77.0.9")
    assert_well(host, f"{GROUP4}:5000", *HERE, "--source", "10.77.0.8")
    problem = f"the firewall throws datagrams to {GROUP4} away"
    find_one(host, problem, f"{GROUP4}:5000", *HERE, "--source", "10.77.0.9")


ALICE = "10.77.0.1"
REQUEST = "239.8.8.8"
MARKER = "239.9.9.9"
"""A group that every generated firewall lets through first."""
_COMPARISONS = {
    "nft": [
        "ip daddr 239.0.0.0/8", "ip daddr != 224.0.0.0/4", "ip daddr { 239.1.2.3, 10.0.0.1 }",
        "ip daddr 239.1.2.4-239.1.2.9", "ip saddr 10.77.0.0/24", "ip saddr != 10.77.0.1",
        "udp dport 5000", "udp dport != 5000", "udp dport { 1-10, 4000-6000 }", "udp dport < 5000",
        "th dport 5000", "tcp dport 5000", "tcp dport != 5000", "meta l4proto udp",
        "meta l4proto { tcp, igmp }", "ip protocol != udp", "iifname eth0", "iifname != lo",
        "iifname e*", "meta pkttype multicast", "fib daddr type multicast", "ct state new",
        "ct state established,related", "ct state != invalid", "ip6 daddr ff00::/8",
        "meta nfproto ipv4", "icmpv6 type mld-listener-query", "oifname != eth0",
    ],
    "iptables": [
        "-d 239.0.0.0/8", "! -d 224.0.0.0/4", "-s 10.77.0.0/24", "! -s 10.77.0.1", "-p udp",
        "! -p udp", "-p igmp", "-p udp -m udp --dport 5000", "-p udp -m udp ! --dport 4000:4999",
        "-p udp -m multiport --dports 1:10,5000", "-p tcp -m tcp --dport 5000", "-i eth0", "-i e+",
        "! -i lo", "-m pkttype --pkt-type multicast", "-m addrtype --dst-type MULTICAST",
        "-m conntrack --ctstate NEW", "-m conntrack ! --ctstate ESTABLISHED,RELATED",
        "-m iprange --dst-range 239.1.2.0-239.1.2.9", "-m comment --comment \"it's -j DROP\"",
    ],
}  # fmt: skip
_VERDICTS = {
    "nft": ["accept", "drop", "return", "jump more", "goto more", "counter", "reject"],
    "iptables": [f"-{how}" for how in ("j ACCEPT", "j DROP", "j RETURN", "j more", "g more")],
}


@st.composite
def rulesets(draw: st.DrawFn, program: str) -> str:
    """Return what loads a firewall: an input chain, and another one that it may jump to."""
    policy = draw(st.sampled_from(["accept", "drop"]))

    def rules(verdicts: list[str]) -> list[str]:
        number = draw(st.integers(0, 3))
        return [
            " ".join(
                [
                    *draw(st.lists(st.sampled_from(_COMPARISONS[program]), max_size=1)),
                    draw(st.sampled_from(verdicts)),
                ]
            )
            for _ in range(number)
        ]

    verdicts = _VERDICTS[program]
    more = rules([item for item in verdicts if not item.endswith("more")])
    if program == "nft":
        return "\n".join([
            "flush ruleset", "table inet filter {", "chain more {", *more, "}", "chain input {",
            f"type filter hook input priority 0; policy {policy};", f"ip daddr {MARKER} accept",
            *rules(verdicts), "}", "}", "",
        ])  # fmt: skip
    return "\n".join([
        "*filter", f":INPUT {policy.upper()} [0:0]", ":more - [0:0]",
        f"-A INPUT -d {MARKER} -j ACCEPT",
        *[f"-A more {rule}" for rule in more], *[f"-A INPUT {rule}" for rule in rules(verdicts)],
        "COMMIT", "",
    ])  # fmt: skip


def answer_requests() -> Iterator[str]:
    """For each request send to the group, and then to the marker's, until ended."""
    with (
        mcast.McastRx(REQUEST, 5000, interfaces="eth0") as rx,
        mcast.McastTx(interface="eth0") as tx,
    ):
        yield "ready"
        for _ in rx:
            for group in (GROUP4, MARKER):
                tx.sendto(b"", (group, 5000))


def compare(program: list[str], firewalls: list[str]) -> list[tuple[bool, bool, bool]]:
    """Return for each firewall whether a datagram arrives, a loss is found, there is a doubt."""
    seen: list[tuple[bool, bool, bool]] = []
    with (
        mcast.McastRx([GROUP4, MARKER], 5000, interfaces="eth0", timeout=TIMEOUT) as rx,
        mcast.McastTx(REQUEST, 5000, interface="eth0") as tx,
    ):
        for firewall in firewalls:
            subprocess.run(program, input=firewall, text=True, check=True)
            tx.send(b"")
            arrives = str(rx.recv().group) == GROUP4
            if arrives:
                rx.recv()
            told = mcast.doctor(GROUP4, 5000, interface="eth0", source=ALICE)
            words = f"datagrams to {GROUP4}"
            seen.append((
                arrives,
                any(words in item.problem for item in told.findings),
                any(words in item.subject for item in told.doubts),
            ))  # fmt: skip
    return seen


@pytest.mark.parametrize(
    ("program", "load"), [("nft", ["nft", "-f", "-"]), ("iptables", ["iptables-nft-restore"])]
)
def test_the_doctor_and_the_kernel_agree(network: Network, program: str, load: list[str]) -> None:
    """Whatever the rules, a loss is found just where the kernel lets nothing through."""
    if shutil.which(load[0]) is None:
        skip_unless_ci(f"{load[0]} is missing: install nftables and iptables")
    alice, bob = network.host("alice", eth0=0), network.host("bob", eth0=0)
    assert alice.address("eth0", "inet") == ALICE

    # What fails is told as it is: making it smaller would take minutes.
    @settings(max_examples=10, phases=[Phase.generate])
    @given(st.lists(rulesets(program), min_size=10, max_size=20))
    def agree(firewalls: list[str]) -> None:
        for rules, (arrives, found, doubted) in zip(
            firewalls, bob.call(compare, load, firewalls), strict=True
        ):
            assert (found, doubted) == (not arrives, False), rules

    with alice.start(answer_requests) as answering:
        assert answering.next() == "ready"
        agree()
