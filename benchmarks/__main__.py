"""Compare mcast with the standard library, its peers and C, all in one run.

``python -m benchmarks`` needs Linux, root or user namespaces, gcc, and the extra ``bench``. It
makes a network namespace of its own, prints a table of ratios, and writes
``docs/benchmarks.json`` and ``docs/benchmarks.svg``.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROUNDS = 40
_INSIDE = "MCAST_BENCHMARK_NAMESPACE"
_HERE = Path(__file__).resolve().parent


def enter_namespace() -> None:
    """Run this program again in a namespace of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--net", sys.executable, "-m", "benchmarks"]
    os.execvpe("unshare", command, {**os.environ, _INSIDE: "1"})


def configure() -> None:
    """Make two hundred interfaces, of which one sends; nothing leaves the namespace."""
    lines = ["link set lo up", "link add eth0 type veth peer name peer0"]
    lines += [f"link add veth{number} type veth peer name other{number}" for number in range(99)]
    lines += [f"address add 10.78.{number}.1/24 dev veth{number}" for number in range(99)]
    lines += ["address add 10.77.0.1/24 dev eth0", "link set eth0 up", "link set peer0 up"]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def main() -> None:
    """Measure and report."""
    if _INSIDE not in os.environ:
        enter_namespace()
    configure()
    from . import asynchronous, opening, receiving, report, sending  # noqa: PLC0415 - they need the namespace.

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        library = Path(folder) / "floor.so"
        source = _HERE / "floor.c"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        floor = ctypes.CDLL(str(library))
        goals = [
            *receiving.goals(floor, stack),
            *asynchronous.goals(floor, stack),
            *sending.goals(floor, stack),
            *opening.goals(stack),
        ]
        contests = list(dict.fromkeys(goal.contest.name for goal in goals))
        by_name = {goal.contest.name: goal.contest for goal in goals}
        for number in range(ROUNDS):
            for name in contests:
                by_name[name].round()
            print(f"\rround {number + 1} of {ROUNDS}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        report.write(goals, opening.heap_of_a_large_receiver(), _HERE.parent / "docs")


if __name__ == "__main__":
    main()
