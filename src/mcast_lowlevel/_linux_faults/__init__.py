"""What in a Linux host keeps multicast away, a module for each thing that is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from .._records import Doubt, Finding, Question
from . import bridges, firewalls, links, ports, queriers, routes


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield what stands in the way of what is asked about, as far as this host can tell."""
    for look in (links, routes, ports, firewalls, bridges, queriers):
        yield from look.faults(question)
