"""The choice of this machine's platform: the one place that asks for it."""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from . import _linux as system
elif sys.platform == "win32":
    from . import _windows as system
elif sys.platform == "darwin":
    from . import _darwin as system
else:
    raise ImportError(
        f"mcast does not run on {sys.platform}: Linux, macOS and Windows are supported"
    )

__all__ = ["system"]
