"""Windows' control data, controls and notifications over a stand-in of its libraries."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcast_lowlevel import In6Pktinfo, InPktinfo, Sockaddr, SockaddrIn, SockaddrIn6
from mcast_lowlevel._generated.windows import ffi
from mcast_lowlevel._structs import Structs
from mcast_lowlevel._windows_links import LinkWatch
from mcast_lowlevel._windows_messages import MessageBatch, MessageSender, keep_after_reset

STRUCTS = Structs("Windows", ffi)
WSAID_WSARECVMSG = "c8d789f61f6f6b438a53e54fe351c322"
SOURCE4 = SockaddrIn(IPv4Address("192.0.2.1"), 5000)
SOURCE6 = SockaddrIn6(IPv6Address("fe80::1"), 5000, 0, 7)
INFO4 = STRUCTS.pack(InPktinfo(5, IPv4Address("239.1.2.3")))
INFO6 = STRUCTS.pack(In6Pktinfo(IPv6Address("ff15::1"), 5))


def control_message(level: int, kind: int, content: bytes) -> bytes:
    """Return a WSACMSGHDR with its content, padded to eight bytes (ws2def.h)."""
    packed = struct.pack("=Qii", 16 + len(content), level, kind) + content
    return packed + bytes(-len(packed) % 8)


class Winsock:
    """Winsock has datagrams of one content to give, and takes note of what it is asked."""

    def __init__(self, control: bytes = b"", source: Sockaddr = SOURCE4) -> None:
        """Give them with that control data, from `source`."""
        self.codes: list[tuple[int, bytes]] = []
        self.sent: list[tuple[bytes, bytes, bytes]] = []
        self._control, self._name = control, STRUCTS.pack(source)
        self._receive = ffi.callback("LPFN_WSARECVMSG", self._recvmsg)

    def WSAIoctl(self, sockfd: int, code: int, given: Any, size: int, *rest: Any) -> int:  # noqa: N802
        """Give WSARecvMsg where that is asked for."""
        self.codes.append((code, bytes(ffi.buffer(given, size))))
        if rest[1]:
            rest[0][0] = self._receive
        return 0

    def _recvmsg(self, sockfd: int, message: Any, size: Any, *rest: Any) -> int:
        ffi.memmove(message.name, self._name, len(self._name))
        message.namelen = len(self._name)
        ffi.memmove(message.Control.buf, self._control, len(self._control))
        message.Control.len = len(self._control)
        ffi.memmove(message.lpBuffers[0].buf, b"abc", 3)
        size[0] = 3
        return 0

    def WSASendMsg(self, sockfd: int, message: Any, flags: int, sent: Any, *rest: Any) -> int:  # noqa: N802
        """Take note of payload, control data and address."""
        buffer = message.lpBuffers[0]
        self.sent.append(
            (
                bytes(ffi.buffer(buffer.buf, buffer.len)),
                bytes(ffi.buffer(message.Control.buf, message.Control.len)),
                bytes(ffi.buffer(message.name, message.namelen)),
            )
        )
        sent[0] = buffer.len
        return 0


@pytest.mark.parametrize(
    ("source", "control"),
    [
        (SOURCE4, control_message(0, 19, INFO4) + control_message(0, 21, struct.pack("=i", 7))),
        (SOURCE4, control_message(0, 4, struct.pack("=i", 7)) + control_message(0, 19, INFO4)),
        (SOURCE6, control_message(41, 21, struct.pack("=i", 7)) + control_message(41, 19, INFO6)),
    ],
    ids=["IPv4", "IPv4 with IP_TTL", "IPv6"],
)
def test_control_data_is_read(source: Sockaddr, control: bytes) -> None:
    """The destination, the interface and the hop limit, in whatever order and number."""
    library: Any = Winsock(control, source)
    batch = MessageBatch(4, library)
    assert batch.receive(3, 4) == 4
    ((code, identifier),) = library.codes
    assert (code, identifier.hex()) == (0xC8000006, WSAID_WSARECVMSG)
    assert batch.copies(batch.sizes()) == [b"abc"] * 4
    message = batch.message(3)
    group = IPv4Address("239.1.2.3") if source is SOURCE4 else IPv6Address("ff15::1")
    assert message.destination == group.packed
    assert (message.interface_index, message.hop_limit) == (5, 7)
    assert STRUCTS.unpack_sockaddr(message.name) == source
    assert len(set(batch.keys())) == 1


@given(st.binary(max_size=250))
def test_no_control_data_leads_astray(control: bytes) -> None:
    """Whatever the bytes, reading stays within them and ends."""
    library: Any = Winsock(control)
    batch = MessageBatch(1, library)
    assert batch.receive(3, 1) == 1
    assert STRUCTS.unpack_sockaddr(batch.message(0).name) == SOURCE4


def test_what_is_sent_has_its_control_data_and_address() -> None:
    """Each payload goes out once, with the interface in a control message."""
    library: Any = Winsock()
    name = STRUCTS.pack(SOURCE4)
    sender = MessageSender(4, library)
    assert sender.send(3, [b"one", bytearray(b"two")], name, (0, 19, INFO4)) == 2
    expected = control_message(0, 19, INFO4)
    assert library.sent == [(b"one", expected, name), (b"two", expected, name)]
    assert sender.send(3, [b""]) == 1
    assert library.sent[-1] == (b"", b"", b"")


def test_resets_are_switched_off() -> None:
    """SIO_UDP_CONNRESET is given FALSE, four bytes of it (winsock's documents)."""
    library: Any = Winsock()
    keep_after_reset(3, library)
    assert library.codes == [(0x9800000C, bytes(4))]


class Helper:
    """Helper is iphlpapi.dll, which calls back when an address changes."""

    def __init__(self) -> None:
        """Know no listener."""
        self.listeners: dict[int, Any] = {}

    def NotifyUnicastIpAddressChange(  # noqa: N802 - the system's.
        self, family: int, callback: Any, context: Any, initial: int, handle: Any
    ) -> int:
        """Take the listener, for both families and for changes alone."""
        assert (family, initial) == (0, 0)
        number = len(self.listeners) + 1
        self.listeners[number] = ffi.cast("void (*)(void *, void *, int)", callback)
        handle[0] = ffi.cast("void *", number)
        return 0

    def CancelMibChangeNotify2(self, handle: Any) -> int:  # noqa: N802 - the system's.
        """Let it go."""
        del self.listeners[int(ffi.cast("size_t", handle))]
        return 0


def test_a_watch_is_readable_when_addresses_change() -> None:
    """What the system calls back is seen once, waking is no change, and closing ends it."""
    helper: Any = Helper()
    watch = LinkWatch(changes=True, library=helper)
    (listener,) = helper.listeners.values()
    assert watch.read().seen is False
    for _ in range(3):
        listener(ffi.NULL, ffi.NULL, 0)
    assert watch.read() == (True, frozenset())
    watch.wake()
    assert watch.read().seen is False
    for _ in range(100_000):  # More than the sockets hold; nothing is raised.
        listener(ffi.NULL, ffi.NULL, 0)
    assert watch.read().seen is True
    watch.close()
    assert helper.listeners == {}
    assert watch.fileno() == -1
    quiet = LinkWatch(changes=False, library=helper)
    assert helper.listeners == {}
    quiet.close()
