"""asyncio: a datagram by `async for` and by batches, against a peer and a bare protocol."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any, cast

import multicast_expert

import mcast

from .measure import Contest, Goal
from .receiving import BUFFER, Reference

COUNT = 1024
GROUP = "239.195.10.1"


class Counter(asyncio.DatagramProtocol):
    """Counter counts datagrams, and tells when there were enough."""

    def __init__(self) -> None:
        """Begin at none."""
        self.left = 0
        self.done = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Count one."""
        self.left -= 1
        if self.left == 0:
            self.done.set()


def goals(floor: Any, stack: ExitStack) -> list[Goal]:
    """Return the contest and what is to be reached in it."""
    runner = stack.enter_context(asyncio.Runner())
    run: Callable[[Coroutine[Any, Any, Any]], Any] = runner.run
    rx = mcast.AsyncMcastRx(GROUP, 0, interfaces="lo", receive_buffer=BUFFER)
    stack.callback(rx.close)
    tx = stack.enter_context(mcast.McastTx(GROUP, rx.port, interface="lo", loopback=True))
    bare = Reference(GROUP, rx.port).sock
    transport, counter = run(_listen(runner.get_loop(), bare))
    stack.callback(lambda: (transport.close(), run(asyncio.sleep(0))))
    peer: Any = run(_open_peer(rx.port))
    stack.callback(lambda: run(_close_peer(peer)))
    peer_sockets: list[socket.socket] = list(peer.sockets)
    for peer_socket in peer_sockets:
        peer_socket.setsockopt(socket.SOL_SOCKET, 33, BUFFER)

    def fill() -> None:
        for _ in range(COUNT // 64):
            assert tx.send_batch([bytes(64)] * 64) == 64

    async def one_by_one() -> None:
        left = COUNT
        async for _ in rx:
            left -= 1
            if left == 0:
                break

    async def batches() -> None:
        left = COUNT
        while left:
            left -= len((await rx.recv_batch()).payloads())

    async def by_peer() -> None:
        for _ in range(COUNT):
            await peer.recvfrom()

    async def by_protocol() -> None:
        counter.left = COUNT
        counter.done.clear()
        transport.resume_reading()
        await counter.done.wait()
        transport.pause_reading()

    async def drain() -> None:
        while True:
            try:
                await rx.recv_batch(1024, timeout=0)
            except BlockingIOError:
                break

    def finish() -> None:
        run(drain())
        for sock in (bare, *peer_sockets):
            floor.receive(sock.fileno(), 2 * COUNT)

    contest = Contest(
        "asyncio, 64 bytes",
        COUNT,
        fill,
        {
            "DatagramProtocol": lambda: run(by_protocol()),
            "multicast_expert AsyncMcastRxSocket": lambda: run(by_peer()),
            "async for": lambda: run(one_by_one()),
            "recv_batch, views": lambda: run(batches()),
        },
        finish,
    )
    return [
        Goal(contest, "async for", "multicast_expert AsyncMcastRxSocket", 0.2),
        Goal(contest, "recv_batch, views", "multicast_expert AsyncMcastRxSocket", 0.1),
        Goal(contest, "async for", "DatagramProtocol", 1.0),
    ]


async def _open_peer(port: int) -> multicast_expert.AsyncMcastRxSocket:
    return multicast_expert.AsyncMcastRxSocket(
        socket.AF_INET, mcast_ips=[GROUP], port=port, iface="lo"
    ).__enter__()


async def _close_peer(peer: multicast_expert.AsyncMcastRxSocket) -> None:
    peer.__exit__(None, None, None)


async def _listen(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> tuple[Any, Counter]:
    transport, counter = await loop.create_datagram_endpoint(Counter, sock=sock)
    cast(Any, transport).pause_reading()
    return transport, counter
