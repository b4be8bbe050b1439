"""`mcast querier` keeps switches that snoop sending, and leaves asking to another that asks."""

from __future__ import annotations

import time
from ipaddress import ip_address

import pytest

from tests.examination import asking, examine, find_one
from tests.hosts import TIMEOUT, Host


@pytest.mark.parametrize(("version", "options"), [(4, []), (6, ["--ipv6"])])
def test_a_switch_that_snoops_takes_it_for_a_querier(
    two_hosts: tuple[Host, Host], version: int, options: list[str]
) -> None:
    """What was wrong with the switch is no longer, for the kernel's bridge knows who asks."""
    alice, switch = two_hosts
    switch.configure("link add br0 type bridge", "link set br0 up", "link set eth0 master br0")
    group = "239.1.2.3" if version == 4 else "ff15::1"
    arguments = [group, "--interface", "eth0"]
    problem = "bridge br0 listens for members, and nobody asks for them"
    find_one(switch, problem, *arguments)
    with asking(alice, *options):
        deadline = time.monotonic() + TIMEOUT
        while examine(switch, *arguments)[0]:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("options", [[], ["--ipv6"]])
def test_the_lowest_address_goes_on(two_hosts: tuple[Host, Host], options: list[str]) -> None:
    """Who hears a lower address ask is silent, and says so; the other one goes on."""
    of = ("inet6", "link") if options else ("inet",)
    addresses = {ip_address(host.address("eth0", *of)): host for host in two_hosts}
    (first, lower), (_, higher) = sorted(addresses.items(), key=lambda item: int(item[0]))
    command = [*higher.interpreter, "-m", "mcast", "querier", "-i", "eth0", *options]
    with higher.popen(*command) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "asking on eth0\n"
        with asking(lower, *options):
            assert process.stderr.readline() == f"{first} asks on eth0\n"
        process.terminate()


def test_what_cannot_ask_is_refused(two_hosts: tuple[Host, Host]) -> None:
    """An interface without an address, and a user without the privilege, are told of."""
    alice, _ = two_hosts
    alice.configure("address flush dev eth0")
    command = [*alice.interpreter, "-m", "mcast", "querier"]
    for host, interface, words in (
        (alice, "eth0", "Error: eth0 has no address to ask from\n"),
        (alice, "nosuch0", "Error: no interface has the name, address or index 'nosuch0'"),
        (alice.under("setpriv", "--bounding-set=-all"), "lo", "Error: Operation not permitted"),
    ):
        with host.popen(*command, "--interface", interface) as process:
            _, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 1
        assert errors.startswith(words)
