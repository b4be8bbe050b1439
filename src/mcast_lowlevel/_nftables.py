"""Linux's firewall: which rule of nftables throws a group's datagrams or its reports away."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple, cast

from ._records import Doubt, Finding, Question

_SUBJECT: Final = "whether the firewall lets multicast through"
_HOOKS: Final = {"input", "prerouting", "ingress"}
_VERDICTS: Final = {"accept", "drop", "reject"}
_SECONDS: Final = 10


class _Packet(NamedTuple):
    """_Packet is what a rule may look at."""

    what: str
    protocol: str
    fields: dict[tuple[str, str], Any]


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield the rules that keep the group's datagrams, or queries for members, from this host."""
    program = shutil.which("nft")
    if program is None:
        yield Doubt(_SUBJECT, "nft is not installed: apt install nftables")
        return
    listing = subprocess.run(  # noqa: S603 - its arguments are these.
        [program, "--json", "--handle", "list", "ruleset"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if listing.returncode != 0:
        yield Doubt(_SUBJECT, f"nft: {listing.stderr.strip() or 'fails'} (root can list the rules)")
        return
    items: list[dict[str, Any]] = json.loads(listing.stdout)["nftables"]
    rules = [item["rule"] for item in items if "rule" in item]
    for chain in (item["chain"] for item in items if "chain" in item):
        if chain.get("hook") in _HOOKS and chain.get("type") == "filter":
            yield from _judge(chain, rules, _packets(question))


def _packets(question: Question) -> Sequence[_Packet]:
    """Return a datagram of the group, and a query for its members."""
    version, name = question.group.version, question.interface.name
    ip = "ip" if version == 4 else "ip6"
    common = {
        (ip, "daddr"): str(question.group),
        ("meta", "pkttype"): "multicast",
        ("meta", "iifname"): name,
        ("meta", "iif"): name,
        ("meta", "nfproto"): f"ipv{version}",
    }
    if question.source is not None:
        common[ip, "saddr"] = str(question.source)
    datagram = {**common, ("meta", "l4proto"): "udp", ("ip", "protocol"): "udp"}
    datagram["ip6", "nexthdr"] = "udp"
    if question.port is not None:
        datagram["udp", "dport"] = datagram["th", "dport"] = str(question.port)
    protocol = "igmp" if version == 4 else "icmpv6"
    everyone = "224.0.0.1" if version == 4 else "ff02::1"
    query = {**common, (ip, "daddr"): everyone, ("meta", "l4proto"): protocol}
    query["ip", "protocol"] = query["ip6", "nexthdr"] = protocol
    query["icmpv6", "type"] = "mld-listener-query"
    query.pop((ip, "saddr"), None)
    queries = "IGMP" if version == 4 else "MLD"
    return (
        _Packet(f"datagrams to {question.group}", "udp", datagram),
        _Packet(f"{queries} queries", protocol, query),
    )


def _judge(
    chain: dict[str, Any], rules: list[dict[str, Any]], packets: Sequence[_Packet]
) -> Iterator[Finding]:
    place = (chain["family"], chain["table"], chain["name"])
    ours = [rule for rule in rules if (rule["family"], rule["table"], rule["chain"]) == place]
    for packet in packets:
        rule = next((rule for rule in ours if _decides(rule, packet)), None)
        where = " ".join(place)
        if rule is not None and not _has(rule, "accept"):
            yield Finding(
                f"the firewall throws {packet.what} away",
                _why(packet),
                f"nft: chain {where}, rule with handle {rule['handle']}",
                f"nft delete rule {where} handle {rule['handle']}",
            )
        elif rule is None and chain.get("policy") == "drop":
            (field, value) = next(
                (key, value) for key, value in packet.fields.items() if key[1] == "daddr"
            )
            yield Finding(
                f"the firewall throws {packet.what} away",
                _why(packet),
                f"nft: chain {where} has the policy drop, and no rule that accepts them",
                f"nft add rule {where} {' '.join(field)} {value} accept",
            )


def _why(packet: _Packet) -> str:
    if packet.protocol == "udp":
        return "a capture shows them, and programs do not receive them"
    return (
        "this host does not answer who asks for members, and switches and routers stop sending to "
        "it after some minutes"
    )


def _has(rule: dict[str, Any], verdict: str) -> bool:
    return any(verdict in expression for expression in rule["expr"])


def _decides(rule: dict[str, Any], packet: _Packet) -> bool:
    """Return whether a rule has a verdict, and all that it compares is so for the packet."""
    matches = [item["match"] for item in rule["expr"] if "match" in item]
    known = {"match", "counter", "log", "comment", *_VERDICTS}
    if any(not known & item.keys() for item in rule["expr"]):
        return False  # It looks at what is not known here, a limit for example.
    return any(_has(rule, verdict) for verdict in _VERDICTS) and all(
        _compares(match, packet) for match in matches
    )


def _compares(match: dict[str, Any], packet: _Packet) -> bool:
    left = match["left"]
    if "payload" in left:
        key = (left["payload"].get("protocol"), left["payload"].get("field"))
    elif "meta" in left:
        key = ("meta", left["meta"]["key"])
    else:
        return False
    if key not in packet.fields or match["op"] not in {"==", "!=", "in"}:
        return False
    is_negated: bool = match["op"] == "!="
    return _is_in(packet.fields[key], match["right"]) != is_negated


def _is_in(value: str, wanted: Any) -> bool:
    """Return whether `value` is what nft's JSON says on the right of a comparison."""
    match wanted:
        case {"set": items}:
            return any(_is_in(value, item) for item in cast("list[Any]", items))
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return ip_address(value) in ip_network(f"{address}/{length}", strict=False)
        case {"range": [int(first), int(last)]}:
            return value.isdigit() and first <= int(value) <= last
        case {"range": [str(first), str(last)]}:
            low, high = ip_address(first).packed, ip_address(last).packed
            return low <= ip_address(value).packed <= high
        case _:
            return value == str(wanted)
