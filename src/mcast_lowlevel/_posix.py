"""What Linux and macOS do alike."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ._records import InterfaceFlag, Sockname

if TYPE_CHECKING:
    from typing_extensions import Buffer


def send_message(
    sock: socket.socket,
    data: Buffer,
    ancillary: Sequence[tuple[int, int, bytes]],
    address: Sockname | None,
) -> int:
    """Send one datagram with ancillary data, and return its size (sendmsg(2)).

    `address` is as `socket` takes it; None sends to what the socket is connected to.
    """
    sender: Any = sock  # Type checkers for Windows know no sendmsg.
    if address is None:
        return int(sender.sendmsg([data], ancillary))
    return int(sender.sendmsg([data], ancillary, 0, address))


def flag_reader(constant: Callable[[str], int]) -> Callable[[int], InterfaceFlag]:
    """Return what makes flags of a number with IFF_ bits; `constant` looks their names up."""
    known = {
        constant("IFF_UP"): InterfaceFlag.UP,
        constant("IFF_RUNNING"): InterfaceFlag.RUNNING,
        constant("IFF_LOOPBACK"): InterfaceFlag.LOOPBACK,
        constant("IFF_POINTOPOINT"): InterfaceFlag.POINT_TO_POINT,
        constant("IFF_MULTICAST"): InterfaceFlag.MULTICAST,
    }

    @lru_cache(maxsize=64)
    def read(number: int) -> InterfaceFlag:
        flags = InterfaceFlag(0)
        for bit, flag in known.items():
            if number & bit:
                flags |= flag
        return flags

    return read


def scope_name(index: int) -> str:
    """Return how a link-local address names the interface with this index behind its ``%``."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)  # It is gone; the number is what is left of it.


def keep_after_reset(sockfd: int) -> None:
    """Do nothing: a datagram that found no receiver is no error of a socket that receives."""
