"""Reading what the kernel sets and counts, from files below /proc."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SETTINGS: Final = Path("/proc/sys/net")
_TABLES: Final = Path("/proc/net")


def setting(*parts: str) -> int | None:
    """Return a number that sysctl(8) sets below ``net``, None where there is none."""
    try:
        return int(_SETTINGS.joinpath(*parts).read_text(encoding="ascii"))
    except OSError:  # The kernel is without it, or the interface is gone.
        return None


def table(name: str) -> list[str]:
    """Return the lines of a table in /proc/net, none where the kernel is without it."""
    try:
        return _TABLES.joinpath(name).read_text(encoding="ascii").splitlines()
    except FileNotFoundError:  # IPv6 can be left out.
        return []
