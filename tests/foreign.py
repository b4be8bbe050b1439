"""What the tests ask of a Python on another system than Linux, genuine or played."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import mcast
from tests.hosts import TIMEOUT


def tell(groups: list[str], port: int, count: int) -> Iterator[Any]:
    """Yield what is told of each of `count` datagrams."""
    with mcast.McastRx(groups, port, interfaces="eth0", timeout=TIMEOUT) as rx:
        yield "ready"
        for _ in range(count):
            datagram = rx.recv()
            yield [
                datagram.data.decode(),
                datagram.source.host,
                str(datagram.group),
                datagram.interface.friendly_name,
                datagram.ttl,
            ]


def send_all(groups: list[str], port: int) -> None:
    """Send to each group one by one and by a batch, and what is for nobody before that."""
    for group in groups:
        with mcast.McastTx(group, port, interface="eth0", ttl=7) as tx:
            tx.send(b"one")
            tx.send_batch([b"two", b"three"])
            tx.sendto(b"four", (group, port))


def only_groups(group: str, port: int) -> Iterator[str]:
    """Yield the payloads that come, until "end"."""
    with mcast.McastRx(group, port, interfaces="eth0", timeout=TIMEOUT) as rx:
        yield "ready"
        for datagram in rx:
            yield datagram.data.decode()
            if datagram.data == b"end":
                return


def unicast(host: str, port: int) -> None:
    """Send a datagram to one host."""
    with mcast.McastTx(family=2, interface="eth0") as tx:
        tx._socket.sendto(b"unicast", (host, port))  # noqa: SLF001  # pyright: ignore


def with_asyncio(group: str, kind: str) -> list[str]:
    """Return what a task hears of another, on that kind of loop, through a cancellation."""

    async def main() -> list[str]:
        async with mcast.AsyncMcastRx(group, 0, interfaces="eth0", loopback=True) as rx:
            with contextlib.suppress(TimeoutError):
                await rx.recv(timeout=0.05)
            waiting = asyncio.create_task(rx.recv())
            await asyncio.sleep(0)
            async with mcast.AsyncMcastTx(group, rx.port, interface="eth0", loopback=True) as tx:
                await tx.send(b"one")
                await tx.send_batch([b"two", b"three"])
                got = [(await waiting).data]
                got += [(await rx.recv()).data for _ in range(2)]
        return [item.decode() for item in got]

    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "selector": asyncio.SelectorEventLoop,
        "proactor": getattr(asyncio, "ProactorEventLoop", asyncio.SelectorEventLoop),
    }
    with asyncio.Runner(loop_factory=loops[kind]) as runner:
        return runner.run(main())


USUAL: dict[str, Any] = {"port": 5000, "interfaces": "eth0"}


def refused() -> list[list[Any]]:
    """Return what is raised for what cannot be used, and what the system refuses."""
    raised: list[list[Any]] = []
    bad: list[dict[str, Any]] = [
        {"groups": "10.0.0.1"},
        {"groups": "ff12::1%nosuch0"},
        {"groups": "239.1.2.3", "sources": []},
    ]
    for arguments in bad:
        try:
            mcast.McastRx(**USUAL, **arguments)
        except Exception as error:
            raised.append([type(error).__name__])
    with mcast.McastRx("239.1.2.3", 0, interfaces="eth0") as rx:
        try:
            _ = rx.dropped
        except mcast.UnsupportedError as error:
            raised.append(["UnsupportedError", str(error).split(" (")[0]])
    return raised
