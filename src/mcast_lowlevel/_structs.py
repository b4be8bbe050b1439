"""Packing and unpacking of structs, by a platform's declarations: the one place that does it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from ._errors import UnsupportedError
from ._values import (
    FilterMode,
    GroupFilter,
    GroupReq,
    GroupSourceReq,
    In6Pktinfo,
    InPktinfo,
    IpMreq,
    IpMreqn,
    IpMreqSource,
    Ipv6Mreq,
    Sockaddr,
    SockaddrIn,
    SockaddrIn6,
    Struct,
)

if TYPE_CHECKING:
    from _cffi_backend import FFI, CType

S = TypeVar("S", bound=Struct)

_C_NAMES: Mapping[type, str] = {
    SockaddrIn: "struct sockaddr_in",
    SockaddrIn6: "struct sockaddr_in6",
    IpMreq: "struct ip_mreq",
    IpMreqn: "struct ip_mreqn",
    IpMreqSource: "struct ip_mreq_source",
    Ipv6Mreq: "struct ipv6_mreq",
    GroupReq: "struct group_req",
    GroupSourceReq: "struct group_source_req",
    GroupFilter: "struct group_filter",
    InPktinfo: "struct in_pktinfo",
    In6Pktinfo: "struct in6_pktinfo",
}
_NETWORK_ORDER = {"sin_port": 2, "sin6_port": 2, "sin6_flowinfo": 4}
_COUNT_SIZE = 4
"""Bytes of a filter's number of sources."""
_FAMILIES: Mapping[type, tuple[str, str]] = {
    SockaddrIn: ("sin", "AF_INET"),
    SockaddrIn6: ("sin6", "AF_INET6"),
}


class _Field(NamedTuple):
    """_Field is where a value goes."""

    offset: int
    size: int
    is_network_order: bool
    is_signed: bool


class _Plan(NamedTuple):
    """_Plan is how a struct is packed; a field that the platform lacks is None."""

    template: bytes
    fields: tuple[_Field | None, ...]


def swap_to_network(value: int, size: int) -> int:
    """Return the integer whose `size` bytes in memory are `value` in network byte order."""
    return int.from_bytes(value.to_bytes(size, "big"), sys.byteorder)


class Structs:
    """Structs packs and unpacks the structs of one platform.

    Sizes, offsets, the order of fields and the numbers of constants all come from the
    declarations that `ffi` was emitted from.
    """

    def __init__(self, platform: str, ffi: FFI) -> None:
        """`platform` is what errors call it."""
        self._platform = platform
        self._ffi = ffi
        self._plans: dict[type, _Plan] = {}
        self._modes = {mode: ffi.integer_const(f"MCAST_{mode.name}") for mode in FilterMode}
        self._sockaddrs: dict[int, type[Sockaddr]] = {
            ffi.integer_const("AF_INET"): SockaddrIn,
            ffi.integer_const("AF_INET6"): SockaddrIn6,
        }

    def ctype(self, kind: type) -> CType:
        """Return the C type that `kind` stands for; `UnsupportedError` where there is none."""
        name = _C_NAMES[kind]
        try:
            return self._ffi.typeof(name)
        except self._ffi.error:
            raise UnsupportedError(f"{self._platform} has no {name}") from None

    def size(self, kind: type) -> int:
        """Return the struct's size in bytes; of a `GroupFilter`, that of one without sources."""
        ctype = self.ctype(kind)
        if kind is GroupFilter:
            return self._ffi.offsetof(ctype, "gf_slist")
        return self._ffi.sizeof(ctype)

    def pack(self, value: Struct) -> bytes:
        """Return the bytes of the struct that `value` stands for.

        Raises `OverflowError` for an integer that its field cannot hold and `UnsupportedError`
        for a struct or a field that the platform lacks.
        """
        plan = self._plans.get(type(value))
        if plan is None:
            plan = self._plans[type(value)] = self._plan(type(value))
        memory = bytearray(plan.template)
        for field, item in zip(plan.fields, value, strict=True):
            if field is None:
                self._require_default(value, item)
            elif isinstance(item, int):
                order = "big" if field.is_network_order else sys.byteorder
                number = item.to_bytes(field.size, order, signed=field.is_signed)
                memory[field.offset : field.offset + field.size] = number
            elif isinstance(item, IPv4Address | IPv6Address):
                memory[field.offset : field.offset + len(item.packed)] = item.packed
            elif isinstance(item, FilterMode):
                number = self._modes[item].to_bytes(field.size, sys.byteorder)
                memory[field.offset : field.offset + field.size] = number
            elif isinstance(item, SockaddrIn | SockaddrIn6):
                packed = self.pack(item)
                memory[field.offset : field.offset + len(packed)] = packed
            else:
                self._append_sources(memory, item)
        return bytes(memory)

    def _plan(self, kind: type[Struct]) -> _Plan:
        """Find out once where everything is."""
        ffi, ctype = self._ffi, self.ctype(kind)
        there: dict[str, Any] = dict(ctype.fields or ())
        fields: list[_Field | None] = []
        for name in kind._fields:
            if name not in there:
                fields.append(None)
                continue
            of_field = there[name].type
            fields.append(
                _Field(
                    there[name].offset,
                    ffi.sizeof(of_field),
                    name in _NETWORK_ORDER,
                    of_field.kind == "primitive" and int(ffi.cast(of_field, -1)) < 0,
                )
            )
        template = bytearray(self.size(kind))
        if kind in _FAMILIES:
            prefix, family = _FAMILIES[kind]
            struct = cast(Any, ffi.cast(ffi.getctype(ctype, "*"), ffi.from_buffer(template)))
            setattr(struct, f"{prefix}_family", ffi.integer_const(family))
            if f"{prefix}_len" in there:
                setattr(struct, f"{prefix}_len", len(template))
        return _Plan(bytes(template), tuple(fields))

    def _require_default(self, value: Struct, item: object) -> None:
        name = value._fields[[found is item for found in value].index(True)]
        if item != InPktinfo._field_defaults.get(name):
            struct = self.ctype(type(value)).cname
            raise UnsupportedError(f"{self._platform}'s {struct} has no field {name}")

    def _append_sources(self, memory: bytearray, sources: tuple[Sockaddr, ...]) -> None:
        """Put the list of a `group_filter` behind it, as long as it is."""
        ffi, ctype = self._ffi, self.ctype(GroupFilter)
        count = len(sources).to_bytes(_COUNT_SIZE, sys.byteorder)
        start = ffi.offsetof(ctype, "gf_numsrc")
        memory[start : start + _COUNT_SIZE] = count
        size = ffi.sizeof("struct sockaddr_storage")
        for source in sources:
            memory += self.pack(source).ljust(size, b"\0")

    def unpack(self, kind: type[S], data: bytes) -> S:
        """Return the value of type `kind` that the struct in `data` holds.

        Raises `ValueError` where `data` is too short for the struct.
        """
        ffi = self._ffi
        ctype = self.ctype(kind)
        self._require(ctype.cname, data, self.size(kind))
        # A copy that is as long as the declaration, because a filter's list may be shorter.
        memory = ffi.new("char[]", max(len(data), ffi.sizeof(ctype)))
        ffi.memmove(memory, data, len(data))
        struct = cast(Any, ffi.cast(ffi.typeof(ffi.getctype(ctype, "*")), memory))
        if kind is GroupFilter:
            count = int(struct.gf_numsrc)
            self._require(ctype.cname, data, ffi.offsetof(ctype, "gf_slist", count))
        fields: dict[str, Any] = {
            name: self._load(struct, name) for name in kind._fields if hasattr(struct, name)
        }
        return kind(**fields)

    @staticmethod
    def _require(name: str, data: bytes, needed: int) -> None:
        if len(data) < needed:
            raise ValueError(f"{name} takes {needed} bytes, not {len(data)}")

    def _load(self, struct: Any, name: str) -> object:
        ffi = self._ffi
        value = getattr(struct, name)
        if isinstance(value, int):
            if name == "gf_fmode":
                return next(mode for mode, number in self._modes.items() if number == value)
            size = _NETWORK_ORDER.get(name)
            return swap_to_network(value, size) if size else value
        ctype = ffi.typeof(value)
        if ctype.kind == "array":
            return tuple(
                self.unpack_sockaddr(bytes(ffi.buffer(value + position, ffi.sizeof(ctype.item))))
                for position in range(struct.gf_numsrc)
            )
        data = bytes(ffi.buffer(ffi.addressof(struct, name)))
        if len(data) == 4:
            return IPv4Address(data)
        if len(data) == 16:
            return IPv6Address(data)
        return self.unpack_sockaddr(data)

    def source_count(self, data: bytes) -> int:
        """Return how many sources a `group_filter` has, also where `data` ends before them."""
        ctype = self.ctype(GroupFilter)
        self._require(ctype.cname, data, self.size(GroupFilter))
        pointer = self._ffi.typeof(self._ffi.getctype(ctype, "*"))
        memory = self._ffi.from_buffer(data)
        return int(cast(Any, self._ffi.cast(pointer, memory)).gf_numsrc)

    def unpack_sockaddr(self, data: bytes) -> Sockaddr:
        """Return the IPv4 or IPv6 socket address in `data`, a `sockaddr` or `sockaddr_storage`.

        Raises `ValueError` for any other family.
        """
        family = self.family(data)
        if family not in self._sockaddrs:
            raise ValueError(f"address family {family} is neither IPv4 nor IPv6")
        return self.unpack(self._sockaddrs[family], data)

    def sockaddr_size(self, family: int) -> int:
        """Return the size of an address of `family` in bytes, 0 if it is neither IPv4 nor IPv6."""
        kind = self._sockaddrs.get(family)
        return self.size(kind) if kind else 0

    def family(self, data: bytes) -> int:
        """Return the address family of the `sockaddr` in `data`."""
        self._require("struct sockaddr", data, self._ffi.sizeof("struct sockaddr"))
        return int(cast(Any, self._ffi.from_buffer("struct sockaddr *", data)).sa_family)
