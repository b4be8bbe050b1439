"""The network that the other tests stand on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts import ROOT, TIMEOUT, Host, Network, RemoteError
from tests.skipping import skip_unless_ci


def _echo(family: int, address: str, port: int) -> Iterator[str]:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((address, port))
        yield "ready"
        data, _ = sock.recvfrom(100)
        yield data.decode()


def _say(family: int, address: str, port: int, text: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), (address, port))


@pytest.mark.parametrize(("family", "name"), [(socket.AF_INET, "inet"), (socket.AF_INET6, "inet6")])
def test_hosts_reach_each_other(
    two_hosts: tuple[Host, Host], port: int, family: socket.AddressFamily, name: str
) -> None:
    """A datagram that one host sends to the other's address arrives there."""
    alice, bob = two_hosts
    address = bob.address("eth0", name)
    with bob.start(_echo, family, address, port) as echo:
        assert echo.next() == "ready"
        alice.call(_say, family, address, port, "hello")
        assert echo.finish() == ["hello"]


def _fail() -> None:
    error = ValueError("of no value")
    error.add_note("a hint")
    raise error


def test_an_error_in_a_host_comes_back(network: Network) -> None:
    """A function that raises in a host raises here, with its own traceback and notes."""
    with pytest.raises(RemoteError, match=r"(?s)in _fail.*ValueError: of no value.*a hint"):
        network.host("alone").call(_fail)


def test_nothing_is_left_of_a_network() -> None:
    """When a network is closed, every namespace that held it is gone."""
    with Network() as network:
        host = network.host("alone", eth0=0)
        namespace = Path(host.run("readlink", "/proc/self/ns/net").strip())
    held = [
        process
        for process in Path("/proc").glob("[0-9]*/ns/net")
        if os.access(process, os.R_OK) and _readlink(process) == namespace
    ]
    assert held == []


def _readlink(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:  # The process has ended meanwhile.
        return None


def test_needs_no_root(tmp_path: Path, open_descriptors: Callable[[], int]) -> None:
    """An ordinary user can build a network and send through it."""
    if os.geteuid() != 0:
        with Network() as network:
            assert network.host("alone", eth0=0).ip("address", "show", "dev", "eth0")
        return
    # Root's own Python may stand where nobody else may look, so the system's is asked.
    python = next(
        (item for item in (sys.executable, "/usr/bin/python3") if _may_run_as_nobody(item)), None
    )
    if python is None:
        skip_unless_ci("no Python here that an ordinary user may run: install Debian's python3")
    before = open_descriptors()
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.modules['pytest'] = type(sys)('pytest')\n"
        "from tests.hosts import Network\n"
        "with Network() as network:\n"
        "    print(network.host('alone', eth0=0).address('eth0', 'inet'))\n"
    )
    result = subprocess.run(
        [*_AS_NOBODY, python, "-c", script, ROOT],
        capture_output=True,
        text=True,
        cwd=tmp_path.root,
        check=False,
        timeout=TIMEOUT,
    )
    assert (result.stdout, result.stderr) == ("10.77.0.1\n", "")
    assert open_descriptors() == before


_AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def _may_run_as_nobody(python: str) -> bool:
    command = [*_AS_NOBODY, python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
