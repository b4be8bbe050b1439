"""Runs one function of a test module, for a test that is in another network namespace.

The argument is a JSON list: module, function, arguments, keyword arguments. A line of output is
JSON too: ``["value", …]`` for the result or for each value that a generator yields, and
``["error", traceback]``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Iterable
from typing import Any


def main(call: str) -> int:
    """Run the function and return the process's exit status."""
    module, function, args, kwargs = json.loads(call)
    try:
        result: Any = getattr(importlib.import_module(module), function)(*args, **kwargs)
        values: Iterable[Any] = result if inspect.isgenerator(result) else (result,)
        for value in values:
            _print("value", value)
    except Exception:
        _print("error", traceback.format_exc())
        return 1
    return 0


def _print(kind: str, value: object) -> None:
    print(json.dumps([kind, value]), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
