"""What to tell the user beside the system's own error."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping


def advise(error: OSError, advice: Mapping[int, str]) -> None:
    """Add to `error` the note that `advice` has for its errno, if it has one."""
    note = advice.get(error.errno) if error.errno is not None else None
    if note is not None:
        error.add_note(note)


@contextlib.contextmanager
def advised(advice: Mapping[int, str]) -> Generator[None]:
    """Add the note that `advice` has to an `OSError` of what is done meanwhile."""
    try:
        yield
    except OSError as error:
        advise(error, advice)
        raise
