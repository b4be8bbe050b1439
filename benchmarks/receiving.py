"""Receiving: one at a time and in batches, against the standard library, peers and C."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

import multicast_expert

import mcast

from .measure import Contest, Goal

COUNT = 1024
BUFFER = 16_000_000


class Reference:
    """Reference is a bare socket that has joined a group and is told the same as ours."""

    def __init__(self, group: str, port: int) -> None:
        """Join on loopback, with packet information, hop limit and time."""
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, 33, BUFFER)  # SO_RCVBUFFORCE
        for level, name in ((0, 8), (0, 12), (1, 35)):  # IP_PKTINFO, IP_RECVTTL, SO_TIMESTAMPNS
            self.sock.setsockopt(level, name, 1)
        self.sock.bind((group, port))
        mreq = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreq)
        self.sock.setblocking(False)


def goals(floor: Any, rounds_of: ExitStack) -> list[Goal]:
    """Return the contests of receiving and what is to be reached in them."""
    found: list[Goal] = []
    for number, size in enumerate((64, 1316)):
        group = f"239.195.9.{number}"
        contest = _contest(floor, rounds_of, group, size)
        if size == 64:
            found += [
                Goal(contest, "recv", "socket.recvmsg", 1.0),
                Goal(contest, "recv", "multicast_expert recvfrom", 0.6),
                Goal(contest, "recv_batch, all fields", "C recvmmsg", 1.8),
                Goal(contest, "recv_batch coalesced, views", "multicast_expert recvfrom", 0.1),
            ]
        found.append(Goal(contest, "recv_batch, views", "C recvmmsg", 1.15))
    return found


def _contest(floor: Any, stack: ExitStack, group: str, size: int) -> Contest:
    rx = stack.enter_context(
        mcast.McastRx(group, 0, interfaces="lo", timeout=0, receive_buffer=BUFFER)
    )
    coalescing = stack.enter_context(
        mcast.McastRx(
            group, rx.port, interfaces="lo", timeout=0, receive_buffer=BUFFER, coalesce=True
        )
    )
    bare = stack.enter_context(Reference(group, rx.port).sock)
    peer = stack.enter_context(
        multicast_expert.McastRxSocket(
            socket.AF_INET, mcast_ips=[group], port=rx.port, iface="lo", timeout=1
        )
    )
    peer_sockets: list[socket.socket] = list(cast(Any, peer).sockets)
    for peer_socket in peer_sockets:
        peer_socket.setsockopt(socket.SOL_SOCKET, 33, BUFFER)
    tx = stack.enter_context(mcast.McastTx(group, rx.port, interface="lo", loopback=True))
    payloads = [bytes(size)] * 64

    def fill() -> None:
        for _ in range(COUNT // 64):
            assert tx.send_batch(payloads) == 64

    def recvmsg() -> None:
        for _ in range(COUNT):
            bare.recvmsg(65536, 256)

    def recvfrom() -> None:
        for _ in range(COUNT):
            assert peer.recvfrom() is not None

    def recv() -> None:
        for _ in range(COUNT):
            datagram = rx.recv()
            assert len(datagram.data) == size
            _ = datagram.source, datagram.group, datagram.interface

    def all_fields() -> None:
        got = 0
        while got < COUNT:
            batch = rx.recv_batch(64)
            for item in batch:
                _ = (
                    item.data, item.source, item.group, item.interface,
                    item.ttl, item.timestamp_ns, item.truncated,
                )  # fmt: skip
            got += len(batch)

    def views(receiver: mcast.McastRx, at_once: int) -> Callable[[], None]:
        def receive() -> None:
            got = total = 0
            while got < COUNT:
                batch = receiver.recv_batch(at_once)
                for view, length in zip(batch.payloads(), batch.sizes, strict=True):
                    total += length
                    _ = view
                got += len(batch)
            assert total == COUNT * size

        return receive

    def drain() -> None:
        for receiver in (rx, coalescing):
            try:
                while True:
                    receiver.recv_batch(1024)
            except BlockingIOError:
                pass
        floor.receive(bare.fileno(), COUNT)
        for peer_socket in peer_sockets:
            floor.receive(peer_socket.fileno(), COUNT)

    def c_recvmmsg() -> None:
        assert floor.receive(bare.fileno(), COUNT) == COUNT

    return Contest(
        f"receiving {size} bytes",
        COUNT,
        fill,
        {
            "C recvmmsg": c_recvmmsg,
            "socket.recvmsg": recvmsg,
            "multicast_expert recvfrom": recvfrom,
            "recv": recv,
            "recv_batch, all fields": all_fields,
            "recv_batch, views": views(rx, 64),
            "recv_batch coalesced, views": views(coalescing, 1024),
        },
        drain,
    )
