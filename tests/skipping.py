"""The ways in which a test is skipped."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import pytest


def skip_unless_ci(reason: str) -> NoReturn:
    """Skip the test with `reason`; in CI, where everything is there to run it, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def skip_off_linux(needed: str) -> None:
    """Skip the test on a system that lacks what only Linux has."""
    if sys.platform != "linux":
        pytest.skip(f"only Linux has {needed}")
