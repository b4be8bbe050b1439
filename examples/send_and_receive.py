"""Send a datagram a second to a group, or print what arrives there.

    python send_and_receive.py send
    python send_and_receive.py receive

The group is administratively scoped (RFC 2365), so it is free to use in a network of one's own.
"""

from __future__ import annotations

import itertools
import sys
import time

import mcast

GROUP, PORT = "239.195.7.7", 5007


def send() -> None:
    """Send a number each second."""
    with mcast.McastTx(GROUP, PORT) as tx:
        print(f"sending to {GROUP} port {PORT} out of {tx.interface}")
        for number in itertools.count():
            tx.send(f"number {number}".encode())
            time.sleep(1)


def receive() -> None:
    """Print each datagram and where it came from."""
    with mcast.McastRx(GROUP, PORT) as rx:
        print(f"receiving {GROUP} port {PORT} on", *rx.memberships[0].interfaces)
        for datagram in rx:
            print(datagram.source.host, datagram.interface, datagram.data.decode(errors="replace"))


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]]()
