"""Asking a network who is a member of which group, and hearing who else asks.

RFC 3376 for IPv4 (IGMPv3), RFC 3810 for IPv6 (MLDv2).
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from ._options import set_option
from ._requests import set_multicast_hops, set_multicast_interface
from ._table import SocketOption

_IPV4: Final = socket.AF_INET
_IGMP_QUERY: Final = 0x11
_MLD_QUERY: Final = 130
_PROTOCOLS: Final = {_IPV4: socket.IPPROTO_IGMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_EVERYBODY: Final = {_IPV4: "224.0.0.1", socket.AF_INET6: "ff02::1"}
_ROUTER_ALERT: Final = {
    # RFC 2113; RFC 2711 in a header of hop-by-hop options, filled up by PadN (RFC 8200).
    _IPV4: bytes([0x94, 4, 0, 0]),
    socket.AF_INET6: bytes([0, 0, 5, 2, 0, 0, 1, 0]),
}
_ROBUSTNESS: Final = 2
_HEADER_WORDS: Final = 0x0F
"""Of the first byte of IPv4: the length of its header in words of 4 bytes (RFC 791)."""
_LONGEST: Final = 2048


def general_query(family: socket.AddressFamily, interval: int, response: float) -> bytes:
    """Return what asks for the members of all groups.

    `interval` is how many seconds pass between queries (up to 127), `response` how many seconds
    members may take to answer (up to 12.7). The checksum of MLD is left to the system.
    """
    if family == _IPV4:
        code = round(10 * response)
        query = struct.pack("!BBxx4xBBxx", _IGMP_QUERY, code, _ROBUSTNESS, interval)
        return query[:2] + struct.pack("!H", internet_checksum(query)) + query[4:]
    code = round(1000 * response)
    return struct.pack("!BxxxHxx16xBBxx", _MLD_QUERY, code, _ROBUSTNESS, interval)


def internet_checksum(data: bytes) -> int:
    """Return the checksum of bytes of an even number (RFC 1071)."""
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class QuerySocket:
    """QuerySocket asks on one interface, and hears who asks there.

    It is a raw socket: opening one raises `PermissionError` without CAP_NET_RAW on Linux, and
    asking raises `UnsupportedError` on a system without the options for that.
    """

    def __init__(self, family: socket.AddressFamily, interface: int) -> None:
        self._family, self._interface = family, interface
        self._socket = socket.socket(family, socket.SOCK_RAW, _PROTOCOLS[family])
        try:
            set_option(self.fileno(), family, SocketOption.BOUND_INTERFACE, interface)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def ask(self, interval: int, response: float) -> None:
        """Ask all members of all groups; the arguments are those of `general_query`."""
        family = self._family
        set_option(self.fileno(), family, SocketOption.HEADER_OPTIONS, _ROUTER_ALERT[family])
        set_multicast_hops(self.fileno(), family, 1)
        set_multicast_interface(self.fileno(), family, self._interface)
        self._socket.sendto(general_query(family, interval, response), (_EVERYBODY[family], 0))

    def hear(self, timeout: float) -> IPv4Address | IPv6Address | None:
        """Return who sent what came, if that is a query; None if it is none.

        Raises `TimeoutError` when nothing comes for as many seconds.
        """
        self._socket.settimeout(timeout)
        packet, name = self._socket.recvfrom(_LONGEST)
        kind, start = _MLD_QUERY, 0
        if self._family == _IPV4:  # There the header comes too.
            kind, start = _IGMP_QUERY, 4 * (packet[0] & _HEADER_WORDS)
        if packet[start : start + 1] != bytes([kind]):
            return None
        return ip_address(name[0].partition("%")[0])

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
