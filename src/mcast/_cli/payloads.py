"""What to send: arguments, lines, a stream of bytes, or so many bytes to measure with."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from itertools import cycle, repeat
from typing import NamedTuple

import click


class Payloads(NamedTuple):
    """Payloads is what goes into datagrams, and how many there will be."""

    items: Iterator[bytes]
    datagrams: int | None
    """None where that is not known before."""
    size: int | None
    """Bytes of all, where that is known instead."""


def given(payloads: list[bytes], count: int | None) -> Payloads:
    """Return each of `payloads` `count` times in turn, or again and again for None."""
    if count is None:
        return Payloads(cycle(payloads), None, None)
    items = (payload for payload in payloads for _ in range(count))
    return Payloads(items, count * len(payloads), None)


def lines(count: int) -> Payloads:
    """Return the lines of the standard input as they come, without their ends, `count` times."""
    if sys.stdin.isatty():
        click.echo("each line is a datagram; Ctrl-D ends", err=True)
    bare = (line.removesuffix(b"\n").removesuffix(b"\r") for line in sys.stdin.buffer)
    return Payloads((line for line in bare for _ in range(count)), None, None)


def stream(size: int) -> Payloads:
    """Return the bytes of the standard input in pieces of `size`, the last may be shorter."""
    status = os.fstat(sys.stdin.fileno())
    whole = status.st_size if stat.S_ISREG(status.st_mode) else None
    pieces = iter(lambda: sys.stdin.buffer.read(size), b"")
    return Payloads(pieces, None, whole)


def zeros(size: int, count: int | None) -> Payloads:
    """Return payloads of `size` bytes that mean nothing, `count` or without an end."""
    payload = bytes(size)
    return Payloads(repeat(payload) if count is None else repeat(payload, count), count, None)
