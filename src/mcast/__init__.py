"""IP multicast: sending to groups and receiving from them, on the interfaces that you choose.

`McastTx` sends and `McastRx` receives, IPv4 and IPv6; `interfaces` lists the machine's network
interfaces. Timeouts are in seconds and sizes in bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcast_lowlevel import Doubt, FilterMode, Finding

from ._addresses import SourceAddress
from ._batch import Batch
from ._datagram import Datagram
from ._errors import (
    AddressError,
    ClosedError,
    InterfaceError,
    JoinOutcome,
    McastError,
    MembershipError,
    UnsupportedError,
)
from ._interfaces import Interface, default_interface, find_interfaces, interfaces
from ._membership import InterfaceChange, Membership
from ._receiver import McastRx
from ._sender import McastTx

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ._asyncio import AsyncMcastRx, AsyncMcastTx
    from ._doctor import Diagnosis, doctor
    from ._querier import Querier

__all__ = [
    "AddressError",
    "AsyncMcastRx",
    "AsyncMcastTx",
    "Batch",
    "ClosedError",
    "Datagram",
    "Diagnosis",
    "Doubt",
    "FilterMode",
    "Finding",
    "Interface",
    "InterfaceChange",
    "InterfaceError",
    "JoinOutcome",
    "McastError",
    "McastRx",
    "McastTx",
    "Membership",
    "MembershipError",
    "Querier",
    "SourceAddress",
    "UnsupportedError",
    "default_interface",
    "doctor",
    "find_interfaces",
    "interfaces",
]


def __getattr__(name: str) -> object:
    """Load what few use when they do: asyncio takes longer than all the rest."""
    if name in {"AsyncMcastRx", "AsyncMcastTx"}:
        from . import _asyncio  # noqa: PLC0415 - see above.

        return getattr(_asyncio, name)
    if name in {"Diagnosis", "doctor"}:
        from . import _doctor  # noqa: PLC0415 - see above.

        return getattr(_doctor, name)
    if name == "Querier":
        from . import _querier  # noqa: PLC0415 - see above.

        return _querier.Querier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
