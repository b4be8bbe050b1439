"""Linux's bridges: one that listens for members, with nobody who asks for them, ends streams."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

from ._records import Doubt, Finding, Question

_SECONDS: Final = 10


def faults(question: Question) -> Iterator[Finding | Doubt]:
    """Yield that the bridge of an interface has no querier, if it is on one that needs it."""
    program = shutil.which("ip")
    if program is None:
        yield Doubt(f"whether {question.interface.name} is on a bridge", "ip is not installed")
        return
    link = _show(program, question.interface.name)
    if "master" in link:
        link = _show(program, link["master"])
    info = link.get("linkinfo", {})
    if info.get("info_kind") != "bridge":
        return
    state, name = info.get("info_data", {}), link["ifname"]
    heard = f"mcast_querier_ipv{question.group.version}_addr"
    if state.get("mcast_snooping") and not state.get("mcast_querier") and not state.get(heard):
        yield Finding(
            f"bridge {name} listens for members, and nobody asks for them",
            "it forgets after some minutes who wants a group, and the stream stops",
            f"`ip -details link show {name}`: mcast_snooping 1, mcast_querier 0, and no querier "
            "was heard",
            f"ip link set {name} type bridge mcast_querier 1",
        )


def _show(program: str, name: str) -> dict[str, Any]:
    """Return what is known of an interface, nothing of one that is gone."""
    shown = subprocess.run(  # noqa: S603 - its arguments are these.
        [program, "-json", "-details", "link", "show", "dev", name],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    links: list[dict[str, Any]] = json.loads(shown.stdout or "[]")
    return links[0] if links else {}
