"""What Linux and macOS do alike."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._records import Sockname

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


def scope_name(index: int) -> str:
    """Return how a link-local address names the interface with this index behind its ``%``."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)  # It is gone; the number is what is left of it.


def keep_after_reset(sockfd: int) -> None:
    """Do nothing: a datagram that found no receiver is no error of a socket that receives."""
