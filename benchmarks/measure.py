"""Measuring side by side: contestants take turns in one run, and ratios are what counts."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Contest:
    """Contest is several ways to do one thing, in turns: `prepare` before each, unmeasured."""

    name: str
    unit: int
    """How many of what is counted one turn handles."""
    prepare: Callable[[], object]
    ways: dict[str, Callable[[], object]]
    finish: Callable[[], object] = lambda: None
    spent: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def round(self) -> None:
        """Let each have a turn.

        No garbage is collected in it, as with `timeit`: it would be everybody's, and always come in
        the turn of the same one.
        """
        for name, way in self.ways.items():
            self.prepare()
            gc.disable()
            start = time.perf_counter()
            way()
            self.spent.setdefault(name, []).append(time.perf_counter() - start)
            gc.enable()
            self.finish()

    def nanoseconds(self, name: str) -> float:
        """Return the median time for one, in nanoseconds."""
        return statistics.median(self.spent[name]) / self.unit * 1e9

    def ratio(self, ours: str, theirs: str) -> tuple[float, float, float]:
        """Return the median of the rounds' ratios, and their quartiles."""
        ratios = [a / b for a, b in zip(self.spent[ours], self.spent[theirs], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        return middle, low, high


@dataclass
class Goal:
    """Goal is a ratio that should not be exceeded."""

    contest: Contest
    ours: str
    theirs: str
    most: float
