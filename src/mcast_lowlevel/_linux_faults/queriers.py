"""Listening for who asks the network for members of groups."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from .._queries import QuerySocket
from .._records import Doubt, Finding, Question
from .._requests import family_of


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield that nobody asks for members while this host listens."""
    if not question.listen:
        return
    name, protocol = question.interface.name, "IGMP" if question.group.version == 4 else "MLD"
    try:
        heard = _hears(question)
    except PermissionError:
        yield Doubt(f"whether somebody asks for members on {name}", "that takes CAP_NET_RAW")
        return
    if not heard:
        yield Finding(
            f"nobody asks for members on {name}: there is no querier",
            "a switch that snoops forgets after some minutes who wants a group, and the stream "
            "stops; a switch that does not snoop does not mind",
            f"no {protocol} query came for {question.listen:g} s",
            f"mcast querier --interface {name}{'' if question.group.version == 4 else ' --ipv6'}",
        )


def _hears(question: Question) -> bool:
    """Return whether a query comes while it is listened for."""
    until = time.monotonic() + question.listen
    family = family_of(question.group)
    with closing(QuerySocket(family, question.interface.index)) as listener:
        while (left := until - time.monotonic()) > 0:
            try:
                if listener.hear(left) is not None:
                    return True
            except TimeoutError:
                break
    return False
