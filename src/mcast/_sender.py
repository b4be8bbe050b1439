"""McastTx: sending to a multicast group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from ._interfaces import InterfaceLike
from ._sender_base import Destination, SenderBase

if TYPE_CHECKING:
    from typing_extensions import Buffer


class McastTx(SenderBase):
    """McastTx sends datagrams to a multicast group out of one interface or several.

    It opens at construction and is a context manager that closes it.
    """

    def send(self, data: Buffer, *, interface: InterfaceLike | None = None) -> int:
        """Send one datagram to the group and port given at construction.

        It goes out of each of the sender's interfaces, or out of `interface`, one of them. Returns
        its size in bytes. Raises `ClosedError`, `AddressError` where no group was given,
        `InterfaceError`, and `OSError` for what the system refuses, `EMSGSIZE` for too large a
        payload among it. Where one of several interfaces fails, the others send before that.
        """
        if interface is not None:
            return self._send_out_of([self._outlet(interface)], data, self._destination())
        try:
            return self._send(data)
        except OSError as error:
            return self._send_despite(error, data)

    def sendto(self, data: Buffer, address: Destination) -> int:
        """Send one datagram to another group and port of the sender's family.

        Returns its size in bytes. Raises as `send` does, and `AddressError` for an address that
        cannot be used.
        """
        outlets, destination = self._addressed(address)
        return self._send_out_of(outlets, data, destination)

    def send_batch(self, payloads: Iterable[Buffer], address: Destination | None = None) -> int:
        """Send each payload as one datagram, in order, by as few system calls as can be.

        They go to the group and port given at construction, or to `address`, out of each of the
        sender's interfaces. Where the system can, it is given payloads of one size in one piece,
        to be cut just before the wire.

        Returns how many were sent: all, or those before one that fails. If it is the first that
        does, raises as `send` does, and has sent nothing. With several interfaces each gets them
        all; the least number is returned, and an interface that sends nothing raises at the end.
        """
        listed, outlets, destination = self._plan_batch(payloads, address)
        counts: list[int] = []
        failures: list[OSError] = []
        for outlet in list(outlets):
            try:
                counts.append(self._send_all(outlet, listed, destination))
            except OSError as error:
                failures.append(self._noted(error, outlet))
        self._raise_unsent(failures, listed)
        return min(counts)

    def __enter__(self) -> Self:
        """Return the sender; `ClosedError` when closed."""
        self._require_open()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the sender."""
        self.close()
