"""The operating system's IP multicast as it is: structs, options, interfaces, messages.

No policy, no defaults, no convenience: `mcast` has those. What differs between platforms has the
same names here; what a platform lacks raises `UnsupportedError`.
"""

from __future__ import annotations

from ._errors import McastError, UnsupportedError
from ._options import get_option, getsockopt, set_option, setsockopt
from ._platform import system
from ._queries import QuerySocket
from ._records import (
    AddressRecord,
    Doubt,
    Finding,
    Ifaddr,
    InterfaceFlag,
    InterfaceRecord,
    LinkChanges,
    Message,
    Part,
    Question,
    SockaddrLink,
)
from ._requests import (
    block_source,
    dropped_datagrams,
    get_source_filter,
    join_group,
    join_source_group,
    leave_group,
    leave_source_group,
    packet_info,
    segment_size,
    set_multicast_hops,
    set_multicast_interface,
    set_multicast_loop,
    set_source_filter,
    unblock_source,
)
from ._table import Option, SocketOption
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

HEARS_OTHER_INTERFACES = system.HEARS_OTHER_INTERFACES
LOOPS_AT_RECEIVER = system.LOOPS_AT_RECEIVER
LAST_BOUND_TAKES_UNICAST = system.LAST_BOUND_TAKES_UNICAST
MEMBERSHIPS_FULL = system.MEMBERSHIPS_FULL
MEMBERSHIP_ADVICE = system.MEMBERSHIP_ADVICE
OPENING_ADVICE = system.OPENING_ADVICE
SENDING_ADVICE = system.SENDING_ADVICE
LinkWatch = system.LinkWatch
MessageBatch = system.MessageBatch
MessageSender = system.MessageSender
can_bind_to = system.can_bind_to
default_route_interface = system.default_route_interface
faults = system.faults
getifaddrs = system.getifaddrs
interface_records = system.interface_records
keep_after_reset = system.keep_after_reset
scope_name = system.scope_name
send_message = system.send_message
pack = system.structs.pack
unpack = system.structs.unpack
unpack_sockaddr = system.structs.unpack_sockaddr

__all__ = [
    "HEARS_OTHER_INTERFACES",
    "LAST_BOUND_TAKES_UNICAST",
    "LOOPS_AT_RECEIVER",
    "MEMBERSHIPS_FULL",
    "MEMBERSHIP_ADVICE",
    "OPENING_ADVICE",
    "SENDING_ADVICE",
    "AddressRecord",
    "Doubt",
    "FilterMode",
    "Finding",
    "GroupFilter",
    "GroupReq",
    "GroupSourceReq",
    "Ifaddr",
    "In6Pktinfo",
    "InPktinfo",
    "InterfaceFlag",
    "InterfaceRecord",
    "IpMreq",
    "IpMreqSource",
    "IpMreqn",
    "Ipv6Mreq",
    "LinkChanges",
    "LinkWatch",
    "McastError",
    "Message",
    "MessageBatch",
    "MessageSender",
    "Option",
    "Part",
    "QuerySocket",
    "Question",
    "Sockaddr",
    "SockaddrIn",
    "SockaddrIn6",
    "SockaddrLink",
    "SocketOption",
    "Struct",
    "UnsupportedError",
    "block_source",
    "can_bind_to",
    "default_route_interface",
    "dropped_datagrams",
    "faults",
    "get_option",
    "get_source_filter",
    "getifaddrs",
    "getsockopt",
    "interface_records",
    "join_group",
    "join_source_group",
    "keep_after_reset",
    "leave_group",
    "leave_source_group",
    "pack",
    "packet_info",
    "scope_name",
    "segment_size",
    "send_message",
    "set_multicast_hops",
    "set_multicast_interface",
    "set_multicast_loop",
    "set_option",
    "set_source_filter",
    "setsockopt",
    "unblock_source",
    "unpack",
    "unpack_sockaddr",
]
