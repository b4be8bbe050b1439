"""A stand-in of macOS' C library, for its module to run on any machine.

What it hands out are real structs of the declared layouts. Option numbers are those of macOS'
headers, written out once more, so that a wrong choice in the module's table is told. Sockets are
this machine's: each request is taken note of, and translated to what Linux calls it.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, NamedTuple

from mcast_lowlevel import Sockaddr, SockaddrIn, SockaddrIn6
from mcast_lowlevel._generated.darwin import ffi
from mcast_lowlevel._structs import Structs
from mcast_lowlevel._values import GroupReq, GroupSourceReq, In6Pktinfo, InPktinfo

linux_sendmsg = socket.socket.sendmsg
STRUCTS = Structs("macOS", ffi)
AF_INET6 = 30
SOL_SOCKET = 0xFFFF


class Entry(NamedTuple):
    """Entry is one struct ifaddrs."""

    name: str | None
    flags: int = 0x8863
    address: bytes | None = None
    """A packed sockaddr."""
    netmask: bytes | None = None
    mtu: int | None = None
    """Of a link's address: if_data is there."""


def link(name: str, index: int, mac: bytes, flags: int = 0x8863, mtu: int | None = 1500) -> Entry:
    """Return the entry of an interface's link address, whose name stands before the address."""
    tail = name.encode() + mac
    # sdl_len, sdl_family, sdl_index, sdl_type, sdl_nlen, sdl_alen, sdl_slen (net/if_dl.h).
    head = struct.pack("=BBHBBBB", 8 + len(tail), 18, index, 6, len(name.encode()), len(mac), 0)
    return Entry(name, flags, head + tail, mtu=mtu)


def address(name: str, of: IPv4Interface | IPv6Interface, scope: int = 0) -> Entry:
    """Return the entry of an address, as the kernel gives it.

    Its netmask ends before its last zeros, and a link-local address holds the interface's index.
    """
    if isinstance(of, IPv4Interface):
        packed = STRUCTS.pack(SockaddrIn(of.ip))
        start, mask = 4, of.netmask.packed
    else:
        where = IPv6Address(of.ip.packed)
        if where.is_link_local:
            where = IPv6Address(where.packed[:2] + scope.to_bytes(2, "big") + where.packed[4:])
        packed = STRUCTS.pack(SockaddrIn6(where, 0, 0, scope))
        start, mask = 8, of.netmask.packed
    short = (bytes(start) + mask).rstrip(b"\0")
    return Entry(name, 0x8863, packed, bytes([len(short), 0]) + short[2:].ljust(14, b"\0"))


def route(
    index: int, flags: int, destination: bytes, netmask: bytes | None, gateway: bytes = b""
) -> bytes:
    """Return a routing message; addresses are packed sockaddrs, each padded to four bytes."""
    present = 1 | (2 if gateway else 0) | (0 if netmask is None else 4)
    parts = [item for item in (destination, gateway, netmask) if item is not None]
    tail = b"".join(item + bytes(-len(item) % 4) for item in parts if item)
    message: Any = ffi.new("struct rt_msghdr *")
    message.rtm_msglen = ffi.sizeof("struct rt_msghdr") + len(tail)
    message.rtm_version, message.rtm_type, message.rtm_index = 5, 4, index
    message.rtm_flags, message.rtm_addrs = flags, present
    return bytes(ffi.buffer(message)) + tail


class Call(NamedTuple):
    """Call is one call of setsockopt."""

    level: int
    name: int
    value: bytes


_Translation = Callable[[bytes], tuple[int, int, bytes]]


def _as(level: int, name: int, size: int) -> _Translation:
    """Return what gives the number that a value of `size` bytes is to Linux's option."""

    def translate(value: bytes) -> tuple[int, int, bytes]:
        if len(value) != size:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        number = int.from_bytes(value, "little")
        return level, name, number.to_bytes(4, "little")

    return translate


def _storage(of: Sockaddr) -> bytes:
    family = socket.AF_INET if isinstance(of, SockaddrIn) else socket.AF_INET6
    if isinstance(of, SockaddrIn):
        return struct.pack("=H2x4s", family, of.sin_addr.packed).ljust(128, b"\0")
    return struct.pack("=H6x16s", family, of.sin6_addr.packed).ljust(128, b"\0")


def _group_request(level: int, name: int) -> _Translation:
    def translate(value: bytes) -> tuple[int, int, bytes]:
        request = STRUCTS.unpack(GroupReq, value)
        packed = struct.pack("=I4x", request.gr_interface) + _storage(request.gr_group)
        return level, name, packed

    return translate


def _source_request(level: int, name: int) -> _Translation:
    def translate(value: bytes) -> tuple[int, int, bytes]:
        request = STRUCTS.unpack(GroupSourceReq, value)
        packed = struct.pack("=I4x", request.gsr_interface)
        return level, name, packed + _storage(request.gsr_group) + _storage(request.gsr_source)

    return translate


def _interface(value: bytes) -> tuple[int, int, bytes]:
    (index,) = struct.unpack("=I", value)
    return 0, 32, struct.pack("=8xi", index)  # IP_MULTICAST_IF with an ip_mreqn.


def _requests(level: int) -> dict[tuple[int, int], _Translation]:
    """Return the requests of RFC 3678: Linux's numbers are 42 to 47."""
    return {
        (level, 80): _group_request(level, 42),
        (level, 81): _group_request(level, 45),
        (level, 82): _source_request(level, 46),
        (level, 83): _source_request(level, 47),
        (level, 84): _source_request(level, 43),
        (level, 85): _source_request(level, 44),
    }


# By the numbers of macOS' headers: sys/socket.h, netinet/in.h, netinet6/in6.h.
OPTIONS: Mapping[tuple[int, int], _Translation] = {
    (SOL_SOCKET, 0x0200): _as(1, 2, 4),  # SO_REUSEPORT does what SO_REUSEADDR does in Linux.
    (SOL_SOCKET, 0x1001): _as(1, 7, 4),  # SO_SNDBUF
    (SOL_SOCKET, 0x1002): _as(1, 8, 4),  # SO_RCVBUF
    (SOL_SOCKET, 0x0400): _as(1, 29, 4),  # SO_TIMESTAMP
    (0, 26): _as(0, 8, 4),  # IP_RECVPKTINFO
    (0, 24): _as(0, 12, 4),  # IP_RECVTTL
    (0, 10): _as(0, 33, 1),  # IP_MULTICAST_TTL, a u_char
    (0, 11): _as(0, 34, 1),  # IP_MULTICAST_LOOP, a u_char
    (0, 66): _interface,  # IP_MULTICAST_IFINDEX
    (41, 27): _as(41, 26, 4),  # IPV6_V6ONLY
    (41, 61): _as(41, 49, 4),  # IPV6_RECVPKTINFO
    (41, 37): _as(41, 51, 4),  # IPV6_RECVHOPLIMIT
    (41, 10): _as(41, 18, 4),  # IPV6_MULTICAST_HOPS
    (41, 11): _as(41, 19, 4),  # IPV6_MULTICAST_LOOP
    (41, 9): _as(41, 17, 4),  # IPV6_MULTICAST_IF
    **_requests(0),
    **_requests(41),
}


class Library:
    """Library is the stand-in; `entries` and `routes` are what it lists."""

    def __init__(self, entries: list[Entry], routes: bytes = b"") -> None:
        """List those."""
        self.calls: list[Call] = []
        self.failures: list[int] = []
        """The errno that each of the next calls fails with, 0 for one that does not."""
        self.growing = 0
        """How many times the routing table grows after its size was told."""
        self.lists = 0
        """How many lists of interfaces are handed out and not given back."""
        self.filters: dict[bytes, tuple[int, bytes]] = {}
        self._routes = routes
        self._held: list[Any] = []
        self._first = self._chain(entries)

    def _hold(self, memory: Any) -> Any:
        self._held.append(memory)
        return memory

    def _chain(self, entries: list[Entry]) -> Any:
        following: Any = ffi.NULL
        for entry in reversed(entries):
            item: Any = self._hold(ffi.new("struct ifaddrs *"))
            item.ifa_next, item.ifa_flags = following, entry.flags
            if entry.name is not None:
                item.ifa_name = self._hold(ffi.new("char[]", entry.name.encode()))
            for field, packed in (("ifa_addr", entry.address), ("ifa_netmask", entry.netmask)):
                if packed is not None:
                    # As long as it says and no longer: reading on is told by a sanitizer.
                    memory = self._hold(ffi.new("char[]", max(len(packed), 16)))
                    ffi.memmove(memory, packed, len(packed))
                    setattr(item, field, ffi.cast("struct sockaddr *", memory))
            if entry.mtu is not None:
                data: Any = self._hold(ffi.new("struct if_data *", {"ifi_mtu": entry.mtu}))
                item.ifa_data = data
            following = item
        return following

    def _fails(self) -> bool:
        number = self.failures.pop(0) if self.failures else 0
        ffi.errno = number
        return number != 0

    def getifaddrs(self, head: Any) -> int:
        """Hand the list out."""
        if self._fails():
            return -1
        head[0] = self._first
        self.lists += 1
        return 0

    def freeifaddrs(self, first: Any) -> None:
        """Take the list back."""
        assert first == self._first
        self.lists -= 1

    def sysctl(  # noqa: PLR0917 - as many as the system has.
        self, name: Any, size: int, old: Any, old_size: Any, new: Any, new_size: int
    ) -> int:
        """Tell the routing table's size, or write it where there is room."""
        if self._fails():
            return -1
        # CTL_NET, PF_ROUTE, 0, family, NET_RT_DUMP, 0.
        family = name[3]
        assert [name[number] for number in range(size)] == [4, 17, 0, family, 1, 0]
        assert family in {2, AF_INET6}
        assert new == ffi.NULL
        if old == ffi.NULL:
            old_size[0] = len(self._routes)
            return 0
        if self.growing:
            self.growing -= 1
            self._routes *= 2
        if old_size[0] < len(self._routes):
            ffi.errno = errno.ENOMEM
            return -1
        ffi.memmove(old, self._routes, len(self._routes))
        old_size[0] = len(self._routes)
        return 0

    def setsockopt(self, sockfd: int, level: int, name: int, value: Any, size: int) -> int:
        """Take note of it, and have Linux do it."""
        packed = bytes(ffi.buffer(value, size))
        self.calls.append(Call(level, name, packed))
        if self._fails():
            return -1
        return self._on_socket(sockfd, lambda sock: sock.setsockopt(*OPTIONS[level, name](packed)))

    def getsockopt(self, sockfd: int, level: int, name: int, value: Any, size: Any) -> int:
        """Return what Linux says."""
        known_level, known_name, _ = OPTIONS[level, name](bytes(4))

        def read(sock: socket.socket) -> None:
            packed = sock.getsockopt(known_level, known_name, size[0])
            ffi.memmove(value, packed, len(packed))

        return self._on_socket(sockfd, read)

    def recvmsg(self, sockfd: int, message: Any, flags: int) -> int:
        """Receive by Linux's call, and tell of it in macOS' form."""
        assert flags == 0x80  # MSG_DONTWAIT
        received = 0

        def receive(sock: socket.socket) -> None:
            nonlocal received
            iovec = message.msg_iov[0]
            data, ancillary, _, source = sock.recvmsg(iovec.iov_len, 512, socket.MSG_DONTWAIT)
            ffi.memmove(iovec.iov_base, data, len(data))
            name = STRUCTS.pack(_sockaddr(source))
            ffi.memmove(message.msg_name, name, len(name))
            message.msg_namelen = len(name)
            control = darwin_control(ancillary)
            ffi.memmove(message.msg_control, control, len(control))
            message.msg_controllen = len(control)
            received = len(data)

        return received if self._on_socket(sockfd, receive) == 0 else -1

    def sendmsg(self, sockfd: int, message: Any, flags: int) -> int:
        """Send by Linux's call what is given in macOS' form."""
        iovec = message.msg_iov[0]
        data = bytes(ffi.buffer(iovec.iov_base, iovec.iov_len))
        control = bytes(ffi.buffer(message.msg_control, message.msg_controllen))
        sent = 0

        def send(sock: socket.socket) -> None:
            nonlocal sent
            ancillary: list[tuple[int, int, bytes]] = []
            if control:
                size, level, kind = struct.unpack_from("=Iii", control)
                ancillary = [linux_ancillary((level, kind, control[12:size]))]
            if not message.msg_name:
                sent = linux_sendmsg(sock, [data], ancillary)
                return
            name = bytes(ffi.buffer(message.msg_name, message.msg_namelen))
            to = STRUCTS.unpack_sockaddr(name)
            where: tuple[Any, ...] = (str(to[0]), to[1])
            if isinstance(to, SockaddrIn6):
                where = (*where, 0, to.sin6_scope_id)
            sent = linux_sendmsg(sock, [data], ancillary, 0, where)

        return sent if self._on_socket(sockfd, send) == 0 else -1

    def setsourcefilter(  # noqa: PLR0917 - as many as the system has.
        self, sockfd: int, interface: int, group: Any, size: int, mode: int, count: int, slist: Any
    ) -> int:
        """Keep the filter."""
        if self._fails():
            return -1
        key = bytes(ffi.buffer(group, size))
        self.filters[key] = (mode, bytes(ffi.buffer(slist, count * 128)))
        return 0

    def getsourcefilter(  # noqa: PLR0917 - as many as the system has.
        self, sockfd: int, interface: int, group: Any, size: int, mode: Any, count: Any, slist: Any
    ) -> int:
        """Return what was kept, as far as there is room."""
        if self._fails():
            return -1
        kept_mode, kept = self.filters[bytes(ffi.buffer(group, size))]
        room = min(len(kept), count[0] * 128)
        ffi.memmove(slist, kept[:room], room)
        mode[0], count[0] = kept_mode, len(kept) // 128
        return 0

    @staticmethod
    def _on_socket(sockfd: int, act: Callable[[socket.socket], None]) -> int:
        sock = socket.socket(fileno=sockfd)
        try:
            act(sock)
        except OSError as error:
            ffi.errno = error.errno or 0
            return -1
        finally:
            sock.detach()
        return 0


def _sockaddr(of: Any) -> Sockaddr:
    if len(of) == 2:
        return SockaddrIn(IPv4Address(of[0]), of[1])
    host = of[0].partition("%")[0]
    return SockaddrIn6(IPv6Address(host), of[1], of[2], of[3])


def control_message(level: int, kind: int, content: bytes) -> bytes:
    """Return one of macOS' control messages: a header of 12 bytes, aligned to four."""
    return struct.pack("=Iii", 12 + len(content), level, kind) + content + bytes(-len(content) % 4)


def darwin_control(ancillary: list[tuple[int, int, bytes]]) -> bytes:
    """Return Linux's ancillary data in macOS' form."""
    control = b""
    for kind in sorted(ancillary, reverse=True):  # The time is the first.
        match kind:
            case (1, 29, content):  # SO_TIMESTAMP
                seconds, microseconds = struct.unpack("=qq", content)
                time = struct.pack("=qi4x", seconds, microseconds)
                control += control_message(SOL_SOCKET, 2, time)
            case (0, 2, content):  # IP_TTL is a u_char.
                control += control_message(0, 24, content[:1])
            case (0, 8, content):  # IP_PKTINFO
                index, _, to = struct.unpack("=i4s4s", content)
                info = InPktinfo(index, IPv4Address(to))
                control += control_message(0, 26, STRUCTS.pack(info))
            case (41, 50, content):  # IPV6_PKTINFO
                to, index = struct.unpack("=16sI", content)
                control += control_message(41, 46, STRUCTS.pack(In6Pktinfo(IPv6Address(to), index)))
            case (41, 52, content):  # IPV6_HOPLIMIT
                control += control_message(41, 47, content)
            case _:
                raise AssertionError(kind)
    return control


def linux_ancillary(message: tuple[int, int, bytes]) -> tuple[int, int, bytes]:
    """Return a control message of macOS as one of Linux."""
    level, kind, content = message
    if (level, kind) == (0, 26):
        info = STRUCTS.unpack(InPktinfo, content)
        return 0, 8, struct.pack("=i4s4x", info.ipi_ifindex, info.ipi_spec_dst.packed)
    assert (level, kind) == (41, 46)
    return 41, 50, content
