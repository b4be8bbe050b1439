"""Showing datagrams: as columns, in JSON, or their payloads alone."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import click
from rich.console import Console
from rich.text import Text

import mcast

from .tally import Tally
from .words import endpoint

_NARROW = 25
"""Columns: size and payload go on a line of their own where fewer are left."""
_ESCAPES = str.maketrans({"\t": r"\t", "\n": r"\n", "\r": r"\r"})

Show: TypeAlias = Callable[[Sequence[mcast.Datagram]], None]


@contextmanager
def output(columns: Columns, tally: Tally, *, as_json: bool) -> Generator[Show]:
    """Return a function that shows datagrams in the manner that fits the standard output."""
    if as_json:
        yield lambda burst: click.echo("\n".join(map(_json, burst)))
        return
    if not sys.stdout.isatty():
        yield lambda burst: click.echo("\n".join(map(columns.line, burst)))
        return
    console = Console(highlight=False)
    with console.status("waiting; Ctrl-C ends") as status:

        def show(burst: Sequence[mcast.Datagram]) -> None:
            lines = [columns.fitted(datagram, console.width) for datagram in burst]
            console.print(*lines, sep="\n")
            status.update(f"{tally}; Ctrl-C ends")

        yield show


def write_payloads(datagrams: Sequence[mcast.Datagram]) -> None:
    """Write payloads to the standard output as they are."""
    for datagram in datagrams:
        sys.stdout.buffer.write(datagram.data)
    sys.stdout.buffer.flush()


def _json(datagram: mcast.Datagram) -> str:
    data = datagram.data
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    return json.dumps(
        {
            "source_host": datagram.source.host,
            "source_port": datagram.source.port,
            "group": str(datagram.group),
            "interface": datagram.interface.name,
            "interface_index": datagram.interface_index,
            "ttl": datagram.ttl,
            "timestamp_ns": datagram.timestamp_ns,
            "size": len(data),
            "data": base64.b64encode(data).decode(),
            "text": text,
        }
    )


def _readable(data: bytes) -> str:
    """Return `data` as text if that can be printed, else in hexadecimal."""
    try:
        text = data.decode().translate(_ESCAPES)
    except UnicodeDecodeError:
        text = "\0"
    return text if text.isprintable() else f"0x{data.hex()}"


def _body(data: bytes) -> str:
    return f"{len(data):5} B  {_readable(data)}"


class Columns:
    """Datagrams as lines with columns below each other."""

    def __init__(self, rx: mcast.McastRx) -> None:
        """Make room for the groups and interfaces of `rx`."""
        self._source = len("255.255.255.255:65535")
        self._group = max(len(str(item.group)) for item in rx.memberships)
        self._interface = max(len(on.name) for item in rx.memberships for on in item.interfaces)

    def _heads(self, datagram: mcast.Datagram) -> list[tuple[str, str]]:
        """Return what goes before size and payload, each with its style."""
        source = endpoint(*datagram.source)
        self._source = max(self._source, len(source))
        return [
            (f"{source:{self._source}}  ", "cyan"),
            (f"{datagram.group!s:{self._group}}  ", ""),
            (f"{datagram.interface.name:{self._interface}}  ", "dim"),
        ]

    def line(self, datagram: mcast.Datagram) -> str:
        """Return all of `datagram`."""
        return "".join(text for text, _ in self._heads(datagram)) + _body(datagram.data)

    def fitted(self, datagram: mcast.Datagram, width: int) -> Text:
        """Return `datagram` with as much of the payload as one line of `width` columns shows."""
        head = Text.assemble(*self._heads(datagram))
        room, between = width - head.cell_len, ""
        if room < _NARROW:
            room, between = width, "\n"
        body = Text(_body(datagram.data)[:width])
        body.truncate(room, overflow="ellipsis")
        return Text.assemble(head, between, body)
