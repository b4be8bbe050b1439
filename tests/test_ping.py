"""`mcast ping` between hosts: who answers, and what gets lost on which way."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

import mcast
from tests.hosts import TIMEOUT, Host


@contextmanager
def answering(host: Host, group: str) -> Generator[None]:
    """Have a host answer."""
    process = host.popen(*host.interpreter, "-m", "mcast", "ping", "--reply", group)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("answering on ")
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)


def ask(host: Host, *arguments: str) -> list[dict[str, Any]]:
    """Return what `mcast ping --json` says."""
    command = [*host.interpreter, "-m", "mcast", "ping", "--json", "--interval", "0.05"]
    return [json.loads(line) for line in host.run(*command, *arguments).splitlines()]


@pytest.mark.parametrize("version", [4, 6])
def test_a_host_that_answers_is_told(
    two_hosts: tuple[Host, Host], group4: str, group6: str, port: int, version: int
) -> None:
    """Each answer, and a summary without losses."""
    alice, bob = two_hosts
    group = f"{group4}:{port}" if version == 4 else f"[{group6}]:{port}"
    with answering(bob, group):
        *answers, summary = ask(alice, "-i", "eth0", "-n", "5", group)
    address = bob.address("eth0", "inet" if version == 4 else "inet6")
    assert [(item["host"], item["sequence"]) for item in answers] == [
        (address, number) for number in range(1, 6)
    ]
    low, middle, high = summary.pop("milliseconds")
    assert 0 < low <= middle <= high
    assert summary == {
        "host": address, "questions": 5, "answers": 5, "lost_there": 0, "lost_back": 0,
        "duplicates": 0, "reordered": 0, "routers": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("loser", "lost"), [("bob", (5, 0)), ("alice", (0, 5))])
def test_the_way_that_loses_is_told(
    two_hosts: tuple[Host, Host], group4: str, port: int, loser: str, lost: tuple[int, int]
) -> None:
    """Where every second datagram is lost, it is told on which way: the last one gets through."""
    alice, bob = two_hosts
    host = bob if loser == "bob" else alice
    host.run("nft", "add table ip lossy")
    host.run("nft", "add chain ip lossy input { type filter hook input priority 0; }")
    host.run("nft", f"add rule ip lossy input udp dport {port} numgen inc mod 2 0 drop")
    with answering(bob, f"{group4}:{port}"):
        *answers, summary = ask(alice, "-i", "eth0", "-n", "10", f"{group4}:{port}")
    assert len(answers) == 5
    assert (summary["lost_there"], summary["lost_back"]) == lost


def send_nonsense(group: str, port: int) -> None:
    """Send what is no question."""
    with mcast.McastTx(group, port, interface="eth0") as tx:
        for text in (b"", b"hello", b"[" * 5000, b"[]", b'{"mcast ping": "question"}'):
            tx.send(text)
        nonsense: list[Any] = [None, "1", [], {}]
        for sequence in nonsense:
            question = {"mcast ping": "question", "session": "", "sequence": sequence}
            tx.send(json.dumps(question).encode())


def test_nonsense_is_passed_over(two_hosts: tuple[Host, Host], group4: str, port: int) -> None:
    """Whatever else comes on the port, questions are answered."""
    alice, bob = two_hosts
    with answering(bob, f"{group4}:{port}"):
        alice.call(send_nonsense, group4, port)
        assert len(ask(alice, "-i", "eth0", "-n", "2", f"{group4}:{port}")) == 3


def test_nobody_is_told(two_hosts: tuple[Host, Host], group4: str, port: int) -> None:
    """The exit code is 1."""
    alice, _ = two_hosts
    command = [*alice.interpreter, "-m", "mcast", "ping", "-n", "1", "-i", "eth0"]
    with pytest.raises(subprocess.CalledProcessError) as caught:
        alice.run(*command, f"{group4}:{port}")
    assert caught.value.returncode == 1
    assert caught.value.output == ""


def test_ctrl_c_tells_the_summary(two_hosts: tuple[Host, Host], group4: str, port: int) -> None:
    """What was learnt until then is told, and the exit code is 0."""
    alice, bob = two_hosts
    with answering(bob, f"{group4}:{port}"):
        process = alice.popen(
            *alice.interpreter, "-m", "mcast", "ping", "-i", "eth0", f"{group4}:{port}"
        )
        assert process.stdout is not None
        address = bob.address("eth0", "inet")
        assert process.stdout.readline().startswith(f"{address}  question 1  ")
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert f"{address}: " in told
    assert "lost 0 there, 0 back; 0 twice, 0 out of order; 0 routers; " in told
