"""What joins, leaves and source filters put on the wire, and what switch and router make of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.capture import watch
from tests.hosts import TIMEOUT, Host, Network
from tests.skipping import skip_unless_ci
from tests.told import obey, say

# Types of group records, RFC 3376 section 4.2.12 and RFC 3810 section 5.2.12.
CHANGE_TO_INCLUDE, CHANGE_TO_EXCLUDE, ALLOW_NEW, BLOCK_OLD = 3, 4, 5, 6

SNOOPING = (
    "mcast_snooping 1 mcast_igmp_version 3 mcast_mld_version 2 mcast_query_response_interval 20 "
    "mcast_last_member_interval 20 mcast_startup_query_interval 20 mcast_querier 1"
)
"""A bridge that forwards groups where they are asked for; the times are hundredths of a second."""


@contextmanager
def route(router: Host, folder: Path, groups: list[str]) -> Generator[None]:
    """Forward the groups from eth0 to eth1."""
    if shutil.which("smcrouted") is None:
        skip_unless_ci("smcrouted is missing: install smcroute")
    config, control = folder / "smcroute.conf", folder / "control"
    lines = [f"phyint {name} enable" for name in ("eth0", "eth1")]
    lines += [f"mroute from eth0 group {group} to eth1" for group in groups]
    config.write_text("\n".join(lines) + "\n", encoding="ascii")
    options = ["-n", "-N", "-l", "none", "-P", str(folder / "pid"), "-u", str(control)]
    daemon = router.popen("smcrouted", *options, "-f", config)
    try:
        deadline = time.monotonic() + TIMEOUT
        while not control.exists():
            assert time.monotonic() < deadline
            assert daemon.poll() is None, daemon.communicate()
        yield
    finally:
        daemon.terminate()
        daemon.communicate(timeout=TIMEOUT)


STEPS: list[tuple[list[Any], list[Any], list[int]]] = [
    # The step, the record it puts on the wire, and whose datagrams come then, by number.
    (["join"], [CHANGE_TO_EXCLUDE], [0, 1]),
    (["block", 0], [BLOCK_OLD, 0], [1]),
    (["unblock", 0], [ALLOW_NEW, 0], [0, 1]),
    (["leave"], [CHANGE_TO_INCLUDE], []),
    (["join", 1], [ALLOW_NEW, 1], [1]),
    (["add_source", 0], [ALLOW_NEW, 0], [0, 1]),
    (["drop_source", 1], [BLOCK_OLD, 1], [0]),
    (["leave"], [BLOCK_OLD, 0], []),
]


@pytest.mark.parametrize("version", [4, 6])
def test_the_wire_tells_what_is_joined(
    network: Network, new_group: Callable[[int], str], port: int, tmp_path: Path, version: int
) -> None:
    """Each step is one IGMPv3 or MLDv2 report, and the router's datagrams come accordingly."""
    network.lay(1, SNOOPING)
    alice, router = network.host("alice", eth0=0), network.host("router", eth0=0, eth1=1)
    bob = network.host("bob", eth0=1)
    subnet, sources = {
        4: ("10.77.0.0/24 via 10.77.1.1", ["10.77.0.1", "10.77.0.101"]),
        6: ("fd77::/64 via fd77:1::1", ["fd77::1", "fd77::101"]),
    }[version]
    alice.configure(f"address add {sources[1]}/{24 if version == 4 else 64} dev eth0")
    bob.configure(f"route add {subnet} dev eth0")
    group, end, other_end = (new_group(version) for _ in range(3))

    def of(parts: list[Any]) -> list[str]:
        return [sources[part] if isinstance(part, int) else part for part in parts]

    steps = [of(step) for step, _, _ in STEPS]
    with (
        route(router, tmp_path, [group, end]),
        bob.start(watch, "eth0", group, end) as wire,
        bob.start(obey, group, [end, other_end], port, steps) as receiver,
    ):
        assert [wire.next(), receiver.next()] == ["ready", []]

        def passed_and_heard() -> list[list[str]]:
            alice.call(say, group, port, sources, "")
            alice.call(say, end, port, sources[:1], "end")
            while (passed := wire.next())[0] != "passed":
                pass
            return [passed[1:], receiver.next()]

        for _, (kind, *about), heard in STEPS:
            alice.call(say, end, port, sources[:1], "next")
            while wire.next() != [kind, of(about)]:
                pass
            deadline = time.monotonic() + TIMEOUT
            while True:  # The switch takes a moment.
                passed, received = passed_and_heard()
                # Of a group with a listener, it may let pass what is only filtered there.
                if received == of(heard) and (passed == received or received):
                    break
                assert time.monotonic() < deadline, (passed, received, kind, about)
