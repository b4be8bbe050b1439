"""Linux's bridges: what leads no further than this host, and what forgets members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .._records import Doubt, Finding, Question
from .programs import ask_for_list, find

_WITHIN: Final = {"veth", "tun"}
"""Kinds of interfaces that lead to containers and virtual machines on this host."""


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield what is wrong with the bridge that the interface is or stands on, if any."""
    program, name = find("ip"), question.interface.name
    if program is None:
        yield Doubt(f"whether {name} is on a bridge", "ip is not installed: apt install iproute2")
        return
    link = _link(program, name)
    if _is_bridge(link) and question.alternatives:
        ports = _show(program, "master", name)
        yield from _leads_nowhere(question, question.alternatives[0], ports)
    if "master" in link:
        link = _link(program, link["master"])
    if _is_bridge(link):
        yield from _forgets(link)


def _is_bridge(link: dict[str, Any]) -> bool:
    kind: str | None = link.get("linkinfo", {}).get("info_kind")
    return kind == "bridge"


def _leads_nowhere(
    question: Question, other: str, ports: list[dict[str, Any]]
) -> Iterator[Finding]:
    """Look whether a bridge that was chosen by itself is one of containers."""
    kinds = {port["ifname"]: port.get("linkinfo", {}).get("info_kind") for port in ports}
    if not _WITHIN.issuperset(kinds.values()):
        return
    name = question.interface.name
    yield Finding(
        f"{name} is a bridge of containers or virtual machines, and leads no further",
        "who names no interface sends there, and nobody outside of this host hears it",
        f"`ip link show master {name}`: {', '.join(kinds) or 'nothing'}",
        f"mcast doctor {question.group} --interface {other}",
    )


def _forgets(bridge: dict[str, Any]) -> Iterator[Finding | Doubt]:
    """Look whether a bridge that listens for members has somebody who asks for them."""
    state, name = bridge["linkinfo"].get("info_data", {}), bridge["ifname"]
    if not state.get("mcast_snooping") or state.get("mcast_querier"):
        return
    program = find("bridge")
    if program is None:
        yield Doubt(f"whether somebody asks for members on {name}", "bridge is not installed")
        return
    # It tells where queries came from, of either version of IP, and keeps that for minutes.
    told = ask_for_list(program, "-json", "-details", "mdb", "show", "dev", name)
    if not any(item.get("router", {}).get(name) for item in told):
        yield Finding(
            f"bridge {name} listens for members, and nobody asks for them",
            "without a querier it sends every group to each of its ports, and other switches that "
            "snoop forget after some minutes who wants one: the stream stops",
            f"`ip -details link show {name}`: mcast_snooping 1, mcast_querier 0; "
            f"`bridge -details mdb show dev {name}`: no router port, where queries come from",
            f"ip link set {name} type bridge mcast_querier 1",
        )


def _link(program: str, name: str) -> dict[str, Any]:
    """Return what is known of an interface, nothing of one that is gone."""
    nothing: dict[str, Any] = {}
    return next(iter(_show(program, "dev", name)), nothing)


def _show(program: str, *which: str) -> list[dict[str, Any]]:
    """Return what is known of interfaces."""
    return [
        link for link in ask_for_list(program, "-json", "-details", "link", "show", *which) if link
    ]
