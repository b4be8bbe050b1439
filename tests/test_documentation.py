"""Every block of code in the README and the pages runs, and prints what the page says it prints."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from mcast._cli import cli
from tests.hosts import ROOT, TIMEOUT, Host, Network
from tests.pages import Block, blocks, pages, shows, tokens

BLOCKS = blocks()
RUN = [block for block in BLOCKS if "not run" not in block.notes]
NOT_RUN = [block for block in BLOCKS if "not run" in block.notes]
_INTERPRETERS = {
    "python": ["python"],
    "pycon": ["python", "-m", "doctest"],
    "sh": ["bash", "-eu"],
}
"""By language: what runs a file of it."""
_COMMAND = re.compile(r"(?<![\w./-])mcast ([a-z]+[^;|&\n]*)")


@pytest.fixture
def hosts(network: Network) -> tuple[Host, Host]:
    """Return the reader's host, and another one on both of its networks."""
    here, there = (network.host(name, eth0=0, eth1=1) for name in ("here", "there"))
    for host in (here, there):
        host.configure("route add default dev eth0")
    return here, there


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with the programs that pages call, of the Python that runs the tests."""
    folder = tmp_path / "programs"
    folder.mkdir()
    python = shlex.quote(sys.executable)
    for name, command in {
        "python": python,
        "python3": python,
        "mcast": f"{python} -m mcast",
    }.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return folder


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_block_runs(block: Block, hosts: tuple[Host, Host], programs: Path) -> None:
    """It does what the page says: it ends well, or prints what it is to print."""
    assert block.language in _INTERPRETERS, f"{block}: say why it is not run"
    with scene(block, hosts, programs):
        printed, code = run(block, hosts[0], programs)
    until = block.note("until")
    if until is not None:
        assert until in printed, printed
    else:
        assert code == int(block.note("exit") or 0), printed
    for shown in block.shown:
        assert shows(shown, printed), printed


@contextmanager
def scene(block: Block, hosts: tuple[Host, Host], programs: Path) -> Generator[None]:
    """Have the hosts as the block finds them, with what else runs there meanwhile."""
    here, there = hosts
    for command in block.notes.get("before", []):
        here.run("sh", "-c", f'cd "$0" && {command}', programs.parent)
    with ExitStack() as meanwhile:
        for host, key in ((here, "beside"), (there, "peer")):
            for command in block.notes.get(key, []):
                other = meanwhile.enter_context(running(host, programs, ["bash", "-euc", command]))
                assert other.stdout is not None
                assert other.stdout.readline(), f"{command}: prints nothing"
        for host, key in ((here, "repeats"), (there, "peer repeats")):
            for command in block.notes.get(key, []):
                loop = ["bash", "-euc", f"while {command}; do sleep 0.05; done"]
                meanwhile.enter_context(running(host, programs, loop))
        yield


def run(block: Block, host: Host, programs: Path) -> tuple[str, int | None]:
    """Run a block to its end, or until it has printed what it is to print."""
    file = programs.parent / "block"
    file.write_text(block.program, encoding="utf-8")
    until = block.note("until")
    lines: list[str] = []
    with running(host, programs, [*_INTERPRETERS[block.language], file]) as process:
        assert process.stdout is not None
        watch = threading.Timer(TIMEOUT, end, [process])
        watch.start()
        try:
            for line in process.stdout:
                lines.append(line)
                if until is not None and until in line:
                    break
            else:
                process.wait()
        finally:
            watch.cancel()
    return "".join(lines), process.returncode


@contextmanager
def running(
    host: Host, programs: Path, command: Sequence[str | Path]
) -> Generator[subprocess.Popen[str]]:
    """Run a command with all that it starts, in the folder above that of the programs."""
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    # As Debian's root has it, where programs that set up networks are.
    environment = os.environ | {"PATH": f"{path}:/usr/sbin:/sbin", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        host.argv(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=programs.parent,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End a process that may have ended, and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_a_block_that_cannot_run_here_is_read(block: Block) -> None:
    """It says why, and what it has of our commands and of Python is what those take."""
    assert block.note("not run")
    if block.language == "python":
        compile(block.text, str(block), "exec")
    for name, arguments in commands(block.text):
        # To make a context is to read the arguments; what is wrong with them is raised.
        cli.commands[name].make_context(name, arguments)


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each of our commands in a block."""
    for match in _COMMAND.finditer(text):
        name, *arguments = shlex.split(match[1], comments=True)
        if name in cli.commands:
            yield name, arguments


def test_what_differs_from_what_is_shown_is_seen() -> None:
    """Numbers that vary may, and lines that are left out; nothing else does."""
    printed = "10.77.0.2:41234  hello\nmore\nlast 0.812 ms\n"
    assert shows("10.77.0.2:51000  hello\n", printed)
    assert shows("10.77.0.2:51000  hello\n…\nlast 1.5 ms\n", printed)
    assert not shows("10.77.0.3:41234  hello\n", printed)
    assert not shows("10.77.0.2:41234  hello\nlast 0.812 ms\n", printed)


FIGURES = sorted((ROOT / "docs" / "figures").glob("*.svg"))


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_can_be_read_aloud(figure: Path) -> None:
    """It has a title and a description, its words are text, and a page shows it."""
    tree = ET.parse(figure)  # noqa: S314 - it is our own.
    space = {"svg": "http://www.w3.org/2000/svg"}
    for tag in ("title", "desc"):
        assert (tree.getroot().findtext(f"svg:{tag}", namespaces=space) or "").strip()
    assert tree.getroot().findall(".//svg:text", space)
    assert any(f"figures/{figure.name})" in page.read_text(encoding="utf-8") for page in pages())


def test_the_readme_leads_somewhere() -> None:
    """Its links to files lead to some that are there; Sphinx sees to those of the pages."""
    children = [child for token in tokens(ROOT / "README.md") for child in token.children or []]
    targets = [str(child.attrGet("href") or child.attrGet("src")) for child in children
               if child.type in {"link_open", "image"}]  # fmt: skip
    files = [target for target in targets if not target.startswith(("http", "#"))]
    assert files
    assert [target for target in files if not (ROOT / target.partition("#")[0]).exists()] == []
