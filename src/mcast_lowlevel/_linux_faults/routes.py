"""Where the kernel would send: what is thrown away for that, and which interface it prefers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

from .._records import Finding, Question
from .kernel import setting
from .programs import ask_for_list, find

_STRICT: Final = 1


def faults(question: Question) -> Iterator[Finding]:
    """Yield that the source's datagrams are taken for forged, or that others choose otherwise."""
    yield from _reverse_path(question)
    yield from _way_to_the_group(question)


def _reverse_path(question: Question) -> Iterator[Finding]:
    """Look whether datagrams of the source are thrown away for where they come from (RFC 3704)."""
    name, source = question.interface.name, question.source
    if source is None or source.version != 4:  # There is no such filter in the kernel for IPv6.
        return
    values = {place: setting("ipv4", "conf", place, "rp_filter") or 0 for place in ("all", name)}
    mode = max(values.values())
    if not mode:
        return
    back = _local_address_towards(str(source))
    here = {str(address.ip) for address in question.interface.addresses}
    if back is not None and (mode != _STRICT or back in here):
        return
    way = "no route leads back to it" if back is None else f"the route back to it is from {back}"
    places = [place for place, value in values.items() if value]
    yield Finding(
        f"the reverse path filter throws away what {source} sends",
        f"a datagram that arrives on {name} is taken for forged: {way}",
        ", ".join(f"sysctl net.ipv4.conf.{place}.rp_filter = {values[place]}" for place in places),
        "sysctl -w " + " ".join(f"net/ipv4/conf/{place}/rp_filter=0" for place in places),
    )


def _way_to_the_group(question: Question) -> Iterator[Finding]:
    """Look whether programs that name no interface are led to another one."""
    group, name = question.group, question.interface.name
    program = find("ip")
    # IPv6 has a route for groups on each interface, which says nothing of preference.
    if question.alternatives is None or program is None or group.version != 4:
        return
    routes = ask_for_list(program, "-json", "route", "get", str(group))
    led = next((route["dev"] for route in routes), name)
    if led != name:
        yield Finding(
            f"a route leads {group} to {led}, and not to {name}",
            "programs that name no interface send and join there",
            f"`ip route get {group}`: dev {led}",
            f"ip route replace {group}/32 dev {name}",
        )


def _local_address_towards(host: str) -> str | None:
    """Return from which address the kernel would answer; nothing is sent for that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
