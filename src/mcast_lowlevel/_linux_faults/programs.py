"""Asking programs that come with the system, which know what no file tells."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any, Final, NamedTuple

_SECONDS: Final = 10
_PLACES: Final = ("/usr/sbin", "/sbin")
"""Where programs are that the search path of ordinary users may lack."""


class Answer(NamedTuple):
    """Answer is what a program printed."""

    output: str
    error: str
    """Why it failed, empty if it did not."""


def find(*names: str) -> str | None:
    """Return where the first of these programs is that is installed."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES])
    return next(filter(None, (shutil.which(name, path=path) for name in names)), None)


def ask(program: str, *arguments: str) -> Answer:
    """Run a program to its end, which must come within ten seconds, and return what it says."""
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are the callers' own.
            [program, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer("", str(error))
    failed = done.returncode != 0
    return Answer(done.stdout, (done.stderr.strip() or "it fails") if failed else "")


def ask_for_list(program: str, *arguments: str) -> list[dict[str, Any]]:
    """Return what a program of iproute2 prints as JSON, nothing if it fails."""
    items: list[dict[str, Any]] = json.loads(ask(program, *arguments).output or "[]")
    return items
