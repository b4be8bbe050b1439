"""``mcast demo``: a datagram there and back on the loopback interface."""

from __future__ import annotations

import sys

import click

import mcast

from .words import endpoint, hints, reason

# Administratively scoped (RFC 2365) and transient (RFC 4291): assigned to nobody.
_GROUPS = {"IPv4": "239.255.77.67", "IPv6": "ff15::4d43"}
_TIMEOUT = 2.0
"""Seconds that a datagram may take."""


@click.command()
def demo() -> None:
    """Send and receive on the loopback interface.

    Shows what arrived, from whom and where. Needs no root, no network and, for IPv4, no route. The
    exit code is 0 if IPv4 worked.
    """
    loopback = next((item for item in mcast.interfaces() if item.is_loopback and item.is_up), None)
    if loopback is None:
        raise click.ClickException(
            "no loopback interface is up\nHint: on Linux, `ip link set lo up` switches it on"
        )
    worked = [_demonstrate(version, loopback) for version in _GROUPS]
    if not worked[0]:
        sys.exit(1)


def _demonstrate(version: str, loopback: mcast.Interface) -> bool:
    """Show how `version` fares, and return whether it worked."""
    payload = f"hello over {version}"
    try:
        datagram, port = _exchange(_GROUPS[version], loopback, payload.encode())
    except (mcast.McastError, OSError) as error:
        verdict = click.style("does not work here", fg="yellow")
        rows = [("why", reason(error)), *(("hint", hint) for hint in hints(error))]
        worked = False
    else:
        verdict = click.style("works", fg="green")
        rows = [
            ("sent", payload),
            ("received", datagram.data.decode(errors="backslashreplace")),
            ("group", endpoint(datagram.group, port)),
            ("source", endpoint(*datagram.source)),
            ("interface", f"{datagram.interface} (index {datagram.interface_index})"),
        ]
        worked = True
    formatter = click.HelpFormatter()
    with formatter.indentation():
        formatter.write_dl([(f"{name:9}", value) for name, value in rows])
    click.echo(f"{click.style(version, bold=True)} on {loopback}: {verdict}")
    click.echo(formatter.getvalue(), nl=False)
    return worked


def _exchange(group: str, loopback: mcast.Interface, payload: bytes) -> tuple[mcast.Datagram, int]:
    """Send `payload` to `group`, and return what a receiver there gets and its port."""
    with (
        mcast.McastRx(group, 0, interfaces=loopback, timeout=_TIMEOUT) as rx,
        mcast.McastTx(group, rx.port, interface=loopback, loopback=True) as tx,
    ):
        tx.send(payload)
        return rx.recv(), rx.port
