"""``mcast send``: sending to a group."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import click

import mcast

from .options import COUNT, PORT, SECONDS
from .words import amount, endpoint


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
    type=click.IntRange(0, 255),
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
    default=1,
    show_default=True,
    help="How many times to send each payload.",
)
@click.option(
    "--interval",
    type=SECONDS,
    default=0.0,
    show_default=True,
    help="Seconds between datagrams.",
)
def send(
    group: str,
    port: int,
    payloads: tuple[str, ...],
    *,
    interface: str | None,
    ttl: int,
    loopback: bool,
    count: int,
    interval: float,
) -> None:
    """Send datagrams to a multicast GROUP and PORT.

    Each PAYLOAD is one datagram. Without any, each line of the standard input is one, without its
    line end.
    """
    with mcast.McastTx(group, port, interface=interface, ttl=ttl, loopback=loopback) as tx:
        sent = size = 0
        try:
            for payload in _datagrams(payloads, count):
                if sent and interval:
                    time.sleep(interval)
                size += tx.send(payload)
                sent += 1
        finally:
            click.echo(
                f"sent {amount(sent, size)}, to {endpoint(group, port)} "
                f"from {endpoint(*tx.local_address)} on {tx.interface}, ttl {ttl}"
            )


def _datagrams(payloads: tuple[str, ...], count: int) -> Iterator[bytes]:
    """Yield `payloads`, or without any the lines that come in, each `count` times."""
    for payload in map(os.fsencode, payloads) if payloads else _lines():
        for _ in range(count):
            yield payload


def _lines() -> Iterator[bytes]:
    """Yield the lines of the standard input, as they come, without their line ends."""
    if sys.stdin.isatty():
        click.echo("each line is a datagram; Ctrl-D ends", err=True)
    for line in sys.stdin.buffer:
        yield line.removesuffix(b"\n").removesuffix(b"\r")
