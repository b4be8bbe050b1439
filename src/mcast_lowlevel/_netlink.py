"""Linux's routing messages (rtnetlink(7)): links, addresses and routes, a dump at a time."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ._errors import system_error
from ._linux_ffi import ffi
from ._records import AddressRecord, LinkChanges

if TYPE_CHECKING:
    from _cffi_backend import CType

_RECEIVE_SIZE = 1 << 16
"""Bytes. The kernel fills at most 32 KiB a message of a dump (rtnetlink, NLMSG_GOODSIZE)."""
_ATTEMPTS = 10
"""How often a dump is begun anew when the tables change under it."""

_constant = ffi.integer_const

_NLMSGHDR = ffi.typeof("struct nlmsghdr *")
_DUMP_INTERRUPTED = _constant("NLM_F_DUMP_INTR")
_ERROR = _constant("NLMSG_ERROR")
_DONE = _constant("NLMSG_DONE")
_READ = frozenset(
    map(
        _constant,
        (
            "IFLA_ADDRESS", "IFLA_IFNAME", "IFLA_MTU", "IFLA_IFALIAS", "IFA_ADDRESS", "IFA_LOCAL",
            "RTA_OIF", "RTA_PRIORITY", "RTA_MULTIPATH", "RTA_TABLE",
        ),
    )
)  # fmt: skip
"""The attributes that are read here, of whatever message."""
_RTATTR_SIZE = ffi.sizeof("struct rtattr")
_RTA_LEN = ffi.offsetof("struct rtattr", "rta_len") // 2
_RTA_TYPE = ffi.offsetof("struct rtattr", "rta_type") // 2


class _InterruptedDumpError(Exception):
    """The tables changed during the dump: it may lack entries, or have some twice."""


class _Message(NamedTuple):
    body: Any
    """The fixed struct that follows the header; a copy, so that it outlives the buffer."""
    attributes: dict[int, bytes]


@dataclass(frozen=True)
class Link:
    """Link is what RTM_GETLINK tells of one interface."""

    index: int
    name: str
    alias: str
    flags: int
    mtu: int | None
    link_address: bytes


@dataclass(frozen=True)
class Route:
    """Route is one unicast route with a network interface."""

    prefix_length: int
    table: int
    priority: int
    interface: int


def links() -> list[Link]:
    """Return every interface of this network namespace, by one dump."""
    found: list[Link] = []
    # Statistics are most of a link's message, and nobody here reads them.
    skip_statistics = _attribute("IFLA_EXT_MASK", _constant("RTEXT_FILTER_SKIP_STATS"))
    for message in _dump("RTM_GETLINK", "struct ifinfomsg", {}, skip_statistics):
        attributes = message.attributes
        mtu = attributes.get(_constant("IFLA_MTU"))
        found.append(
            Link(
                index=message.body.ifi_index,
                name=_text(attributes[_constant("IFLA_IFNAME")]),
                alias=_text(attributes.get(_constant("IFLA_IFALIAS"), b"")),
                flags=message.body.ifi_flags,
                mtu=None if mtu is None else _number(mtu),
                link_address=attributes.get(_constant("IFLA_ADDRESS"), b""),
            )
        )
    return found


def addresses() -> list[AddressRecord]:
    """Return every IPv4 and IPv6 address of this network namespace, by one dump."""
    found: list[AddressRecord] = []
    for message in _dump("RTM_GETADDR", "struct ifaddrmsg", {}):
        # On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL ours (rtnetlink(7)).
        attributes = message.attributes
        local = attributes.get(_constant("IFA_LOCAL")) or attributes.get(_constant("IFA_ADDRESS"))
        body = message.body
        if local is None or body.ifa_family not in (socket.AF_INET, socket.AF_INET6):
            continue
        kind = IPv4Interface if body.ifa_family == socket.AF_INET else IPv6Interface
        found.append(AddressRecord(body.ifa_index, kind((local, body.ifa_prefixlen))))
    return found


def routes(family: socket.AddressFamily) -> list[Route]:
    """Return the unicast routes of `family` that lead to an interface, by one dump."""
    found: list[Route] = []
    for message in _dump("RTM_GETROUTE", "struct rtmsg", {"rtm_family": family}):
        body, attributes = message
        if body.rtm_type != _constant("RTN_UNICAST"):
            continue
        interface = _number(attributes.get(_constant("RTA_OIF"), b""))
        nexthops = attributes.get(_constant("RTA_MULTIPATH"))
        if nexthops is not None:
            first = cast(Any, ffi.from_buffer("struct rtnexthop *", nexthops))
            interface = first.rtnh_ifindex
        if interface:
            table = attributes.get(_constant("RTA_TABLE"))
            priority = _number(attributes.get(_constant("RTA_PRIORITY"), b""))
            found.append(
                Route(
                    body.rtm_dst_len,
                    body.rtm_table if table is None else _number(table),
                    priority,
                    interface,
                )
            )
    return found


class LinkWatch:
    """LinkWatch can be read when interfaces changed, or when it was woken."""

    def __init__(self, *, changes: bool) -> None:
        """Open a watch of this network namespace, for being woken alone without `changes`."""
        self._socket = socket.socket(
            _constant("AF_NETLINK"), socket.SOCK_RAW, _constant("NETLINK_ROUTE")
        )
        try:
            self._socket.bind((0, _constant("RTMGRP_LINK") if changes else 0))
            self._socket.setblocking(False)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait for, -1 when closed."""
        return self._socket.fileno()

    def wake(self) -> None:
        """Make it readable, by asking the kernel to acknowledge that nothing is asked for."""
        header = ffi.new(
            "struct nlmsghdr *",
            {
                "nlmsg_len": ffi.sizeof("struct nlmsghdr"),
                "nlmsg_type": _constant("NLMSG_NOOP"),
                "nlmsg_flags": _constant("NLM_F_REQUEST") | _constant("NLM_F_ACK"),
            },
        )
        self._socket.send(bytes(ffi.buffer(header)))

    def read(self) -> LinkChanges:
        """Return what changed since the last time, without waiting."""
        seen, gone = False, set[int]()
        while True:
            try:
                received = self._socket.recv(_RECEIVE_SIZE)
            except BlockingIOError:
                return LinkChanges(seen, frozenset(gone))
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                seen = True  # More changed than the kernel kept for us.
                continue
            for kind, start, size in _headers(received):
                if kind not in (_constant("RTM_NEWLINK"), _constant("RTM_DELLINK")):
                    continue
                body = _parse("struct ifinfomsg", received, start, size).body
                # Those of other families tell of ports of a bridge, for example.
                if body.ifi_family == socket.AF_UNSPEC:
                    seen = True
                    if kind == _constant("RTM_DELLINK"):
                        gone.add(body.ifi_index)

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()


def _dump(
    request: str, body: str, fields: dict[str, int], attributes: bytes = b""
) -> list[_Message]:
    for _ in range(_ATTEMPTS):
        try:
            return list(_dump_once(request, body, fields, attributes))
        except _InterruptedDumpError:
            continue
    raise OSError(f"the kernel's tables changed during each of {_ATTEMPTS} {request} dumps")


def _dump_once(
    request: str, body: str, fields: dict[str, int], attributes: bytes
) -> Iterator[_Message]:
    with socket.socket(
        _constant("AF_NETLINK"), socket.SOCK_RAW, _constant("NETLINK_ROUTE")
    ) as connection:
        connection.bind((0, 0))
        connection.send(_request(request, body, fields, attributes))
        while True:
            received = connection.recv(_RECEIVE_SIZE)
            for kind, start, size in _headers(received):
                if kind == _DONE:
                    return
                yield _parse(body, received, start, size)


def _request(request: str, body: str, fields: dict[str, int], attributes: bytes) -> bytes:
    content = bytes(ffi.buffer(ffi.new(f"{body} *", fields))) + attributes
    header = ffi.new(
        "struct nlmsghdr *",
        {
            "nlmsg_len": ffi.sizeof("struct nlmsghdr") + len(content),
            "nlmsg_type": _constant(request),
            "nlmsg_flags": _constant("NLM_F_REQUEST") | _constant("NLM_F_DUMP"),
        },
    )
    return bytes(ffi.buffer(header)) + content


def _attribute(name: str, value: int) -> bytes:
    header = ffi.new(
        "struct rtattr *",
        {"rta_len": ffi.sizeof("struct rtattr") + 4, "rta_type": _constant(name)},
    )
    return bytes(ffi.buffer(header)) + value.to_bytes(4, sys.byteorder)


def _headers(received: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each message's type, and where in `received` its content starts and its size."""
    memory = ffi.from_buffer(received)
    header_size = ffi.sizeof("struct nlmsghdr")
    position = 0
    while position + header_size <= len(received):
        header = _at(_NLMSGHDR, memory, position)
        if header.nlmsg_flags & _DUMP_INTERRUPTED:
            raise _InterruptedDumpError
        if header.nlmsg_type == _ERROR:
            error = _at("struct nlmsgerr *", memory, position + header_size).error
            if error:  # 0 acknowledges a request.
                raise system_error(-error)
        yield header.nlmsg_type, position + header_size, header.nlmsg_len - header_size
        position += _aligned(header.nlmsg_len)


def _parse(body: str, received: bytes, start: int, size: int) -> _Message:
    memory: Any = ffi.from_buffer(received)
    struct = ffi.new(f"{body} *")
    ffi.memmove(struct, memory + start, ffi.sizeof(body))
    attributes: dict[int, bytes] = {}
    # There are dozens of them a link. As numbers of two bytes their headers are read fastest.
    halves = memoryview(received).cast("H")
    position = (start + _aligned(ffi.sizeof(body))) // 2
    end = (start + size - _RTATTR_SIZE) // 2
    while position <= end:
        length = halves[position + _RTA_LEN]
        kind = halves[position + _RTA_TYPE]
        if kind in _READ:
            content = 2 * position + _RTATTR_SIZE
            attributes[kind] = received[content : 2 * position + length]
        position += (length + 3) // 4 * 2 or 2  # As `_aligned`, in numbers of two bytes.
    return _Message(struct, attributes)


def _at(pointer: CType | str, memory: Any, position: int) -> Any:
    return cast(Any, ffi.cast(pointer, memory + position))


def _aligned(size: int) -> int:
    """Round up to what messages and attributes are aligned to (NLMSG_ALIGN, RTA_ALIGN)."""
    return (size + 3) & ~3


def _number(data: bytes) -> int:
    return int.from_bytes(data, sys.byteorder)


def _text(data: bytes) -> str:
    return os.fsdecode(data.rstrip(b"\0"))
