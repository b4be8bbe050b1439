"""Packing and unpacking of structs, for each platform by its own declarations."""

from __future__ import annotations

import struct
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mcast_lowlevel
from mcast_lowlevel import (
    FilterMode,
    GroupFilter,
    GroupReq,
    GroupSourceReq,
    In6Pktinfo,
    InPktinfo,
    IpMreq,
    IpMreqn,
    IpMreqSource,
    Ipv6Mreq,
    Sockaddr,
    SockaddrIn,
    SockaddrIn6,
    Struct,
    UnsupportedError,
)
from mcast_lowlevel._generated import darwin, linux, linux32, windows
from mcast_lowlevel._structs import Structs
from tests import strategies
from tests.compilers import require_c_compiler
from tests.hosts import TIMEOUT
from tests.skipping import skip_off_linux

if TYPE_CHECKING:
    from collections.abc import Callable

HAS_64_BITS = sys.maxsize > 2**32
PLATFORMS: dict[str, Structs] = {
    "linux": Structs("Linux", linux.ffi if HAS_64_BITS else linux32.ffi),
    "darwin": Structs("macOS", darwin.ffi),
    "windows": Structs("Windows", windows.ffi),
}
if not HAS_64_BITS:
    del PLATFORMS["darwin"], PLATFORMS["windows"]  # They are declared for 64 bits alone.
if sys.platform == "win32":
    del PLATFORMS["linux"]  # Its structs hold a long, which has half as many bytes here.
LACKING: dict[str, set[type]] = {
    "linux": set(),
    "darwin": {GroupFilter},
    "windows": {IpMreqn},
}
OFFERED = [
    pytest.param(platform, kind, id=f"{platform}-{kind.__name__}")
    for platform in PLATFORMS
    for kind in strategies.structs
    if kind not in LACKING[platform]
]


def _value(platform: str, kind: type) -> st.SearchStrategy[Struct]:
    if (platform, kind) == ("windows", InPktinfo):  # It has no ipi_spec_dst.
        return st.tuples(strategies.int31, strategies.ipv4).map(lambda pair: InPktinfo(*pair))
    return strategies.structs[kind]


@pytest.mark.parametrize(("platform", "kind"), OFFERED)
@given(data=st.data())
def test_unpacking_gives_back_what_was_packed(
    platform: str, kind: type[Struct], data: st.DataObject
) -> None:
    """Unpacking gives back every value, on each platform."""
    value = data.draw(_value(platform, kind))
    structs = PLATFORMS[platform]
    assert structs.unpack(kind, structs.pack(value)) == value


@pytest.mark.parametrize(("platform", "kind"), OFFERED)
@given(data=st.data())
def test_packed_bytes_are_those_of_the_documented_layout(
    platform: str, kind: type[Struct], data: st.DataObject
) -> None:
    """The bytes are those that struct.pack makes by the layout in the platform's documents."""
    value = data.draw(_value(platform, kind))
    assert PLATFORMS[platform].pack(value) == documented(platform, value)


def documented(platform: str, value: Struct) -> bytes:
    """Return `value` packed by hand, from the layouts of headers and manual pages."""
    # macOS packs the RFC 3678 requests to 4 bytes; elsewhere their addresses are aligned to a word.
    gap = "" if platform == "darwin" or not HAS_64_BITS else "4x"
    match value:
        case SockaddrIn() | SockaddrIn6():
            return _documented_sockaddr(platform, value)
        case IpMreq():
            return value.imr_multiaddr.packed + value.imr_interface.packed
        case IpMreqn():
            return struct.pack("=4s4si", *_packed(value[:2]), value.imr_ifindex)
        case IpMreqSource():
            last_two = (value.imr_sourceaddr.packed, value.imr_interface.packed)
            if platform == "linux":
                last_two = last_two[::-1]
            return value.imr_multiaddr.packed + b"".join(last_two)
        case Ipv6Mreq():
            return struct.pack("=16sI", value.ipv6mr_multiaddr.packed, value.ipv6mr_interface)
        case GroupReq():
            group = _documented_sockaddr(platform, value.gr_group)
            return struct.pack(f"=I{gap}128s", value.gr_interface, group)
        case GroupSourceReq():
            pair = [_documented_sockaddr(platform, item) for item in value[1:]]
            return struct.pack(f"=I{gap}128s128s", value.gsr_interface, *pair)
        case GroupFilter():
            group = _documented_sockaddr(platform, value.gf_group)
            modes = {"linux": (1, 0), "windows": (0, 1)}[platform]
            mode = modes[value.gf_fmode is FilterMode.EXCLUDE]
            count = len(value.gf_slist)
            sources = [_documented_sockaddr(platform, item) for item in value.gf_slist]
            head = struct.pack(f"=I{gap}128sII", value.gf_interface, group, mode, count)
            return head + b"".join(source.ljust(128, b"\0") for source in sources)
        case InPktinfo():
            if platform == "windows":
                return struct.pack("=4sI", value.ipi_addr.packed, value.ipi_ifindex)
            addresses = (value.ipi_spec_dst.packed, value.ipi_addr.packed)
            return struct.pack("=i4s4s", value.ipi_ifindex, *addresses)
        case In6Pktinfo():
            return struct.pack("=16sI", value.ipi6_addr.packed, value.ipi6_ifindex)


def _packed(addresses: tuple[IPv4Address, ...]) -> list[bytes]:
    return [address.packed for address in addresses]


def _documented_sockaddr(platform: str, value: Sockaddr) -> bytes:
    family, size = 2, 16
    if isinstance(value, SockaddrIn6):
        family, size = {"linux": 10, "darwin": 30, "windows": 23}[platform], 28
    # BSD's sockaddr begins with its length and a family of one byte.
    head = struct.pack("=BB", size, family) if platform == "darwin" else struct.pack("=H", family)
    if isinstance(value, SockaddrIn):
        return head + struct.pack("!H4s8x", value.sin_port, value.sin_addr.packed)
    middle = struct.pack("!HI16s", value.sin6_port, value.sin6_flowinfo, value.sin6_addr.packed)
    return head + middle + struct.pack("=I", value.sin6_scope_id)


@given(values=st.tuples(*strategies.structs.values()))
def test_packed_bytes_are_those_of_the_compiler(
    compiled_packer: Callable[[tuple[Struct, ...]], list[bytes]], values: tuple[Struct, ...]
) -> None:
    """A C program that fills the headers' own structs field by field gets the same bytes."""
    assert [mcast_lowlevel.pack(value) for value in values] == compiled_packer(values)


@pytest.fixture(scope="module")
def compiled_packer(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[tuple[Struct, ...]], list[bytes]]:
    """Compile the C program and return a function that runs it on values."""
    skip_off_linux("all of the structs that the C program fills")
    program = tmp_path_factory.mktemp("packer") / "packer"
    source = Path(__file__).with_name("packer.c")
    subprocess.run([require_c_compiler(), "-Wall", "-Werror", "-o", program, source], check=True)

    def run(values: tuple[Struct, ...]) -> list[bytes]:
        script = "\n".join(" ".join(_words(value)) for value in values) + "\n"
        result = subprocess.run(
            [program], input=script, capture_output=True, text=True, check=True, timeout=TIMEOUT
        )
        return [bytes.fromhex(line) for line in result.stdout.splitlines()]

    return run


def _words(value: Any) -> list[str]:
    """Return a value as the C program reads it: the struct's name, then its fields."""
    if not hasattr(value, "__len__"):
        return [value.name if isinstance(value, FilterMode) else str(value)]
    head = type(value).__name__ if hasattr(value, "_fields") else str(len(value))
    return [head, *(word for item in value for word in _words(item))]


@pytest.mark.parametrize(("platform", "kind"), OFFERED)
def test_unpacking_refuses_a_struct_that_is_cut_short(platform: str, kind: type[Struct]) -> None:
    """A struct without its last byte is refused, with the size that it takes."""
    structs = PLATFORMS[platform]
    size = structs.size(kind)
    with pytest.raises(ValueError, match=rf"takes {size} bytes, not {size - 1}"):
        structs.unpack(kind, bytes(size - 1))


def test_unpacking_refuses_a_filter_whose_sources_are_missing() -> None:
    """A source filter that announces more sources than it carries is refused."""
    source = SockaddrIn(IPv4Address("192.0.2.1"))
    structs = PLATFORMS["windows" if "windows" in PLATFORMS else "linux"]
    whole = structs.pack(GroupFilter(1, source, FilterMode.INCLUDE, (source, source)))
    with pytest.raises(ValueError, match=f"takes {len(whole)} bytes, not {len(whole) - 1}"):
        structs.unpack(GroupFilter, whole[:-1])


@pytest.mark.parametrize("interface", [-1, 2**32])
def test_packing_refuses_an_index_that_the_field_cannot_hold(interface: int) -> None:
    """An interface index outside the field's range is refused instead of being cut."""
    with pytest.raises(OverflowError):
        mcast_lowlevel.pack(GroupReq(interface, SockaddrIn(IPv4Address("239.1.2.3"))))


@pytest.mark.parametrize(
    ("platform", "kind"),
    [
        pytest.param(name, kind, id=f"{name}-{kind.__name__}")
        for name in PLATFORMS
        for kind in LACKING[name]
    ],
)
def test_a_struct_that_the_platform_lacks_is_named(platform: str, kind: type[Struct]) -> None:
    """The error for a struct that a platform lacks names both."""
    structs = PLATFORMS[platform]
    with pytest.raises(UnsupportedError, match=r"(macOS|Windows) has no struct \w+"):
        structs.unpack(kind, bytes(512))


@pytest.mark.skipif("windows" not in PLATFORMS, reason="Windows' structs have 64 bits here")
def test_a_field_that_windows_lacks_is_named() -> None:
    """Windows' in_pktinfo has no ipi_spec_dst, and a value for it is not dropped in silence."""
    info = InPktinfo(1, IPv4Address("239.1.2.3"), IPv4Address("192.0.2.1"))
    with pytest.raises(UnsupportedError, match="Windows's struct in_pktinfo has no field ipi_spec"):
        PLATFORMS["windows"].pack(info)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_sockaddr_of_another_family_is_refused(platform: str) -> None:
    """A socket address that is neither IPv4 nor IPv6 is refused by its family's number."""
    family = b"\x10\x01" if platform == "darwin" else struct.pack("=H", 1)
    with pytest.raises(ValueError, match="address family 1 is neither IPv4 nor IPv6"):
        PLATFORMS[platform].unpack_sockaddr(family.ljust(16, b"\0"))


def test_importing_needs_cffi_and_the_standard_library_only() -> None:
    """Importing mcast loads no parser and no package but cffi's backend."""
    script = (
        "import sys; before = set(sys.modules); import mcast; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    assert result.stdout.split() == ["_cffi_backend", "mcast", "mcast_lowlevel"]
