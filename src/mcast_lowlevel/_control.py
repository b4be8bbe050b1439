"""Ancillary data of datagrams, by a platform's numbers: the one place that reads or packs it."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from ._records import Message

if TYPE_CHECKING:
    from _cffi_backend import FFI, CType

    CData = FFI.CData

Kind: TypeAlias = tuple[int, int]
"""A control message's level and type."""


class PacketInfo(NamedTuple):
    """PacketInfo is a struct of packet information, and the fields of it that are read."""

    ctype: CType
    """A pointer to it."""
    address: str
    interface_index: str


class Time(NamedTuple):
    """Time is a struct of a time since the epoch, and its fields."""

    ctype: CType
    """A pointer to it."""
    seconds: str
    fraction: str
    nanoseconds: int
    """How many a unit of the fraction is."""


def packet_information(ffi: FFI) -> Mapping[Kind, PacketInfo]:
    """Return which control messages carry packet information; all platforms name them alike."""
    constant = ffi.integer_const
    return {
        (constant("IPPROTO_IP"), constant("IP_PKTINFO")): PacketInfo(
            ffi.typeof("struct in_pktinfo *"), "ipi_addr", "ipi_ifindex"
        ),
        (constant("IPPROTO_IPV6"), constant("IPV6_PKTINFO")): PacketInfo(
            ffi.typeof("struct in6_pktinfo *"), "ipi6_addr", "ipi6_ifindex"
        ),
    }


@dataclass(frozen=True)
class ControlReader:
    """ControlReader knows what the ancillary data of one platform looks like."""

    ffi: FFI
    header: CType
    """A pointer to the struct that each control message begins with; its content follows it."""
    alignment: int
    """Bytes; each message begins at a multiple of it."""
    packet_info: Mapping[Kind, PacketInfo]
    hop_limits: Container[Kind]
    times: Mapping[Kind, Time] = field(default_factory=dict[Kind, Time])
    segment_sizes: Container[Kind] = ()

    def read(self, name: bytes, control: CData, size: int, timestamp_ns: int = 0) -> Message:
        """Return what `size` bytes of control data tell; what they do not is 0 or empty.

        `name` is the sender's sockaddr. `timestamp_ns` holds where no time is told.
        """
        destination, interface_index, hop_limit, segment_size = b"", 0, 0, 0
        for kind, content, length in self._messages(control, size):
            if kind in self.packet_info:
                form = self.packet_info[kind]
                info = self._at(form.ctype, content, length)
                if info is not None:
                    place: Any = self.ffi.buffer(self.ffi.addressof(info, form.address))
                    destination, interface_index = place[:], getattr(info, form.interface_index)
            elif kind in self.hop_limits:
                hop_limit = self._number(content, length)
            elif kind in self.times:
                told = self.times[kind]
                time = self._at(told.ctype, content, length)
                if time is not None:
                    fraction = getattr(time, told.fraction) * told.nanoseconds
                    timestamp_ns = getattr(time, told.seconds) * 1_000_000_000 + fraction
            elif kind in self.segment_sizes:
                segment_size = self._number(content, length)
        return Message(name, destination, interface_index, hop_limit, timestamp_ns, segment_size)

    def _messages(self, control: Any, size: int) -> Iterator[tuple[Kind, Any, int]]:
        """Yield each message's kind, content and the content's bytes; a cut one ends them."""
        header_size = self.ffi.sizeof(self.header.item)
        position = 0
        while position + header_size <= size:
            header: Any = self.ffi.cast(self.header, control + position)
            length = header.cmsg_len
            if not header_size <= length <= size - position:
                return
            kind = (header.cmsg_level, header.cmsg_type)
            yield kind, control + position + header_size, length - header_size
            position += (length + self.alignment - 1) & -self.alignment

    def _at(self, pointer: CType, content: Any, length: int) -> Any:
        """Return the struct there, None where it would not fit."""
        if length < self.ffi.sizeof(pointer.item):
            return None
        return cast(Any, self.ffi.cast(pointer, content))

    def _number(self, content: Any, length: int) -> int:
        """Return an integer of whatever size the platform gives it."""
        return int.from_bytes(bytes(self.ffi.buffer(content, length)), sys.byteorder)


def pack_control(ffi: FFI, header: CType, alignment: int, message: tuple[int, int, bytes]) -> bytes:
    """Return a control message: its level, type and content, as `socket.sendmsg` takes them.

    `header` and `alignment` are those of `ControlReader`.
    """
    level, kind, content = message
    size = ffi.sizeof(header.item)
    fields = {"cmsg_len": size + len(content), "cmsg_level": level, "cmsg_type": kind}
    packed = bytes(ffi.buffer(ffi.new(header, fields)))
    return packed + content + bytes(-len(content) % alignment)
