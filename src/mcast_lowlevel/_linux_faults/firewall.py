"""What a firewall's rules make of a packet, whichever program lists them."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range
from typing import Final, NamedTuple, TypeAlias

from .._records import Doubt, Finding

Value: TypeAlias = frozenset[str] | IPv4Network | IPv6Network | int | None
"""What is in a field: what one of these names says, an address of this network, a number, or what
is not known."""

_NO_HEADERS: Final = {"", "meta", "ct", "fib"}


class Packet(NamedTuple):
    """Packet is something that has to get through."""

    what: str
    why: str
    """What comes of it if it does not."""
    destination: str
    hooks: frozenset[str]
    """Where it passes through the kernel."""
    headers: frozenset[str]
    fields: Mapping[str, Value]
    """By header and field, as nft names them."""


class Comparison(NamedTuple):
    """Comparison is what a rule demands of one field of a packet."""

    field: str
    wanted: Sequence[str]
    """Names, numbers, addresses, networks, or ranges of them: any will do; empty is not known."""
    is_negated: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """Return whether it is so, None if that is not known."""
        header = self.field.partition(" ")[0]
        if header not in _NO_HEADERS and header not in packet.headers:
            return False
        value = packet.fields.get(self.field)
        results = [_fits(value, item) for item in self.wanted]
        if any(results):
            return not self.is_negated
        return None if None in results else self.is_negated


UNKNOWN: Final = Comparison("", [""])
"""For what a rule looks at, and nothing here knows."""


class Verdict(enum.Enum):
    """Verdict is what ends a packet's way through a chain."""

    ACCEPT = enum.auto()
    DROP = enum.auto()
    RETURN = enum.auto()


class Jump(NamedTuple):
    """Jump is to another chain; if that has no verdict the way goes on here, if it `returns`."""

    chain: str
    returns: bool


class Rule(NamedTuple):
    """Rule is one rule of a chain: where all comparisons hold it has its verdict."""

    comparisons: Sequence[Comparison]
    verdict: Verdict | Jump
    evidence: str
    """Where it stands."""
    removal: str
    """The command that deletes it."""

    def fits(self, packet: Packet) -> bool | None:
        """Return whether it is for that packet, None if that is not known."""
        results = [comparison.holds(packet) for comparison in self.comparisons]
        if False in results:
            return False
        return None if None in results else True


class Chain(NamedTuple):
    """Chain is rules in their order."""

    rules: Sequence[Rule]
    hook: str | None
    """Where packets enter it; None where it is jumped to alone."""
    drops: bool
    """Whether its policy is to throw away what no rule decides on."""
    evidence: str
    acceptance: str
    """The command that lets packets to an address through, which stands for ``{}``."""


Table: TypeAlias = Mapping[str, Chain]
"""Chains by name, which can jump to each other."""


class _Fate(NamedTuple):
    """_Fate is one end that a packet can come to, and by which rule; by the policy for None."""

    verdict: Verdict
    rule: Rule | None


def judge(table: Table, packet: Packet) -> Iterator[Finding | Doubt]:
    """Yield what throws the packet away, or may do so."""
    for chain in table.values():
        if chain.hook not in packet.hooks:
            continue
        fates = [_end(chain, fate) for fate in _fates(table, chain, packet)]
        losses = [fate for fate in fates if fate.verdict is Verdict.DROP]
        if not losses:
            continue
        evidence, command = chain.evidence, chain.acceptance.format(packet.destination)
        if (rule := losses[0].rule) is not None:
            evidence, command = rule.evidence, rule.removal
        if len(losses) == len(fates):
            problem = f"the firewall throws {packet.what} away"
            yield Finding(problem, packet.why, evidence, command)
        else:
            yield Doubt(
                f"whether the firewall lets {packet.what} through",
                f"that depends on what only the datagram tells, its source or port for example: "
                f"{evidence}",
            )


def _end(chain: Chain, fate: _Fate) -> _Fate:
    """Return what becomes of a packet that leaves a chain where it entered."""
    if fate.verdict is Verdict.RETURN:
        return _Fate(Verdict.DROP if chain.drops else Verdict.ACCEPT, None)
    return fate


def _fates(table: Table, chain: Chain, packet: Packet) -> Iterator[_Fate]:
    """Yield what can become of a packet in a chain: one fate, or more where a rule is unclear."""
    for rule in chain.rules:
        fits = rule.fits(packet)
        if fits is False:
            continue
        goes_on = not fits
        for fate in _follow(table, rule, packet):
            if fate is None:
                goes_on = True
            else:
                yield fate
        if not goes_on:
            return
    yield _Fate(Verdict.RETURN, None)


def _follow(table: Table, rule: Rule, packet: Packet) -> Iterator[_Fate | None]:
    """Yield what can become of a packet by a rule that is for it, None for: the next rule."""
    if isinstance(rule.verdict, Verdict):
        yield _Fate(rule.verdict, rule)
        return
    for fate in _fates(table, table[rule.verdict.chain], packet):
        comes_back = fate.verdict is Verdict.RETURN and rule.verdict.returns
        yield None if comes_back else fate


def _fits(value: Value, wanted: str) -> bool | None:
    """Return whether a value is what a rule wants, None if that is not known."""
    if value is None or not wanted:
        return None
    if isinstance(value, frozenset):
        prefix = wanted.rstrip("*+")  # How nft and iptables write "any that begins so".
        if prefix != wanted:
            return any(name.startswith(prefix) for name in value)
        return wanted in value
    try:
        if isinstance(value, int):
            first, _, last = wanted.partition("-")
            return int(first) <= value <= int(last or first)
        return _covers(wanted, value)
    except ValueError:  # A name that stands for it.
        return None


def _covers(wanted: str, network: IPv4Network | IPv6Network) -> bool | None:
    """Return whether all addresses of a network are wanted, None if some are."""
    first, _, last = wanted.partition("-")
    blocks = (
        summarize_address_range(ip_address(first), ip_address(last))
        if last
        else [ip_network(first, strict=False)]
    )
    some = False
    for block in blocks:
        if block.overlaps(network):
            if block.prefixlen <= network.prefixlen:
                return True
            some = True
    return None if some else False
