"""AsyncMcastRx and AsyncMcastTx: nothing lost when cancelled, nothing left behind when closed."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
import uvloop

import mcast
from tests.hosts import ROOT, TIMEOUT, Host
from tests.test_end_to_end import send

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Return what runs a coroutine in a loop of that kind, and sees that nothing is left in it."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    async def checked(main: Coroutine[Any, Any, None]) -> None:
        async with asyncio.timeout(TIMEOUT):
            await main
        assert asyncio.all_tasks() == {asyncio.current_task()}
        selector = getattr(asyncio.get_running_loop(), "_selector", None)
        if selector is not None:  # One is the loop's own, to be woken by.
            assert len(selector.get_map()) == 1

    def run_checked(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(checked(main))
        gc.collect()  # What was not closed warns now, which fails the test.

    return run_checked


def pair(group: str, **options: Any) -> tuple[mcast.AsyncMcastRx, mcast.AsyncMcastTx]:
    """Return a receiver and a sender of the group on loopback."""
    rx = mcast.AsyncMcastRx(group, 0, interfaces="lo", receive_buffer=4_000_000, **options)
    return rx, mcast.AsyncMcastTx(group, rx.port, interface="lo", loopback=True)


def test_sending_and_receiving(run: Run[None], group4: str) -> None:
    """Everything of the synchronous ones is there, awaited where they wait."""

    async def main() -> None:
        rx, tx = pair(group4)
        async with rx, tx:
            assert await tx.send(b"1") == 1
            assert await tx.sendto(b"22", (group4, rx.port)) == 2
            assert await tx.send_batch([b"3", b"4", b"5"]) == 3
            assert await tx.send(b"6", interface="lo") == 1
            datagram = await rx.recv()
            assert (datagram.data, str(datagram.group)) == (b"1", group4)
            assert [item.data for item in await rx.recv_batch(2)] == [b"22", b"3"]
            got = [(await rx.recv()).data for _ in range(3)]
            assert got == [b"4", b"5", b"6"]
            with pytest.raises(BlockingIOError):
                await rx.recv(timeout=0)
            with pytest.raises(TimeoutError, match="nothing was received within"):
                await rx.recv(timeout=0.01)
            with pytest.raises(ValueError, match="not 0 or more"):
                await rx.recv(timeout=-1)
            with pytest.raises(ValueError, match="a batch of 0"):
                await rx.recv_batch(0)
            with rx.join("239.255.3.4") as membership:
                assert membership in rx.memberships
            assert (tx.group, rx.dropped) == (rx.memberships[0].group, 0)
        assert (rx.closed, tx.closed) == (True, True)
        with pytest.raises(mcast.ClosedError):
            await rx.recv()
        with pytest.raises(mcast.ClosedError):
            await tx.send(b"7")

    run(main())


def test_the_iterator_ends_when_closed(run: Run[None], group4: str) -> None:
    """`async for` gives datagrams as they come, and ends when another task closes."""

    async def main() -> None:
        rx, tx = pair(group4)
        got: list[int] = []

        async def listen() -> None:
            async for datagram in rx:
                got.append(datagram.data[0])
                if len(got) == 200:
                    closing.set()

        closing = asyncio.Event()
        async with tx, asyncio.TaskGroup() as tasks:
            tasks.create_task(listen())
            for number in range(200):
                await tx.send(bytes([number]))
            await closing.wait()
            rx.close()
        assert got == list(range(200))
        with pytest.raises(mcast.ClosedError):
            aiter(rx)

    run(main())


def test_closing_wakes_all_who_wait(run: Run[None], group4: str) -> None:
    """Every task that waits in recv gets `ClosedError`."""

    async def main() -> None:
        rx, tx = pair(group4)
        async with rx, tx:
            tasks = [asyncio.create_task(rx.recv()) for _ in range(3)]
            tasks.append(asyncio.create_task(rx.recv(timeout=TIMEOUT)))
            await asyncio.sleep(0)
            rx.close()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [mcast.ClosedError] * 4

    run(main())


def test_tasks_that_wait_at_once_are_served_in_turn(run: Run[None], group4: str) -> None:
    """The task that waited first gets the first datagram, and so on."""

    async def main() -> None:
        rx, tx = pair(group4)
        async with rx, tx:
            tasks = [asyncio.create_task(rx.recv()) for _ in range(10)]
            await asyncio.sleep(0)
            for number in range(10):
                await tx.send(bytes([number]))
            results = await asyncio.gather(*tasks)
        assert [result.data[0] for result in results] == list(range(10))

    run(main())


@pytest.mark.parametrize("batches", [False, True], ids=["recv", "recv_batch"])
def test_cancelling_loses_nothing(run: Run[None], group4: str, batches: bool) -> None:
    """Through 100,000 random cancellations every datagram comes once, and in order."""
    chance = random.Random(7)  # noqa: S311 - it decides when to cancel.

    async def main() -> None:
        rx, tx = pair(group4)
        got: list[int] = []

        def keep(result: Any) -> None:
            items = result if batches else [result]
            got.extend(int.from_bytes(item.data, "big") for item in items)

        cancelled = sent = 0
        async with rx, tx:
            while cancelled < 100_000:
                waiting: asyncio.Task[Any] = asyncio.create_task(
                    rx.recv_batch(4) if batches else rx.recv()
                )
                for _ in range(chance.randrange(4)):
                    if chance.random() < 0.3:
                        await tx.send(sent.to_bytes(4, "big"))
                        sent += 1
                    await asyncio.sleep(0)
                waiting.cancel()
                try:
                    keep(await waiting)
                except asyncio.CancelledError:
                    cancelled += 1
            while len(got) < sent:
                keep(await (rx.recv_batch() if batches else rx.recv()))
        assert got == list(range(sent))
        assert sent > 20_000

    run(main())


def test_timeouts_lose_nothing(run: Run[None], group4: str) -> None:
    """Neither asyncio.timeout nor wait_for nor recv's own timeout loses a datagram."""
    count = 3000

    async def main() -> None:
        rx, tx = pair(group4)
        got: list[int] = []

        async def send() -> None:
            for number in range(count):
                await tx.send(number.to_bytes(4, "big"))
                await asyncio.sleep(0.0002)

        async with rx, tx, asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            while len(got) < count:
                way = len(got) % 3
                try:
                    if way == 0:
                        async with asyncio.timeout(0.0003):
                            datagram = await rx.recv()
                    elif way == 1:
                        datagram = await asyncio.wait_for(rx.recv(), 0.0003)
                    else:
                        datagram = await rx.recv(timeout=0.0003)
                except TimeoutError:
                    continue
                got.append(int.from_bytes(datagram.data, "big"))
        assert got == list(range(count))

    run(main())


def test_a_busy_receiver_lets_others_run(run: Run[None], group4: str) -> None:
    """While datagrams never end, other tasks go on."""

    async def main() -> None:
        rx, tx = pair(group4)
        stop = threading.Event()

        def flood() -> None:
            with mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as sender:
                while not stop.is_set():
                    sender.send_batch([bytes(64)] * 64)

        async def listen() -> None:
            async for _ in rx:
                pass

        async with rx, tx, asyncio.TaskGroup() as tasks:
            thread = threading.Thread(target=flood)
            thread.start()
            try:
                tasks.create_task(listen())
                for _ in range(1000):
                    await asyncio.sleep(0)
            finally:
                stop.set()
                thread.join(TIMEOUT)
                rx.close()

    run(main())


def fill_and_wait(group: str, port: int) -> Iterator[Any]:
    """Send more than the buffer holds over a slow interface; yield how it went."""

    async def main() -> list[int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        async with mcast.AsyncMcastTx(group, port, interface="eth0", send_buffer=20_000) as tx:
            ticking = asyncio.create_task(tick())
            sent = [await tx.send(number.to_bytes(4, "big") * 250) for number in range(50)]
            sent.append(await tx.send_batch([bytes(1000 - number) for number in range(50)]))
            ticking.cancel()
        return [len(sent), sent[-1], ticks]

    yield asyncio.run(main())


def count_until(group: str, port: int, count: int) -> Iterator[Any]:
    """Yield how many datagrams came, when they did."""
    with mcast.McastRx(group, port, timeout=TIMEOUT) as rx:
        yield "ready"
        yield [len(rx.recv().data) for _ in range(count)]


def test_a_full_send_buffer_is_awaited(
    two_hosts: tuple[Host, Host], group4: str, port: int
) -> None:
    """Where the system has no room, sending waits without a loss, and other tasks run."""
    alice, bob = two_hosts
    alice.slow_down("eth0", "2mbit")
    with bob.start(count_until, group4, port, 100) as receiver:
        assert receiver.next() == "ready"
        with alice.start(fill_and_wait, group4, port) as sender:
            sends, batch, ticks = sender.next()
        assert receiver.next() == [1000] * 50 + [1000 - number for number in range(50)]
    assert (sends, batch) == (51, 50)
    assert ticks > 10


def test_a_sender_closes_while_another_task_waits(
    two_hosts: tuple[Host, Host], group4: str, port: int
) -> None:
    """Who waits for room gets `ClosedError`."""
    alice, _ = two_hosts
    alice.slow_down("eth0", "1kbit")
    assert alice.call(close_while_waiting, group4, port) == "ClosedError"


def close_while_waiting(group: str, port: int) -> str:
    """Return what a task gets that waits for room when the sender is closed."""

    async def main() -> str:
        async with mcast.AsyncMcastTx(group, port, interface="eth0", send_buffer=5000) as tx:

            async def fill() -> None:
                while True:
                    await tx.send(bytes(1000))

            filling = asyncio.create_task(fill())
            await asyncio.wait([filling], timeout=0.2)
            tx.close()
            try:
                await filling
            except mcast.ClosedError as error:
                return type(error).__name__
        return "nothing"

    return asyncio.run(main())


def test_the_service_shuts_down_cleanly(two_hosts: tuple[Host, Host], port: int) -> None:
    """The example receives its feeds, and ends with 0 at a signal, having told of them."""
    alice, bob = two_hosts
    feeds = [f"239.1.2.3:{port}", f"ff15::1234:{port}"]
    with bob.popen(sys.executable, "-W", "error", ROOT / "examples/several_feeds.py", *feeds) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "ready\n"
        got: set[str] = set()
        for group in ("239.1.2.3", "ff15::1234"):
            alice.call(send, (group, port), ["hello"], "eth0")
            got.add(it.stdout.readline().split()[0])
        it.send_signal(signal.SIGTERM)
        told, errors = it.communicate(timeout=TIMEOUT)
    assert got == set(feeds)
    assert sorted(told.splitlines()) == [f"{feed}: 1 datagrams, 0 dropped" for feed in feeds]
    assert (it.returncode, errors) == (0, "")
