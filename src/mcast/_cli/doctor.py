"""``mcast doctor``: why nothing arrives, and what mends it."""

from __future__ import annotations

import dataclasses
import json
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import mcast

from .endpoints import ENDPOINT
from .options import SECONDS, TTL
from .words import endpoint

_WELL, _FOUND, _UNKNOWN = 0, 1, 2
_LABELS = 16
"""Columns that a label takes."""


@click.command()
@click.argument("group", type=ENDPOINT, required=False, metavar="[GROUP[:PORT]]")
@click.option("--interface", "-i", metavar="NAME", help="Look at this one, by name or address.")
@click.option("--source", "-s", metavar="ADDRESS", help="The host whose datagrams do not arrive.")
@click.option("--ttl", metavar="N", type=TTL, help="The ttl that the source sends with.")
@click.option(
    "--listen",
    type=SECONDS,
    default=0.0,
    metavar="SECONDS",
    help="Listen for a querier as long; 130 tell whether there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(
    context: click.Context,
    *,
    group: tuple[str, int | None] | None,
    interface: str | None,
    source: str | None,
    ttl: int | None,
    listen: float,
    as_json: bool,
) -> None:
    """Look for what keeps a group's datagrams away, and name the command that mends it.

    Nothing is changed. The group is joined for a moment. An IPv6 group with a port is written
    [ff15::1]:5000. Some things only root can see.

    The exit code is 0 if all is well, 1 if something was found, and 2 if nothing was found and
    something could not be looked at.
    """
    wanted, port = (None, None) if group is None else group
    diagnosis = mcast.doctor(
        wanted, port, interface=interface, source=source, ttl=ttl, listen=listen
    )
    if as_json:
        click.echo(_json(diagnosis))
    else:
        _print(diagnosis)
    if diagnosis.findings:
        context.exit(_FOUND)
    context.exit(_UNKNOWN if diagnosis.doubts else _WELL)


def _json(diagnosis: mcast.Diagnosis) -> str:
    return json.dumps(
        {
            "group": str(diagnosis.group),
            "port": diagnosis.port,
            "interface": diagnosis.interface.name,
            "findings": [dataclasses.asdict(item) for item in diagnosis.findings],
            "listened": diagnosis.listened,
            "doubts": [dataclasses.asdict(item) for item in diagnosis.doubts],
        }
    )


def _print(diagnosis: mcast.Diagnosis) -> None:
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    group = str(diagnosis.group)
    title = group if diagnosis.port is None else endpoint(group, diagnosis.port)
    console.print(Text(f"{title} on {diagnosis.interface.friendly_name}", "bold"))
    for finding in diagnosis.findings:
        console.print()
        console.print(Text(finding.problem, "red"))
        _print_part(console, "why it matters", finding.why)
        _print_part(console, "seen by", finding.evidence)
        # A command is copied, so it is not broken into lines.
        console.print(Text(f"  {'mended by':<{_LABELS}}", "dim") + finding.command, soft_wrap=True)
    for doubt in diagnosis.doubts:
        console.print()
        console.print(Text(f"not looked at: {doubt.subject}", "yellow"))
        _print_part(console, "why", doubt.why)
    if diagnosis.is_well:
        console.print(Text("nothing stands in the way", "green"))
    if not diagnosis.listened:
        console.print(Text("who asks for members was not listened for: --listen 130", "dim"))


def _print_part(console: Console, label: str, text: str) -> None:
    """Print a label, and the text beside it, in a pipe on one line."""
    if console.soft_wrap:
        console.print(f"  {label:<{_LABELS}}{text}", markup=False)
        return
    table = Table.grid(padding=0)
    table.add_column(width=_LABELS + 2, style="dim")
    table.add_column(overflow="fold")
    table.add_row(f"  {label}", Text(text))
    console.print(table)
