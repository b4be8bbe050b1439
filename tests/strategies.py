"""Random values for the structs of the low level."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

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
)

uint16 = st.integers(0, 2**16 - 1)
uint32 = st.integers(0, 2**32 - 1)
int31 = st.integers(0, 2**31 - 1)
ipv4 = st.builds(IPv4Address, uint32)
ipv6 = st.builds(IPv6Address, st.integers(0, 2**128 - 1))

sockaddr_in = st.builds(SockaddrIn, ipv4, uint16)
sockaddr_in6 = st.builds(SockaddrIn6, ipv6, uint16, uint32, uint32)
sockaddr: st.SearchStrategy[Sockaddr] = sockaddr_in | sockaddr_in6

# Every platform has these; the rest are named where it lacks one.
structs: dict[type, st.SearchStrategy[Struct]] = {
    SockaddrIn: sockaddr_in,
    SockaddrIn6: sockaddr_in6,
    IpMreq: st.builds(IpMreq, ipv4, ipv4),
    IpMreqn: st.builds(IpMreqn, ipv4, ipv4, int31),
    IpMreqSource: st.builds(IpMreqSource, ipv4, ipv4, ipv4),
    Ipv6Mreq: st.builds(Ipv6Mreq, ipv6, uint32),
    GroupReq: st.builds(GroupReq, uint32, sockaddr),
    GroupSourceReq: st.builds(GroupSourceReq, uint32, sockaddr, sockaddr),
    GroupFilter: st.builds(
        GroupFilter,
        uint32,
        sockaddr,
        st.sampled_from(FilterMode),
        st.lists(sockaddr, max_size=70).map(tuple),
    ),
    InPktinfo: st.builds(InPktinfo, int31, ipv4, ipv4),
    In6Pktinfo: st.builds(In6Pktinfo, ipv6, uint32),
}
