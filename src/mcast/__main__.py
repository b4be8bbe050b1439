"""The command ``mcast``, also run as ``python -m mcast``."""

from __future__ import annotations

import sys

_NEEDED = {"click", "rich"}


def main() -> None:
    """Run the command line, or say how to get it where the extra ``cli`` is not installed."""
    try:
        from ._cli import cli  # noqa: PLC0415 - the library does without click and rich
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.exit(f"mcast: {error.name} is missing: pip install 'mcast-cffi[cli]'")
    cli()


if __name__ == "__main__":
    main()
