"""What in a Linux host keeps multicast away: state of the interface, sysctls, ports held."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from . import _bridges, _nftables
from ._options import set_option
from ._records import Doubt, Finding, InterfaceFlag, Question
from ._table import SocketOption

_STRICT: Final = 1
_SETTINGS: Final = Path("/proc/sys/net")
_FORCED: Final = {
    4: ("ipv4", "force_igmp_version", "IGMP", 3),
    6: ("ipv6", "force_mld_version", "MLD", 2),
}
"""By version of IP: where the forced version of its protocol is, and which one knows sources."""


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield what stands in the way of what is asked about, as far as this host can tell."""
    yield from _interface(question)
    yield from _forced_version(question)
    if question.source is not None:
        yield from _reverse_path(question)
    if question.port is not None:
        yield from _port(question.group.version, question.port)
    yield from _nftables.faults(question)
    yield from _bridges.faults(question)


def _interface(question: Question) -> Iterator[Finding]:
    record, version = question.interface, question.group.version
    name, flags = record.name, record.flags
    if InterfaceFlag.UP not in flags:
        yield Finding(
            f"{name} is switched off",
            "nothing is sent or received there",
            f"`ip link show {name}`: no UP",
            f"ip link set {name} up",
        )
    elif InterfaceFlag.RUNNING not in flags:
        yield Finding(
            f"{name} has no carrier",
            "its cable is unplugged, or what it stands on is off: nothing comes or goes there",
            f"`ip link show {name}`: NO-CARRIER",
            f"ip link show {name}",
        )
    if InterfaceFlag.MULTICAST not in flags and InterfaceFlag.LOOPBACK not in flags:
        yield Finding(
            f"{name} does not take multicast",
            "groups are joined there without the network being told",
            f"`ip link show {name}`: no MULTICAST",
            f"ip link set {name} multicast on",
        )
    if version == 6 and _setting("ipv6", "conf", name, "disable_ipv6") == 1:
        yield Finding(
            f"{name} does not speak IPv6",
            "IPv6 groups cannot be joined there",
            f"sysctl net.ipv6.conf.{name}.disable_ipv6 = 1",
            f"sysctl -w net/ipv6/conf/{name}/disable_ipv6=0",
        )
    elif not any(address.version == version for address in record.addresses):
        yield Finding(
            f"{name} has no IPv{version} address",
            "nothing can be sent from there, and membership reports have no proper source",
            f"`ip -{version} address show {name}`: empty",
            # A link-local one (RFC 3927, RFC 4291), which is nobody's business but this network's.
            f"ip address add {_link_local(version, record.index)} dev {name} scope link",
        )


def _link_local(version: int, index: int) -> str:
    return f"169.254.77.{index % 254 + 1}/16" if version == 4 else f"fe80::77:{index:x}/64"


def _forced_version(question: Question) -> Iterator[Finding]:
    family, setting, protocol, newest = _FORCED[question.group.version]
    for place in ("all", question.interface.name):
        forced = _setting(family, "conf", place, setting)
        if forced and forced < newest:
            yield Finding(
                f"{protocol} is held at version {forced}",
                "routers and switches are not told which sources are wanted: source-specific "
                "groups do not work",
                f"sysctl net.{family}.conf.{place}.{setting} = {forced}",
                f"sysctl -w net/{family}/conf/{place}/{setting}=0",
            )


def _reverse_path(question: Question) -> Iterator[Finding]:
    """Look whether datagrams of the source are thrown away for where they come from (RFC 3704)."""
    name, source = question.interface.name, question.source
    if source is None or source.version != 4:  # There is no such filter in the kernel for IPv6.
        return
    values = {place: _setting("ipv4", "conf", place, "rp_filter") or 0 for place in ("all", name)}
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


def _local_address_towards(host: str) -> str | None:
    """Return from which address the kernel would answer; nothing is sent for that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _port(version: int, port: int) -> Iterator[Finding | Doubt]:
    """Look whether another program holds the port and does not share it."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        set_option(probe.fileno(), family, SocketOption.SHARE_PORT, 1)
        if family == socket.AF_INET6:
            set_option(probe.fileno(), family, SocketOption.ONLY_IPV6, 1)
        try:
            probe.bind(("", port))
        except PermissionError:
            yield Doubt(f"whether port {port} is free", "ports that low need CAP_NET_BIND_SERVICE")
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    holders = _holders(port)
    who = ", ".join(f"{program} (process {pid})" for pid, program in holders)
    yield Finding(
        f"port {port} is held by a program that does not share it",
        "no receiver can be opened there, not even with SO_REUSEADDR",
        who or "binding to it fails with EADDRINUSE; whose it is can only root see",
        " ".join(["kill", *(str(pid) for pid, _ in holders)]) if holders else "ss -ulpn",
    )


def _holders(port: int) -> list[tuple[int, str]]:
    """Return the processes with a UDP socket on that port, as far as they can be seen."""
    inodes: set[str] = set()
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    found: list[tuple[int, str]] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = {os.readlink(item) for item in (process / "fd").iterdir()}
            program = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # It has ended, or is another user's.
            continue
        if links & inodes:
            found.append((int(process.name), program))
    return sorted(found)


def _setting(*parts: str) -> int | None:
    try:
        return int(_SETTINGS.joinpath(*parts).read_text(encoding="ascii"))
    except OSError:  # The kernel is without it, or the interface is gone.
        return None
