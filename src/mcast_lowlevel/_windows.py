"""Windows: its structs, from the declarations that are proven for it."""

from __future__ import annotations

from typing import Final

from ._generated.windows import ffi
from ._structs import Structs

NAME: Final = "Windows"

structs: Final = Structs(NAME, ffi)
