"""multicast_expert's names over this library: ``from mcast import multicast_expert``.

Programs written for multicast_expert 1.2 to 1.6 run with that one line changed, and without
netifaces. What it refuses and this library can do works: sources in IPv6, more than 20 groups, the
same group named twice. Its documentation (https://multicast-expert.readthedocs.io) holds for the
rest; docs/migrating.md says where the two differ, and what to write instead.
"""

from __future__ import annotations

from ._addresses import (
    LOCALHOST_IPV4,
    LOCALHOST_IPV6,
    IPv4Or6Address,
    MulticastAddress,
    MulticastExpertError,
    validate_mcast_ip,
)
from ._async_receiver import AsyncMcastRxSocket
from ._interfaces import (
    IfaceInfo,
    IfaceSpecifier,
    find_interfaces,
    get_default_gateway_iface,
    get_default_gateway_iface_ip,
    get_default_gateway_iface_ip_v4,
    get_default_gateway_iface_ip_v6,
    get_interface_ips,
    scan_interfaces,
)
from ._receiver import McastRxSocket
from ._sender import McastTxSocket

__all__ = [
    "LOCALHOST_IPV4",
    "LOCALHOST_IPV6",
    "AsyncMcastRxSocket",
    "IPv4Or6Address",
    "IfaceInfo",
    "IfaceSpecifier",
    "McastRxSocket",
    "McastTxSocket",
    "MulticastAddress",
    "MulticastExpertError",
    "find_interfaces",
    "get_default_gateway_iface",
    "get_default_gateway_iface_ip",
    "get_default_gateway_iface_ip_v4",
    "get_default_gateway_iface_ip_v6",
    "get_interface_ips",
    "scan_interfaces",
    "validate_mcast_ip",
]
