/*
 * Payloads: records packed behind their LEB128 lengths, compressed with zstd as one independent
 * frame (with its own content checksum and content size), or stored as they are when that is not
 * smaller.
 *
 * Threading: one thread a struct.
 */
#ifndef AVJ_PAYLOAD_H
#define AVJ_PAYLOAD_H

#include "journal/dictionary.h"
#include "journal/parts.h"
#include "journal/scan.h"

#include <limits.h>

struct avj_packer; /* compression state and buffers, reused from frame to frame */

#define AVJ_LEVEL_DEFAULT 3 /* zstd's */
/* In place of a zstd level: for sealed segments, small rather than quick. */
#define AVJ_LEVEL_SEALING INT_MAX

struct avj_packer *avj_packer_new(int level); /* NULL: out of memory */
void avj_packer_free(struct avj_packer *packer);

/* Small payloads are compressed with this dictionary from now on (copied; len 0: none).  Cheap
 * where it is the one in use.  AVJ_ENOMEM: none is used. */
AVJ_CHECKED enum avj_status avj_packer_dictionary(struct avj_packer *packer,
                                                  const struct avj_dictionary *dictionary);

/* Hash of the dictionary in use; 0: none. */
uint64_t avj_packer_dictionary_hash(const struct avj_packer *packer);

struct avj_payload {
    const uint8_t *stored; /* borrowed until the next pack */
    uint32_t stored_len, raw_len;
    uint32_t dictionary; /* low half of its hash; 0: none */
    uint16_t count;
    bool compressed, bare;
};

/* AVJ_EINVAL (no records, too many), AVJ_ETOOBIG, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_pack_records(struct avj_packer *packer,
                                             const struct avj_slice *records, size_t count,
                                             struct avj_payload *payload, struct avj_error *err);

struct avj_unpacker;

struct avj_unpacker *avj_unpacker_new(void);
/* One more, for another dictionary, that works with the same 160 KiB of zstd's: each ends what the
 * other has begun.  `lender` is freed last.  NULL: out of memory. */
struct avj_unpacker *avj_unpacker_beside(struct avj_unpacker *lender);
void avj_unpacker_free(struct avj_unpacker *unpacker);

/* As avj_packer_dictionary: of the frames that come. */
AVJ_CHECKED enum avj_status avj_unpacker_dictionary(struct avj_unpacker *unpacker,
                                                    const struct avj_dictionary *dictionary);

/* Makes `stored` (borrowed; kept when not compressed) the payload to walk.  Checks the record
 * framing as a whole: count records filling raw_len. AVJ_ECORRUPT, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_unpack(struct avj_unpacker *unpacker,
                                       const struct avj_frame_info *frame, const uint8_t *stored);
/* The next record; false when there is none. */
bool avj_unpack_next(struct avj_unpacker *unpacker, struct avj_slice *record);
/* The whole payload of the frame at hand, unpacked; borrowed as records are. */
struct avj_slice avj_unpacked(const struct avj_unpacker *unpacker);

/*
 * In place of avj_unpack, for one who wants some of the records before the others: a look, then
 * what the payload is like: in parts (parts->count), to be unpacked each with avj_unpack_part, in
 * any order; or (0) to be unpacked from the front, with avj_unpack_on.  `stored` and `raw`
 * (frame->raw_len bytes, of the caller's) are borrowed until all is unpacked or the unpacker is
 * used for something else.  Nothing of the record framing is checked: avj_record_get does.
 * AVJ_ECORRUPT, AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status avj_unpack_look(struct avj_unpacker *unpacker,
                                            const struct avj_frame_info *frame,
                                            const uint8_t *stored, struct avj_parts *parts);
AVJ_CHECKED enum avj_status avj_unpack_begin(struct avj_unpacker *unpacker, uint8_t *raw);
/* Puts that part's bytes in their place in `raw`. */
AVJ_CHECKED enum avj_status avj_unpack_part(struct avj_unpacker *unpacker, uint32_t part);
/* Unpacks on until at least `len` bytes are there (at most raw_len).  *have: how many are. */
AVJ_CHECKED enum avj_status avj_unpack_on(struct avj_unpacker *unpacker, size_t len, size_t *have);

/* Reads the record that begins at p; what is behind it, or NULL where there is none that ends
 * before `end`. */
const uint8_t *avj_record_get(const uint8_t *p, const uint8_t *end, struct avj_slice *record);

/* Packs a payload that is framed already: `count` records behind their lengths, or (0) an index or
 * what is set aside. */
AVJ_CHECKED enum avj_status avj_pack_payload(struct avj_packer *packer, const uint8_t *raw,
                                             size_t len, size_t count, struct avj_payload *payload,
                                             struct avj_error *err);

/* Bytes of the record that stands there behind its length, the length included; 0: `len` bytes do
 * not hold it. */
size_t avj_record_span(const uint8_t *data, size_t len);

/* Bytes of a record of that length with its length in front, at most len + 4. */
size_t avj_record_put(uint8_t *out, const void *data, size_t len);

#endif
