"""The choice of this machine's platform: the one place that asks for it."""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from . import _linux as system
elif sys.platform == "win32":
    from . import _windows as system
else:
    raise ImportError(
        f"mcast does not run on {sys.platform} yet: its structs are declared and proven, "
        "its system calls are not made; Linux and Windows are supported"
    )

__all__ = ["system"]
