"""The C compiler that some tests compare with."""

from __future__ import annotations

import shutil

from tests.skipping import skip_unless_ci


def require_c_compiler() -> str:
    """Return the path of this machine's C compiler, or skip the test."""
    path = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if path is None:
        skip_unless_ci("there is no C compiler to compare with: install gcc or clang")
    return path
