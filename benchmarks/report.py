"""Telling what was measured: a table, JSON and a plot."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .measure import Goal


def write(goals: list[Goal], heap: int, folder: Path) -> None:
    """Print a table, and write the figures and a plot of them into `folder`."""
    table = Table("what", "ours", "against", "ratio", "quartiles", "goal", "")
    rows: list[dict[str, object]] = []
    for goal in goals:
        ratio, low, high = goal.contest.ratio(goal.ours, goal.theirs)
        is_reached = ratio <= goal.most
        row = (goal.contest.name, goal.ours, goal.theirs)
        figures = (f"{ratio:.3f}", f"{low:.3f}-{high:.3f}", f"{goal.most:g}")
        table.add_row(*row, *figures, "reached" if is_reached else "not reached")
        rows.append({
            "what": goal.contest.name, "ours": goal.ours, "against": goal.theirs,
            "ratio": round(ratio, 4), "quartiles": [round(low, 4), round(high, 4)],
            "goal": goal.most,
            "nanoseconds": {
                name: round(goal.contest.nanoseconds(name)) for name in goal.contest.ways
            },
        })  # fmt: skip
    console = Console(width=150)
    console.print(table)
    console.print(f"heap of a receiver on 1,000 groups: {heap / 2**20:.2f} MiB")
    machine = {"kernel": platform.release(), "python": platform.python_version()}
    report = {"machine": machine, "heap_bytes": heap, "ratios": rows}
    (folder / "benchmarks.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _plot(rows, folder / "benchmarks.svg")


def _plot(rows: list[dict[str, object]], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - slow to load.

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "mcast"
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its setting.

    labels = [f"{row['what']}: {row['ours']} / {row['against']}" for row in rows]
    ratios = [float(str(row["ratio"])) for row in rows]
    subplots: Any = plt.subplots
    figure, axes = subplots(figsize=(11, 0.38 * len(rows) + 1), layout="constrained")
    axes.barh(labels, ratios, color="#3b6ea5")
    for position, row in enumerate(rows):
        axes.plot([float(str(row["goal"]))], [position], "|", color="#c0392b", markersize=14)
        axes.annotate(f" {ratios[position]:.2f}", (ratios[position], position), va="center")
    axes.axvline(1, color="black", linewidth=0.6)
    axes.invert_yaxis()
    axes.set_xlabel("time as a multiple of the other's, in one run; red: the goal")
    figure.savefig(path, metadata={"Date": None})
