"""McastTxSocket: multicast_expert's sender over `McastTx`."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, Self

from .._interfaces import InterfaceLike
from .._interfaces import find_interfaces as find_by_facade
from .._sender import McastTx
from ._addresses import (
    IPv4Or6Address,
    MulticastAddress,
    MulticastExpertError,
    NotOpenError,
    as_system_errors,
    require_port,
    socket_address,
    validate_mcast_ip,
)
from ._interfaces import (
    IfaceInfo,
    IfaceSpecifier,
    address_text,
    as_interface,
    find_interfaces,
    get_default_gateway_iface_ip,
)

_NOBODY_HEARS: Final = 10051
"""WSAENETUNREACH: on Windows' loopback nobody receives it, which is an error nowhere else."""


class McastTxSocket:
    """McastTxSocket sends to groups out of one interface; it is open inside of ``with``."""

    def __init__(
        self,
        addr_family: int,
        mcast_ips: Sequence[MulticastAddress],
        iface: IfaceSpecifier | None = None,
        ttl: int = 1,
        enable_external_loopback: bool = False,
        iface_ip: IfaceSpecifier | None = None,
    ) -> None:
        """Choose the interface, by default that of the default route; `with` opens.

        `mcast_ips` are all groups that may be sent to, `ttl` is the hop limit of IPv6 too.
        `enable_external_loopback` lets receivers on this host hear what is sent. `iface_ip` is an
        old name of `iface`. Raises `MulticastExpertError` for what cannot be used.
        """
        self.addr_family = addr_family
        self.mcast_ips = [ip_address(mcast_ip) for mcast_ip in mcast_ips]
        self.mcast_ips_set = {str(mcast_ip) for mcast_ip in self.mcast_ips}
        self.ttl = ttl
        self.is_opened = False
        if iface is not None and iface_ip is not None:
            raise MulticastExpertError("iface and iface_ip may not both be specified")
        wanted = iface_ip if iface is None else iface
        if wanted is None:
            wanted = get_default_gateway_iface_ip(addr_family)
        if wanted is None:
            raise MulticastExpertError(
                "iface not specified, and there is no default gateway on this machine that tells it"
            )
        found = find_interfaces([wanted])
        if len(found) > 1:
            raise MulticastExpertError(
                f"interface specifier {wanted} matches multiple interfaces "
                f"({', '.join(item.machine_name for item in found)}): pass an IfaceInfo of "
                "scan_interfaces() or find_interfaces()"
            )
        self._iface_info = found[0]
        for mcast_ip in self.mcast_ips:
            validate_mcast_ip(mcast_ip, addr_family)
        self.enable_external_loopback = enable_external_loopback
        self._tx: McastTx | None = None

    def __enter__(self) -> Self:
        """Open it. Raises `MulticastExpertError` if it is open, and `OSError`."""
        if self.is_opened:
            raise MulticastExpertError("attempt to open an McastTxSocket that is already open")
        if not -1 <= self.ttl <= 255:
            raise OSError(errno.EINVAL, f"ttl {self.ttl} is out of range: 0 to 255")
        with as_system_errors():
            self._tx = McastTx(
                family=self.addr_family,
                interface=self._source(),
                ttl=1 if self.ttl == -1 else self.ttl,  # What the systems take -1 for.
                loopback=bool(self.enable_external_loopback),
                follow=False,
            )
        self.is_opened = True
        return self

    def _source(self) -> InterfaceLike:
        """Return the interface's first address, the source, unless others have that too."""
        info = self._iface_info
        addresses = info.ip_addrs(self.addr_family)
        if not addresses:
            raise MulticastExpertError(
                "the interface does not have one IP address of the selected address family: the "
                "socket cannot be opened"
            )
        text = address_text(addresses[0])
        if self.addr_family == socket.AF_INET6:
            return f"{text.partition('%')[0]}%{info.index}"
        return text if len(find_by_facade(text)) == 1 else as_interface(info)

    def __exit__(self, *exception: object) -> None:
        """Close it. Raises `MulticastExpertError` if it is closed."""
        if not self.is_opened:
            raise MulticastExpertError("attempt to close an McastTxSocket that is already closed")
        self._opened.close()
        self.is_opened = False

    def _require_opened_once(self) -> McastTx:
        if self._tx is None:
            raise NotOpenError("the socket is not open: use it inside of `with`")
        return self._tx

    @property
    def _opened(self) -> McastTx:
        tx = self._require_opened_once()
        if tx.closed:
            raise OSError(errno.EBADF, "the socket is closed: use it inside of `with`")
        return tx

    def sendto(self, tx_bytes: bytes, address: IPv4Or6Address) -> None:
        """Send a datagram to one of the groups, by its text, and a port.

        Raises `MulticastExpertError` for another group, and `OSError`.
        """
        if address[0] not in self.mcast_ips_set:
            raise MulticastExpertError(
                f"the given destination address ({address[0]}) was not one of the addresses given "
                "to this McastTxSocket to transmit to"
            )
        self._require_opened_once()
        require_port(address[1], "sendto")
        try:
            with as_system_errors():
                self._opened.sendto(tx_bytes, (address[0], address[1]))
        except OSError as error:
            if getattr(error, "winerror", None) != _NOBODY_HEARS:
                raise

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 when closed."""
        return self._require_opened_once().fileno()

    def getsockname(self) -> tuple[str, int]:
        """Return the source address and port; for IPv6 with flow information and scope."""
        local, index = self._opened.local_address, self._iface_info.index
        return socket_address(local, self.addr_family, index)  # type: ignore[return-value]

    @property
    def network_interface(self) -> IfaceInfo:
        """The interface that it sends out of."""
        return self._iface_info
