"""Reading iptables' rules, as ``iptables-save`` prints them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from .firewall import UNKNOWN, Chain, Comparison, Jump, Rule, Table, Verdict

_VERDICTS: Final = {
    "ACCEPT": Verdict.ACCEPT,
    "DROP": Verdict.DROP,
    "REJECT": Verdict.DROP,
    "RETURN": Verdict.RETURN,
}
_FIELDS: Final = {
    # By option: the field in nft's words. ``{}`` is the header of this version of IP.
    "-s": "{} saddr",
    "-d": "{} daddr",
    "-i": "meta iifname",
    "-o": "meta oifname",
    "-p": "meta l4proto",
    "--dport": "udp dport",
    "--dports": "udp dport",
    "--sport": "udp sport",
    "--sports": "udp sport",
    "--src-range": "{} saddr",
    "--dst-range": "{} daddr",
    "--pkt-type": "meta pkttype",
    "--dst-type": "fib type",
    "--ctstate": "ct state",
    "--state": "ct state",
    "--icmpv6-type": "icmpv6 type",
}
_PORTS: Final = {"--dport", "--dports", "--sport", "--sports"}
_INTERFACES: Final = {"-i", "-o"}
_MODULES: Final = {
    "addrtype", "comment", "conntrack", "icmp6", "iprange", "multiport", "pkttype", "state", "tcp",
    "udp",
}  # fmt: skip
"""Whose options, which are all that they look at, stand above or change nothing."""


def tables(saved: str, program: str, version: int) -> Iterator[tuple[str, Table]]:
    """Yield each table with its name. `program` is the iptables that changes them."""
    for part in saved.split("\n*")[1:]:
        name, *lines = part.splitlines()
        policies = dict(line[1:].split(" ")[:2] for line in lines if line.startswith(":"))
        rules: dict[str, list[Rule]] = {chain: [] for chain in policies}
        command = f"{program} -t {name}"
        for line in lines:
            if line.startswith("-A "):
                _, chain, *words = shlex.split(line)
                rules[chain] += _rule(line, words, command, version, set(policies))
        yield (
            name,
            {
                chain: Chain(
                    rules[chain],
                    None if policy == "-" else chain.lower(),
                    policy == "DROP",
                    f"{command}: chain {chain} has the policy DROP, and no rule that accepts them",
                    f"{command} -A {chain} -d {{}} -j ACCEPT",
                )
                for chain, policy in policies.items()
            },
        )


def _rule(
    line: str, words: Sequence[str], command: str, version: int, chains: set[str]
) -> Iterator[Rule]:
    """Yield the rule, unless it decides nothing."""
    comparisons, target, returns = _read(words, "ip" if version == 4 else "ip6")
    evidence, removal = f"{command}: {line}", f"{command} -D {line.removeprefix('-A ')}"
    if target in _VERDICTS:
        yield Rule(comparisons, _VERDICTS[target], evidence, removal)
    elif target in chains:
        yield Rule(comparisons, Jump(target, returns), evidence, removal)
    elif target in {"NFQUEUE", "QUEUE"}:  # Another program decides.
        yield Rule([*comparisons, UNKNOWN], Verdict.DROP, evidence, removal)


def _read(words: Sequence[str], ip: str) -> tuple[list[Comparison], str, bool]:
    """Return what a rule compares, its target, and whether that one's end leads back."""
    comparisons: list[Comparison] = []
    is_negated = False
    rest = iter(words)
    for word in rest:
        if word in {"-j", "-g"}:  # What follows is the target's.
            return comparisons, next(rest), word == "-j"
        if word == "--comment":
            next(rest)
        elif word == "-m":
            comparisons += [] if next(rest) in _MODULES else [UNKNOWN]
        elif word in _FIELDS:
            field = _FIELDS[word].format(ip)
            comparisons.append(Comparison(field, _values(word, next(rest)), is_negated))
        elif word.startswith("-"):  # Its values follow, if it has any.
            comparisons.append(UNKNOWN)
        is_negated = word == "!"
    return comparisons, "", True


def _values(option: str, text: str) -> list[str]:
    if option in _INTERFACES:
        return [text]
    values = text.lower().split(",")
    return [value.replace(":", "-") for value in values] if option in _PORTS else values
