/*
 * Payloads: records packed behind their LEB128 lengths, compressed with zstd as one independent
 * frame (with its own content checksum and content size), or stored as they are when that is not
 * smaller.
 *
 * Threading: one thread a struct.
 */
#ifndef AVJ_PAYLOAD_H
#define AVJ_PAYLOAD_H

#include "journal/scan.h"

struct avj_packer; /* compression state and buffers, reused from frame to frame */

struct avj_packer *avj_packer_new(int level); /* NULL: out of memory */
void avj_packer_free(struct avj_packer *packer);

struct avj_payload {
    const uint8_t *stored; /* borrowed until the next pack */
    uint32_t stored_len, raw_len;
    uint16_t count;
    bool compressed;
};

/* AVJ_EINVAL (no records, too many), AVJ_ETOOBIG, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_pack_records(struct avj_packer *packer,
                                             const struct avj_slice *records, size_t count,
                                             struct avj_payload *payload, struct avj_error *err);

struct avj_unpacker;

struct avj_unpacker *avj_unpacker_new(void);
void avj_unpacker_free(struct avj_unpacker *unpacker);

/* Makes `stored` (borrowed; kept when not compressed) the payload to walk.  Checks the record
 * framing as a whole: count records filling raw_len. AVJ_ECORRUPT, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_unpack(struct avj_unpacker *unpacker,
                                       const struct avj_frame_info *frame, const uint8_t *stored);
/* The next record; false when there is none. */
bool avj_unpack_next(struct avj_unpacker *unpacker, struct avj_slice *record);

#endif
