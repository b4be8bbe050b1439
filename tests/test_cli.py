"""The command line, run as a user runs it: in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields
from importlib.metadata import entry_points
from importlib.util import find_spec
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import mcast
from mcast.__main__ import main
from tests.hosts import TIMEOUT, Host, Network
from tests.terminals import Terminal

MCAST = [sys.executable, "-m", "mcast"]
# A receiver that a failing test leaves behind ends by itself.
RECV = [*MCAST, "recv", "--duration", str(TIMEOUT)]
Process = subprocess.Popen[str]


def run(
    *arguments: str, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``mcast`` to its end."""
    result = subprocess.run(
        [*MCAST, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=TIMEOUT,
        env={**os.environ, **environment},
    )
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


@contextmanager
def listening(process: Process) -> Generator[str]:
    """Give the line by which a receiver says that it listens, and end the process after all."""
    with process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("listening on port "), line
            yield line
        finally:
            process.kill()


@contextmanager
def receiver(
    group: str, loopback: str, *options: str, **environment: str
) -> Generator[tuple[Process, list[str]]]:
    """Run ``mcast recv`` on loopback, and give it with the arguments that make a sender reach it.

    The system chooses the port, so that no other process's datagrams come in between.
    """
    process = subprocess.Popen(
        [*RECV, "-i", loopback, *options, group, "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with listening(process) as line:
        yield process, ["-i", loopback, group, line.split()[3]]


def lines_of(process: Process, count: int) -> list[str]:
    """Return the next lines of the standard output."""
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


@pytest.fixture
def loopback() -> str:
    """Return the loopback interface's name."""
    return next(item.name for item in mcast.interfaces() if item.is_loopback)


def test_demo_sends_and_receives_on_loopback(loopback: str) -> None:
    """The demo tells payload, group, source and interface of what arrived over IPv4."""
    result = run("demo")
    assert result.returncode == 0, result.stderr
    first = result.stdout.split("IPv6 on")[0]
    assert first.startswith(f"IPv4 on {loopback}: works\n")
    for words in ("received   hello over IPv4", "239.", "127.0.0.1:", f"{loopback} (index "):
        assert words in first


@pytest.mark.parametrize("command", [["demo"], ["interfaces"], ["--help"], ["recv", "--help"]])
def test_output_fits_a_terminal(command: list[str]) -> None:
    """No line is wider than the terminal's 80 columns."""
    with Terminal([*MCAST, *command]) as terminal:
        lines = terminal.shown()
        assert terminal.process.wait(TIMEOUT) == 0
    assert any(lines)
    assert max(map(cell_len, lines)) <= 80


def test_demo_needs_nothing_but_loopback(network: Network) -> None:
    """Where lo is all there is the demo works, and says why IPv6 does not."""
    shown = network.host("bare").run(*MCAST, "demo")
    assert "IPv4 on lo: works" in shown
    assert "IPv6 on lo: does not work here" in shown
    assert "ENETUNREACH" in shown
    assert "hint       no route leads to the group" in shown


def test_demo_shows_ipv6_where_it_has_a_route(network: Network) -> None:
    """With a local route for IPv6 groups on lo, the demo receives over IPv6 too."""
    host = network.host("routed")
    host.configure("route add local ff00::/8 dev lo")
    assert "IPv6 on lo: works\n  sent       hello over IPv6\n" in host.run(*MCAST, "demo")


def test_demo_without_loopback_fails_clearly(network: Network) -> None:
    """Where lo is down the demo fails with one message and what to do."""
    host = network.host("down")
    host.configure("link set lo down")
    with host.popen(*MCAST, "demo") as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout) == (1, "")
    assert stderr.splitlines() == [
        "Error: no loopback interface is up",
        "Hint: on Linux, `ip link set lo up` switches it on",
    ]


def test_interfaces_as_json_have_every_field() -> None:
    """Each line is one interface of `mcast.interfaces`, and tells what is the default."""
    result = run("interfaces", "--json")
    records: list[dict[str, Any]] = [json.loads(line) for line in result.stdout.splitlines()]
    defaults = [item["index"] for item in records if "IPv4" in item.pop("default_for")]
    assert {field.name for field in fields(mcast.Interface)} == set(records[0])
    for record in records:
        record["ipv4"] = tuple(map(IPv4Interface, record["ipv4"]))
        record["ipv6"] = tuple(map(IPv6Interface, record["ipv6"]))
    assert [mcast.Interface(**record) for record in records] == mcast.interfaces()
    default = mcast.default_interface(socket.AF_INET)
    assert defaults == ([] if default is None else [default.index])


def test_interfaces_in_a_pipe_are_a_line_each(two_hosts: tuple[Host, Host]) -> None:
    """A pipe gets one line an interface, with all of its addresses, and the default ones marked."""
    alice, _ = two_hosts
    alice.configure("route add default via 10.77.0.2")
    lo, eth0 = alice.run(*MCAST, "interfaces").splitlines()
    assert lo.startswith("1: lo: up, loopback, ")
    assert lo.endswith(", 127.0.0.1/8, ::1/128")
    assert ": eth0: up, multicast, default IPv4, mtu 1500, mac " in eth0
    link_local = alice.address("eth0", "inet6", "link")
    assert eth0.endswith(f", 10.77.0.1/24, fd77::1/64, {link_local}%eth0/64")


def test_what_is_sent_is_received_as_json(group4: str, loopback: str) -> None:
    """Payloads from arguments and lines of input arrive; text only where they are UTF-8."""
    with receiver(group4, loopback, "-n", "3", "--json") as (process, to):
        assert run("send", *to, "grüße").returncode == 0
        sent = run("send", *to, stdin=b"\xff\x00\r\n\n")
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
    records: list[dict[str, Any]] = [json.loads(line) for line in stdout.splitlines()]
    assert [base64.b64decode(item["data"]) for item in records] == [
        "grüße".encode(),
        b"\xff\0",
        b"",
    ]
    assert [item["text"] for item in records] == ["grüße", None, ""]
    assert [item["size"] for item in records] == [7, 2, 0]
    assert {(item["group"], item["interface"]) for item in records} == {(group4, loopback)}
    source = f"{records[1]['source_host']}:{records[1]['source_port']}"
    assert sent.stdout.splitlines(keepends=True)[0] == (
        f"sent 2 datagrams, 2 bytes, to {group4}:{to[-1]} from {source} on {loopback}, ttl 1\n"
    )
    assert json.loads(stderr.splitlines()[-1])["bytes"] == 9


def test_only_the_sources_asked_for_are_printed(network: Network, group4: str, port: int) -> None:
    """With --source the others are not heard."""
    bob, *others = (network.host(name, eth0=0) for name in ("bob", "alice", "carol"))
    options = ["-i", "eth0", "-s", others[1].address("eth0", "inet"), "-n", "1"]
    process = bob.popen(*bob.interpreter, "-m", "mcast", "recv", *options, group4, str(port))
    with listening(process):
        for host, text in zip(others, ("unwanted", "wanted"), strict=True):
            host.python("-m", "mcast", "send", "-i", "eth0", group4, str(port), text)
        told, _ = process.communicate(timeout=TIMEOUT)
    (line,) = told.splitlines()
    assert line.endswith("wanted")
    assert "unwanted" not in line


def test_rates_are_over_the_time_between_first_and_last(group4: str, loopback: str) -> None:
    """Of three datagrams two come in the time from the first to the last."""
    with receiver(group4, loopback, "-n", "3", "--json") as (process, to):
        run("send", "-n", "3", "--interval", "0.1", *to, "12345")
        _, stderr = process.communicate(timeout=TIMEOUT)
    summary = json.loads(stderr.splitlines()[-1])
    assert (summary["datagrams"], summary["bytes"]) == (3, 15)
    assert summary["seconds"] > 0
    assert summary["datagrams_per_second"] == pytest.approx(2 / summary["seconds"])
    assert summary["bytes_per_second"] == pytest.approx(10 / summary["seconds"])


def test_hosts_reach_each_other(
    two_hosts: tuple[Host, Host], group4: str, group6: str, port: int
) -> None:
    """A receiver on one host prints what another sends to its IPv4 and IPv6 groups."""
    alice, bob = two_hosts
    command = [*RECV, "-n", "2", "--json", group4, group6, str(port)]
    process = bob.popen(*command)
    with listening(process) as line:
        assert line == f"listening on port {port} for {group4} (eth0), {group6} (eth0)\n"
        for group in (group4, group6):
            alice.run(*MCAST, "send", "-i", "eth0", group, str(port), f"to {group}")
        stdout, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
    records: list[dict[str, Any]] = [json.loads(line) for line in stdout.splitlines()]
    assert [(item["text"], item["source_host"], item["interface"]) for item in records] == [
        (f"to {group4}", alice.address("eth0", "inet"), "eth0"),
        (f"to {group6}", alice.address("eth0", "inet6"), "eth0"),
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_receiving_with_a_summary(
    group4: str, loopback: str, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end with the count, exit code 0 and nothing else."""
    with receiver(group4, loopback) as (process, to):
        run("send", *to, "ab", "cd", "ef")
        assert [line[-3:] for line in lines_of(process, 3)] == ["ab\n", "cd\n", "ef\n"]
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, stdout) == (0, "")
    (summary,) = stderr.splitlines()
    assert summary.startswith("3 datagrams, 6 bytes in ")


def test_a_pipe_gets_whole_payloads_and_no_control_characters(group4: str, loopback: str) -> None:
    """Text is shown in full, with line ends escaped; what cannot be printed in hexadecimal."""
    with receiver(group4, loopback, "-n", "3") as (process, to):
        run("send", *to, "x" * 300, "two\nlines", "\x1b[2J")
        ends = [line.rsplit("  ", 1)[1] for line in lines_of(process, 3)]
    assert ends == ["x" * 300 + "\n", "two\\nlines\n", "0x1b5b324a\n"]


def test_characters_that_the_output_lacks_are_escaped(group4: str, loopback: str) -> None:
    """A payload in another script does not end a receiver whose output is Latin-1."""
    with receiver(group4, loopback, "-n", "1", PYTHONIOENCODING="latin-1") as (process, to):
        run("send", *to, "ł")
        assert lines_of(process, 1)[0].endswith("2 B  \\u0142\n")
        assert process.wait(TIMEOUT) == 0


def test_a_terminal_shows_what_fits_and_a_status(group4: str, loopback: str) -> None:
    """A terminal shows no line wider than itself, and the count while it waits."""
    with Terminal([*RECV, "-i", loopback, group4, "0"]) as terminal:
        first, *_ = terminal.shown(until="waiting; Ctrl-C ends")
        run("send", "-i", loopback, group4, first.split()[3], "漢字" * 100, "last")
        terminal.shown(until="2 datagrams, 604 bytes")
        terminal.process.send_signal(signal.SIGINT)
        lines = terminal.shown()
        assert terminal.process.wait(TIMEOUT) == 0
    assert any(line.endswith("…") for line in lines)
    assert any(line.endswith("4 B  last") for line in lines)
    assert max(map(cell_len, lines)) <= 80


def test_a_closed_pipe_ends_receiving_quietly(group4: str, loopback: str) -> None:
    """A receiver whose reader has gone ends at the next datagram without a word."""
    with receiver(group4, loopback) as (process, to):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        run("send", *to, "to nobody")
        process.wait(TIMEOUT)
        assert process.stderr.read() == ""


@pytest.mark.parametrize("option", ["--timeout", "--duration"])
def test_too_few_datagrams_in_time_are_a_failure(group4: str, loopback: str, option: str) -> None:
    """Where nothing arrives in time the exit code is 1."""
    result = run("recv", "-i", loopback, option, "0.1", group4, "0")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[1:] == ["the time is up", "0 datagrams, 0 bytes"]


def test_a_time_limit_after_datagrams_is_an_end(group4: str, loopback: str) -> None:
    """Where something arrived, the end of a pause ends with exit code 0."""
    with (
        receiver(group4, loopback, "--timeout", "2") as (process, to),
        mcast.McastTx(group4, int(to[-1]), interface=loopback, loopback=True) as tx,
    ):
        tx.send(b"x")
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
    assert (len(stdout.splitlines()), stderr) == (1, "1 datagram, 1 byte\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("recv 10.0.0.1 5000", 1, "10.0.0.1 is not a multicast address"),
        ("recv rubbish 5000", 1, "'rubbish' is no IP address"),
        ("recv -i nowhere 239.1.2.3 5000", 1, "no interface has the name"),
        ("recv 239.1.2.3 65536", 2, "65536 is not in the range"),
        ("recv 239.1.2.3", 2, "Missing argument"),
        ("recv --timeout 0 239.1.2.3 5000", 2, "'--timeout'"),
        ("recv --duration nan 239.1.2.3 5000", 2, "not a number of seconds"),
        ("recv --duration inf 239.1.2.3 5000", 2, "'--duration'"),
        ("recv --count 0 239.1.2.3 5000", 2, "'--count'"),
        ("send 10.0.0.1 5000 x", 1, "10.0.0.1 is not a multicast address"),
        ("send -i nowhere 239.1.2.3 5000 x", 1, "no interface has the name"),
        ("send 239.1.2.3 0 x", 2, "0 is not in the range"),
        ("send 239.1.2.3 port x", 2, "'port' is not a valid integer"),
        ("send --ttl 256 239.1.2.3 5000 x", 2, "256 is not in the range"),
        ("send --interval -1 239.1.2.3 5000 x", 2, "'--interval'"),
        ("nothing", 2, "No such command 'nothing'"),
    ],
)
def test_a_mistake_is_one_message(arguments: str, code: int, words: str) -> None:
    """What a user got wrong is said in one line, by exit code 1 or 2, without a traceback."""
    result = run(*arguments.split())
    assert (result.returncode, result.stdout) == (code, "")
    assert "Traceback" not in result.stderr
    *usage, error = result.stderr.splitlines()
    assert error.startswith("Error: ")
    assert words in error
    assert bool(usage) == (code == 2)


def test_interfaces_are_asked_for_by_option(network: Network) -> None:
    """Where no interface can be chosen, the message names the command line's option."""
    with network.host("bare").popen(*RECV, "239.1.2.3", "5000") as process:
        _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert stderr.endswith("name the ones to use with --interface\n")


def test_what_the_system_refuses_comes_with_a_hint(network: Network, group6: str) -> None:
    """An error of the system is said by name, with what can be done about it."""
    command = [*MCAST, "send", "-i", "lo", group6, "5000", "x"]
    with network.host("bare").popen(*command) as process:
        _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    error, hint = stderr.splitlines()
    assert error == "Error: Network is unreachable (ENETUNREACH)"
    assert hint.startswith("Hint: no route leads to the group")


def test_what_was_sent_before_a_failure_is_told(group4: str, port: int, loopback: str) -> None:
    """A datagram that is too large is an error, after the account of those that were sent."""
    to = ["-i", loopback, group4, str(port)]
    result = run("send", *to, stdin=b"fits\n" + b"x" * 65508)
    assert result.returncode == 1
    assert result.stdout.startswith("sent 1 datagram, 4 bytes, to ")
    assert result.stderr.startswith("Error: a payload of 65508 bytes is too large")
    assert "Traceback" not in result.stderr


def test_the_command_is_installed() -> None:
    """The console script runs what ``python -m mcast`` does, and tells the version."""
    (script,) = entry_points(group="console_scripts", name="mcast")
    assert script.load() is main
    assert run("--version").stdout == f"mcast {mcast.__version__}\n"


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path) -> None:
    """With cffi alone, `mcast` imports, and the command line says what to install."""
    for name in ("mcast", "mcast_lowlevel", "_cffi_backend"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        found = Path(spec.origin)
        found = found.parent if found.name == "__init__.py" else found
        (tmp_path / found.name).symlink_to(found)
    # Without `site` nothing else that is installed can be imported.
    python = [sys.executable, "-S"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([*python, "-c", "import mcast"], check=True, env=environment)
    result = subprocess.run(
        [*python, "-m", "mcast", "demo"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "mcast: click is missing: pip install 'mcast-cffi[cli]'\n"
