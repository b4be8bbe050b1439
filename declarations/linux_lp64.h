/* Linux with 64-bit longs and pointers: what linux.h cannot say for both word sizes. */

/* <bits/socket.h>: the padding fills 128 bytes around an aligned unsigned long. */
struct sockaddr_storage {
    unsigned short ss_family;
    char __ss_padding[118];
    unsigned long __ss_align;
};
