/* Reads one struct a line as words, fills it by the headers' field names, and prints its bytes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char word[64];

static const char *next(void) {
    if (scanf("%63s", word) != 1) exit(2);
    return word;
}

static unsigned long number(void) { return strtoul(next(), NULL, 10); }

static struct in_addr in(void) {
    struct in_addr address;
    if (inet_pton(AF_INET, next(), &address) != 1) exit(3);
    return address;
}

static struct in6_addr in6(void) {
    struct in6_addr address;
    if (inet_pton(AF_INET6, next(), &address) != 1) exit(4);
    return address;
}

/* The name of the struct has been read. */
static size_t fill_sockaddr(struct sockaddr_storage *storage) {
    memset(storage, 0, sizeof *storage);
    if (!strcmp(word, "SockaddrIn")) {
        struct sockaddr_in *sin = (struct sockaddr_in *)storage;
        sin->sin_family = AF_INET;
        sin->sin_addr = in();
        sin->sin_port = htons(number());
        return sizeof *sin;
    }
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)storage;
    sin6->sin6_family = AF_INET6;
    sin6->sin6_addr = in6();
    sin6->sin6_port = htons(number());
    sin6->sin6_flowinfo = htonl(number());
    sin6->sin6_scope_id = number();
    return sizeof *sin6;
}

static void sockaddr(struct sockaddr_storage *storage) {
    next();
    fill_sockaddr(storage);
}

static void print(const void *memory, size_t size) {
    for (size_t i = 0; i < size; i++) printf("%02x", ((const unsigned char *)memory)[i]);
    printf("\n");
}

int main(void) {
    while (scanf("%63s", word) == 1) {
        if (!strncmp(word, "Sockaddr", 8)) {
            struct sockaddr_storage storage;
            size_t size = fill_sockaddr(&storage);
            print(&storage, size);
        } else if (!strcmp(word, "IpMreq")) {
            struct ip_mreq r;
            r.imr_multiaddr = in();
            r.imr_interface = in();
            print(&r, sizeof r);
        } else if (!strcmp(word, "IpMreqn")) {
            struct ip_mreqn r;
            r.imr_multiaddr = in();
            r.imr_address = in();
            r.imr_ifindex = number();
            print(&r, sizeof r);
        } else if (!strcmp(word, "IpMreqSource")) {
            struct ip_mreq_source r;
            r.imr_multiaddr = in();
            r.imr_interface = in();
            r.imr_sourceaddr = in();
            print(&r, sizeof r);
        } else if (!strcmp(word, "Ipv6Mreq")) {
            struct ipv6_mreq r;
            r.ipv6mr_multiaddr = in6();
            r.ipv6mr_interface = number();
            print(&r, sizeof r);
        } else if (!strcmp(word, "GroupReq")) {
            struct group_req r;
            memset(&r, 0, sizeof r);
            r.gr_interface = number();
            sockaddr(&r.gr_group);
            print(&r, sizeof r);
        } else if (!strcmp(word, "GroupSourceReq")) {
            struct group_source_req r;
            memset(&r, 0, sizeof r);
            r.gsr_interface = number();
            sockaddr(&r.gsr_group);
            sockaddr(&r.gsr_source);
            print(&r, sizeof r);
        } else if (!strcmp(word, "GroupFilter")) {
            union {
                struct group_filter r;
                char room[GROUP_FILTER_SIZE(100)];
            } filter;
            memset(&filter, 0, sizeof filter);
            filter.r.gf_interface = number();
            sockaddr(&filter.r.gf_group);
            filter.r.gf_fmode = strcmp(next(), "INCLUDE") ? MCAST_EXCLUDE : MCAST_INCLUDE;
            filter.r.gf_numsrc = number();
            struct sockaddr_storage *list = (void *)(filter.room + GROUP_FILTER_SIZE(0));
            for (unsigned i = 0; i < filter.r.gf_numsrc; i++) sockaddr(&list[i]);
            print(&filter, GROUP_FILTER_SIZE(filter.r.gf_numsrc));
        } else if (!strcmp(word, "InPktinfo")) {
            struct in_pktinfo r;
            r.ipi_ifindex = number();
            r.ipi_addr = in();
            r.ipi_spec_dst = in();
            print(&r, sizeof r);
        } else if (!strcmp(word, "In6Pktinfo")) {
            struct in6_pktinfo r;
            r.ipi6_addr = in6();
            r.ipi6_ifindex = number();
            print(&r, sizeof r);
        } else {
            return 5;
        }
    }
    return 0;
}
