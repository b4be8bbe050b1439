"""The table that every platform fills: which option sets what, for each address family."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from socket import AddressFamily
from typing import NamedTuple, TypeAlias


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
