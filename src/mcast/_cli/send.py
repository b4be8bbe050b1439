"""``mcast send``: sending to a group."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

import mcast

from . import payloads as sources
from .options import COUNT, PORT, SECONDS, SECONDS_OVER_ZERO, TTL
from .pacing import paced
from .payloads import Payloads
from .rtp import Packetizer
from .signals import on_signals
from .tally import Tally
from .words import amount, endpoint

_MPEG: Final = 1316
"""Bytes: seven packets of an MPEG transport stream, what fits an Ethernet frame."""


class _Stopped(Exception):  # noqa: N818 - it is no error.
    """_Stopped is raised at Ctrl-C and SIGTERM."""


@click.command()
@click.argument("group")
@click.argument("port", type=PORT)
@click.argument("payloads", metavar="[PAYLOAD]...", nargs=-1)
@click.option(
    "--interface",
    "-i",
    metavar="IF",
    help="Send out of this interface: its name, index or address.  "
    "[default: the default route's, or the only one that can send]",
)
@click.option(
    "--ttl",
    metavar="N",
    type=TTL,
    default=1,
    show_default=True,
    help="Time to live (IPv4) or hop limit (IPv6): 0 stays on this host, 1 on the network, more "
    "passes routers.",
)
@click.option("--loopback", is_flag=True, help="Let receivers on this host hear it too.")
@click.option(
    "--count",
    "-n",
    metavar="N",
    type=COUNT,
    help="How many times to send each payload.  [default: 1, or as often as --duration allows]",
)
@click.option("--duration", type=SECONDS_OVER_ZERO, help="End after this many seconds.")
@click.option("--interval", type=SECONDS, help="Seconds between datagrams.  [default: 0]")
@click.option(
    "--rate",
    metavar="N",
    type=click.FloatRange(min=0, min_open=True),
    help="Datagrams a second.  [default: as fast as can be]",
)
@click.option(
    "--batch",
    metavar="N",
    type=COUNT,
    default=1,
    show_default=True,
    help="Hand so many datagrams over at once.",
)
@click.option(
    "--size",
    metavar="BYTES",
    type=click.IntRange(0, 65507),
    help="Send datagrams of this size that mean nothing, to measure; with --stream, the size of "
    f"the pieces.  [default: {_MPEG}]",
)
@click.option("--stream", is_flag=True, help="Send the standard input's bytes as they are.")
@click.option("--rtp", is_flag=True, help="Put an RTP header before each payload (RFC 3550).")
@click.option("--json", "as_json", is_flag=True, help="Print the account as a JSON object.")
def send(
    group: str,
    port: int,
    payloads: tuple[str, ...],
    *,
    interface: str | None,
    ttl: int,
    loopback: bool,
    count: int | None,
    duration: float | None,
    interval: float | None,
    rate: float | None,
    batch: int,
    size: int | None,
    stream: bool,
    rtp: bool,
    as_json: bool,
) -> None:
    """Send datagrams to a multicast GROUP and PORT.

    Each PAYLOAD is one datagram. Without any, and without --size and --stream, each line of the
    standard input is one, without its line end.

    At the end, or at Ctrl-C, it tells how much was sent. A terminal shows how far it is, where an
    end is known.
    """
    if sum((bool(payloads), stream, size is not None and not stream)) > 1:
        raise click.UsageError("PAYLOAD, --stream and --size cannot go together")
    if rate is not None and interval is not None:
        raise click.UsageError("--rate and --interval cannot go together")
    if stream and count is not None:
        raise click.UsageError("--count and --stream cannot go together")
    once = 1 if duration is None else None
    if stream:
        what = sources.stream(size or _MPEG)
    elif size is not None:
        what = sources.zeros(size, count or once)
    elif payloads:
        what = sources.given([os.fsencode(payload) for payload in payloads], count or once)
    else:
        what = sources.lines(count or 1)
    gap = 1 / rate if rate is not None else interval or 0
    header = Packetizer().pack if rtp else bytes
    tally = Tally()
    with mcast.McastTx(group, port, interface=interface, ttl=ttl, loopback=loopback) as tx:
        on_signals(_stop)
        try:
            with _progress(what, duration, tally) as show:
                for items in paced(what.items, batch, gap, duration or math.inf):
                    _send([header(item) for item in items], tx, tally)
                    show()
        except _Stopped:
            pass
        finally:
            click.echo(_account(tx, port, tally, as_json=as_json))


def _stop() -> None:
    raise _Stopped


def _send(datagrams: list[bytes], tx: mcast.McastTx, tally: Tally) -> None:
    """Send them all, and count those that went."""
    while datagrams:
        number = tx.send_batch(datagrams)
        for datagram in datagrams[:number]:
            tally.add(len(datagram))
        datagrams = datagrams[number:]  # If some are left, the first of them says why.


@contextmanager
def _progress(
    what: Payloads, duration: float | None, tally: Tally
) -> Generator[Callable[[], None]]:
    """Give a function that shows how far it is, where there is a terminal and an end."""
    total = duration or what.datagrams or what.size
    if not sys.stderr.isatty() or not total or what.datagrams == 1:
        yield lambda: None
        return
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)

        def show() -> None:
            size = tally.datagrams if what.datagrams else tally.size
            progress.update(task, completed=tally.seconds if duration else size)

        yield show


def _account(tx: mcast.McastTx, port: int, tally: Tally, *, as_json: bool) -> str:
    """Return what was sent, and how."""
    if as_json:
        told = {
            "group": str(tx.group),
            "port": port,
            "source_host": tx.local_address.host,
            "source_port": tx.local_address.port,
            "interface": str(tx.interface),
            "ttl": tx.ttl,
        }
        return json.dumps(told | tally.record())
    line = (
        f"sent {amount(tally.datagrams, tally.size)}, to {endpoint(str(tx.group), port)} "
        f"from {endpoint(*tx.local_address)} on {tx.interface}, ttl {tx.ttl}"
    )
    return f"{line}\n{tally.pace}".rstrip()
