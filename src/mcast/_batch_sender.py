"""Sending many datagrams to one address out of one interface, by few system calls."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, cast

from mcast_lowlevel import MessageSender, UnsupportedError, segment_size, send_message

from ._addresses import Address, family_of
from ._outlets import Outlet

if TYPE_CHECKING:
    from typing_extensions import Buffer

_AT_ONCE = 64
"""How many datagrams are given to the system by one call; so many pieces are cut of one payload."""
_LARGEST_WHOLE = {socket.AF_INET: 65535 - 20 - 8, socket.AF_INET6: 65535 - 40 - 8}
"""Bytes of payload that are cut at once: with headers it is a packet's largest length."""
_HEADERS = {socket.AF_INET: 20 + 8, socket.AF_INET6: 40 + 8}
"""Bytes of a packet that are not payload: the headers of IPv4 or IPv6, and of UDP."""
_NO_SEGMENTS = (errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.ENOPROTOOPT)
"""How the system says that it cuts no payloads here."""


class BatchSender:
    """BatchSender sends datagrams to one address out of one interface.

    Where the system can, it is given payloads of one size in one piece, to be cut just before the
    wire; when it refuses that, they are given one by one from then on. One thread at a time.
    """

    def __init__(
        self, sock: socket.socket, outlet: Outlet, to: tuple[Address, int], *, is_connected: bool
    ) -> None:
        """Send by `sock`; `is_connected` says whether that is bound to the outlet, and to `to`."""
        self._socket = sock
        self.outlet = outlet
        self._family = family_of(to[0])
        self._sockaddr = None if is_connected else outlet.sockaddr(*to)
        self._name = b"" if is_connected else outlet.packed_sockaddr(*to)
        self._packet_info = None if is_connected else outlet.packet_info
        self._messages = MessageSender(_AT_ONCE)
        self._ancillary: dict[int, list[tuple[int, int, bytes]]] = {}
        mtu = outlet.interface.mtu
        self._largest_segment = 0 if mtu is None else mtu - _HEADERS[self._family]
        """What is larger is not cut, for it does not fit into a packet (0: nothing is)."""

    def send(self, payloads: list[Buffer]) -> int:
        """Return how many were sent: all, or those before one that fails; raises if none was."""
        sent = 0
        while sent < len(payloads):
            try:
                sent += self._send_some(payloads[sent : sent + _AT_ONCE])
            except InterruptedError:  # By a signal, whose handler has been called (PEP 475).
                continue
            except OSError:
                if sent == 0:
                    raise
                break
        return sent

    def _send_some(self, payloads: list[Buffer]) -> int:
        """Send some datagrams by one system call, and return how many went."""
        size = len(cast("bytes", payloads[0]))
        if 0 < size <= self._largest_segment:
            some = payloads[: _LARGEST_WHOLE[self._family] // size]
            whole = _joined(some, size)
            if whole:
                try:
                    self._send_whole(whole, size)
                except OSError as error:
                    if error.errno not in _NO_SEGMENTS:
                        raise
                except UnsupportedError:
                    pass
                else:
                    return len(some)
                self._largest_segment = 0
        sockfd = self._socket.fileno()
        return self._messages.send(sockfd, payloads, self._name, self._packet_info)

    def _send_whole(self, whole: bytes, size: int) -> None:
        """Send one payload that the system cuts into datagrams of `size` bytes."""
        if size not in self._ancillary:
            info = [] if self._packet_info is None else [self._packet_info]
            self._ancillary = {size: [segment_size(self._family, size), *info]}
        send_message(self._socket, whole, self._ancillary[size], self._sockaddr)


def _joined(payloads: list[Buffer], size: int) -> bytes:
    """Return several payloads in one piece, nothing unless it can be cut by `size` again.

    All but the last are of that size then, and the last is not larger.
    """
    if len(payloads) < 2:  # None if the first one is too large.
        return b""
    sizes = list(map(len, cast("list[bytes]", payloads)))
    last = sizes.pop()
    if not (0 < last <= size and sizes == [size] * len(sizes)):
        return b""
    whole = b"".join(payloads)
    # Nothing has fewer bytes than elements: if all have as many, each one has.
    return whole if len(whole) == size * len(sizes) + last else b""
