"""Runs a module as macOS would: the library takes this machine for one, and its C library is ours.

``python -m tests.on_darwin -m MODULE ARGUMENT…`` plays ``python -m MODULE ARGUMENT…``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import runpy
import socket
import sys
import types
from ipaddress import IPv6Interface
from pathlib import Path
from typing import Any

# What looks at sys.platform when it is imported is imported before that is changed.
import hypothesis
import pytest

GENERATED = Path("src/mcast_lowlevel/_generated/darwin.py")
FLAGS = {"UP": 0x1, "RUNNING": 0x40, "LOOPBACK": 0x8, "POINT_TO_POINT": 0x10, "MULTICAST": 0x8000}


class Late:
    """Late is the C library that is made when the package is there that makes it."""

    library: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return the function of the library."""
        return getattr(self.library, name)


def take_for_darwin() -> Late:
    """Have the library find macOS' module when it is imported, and return its C library."""
    name = "mcast_lowlevel._generated.darwin"
    spec = importlib.util.spec_from_file_location(name, GENERATED)
    assert spec is not None
    assert spec.loader is not None
    generated = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generated)
    sys.modules[name] = generated
    sys.platform = "darwin"
    played: Any = types.ModuleType("mcast_lowlevel._darwin_ffi")
    played.ffi, played.lib, played.DarwinLibrary = generated.ffi, Late(), object
    sys.modules[played.__name__] = played
    late: Late = played.lib
    return late


def machine() -> Any:
    """Return the stand-in that lists this machine's interfaces, and its default route."""
    from mcast_lowlevel import _linux  # noqa: PLC0415 - there is no such module before.
    from tests import darwin  # noqa: PLC0415

    entries: list[darwin.Entry] = []
    for record in _linux.interface_records():
        flags = sum(FLAGS[flag.name or ""] for flag in record.flags)
        of_link = darwin.link(record.name, record.index, record.link_address, flags, record.mtu)
        entries.append(of_link)
        for address in record.addresses:
            scope = record.index if isinstance(address, IPv6Interface) else 0
            entry = darwin.address(record.name, address, scope)
            entries.append(entry._replace(flags=flags))
    index = _linux.default_route_interface(socket.AF_INET)
    everywhere = b"\x10\x02" + bytes(14)
    routes = darwin.route(index, 0x3, everywhere, b"") if index else b""
    return darwin.Library(entries, routes)


def send_as_darwin() -> None:
    """Have sockets take control data as macOS does."""
    from tests import darwin  # noqa: PLC0415

    def sendmsg(self: Any, data: Any, ancillary: Any = (), *rest: Any) -> int:
        return darwin.linux_sendmsg(self, data, list(map(darwin.linux_ancillary, ancillary)), *rest)

    socket.socket.sendmsg = sendmsg  # type: ignore[method-assign]


def main(flag: str, module: str, *arguments: str) -> None:
    """Run the module."""
    assert (flag, asyncio, hypothesis, pytest) == ("-m", asyncio, hypothesis, pytest)
    late = take_for_darwin()
    late.library = machine()
    send_as_darwin()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
