"""Walking Windows' adapter lists, as a stand-in of its library gives them, on any machine."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcast_lowlevel import InterfaceFlag, Sockaddr, SockaddrIn, SockaddrIn6
from mcast_lowlevel._generated.windows import ffi
from mcast_lowlevel._structs import Structs
from mcast_lowlevel._windows_adapters import AdapterRecord, adapter_records, default_route_interface

STRUCTS = Structs("Windows", ffi)
OVERFLOW, NO_DATA, ACCESS_DENIED, NOT_REACHABLE = 111, 232, 5, 1231


class Adapter(NamedTuple):
    """Adapter is what a list is made of."""

    number: int = 7
    ipv6_index: int = 9
    name: str | None = "{12345678-0000-0000-0000-000000000000}"
    friendly_name: str | None = "Ethernet"
    link_address: bytes = b"\2\0\0\0\0\1"
    kind: int = 6
    flags: int = 0
    status: int = 1
    mtu: int = 1500
    addresses: tuple[tuple[IPv4Address | IPv6Address | None, int], ...] = ()
    """Each with its prefix length; None is an address of another family."""
    gateways: tuple[IPv4Address | IPv6Address | None, ...] = ()
    metrics: tuple[int, int] = (25, 35)


class Library:
    """Library is iphlpapi.dll with a list of adapters, and takes note of what it is asked."""

    def __init__(self, adapters: list[Adapter], needed: int = 0, code: int = 0) -> None:
        """Ask for `needed` bytes more each time if that is not 0; fail with `code`."""
        self.calls: list[int] = []
        self.best = 0
        self._code = code
        self._needed = needed
        self._held: list[Any] = []
        self._adapters = [self._adapter(item) for item in adapters]
        for this, following in zip(self._adapters, self._adapters[1:], strict=False):
            this.Next = following

    def _hold(self, memory: Any) -> Any:
        self._held.append(memory)
        return memory

    def _text(self, text: str | None) -> Any:
        if text is None:
            return ffi.NULL
        return self._hold(ffi.new("WCHAR[]", [*memoryview(text.encode("utf-16-le")).cast("H"), 0]))

    def _adapter(self, of: Adapter) -> Any:
        adapter: Any = self._hold(ffi.new("IP_ADAPTER_ADDRESSES_LH *"))
        adapter.IfIndex, adapter.Ipv6IfIndex = of.number, of.ipv6_index
        if of.name is not None:
            adapter.AdapterName = self._hold(ffi.new("char[]", of.name.encode()))
        adapter.FriendlyName = adapter.Description = self._text(of.friendly_name)
        adapter.PhysicalAddress[0 : len(of.link_address)] = list(of.link_address)
        adapter.PhysicalAddressLength = len(of.link_address)
        adapter.IfType, adapter.Flags, adapter.OperStatus = of.kind, of.flags, of.status
        adapter.Mtu = of.mtu
        last = None
        for address, prefix_length in of.addresses:
            unicast: Any = self._hold(ffi.new("IP_ADAPTER_UNICAST_ADDRESS_LH *"))
            unicast.OnLinkPrefixLength = prefix_length
            self._write(unicast.Address, address)
            if last is None:
                adapter.FirstUnicastAddress = unicast
            else:
                last.Next = unicast
            last = unicast
        adapter.Ipv4Metric, adapter.Ipv6Metric = of.metrics
        for address in of.gateways:
            gateway: Any = self._hold(ffi.new("IP_ADAPTER_GATEWAY_ADDRESS_LH *"))
            self._write(gateway.Address, address)
            gateway.Next = adapter.FirstGatewayAddress
            adapter.FirstGatewayAddress = gateway
        return adapter

    def _write(self, to: Any, address: IPv4Address | IPv6Address | None) -> None:
        """Fill a SOCKET_ADDRESS in; None is an address of another family."""
        packed = b"\x17\x17" + bytes(26)
        if isinstance(address, IPv4Address):
            packed = STRUCTS.pack(SockaddrIn(address))
        elif isinstance(address, IPv6Address):
            packed = STRUCTS.pack(SockaddrIn6(address))
        memory = self._hold(ffi.new("char[]", packed))
        to.lpSockaddr = ffi.cast("struct sockaddr *", memory)
        to.iSockaddrLength = len(packed)

    def GetAdaptersAddresses(  # noqa: N802 - the system's name.
        self, family: int, flags: int, reserved: Any, addresses: Any, size: Any
    ) -> int:
        """Fill the list in, if there is room and nothing fails."""
        self.calls.append(size[0])
        if self._needed:
            size[0] += self._needed
            return OVERFLOW
        if self._code:
            return self._code
        if not self._adapters:
            return NO_DATA
        wanted = 500 * len(self._adapters)
        if size[0] < wanted:
            size[0] = wanted
            return OVERFLOW
        addresses[0] = self._adapters[0][0]
        return 0

    def GetBestInterfaceEx(self, destination: Any, index: Any) -> int:  # noqa: N802
        """Lead everything to the adapter that is known to."""
        if not self.best:
            return NOT_REACHABLE
        index[0] = self.best
        return 0


def failure(code: int) -> OSError:
    """Return an error that tells its number."""
    return OSError(code, "said the system")


def records(library: Any) -> list[AdapterRecord]:
    """Return what is made of the library's list."""
    return adapter_records(STRUCTS, library, failure)


addresses = st.tuples(st.ip_addresses(v=4), st.integers(0, 32)) | st.tuples(
    st.ip_addresses(v=6), st.integers(0, 128)
)
texts = st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-16-le"), max_size=20)
adapters = st.lists(
    st.builds(
        Adapter,
        number=st.integers(1, 2**31),
        ipv6_index=st.integers(0, 2**31),
        name=st.none() | st.text("{}-0123456789ABCDEF", min_size=1),
        friendly_name=texts,
        link_address=st.binary(max_size=8),
        kind=st.sampled_from([6, 23, 24, 71, 131]),
        flags=st.sampled_from([0, 16]),
        status=st.integers(1, 7),
        mtu=st.sampled_from([0, 1280, 1500, 2**32 - 1]),
        addresses=st.lists(addresses | st.just((None, 0)), max_size=4).map(tuple),
        gateways=st.lists(st.none() | st.ip_addresses(), max_size=3).map(tuple),
        metrics=st.tuples(st.integers(0, 9999), st.integers(0, 9999)),
    ),
    max_size=8,
    unique_by=lambda adapter: adapter.number,
)


@given(adapters)
def test_every_list_is_walked(given_adapters: list[Adapter]) -> None:
    """Each adapter comes out once, by index, with what it has; other families are left out."""
    found = records(Library(given_adapters))
    expected = sorted(given_adapters, key=lambda adapter: adapter.number)
    assert [record.index for record in found] == [adapter.number for adapter in expected]
    for record, adapter in zip(found, expected, strict=True):
        assert record.name == (adapter.name or str(adapter.number))
        assert record.friendly_name == (adapter.friendly_name or "")
        assert record.link_address == adapter.link_address
        assert record.mtu == (adapter.mtu if adapter.mtu in {1280, 1500} else None)
        assert (InterfaceFlag.UP in record.flags) == (adapter.status == 1)
        assert (InterfaceFlag.LOOPBACK in record.flags) == (adapter.kind == 24)
        assert (InterfaceFlag.MULTICAST in record.flags) == (adapter.flags == 0)
        assert [(item.ip, item.network.prefixlen) for item in record.addresses] == [
            (address, length) for address, length in adapter.addresses if address is not None
        ]
        assert record.ipv6_index == adapter.ipv6_index
        assert record.scope == str(adapter.ipv6_index or adapter.number)
        expected_gateways = [item for item in reversed(adapter.gateways) if item is not None]
        assert list(record.gateways) == expected_gateways
        assert (record.ipv4_metric, record.ipv6_metric) == adapter.metrics


def test_two_hundred_adapters_take_a_larger_buffer() -> None:
    """The buffer grows to what is asked for."""
    library = Library([Adapter(number=number) for number in range(1, 201)])
    assert len(records(library)) == 200
    assert library.calls == [15_000, 100_000]


def test_a_list_that_never_fits_ends() -> None:
    """It is asked for a bounded number of times."""
    library = Library([], needed=1000)
    with pytest.raises(OSError, match="changed during each of 5 listings"):
        records(library)
    assert len(library.calls) == 5


def test_a_refusal_is_raised() -> None:
    """The system's number becomes an error."""
    with pytest.raises(OSError, match="said the system") as caught:
        records(Library([], code=ACCESS_DENIED))
    assert caught.value.errno == ACCESS_DENIED


ROUTER4, ROUTER6 = IPv4Address("192.0.2.254"), IPv6Address("fe80::1")
OUTSIDE4 = SockaddrIn(IPv4Address("192.0.2.1"))
OUTSIDE6 = SockaddrIn6(IPv6Address("2001:db8::1"))


def way_out(library: Any, destination: Sockaddr = OUTSIDE4) -> int:
    """Return the adapter that leads to a destination."""
    return default_route_interface(STRUCTS, library, failure, destination)


def test_the_way_out_is_asked_for() -> None:
    """The adapter that leads to a destination is the one the system says."""
    library = Library([Adapter(number=12), Adapter(number=13, gateways=(ROUTER4,))])
    library.best = 12
    assert way_out(library) == 12


def test_the_way_out_without_a_route_is_by_metric() -> None:
    """Where the system says none, it is the cheapest that is up and has a gateway of the family."""
    listed = [
        Adapter(number=1, metrics=(1, 1)),
        Adapter(number=2, metrics=(5, 90), gateways=(ROUTER4, ROUTER6)),
        Adapter(number=3, metrics=(9, 10), gateways=(ROUTER4, ROUTER6)),
        Adapter(number=4, metrics=(2, 2), gateways=(ROUTER4, ROUTER6), status=2),
        Adapter(number=5, metrics=(3, 3), gateways=(None,)),
    ]
    assert way_out(Library(listed)) == 2
    assert way_out(Library(listed), OUTSIDE6) == 3
    assert way_out(Library([Adapter(gateways=(ROUTER4,))]), OUTSIDE6) == 0
    assert way_out(Library([])) == 0
    with pytest.raises(OSError, match="said the system"):
        way_out(Library([], code=ACCESS_DENIED))
