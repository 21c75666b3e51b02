/*
 * Large payloads in parts: each a zstd frame of its own with whole records in it, and behind them a
 * table that says how many, so that one record is had without unpacking what is in front of it.
 * FORMAT.md, "Payload", has the bytes.
 *
 * Threading: a struct belongs to one thread, but for avj_parts_compress.
 */
#ifndef AVJ_PARTS_H
#define AVJ_PARTS_H

#include "journal/status.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ZSTD_CCtx_s;

/* zstd frames in a payload, the table among them. */
#define AVJ_ZSTD_FRAMES_MAX 16u
#define AVJ_PARTS_MAX       (AVJ_ZSTD_FRAMES_MAX - 1)

struct avj_part {
    uint32_t first, count;          /* records */
    uint32_t at, len;               /* bytes of the raw payload */
    uint32_t stored_at, stored_len; /* of the stored one */
};

struct avj_parts {
    uint32_t count; /* read: 0: the payload says nothing of parts */
    struct avj_part parts[AVJ_PARTS_MAX];
};

/* ---- writing ---- */

/* Puts the next record, framed in `len` bytes, into the last part or begins another one: raw_len
 * bytes come to at most `most` parts of even size. */
void avj_parts_add(struct avj_parts *parts, size_t len, size_t raw_len, size_t most);

struct avj_parts_work {
    struct avj_parts *parts; /* stored_at: where there is room for each */
    const uint8_t *raw;
    uint8_t *out;
    atomic_uint next, failed;
};

/* Bytes that the work needs room for; sets stored_at. */
size_t avj_parts_room(struct avj_parts *parts);
/* Compresses parts until none is left; two threads may, each with a context of its own, set up
 * alike. */
void avj_parts_compress(struct avj_parts_work *work, struct ZSTD_CCtx_s *zstd);
/* When all are: moves them together, and puts the table behind them where there are several.
 * Bytes; 0: zstd failed. */
size_t avj_parts_join(struct avj_parts_work *work);

/* ---- reading ---- */

/* The zstd frames say themselves that they come to raw_len bytes, and the table, where there is
 * one, that they hold `records`; else false. */
bool avj_parts_read(struct avj_parts *parts, const uint8_t *stored, size_t len, uint32_t raw_len,
                    uint32_t records);

#endif
