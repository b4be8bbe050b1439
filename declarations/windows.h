/* Windows: structs, functions and option numbers, exactly.
 *
 * Every integer has its width in its type, because Windows' long has 32 bits: so the layouts stay
 * Windows' own also where the emitted module is loaded on another system.
 */

/* --- Types: <basetsd.h>, <minwindef.h>, <ws2def.h>, <ifdef.h>, <nldef.h> --- */

typedef int32_t INT;
typedef uint32_t UINT;
typedef uint32_t ULONG;
typedef uint32_t DWORD;
typedef uint16_t USHORT;
typedef uint8_t UCHAR;
typedef uint8_t BYTE;
typedef uint8_t UINT8;
typedef uint8_t BOOLEAN;
typedef uint64_t ULONG64;
typedef uint64_t ULONGLONG;
typedef uint16_t WCHAR; /* UTF-16 code units. */
typedef void *HANDLE;
typedef uintptr_t SOCKET;
typedef int32_t socklen_t;
typedef uint16_t ADDRESS_FAMILY;
typedef uint32_t IF_INDEX;
typedef uint32_t NET_IFINDEX;
typedef uint32_t IFTYPE;
typedef uint32_t NET_IF_COMPARTMENT_ID;

typedef struct _GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} GUID;

typedef union _NET_LUID {
    ULONG64 Value;
    struct {
        ULONG64 Reserved : 24;
        ULONG64 NetLuidIndex : 24;
        ULONG64 IfType : 16;
    } Info;
} NET_LUID;

/* --- Addresses: <inaddr.h>, <in6addr.h>, <ws2def.h>, <ws2ipdef.h> --- */

struct in_addr {
    union {
        struct {
            UCHAR s_b1, s_b2, s_b3, s_b4;
        } S_un_b;
        struct {
            USHORT s_w1, s_w2;
        } S_un_w;
        ULONG S_addr;
    } S_un;
};

struct in6_addr {
    union {
        UCHAR Byte[16];
        USHORT Word[8];
    } u;
};

struct sockaddr {
    ADDRESS_FAMILY sa_family;
    char sa_data[14];
};

struct sockaddr_in {
    ADDRESS_FAMILY sin_family;
    USHORT sin_port;
    struct in_addr sin_addr;
    char sin_zero[8];
};

struct sockaddr_in6 {
    ADDRESS_FAMILY sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    struct in6_addr sin6_addr;
    ULONG sin6_scope_id;
};

struct sockaddr_storage {
    ADDRESS_FAMILY ss_family;
    char __ss_pad1[6];
    int64_t __ss_align;
    char __ss_pad2[112];
};

typedef union _SOCKADDR_INET {
    struct sockaddr_in Ipv4;
    struct sockaddr_in6 Ipv6;
    ADDRESS_FAMILY si_family;
} SOCKADDR_INET;

typedef struct _SOCKET_ADDRESS {
    struct sockaddr *lpSockaddr;
    INT iSockaddrLength;
} SOCKET_ADDRESS;

/* --- Membership requests: <ws2ipdef.h>, <ws2tcpip.h> --- */

struct ip_mreq {
    struct in_addr imr_multiaddr;
    struct in_addr imr_interface;
};

struct ip_mreq_source {
    struct in_addr imr_multiaddr;
    struct in_addr imr_sourceaddr;
    struct in_addr imr_interface;
};

struct ipv6_mreq {
    struct in6_addr ipv6mr_multiaddr;
    ULONG ipv6mr_interface;
};

struct group_req {
    ULONG gr_interface;
    struct sockaddr_storage gr_group;
};

struct group_source_req {
    ULONG gsr_interface;
    struct sockaddr_storage gsr_group;
    struct sockaddr_storage gsr_source;
};

struct group_filter {
    ULONG gf_interface;
    struct sockaddr_storage gf_group;
    INT gf_fmode;
    ULONG gf_numsrc;
    struct sockaddr_storage gf_slist[1];
};

/* --- Messages and their ancillary data: <ws2def.h>, <mswsock.h>, <ws2ipdef.h> --- */

typedef struct _WSABUF {
    ULONG len;
    char *buf;
} WSABUF;

typedef struct _WSAMSG {
    struct sockaddr *name;
    INT namelen;
    WSABUF *lpBuffers;
    DWORD dwBufferCount;
    WSABUF Control;
    DWORD dwFlags;
} WSAMSG;

typedef struct _WSACMSGHDR {
    size_t cmsg_len;
    INT cmsg_level;
    INT cmsg_type;
} WSACMSGHDR;

struct in_pktinfo {
    struct in_addr ipi_addr;
    ULONG ipi_ifindex;
};

struct in6_pktinfo {
    struct in6_addr ipi6_addr;
    ULONG ipi6_ifindex;
};

typedef struct _OVERLAPPED {
    uintptr_t Internal;
    uintptr_t InternalHigh;
    union {
        struct {
            DWORD Offset;
            DWORD OffsetHigh;
        };
        void *Pointer;
    };
    HANDLE hEvent;
} OVERLAPPED;

/* --- Adapters: <iptypes.h> --- */

typedef struct _IP_ADAPTER_UNICAST_ADDRESS_LH {
    union {
        ULONGLONG Alignment;
        struct {
            ULONG Length;
            DWORD Flags;
        };
    };
    struct _IP_ADAPTER_UNICAST_ADDRESS_LH *Next;
    SOCKET_ADDRESS Address;
    INT PrefixOrigin;
    INT SuffixOrigin;
    INT DadState;
    ULONG ValidLifetime;
    ULONG PreferredLifetime;
    ULONG LeaseLifetime;
    UINT8 OnLinkPrefixLength;
} IP_ADAPTER_UNICAST_ADDRESS_LH;

typedef struct _IP_ADAPTER_ANYCAST_ADDRESS_XP {
    union {
        ULONGLONG Alignment;
        struct {
            ULONG Length;
            DWORD Flags;
        };
    };
    struct _IP_ADAPTER_ANYCAST_ADDRESS_XP *Next;
    SOCKET_ADDRESS Address;
} IP_ADAPTER_ANYCAST_ADDRESS_XP;

typedef struct _IP_ADAPTER_MULTICAST_ADDRESS_XP {
    union {
        ULONGLONG Alignment;
        struct {
            ULONG Length;
            DWORD Flags;
        };
    };
    struct _IP_ADAPTER_MULTICAST_ADDRESS_XP *Next;
    SOCKET_ADDRESS Address;
} IP_ADAPTER_MULTICAST_ADDRESS_XP;

typedef struct _IP_ADAPTER_DNS_SERVER_ADDRESS_XP {
    union {
        ULONGLONG Alignment;
        struct {
            ULONG Length;
            DWORD Reserved;
        };
    };
    struct _IP_ADAPTER_DNS_SERVER_ADDRESS_XP *Next;
    SOCKET_ADDRESS Address;
} IP_ADAPTER_DNS_SERVER_ADDRESS_XP;

typedef struct _IP_ADAPTER_PREFIX_XP {
    union {
        ULONGLONG Alignment;
        struct {
            ULONG Length;
            DWORD Flags;
        };
    };
    struct _IP_ADAPTER_PREFIX_XP *Next;
    SOCKET_ADDRESS Address;
    ULONG PrefixLength;
} IP_ADAPTER_PREFIX_XP;

typedef struct _IP_ADAPTER_WINS_SERVER_ADDRESS_LH {
    union {
        ULONGLONG Alignment;
        struct {
            ULONG Length;
            DWORD Reserved;
        };
    };
    struct _IP_ADAPTER_WINS_SERVER_ADDRESS_LH *Next;
    SOCKET_ADDRESS Address;
} IP_ADAPTER_WINS_SERVER_ADDRESS_LH;

typedef struct _IP_ADAPTER_GATEWAY_ADDRESS_LH {
    union {
        ULONGLONG Alignment;
        struct {
            ULONG Length;
            DWORD Reserved;
        };
    };
    struct _IP_ADAPTER_GATEWAY_ADDRESS_LH *Next;
    SOCKET_ADDRESS Address;
} IP_ADAPTER_GATEWAY_ADDRESS_LH;

typedef struct _IP_ADAPTER_DNS_SUFFIX {
    struct _IP_ADAPTER_DNS_SUFFIX *Next;
    WCHAR String[256];
} IP_ADAPTER_DNS_SUFFIX;

typedef struct _IP_ADAPTER_ADDRESSES_LH {
    union {
        ULONGLONG Alignment;
        struct {
            ULONG Length;
            IF_INDEX IfIndex;
        };
    };
    struct _IP_ADAPTER_ADDRESSES_LH *Next;
    char *AdapterName;
    IP_ADAPTER_UNICAST_ADDRESS_LH *FirstUnicastAddress;
    IP_ADAPTER_ANYCAST_ADDRESS_XP *FirstAnycastAddress;
    IP_ADAPTER_MULTICAST_ADDRESS_XP *FirstMulticastAddress;
    IP_ADAPTER_DNS_SERVER_ADDRESS_XP *FirstDnsServerAddress;
    WCHAR *DnsSuffix;
    WCHAR *Description;
    WCHAR *FriendlyName;
    BYTE PhysicalAddress[8];
    ULONG PhysicalAddressLength;
    ULONG Flags;
    ULONG Mtu;
    IFTYPE IfType;
    INT OperStatus;
    IF_INDEX Ipv6IfIndex;
    ULONG ZoneIndices[16];
    IP_ADAPTER_PREFIX_XP *FirstPrefix;
    ULONG64 TransmitLinkSpeed;
    ULONG64 ReceiveLinkSpeed;
    IP_ADAPTER_WINS_SERVER_ADDRESS_LH *FirstWinsServerAddress;
    IP_ADAPTER_GATEWAY_ADDRESS_LH *FirstGatewayAddress;
    ULONG Ipv4Metric;
    ULONG Ipv6Metric;
    NET_LUID Luid;
    SOCKET_ADDRESS Dhcpv4Server;
    NET_IF_COMPARTMENT_ID CompartmentId;
    GUID NetworkGuid;
    INT ConnectionType;
    INT TunnelType;
    SOCKET_ADDRESS Dhcpv6Server;
    BYTE Dhcpv6ClientDuid[130];
    ULONG Dhcpv6ClientDuidLength;
    ULONG Dhcpv6Iaid;
    IP_ADAPTER_DNS_SUFFIX *FirstDnsSuffix;
} IP_ADAPTER_ADDRESSES_LH;

/* --- Routes: <netioapi.h> --- */

typedef struct _IP_ADDRESS_PREFIX {
    SOCKADDR_INET Prefix;
    UINT8 PrefixLength;
} IP_ADDRESS_PREFIX;

typedef struct _MIB_IPFORWARD_ROW2 {
    NET_LUID InterfaceLuid;
    NET_IFINDEX InterfaceIndex;
    IP_ADDRESS_PREFIX DestinationPrefix;
    SOCKADDR_INET NextHop;
    UCHAR SitePrefixLength;
    ULONG ValidLifetime;
    ULONG PreferredLifetime;
    ULONG Metric;
    INT Protocol;
    BOOLEAN Loopback;
    BOOLEAN AutoconfigureAddress;
    BOOLEAN Publish;
    BOOLEAN Immortal;
    ULONG Age;
    INT Origin;
} MIB_IPFORWARD_ROW2;

/* --- Functions: ws2_32.dll, then iphlpapi.dll --- */

int WINAPI setsockopt(SOCKET s, int level, int optname, const char *optval, int optlen);
int WINAPI getsockopt(SOCKET s, int level, int optname, char *optval, socklen_t *optlen);
int WINAPI WSAIoctl(SOCKET s, DWORD dwIoControlCode, void *lpvInBuffer, DWORD cbInBuffer,
                    void *lpvOutBuffer, DWORD cbOutBuffer, DWORD *lpcbBytesReturned,
                    OVERLAPPED *lpOverlapped, void *lpCompletionRoutine);
int WINAPI WSASendMsg(SOCKET Handle, WSAMSG *lpMsg, DWORD dwFlags, DWORD *lpNumberOfBytesSent,
                      OVERLAPPED *lpOverlapped, void *lpCompletionRoutine);

ULONG WINAPI GetAdaptersAddresses(ULONG Family, ULONG Flags, void *Reserved,
                                  IP_ADAPTER_ADDRESSES_LH *AdapterAddresses, ULONG *SizePointer);
DWORD WINAPI GetBestInterfaceEx(struct sockaddr *pDestAddr, DWORD *pdwBestIfIndex);
DWORD WINAPI GetBestRoute2(NET_LUID *InterfaceLuid, NET_IFINDEX InterfaceIndex,
                           const SOCKADDR_INET *SourceAddress,
                           const SOCKADDR_INET *DestinationAddress, ULONG AddressSortOptions,
                           MIB_IPFORWARD_ROW2 *BestRoute, SOCKADDR_INET *BestSourceAddress);
DWORD WINAPI NotifyUnicastIpAddressChange(ADDRESS_FAMILY Family, void *Callback,
                                          void *CallerContext, BOOLEAN InitialNotification,
                                          HANDLE *NotificationHandle);
DWORD WINAPI CancelMibChangeNotify2(HANDLE NotificationHandle);

/* Found by WSAIoctl with SIO_GET_EXTENSION_FUNCTION_POINTER and the GUID WSAID_WSARECVMSG. */
typedef INT (WINAPI *LPFN_WSARECVMSG)(SOCKET s, WSAMSG *lpMsg, DWORD *lpdwNumberOfBytesRecvd,
                                      OVERLAPPED *lpOverlapped, void *lpCompletionRoutine);

/* --- Constants: address families and protocols --- */

#define AF_INET 2
#define AF_INET6 23
#define IPPROTO_IP 0
#define IPPROTO_IPV6 41

/* --- Constants: <winsock2.h>, <ws2def.h> --- */

#define SOL_SOCKET 0xffff
#define SO_REUSEADDR 4
#define SO_EXCLUSIVEADDRUSE -5
#define SO_SNDBUF 0x1001
#define SO_RCVBUF 0x1002
#define MSG_TRUNC 256
#define MSG_CTRUNC 512
#define MSG_BCAST 1024
#define MSG_MCAST 2048

/* --- Constants: <ws2ipdef.h> --- */

#define IP_TTL 4
#define IP_MULTICAST_IF 9
#define IP_MULTICAST_TTL 10
#define IP_MULTICAST_LOOP 11
#define IP_ADD_MEMBERSHIP 12
#define IP_DROP_MEMBERSHIP 13
#define IP_ADD_SOURCE_MEMBERSHIP 15
#define IP_DROP_SOURCE_MEMBERSHIP 16
#define IP_BLOCK_SOURCE 17
#define IP_UNBLOCK_SOURCE 18
#define IP_PKTINFO 19
#define IP_HOPLIMIT 21
#define IP_RECVTTL 21
#define IP_UNICAST_IF 31
#define IPV6_MULTICAST_IF 9
#define IPV6_MULTICAST_HOPS 10
#define IPV6_MULTICAST_LOOP 11
#define IPV6_JOIN_GROUP 12
#define IPV6_LEAVE_GROUP 13
#define IPV6_V6ONLY 27
#define IPV6_PKTINFO 19
#define IPV6_HOPLIMIT 21
#define IPV6_UNICAST_IF 31
#define MCAST_JOIN_GROUP 41
#define MCAST_LEAVE_GROUP 42
#define MCAST_BLOCK_SOURCE 43
#define MCAST_UNBLOCK_SOURCE 44
#define MCAST_JOIN_SOURCE_GROUP 45
#define MCAST_LEAVE_SOURCE_GROUP 46
#define MCAST_INCLUDE 0
#define MCAST_EXCLUDE 1

/* --- Constants: <mswsock.h>, <ws2ipdef.h>: WSAIoctl --- */

#define SIO_GET_EXTENSION_FUNCTION_POINTER 0xc8000006
#define SIO_UDP_CONNRESET 0x9800000c
#define SIO_SET_MULTICAST_FILTER 0x8004747d
#define SIO_GET_MULTICAST_FILTER 0x8004747c

/* --- Constants: <iptypes.h>, <ipifcons.h>, <winerror.h> --- */

#define GAA_FLAG_SKIP_ANYCAST 2
#define GAA_FLAG_SKIP_MULTICAST 4
#define GAA_FLAG_SKIP_DNS_SERVER 8
#define GAA_FLAG_INCLUDE_PREFIX 16
#define GAA_FLAG_INCLUDE_GATEWAYS 128
#define MAX_ADAPTER_ADDRESS_LENGTH 8
#define IF_TYPE_ETHERNET_CSMACD 6
#define IF_TYPE_PPP 23
#define IF_TYPE_SOFTWARE_LOOPBACK 24
#define IF_TYPE_IEEE80211 71
#define IF_TYPE_TUNNEL 131
#define ERROR_BUFFER_OVERFLOW 111
#define IP_ADAPTER_NO_MULTICAST 16
#define IP_ADAPTER_RECEIVE_ONLY 8
#define IP_ADAPTER_IPV4_ENABLED 128
#define IP_ADAPTER_IPV6_ENABLED 256
