"""What senders have in common, however they wait: sockets, outlets, what is sent of what."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, NoReturn, TypeAlias

from mcast_lowlevel import (
    OPENING_ADVICE,
    SENDING_ADVICE,
    SocketOption,
    send_message,
    set_multicast_hops,
    set_multicast_interface,
    set_multicast_loop,
)

from ._addresses import (
    FAMILY_NAMES,
    Address,
    Group,
    GroupLike,
    SourceAddress,
    parse_family,
    parse_group,
    parse_port,
    source_address,
)
from ._advice import advise, advised
from ._batch_sender import BatchSender
from ._buffers import require_buffer_size, set_buffer
from ._errors import AddressError, ClosedError, InterfaceError
from ._interfaces import (
    Interface,
    InterfaceLike,
    find_interfaces,
)
from ._outlets import Outlet, choose_outlet, choose_outlets

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LARGEST_PAYLOAD = {socket.AF_INET: 65535 - 20 - 8, socket.AF_INET6: 65535 - 8}
"""Bytes: what is left of the IPv4 total length (RFC 791) and the IPv6 payload length (RFC 8200)."""


Destination: TypeAlias = tuple[GroupLike, int]
"""A group and a port, as `socket` writes addresses."""


def _parse_destination(group: GroupLike, port: int) -> tuple[Group, int]:
    # Nobody can receive on port 0, and sending to it fails.
    return parse_group(group), parse_port(port, lowest=1)


def _require_family(group: Group, family: socket.AddressFamily) -> None:
    if group.family != family:
        raise AddressError(
            f"{group.address} is an {FAMILY_NAMES[group.family]} group, "
            f"and the sender's family is {FAMILY_NAMES[family]}"
        )


def parse_ttl(ttl: int) -> int:
    """Return `ttl` if it is one; `ValueError` for another number, `TypeError` for another type."""
    if not isinstance(ttl, int) or isinstance(ttl, bool):
        raise TypeError(f"a ttl is an int, not {type(ttl).__name__}")
    if not 0 <= ttl <= 255:
        raise ValueError(f"ttl {ttl} is out of range: 0 to 255")
    return ttl


_log = logging.getLogger("mcast")
_MOVED = (errno.ENODEV, errno.ENXIO, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EINVAL)
"""What sending fails with when the interface is not the one that it was."""
_KEPT_SENDERS = 16
"""For how many addresses `send_batch` keeps its memory."""
_NO_GROUP = "no group was given at construction: use sendto(data, (group, port))"


def _size(data: Buffer) -> int:
    return memoryview(data).nbytes


class SenderBase:
    """SenderBase is a sender but for waiting, which its subclasses do each in their way."""

    _is_blocking: ClassVar[bool] = True
    """Whether the system may let a thread wait until the send buffer has room."""

    def __init__(
        self,
        group: GroupLike | None = None,
        port: int | None = None,
        *,
        family: int | None = None,
        interface: InterfaceLike | None = None,
        interfaces: Iterable[InterfaceLike] | None = None,
        ttl: int = 1,
        loopback: bool = False,
        send_buffer: int | None = None,
        follow: bool = True,
    ) -> None:
        """Open a sender.

        `group` and `port` are where `send` sends to; both may be left out for a sender that only
        uses `sendto`, whose `family` is then IPv4 unless said. `interface` is the one to send out
        of; an address names its interface and is the source address too. None takes the one of
        the default route, or the only one that can send. `interfaces` are several, each of which
        every datagram goes out of. `ttl` (the hop limit of IPv6) is how
        far datagrams go: 0 stays on this host, 1 on the network, more passes routers.
        `loopback` says whether receivers on this host hear them. `send_buffer` asks for that many
        bytes of buffer in the system, which may grant less. `follow` sends again out of an
        interface that was deleted and is back: with one interface by a new socket, which has
        another descriptor and another source port.

        Raises `AddressError`, `InterfaceError`, `ValueError` or `TypeError` for what cannot be
        used, before anything is opened, and `OSError` for what the system refuses.
        """
        self._family = socket.AF_INET if family is None else parse_family(family)
        self._group: Address | None = None
        self._port: int | None = None
        scope = None
        if group is not None and port is not None:
            parsed, self._port = _parse_destination(group, port)
            self._group, scope = parsed.address, parsed.scope
            if family is None:
                self._family = parsed.family
            _require_family(parsed, self._family)
        elif group is not None or port is not None:
            raise AddressError("group and port belong together: give both or neither")
        self._ttl = parse_ttl(ttl)
        self._loopback = bool(loopback)
        require_buffer_size(send_buffer)
        self._send_buffer = send_buffer
        self._follow = follow
        self._outlets = choose_outlets(self._family, interface, interfaces, scope)
        self._following = threading.Lock()
        self._sending = threading.Lock()
        self._batch_senders: dict[tuple[int, tuple[Address, int] | None], BatchSender] = {}
        self._socket = self._open(self._outlets)
        self._send = self._choose_send()

    def _choose_send(self) -> Callable[[Buffer], int]:
        if self._group is None:
            return self._refuse_no_group
        if len(self._outlets) > 1:
            return self._send_everywhere
        # A method of the socket's own: the shortest way for the call made most often.
        return self._socket.send

    def _open(self, outlets: Sequence[Outlet]) -> socket.socket:
        family, first = self._family, outlets[0]
        with contextlib.ExitStack() as undo:
            with advised(OPENING_ADVICE):
                sender = undo.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                sender.setblocking(self._is_blocking)
                sockfd = sender.fileno()
                set_multicast_interface(sockfd, family, first.interface.index)
                set_multicast_hops(sockfd, family, self._ttl)
                set_multicast_loop(sockfd, family, self._loopback)
                if self._send_buffer is not None:
                    set_buffer(sockfd, family, SocketOption.SEND_BUFFER, self._send_buffer)
                if len(outlets) > 1:
                    sender.bind(("", 0))  # The source address differs with the interface.
                elif first.source is not None:
                    sender.bind(first.sockaddr(first.source, 0))
            if len(outlets) == 1 and self._group is not None and self._port is not None:
                with advised(SENDING_ADVICE):
                    sender.connect(first.sockaddr(self._group, self._port))
            undo.pop_all()
        return sender

    def _send_despite(self, error: OSError, data: Buffer) -> int:
        """Send what failed out of an interface that came back, or raise the error, explained."""
        # Several interfaces have been seen to by then, one by one.
        if len(self._outlets) == 1 and self._follow_to(self._outlets[0], error):
            return self._send(data)
        self._explain(error, data)
        raise error

    def _plan_batch(
        self, payloads: Iterable[Buffer], address: Destination | None
    ) -> tuple[list[Buffer], Sequence[Outlet], tuple[Address, int] | None]:
        """Return the payloads, what they go out of, and where to; None for the sender's group."""
        listed = list(payloads)
        if address is None:
            return listed, self._outlets, None
        return listed, *self._addressed(address)

    def _raise_unsent(self, failures: list[OSError], listed: list[Buffer]) -> None:
        if failures:
            self._explain(failures[0], max(listed, key=_size))
            raise failures[0]

    def _addressed(self, address: Destination) -> tuple[Sequence[Outlet], tuple[Address, int]]:
        """Return what a datagram to `address` goes out of, and where to."""
        self._require_open()
        group, port = _parse_destination(*address)
        _require_family(group, self._family)
        outlets = self._outlets if group.scope is None else [self._outlet(group.scope)]
        return outlets, (group.address, port)

    def _send_all(
        self, outlet: Outlet, payloads: list[Buffer], to: tuple[Address, int] | None
    ) -> int:
        with self._sending:
            try:
                return self._batch_sender(outlet, to).send(payloads)
            except OSError as error:
                now = self._follow_to(outlet, error)
                if now is None:
                    raise
            return self._batch_sender(now, to).send(payloads)

    def _batch_sender(self, outlet: Outlet, to: tuple[Address, int] | None) -> BatchSender:
        """Return what sends to `to`, None for the sender's own group; it is kept for the next."""
        self._require_open()
        key = outlet.interface.index, to
        found = self._batch_senders.get(key)
        if found is None or found.outlet is not outlet:
            if len(self._batch_senders) >= _KEPT_SENDERS:
                self._batch_senders.clear()
            found = self._batch_senders[key] = BatchSender(
                self._socket,
                outlet,
                self._destination() if to is None else to,
                is_connected=to is None and len(self._outlets) == 1,
            )
        return found

    def _destination(self) -> tuple[Address, int]:
        self._require_open()
        if self._group is None or self._port is None:
            raise AddressError(_NO_GROUP)
        return self._group, self._port

    def _outlet(self, spec: InterfaceLike) -> Outlet:
        (found, *_) = find_interfaces(spec, among=[item.interface for item in self._outlets])
        return next(item for item in self._outlets if item.interface == found)

    def _send_everywhere(self, data: Buffer) -> int:
        return self._send_out_of(self._outlets, data, self._destination())

    def _send_out_of(
        self, outlets: Sequence[Outlet], data: Buffer, address: tuple[Address, int]
    ) -> int:
        sent = 0
        failures: list[OSError] = []
        for outlet in list(outlets):
            try:
                sent = self._send_by(outlet, data, address)
            except OSError as error:
                failures.append(self._noted(error, outlet))
        self._raise_unsent(failures, [data])
        return sent

    def _noted(self, error: OSError, outlet: Outlet) -> OSError:
        if len(self._outlets) > 1:
            error.add_note(f"out of interface {outlet.interface.friendly_name}")
        return error

    def _send_by(self, outlet: Outlet, data: Buffer, address: tuple[Address, int]) -> int:
        try:
            return send_message(self._socket, data, [outlet.packet_info], outlet.sockaddr(*address))
        except OSError as error:
            now = self._follow_to(outlet, error)
            if now is None:
                raise
        return send_message(self._socket, data, [now.packet_info], now.sockaddr(*address))

    def _follow_to(self, outlet: Outlet, error: OSError) -> Outlet | None:
        """Return what became of `outlet`, where `error` came of its interface being another now."""
        if not self._follow or error.errno not in _MOVED:
            return None
        with self._following:
            try:
                now = choose_outlet(self._family, outlet.spec, None)
            except InterfaceError:  # It is gone, or has no address yet.
                return None
            is_same = (now.interface.index, now.source) == (outlet.interface.index, outlet.source)
            if is_same or self.closed:
                return None
            if outlet not in self._outlets:  # Another thread has seen to it.
                return now
            outlets = [now if item == outlet else item for item in self._outlets]
            if len(outlets) == 1:
                # Its socket is bound to the address and the interface that were.
                try:
                    fresh = self._open(outlets)
                except OSError:  # Its address is not ready yet.
                    return None
                self._socket, gone = fresh, self._socket
                gone.close()
                self._send = self._choose_send()
            self._outlets = outlets
        _log.info("sending out of %s again, which is back", now.interface)
        return now

    def _explain(self, error: OSError, data: Buffer) -> None:
        advise(error, SENDING_ADVICE)
        if error.errno == errno.EMSGSIZE:
            # Found out by the failure, so that no datagram that fits pays for a comparison.
            raise OSError(
                errno.EMSGSIZE,
                f"a payload of {memoryview(data).nbytes} bytes is too large: UDP over "
                f"{FAMILY_NAMES[self._family]} carries up to {_LARGEST_PAYLOAD[self._family]}",
            ) from None

    def _refuse_no_group(self, data: Buffer) -> NoReturn:
        raise AddressError(_NO_GROUP)

    def _refuse_closed(self, data: Buffer) -> NoReturn:
        raise ClosedError("the sender is closed")

    def _require_open(self) -> None:
        if self.closed:
            raise ClosedError("the sender is closed")

    @property
    def group(self) -> Address | None:
        """The group that `send` sends to."""
        return self._group

    @property
    def port(self) -> int | None:
        """The port that `send` sends to."""
        return self._port

    @property
    def interface(self) -> Interface:
        """The interface that datagrams go out of, the first of several."""
        return self._outlets[0].interface

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """The interfaces that each datagram goes out of, as they were found."""
        return tuple(outlet.interface for outlet in self._outlets)

    @property
    def family(self) -> socket.AddressFamily:
        """`socket.AF_INET` or `socket.AF_INET6`."""
        return self._family

    @property
    def ttl(self) -> int:
        """The time to live (IPv4) or hop limit (IPv6) of the datagrams."""
        return self._ttl

    @property
    def loopback(self) -> bool:
        """Whether receivers on this host hear the datagrams."""
        return self._loopback

    @property
    def local_address(self) -> SourceAddress:
        """The address that receivers see as the source.

        It is unspecified where it depends on the group or the interface: for an IPv6 sender
        without a group, and for one with several interfaces. Raises `ClosedError`.
        """
        self._require_open()
        host, port, *rest = self._socket.getsockname()
        return source_address(host, port, *rest[1:])

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 when closed.

        It changes when the sender follows an interface that came back.
        """
        return self._socket.fileno()

    @property
    def closed(self) -> bool:
        """Whether the sender is closed."""
        return self._socket.fileno() == -1

    def close(self) -> None:
        """Close the sender; closing twice is harmless."""
        self._send = self._refuse_closed
        self._socket.close()

    def __repr__(self) -> str:
        """Return the destination, the interface and whether it is closed."""
        to = f"to {self._group} port {self._port} " if self._group else ""
        state = " (closed)" if self.closed else ""
        return f"<{type(self).__name__} {to}by {', '.join(map(str, self.interfaces))}{state}>"
