"""The state of an interface, and what version of IGMP or MLD it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .._records import Finding, InterfaceFlag, Question
from .kernel import setting

_FORCED: Final = {
    4: ("ipv4", "force_igmp_version", "IGMP", 3),
    6: ("ipv6", "force_mld_version", "MLD", 2),
}
"""By version of IP: where the forced version of its protocol is, and which one knows sources."""


def faults(question: Question) -> Iterator[Finding]:
    """Yield what keeps an interface from receiving at all, or from telling what it wants."""
    yield from _state(question)
    yield from _forced_version(question)


def _state(question: Question) -> Iterator[Finding]:
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
    if version == 6 and setting("ipv6", "conf", name, "disable_ipv6") == 1:
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
    family, held, protocol, newest = _FORCED[question.group.version]
    for place in ("all", question.interface.name):
        forced = setting(family, "conf", place, held)
        if forced and forced < newest:
            yield Finding(
                f"{protocol} is held at version {forced}",
                "routers and switches are not told which sources are wanted: source-specific "
                "groups do not work",
                f"sysctl net.{family}.conf.{place}.{held} = {forced}",
                f"sysctl -w net/{family}/conf/{place}/{held}=0",
            )
