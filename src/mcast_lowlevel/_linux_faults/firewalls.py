"""Which firewalls this host has, and what they throw away of a group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .._records import Doubt, Finding, Question
from . import iptables, nftables
from .firewall import Table, judge
from .packets import packets
from .programs import ask, find

_SUBJECT: Final = "whether the firewall lets multicast through"


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield what keeps datagrams, queries for members or the answers from getting through."""
    for found in _tables(question):
        if isinstance(found, Doubt):
            yield found
            continue
        for packet in packets(question):
            yield from judge(found, packet)


def _tables(question: Question) -> Iterator[Table | Doubt]:
    """Yield every table of every firewall that sees the group's packets."""
    version = question.group.version
    program = find("nft")
    if program is None:
        yield Doubt(_SUBJECT, "nft is not installed: apt install nftables")
        return
    listing = ask(program, "--json", "--handle", "list", "ruleset")
    if listing.error:
        yield Doubt(_SUBJECT, f"nft: {listing.error} (root can list the rules)")
        return
    found = nftables.tables(json.loads(listing.output), version, question.interface.name)
    yield from filter(None, found.values())
    theirs = {name for (_, name), table in found.items() if table is None}
    if theirs:
        yield from _iptables(version, "nft", theirs)
    # To ask would load the older iptables' modules where it is not in use.
    if older := _older_tables(version):
        yield from _iptables(version, "legacy", older)


def _older_tables(version: int) -> set[str]:
    names = Path("/proc/net/ip_tables_names" if version == 4 else "/proc/net/ip6_tables_names")
    try:
        return set(names.read_text(encoding="ascii").split())
    except OSError:  # There is none; or only root may know, whom nft has told its rules above.
        return set()


def _iptables(version: int, kind: str, wanted: set[str]) -> Iterator[Table | Doubt]:
    """Yield the tables of these names that one kind of iptables made: ``nft`` or ``legacy``."""
    base = "iptables" if version == 4 else "ip6tables"
    program = find(f"{base}-{kind}-save", f"{base}-save")
    if program is None:
        yield Doubt(_SUBJECT, f"{base} made rules, and is not installed: apt install iptables")
        return
    saved = ask(program)
    if saved.error:
        yield Doubt(_SUBJECT, f"{program}: {saved.error}")
        return
    changer = f"{base}-{kind}" if program.endswith(f"-{kind}-save") else base
    there = dict(iptables.tables(saved.output, changer, version))
    yield from (table for name, table in there.items() if name in wanted)
    if missing := wanted - there.keys():
        yield Doubt(_SUBJECT, f"{program} does not show its rules in {', '.join(sorted(missing))}")
