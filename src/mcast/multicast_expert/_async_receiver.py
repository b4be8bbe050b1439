"""AsyncMcastRxSocket: multicast_expert's receiver for asyncio over `AsyncMcastRx`."""

from __future__ import annotations

import asyncio
from typing import Self

from .._asyncio import AsyncMcastRx
from ._receiver_base import BaseMcastRxSocket, PacketAndSenderAddress, sender_address


class AsyncMcastRxSocket(BaseMcastRxSocket[AsyncMcastRx]):
    """AsyncMcastRxSocket receives from groups in asyncio; it is open inside of ``with``."""

    _kind = AsyncMcastRx

    def __enter__(self) -> Self:
        """Open it. Raises `RuntimeError` outside of a running loop, and as the others do."""
        asyncio.get_running_loop()
        return super().__enter__()

    async def recvfrom(self) -> PacketAndSenderAddress:
        """Return a payload and where it comes from; raises `TimeoutError` when the time is up."""
        try:
            datagram = await self._opened.recv(timeout=self.timeout)
        except BlockingIOError:
            raise TimeoutError from None
        return datagram.data, sender_address(datagram)

    async def recv(self) -> bytes:
        """Return a payload; as `recvfrom`."""
        return (await self.recvfrom())[0]
