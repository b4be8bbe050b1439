"""A service that receives several feeds at once, and shuts down cleanly on a signal.

    python examples/several_feeds.py 239.1.2.3:5000 239.1.2.4:5001 ff15::1234:5002

Ctrl-C or SIGTERM ends it; it says then what each feed brought.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter

import mcast


async def receive(feed: str, received: Counter[str], ending: asyncio.Event) -> None:
    """Count what a feed brings, until the service ends."""
    group, _, port = feed.rpartition(":")
    async with mcast.AsyncMcastRx(group, int(port)) as rx:
        closing = asyncio.create_task(close_when(ending, rx))
        async for datagram in rx:
            received[feed] += 1
            print(feed, datagram.source.host, len(datagram.data), "bytes", flush=True)
        await closing
        print(f"{feed}: {received[feed]} datagrams, {rx.dropped} dropped", flush=True)


async def close_when(ending: asyncio.Event, rx: mcast.AsyncMcastRx) -> None:
    """Close the receiver when the service ends, which ends the iteration over it."""
    await ending.wait()
    rx.close()


async def main(feeds: list[str]) -> None:
    """Receive all feeds until a signal comes."""
    received: Counter[str] = Counter()
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with asyncio.TaskGroup() as tasks:
        for feed in feeds:
            tasks.create_task(receive(feed, received, ending))
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
