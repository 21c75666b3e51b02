/*
 * The bytes are a segment whose hashes are put right, so that what is behind the checksums is
 * reached: lengths, counts, flags, dictionaries, zstd's frames, padding, trailers.
 *
 * The first 256 bytes are the segment header's (the reserved rest of it is zeros); what follows
 * stands from 4096 on.  Wherever the magic of a frame stands its hashes and the trailer are made to
 * fit; bits of its field "writer" say what is left wrong (0 in the seeds: nothing).
 */
#include "tests/fuzz/fuzz.h"

#include "journal/bytes.h"
#include "journal/format.h"

#include <string.h>

#define HEADER_GIVEN 256u
#define REST_MAX     ((size_t)256 * 1024)

enum leave {
    LEAVE_CHAIN = 1u << 0,
    LEAVE_SEQUENCE = 1u << 1,
    LEAVE_PAYLOAD_HASH = 1u << 2,
    LEAVE_HEADER_HASH = 1u << 3,
    LEAVE_PADDING = 1u << 4,
    LEAVE_TRAILER = 1u << 5,
    FIT_LENGTH = 1u << 6,    /* the payload ends where the next frame's magic or the file does */
    RAW_IS_STORED = 1u << 7, /* for payloads that are not compressed */
};

struct segment {
    uint8_t *bytes;
    size_t len;
    uint64_t chain, next_seq;
};

static bool magic_at(const struct segment *s, size_t at)
{
    return at + AVJ_FRAME_HEADER_LEN <= s->len && memcmp(s->bytes + at, "AVJF", 4) == 0;
}

static void put_header(struct segment *s, const uint8_t *data, size_t size)
{
    struct avj_segment_header header;

    memcpy(s->bytes, data, size < HEADER_GIVEN ? size : HEADER_GIVEN);
    avj_hash128(s->bytes, AVJ_SEGMENT_HASH_OFFSET, s->bytes + AVJ_SEGMENT_HASH_OFFSET);
    if (avj_segment_header_decode(s->bytes, &header, NULL) != AVJ_OK)
        return;
    s->chain = header.chain;
    s->next_seq = header.first_seq;
}

static void fit_length(struct segment *s, size_t at)
{
    size_t end = at + AVJ_FRAME_HEADER_LEN;

    while (end < s->len && !magic_at(s, end))
        end += AVJ_FRAME_ALIGN;
    end = end < s->len ? end : s->len;
    if (end >= at + AVJ_FRAME_HEADER_LEN + AVJ_FRAME_TRAILER_LEN + 1)
        avj_put_le32(s->bytes + at + 8,
                     (uint32_t)(end - at - AVJ_FRAME_HEADER_LEN - AVJ_FRAME_TRAILER_LEN));
}

/* Everything that fits into the file; returns where the next frame is. */
static size_t fix_body(struct segment *s, size_t at, unsigned leave, uint64_t place)
{
    uint8_t *frame = s->bytes + at;
    uint32_t stored = avj_get_le32(frame + 8);
    uint64_t total = avj_frame_total(stored);
    size_t used = AVJ_FRAME_HEADER_LEN + (size_t)stored;

    if (total > s->len - at)
        return at + AVJ_FRAME_ALIGN;
    if (!(leave & LEAVE_PAYLOAD_HASH))
        avj_put_le64(frame + 40, avj_payload_hash(place, frame + AVJ_FRAME_HEADER_LEN, stored));
    if (!(leave & LEAVE_PADDING))
        memset(frame + used, 0, (size_t)total - AVJ_FRAME_TRAILER_LEN - used);
    return at + (size_t)total;
}

/* The frame header's hash is made by encoding what was decoded, so that this knows no more of the
 * algorithm than format.h tells. */
static void fix_hash(struct segment *s, size_t at, size_t next, unsigned leave, uint64_t place)
{
    uint8_t *frame = s->bytes + at;
    struct avj_frame_header h = {
        .type = frame[4],
        .flags = frame[5],
        .count = avj_get_le16(frame + 6),
        .stored_len = avj_get_le32(frame + 8),
        .raw_len = avj_get_le32(frame + 12),
        .first_seq = avj_get_le64(frame + 16),
        .durable_seq = avj_get_le64(frame + 24),
        .prev_hash = avj_get_le64(frame + 32),
        .payload_hash = avj_get_le64(frame + 40),
        .writer_id = avj_get_le32(frame + 48),
        .dict_id = avj_get_le32(frame + 52),
    };

    if (!(leave & LEAVE_HEADER_HASH))
        avj_frame_header_encode(&h, place, frame);
    if (!(leave & LEAVE_TRAILER) && next > at + AVJ_FRAME_ALIGN)
        avj_frame_trailer_encode((uint32_t)(next - at), avj_get_le64(frame + AVJ_FRAME_HASH_OFFSET),
                                 s->bytes + next - AVJ_FRAME_TRAILER_LEN);
    s->chain = h.header_hash;
    s->next_seq = h.first_seq + h.count;
}

static size_t fix_frame(struct segment *s, size_t at)
{
    uint8_t *frame = s->bytes + at;
    unsigned leave = frame[48];
    uint64_t place = avj_frame_place(s->bytes + 48, at);
    size_t next;

    if (leave & FIT_LENGTH)
        fit_length(s, at);
    if (leave & RAW_IS_STORED)
        memcpy(frame + 12, frame + 8, 4);
    if (!(leave & LEAVE_CHAIN))
        avj_put_le64(frame + 32, s->chain);
    if (!(leave & LEAVE_SEQUENCE))
        avj_put_le64(frame + 16, s->next_seq);
    next = fix_body(s, at, leave, place);
    fix_hash(s, at, next, leave, place);
    return next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t rest = size > HEADER_GIVEN ? size - HEADER_GIVEN : 0;
    struct segment s = {.len = AVJ_SEGMENT_HEADER_LEN + rest};

    if (rest > REST_MAX)
        return -1;
    fuzz_begin();
    s.bytes = calloc(1, s.len);
    fuzz_require(s.bytes, "out of memory");
    put_header(&s, data, size);
    if (rest)
        memcpy(s.bytes + AVJ_SEGMENT_HEADER_LEN, data + HEADER_GIVEN, rest);
    for (size_t at = AVJ_SEGMENT_HEADER_LEN; at < s.len;)
        at = magic_at(&s, at) ? fix_frame(&s, at) : at + AVJ_FRAME_ALIGN;
    fuzz_read_segment(s.bytes, s.len);
    free(s.bytes);
    fuzz_end(size);
    return 0;
}
