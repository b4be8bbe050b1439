"""``mcast recv``: printing what arrives."""

from __future__ import annotations

import base64
import json
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TypeAlias

import click
from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

import mcast

from .options import COUNT, PORT_OR_ANY, SECONDS_OVER_ZERO
from .words import amount, endpoint

_BURST = 256
"""How many datagrams at most are printed together."""
_NARROW = 25
"""Columns: size and payload go on a line of their own where fewer are left."""
_ESCAPES = str.maketrans({"\t": r"\t", "\n": r"\n", "\r": r"\r"})

Show: TypeAlias = Callable[[list[mcast.Datagram]], None]


@dataclass
class _Tally:
    """What arrived so far."""

    datagrams: int = 0
    size: int = 0
    first_size: int = 0
    first_time: float = 0.0
    last_time: float = 0.0

    def add(self, size: int) -> None:
        """Count a datagram that arrived now."""
        self.last_time = time.monotonic()
        if not self.datagrams:
            self.first_time, self.first_size = self.last_time, size
        self.datagrams += 1
        self.size += size

    @property
    def seconds(self) -> float:
        """From the first datagram to the last."""
        return self.last_time - self.first_time

    @property
    def rates(self) -> tuple[float, float] | None:
        """Datagrams and bytes a second; None for fewer than two datagrams."""
        if not self.seconds:
            return None
        # The first one begins the time and is not in it: three at one a second take two seconds.
        return (self.datagrams - 1) / self.seconds, (self.size - self.first_size) / self.seconds

    def __str__(self) -> str:
        """Return it in words."""
        text = amount(self.datagrams, self.size)
        if self.rates is None:
            return text
        datagrams, size = self.rates
        return (
            f"{text} in {self.seconds:,.3f} s: {datagrams:,.1f} datagrams/s, {decimal(int(size))}/s"
        )

    def json(self) -> str:
        """Return it as a JSON object."""
        datagrams, size = self.rates or (None, None)
        return json.dumps(
            {
                "datagrams": self.datagrams,
                "bytes": self.size,
                "seconds": self.seconds,
                "datagrams_per_second": datagrams,
                "bytes_per_second": size,
            }
        )


@click.command()
@click.argument("groups", metavar="GROUP...", nargs=-1, required=True)
@click.argument("port", type=PORT_OR_ANY)
@click.option(
    "--interface",
    "-i",
    "interfaces",
    metavar="IF",
    multiple=True,
    help="Receive on this interface: its name, index or address. May be given several times.  "
    "[default: every one that is up, multicast-capable and not loopback]",
)
@click.option(
    "--source",
    "-s",
    "sources",
    metavar="ADDRESS",
    multiple=True,
    help="Hear this host alone (source-specific multicast). May be given several times.",
)
@click.option(
    "--timeout", type=SECONDS_OVER_ZERO, help="End when nothing arrives for this many seconds."
)
@click.option("--count", "-n", metavar="N", type=COUNT, help="End after this many datagrams.")
@click.option("--duration", type=SECONDS_OVER_ZERO, help="End after this many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line, see above.")
def recv(
    groups: tuple[str, ...],
    port: int,
    *,
    interfaces: tuple[str, ...],
    sources: tuple[str, ...],
    timeout: float | None,
    count: int | None,
    duration: float | None,
    as_json: bool,
) -> None:
    """Print what arrives for multicast groups.

    Each GROUP is an IPv4 or IPv6 one; PORT 0 lets the system choose a port. A line has source,
    group, interface, size in bytes and payload: text where it is printable, else hexadecimal behind
    0x. A terminal shows as much of it as fits, a pipe gets all. The standard error tells where it
    listens and, at the end, how much arrived at what rate, taken over the time between the first
    datagram and the last.

    With --json a line's keys are source_host, source_port, group, interface, interface_index,
    ttl, timestamp_ns (nanoseconds since the epoch), size (bytes), data (base64) and text (null if
    data is not UTF-8). The last line of the standard error is an object with datagrams, bytes,
    seconds, datagrams_per_second and bytes_per_second.

    Ctrl-C and SIGTERM end it with exit code 0. The code is 1 if the time of --timeout or
    --duration was up before --count datagrams (without --count: any) had arrived.
    """
    tally = _Tally()
    enough = True
    with mcast.McastRx(groups, port, interfaces=interfaces or None, sources=sources or None) as rx:
        # Both ask for the memberships, which end when a signal closes the receiver.
        listening, columns = _listening(rx), _Columns(rx)
        _close_on_signals(rx)
        click.echo(listening, err=True)
        with _output(columns, tally, as_json=as_json) as show:
            try:
                for burst in _bursts(rx, tally, count, timeout, duration):
                    show(burst)
            except TimeoutError:
                enough = tally.datagrams >= (count or 1)
    if not enough:
        click.echo("the time is up", err=True)
    click.echo(tally.json() if as_json else tally, err=True)
    sys.exit(0 if enough else 1)


def _close_on_signals(rx: mcast.McastRx) -> None:
    """Close `rx` at Ctrl-C and SIGTERM, which ends receiving."""

    def close(_number: int, _frame: FrameType | None) -> None:
        rx.close()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, close)


def _listening(rx: mcast.McastRx) -> str:
    """Return in words where `rx` listens."""
    joined: dict[str, list[str]] = {}
    for membership in rx.memberships:
        names = [interface.name for interface in membership.interfaces]
        joined.setdefault(str(membership.group), []).extend(names)
    groups = ", ".join(f"{group} ({', '.join(names)})" for group, names in joined.items())
    return f"listening on port {rx.port} for {groups}"


def _bursts(
    rx: mcast.McastRx,
    tally: _Tally,
    count: int | None,
    timeout: float | None,
    duration: float | None,
) -> Iterator[list[mcast.Datagram]]:
    """Yield what arrives, as lists of what is there at once, up to `count` or until `rx` closes.

    Raises `TimeoutError` when the time is up.
    """
    deadline = None if duration is None else time.monotonic() + duration
    while count is None or tally.datagrams < count:
        waits = [] if timeout is None else [timeout]
        if deadline is not None:
            waits.append(deadline - time.monotonic())
        wait = min(waits, default=None)
        if wait is not None and wait <= 0:
            raise TimeoutError
        most = _BURST if count is None else min(_BURST, count - tally.datagrams)
        burst: list[mcast.Datagram] = []
        try:
            while len(burst) < most:
                burst.append(rx.recv(0 if burst else wait))
                tally.add(len(burst[-1].data))
        except (BlockingIOError, mcast.ClosedError):
            if not burst:
                return
        yield burst


@contextmanager
def _output(columns: _Columns, tally: _Tally, *, as_json: bool) -> Generator[Show]:
    """Return a function that shows datagrams in the manner that fits the standard output."""
    if as_json:
        yield lambda burst: click.echo("\n".join(map(_json, burst)))
        return
    if not sys.stdout.isatty():
        yield lambda burst: click.echo("\n".join(map(columns.line, burst)))
        return
    console = Console(highlight=False)
    with console.status("waiting; Ctrl-C ends") as status:

        def show(burst: list[mcast.Datagram]) -> None:
            lines = [columns.fitted(datagram, console.width) for datagram in burst]
            console.print(*lines, sep="\n")
            status.update(f"{tally}; Ctrl-C ends")

        yield show


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


class _Columns:
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
