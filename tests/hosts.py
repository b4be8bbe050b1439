"""Hosts to test between: network namespaces joined by veth pairs and bridges.

A network needs no root where the kernel allows user namespaces. Nothing of it has a name outside of
it: every namespace is held by a process of ours alone, and gone when that ends.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, ParamSpec, Self, TypeVar

from tests.skipping import skip_off_linux, skip_unless_ci

P = ParamSpec("P")
R = TypeVar("R")

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 120.0
"""Seconds that anything may take: so many that only what never ends reaches them."""

# Reading its input, it ends when this process does, however that ends.
_HOLDER = ["sh", "-c", "echo held; exec cat >/dev/null"]


class RemoteError(Exception):
    """A function raised in another host; the message is its traceback, with notes."""


class RemoteProcess:
    """RemoteProcess is a generator function running in a host, an event a yielded value."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take over `process`, which prints a line an event, to a pipe that is not buffered."""
        self._process = process
        assert process.stdout is not None
        self._stdout: IO[bytes] = process.stdout

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def next(self, timeout: float = TIMEOUT) -> Any:
        """Return the next event; `RemoteError` if the function raised or returned instead."""
        readable, _, _ = select.select([self._stdout], [], [], timeout)
        if not readable:
            raise TimeoutError(f"no event within {timeout} s")
        line = self._stdout.readline()
        if not line:
            self._process.wait(TIMEOUT)
            raise RemoteError("the function ended without another event")
        return _value(line)

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def finish(self, timeout: float = TIMEOUT) -> list[Any]:
        """Wait until the function has returned, and return its remaining events."""
        deadline = time.monotonic() + timeout
        events: list[Any] = []
        while True:
            try:
                events.append(self.next(max(0.0, deadline - time.monotonic())))
            except RemoteError:
                if self._process.returncode == 0:
                    return events
                raise

    def close(self) -> None:
        """End the process, if it has not ended, and give its descriptors back."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(TIMEOUT)
        self._stdout.close()

    def __enter__(self) -> Self:
        """Return the process."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process."""
        self.close()


class Host:
    """Host is one network namespace, with a loopback interface of its own."""

    def __init__(
        self, name: str, pid: int, enter: Sequence[str], python: Sequence[str] = (sys.executable,)
    ) -> None:
        """`pid` holds the namespace, `enter` prefixes a command that runs in it."""
        self.name = name
        self.pid = pid
        self._enter = list(enter)
        self.interpreter = list(python)
        """What runs Python here."""

    def running(self, *python: str | Path) -> Host:
        """Return this host, whose functions run in another Python."""
        return Host(self.name, self.pid, self._enter, list(map(str, python)))

    def under(self, *prefix: str | Path) -> Host:
        """Return this host, whose commands are prefixed with another that runs them."""
        return Host(self.name, self.pid, [*self._enter, *map(str, prefix)], self.interpreter)

    def python(self, *arguments: str | Path) -> str:
        """Run Python here and return its standard output; `CalledProcessError` if it fails."""
        return self.run(*self.interpreter, *arguments)

    def argv(self, command: Sequence[str | Path]) -> list[str]:
        """Return `command` as one that runs in this host."""
        return [*self._enter, *map(str, command)]

    def run(self, *command: str | Path, text: str | None = None) -> str:
        """Run a command here and return its standard output; `CalledProcessError` if it fails."""
        result = subprocess.run(
            self.argv(command),
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=TIMEOUT,
        )
        return result.stdout

    def ip(self, *arguments: str) -> Any:
        """Return what ``ip -json`` says."""
        return json.loads(self.run("ip", "-json", *arguments) or "null")

    def configure(self, *lines: str) -> None:
        """Run each line as an argument list of ``ip``, all in one process."""
        self.run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def slow_down(self, interface: str, rate: str) -> None:
        """Let an interface send no faster than `rate`, and keep what waits for that."""
        limits = ["rate", rate, "burst", "5kb", "latency", "600s"]
        self.run("tc", "qdisc", "add", "dev", interface, "root", "tbf", *limits)

    def address(self, interface: str, family: str, scope: str = "global") -> str:
        """Return the interface's first address of ``inet`` or ``inet6``."""
        (record,) = self.ip("address", "show", "dev", interface)
        found = [
            item["local"]
            for item in record["addr_info"]
            if (item["family"], item["scope"]) == (family, scope)
        ]
        return str(found[0])

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function of a test module in a new Python process here, and return its result.

        Arguments and result travel as JSON. Raises `RemoteError` if the function raises.
        """
        with self._remote(function, args, kwargs) as remote:
            result: R = remote.next()
            return result

    def start(
        self, function: Callable[P, Iterator[Any]], *args: P.args, **kwargs: P.kwargs
    ) -> RemoteProcess:
        """Start a generator function of a test module in a new Python process here."""
        return self._remote(function, args, kwargs)

    def popen(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command here, with pipes for its input, output and errors."""
        return subprocess.Popen(
            self.argv(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _remote(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> RemoteProcess:
        call = json.dumps([function.__module__, function.__name__, args, kwargs])
        command = self.argv([*self.interpreter, "-m", "tests.remote", call])
        # Unbuffered, so that what waits to be read is always in the pipe, where select sees it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0, cwd=ROOT
        )
        return RemoteProcess(process)


class Network:
    """Network is hosts on one or more segments, each an Ethernet bridge."""

    def __init__(self) -> None:
        """Start the namespace that holds the bridges."""
        skip_off_linux("network namespaces")
        for command in ("ip", "unshare", "nsenter"):
            if shutil.which(command) is None:
                skip_unless_ci(f"{command} is missing: install iproute2 and util-linux")
        self._processes = ExitStack()
        self._user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        pid = self._hold(["unshare", *self._user, "--net"])
        self._switch = Host("switch", pid, self._entering(pid))
        self._segments: dict[int, int] = {}

    def _hold(self, prefix: list[str]) -> int:
        """Start a process that holds a new namespace, and return its id."""
        holder = subprocess.Popen(
            [*prefix, *_HOLDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.callback(_end, holder)
        assert holder.stdout is not None
        if holder.stdout.readline() != "held\n":
            _, why = holder.communicate(timeout=TIMEOUT)
            self.close()
            skip_unless_ci(
                f"no network namespace ({why.strip()}): run as root, or allow user namespaces "
                "(sysctl user.max_user_namespaces)"
            )
        return holder.pid

    def _entering(self, pid: int) -> list[str]:
        user = ["--user", "--preserve-credentials"] if self._user else []
        return ["nsenter", "--target", str(pid), *user, "--net"]

    def host(self, name: str, **interfaces: int) -> Host:
        """Return a new host whose interfaces, by name, are each on the segment of that number.

        On segment S the Nth interface has 10.77.S.N/24, fd77:S::N/64 and a link-local address.
        There is no default route.
        """
        pid = self._hold([*self._entering(self._switch.pid), "unshare", "--net"])
        host = Host(name, pid, self._entering(pid))
        host.configure("link set lo up")
        # An address that is still being probed for duplicates cannot be used (RFC 4862).
        host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad")
        for interface, segment in interfaces.items():
            self.plug(host, interface, segment)
        return host

    def lay(self, segment: int, options: str) -> None:
        """Lay a segment that needs other options of its bridge (ip-link(8)) than the usual."""
        bridge = f"segment{segment}"
        self._switch.configure(
            f"link add {bridge} type bridge stp_state 0 forward_delay 0 {options}",
            f"link set {bridge} up",
        )
        self._segments[segment] = 0

    def plug(self, host: Host, interface: str, segment: int, *, index: int | None = None) -> None:
        """Give `host` an interface on a segment."""
        if segment not in self._segments:
            self.lay(segment, "mcast_snooping 0")
        self._segments[segment] += 1
        number = self._segments[segment]
        bridge, port = f"segment{segment}", f"s{segment}p{number}"
        numbered = "" if index is None else f"index {index}"
        self._switch.configure(
            f"link add {port} type veth peer name {interface} {numbered} netns {host.pid}",
            f"link set {port} master {bridge}",
            f"link set {port} up",
        )
        host.configure(
            f"address add 10.77.{segment}.{number}/24 dev {interface}",
            f"address add fd77:{segment}::{number}/64 dev {interface} nodad",
            f"link set {interface} up",
        )
        _wait_until_running(host, interface)

    def close(self) -> None:
        """End every holder, and with it every namespace and interface."""
        self._processes.close()

    def __enter__(self) -> Self:
        """Return the network."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the network down."""
        self.close()


def _end(holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=TIMEOUT)


def _wait_until_running(host: Host, interface: str) -> None:
    """Wait until the interface carries datagrams and has its link-local address."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        (record,) = host.ip("address", "show", "dev", interface)
        local = [item for item in record["addr_info"] if item["scope"] == "link"]
        if record["operstate"] == "UP" and local and not local[0].get("tentative"):
            return
    raise TimeoutError(f"{interface} of {host.name} is not running after {TIMEOUT} s")


def _value(line: bytes) -> Any:
    kind, value = json.loads(line)
    if kind == "error":
        raise RemoteError(value)
    return value
