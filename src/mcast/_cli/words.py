"""Putting into words what commands show."""

from __future__ import annotations

import errno
import re
from ipaddress import IPv4Address, IPv6Address

from rich.filesize import decimal


def reason(error: Exception) -> str:
    """Return in words what went wrong, with the name of the system's error if it is one."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror is not None:
        return f"{error.strerror} ({errno.errorcode.get(error.errno, error.errno)})"
    # The facade names its arguments, which are options here.
    return re.sub(r"\binterfaces?=", "--interface", str(error))


def hints(error: Exception) -> list[str]:
    """Return what `error` says can be done about it."""
    return list(getattr(error, "__notes__", ()))


def endpoint(host: str | IPv4Address | IPv6Address, port: int) -> str:
    """Return address and port as URLs write them: an IPv6 address in brackets (RFC 3986)."""
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def amount(datagrams: int, size: int) -> str:
    """Return a number of datagrams and their size in bytes."""
    return f"{datagrams:,} datagram{'' if datagrams == 1 else 's'}, {decimal(size)}"
