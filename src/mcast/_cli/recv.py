"""``mcast recv``: printing what arrives, or how fast, or keeping it."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import click

import mcast

from .options import COUNT, PORT_OR_ANY, SECONDS_OVER_ZERO
from .pcap import capture
from .rates import dropped, rates
from .rtp import DYNAMIC_RATE
from .showing import Columns, Show, output, write_payloads
from .signals import on_signals
from .streams import Streams
from .tally import Tally


@dataclass(frozen=True)
class _Limits:
    """_Limits is when to end, and how much to take at once."""

    count: int | None
    batch: int
    timeout: float
    duration: float
    tick: float
    """Seconds, as the two above: after this time go on though nothing came."""


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
@click.option(
    "--batch",
    metavar="N",
    type=COUNT,
    default=64,
    show_default=True,
    help="Take up to so many datagrams by one system call.",
)
@click.option(
    "--receive-buffer",
    metavar="BYTES",
    type=COUNT,
    help="Ask for so large a buffer for what comes while this is busy.",
)
@click.option("--rates", "with_rates", is_flag=True, help="Show how fast each stream comes.")
@click.option(
    "--every",
    type=SECONDS_OVER_ZERO,
    default=1.0,
    show_default=True,
    help="Seconds between what --rates shows.",
)
@click.option("--rtp", is_flag=True, help="Let --rates tell gaps and jitter by RTP headers.")
@click.option(
    "--clock-rate",
    metavar="HZ",
    type=COUNT,
    default=DYNAMIC_RATE,
    show_default=True,
    help="The clock of RTP payload types that have none by RFC 3551.",
)
@click.option(
    "--pcap",
    metavar="FILE",
    help="Write what arrives for Wireshark; - is the standard output.",
)
@click.option("--raw", is_flag=True, help="Write payloads alone, to pipe them into a player.")
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
    batch: int,
    receive_buffer: int | None,
    with_rates: bool,
    every: float,
    rtp: bool,
    clock_rate: int,
    pcap: str | None,
    raw: bool,
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
    seconds, datagrams_per_second, bytes_per_second and dropped: how many the system threw away,
    null where it does not tell.

    With --rates it shows for each stream, instead of datagrams, how many came and how fast, and how
    evenly: jitter is that of RFC 3550, by the times in RTP headers with --rtp, else by the times
    between datagrams. With --rtp it tells how many were lost, came twice or late as well. A
    terminal has a table, a pipe a line a stream each --every seconds. In the end it tells the rates
    of the whole time. 1,024 streams are kept.

    --pcap keeps what arrives, with headers made anew and the system's times in nanoseconds.

    Ctrl-C and SIGTERM end it with exit code 0. The code is 1 if the time of --timeout or
    --duration was up before --count datagrams (without --count: any) had arrived.
    """
    exclusive = {"--raw": raw, "--pcap -": pcap == "-", "--rates": with_rates}
    given = [name for name, is_given in {**exclusive, "--json": as_json}.items() if is_given]
    if len(given) > 1 and given != ["--rates", "--json"]:
        raise click.UsageError(f"{' and '.join(given)} cannot go together")
    if rtp and not with_rates:
        raise click.UsageError("--rtp needs --rates, which tells what is in its headers")
    tally = Tally()
    limits = _Limits(
        count, batch, timeout or math.inf, duration or math.inf, every if with_rates else math.inf
    )
    enough = True
    with ExitStack() as stack:
        # What cannot be written is refused before anything is joined.
        write = None if pcap is None else stack.enter_context(capture(pcap))
        rx = mcast.McastRx(
            groups,
            port,
            interfaces=interfaces or None,
            sources=sources or None,
            receive_buffer=receive_buffer,
        )
        stack.enter_context(rx)
        shows: list[Show] = [] if write is None else [partial(write, rx.port)]
        # Both ask for the memberships, which end when a signal closes the receiver.
        listening, columns = _listening(rx), Columns(rx)
        on_signals(rx.close)  # That ends receiving.
        click.echo(listening, err=True)
        if with_rates:
            streams = Streams(has_rtp=rtp, clock_rate=clock_rate)
            shows.append(stack.enter_context(rates(rx, streams, every, as_json=as_json)))
        elif raw:
            shows.append(write_payloads)
        elif pcap != "-":
            shows.append(stack.enter_context(output(columns, tally, as_json=as_json)))
        try:
            for datagrams in _batches(rx, tally, limits):
                for show in shows if datagrams else shows[-1:]:
                    show(datagrams)
        except TimeoutError:
            enough = tally.datagrams >= (count or 1)
    if not enough:
        click.echo("the time is up", err=True)
    lost = dropped(rx)
    if as_json:
        click.echo(json.dumps(tally.record() | {"dropped": lost}), err=True)
    else:
        click.echo(tally, err=True)
        if lost:
            click.echo(
                f"{lost:,} more were thrown away by the system: the receive buffer was full, "
                "ask for a larger one by --receive-buffer",
                err=True,
            )
    sys.exit(0 if enough else 1)


def _listening(rx: mcast.McastRx) -> str:
    """Return in words where `rx` listens."""
    joined: dict[str, list[str]] = {}
    for membership in rx.memberships:
        names = [interface.name for interface in membership.interfaces]
        joined.setdefault(str(membership.group), []).extend(names)
    groups = ", ".join(f"{group} ({', '.join(names)})" for group, names in joined.items())
    return f"listening on port {rx.port} for {groups}"


def _batches(
    rx: mcast.McastRx, tally: Tally, limits: _Limits
) -> Iterator[Sequence[mcast.Datagram]]:
    """Yield what arrives together, up to the count or until `rx` closes, and nothing at a tick.

    Raises `TimeoutError` when the time is up.
    """
    end = time.monotonic() + limits.duration
    quiet = time.monotonic() + limits.timeout
    while limits.count is None or tally.datagrams < limits.count:
        left = min(end, quiet) - time.monotonic()
        if left <= 0:
            raise TimeoutError
        most = limits.batch
        if limits.count is not None:
            most = min(most, limits.count - tally.datagrams)
        wait = min(left, limits.tick)
        try:
            batch = rx.recv_batch(most, timeout=None if wait == math.inf else wait)
        except TimeoutError:
            if limits.tick != math.inf:
                yield ()
            continue
        except mcast.ClosedError:
            return
        for payload in batch.payloads():
            tally.add(payload.nbytes)
        quiet = time.monotonic() + limits.timeout
        yield batch
