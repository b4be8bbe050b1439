"""``mcast interfaces``: what there is to send and receive on."""

from __future__ import annotations

import dataclasses
import json
import socket
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import mcast

_FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object a line, with all fields."
)
def interfaces(*, as_json: bool) -> None:
    """List the network interfaces and their addresses.

    On a terminal it is a table, in a pipe one line an interface. "default IPv4" and "default IPv6"
    mark the interfaces of the default routes, which is where datagrams are sent if no interface
    is named. The MTU is in bytes.
    """
    there = mcast.interfaces()
    usual = {version: mcast.default_interface(family) for version, family in _FAMILIES.items()}
    defaults = {
        item.index: [name for name, it in usual.items() if it and it.index == item.index]
        for item in there
    }
    if as_json:
        for item in there:
            click.echo(_json(item, defaults[item.index]))
    elif sys.stdout.isatty():
        Console().print(_table(there, defaults))
    else:
        for item in there:
            click.echo(_line(item, defaults[item.index]))


def _state(item: mcast.Interface) -> str:
    if not item.is_up:
        return "down"
    return "up" if item.is_running else "no carrier"


def _flags(item: mcast.Interface, defaults: list[str]) -> list[str]:
    flags = {
        "loopback": item.is_loopback,
        "point-to-point": item.is_point_to_point,
        "multicast": item.supports_multicast,
    }
    return [name for name, holds in flags.items() if holds] + [f"default {it}" for it in defaults]


def _json(item: mcast.Interface, defaults: list[str]) -> str:
    record = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    return json.dumps({**record, "default_for": defaults}, default=str)


def _line(item: mcast.Interface, defaults: list[str]) -> str:
    parts = [_state(item), *_flags(item, defaults)]
    if item.mtu is not None:
        parts.append(f"mtu {item.mtu}")
    if item.link_address is not None:
        parts.append(f"mac {item.link_address}")
    parts += map(str, (*item.ipv4, *item.ipv6))
    return f"{item.index}: {item.name}: {', '.join(parts)}"


def _table(there: list[mcast.Interface], defaults: dict[int, list[str]]) -> Table:
    # What there is of each stands below each other, so that the longest name and addresses fit
    # in 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("Name, MTU", overflow="fold")
    table.add_column("State")
    table.add_column("Addresses, MAC", overflow="fold")
    for item in there:
        table.add_row(
            str(item.index),
            _stacked((item.name, "bold"), ("" if item.mtu is None else f"{item.mtu} bytes", "dim")),
            _stacked(
                (_state(item), "green" if item.is_up and item.is_running else "red"),
                *((flag, "") for flag in _flags(item, defaults[item.index])),
            ),
            _stacked(
                *((str(address), "cyan") for address in (*item.ipv4, *item.ipv6)),
                (item.link_address or "", "dim"),
            ),
        )
    return table


def _stacked(*lines: tuple[str, str]) -> Text:
    """Return the lines that are not empty, each with its style."""
    return Text("\n").join(Text(text, style) for text, style in lines if text)
