"""McastRx: waiting, closing, what it refuses and what it leaves behind."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import mcast
from tests.hosts import TIMEOUT, Network

Descriptors = Callable[[], int]


def test_recv_waits_as_long_as_it_is_told(group4: str) -> None:
    """The receiver's timeout holds unless recv is given another; each end has its own error."""
    with mcast.McastRx(group4, 0, interfaces="lo", timeout=0.05) as rx:
        with pytest.raises(TimeoutError, match=r"nothing was received within 0\.05 s"):
            rx.recv()
        with pytest.raises(TimeoutError, match=r"within 0\.02 s"):
            rx.recv(timeout=0.02)
        with pytest.raises(BlockingIOError, match="no datagram is waiting"):
            rx.recv(timeout=0)
        rx.settimeout(0)
        assert rx.timeout == 0
        with pytest.raises(BlockingIOError):
            rx.recv()


@pytest.mark.parametrize("timeout", [None, 1e12, float("inf")])
def test_recv_waits_for_a_datagram(group4: str, timeout: float | None) -> None:
    """Without a timeout, or with one that no system call takes, recv waits until one arrives."""
    with (
        mcast.McastRx(group4, 0, interfaces="lo", timeout=timeout) as rx,
        mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as tx,
    ):
        assert rx.timeout == timeout
        timer = threading.Timer(0.05, tx.send, [b"at last"])
        timer.start()
        assert rx.recv().data == b"at last"
        timer.join()


def test_recv_without_waiting_gets_what_comes_later(group4: str) -> None:
    """With a timeout of 0, a datagram that comes after a look in vain is got by the next look."""
    with (
        mcast.McastRx(group4, 0, interfaces="lo", timeout=0) as rx,
        mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as tx,
    ):
        for number in range(3):
            with pytest.raises(BlockingIOError):
                rx.recv()
            tx.send(bytes([number]))
            assert rx.recv().data == bytes([number])


def test_datagrams_come_in_order_and_whole(group4: str) -> None:
    """Datagrams of every size up to UDP's largest come whole, in the order of sending."""
    sizes = [0, 1, 100, 1500, 9000, 65507]
    with (
        mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT) as rx,
        mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as tx,
    ):
        for size in sizes:
            tx.send(os.urandom(1) * size)
        assert [len(rx.recv().data) for _ in sizes] == sizes


def _close_when_waiting(rx: mcast.McastRx) -> threading.Thread:
    """Close `rx` from another thread once this process's main thread sleeps in the kernel."""

    def close() -> None:
        state = Path(f"/proc/self/task/{threading.main_thread().native_id}/wchan")
        deadline = time.monotonic() + TIMEOUT
        while "poll" not in state.read_text(encoding="ascii") and time.monotonic() < deadline:
            pass
        rx.close()

    thread = threading.Thread(target=close)
    thread.start()
    return thread


def test_closing_wakes_whoever_waits(group4: str, open_descriptors: Descriptors) -> None:
    """A thread that waits in recv gets ClosedError when another closes, and nothing is left."""
    before = open_descriptors()
    rx = mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT)
    thread = _close_when_waiting(rx)
    with pytest.raises(mcast.ClosedError, match="closed"):
        rx.recv()
    thread.join()
    assert open_descriptors() == before


def test_iteration_ends_when_closed(group4: str) -> None:
    """A loop over a receiver ends without an error when another thread closes it."""
    with (
        mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT) as rx,
        mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as tx,
    ):
        tx.send(b"one")
        tx.send(b"two")
        seen: list[bytes] = []
        threads: list[threading.Thread] = []
        for datagram in rx:
            seen.append(datagram.data)
            if datagram.data == b"two":
                threads.append(_close_when_waiting(rx))
        assert seen == [b"one", b"two"]
        threads[0].join()


def test_a_signal_handler_may_close(group4: str, open_descriptors: Descriptors) -> None:
    """Closing from a signal handler of the very thread that waits ends the wait."""
    before = open_descriptors()
    rx = mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT)

    def close(_number: int, _frame: FrameType | None) -> None:
        rx.close()

    previous = signal.signal(signal.SIGALRM, close)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(mcast.ClosedError):
            rx.recv()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert open_descriptors() == before


def test_two_threads_share_a_stream(group4: str) -> None:
    """Two threads that receive at once get each datagram once between them."""
    count = 2000
    with (
        mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT) as rx,
        mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as tx,
    ):
        got: list[int] = []
        done = threading.Event()

        def receive() -> None:
            for datagram in rx:
                got.append(int(datagram.data))
                if len(got) == count:
                    done.set()

        threads = [threading.Thread(target=receive) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(count):
            tx.send(str(number).encode())
            while len(got) < number - 50:  # Stay within the socket's buffer.
                time.sleep(0)
        assert done.wait(TIMEOUT)
        rx.close()
        for thread in threads:
            thread.join()
        assert sorted(got) == list(range(count))


def test_a_closed_receiver_says_so(group4: str, open_descriptors: Descriptors) -> None:
    """Every use of a closed receiver is a ClosedError; closing again is harmless."""
    before = open_descriptors()
    rx = mcast.McastRx(group4, 0, interfaces="lo")
    assert len(rx.filenos()) == 1
    rx.close()
    rx.close()
    assert (rx.closed, rx.filenos(), rx.memberships) == (True, (), ())
    assert open_descriptors() == before
    for use in (
        rx.recv,
        lambda: rx.recv(timeout=0),
        lambda: iter(rx),
        lambda: rx.receive_buffer,
        rx.__enter__,
    ):
        with pytest.raises(mcast.ClosedError, match="the receiver is closed"):
            use()


def test_a_group_named_twice_is_joined_once(group4: str) -> None:
    """The same group or interface given twice is one membership."""
    with mcast.McastRx([group4, group4], 0, interfaces=["lo", 1, "127.0.0.1"]) as rx:
        assert [(str(item.group), *map(str, item.interfaces)) for item in rx.memberships] == [
            (group4, "lo")
        ]
        assert repr(rx) == f"<McastRx {group4} port {rx.port}>"


def test_receivers_share_a_port(new_group: Callable[[int], str], port: int) -> None:
    """Several receivers on a port each get their own groups, and their own copy of a shared one."""
    shared, own = new_group(4), new_group(4)
    with (
        mcast.McastRx(shared, port, interfaces="lo", timeout=TIMEOUT) as first,
        mcast.McastRx([own, shared], port, interfaces="lo", timeout=TIMEOUT) as second,
        mcast.McastTx(interface="lo", loopback=True) as tx,
    ):
        tx.sendto(b"own", (own, port))
        tx.sendto(b"shared", (shared, port))
        assert first.recv().data == b"shared"
        assert [second.recv().data for _ in range(2)] == [b"own", b"shared"]


def test_both_families_share_the_chosen_port(
    new_group: Callable[[int], str], open_descriptors: Descriptors
) -> None:
    """With port 0 the system chooses once, for IPv4 and IPv6 alike."""
    before = open_descriptors()
    with mcast.McastRx([new_group(4), new_group(6)], 0, interfaces="lo") as rx:
        sockets = [socket.socket(fileno=os.dup(number)) for number in rx.filenos()]
        ports = {item.getsockname()[1] for item in sockets}
        families = {item.family for item in sockets}
        for item in sockets:
            item.close()
        assert ports == {rx.port}
        assert families == {socket.AF_INET, socket.AF_INET6}
    assert open_descriptors() == before


BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"groups": "192.0.2.1"}, mcast.AddressError, r"192\.0\.2\.1 is not a multicast address"),
    ({"groups": ["239.1.2.3", "::1"]}, mcast.AddressError, "::1 is not a multicast address"),
    ({"groups": "multicast"}, mcast.AddressError, "'multicast' is no IP address"),
    ({"groups": []}, mcast.AddressError, "no group is given"),
    ({"groups": 42}, TypeError, "not int"),
    ({"groups": b"239.1.2.3"}, TypeError, "not int"),
    ({"port": -1}, mcast.AddressError, "port -1 is out of range: ports are 0 to 65535"),
    ({"port": 65536}, mcast.AddressError, "port 65536 is out of range: ports are 0 to 65535"),
    ({"port": "5000"}, TypeError, "a port is an int, not str"),
    ({"interfaces": "nosuch0"}, mcast.InterfaceError, "'nosuch0'; there are: lo"),
    ({"interfaces": ["lo", "nosuch0"]}, mcast.InterfaceError, "'nosuch0'"),
    ({"interfaces": []}, mcast.InterfaceError, "no interface to join on"),
    ({"interfaces": 1.5}, TypeError, "not float"),
    ({"groups": "ff12::1%nosuch0"}, mcast.InterfaceError, "'nosuch0'"),
    ({"receive_buffer": 0}, ValueError, "a buffer of 0 bytes is out of range"),
    ({"timeout": -1}, ValueError, "a timeout of -1 s is not 0 or more"),
    ({"timeout": float("nan")}, ValueError, "a timeout of nan s is not 0 or more"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments_are_named_and_leave_nothing_open(
    open_descriptors: Descriptors,
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    """Each argument that cannot be used has its own error, and no descriptor is left."""
    before = open_descriptors()
    usual: dict[str, Any] = {"groups": "239.1.2.3", "port": 0, "interfaces": "lo"}
    with pytest.raises(error, match=message):
        mcast.McastRx(**(usual | arguments))
    assert open_descriptors() == before


def listen_to_many(groups: list[str], port: int) -> Iterator[Any]:
    """Yield how many descriptors it takes to join all of the groups, then what is heard."""
    before = len(os.listdir("/dev/fd"))
    with mcast.McastRx(groups, port, timeout=TIMEOUT, receive_buffer=4_000_000) as rx:
        yield [len(rx.filenos()), len(os.listdir("/dev/fd")) - before, len(rx.memberships)]
        heard = [rx.recv() for _ in range(3 * len(groups))]
        with pytest.raises(BlockingIOError):
            rx.recv(timeout=0)
        yield sorted([str(item.group), item.interface.name] for item in heard)
    yield len(os.listdir("/dev/fd")) - before


def send_to_many(groups: list[str], port: int) -> None:
    """Send a datagram to each group out of each interface."""
    for family in (socket.AF_INET, socket.AF_INET6):
        for name in ("eth0", "eth1", "eth2"):
            with mcast.McastTx(family=family, interface=name) as tx:
                for group in groups:
                    if (":" in group) == (family == socket.AF_INET6):
                        tx.sendto(b"", (group, port))


@pytest.mark.parametrize(
    ("versions", "sockets"), [([4], 3000 / 20), ([6], 2), ([4, 6], 3000 / 20 + 2)]
)
def test_groups_beyond_one_sockets_limit_are_heard_once(
    network: Network, new_group: Callable[[int], str], port: int, versions: list[int], sockets: int
) -> None:
    """A thousand groups on three interfaces are spread over sockets, and each is heard once."""
    segments = {"eth0": 0, "eth1": 1, "eth2": 2}
    alice, bob = network.host("alice", **segments), network.host("bob", **segments)
    groups = [new_group(version) for version in versions for _ in range(1000)]
    with bob.start(listen_to_many, groups, port) as receiver:
        opened, descriptors, joined = receiver.next()
        assert (opened, joined) == (sockets, len(groups))
        assert descriptors <= sockets + 2
        alice.call(send_to_many, groups, port)
        assert receiver.next() == sorted([group, name] for group in groups for name in segments)
        assert receiver.finish() == [0]


def test_a_scope_that_is_none_of_the_interfaces_is_refused(network: Network) -> None:
    """An IPv6 group whose scope is not among the interfaces is refused, by both names."""
    message = network.host("host", eth0=0, eth1=1).call(join_other_scope)
    assert message == "the scope of ff12::1%eth1 is none of the interfaces: eth0"


def join_other_scope() -> str:
    """Return the error of a group with the scope of an interface that is not named."""
    with pytest.raises(mcast.InterfaceError) as caught:
        mcast.McastRx("ff12::1%eth1", 0, interfaces="eth0")
    return str(caught.value)


def joined_with_scope() -> list[list[str]]:
    """Return where groups with and without a scope are joined."""
    with mcast.McastRx(["ff12::1%eth1", "ff12::2"], 0) as rx:
        return [[str(item.group), on.name] for item in rx.memberships for on in item.interfaces]


def test_a_scope_limits_the_group_to_its_interface(network: Network) -> None:
    """A group with a scope is joined there alone, one without on every interface."""
    joined = network.host("host", eth0=0, eth1=1).call(joined_with_scope)
    assert joined == [["ff12::1", "eth1"], ["ff12::2", "eth0"], ["ff12::2", "eth1"]]


def test_an_occupied_port_is_explained(
    group4: str, port: int, open_descriptors: Descriptors
) -> None:
    """A port that another socket does not share is EADDRINUSE with a note, and nothing is left."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("", port))
        before = open_descriptors()
        with pytest.raises(OSError, match="in use") as caught:
            mcast.McastRx(group4, port, interfaces="lo")
        assert "does not share it" in caught.value.__notes__[0]
        assert open_descriptors() == before


def refused(groups: list[str]) -> list[Any]:
    """Return what the error of a receiver tells that may not join, and what it leaves open."""
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(mcast.MembershipError) as caught:
        mcast.McastRx(groups, 0, interfaces="eth0")
    error = caught.value
    outcomes = [str(outcome) for outcome in error.outcomes]
    left = len(os.listdir("/dev/fd")) - before
    return [isinstance(error, OSError), error.errno, str(error), outcomes, error.__notes__, left]


def test_a_failure_half_way_closes_what_was_open(
    network: Network, new_group: Callable[[int], str]
) -> None:
    """When the kernel refuses a join, the error tells each outcome and all is closed."""
    host = network.host("host", eth0=0)
    host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/igmp_max_memberships")
    good, bad = new_group(6), new_group(4)
    is_oserror, number, message, outcomes, notes, left = host.call(refused, [good, bad])
    assert (is_oserror, number, left) == (True, errno.ENOBUFS, 0)
    assert outcomes == [f"{good} on eth0: joined", f"{bad} on eth0: No buffer space available"]
    assert all(outcome in message for outcome in outcomes)
    assert "net.ipv4.igmp_max_memberships" in notes[0]


def test_a_skipped_interface_is_logged(network: Network, group6: str) -> None:
    """An interface that is passed over is a warning of the logger "mcast"."""
    host = network.host("host", eth0=0, eth1=1)
    host.configure("link set eth1 mtu 1200")  # Too small for IPv6 (RFC 8200): it is off there.
    assert host.call(logged, group6) == [
        ["mcast", "WARNING", f"passed over: {group6} on eth1: Invalid argument"]
    ]


def logged(group: str) -> list[list[str]]:
    """Return what is logged while a receiver opens."""
    records: list[list[str]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append([record.name, record.levelname, record.getMessage()])

    logging.getLogger("mcast").addHandler(Keeper())
    mcast.McastRx(group, 0).close()
    return records


def test_descriptors_above_1023_work(group4: str) -> None:
    """Waiting works with descriptors that select.select could not take."""
    filler: list[int] = []
    try:
        filler.extend(os.dup(0) for _ in range(1100))
    except OSError as error:
        for number in filler:
            os.close(number)
        pytest.fail(f"needs 1,100 descriptors (ulimit -n): {error}")
    try:
        with (
            mcast.McastRx(group4, 0, interfaces="lo", timeout=TIMEOUT) as rx,
            mcast.McastTx(group4, rx.port, interface="lo", loopback=True) as tx,
        ):
            assert min(rx.filenos()) > 1023
            with pytest.raises(TimeoutError):
                rx.recv(timeout=0.01)
            tx.send(b"high")
            assert rx.recv().data == b"high"
    finally:
        for number in filler:
            os.close(number)
