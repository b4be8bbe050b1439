"""Asking the doctor about a host."""

from __future__ import annotations

import json
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tests.hosts import TIMEOUT, Host


def examine(host: Host, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `mcast doctor --json`, and what it says."""
    process = host.popen(*host.interpreter, "-m", "mcast", "doctor", "--json", *arguments)
    told, errors = process.communicate(timeout=TIMEOUT)
    assert told, errors
    return process.returncode, json.loads(told)


def assert_well(host: Host, *arguments: str) -> None:
    """Assert that nothing is found, and nothing left out."""
    code, told = examine(host, *arguments)
    assert (told["findings"], told["doubts"], code) == ([], [], 0)


def find(host: Host, *arguments: str) -> list[dict[str, str]]:
    """Return what is found, which has all that a finding has."""
    code, told = examine(host, *arguments)
    findings: list[dict[str, str]] = told["findings"]
    assert code == 1
    for finding in findings:
        assert all(finding[part] for part in ("problem", "why", "evidence", "command"))
    return findings


def find_one(host: Host, problem: str, *arguments: str) -> dict[str, str]:
    """Return the one finding that has `problem` in its words."""
    (finding,) = [item for item in find(host, *arguments) if problem in item["problem"]]
    return finding


def assert_gone(host: Host, problem: str, *arguments: str) -> None:
    """Assert that no finding has `problem` in its words."""
    _, told = examine(host, *arguments)
    assert not [item for item in told["findings"] if problem in item["problem"]]


@contextmanager
def asking(host: Host, *options: str) -> Generator[None]:
    """Have a host ask for members on ``eth0``."""
    command = [*host.interpreter, "-m", "mcast", "querier", "--interface", "eth0", *options]
    process = host.popen(*command)
    assert process.stderr is not None
    assert process.stderr.readline() == "asking on eth0\n"
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
