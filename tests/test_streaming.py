"""`mcast send` and `mcast recv` as tools for streams, between hosts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.rtp import RTP
from scapy.utils import RawPcapReader

import mcast
from tests.hosts import TIMEOUT, Host
from tests.skipping import skip_unless_ci
from tests.terminals import Terminal

Process = subprocess.Popen[bytes]
# All that a test sends has room, however long the receiver is kept waiting.
RECV = ["-m", "mcast", "recv", "-i", "eth0", "--receive-buffer", str(8 << 20)]


@contextmanager
def receiving(host: Host, *arguments: str) -> Generator[Process]:
    """Run ``mcast recv`` on eth0 until the end, once it listens."""
    command = [*host.interpreter, *RECV, *arguments]
    with subprocess.Popen(
        host.argv(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith(b"listening on port "), line + process.stderr.read()
            yield process
        finally:
            process.kill()


def ended(process: Process) -> tuple[bytes, list[str]]:
    """Return what a process has printed, and the lines of its errors, after its own end."""
    told, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, errors
    return told, errors.decode().splitlines()


def send(host: Host, *arguments: str, stdin: bytes | Path = b"") -> list[str]:
    """Run ``mcast send`` on eth0, and return the lines that it prints."""
    command = host.argv([*host.interpreter, "-m", "mcast", "send", "-i", "eth0", *arguments])
    if isinstance(stdin, Path):
        with stdin.open("rb") as file:
            told = subprocess.run(command, stdin=file, capture_output=True, check=True)
    else:
        told = subprocess.run(command, input=stdin, capture_output=True, check=True)
    assert told.stderr == b""
    return told.stdout.decode().splitlines()


def stream_of(told: bytes) -> dict[str, Any]:
    """Return the last record of the only stream in the lines of ``--rates --json``."""
    records = [json.loads(line) for line in told.splitlines()]
    assert len({record.get("ssrc") for record in records}) == 1
    last: dict[str, Any] = records[-1]
    return last


@pytest.mark.parametrize("batch", ["1", "7", "64"])
def test_a_stream_arrives_byte_for_byte(
    two_hosts: tuple[Host, Host], group4: str, port: int, tmp_path: Path, batch: str
) -> None:
    """What goes into ``send --stream`` comes out of ``recv --raw``, the last piece shorter."""
    alice, bob = two_hosts
    data = os.urandom(100_000)
    source = tmp_path / "stream"
    source.write_bytes(data)
    count = str(-(-len(data) // 1316))
    with receiving(bob, "--raw", "--batch", batch, "-n", count, group4, str(port)) as process:
        options = ["--stream", "--batch", batch, "--rate", "5000"]
        lines = send(alice, *options, group4, str(port), stdin=source)
        told, errors = ended(process)
    assert told == data
    assert lines[0].startswith(f"sent {count} datagrams, 100.0 kB, to {group4}:{port} from ")
    assert errors[-1].startswith(f"{count} datagrams, 100.0 kB in ")


@pytest.mark.parametrize("every", [0, 10])
def test_losses_are_told(two_hosts: tuple[Host, Host], group4: str, port: int, every: int) -> None:
    """What the way loses is told by the numbers in RTP headers."""
    alice, bob = two_hosts
    if every:
        bob.run("nft", "add table ip lossy")
        bob.run("nft", "add chain ip lossy input { type filter hook input priority 0; }")
        # The last one comes: a loss at the end cannot be seen.
        bob.run("nft", f"add rule ip lossy input udp dport {port} numgen inc mod {every} 5 drop")
    datagrams = 900 if every else 1000
    options = ["--rates", "--rtp", "--json", "-n", str(datagrams)]
    with receiving(bob, *options, group4, str(port)) as process:
        send(alice, "--rtp", "-n", "1000", "--rate", "4000", group4, str(port), "payload")
        told, _ = ended(process)
    stream = stream_of(told)
    assert stream["datagrams"] == datagrams
    assert stream["bytes"] == datagrams * (12 + len("payload"))
    rate = stream["datagrams_per_second"]
    assert stream["bytes_per_second"] == pytest.approx(rate * (12 + len("payload")))
    assert (stream["lost"], stream["duplicates"], stream["reordered"]) == (1000 - datagrams, 0, 0)
    assert (stream["source_host"], stream["group"]) == (alice.address("eth0", "inet"), group4)


def send_rtp(group: str, port: int, numbers: list[int]) -> None:
    """Send datagrams with these numbers, and each one's time, by another implementation of RTP."""
    with mcast.McastTx(group, port, interface="eth0") as tx:
        for number in numbers:
            header = RTP(version=2, payload_type=0, sequence=number % 2**16,
                         timestamp=(160 * number) % 2**32, sourcesync=0xABCD1234)  # fmt: skip
            tx.send(bytes(header / b"samples"))


def test_what_comes_twice_or_late_is_told(
    two_hosts: tuple[Host, Host], group6: str, port: int
) -> None:
    """Numbers wrap around, and a number that is missing is told as well."""
    alice, bob = two_hosts
    start = 2**16 - 3
    numbers = [start + step for step in (0, 1, 1, 2, 4, 3, 5, 5, 7, 9, 8, 10)]
    options = ["--rates", "--rtp", "-n", str(len(numbers))]
    with receiving(bob, *options, group6, str(port)) as process:
        alice.call(send_rtp, group6, port, numbers)
        told, _ = ended(process)
    parts = told.decode().splitlines()[-1].split("  ")
    assert parts[3] == "12 datagrams"
    assert parts[-4:] == ["ssrc abcd1234", "lost 1", "duplicates 2", "reordered 2"]
    # PCMU has 8,000 ticks a second: 20 ms a datagram, and all of these came at once.
    assert float(parts[6].removeprefix("jitter ").removesuffix(" ms")) > 1


def test_rates_without_headers_have_no_gaps(
    two_hosts: tuple[Host, Host], group4: str, port: int
) -> None:
    """What has no RTP is counted, with the jitter of its spacing."""
    alice, bob = two_hosts
    options = ["--rates", "--rtp", "--json", "-n", "20"]
    with receiving(bob, *options, group4, str(port)) as process:
        send(alice, "-n", "20", group4, str(port), "plain")
        told, _ = ended(process)
    stream = stream_of(told)
    assert stream["datagrams"] == 20
    assert stream["jitter_seconds"] > 0
    assert "lost" not in stream


@pytest.fixture
def groups(group4: str, group6: str) -> dict[int, str]:
    """Return a group of either version of IP."""
    return {4: group4, 6: group6}


@pytest.mark.parametrize("version", [4, 6])
def test_a_capture_is_what_was_sent(
    two_hosts: tuple[Host, Host],
    groups: dict[int, str],
    port: int,
    tmp_path: Path,
    version: int,
) -> None:
    """A pcap file has every datagram, with its addresses, ports, hop limit and right checksums."""
    alice, bob = two_hosts
    group, path = groups[version], tmp_path / "file.pcap"
    texts = ["", "a", "an odd number of bytes", "é" * 300]
    before = time.time_ns()
    with receiving(bob, "--pcap", str(path), "-n", "4", group, str(port)) as process:
        (line, *_) = send(alice, "--ttl", "7", group, str(port), *texts)
        told, _ = ended(process)
    assert len(told.splitlines()) == 4
    with closing(RawPcapReader(str(path))) as reader:
        packets = list(reader)
    for (data, meta), text in zip(packets, texts, strict=True):
        packet: Any = IP(data) if version == 4 else IPv6(data)
        source = alice.address("eth0", "inet" if version == 4 else "inet6")
        assert (packet.src, packet.dst) == (source, group)
        assert (packet.ttl if version == 4 else packet.hlim) == 7
        assert bytes(packet[UDP].payload) == text.encode()
        assert packet[UDP].dport == port
        assert f":{packet[UDP].sport} on " in line
        assert before <= meta.sec * 10**9 + meta.usec <= time.time_ns()
        again = type(packet)(data)
        del again[UDP].chksum
        if version == 4:
            del again.chksum
        assert bytes(again) == data
    if shutil.which("tcpdump") is None:
        skip_unless_ci("tcpdump is missing: install tcpdump")
    shown = subprocess.run(
        ["tcpdump", "-n", "-vv", "-r", path], capture_output=True, text=True, check=True
    )
    assert shown.stdout.count(f"{group}.{port}") == 4
    assert "bad" not in shown.stdout


def test_a_capture_can_be_piped(two_hosts: tuple[Host, Host], group4: str, port: int) -> None:
    """With ``-`` the capture is the standard output, datagram by datagram, and whole in the end."""
    alice, bob = two_hosts
    with receiving(bob, "--pcap", "-", group4, str(port)) as process:
        assert process.stdout is not None
        assert len(process.stdout.read(24)) == 24  # The file's header is there at once.
        send(alice, group4, str(port), "one")
        assert process.stdout.read(16 + 28 + 3).endswith(b"one")
        process.send_signal(signal.SIGTERM)
        told, _ = ended(process)
    assert told == b""


def send_too_much(group: str, port: int) -> int:
    """Send more at once than a small receive buffer holds."""
    with mcast.McastTx(group, port, interface="eth0") as tx:
        return tx.send_batch([bytes(1000)] * 2000)


@pytest.mark.parametrize("as_json", [False, True])
def test_what_the_system_threw_away_is_told(
    two_hosts: tuple[Host, Host], group4: str, port: int, *, as_json: bool
) -> None:
    """What came and what was thrown away are what was sent."""
    alice, bob = two_hosts
    options = ["--receive-buffer", "4096", "--timeout", "1", *(["--json"] if as_json else [])]
    with receiving(bob, *options, group4, str(port)) as process:
        # It waits while it is stopped, and what comes meanwhile finds the buffer full.
        process.send_signal(signal.SIGSTOP)
        sent = alice.call(send_too_much, group4, port)
        process.send_signal(signal.SIGCONT)
        told, errors = ended(process)
    came = len(told.splitlines())
    assert 0 < came < sent
    if as_json:
        assert json.loads(errors[-1])["dropped"] == sent - came
    else:
        assert errors[-1].startswith(f"{sent - came:,} more were thrown away by the system: ")


def test_a_file_that_cannot_be_written_is_refused(
    two_hosts: tuple[Host, Host], group4: str, port: int, tmp_path: Path
) -> None:
    """It is one message, before anything is received."""
    _, bob = two_hosts
    command = [*bob.interpreter, "-m", "mcast", "recv", "-i", "eth0"]
    with bob.popen(*command, "--pcap", tmp_path / "no" / "file", group4, str(port)) as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert errors == "Error: No such file or directory (ENOENT)\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("recv --raw --json", "--raw and --json cannot go together"),
        ("recv --raw --rates", "--raw and --rates cannot go together"),
        ("recv --pcap - --json", "--pcap - and --json cannot go together"),
        ("recv --rtp", "--rtp needs --rates"),
        ("send --stream --count 2", "--count and --stream cannot go together"),
        ("send --rate 2 --interval 1", "--rate and --interval cannot go together"),
        ("send --rate 0", "0 is not in the range"),
    ],
)
def test_options_that_exclude_each_other_are_refused(command: str, words: str) -> None:
    """It is a wrong command line, and nothing is opened."""
    name, *options = command.split()
    result = subprocess.run(
        [sys.executable, "-m", "mcast", name, *options, "239.1.2.3", "5000"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr


def test_a_duration_ends_sending(two_hosts: tuple[Host, Host], group4: str, port: int) -> None:
    """Payloads go again and again in turn, as often as asked for, until the time is up."""
    alice, bob = two_hosts
    with receiving(bob, "--json", "--timeout", "2", group4, str(port)) as process:
        options = ["--duration", "0.5", "--rate", "100", "--json"]
        (account,) = map(json.loads, send(alice, *options, group4, str(port), "one", "two"))
        told, _ = ended(process)
    texts = [json.loads(line)["text"] for line in told.splitlines()]
    assert texts == (["one", "two"] * 26)[: account["datagrams"]]
    assert 1 <= account["datagrams"] <= 51
    assert account["bytes"] == 3 * account["datagrams"]
    assert account["source_host"] == alice.address("eth0", "inet")


def test_a_terminal_shows_how_far_it_is(
    two_hosts: tuple[Host, Host], group4: str, port: int
) -> None:
    """A bar where an end is known; Ctrl-C ends with the account."""
    alice, _ = two_hosts
    command = [*alice.interpreter, "-m", "mcast", "send", "-i", "eth0", "--size", "100"]
    command += ["--rate", "1000", "-n", "1000000", group4, str(port)]
    with Terminal(alice.argv(command)) as terminal:
        terminal.shown(until="0%")
        terminal.process.send_signal(signal.SIGINT)
        lines = terminal.shown()
        assert terminal.process.wait(TIMEOUT) == 0
    assert any(line.startswith("sent ") for line in lines)
    assert max(cell_len(line) for line in lines if "%" in line) <= 80


def test_a_terminal_has_a_table_of_rates(
    two_hosts: tuple[Host, Host], group6: str, port: int
) -> None:
    """It fits 80 columns, even with the addresses of IPv6 and all columns."""
    alice, bob = two_hosts
    command = [*bob.interpreter, *RECV, "--rates", "--rtp"]
    command += ["--every", "0.05", "-n", "2001", group6, str(port)]
    with Terminal(bob.argv(command)) as terminal:
        terminal.shown(until="Ctrl-C ends")
        send(alice, "--rtp", "--size", "1316", "-n", "2000", "--rate", "10000", group6, str(port))
        terminal.shown(until="2000")
        terminal.process.send_signal(signal.SIGTERM)
        lines = terminal.shown()
        assert terminal.process.wait(TIMEOUT) == 0
    assert any("thrown away by the system: 0" in line for line in lines)
    assert max(map(cell_len, lines)) <= 80
