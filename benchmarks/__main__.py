"""Compare a datagram's cost through mcast with its cost through bare sockets, on loopback.

Both are measured in turns in one run, several rounds of them, and told as the median of their
ratios: seconds differ from machine to machine and from minute to minute.
"""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Callable

import mcast

GROUP, PAYLOAD = "239.195.7.8", bytes(64)
BURST, ROUNDS = 100, 200


def spent(call: Callable[[], object]) -> float:
    """Return the seconds that a burst of calls takes."""
    start = time.perf_counter()
    for _ in range(BURST):
        call()
    return time.perf_counter() - start


def median_ratio(
    prepare: Callable[[], object], ours: Callable[[], object], theirs: Callable[[], object]
) -> float:
    """Return how much longer `ours` takes than `theirs`, each time after a burst of `prepare`."""
    ratios: list[float] = []
    for _ in range(ROUNDS):
        spent(prepare)
        mine = spent(ours)
        spent(prepare)
        ratios.append(mine / spent(theirs))
    return statistics.median(ratios)


def main() -> None:
    """Print the ratios."""
    with (
        mcast.McastRx(GROUP, 0, interfaces="lo", timeout=1) as rx,
        mcast.McastTx(GROUP, rx.port, interface="lo", loopback=True) as tx,
        socket.socket(fileno=socket.dup(rx.filenos()[0])) as bare,
        socket.socket(fileno=socket.dup(tx.fileno())) as bare_sender,
    ):
        address = (GROUP, rx.port)

        def drain() -> None:
            while True:
                try:
                    bare.recv(100)
                except BlockingIOError:
                    return

        receiving = median_ratio(
            lambda: tx.send(PAYLOAD), rx.recv, lambda: bare.recvmsg(65536, 256)
        )
        sending = median_ratio(
            drain, lambda: tx.send(PAYLOAD), lambda: bare_sender.sendto(PAYLOAD, address)
        )
        print(f"recv(), every field read, to socket.recvmsg, undecoded: {receiving:.2f}")
        print(f"send() to socket.sendto: {sending:.2f}")


if __name__ == "__main__":
    main()
