/* macOS, 64 bits (arm64 and x86-64 agree): structs, functions and option numbers, exactly.
 *
 * Read by build_ffi.py, with darwin_pack4.h after it. There is no public recvmmsg or sendmmsg.
 */

/* --- Addresses: <netinet/in.h>, <netinet6/in6.h>, <sys/socket.h>, <net/if_dl.h> --- */

typedef uint32_t socklen_t;

struct in_addr {
    uint32_t s_addr;
};

struct in6_addr {
    union {
        uint8_t __u6_addr8[16];
        uint16_t __u6_addr16[8];
        uint32_t __u6_addr32[4];
    } __u6_addr;
};

struct sockaddr {
    uint8_t sa_len;
    uint8_t sa_family;
    char sa_data[14];
};

struct sockaddr_in {
    uint8_t sin_len;
    uint8_t sin_family;
    uint16_t sin_port;
    struct in_addr sin_addr;
    char sin_zero[8];
};

struct sockaddr_in6 {
    uint8_t sin6_len;
    uint8_t sin6_family;
    uint16_t sin6_port;
    uint32_t sin6_flowinfo;
    struct in6_addr sin6_addr;
    uint32_t sin6_scope_id;
};

struct sockaddr_storage {
    uint8_t ss_len;
    uint8_t ss_family;
    char __ss_pad1[6];
    int64_t __ss_align;
    char __ss_pad2[112];
};

struct sockaddr_dl {
    unsigned char sdl_len;
    unsigned char sdl_family;
    unsigned short sdl_index;
    unsigned char sdl_type;
    unsigned char sdl_nlen;
    unsigned char sdl_alen;
    unsigned char sdl_slen;
    char sdl_data[12];
};

/* --- Membership requests: <netinet/in.h>, <netinet6/in6.h> --- */

struct ip_mreq {
    struct in_addr imr_multiaddr;
    struct in_addr imr_interface;
};

struct ip_mreqn {
    struct in_addr imr_multiaddr;
    struct in_addr imr_address;
    int imr_ifindex;
};

struct ip_mreq_source {
    struct in_addr imr_multiaddr;
    struct in_addr imr_sourceaddr;
    struct in_addr imr_interface;
};

struct ipv6_mreq {
    struct in6_addr ipv6mr_multiaddr;
    unsigned int ipv6mr_interface;
};

/* --- Messages and their ancillary data: <sys/socket.h>, <netinet/in.h>, <sys/time.h> --- */

struct iovec {
    void *iov_base;
    size_t iov_len;
};

struct msghdr {
    void *msg_name;
    socklen_t msg_namelen;
    struct iovec *msg_iov;
    int msg_iovlen;
    void *msg_control;
    socklen_t msg_controllen;
    int msg_flags;
};

struct cmsghdr {
    socklen_t cmsg_len;
    int cmsg_level;
    int cmsg_type;
};

struct in_pktinfo {
    unsigned int ipi_ifindex;
    struct in_addr ipi_spec_dst;
    struct in_addr ipi_addr;
};

struct in6_pktinfo {
    struct in6_addr ipi6_addr;
    unsigned int ipi6_ifindex;
};

struct timeval {
    int64_t tv_sec;
    int32_t tv_usec;
};

/* --- Interface records: <ifaddrs.h>, <net/if_var.h> --- */

struct ifaddrs {
    struct ifaddrs *ifa_next;
    char *ifa_name;
    unsigned int ifa_flags;
    struct sockaddr *ifa_addr;
    struct sockaddr *ifa_netmask;
    struct sockaddr *ifa_dstaddr;
    void *ifa_data;
};

struct timeval32 {
    int32_t tv_sec;
    int32_t tv_usec;
};

struct if_data {
    unsigned char ifi_type;
    unsigned char ifi_typelen;
    unsigned char ifi_physical;
    unsigned char ifi_addrlen;
    unsigned char ifi_hdrlen;
    unsigned char ifi_recvquota;
    unsigned char ifi_xmitquota;
    unsigned char ifi_unused1;
    uint32_t ifi_mtu;
    uint32_t ifi_metric;
    uint32_t ifi_baudrate;
    uint32_t ifi_ipackets;
    uint32_t ifi_ierrors;
    uint32_t ifi_opackets;
    uint32_t ifi_oerrors;
    uint32_t ifi_collisions;
    uint32_t ifi_ibytes;
    uint32_t ifi_obytes;
    uint32_t ifi_imcasts;
    uint32_t ifi_omcasts;
    uint32_t ifi_iqdrops;
    uint32_t ifi_noproto;
    uint32_t ifi_recvtiming;
    uint32_t ifi_xmittiming;
    struct timeval32 ifi_lastchange;
    uint32_t ifi_unused2;
    uint32_t ifi_hwassist;
    uint32_t ifi_reserved1;
    uint32_t ifi_reserved2;
};

/* --- Routing messages: <net/route.h>, <net/if.h> --- */

struct rt_metrics {
    uint32_t rmx_locks;
    uint32_t rmx_mtu;
    uint32_t rmx_hopcount;
    int32_t rmx_expire;
    uint32_t rmx_recvpipe;
    uint32_t rmx_sendpipe;
    uint32_t rmx_ssthresh;
    uint32_t rmx_rtt;
    uint32_t rmx_rttvar;
    uint32_t rmx_pksent;
    uint32_t rmx_filler[4];
};

struct rt_msghdr {
    unsigned short rtm_msglen;
    unsigned char rtm_version;
    unsigned char rtm_type;
    unsigned short rtm_index;
    int rtm_flags;
    int rtm_addrs;
    int32_t rtm_pid;
    int rtm_seq;
    int rtm_errno;
    int rtm_use;
    uint32_t rtm_inits;
    struct rt_metrics rtm_rmx;
};

struct if_msghdr {
    unsigned short ifm_msglen;
    unsigned char ifm_version;
    unsigned char ifm_type;
    int ifm_addrs;
    int ifm_flags;
    unsigned short ifm_index;
    struct if_data ifm_data;
};

struct ifa_msghdr {
    unsigned short ifam_msglen;
    unsigned char ifam_version;
    unsigned char ifam_type;
    int ifam_addrs;
    int ifam_flags;
    unsigned short ifam_index;
    int ifam_metric;
};

/* --- Functions. A source filter as a whole is set by a function: macOS shows no group_filter. --- */

int setsockopt(int socket, int level, int option_name, const void *option_value,
               socklen_t option_len);
int getsockopt(int socket, int level, int option_name, void *option_value,
               socklen_t *option_len);
ssize_t recvmsg(int socket, struct msghdr *message, int flags);
ssize_t sendmsg(int socket, const struct msghdr *message, int flags);
int getifaddrs(struct ifaddrs **ifap);
void freeifaddrs(struct ifaddrs *ifp);
int sysctl(int *name, unsigned int namelen, void *oldp, size_t *oldlenp, void *newp,
           size_t newlen);
int setsourcefilter(int s, uint32_t interface, struct sockaddr *group, socklen_t grouplen,
                    uint32_t fmode, uint32_t numsrc, struct sockaddr_storage *slist);
int getsourcefilter(int s, uint32_t interface, struct sockaddr *group, socklen_t grouplen,
                    uint32_t *fmode, uint32_t *numsrc, struct sockaddr_storage *slist);

/* --- Constants: address families and protocols --- */

#define AF_INET 2
#define AF_INET6 30
#define AF_LINK 18
#define PF_ROUTE 17
#define IPPROTO_IP 0
#define IPPROTO_IPV6 41

/* --- Constants: <sys/socket.h> --- */

#define SOL_SOCKET 0xffff
#define SO_REUSEADDR 4
#define SO_REUSEPORT 512
#define SO_SNDBUF 0x1001
#define SO_RCVBUF 0x1002
#define SO_TIMESTAMP 1024
#define SCM_TIMESTAMP 2
#define MSG_TRUNC 16
#define MSG_CTRUNC 32
#define MSG_DONTWAIT 128

/* --- Constants: <netinet/in.h> --- */

#define IP_TTL 4
#define IP_RECVDSTADDR 7
#define IP_MULTICAST_IF 9
#define IP_MULTICAST_TTL 10
#define IP_MULTICAST_LOOP 11
#define IP_ADD_MEMBERSHIP 12
#define IP_DROP_MEMBERSHIP 13
#define IP_RECVIF 20
#define IP_RECVTTL 24
#define IP_PKTINFO 26
#define IP_RECVPKTINFO 26
#define IP_BOUND_IF 25
#define IP_MULTICAST_IFINDEX 66
#define IP_ADD_SOURCE_MEMBERSHIP 70
#define IP_DROP_SOURCE_MEMBERSHIP 71
#define IP_BLOCK_SOURCE 72
#define IP_UNBLOCK_SOURCE 73

/* --- Constants: <netinet6/in6.h>, the numbers of RFC 3542 --- */

#define IPV6_MULTICAST_IF 9
#define IPV6_MULTICAST_HOPS 10
#define IPV6_MULTICAST_LOOP 11
#define IPV6_JOIN_GROUP 12
#define IPV6_LEAVE_GROUP 13
#define IPV6_V6ONLY 27
#define IPV6_RECVHOPLIMIT 37
#define IPV6_HOPLIMIT 47
#define IPV6_PKTINFO 46
#define IPV6_RECVPKTINFO 61
#define IPV6_BOUND_IF 125

/* --- Constants: <netinet/in.h>, RFC 3678 --- */

#define MCAST_JOIN_GROUP 80
#define MCAST_LEAVE_GROUP 81
#define MCAST_JOIN_SOURCE_GROUP 82
#define MCAST_LEAVE_SOURCE_GROUP 83
#define MCAST_BLOCK_SOURCE 84
#define MCAST_UNBLOCK_SOURCE 85
#define MCAST_INCLUDE 1
#define MCAST_EXCLUDE 2

/* --- Constants: <net/if.h>, <net/if_types.h> --- */

#define IFF_UP 1
#define IFF_BROADCAST 2
#define IFF_LOOPBACK 8
#define IFF_POINTOPOINT 16
#define IFF_RUNNING 64
#define IFF_MULTICAST 0x8000
#define IFNAMSIZ 16
#define IFT_ETHER 6
#define IFT_LOOP 24

/* --- Constants: <sys/socket.h>, <sys/sysctl.h>, <net/route.h> --- */

#define CTL_NET 4
#define NET_RT_DUMP 1
#define NET_RT_FLAGS 2
#define NET_RT_IFLIST 3
#define NET_RT_IFLIST2 6
#define RTM_VERSION 5
#define RTM_GET 4
#define RTM_NEWADDR 12
#define RTM_DELADDR 13
#define RTM_IFINFO 14
#define RTF_UP 1
#define RTF_GATEWAY 2
#define RTF_HOST 4
#define RTF_IFSCOPE 0x1000000
#define RTF_MULTICAST 0x800000
#define RTA_DST 1
#define RTA_GATEWAY 2
#define RTA_NETMASK 4
#define RTA_IFP 16
#define RTA_IFA 32
#define RTAX_DST 0
#define RTAX_GATEWAY 1
#define RTAX_NETMASK 2
#define RTAX_MAX 8
