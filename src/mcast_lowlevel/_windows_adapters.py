"""Windows' network adapters (GetAdaptersAddresses), and the one that a destination leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, Final, cast

from ._generated.windows import ffi
from ._records import InterfaceFlag, InterfaceRecord
from ._structs import Structs
from ._values import Sockaddr, SockaddrIn, SockaddrIn6
from ._windows_types import HelperLibrary

_constant = ffi.integer_const

_ATTEMPTS: Final = 5
"""How often the list is asked for again because it grew since its size was told."""
_FIRST_SIZE: Final = 15_000
"""Bytes; what Microsoft's page on GetAdaptersAddresses recommends to begin with."""
_NO_DATA: Final = 232
"""ERROR_NO_DATA (winerror.h): there is no adapter."""
_OPERATIONAL_UP: Final = 1
"""IfOperStatusUp of IF_OPER_STATUS (ifdef.h)."""
_TUNNELS: Final = (_constant("IF_TYPE_PPP"), _constant("IF_TYPE_TUNNEL"))


@dataclass(frozen=True)
class AdapterRecord(InterfaceRecord):
    """AdapterRecord is what Windows tells of an interface beyond what others do."""

    ipv6_index: int
    """Its index for IPv6, 0 where it does not speak that; as a rule it is the same as `index`."""
    gateways: tuple[IPv4Address | IPv6Address, ...]
    ipv4_metric: int
    """What a route over it costs, lower is preferred."""
    ipv6_metric: int


def adapter_records(
    structs: Structs, helper: HelperLibrary, system_error: Callable[[int], OSError]
) -> list[AdapterRecord]:
    """Return every adapter with its addresses, ordered by index.

    `system_error` makes an exception of a number. Raises that, and `OSError` for a list that never
    stops to grow.
    """
    size: Any = ffi.new("ULONG *", _FIRST_SIZE)
    flags = (
        _constant("GAA_FLAG_SKIP_ANYCAST")
        | _constant("GAA_FLAG_SKIP_MULTICAST")
        | _constant("GAA_FLAG_SKIP_DNS_SERVER")
        | _constant("GAA_FLAG_INCLUDE_GATEWAYS")
    )
    for _ in range(_ATTEMPTS):
        memory = ffi.new("char[]", size[0])
        first: Any = ffi.cast("IP_ADAPTER_ADDRESSES_LH *", memory)
        code = helper.GetAdaptersAddresses(0, flags, ffi.NULL, first, size)
        if code == 0:
            records = [_record(structs, adapter) for adapter in _linked(first)]
            return sorted(records, key=lambda record: record.index)
        if code != _constant("ERROR_BUFFER_OVERFLOW"):
            if code == _NO_DATA:
                return []
            raise system_error(code)
    raise OSError(f"the adapters changed during each of {_ATTEMPTS} listings")


def default_route_interface(
    structs: Structs,
    helper: HelperLibrary,
    system_error: Callable[[int], OSError],
    destination: Sockaddr,
) -> int:
    """Return the index of the adapter that leads to `destination`, or 0.

    Where the system names none, it is the one with a gateway whose metric is the lowest. Raises as
    `adapter_records` does.
    """
    packed = structs.pack(destination)
    index: Any = ffi.new("DWORD *")
    address = ffi.cast("struct sockaddr *", ffi.from_buffer(packed))
    if helper.GetBestInterfaceEx(address, index) == 0:
        return int(index[0])
    version = destination[0].version
    costs = [
        (item.ipv4_metric if version == 4 else item.ipv6_metric, item.index)
        for item in adapter_records(structs, helper, system_error)
        if InterfaceFlag.UP in item.flags
        and any(gateway.version == version for gateway in item.gateways)
    ]
    return min(costs)[1] if costs else 0


def _linked(first: Any) -> Iterator[Any]:
    while first:
        yield first
        first = first.Next


def _record(structs: Structs, adapter: Any) -> AdapterRecord:
    index = adapter.IfIndex or adapter.Ipv6IfIndex
    name = adapter.AdapterName
    return AdapterRecord(
        index=index,
        name=cast(bytes, ffi.string(name)).decode("ascii", "replace") if name else str(index),
        friendly_name=_wide(adapter.FriendlyName),
        description=_wide(adapter.Description),
        scope=str(adapter.Ipv6IfIndex or index),
        link_address=bytes(
            ffi.buffer(
                adapter.PhysicalAddress,
                min(adapter.PhysicalAddressLength, _constant("MAX_ADAPTER_ADDRESS_LENGTH")),
            )
        ),
        mtu=None if adapter.Mtu in (0, 0xFFFFFFFF) else adapter.Mtu,
        flags=_flags(adapter),
        addresses=tuple(
            address
            for unicast in _linked(adapter.FirstUnicastAddress)
            if (address := _address(structs, unicast)) is not None
        ),
        ipv6_index=adapter.Ipv6IfIndex,
        gateways=tuple(
            known[0]
            for gateway in _linked(adapter.FirstGatewayAddress)
            if (known := _sockaddr(structs, gateway.Address)) is not None
        ),
        ipv4_metric=adapter.Ipv4Metric,
        ipv6_metric=adapter.Ipv6Metric,
    )


def _flags(adapter: Any) -> InterfaceFlag:
    flags = InterfaceFlag(0)
    if adapter.OperStatus == _OPERATIONAL_UP:
        flags |= InterfaceFlag.UP | InterfaceFlag.RUNNING
    if adapter.IfType == _constant("IF_TYPE_SOFTWARE_LOOPBACK"):
        flags |= InterfaceFlag.LOOPBACK
    if adapter.IfType in _TUNNELS:
        flags |= InterfaceFlag.POINT_TO_POINT
    if not adapter.Flags & _constant("IP_ADAPTER_NO_MULTICAST"):
        flags |= InterfaceFlag.MULTICAST
    return flags


def _address(structs: Structs, unicast: Any) -> IPv4Interface | IPv6Interface | None:
    known = _sockaddr(structs, unicast.Address)
    prefix_length = unicast.OnLinkPrefixLength
    if isinstance(known, SockaddrIn) and prefix_length <= 32:
        return IPv4Interface((known.sin_addr, prefix_length))
    if isinstance(known, SockaddrIn6) and prefix_length <= 128:
        return IPv6Interface((known.sin6_addr, prefix_length))
    return None


def _sockaddr(structs: Structs, of: Any) -> Sockaddr | None:
    """Return the address in a SOCKET_ADDRESS, None for another family than IPv4 and IPv6."""
    pointer = of.lpSockaddr
    size = structs.sockaddr_size(pointer.sa_family) if pointer else 0
    if size == 0 or of.iSockaddrLength < size:
        return None
    return structs.unpack_sockaddr(bytes(ffi.buffer(pointer, size)))


def _wide(text: Any) -> str:
    """Return a string of UTF-16 code units that ends with 0."""
    if not text:
        return ""
    units = 0
    while text[units]:
        units += 1
    return bytes(ffi.buffer(text, 2 * units)).decode("utf-16-le", "replace")
