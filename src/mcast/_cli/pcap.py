"""Writing what is received to a file that Wireshark opens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

import mcast

Write: TypeAlias = Callable[[int, Sequence[mcast.Datagram]], None]
"""Takes the port that datagrams were sent to, which they do not tell, and the datagrams."""

_RAW_IP: Final = 101
"""LINKTYPE_RAW: packets begin with the header of IPv4 or IPv6."""
_UDP: Final = 17
_UDP_HEADER: Final = 8
_CHECKSUM: Final = 6
"""Where it stands in the header of UDP."""


@contextmanager
def capture(path: str) -> Generator[Write]:
    """Give a function that writes datagrams to a file, ``-`` for the standard output.

    Times are in nanoseconds. The system hands over payloads alone: their headers are made anew
    from what it tells beside. Raises `OSError`.
    """
    try:
        utils: Any = import_module("scapy.utils")  # Now, because it takes half a second.
    except ImportError:
        raise click.ClickException(
            "scapy is missing, which --pcap needs: pip install 'mcast-cffi[cli]'"
        ) from None
    with nullcontext(sys.stdout.buffer) if path == "-" else Path(path).open("wb") as file:
        writer = utils.RawPcapWriter(file, linktype=_RAW_IP, nano=True)
        writer.write_header(None)
        file.flush()

        def write(port: int, datagrams: Sequence[mcast.Datagram]) -> None:
            for datagram in datagrams:
                seconds, nanoseconds = divmod(datagram.timestamp_ns, 1_000_000_000)
                writer.write_packet(_packet(datagram, port), sec=seconds, usec=nanoseconds)
            file.flush()  # Whoever reads a pipe gets it at once.

        yield write


def _packet(datagram: mcast.Datagram, port: int) -> bytes:
    """Return a datagram with its headers."""
    host = datagram.source.host.partition("%")[0]
    group, data = str(datagram.group), datagram.data
    ip, headers = _headers(host, group, datagram.source.port, port, datagram.ttl, len(data))
    start = len(headers) - _UDP_HEADER
    total = _checksum(ip, headers[start:] + data)
    at = start + _CHECKSUM
    return headers[:at] + total.to_bytes(2) + headers[at + 2 :] + data


@lru_cache(maxsize=256)
def _headers(  # noqa: PLR0917 - a cache's key.
    host: str, group: str, source_port: int, port: int, ttl: int, size: int
) -> tuple[Any, bytes]:
    """Return IP's header as scapy has it, and the bytes of both with no checksum of UDP."""
    inet, inet6 = _layers()
    udp = inet.UDP(sport=source_port, dport=port, len=_UDP_HEADER + size, chksum=0)
    if ":" in group:
        ip = inet6.IPv6(src=host, dst=group, hlim=ttl, nh=_UDP, plen=_UDP_HEADER + size)
    else:
        ip = inet.IP(src=host, dst=group, ttl=ttl, proto=_UDP, len=20 + _UDP_HEADER + size)
    return ip, bytes(ip / udp)


def _checksum(ip: Any, data: bytes) -> int:
    inet, inet6 = _layers()
    checksum = inet6.in6_chksum if ip.version == 6 else inet.in4_chksum
    total: int = checksum(_UDP, ip, data)
    return total or 0xFFFF  # 0 means that there is none (RFC 768).


@lru_cache
def _layers() -> tuple[Any, Any]:
    """Return scapy's modules of the two versions of IP, which have no types."""
    return import_module("scapy.layers.inet"), import_module("scapy.layers.inet6")
