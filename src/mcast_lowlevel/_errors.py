"""The errors: those that do not come from the operating system, and how to make one that does."""

from __future__ import annotations

import os


class McastError(Exception):
    """Base of every error that mcast defines itself; never raised directly."""


class UnsupportedError(McastError):
    """The platform does not offer the feature; the message names both."""


def system_error(number: int) -> OSError:
    """Return the error of that errno, with the C library's words."""
    return OSError(number, os.strerror(number))
