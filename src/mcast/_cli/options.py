"""The parameters that commands share."""

from __future__ import annotations

import math
from typing import Any, Final

import click

PORT: Final = click.IntRange(1, 65535)
PORT_OR_ANY: Final = click.IntRange(0, 65535)
TTL: Final = click.IntRange(0, 255)
COUNT: Final = click.IntRange(min=1)


class _Seconds(click.FloatRange):
    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return `value` as a number of seconds in the range."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):  # Which no comparison with a limit refuses.
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


# Ten days. Sleeping takes no wait of any length: an infinite one is an OverflowError.
_LONGEST: Final = 864_000
SECONDS: Final = _Seconds(min=0, max=_LONGEST)
SECONDS_OVER_ZERO: Final = _Seconds(min=0, max=_LONGEST, min_open=True)
