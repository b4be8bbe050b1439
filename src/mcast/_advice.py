"""What to tell the user beside the system's own error."""

from __future__ import annotations

from collections.abc import Mapping


def advise(error: OSError, advice: Mapping[int, str]) -> None:
    """Add to `error` the note that `advice` has for its errno, if it has one."""
    note = advice.get(error.errno) if error.errno is not None else None
    if note is not None:
        error.add_note(note)
