"""multicast_expert's receiver but for waiting, which its subclasses do each in their way."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Generic, Self, TypeAlias, TypeVar

from .._addresses import family_of
from .._asyncio import AsyncMcastRx
from .._datagram import Datagram
from .._receiver import McastRx
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
    as_interface,
    find_interfaces,
    scan_interfaces,
)

PacketAndSenderAddress: TypeAlias = tuple[bytes, IPv4Or6Address]

R = TypeVar("R", McastRx, AsyncMcastRx)


class BaseMcastRxSocket(Generic[R]):
    """BaseMcastRxSocket receives from groups; it is open inside of ``with``."""

    _kind: type[R]
    """What it opens."""

    def __init__(
        self,
        addr_family: int,
        mcast_ips: Sequence[MulticastAddress],
        port: int,
        iface: IfaceSpecifier | None = None,
        ifaces: Sequence[IfaceSpecifier] | None = None,
        source_ips: Sequence[str | IPv4Address | IPv6Address] | None = None,
        timeout: float | None = None,
        blocking: bool | None = None,
        enable_external_loopback: bool = False,
        iface_ip: str | None = None,
        iface_ips: Sequence[str] | None = None,
    ) -> None:
        """Choose the interfaces, by default all that have an address but loopback; `with` opens.

        `source_ips` limits what is heard to datagrams from there, in IPv6 too. `timeout` is in
        seconds: None waits for ever, 0 not at all; `blocking` is an old name for either.
        `enable_external_loopback` lets it hear this host where the receiver decides that
        (Windows). `iface_ip` and `iface_ips` are old names of `iface` and `ifaces`.

        Raises `MulticastExpertError` for what cannot be used.
        """
        self.addr_family = addr_family
        self.mcast_ips = [ip_address(mcast_ip) for mcast_ip in mcast_ips]
        if source_ips is not None:
            self.source_ips = [ip_address(source_ip) for source_ip in source_ips]
        self.port = port
        self.is_opened = False
        self.timeout = timeout
        if blocking is not None:
            self.timeout = None if blocking else 0.0
        wanted = _one_way_of_naming(ifaces, iface, iface_ips, iface_ip)
        scanned = None
        if not all(isinstance(item, IfaceInfo) for item in wanted) or not wanted:
            scanned = scan_interfaces()
        if not wanted and scanned is not None:
            wanted = [
                item
                for item in scanned
                if _addresses(item, addr_family) and not item.is_localhost()
            ]
            if not wanted:
                raise MulticastExpertError(
                    "unable to discover any interface on this machine to listen on"
                )
        self._iface_infos = find_interfaces(wanted, ifaces=scanned)
        for mcast_ip in self.mcast_ips:
            validate_mcast_ip(mcast_ip, addr_family)
        self.is_source_specific = bool(source_ips)
        self.enable_external_loopback = enable_external_loopback
        self._rx: R | None = None

    def __enter__(self) -> Self:
        """Open it. Raises `MulticastExpertError` if it is open, and `OSError`."""
        if self.is_opened:
            raise MulticastExpertError("attempt to open an McastRxSocket that is already open")
        require_port(self.port, "bind")
        with as_system_errors():
            self._rx = self._kind(
                self.mcast_ips,
                self.port,
                interfaces=[as_interface(item) for item in self._iface_infos],
                sources=self.source_ips if self.is_source_specific else None,
                loopback=self.enable_external_loopback
                or any(item.is_localhost() for item in self._iface_infos),
                follow=False,
            )
        self.is_opened = True
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it. Raises `MulticastExpertError` if it is closed."""
        if not self.is_opened:
            raise MulticastExpertError("attempt to close an McastRxSocket that is not open")
        self._opened.close()
        self.is_opened = False

    @property
    def _opened(self) -> R:
        if self._rx is None or self._rx.closed:
            raise NotOpenError("the socket is not open: use it inside of `with`")
        return self._rx

    def filenos(self) -> list[int]:
        """Return the sockets' descriptors, for `select`."""
        return list(self._opened.filenos())

    def settimeout(self, timeout: float | None) -> None:
        """Set how many seconds receiving waits: None for ever, 0 not at all."""
        self.timeout = timeout

    @property
    def network_interfaces(self) -> list[IfaceInfo]:
        """The interfaces that it listens on."""
        return self._iface_infos


def _one_way_of_naming(
    ifaces: Sequence[IfaceSpecifier] | None,
    iface: IfaceSpecifier | None,
    iface_ips: Sequence[str] | None,
    iface_ip: str | None,
) -> list[IfaceSpecifier]:
    """Return the interfaces that are named, by one of the arguments at most."""
    wanted: list[IfaceSpecifier] = [] if ifaces is None else list(ifaces)
    others: list[tuple[str, list[IfaceSpecifier]]] = []
    if iface is not None:
        others.append(("iface", [iface]))
    if iface_ips is not None:
        others.append(("iface_ips", list(iface_ips)))
    if iface_ip is not None:
        others.append(("iface_ip", [iface_ip]))
    for name, more in others:
        if wanted:
            raise MulticastExpertError(
                f"'{name}' may not be specified at the same time as other interface arguments"
            )
        wanted = more
    return wanted


def _addresses(iface: IfaceInfo, family: int) -> Sequence[object]:
    return iface.ip_addrs(family) if family in (socket.AF_INET, socket.AF_INET6) else ()


def sender_address(datagram: Datagram) -> IPv4Or6Address:
    """Return where a datagram comes from, as `socket.recvfrom` writes it."""
    family = family_of(datagram.group)
    return socket_address(datagram.source, family, datagram.interface.index)
