"""Listing interfaces, opening receivers, importing, and the round trip between two processes."""

from __future__ import annotations

import gc
import multiprocessing
import socket
import subprocess
import sys
import tracemalloc
from contextlib import ExitStack
from multiprocessing.connection import Connection

import ifaddr
import multicast_expert
import psutil

import mcast
import mcast_lowlevel as low

from .measure import Contest, Goal

TRIPS = 200


def goals(stack: ExitStack) -> list[Goal]:
    """Return the contests and what is to be reached in them."""
    listing = Contest(
        "listing 200 interfaces",
        1,
        lambda: None,
        {
            "psutil": lambda: (psutil.net_if_addrs(), psutil.net_if_stats()),
            "ifaddr": lambda: list(ifaddr.get_adapters()),
            "multicast_expert scan_interfaces": multicast_expert.scan_interfaces,
            "interfaces": mcast.interfaces,
        },
    )
    groups = [f"239.196.{number // 250}.{number % 250 + 1}" for number in range(1000)]
    opening = Contest(
        "opening a receiver on 1,000 groups",
        1,
        gc.collect,
        {
            "setsockopt": lambda: _join_bare(groups),
            "McastRx": lambda: mcast.McastRx(groups, 40001, interfaces="lo").close(),
        },
    )
    importing = Contest(
        "importing",
        1,
        lambda: None,
        {
            "four of the standard library": lambda: _run(
                "import socket, ipaddress, dataclasses, selectors"
            ),
            "nothing": lambda: _run("pass"),
            "mcast": lambda: _run("import mcast"),
        },
    )
    trip = _round_trip(stack)
    return [
        Goal(listing, "interfaces", "psutil", 1.0),
        Goal(listing, "interfaces", "multicast_expert scan_interfaces", 0.02),
        Goal(opening, "McastRx", "setsockopt", 1.3),
        Goal(importing, "mcast", "four of the standard library", 2.0),
        Goal(trip, "mcast", "bare sockets", 1.05),
    ]


def heap_of_a_large_receiver() -> int:
    """Return the bytes of Python heap that a receiver on 1,000 groups takes."""
    groups = [f"239.197.{number // 250}.{number % 250 + 1}" for number in range(1000)]
    mcast.McastRx(groups[:1], 0, interfaces="lo").close()
    gc.collect()
    tracemalloc.start()
    try:
        with mcast.McastRx(groups, 0, interfaces="lo"):
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def _run(code: str) -> None:
    subprocess.run([sys.executable, "-I", "-c", code], check=True)


def _join_bare(groups: list[str]) -> None:
    """Join by the system's call alone, 20 groups a socket, as much as Linux allows."""
    index = socket.if_nametoindex("lo")
    option = low.Option(socket.IPPROTO_IP, 42, "struct group_req")  # MCAST_JOIN_GROUP
    socks: list[socket.socket] = []
    for number, group in enumerate(groups):
        if number % 20 == 0:
            socks.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            socks[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            socks[-1].bind(("", 40001))
        request = index.to_bytes(8, sys.byteorder)
        request += socket.AF_INET.to_bytes(2, sys.byteorder) + bytes(2) + socket.inet_aton(group)
        socks[-1].setsockopt(option.level, option.name, request + bytes(136 - len(request)))
    for sock in socks:
        sock.close()


def _echo_mcast(ready: Connection) -> None:
    with (
        mcast.McastRx("239.195.6.1", 40002, interfaces="lo") as rx,
        mcast.McastTx("239.195.6.2", 40003, interface="lo", loopback=True) as tx,
    ):
        ready.send(True)
        for datagram in rx:
            tx.send(datagram.data)


def _echo_bare(ready: Connection) -> None:
    with _bare_receiver("239.195.6.3", 40004) as rx, _bare_sender("239.195.6.4", 40005) as tx:
        ready.send(True)
        rx.settimeout(None)
        while True:
            tx.send(rx.recvmsg(65536, 256)[0])


def _bare_receiver(group: str, port: int) -> socket.socket:
    """Return what waits no longer than ours, and is told the same of each datagram."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for level, name in ((0, 8), (0, 12), (1, 35)):  # IP_PKTINFO, IP_RECVTTL, SO_TIMESTAMPNS
        sock.setsockopt(level, name, 1)
    sock.settimeout(5)
    sock.bind((group, port))
    mreq = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreq)
    return sock


def _bare_sender(group: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    sock.connect((group, port))
    return sock


def _round_trip(stack: ExitStack) -> Contest:
    context = multiprocessing.get_context("spawn")
    for echo in (_echo_mcast, _echo_bare):
        here, there = context.Pipe()
        process = context.Process(target=echo, args=(there,), daemon=True)
        process.start()
        here.recv()
        stack.callback(process.kill)
    rx = stack.enter_context(mcast.McastRx("239.195.6.2", 40003, interfaces="lo", timeout=5))
    tx = stack.enter_context(mcast.McastTx("239.195.6.1", 40002, interface="lo", loopback=True))
    bare_rx = stack.enter_context(_bare_receiver("239.195.6.4", 40005))
    bare_tx = stack.enter_context(_bare_sender("239.195.6.3", 40004))

    def ours() -> None:
        for _ in range(TRIPS):
            tx.send(b"x")
            rx.recv()

    def theirs() -> None:
        for _ in range(TRIPS):
            bare_tx.send(b"x")
            bare_rx.recvmsg(65536, 256)

    return Contest("a round trip", TRIPS, lambda: None, {"bare sockets": theirs, "mcast": ours})
