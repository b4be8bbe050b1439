"""Emit the committed cffi modules from ``declarations/``, or check those declarations.

``python build_ffi.py``
    writes one ABI-mode module a platform into ``src/mcast_lowlevel/_generated/``. Importing one
    needs neither a compiler nor pycparser.
``python build_ffi.py --check``
    compiles the same text in API mode against this machine's headers, so that cffi compares every
    size, offset and constant with the compiler's.

No layout stands in this file: it only says which text and which headers make up a platform.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import cffi

ROOT: Final = Path(__file__).resolve().parent
DECLARATIONS: Final = ROOT / "declarations"
GENERATED: Final = ROOT / "src" / "mcast_lowlevel" / "_generated"
PACKAGE: Final = "mcast_lowlevel._generated"

_LINUX_HEADERS: Final = """
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <net/if.h>
#include <ifaddrs.h>
#include <netpacket/packet.h>
#include <time.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_link.h>
#include <linux/sock_diag.h>
"""

_DARWIN_HEADERS: Final = """
#define __APPLE_USE_RFC_3542
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_types.h>
#include <net/route.h>
#include <ifaddrs.h>
"""

_WINDOWS_HEADERS: Final = """
#define _WIN32_WINNT 0x0A00
#include <stddef.h>
#include <stdint.h>
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <iphlpapi.h>
"""


@dataclass(frozen=True)
class Source:
    """Source is one file of declarations."""

    file: str
    packed: bool = False
    """Whether the headers put these structs under ``#pragma pack``."""

    @property
    def text(self) -> str:
        """The declarations themselves."""
        return (DECLARATIONS / self.file).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Platform:
    """Platform is one generated module: its declarations and the headers that define the same."""

    module: str
    sources: tuple[Source, ...]
    headers: str
    pointer_size: int
    libraries: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the emitted module is committed."""
        return GENERATED / f"{self.module}.py"

    def declare(self) -> cffi.FFI:
        """Return a new ``FFI`` that has read the declarations, and nothing else."""
        ffi = cffi.FFI()
        for source in self.sources:
            ffi.cdef(source.text, packed=source.packed)
        return ffi

    def emit(self, path: Path) -> None:
        """Write the ABI-mode module to `path`."""
        ffi = self.declare()
        ffi.set_source(f"{PACKAGE}.{self.module}", None)
        ffi.emit_python_code(str(path))


PLATFORMS: Final = (
    Platform("linux", (Source("linux_lp64.h"), Source("linux.h")), _LINUX_HEADERS, 8),
    Platform("linux32", (Source("linux_ilp32.h"), Source("linux.h")), _LINUX_HEADERS, 4),
    Platform(
        "darwin", (Source("darwin.h"), Source("darwin_pack4.h", packed=True)), _DARWIN_HEADERS, 8
    ),
    Platform("windows", (Source("windows.h"),), _WINDOWS_HEADERS, 8, ("ws2_32", "iphlpapi")),
)


def this_machine() -> Platform:
    """Return the platform whose headers this machine has."""
    name = {"linux": "linux", "darwin": "darwin", "win32": "windows"}[sys.platform]
    if name == "linux" and sys.maxsize < 2**32:
        name = "linux32"
    return next(platform for platform in PLATFORMS if platform.module == name)


def check(platform: Platform) -> int:
    """Compile `platform`'s declarations against this machine's headers and compare all of them.

    Returns the number of types and constants compared. Raises `cffi.VerificationError` where the
    compiler refuses the text and `cffi.VerificationError` or `ffi.error` for a wrong value.
    """
    ffi = platform.declare()
    ffi.set_source("mcast_check", platform.headers, libraries=list(platform.libraries))
    with tempfile.TemporaryDirectory() as directory:
        compiled = _load("mcast_check", Path(ffi.compile(tmpdir=directory)))
    # cffi compares a type when it is first asked for, its fields when those are (older versions not
    # sooner), and a constant when it is first read.
    typedefs, structs, unions = compiled.ffi.list_types()
    types = [*typedefs, *(f"struct {tag}" for tag in structs), *(f"union {tag}" for tag in unions)]
    for name in types:
        ctype = compiled.ffi.typeof(name)
        if ctype.kind in {"struct", "union"}:
            list(ctype.fields or ())
    names = dir(compiled.lib)
    for name in names:
        getattr(compiled.lib, name)
    return len(types) + len(names)


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module that this Python can import")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Emit the cffi modules, or check them.")
    parser.add_argument(
        "--check", action="store_true", help="compare the declarations with this machine's headers"
    )
    if parser.parse_args().check:
        platform = this_machine()
        count = check(platform)
        print(f"{platform.module}: {count} types, functions and constants agree with the headers")
        return
    for platform in PLATFORMS:
        platform.emit(platform.path)
        print(f"wrote {platform.path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
