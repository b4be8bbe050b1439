"""Showing what comes of each stream: a table that lives, a line each now and then, or JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

import mcast

from .showing import Show
from .streams import Streams
from .words import endpoint

_BITS: Final = 8
_UNITS: Final = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s")
_GAPS: Final = {"lost": "lost", "duplicates": "twice", "reordered": "late"}
"""How tables, which have little room, call them."""


@contextmanager
def rates(
    rx: mcast.McastRx, streams: Streams, interval: float, *, as_json: bool
) -> Generator[Show]:
    """Return a function that counts datagrams, and shows rates each `interval` seconds.

    Call it with none as well, at least that often. In the end the rates of the whole time are
    shown.
    """
    live = None
    if sys.stdout.isatty() and not as_json:
        live = Live(_screen([], rx), console=Console(highlight=False), auto_refresh=False)
    last = time.monotonic()

    def tell(seconds: float | None) -> None:
        told = streams.report(seconds)
        if live is not None:
            live.update(_screen(told, rx), refresh=True)
            return
        for line in map(json.dumps if as_json else _line, told):
            click.echo(line)

    def show(datagrams: Sequence[mcast.Datagram]) -> None:
        nonlocal last
        streams.add(datagrams)
        now = time.monotonic()
        if now - last >= interval:
            tell(now - last)
            last = now

    with live or nullcontext():
        yield show
        tell(None)


def _line(told: dict[str, Any]) -> str:
    parts = [
        endpoint(told["source_host"], told["source_port"]),
        told["group"],
        told["interface"],
        f"{told['datagrams']} datagrams",
        f"{_number(told['datagrams_per_second'])}/s",
        _bits(told["bytes_per_second"]),
        f"jitter {_milliseconds(told['jitter_seconds'])}",
    ]
    if "ssrc" in told:
        parts += [f"ssrc {told['ssrc']:08x}", *(f"{name} {told[name]}" for name in _GAPS)]
    return "  ".join(parts)


def _screen(told: list[dict[str, Any]], rx: mcast.McastRx) -> Group:
    """Return all that is shown at once."""
    lost = dropped(rx)
    counted = "not told" if lost is None else f"{lost:,}"
    return Group(_table(told), f"thrown away by the system: {counted}; Ctrl-C ends")


def _table(told: list[dict[str, Any]]) -> Table:
    """Return the streams as a table that fits 80 columns."""
    has_gaps = any("ssrc" in stream for stream in told)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("source", overflow="fold", style="cyan")
    table.add_column("group", overflow="fold")
    gaps = _GAPS if has_gaps else {}
    for name in ("count", "per s", "rate", "jitter", *gaps.values()):
        table.add_column(name, justify="right", no_wrap=True)
    for stream in told:
        table.add_row(
            endpoint(stream["source_host"], stream["source_port"]),
            f"{stream['group']} {stream['interface']}",
            str(stream["datagrams"]),
            _number(stream["datagrams_per_second"]),
            _bits(stream["bytes_per_second"]),
            _milliseconds(stream["jitter_seconds"]),
            *(str(stream.get(name, "")) for name in gaps),
        )
    return table


def dropped(rx: mcast.McastRx) -> int | None:
    """Return how many datagrams found the receive buffer full, None if the system does not tell."""
    try:
        return rx.dropped
    except mcast.UnsupportedError:
        return None


def _number(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1f}"


def _bits(size: float | None) -> str:
    """Return bytes a second as bits, as networks are measured."""
    if size is None:
        return "-"
    value, unit = _BITS * size, 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3f} ms"
