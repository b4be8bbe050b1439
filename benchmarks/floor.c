/* What the system's calls cost by themselves: the floor that everything is compared with. */

#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define MANY 64
#define LARGEST 65536

static struct mmsghdr headers[MANY];
static struct iovec pieces[MANY];
static struct sockaddr_storage names[MANY];
static char control[MANY][128];
static char payloads[MANY][LARGEST + 192];

static void prepare(size_t size)
{
    for (int i = 0; i < MANY; i++) {
        pieces[i].iov_base = payloads[i];
        pieces[i].iov_len = size;
        headers[i].msg_hdr.msg_iov = &pieces[i];
        headers[i].msg_hdr.msg_iovlen = 1;
        headers[i].msg_hdr.msg_name = &names[i];
        headers[i].msg_hdr.msg_namelen = sizeof names[i];
        headers[i].msg_hdr.msg_control = control[i];
        headers[i].msg_hdr.msg_controllen = sizeof control[i];
    }
}

/* Receive `count` datagrams, MANY at a call. */
long receive(int sockfd, long count)
{
    long got = 0;
    while (got < count) {
        prepare(LARGEST);
        int now = recvmmsg(sockfd, headers, MANY, MSG_DONTWAIT, NULL);
        if (now <= 0)
            break;
        got += now;
    }
    return got;
}

/* Send `count` datagrams by a connected socket, MANY at a call. */
long send_many(int sockfd, long count, long size)
{
    long sent = 0;
    prepare(size);
    for (int i = 0; i < MANY; i++) {
        headers[i].msg_hdr.msg_name = NULL;
        headers[i].msg_hdr.msg_namelen = 0;
        headers[i].msg_hdr.msg_control = NULL;
        headers[i].msg_hdr.msg_controllen = 0;
    }
    while (sent < count) {
        int now = sendmmsg(sockfd, headers, MANY, 0);
        if (now <= 0)
            break;
        sent += now;
    }
    return sent;
}

/* Send `count` datagrams by a connected socket, `at_once` cut of one payload. */
long send_segments(int sockfd, long count, long size, long at_once)
{
    static char whole[LARGEST];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(uint16_t))];
    } ancillary;
    struct iovec piece = {whole, (size_t)(size * at_once)};
    struct msghdr message = {0};
    uint16_t segment = (uint16_t)size;
    long sent = 0;

    memset(&ancillary, 0, sizeof ancillary);
    ancillary.header.cmsg_level = IPPROTO_UDP;
    ancillary.header.cmsg_type = UDP_SEGMENT;
    ancillary.header.cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(&ancillary.header), &segment, sizeof segment);
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = &ancillary;
    message.msg_controllen = sizeof ancillary;
    while (sent < count) {
        if (sendmsg(sockfd, &message, 0) < 0)
            break;
        sent += at_once;
    }
    return sent;
}
