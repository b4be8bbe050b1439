"""What a user asks to be joined: which groups, on which interfaces, for which sources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ._addresses import (
    FAMILY_NAMES,
    Address,
    AddressLike,
    Group,
    GroupLike,
    family_of,
    parse_group,
    parse_source,
)
from ._errors import AddressError, InterfaceError
from ._interfaces import Interface, InterfaceLike, find_interfaces, interfaces


class JoinRequest(NamedTuple):
    """JoinRequest is one group to be joined."""

    group: Address
    interfaces: tuple[Interface, ...]
    is_everywhere: bool
    """Whether it is for every interface of use, those to come included."""
    sources: frozenset[Address] | None = None
    """None for any source."""


def plan_joins(
    groups: GroupLike | Iterable[GroupLike],
    chosen: tuple[Interface, ...],
    sources: AddressLike | Iterable[AddressLike] | None,
    *,
    named: bool,
) -> list[JoinRequest]:
    """Return what to join for each of `groups`: on `chosen`, or where its scope says.

    `named` says whether the user named `chosen`; a scope must be among them then. Raises
    `AddressError`, `InterfaceError` or `TypeError` for what cannot be used.
    """
    parsed = [parse_group(group) for group in _listed(groups)]
    if not parsed:
        raise AddressError("no group is given: name one or more")
    requests = [
        JoinRequest(
            group.address,
            _within(group, chosen, named=named),
            is_everywhere=not named and group.scope is None,
        )
        for group in parsed
    ]
    if not any(request.interfaces for request in requests):
        raise InterfaceError(
            "no interface to join on: none is up, multicast-capable and not loopback; "
            "name the ones to use with interfaces="
        )
    if sources is None:
        return requests
    return _with_sources(requests, _listed(sources))


def choose_interfaces(
    specs: InterfaceLike | Iterable[InterfaceLike] | None,
) -> tuple[Interface, ...]:
    """Return each interface that is named, once; None names all that are of use."""
    there = interfaces()
    if specs is None:
        return tuple(filter(is_usual, there))
    found = (item for spec in _listed(specs) for item in find_interfaces(spec, among=there))
    return tuple(dict.fromkeys(found))


def is_usual(interface: Interface) -> bool:
    """Return whether `interface` is joined on where none is named."""
    return interface.is_up and interface.supports_multicast and not interface.is_loopback


def _within(group: Group, chosen: tuple[Interface, ...], *, named: bool) -> tuple[Interface, ...]:
    if group.scope is None:
        return chosen
    own = tuple(find_interfaces(group.scope))
    if named and not set(own) <= set(chosen):
        names = ", ".join(item.name for item in chosen)
        raise InterfaceError(
            f"the scope of {group.address}%{group.scope} is none of the interfaces: {names}"
        )
    return own


def _with_sources(requests: list[JoinRequest], sources: list[AddressLike]) -> list[JoinRequest]:
    """Return the requests for those sources; each group takes those of its family."""
    by_family: dict[int, set[Address]] = {}
    groups = {family_of(request.group): request.group for request in requests}
    for source in sources:
        # A source that no group can have is an error of the last group's family.
        fitting = next(
            (group for group in groups.values() if _is_of_version(source, group.version)),
            requests[-1].group,
        )
        address = parse_source(source, fitting)
        by_family.setdefault(family_of(address), set()).add(address)
    for family, group in groups.items():
        if family not in by_family:
            raise AddressError(
                f"no source of {group} is given: name one or more {FAMILY_NAMES[family]} addresses"
            )
    return [
        request._replace(sources=frozenset(by_family[family_of(request.group)]))
        for request in requests
    ]


def _is_of_version(source: AddressLike, version: int) -> bool:
    return (":" in str(source)) == (version == 6)


def _listed(values: Any) -> list[Any]:
    """Return one value or many as a list; text is one value."""
    several = hasattr(values, "__iter__") and not isinstance(values, str)
    return list(values) if several else [values]
