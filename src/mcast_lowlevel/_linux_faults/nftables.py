"""Reading nftables' rules, as ``nft --json`` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from .firewall import UNKNOWN, Chain, Comparison, Jump, Rule, Table, Verdict

_VERDICTS: Final = {
    "accept": Verdict.ACCEPT,
    "drop": Verdict.DROP,
    "reject": Verdict.DROP,
    "return": Verdict.RETURN,
}
_JUMPS: Final = {"jump": True, "goto": False}
"""Whether they return."""
_WITHOUT_EFFECT: Final = {"counter", "log", "comment", "mangle", "notrack", "set", "ct helper"}
"""Statements that let a packet pass on, whatever they do."""
_EQUALITIES: Final = {"==", "!=", "in"}
_ORDERS: Final[Mapping[str, Callable[[int], str]]] = {
    "<": lambda number: f"0-{number - 1}",
    "<=": lambda number: f"0-{number}",
    ">": lambda number: f"{number + 1}-65535",
    ">=": lambda number: f"{number}-65535",
}
_FAMILIES: Final = {4: {"inet", "ip", "netdev"}, 6: {"inet", "ip6", "netdev"}}

Item = Mapping[str, Any]


def tables(listing: Item, version: int, interface: str) -> dict[tuple[str, str], Table | None]:
    """Return the tables by family and name that see an interface's packets of a version of IP.

    None is in the place of a table with rules of iptables, of which nft does not tell what they do.
    """
    items: list[dict[str, Any]] = listing["nftables"]
    there = {(item["family"], item["name"]) for item in _of(items, "table")}
    return {
        place: _table(items, place, interface)
        for place in sorted(there)
        if place[0] in _FAMILIES[version]
    }


def _of(items: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item[kind] for item in items if kind in item]


def _table(items: list[dict[str, Any]], place: tuple[str, str], interface: str) -> Table | None:
    def here(kind: str) -> list[dict[str, Any]]:
        return [item for item in _of(items, kind) if (item["family"], item["table"]) == place]

    rules = here("rule")
    if any("xt" in expression for rule in rules for expression in rule["expr"]):
        return None
    sets = {f"@{item['name']}": item.get("elem", []) for item in here("set") + here("map")}
    return {
        chain["name"]: _chain(
            chain, [rule for rule in rules if rule["chain"] == chain["name"]], sets
        )
        for chain in here("chain")
        if chain.get("dev", interface) == interface
    }


def _chain(chain: Item, rules: list[Item], sets: Mapping[str, Any]) -> Chain:
    where = f"{chain['family']} {chain['table']} {chain['name']}"
    ip = "ip6" if chain["family"] == "ip6" else "ip"
    is_filter = chain.get("type") == "filter"
    return Chain(
        [part for rule in rules for part in _rules(rule, where, sets)],
        chain["hook"] if is_filter else None,
        chain.get("policy") == "drop",
        f"nft: chain {where} has the policy drop, and no rule that accepts them",
        f"nft add rule {where} {ip} daddr {{}} accept",
    )


def _rules(rule: Item, where: str, sets: Mapping[str, Any]) -> Iterator[Rule]:
    """Yield a rule of nft as one with a verdict each; nothing for one without a verdict."""
    handle = rule["handle"]
    evidence = f"nft: chain {where}, rule with handle {handle}"
    removal = f"nft delete rule {where} handle {handle}"
    comparisons: list[Comparison] = []
    for expression in rule["expr"]:
        ((kind, told),) = cast("dict[str, Any]", expression).items()
        if kind in _VERDICTS:
            yield Rule(comparisons, _VERDICTS[kind], evidence, removal)
        elif kind in _JUMPS:
            yield Rule(comparisons, Jump(told["target"], _JUMPS[kind]), evidence, removal)
        elif kind == "vmap":
            for value, verdict in _pairs(told["data"], sets):
                key = Comparison(_field(told["key"]), _values(value, sets))
                yield from (
                    Rule([*comparisons, key], end, evidence, removal) for end in _verdict(verdict)
                )
        elif kind == "match":
            comparisons.append(_comparison(told, sets))
        elif kind == "queue":  # Another program decides.
            yield Rule([*comparisons, UNKNOWN], Verdict.DROP, evidence, removal)
        elif kind not in _WITHOUT_EFFECT:
            comparisons.append(UNKNOWN)


def _verdict(told: Item) -> Iterator[Verdict | Jump]:
    ((kind, more),) = told.items()
    if kind in _VERDICTS:
        yield _VERDICTS[kind]
    elif kind in _JUMPS:
        yield Jump(more["target"], _JUMPS[kind])


def _comparison(match: Item, sets: Mapping[str, Any]) -> Comparison:
    field, right = _field(match["left"]), match["right"]
    if match["op"] in _EQUALITIES:
        return Comparison(field, _values(right, sets), match["op"] == "!=")
    is_number = isinstance(right, int)
    return Comparison(field, [_ORDERS[match["op"]](right) if is_number else ""])


def _field(left: Any) -> str:
    """Return which field is meant, nothing for what is not understood."""
    field = ""
    match left:
        case {"payload": {"protocol": protocol, "field": field}}:
            field = f"{protocol} {field}"
        case {"meta": {"key": key}}:
            field = f"meta {key}"
        case {"ct": {"key": key}}:
            field = f"ct {key}"
        case {"fib": {"result": "type", "flags": ["daddr"]}}:
            field = "fib type"
        case {"fib": {"result": "oif", "flags": ["saddr", *_]}}:
            field = "fib oif"
        case {"&": [masked, _]}:
            field = f"{_field(masked)} masked"
        case _:
            pass
    return field


def _values(right: Any, sets: Mapping[str, Any]) -> list[str]:
    """Return what a field is compared with, nothing for what is not understood."""
    match right:
        case list() | {"set": list()}:
            items = cast("list[Any]", right if isinstance(right, list) else right["set"])
            return [value for item in items for value in _values(item, sets)]
        case {"elem": {"val": value}}:
            return _values(value, sets)
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return [f"{address}/{length}"]
        case {"range": [first, last]}:
            return [f"{first}-{last}"]
        case str(name) if name.startswith("@"):
            return _values(sets.get(name, []), sets)
        case _:
            return [str(right)] if isinstance(right, str | int) else [""]


def _pairs(data: Any, sets: Mapping[str, Any]) -> list[tuple[Any, Item]]:
    pairs: list[tuple[Any, Item]] = sets.get(data, []) if isinstance(data, str) else data["set"]
    return pairs
