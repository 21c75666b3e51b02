/*
 * The bytes of a segment: encoders and decoders of its header and of frame headers.  FORMAT.md is
 * the specification; where this code and that text differ, the text is right.
 *
 * Threading: pure functions.
 */
#ifndef AVJ_FORMAT_H
#define AVJ_FORMAT_H

#include "journal/scan.h"

#include <assert.h>

#define AVJ_FORMAT_VERSION 1u

#define AVJ_SEGMENT_HEADER_LEN  4096u
#define AVJ_SEGMENT_HASH_OFFSET 4080u

#define AVJ_FRAME_HEADER_LEN  64u
#define AVJ_FRAME_HASH_OFFSET 56u
#define AVJ_FRAME_TRAILER_LEN 8u
#define AVJ_FRAME_ALIGN       8u
/* A frame holds a record's length (at most 4 bytes) and one byte at the least. */
#define AVJ_FRAME_STORED_MAX AVJ_FRAME_RAW_MAX

#define AVJ_FRAME_FLAG_ZSTD 1u
#define AVJ_FRAME_FLAG_BARE                                                                        \
    2u /* with ZSTD: its magic number, which is always the same, is not stored */

/* Feature bits of this version.  A reader refuses unknown incompat bits, does not write with
 * unknown ro_compat bits. */
#define AVJ_INCOMPAT_DICTIONARY 1u
#define AVJ_INCOMPAT_SEALED     2u
#define AVJ_INCOMPAT_COMPACTED  16u
#define AVJ_INCOMPAT_KNOWN      (AVJ_INCOMPAT_DICTIONARY | AVJ_INCOMPAT_SEALED | AVJ_INCOMPAT_COMPACTED)
#define AVJ_RO_COMPAT_KNOWN     0u

/* One entry of an index frame: first sequence number, offset and the chain value in front. */
#define AVJ_INDEX_ENTRY_LEN 24u

static_assert(AVJ_SEGMENT_HASH_OFFSET + 16 == AVJ_SEGMENT_HEADER_LEN, "hash ends the header");
static_assert(AVJ_FRAME_HASH_OFFSET + 8 == AVJ_FRAME_HEADER_LEN, "hash ends the frame header");
static_assert(AVJ_SEGMENT_HEADER_LEN % AVJ_FRAME_ALIGN == 0, "the first frame is aligned");

/* Fills header->frames_at from the dictionary, and the feature bits. */
void avj_segment_header_encode(struct avj_segment_header *header,
                               uint8_t out[AVJ_SEGMENT_HEADER_LEN]);

/* Fills header->chain and frames_at too.  AVJ_ECORRUPT, AVJ_EVERSION. */
AVJ_CHECKED enum avj_status avj_segment_header_decode(const uint8_t in[AVJ_SEGMENT_HEADER_LEN],
                                                      struct avj_segment_header *header,
                                                      struct avj_error *err);

/* What a header says that fails its hash; features that can not be are left out. Nothing of it may
 * be believed that is not proven otherwise. */
void avj_segment_header_guess(const uint8_t in[AVJ_SEGMENT_HEADER_LEN],
                              struct avj_segment_header *header);

struct avj_frame_header {
    uint8_t type, flags;
    uint16_t count;
    uint32_t stored_len, raw_len;
    uint64_t first_seq, durable_seq;
    uint64_t prev_hash, payload_hash;
    uint32_t writer_id, dict_id;
    uint64_t header_hash; /* filled by encode and decode */
};

/* Seed that ties every hash of a frame to its segment and its place there. */
uint64_t avj_frame_place(const uint8_t salt[16], uint64_t offset);
uint64_t avj_payload_hash(uint64_t place, const void *stored, size_t len);
void avj_frame_header_encode(struct avj_frame_header *header, uint64_t place,
                             uint8_t out[AVJ_FRAME_HEADER_LEN]);
/* True if and only if magic, hash and limits hold. */
bool avj_frame_header_decode(const uint8_t in[AVJ_FRAME_HEADER_LEN], uint64_t place,
                             struct avj_frame_header *header);
/* What a frame header says whose hash is wrong, or can not be looked at since its place is not
 * known.  True if and only if magic and limits hold. */
bool avj_frame_header_guess(const uint8_t in[AVJ_FRAME_HEADER_LEN],
                            struct avj_frame_header *header);
/* Bytes from the frame's offset to the next frame's. */
uint64_t avj_frame_total(uint32_t stored_len);
void avj_frame_trailer_encode(uint32_t total, uint64_t header_hash,
                              uint8_t out[AVJ_FRAME_TRAILER_LEN]);

bool avj_all_zero(const uint8_t *data, size_t len);

#endif
