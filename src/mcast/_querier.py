"""Asking a network for members, so that switches which snoop keep sending to them."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterator
from typing import Final, Self

from mcast_lowlevel import QuerySocket

from ._addresses import Address, parse_family, without_scope
from ._errors import InterfaceError
from ._interfaces import InterfaceLike, find_interfaces

_INTERVAL: Final = 125
"""Seconds between queries (RFC 3376 section 8.2, RFC 3810 section 9.2)."""
_RESPONSE: Final = 10.0
"""Seconds that members may take to answer (sections 8.3 and 9.3)."""
_FIRST: Final = 2
"""How many queries at first come at a quarter of the interval (sections 8.6, 8.7)."""
_OTHER_PRESENT: Final = 2 * _INTERVAL + _RESPONSE / 2
"""Seconds after which another querier that is silent is gone (sections 8.5 and 9.5)."""


class Querier:
    """Querier asks the hosts of one network which groups they want (RFC 3376, RFC 3810).

    A switch that snoops sends a group where somebody has answered, and forgets that after some
    minutes if nobody asks again. Routers for multicast ask; where there is none, one host can. Of
    several that ask the one with the lowest address goes on.

    `interface` is as everywhere, and has an address of `family`. Raises `InterfaceError` or
    `AddressError` for what cannot be used, and `OSError`: `PermissionError` where raw sockets are
    not allowed (Linux: CAP_NET_RAW).
    """

    def __init__(self, interface: InterfaceLike, *, family: int = socket.AF_INET) -> None:
        parsed = parse_family(family)
        self.interface = find_interfaces(interface)[0]
        self.family = parsed
        own = [without_scope(address) for address in self.interface.addresses(parsed)]
        if parsed == socket.AF_INET6:  # MLD has link-local sources (RFC 3810 section 5.1.14).
            own = [address for address in own if address.is_link_local]
        if not own:
            raise InterfaceError(f"{self.interface} has no address to ask from")
        self._own = own[0]
        self._socket = QuerySocket(parsed, self.interface.index)

    def run(self) -> Iterator[Address | None]:
        """Ask until closed or no longer iterated, and yield who asks whenever that changes.

        None is for this host.
        """
        yield None
        asked, due, other = 0, 0.0, None
        while True:
            now = time.monotonic()
            if now >= due:
                if other is not None:
                    other = None
                    yield None
                self._socket.ask(_INTERVAL, _RESPONSE)
                asked += 1
                due = now + (_INTERVAL / 4 if asked < _FIRST else _INTERVAL)
            heard = self._hear(due - now)
            if heard is not None and self._wins(heard):
                due = time.monotonic() + _OTHER_PRESENT
                if heard != other:
                    other = heard
                    yield other

    def _hear(self, seconds: float) -> Address | None:
        try:
            return self._socket.hear(max(seconds, math.ulp(1)))
        except TimeoutError:
            return None

    def _wins(self, other: Address) -> bool:
        """Return whether another one goes on; who has no address takes no part (RFC 4541)."""
        return not other.is_unspecified and int(other) < int(self._own)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Return the querier."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()
