"""Sending: one at a time, in batches, and cut by the system."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any

import multicast_expert

import mcast

from .measure import Contest, Goal

COUNT = 1024


def goals(floor: Any, stack: ExitStack) -> list[Goal]:
    """Return the contests of sending and what is to be reached in them."""
    found: list[Goal] = []
    for size in (64, 1316):
        contest = _contest(floor, stack, size)
        found += [
            Goal(contest, "send_batch, cut by the system", "C UDP_SEGMENT", 1.3),
            Goal(contest, "send_batch, cut by the system", "multicast_expert sendto", 0.05),
        ]
        if size == 64:
            found += [
                Goal(contest, "send", "socket.sendto", 1.0),
                Goal(contest, "send_batch, one by one", "C sendmmsg", 1.1),
            ]
    return found


def _contest(floor: Any, stack: ExitStack, size: int) -> Contest:
    group, port, data = "239.195.8.8", 40000, bytes(size)
    tx = stack.enter_context(mcast.McastTx(group, port, interface="eth0"))
    bare = stack.enter_context(socket.socket(fileno=socket.dup(tx.fileno())))
    peer = stack.enter_context(
        multicast_expert.McastTxSocket(socket.AF_INET, mcast_ips=[group], iface="eth0")
    )
    payloads = [data] * 64
    # As large as a packet leaves no room, so the system cuts nothing; of mixed sizes neither.
    mixed = [data, bytes(size + 1)] * 32
    at_once = min(64, 65507 // size)

    def send() -> None:
        for _ in range(COUNT):
            tx.send(data)

    def sendto() -> None:
        for _ in range(COUNT):
            bare.sendto(data, (group, port))

    def peer_sendto() -> None:
        for _ in range(COUNT):
            peer.sendto(data, (group, port))

    def cut() -> None:
        for _ in range(COUNT // 64):
            assert tx.send_batch(payloads) == 64

    def one_by_one() -> None:
        for _ in range(COUNT // 64):
            assert tx.send_batch(mixed) == 64

    def c_sendmmsg() -> None:
        assert floor.send_many(bare.fileno(), COUNT, size) == COUNT

    def c_segments() -> None:
        assert floor.send_segments(bare.fileno(), COUNT, size, at_once) >= COUNT

    return Contest(
        f"sending {size} bytes",
        COUNT,
        lambda: None,
        {
            "C sendmmsg": c_sendmmsg,
            "C UDP_SEGMENT": c_segments,
            "socket.sendto": sendto,
            "multicast_expert sendto": peer_sendto,
            "send": send,
            "send_batch, one by one": one_by_one,
            "send_batch, cut by the system": cut,
        },
    )
