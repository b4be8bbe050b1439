"""The table that every platform fills: which option sets what, for each address family."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from socket import AddressFamily
from typing import NamedTuple, Protocol, TypeAlias

from ._values import GroupFilter


class SocketOption(enum.Enum):
    """SocketOption names what can be set, whatever a platform's headers call it."""

    SHARE_PORT = "sharing a port with other sockets"
    BOUND_INTERFACE = "hearing one interface alone"
    ONLY_IPV6 = "keeping IPv4 off an IPv6 socket"
    SEND_BUFFER = "the send buffer's size"
    SEND_BUFFER_FORCED = "the send buffer's size beyond the system's limit"
    RECEIVE_BUFFER = "the receive buffer's size"
    RECEIVE_BUFFER_FORCED = "the receive buffer's size beyond the system's limit"
    DROPPED = "how many datagrams found the receive buffer full"
    PACKET_INFO = "packet information"
    SENDING_PACKET_INFO = "choosing the interface of each datagram"
    HOP_LIMIT = "received hop limits"
    COALESCING = "receiving several datagrams in one piece"
    SEGMENT_SIZE = "sending several datagrams in one piece"
    TIMESTAMP = "times of arrival"
    HEADER_OPTIONS = "options in the header of IP"
    MULTICAST_ALL = "receiving groups that other sockets joined"
    MULTICAST_HOPS = "the hop limit of multicast datagrams"
    MULTICAST_LOOP = "hearing one's own multicast datagrams"
    MULTICAST_INTERFACE = "the sending interface"
    JOIN_GROUP = "joining a group"
    LEAVE_GROUP = "leaving a group"
    JOIN_SOURCE_GROUP = "joining a group for one source"
    LEAVE_SOURCE_GROUP = "leaving a group for one source"
    BLOCK_SOURCE = "blocking a source"
    UNBLOCK_SOURCE = "unblocking a source"
    SOURCE_FILTER = "a group's source filter as a whole"


class Option(NamedTuple):
    """Option is how one platform sets a `SocketOption` for one address family."""

    level: int
    name: int
    ctype: str
    """The C type of the value."""


OptionTable: TypeAlias = Mapping[tuple[SocketOption, AddressFamily], Option]


class TableMaker:
    """TableMaker makes parts of a platform's table from the names in its headers."""

    def __init__(self, constant: Callable[[str], int], number: str = "int") -> None:
        """`constant` looks a name up; `number` is the C type of most values."""
        self._constant = constant
        self._number = number
        self._levels = {
            AddressFamily.AF_INET: constant("IPPROTO_IP"),
            AddressFamily.AF_INET6: constant("IPPROTO_IPV6"),
        }

    def one(
        self, which: SocketOption, family: AddressFamily, name: str, ctype: str = ""
    ) -> OptionTable:
        """Return the entry of an option of one family."""
        option = Option(self._levels[family], self._constant(name), ctype or self._number)
        return {(which, family): option}

    def pair(
        self, which: SocketOption, ipv4: str, ipv6: str, ctypes: tuple[str, str] = ("", "")
    ) -> OptionTable:
        """Return the entries of an option that either family has under its own name."""
        return {
            **self.one(which, AddressFamily.AF_INET, ipv4, ctypes[0]),
            **self.one(which, AddressFamily.AF_INET6, ipv6, ctypes[1]),
        }

    def at(self, level: str, which: SocketOption, name: str, ctype: str = "") -> OptionTable:
        """Return the entries of an option of a socket of either family, at that level."""
        option = Option(self._constant(level), self._constant(name), ctype or self._number)
        return dict.fromkeys([(which, family) for family in self._levels], option)

    def requests(self, ctype: str, *options: SocketOption) -> OptionTable:
        """Return the entries of requests of RFC 3678: the same number on both levels."""
        table: dict[tuple[SocketOption, AddressFamily], Option] = {}
        for which in options:
            name = f"MCAST_{which.name}"
            table |= self.pair(which, name, name, (ctype, ctype))
        return table

    def memberships(self) -> OptionTable:
        """Return the entries of RFC 3678's requests to change memberships."""
        return {
            **self.requests("struct group_req", SocketOption.JOIN_GROUP, SocketOption.LEAVE_GROUP),
            **self.requests(
                "struct group_source_req",
                SocketOption.JOIN_SOURCE_GROUP,
                SocketOption.LEAVE_SOURCE_GROUP,
                SocketOption.BLOCK_SOURCE,
                SocketOption.UNBLOCK_SOURCE,
            ),
        }


class SourceFilterCalls(Protocol):
    """SourceFilterCalls are functions for a filter as a whole, where it is no socket option."""

    def set(self, sockfd: int, wanted: GroupFilter) -> None:
        """Replace the whole filter. Raises `OSError`."""
        ...

    def get(self, sockfd: int, room: GroupFilter) -> tuple[GroupFilter, int]:
        """Return the filter as far as there is room, and how many sources there are."""
        ...
