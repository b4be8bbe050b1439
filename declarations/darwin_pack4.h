/* macOS: the requests of RFC 3678, which <netinet/in.h> packs to 4 bytes.
 *
 * cffi's emitted modules know packed and not packed alone. Every member here starts at a multiple
 * of 4 bytes either way, so packed to 1 byte these structs have the same sizes and offsets.
 */

struct group_req {
    uint32_t gr_interface;
    struct sockaddr_storage gr_group;
};

struct group_source_req {
    uint32_t gsr_interface;
    struct sockaddr_storage gsr_group;
    struct sockaddr_storage gsr_source;
};
