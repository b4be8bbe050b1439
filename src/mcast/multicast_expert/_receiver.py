"""McastRxSocket: multicast_expert's receiver over `McastRx`."""

from __future__ import annotations

import socket
from typing import Self

from .._datagram import Datagram
from .._receiver import McastRx
from ._receiver_base import BaseMcastRxSocket, PacketAndSenderAddress, sender_address


class McastRxSocket(BaseMcastRxSocket[McastRx]):
    """McastRxSocket receives from groups; it is open inside of ``with``."""

    _kind = McastRx
    _peeked: Datagram | None

    def __enter__(self) -> Self:
        """Open it. Raises `MulticastExpertError` if it is open, and `OSError`."""
        self._peeked = None
        return super().__enter__()

    def recvfrom(self, bufsize: int = 4096, flags: int = 0) -> PacketAndSenderAddress | None:
        """Return a payload and where it comes from, None when the time is up.

        What a payload has beyond `bufsize` bytes is lost. Of `flags`, `socket.MSG_PEEK` leaves the
        datagram for the next call.
        """
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        rx = self._opened
        try:
            datagram = self._peeked or rx.recv(timeout=self.timeout)
        except (TimeoutError, BlockingIOError):
            return None
        self._peeked = None
        if flags & socket.MSG_PEEK:
            self._peeked = datagram
        return datagram.data[:bufsize], sender_address(datagram)

    def recv(self, bufsize: int = 4096, flags: int = 0) -> bytes | None:
        """Return a payload, None when the time is up; as `recvfrom`."""
        received = self.recvfrom(bufsize, flags)
        return None if received is None else received[0]
