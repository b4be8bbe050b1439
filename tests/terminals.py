"""A terminal that a command believes to be at."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Sequence
from typing import Self

import click

from tests.hosts import TIMEOUT


class Terminal:
    """Terminal runs a command on a terminal of 80 columns."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the command."""
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        environment = {**os.environ, "TERM": "xterm"}
        environment.pop("COLUMNS", None)
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        self._shown = ""

    def shown(self, until: str | None = None) -> list[str]:
        """Return the lines shown, without styles, as soon as there is `until`, or at the end."""
        deadline = time.monotonic() + TIMEOUT
        while until is None or until not in self._shown:
            readable, _, _ = select.select([self._ours], [], [], deadline - time.monotonic())
            assert readable, self._shown
            try:
                self._shown += os.read(self._ours, 65536).decode()
            except OSError:  # Linux's way to say that the other side is closed.
                break
        return click.unstyle(self._shown).replace("\r", "\n").split("\n")

    def __enter__(self) -> Self:
        """Return the terminal."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the command."""
        self.process.kill()
        self.process.wait(TIMEOUT)
        os.close(self._ours)
