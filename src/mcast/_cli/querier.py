"""``mcast querier``: asking for members, so that switches which snoop keep sending."""

from __future__ import annotations

import socket

import click

import mcast


@click.command()
@click.option("--interface", "-i", metavar="IF", required=True, help="By name, index or address.")
@click.option("--ipv6", is_flag=True, help="Ask for IPv6 groups (MLD) instead of IPv4 (IGMP).")
def querier(*, interface: str, ipv6: bool) -> None:
    """Ask a network for members of groups, until Ctrl-C.

    A switch that snoops forgets after some minutes who wants a group, unless somebody asks. Routers
    for multicast do; where there is none, run this on one host, as root. If another one asks whose
    address is lower, this one is silent.
    """
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    with mcast.Querier(interface, family=family) as asking:
        try:
            for other in asking.run():
                who = "asking" if other is None else f"{other} asks"
                click.echo(f"{who} on {asking.interface}", err=True)
        except KeyboardInterrupt:
            click.echo(err=True)
