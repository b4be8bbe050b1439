"""A sender and a receiver that do as they are told while a test watches the wire."""

from __future__ import annotations

from collections.abc import Iterator

import mcast
from tests.hosts import TIMEOUT


def say(group: str, port: int, sources: list[str], text: str) -> None:
    """Send `text` from each source, over a router."""
    for source in sources:
        with mcast.McastTx(group, port, interface=source, ttl=2) as tx:
            tx.send(text.encode())


def obey(group: str, ends: list[str], port: int, steps: list[list[str]]) -> Iterator[list[str]]:
    """Take each step when "next" comes, and yield whose datagrams came when "end" comes.

    A step joins `group` for sources or any, or is a method of the membership and its source. Both
    words come by the first of `ends`; there are two, so that one socket hears it all in order.
    """
    todo = iter(steps)
    heard: set[str] = set()
    membership: mcast.Membership | None = None
    with mcast.McastRx(ends, port, timeout=TIMEOUT) as rx:
        yield []
        for datagram in rx:
            if str(datagram.group) == group:
                heard.add(datagram.source.host)
            elif datagram.data == b"end":
                yield sorted(heard)
                heard.clear()
            elif (step := next(todo, None)) is None:
                return
            elif step[0] == "join":
                membership = rx.join(group, sources=step[1:] or None)
            else:
                getattr(membership, step[0])(*step[1:])
