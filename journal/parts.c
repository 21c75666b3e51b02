/* Large payloads in parts: see parts.h. */
#include "journal/parts.h"
#include "journal/bytes.h"

#include <string.h>
#include <zstd.h>

/* The table is a skippable frame of zstd's: this, its length, and two bytes a part. */
#define TABLE_MAGIC 0x184d2a50u
#define TABLE_HEAD  8u
#define ROOM_TABLE  (TABLE_HEAD + 2 * AVJ_PARTS_MAX)

/* ---- writing ---- */

void avj_parts_add(struct avj_parts *p, size_t len, size_t raw_len, size_t most)
{
    struct avj_part *last = p->count ? &p->parts[p->count - 1] : NULL;
    if (!last || (p->count < most && last->at + last->len >= (uint64_t)raw_len * p->count / most)) {
        struct avj_part *next = &p->parts[p->count++];
        *next = (struct avj_part){.first = last ? last->first + last->count : 0,
                                  .at = last ? last->at + last->len : 0};
        last = next;
    }
    last->count++;
    last->len += (uint32_t)len;
}

size_t avj_parts_room(struct avj_parts *p)
{
    size_t room = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        p->parts[i].stored_at = (uint32_t)room;
        room += ZSTD_compressBound(p->parts[i].len);
    }
    return room + ROOM_TABLE;
}

void avj_parts_compress(struct avj_parts_work *work, ZSTD_CCtx *zstd)
{
    uint32_t i;
    while ((i = atomic_fetch_add(&work->next, 1)) < work->parts->count) {
        struct avj_part *part = &work->parts->parts[i];
        size_t size =
            ZSTD_compress2(zstd, work->out + part->stored_at, ZSTD_compressBound(part->len),
                           work->raw + part->at, part->len);
        if (ZSTD_isError(size))
            atomic_store(&work->failed, 1);
        else
            part->stored_len = (uint32_t)size;
    }
}

static size_t put_table(const struct avj_parts *p, uint8_t *out)
{
    avj_put_le32(out, TABLE_MAGIC);
    avj_put_le32(out + 4, 2 * p->count);
    for (uint32_t i = 0; i < p->count; i++)
        avj_put_le16(out + TABLE_HEAD + 2 * (size_t)i, (uint16_t)p->parts[i].count);
    return TABLE_HEAD + 2 * (size_t)p->count;
}

size_t avj_parts_join(struct avj_parts_work *work)
{
    struct avj_parts *p = work->parts;
    size_t len = 0;
    if (atomic_load(&work->failed))
        return 0;
    for (uint32_t i = 0; i < p->count; i++) {
        memmove(work->out + len, work->out + p->parts[i].stored_at, p->parts[i].stored_len);
        p->parts[i].stored_at = (uint32_t)len;
        len += p->parts[i].stored_len;
    }
    return p->count > 1 ? len + put_table(p, work->out + len) : len;
}

/* ---- reading ---- */

/* zstd skips sixteen kinds of frames; only one of them can stand here. */
static bool is_skippable(const uint8_t *stored, size_t len)
{
    return len >= 4 && (avj_get_le32(stored) & ~15u) == TABLE_MAGIC;
}

/* How many records each part holds; they come to `records`. */
static bool read_table(struct avj_parts *p, uint32_t parts, const uint8_t *table, size_t len,
                       uint32_t records)
{
    uint32_t first = 0;
    if (parts < 2 || parts > AVJ_PARTS_MAX || len != TABLE_HEAD + 2 * (size_t)parts ||
        avj_get_le32(table) != TABLE_MAGIC || avj_get_le32(table + 4) != 2 * parts)
        return false;
    for (uint32_t i = 0; i < parts; i++) {
        p->parts[i].first = first;
        p->parts[i].count = avj_get_le16(table + TABLE_HEAD + 2 * (size_t)i);
        first += p->parts[i].count;
        if (!p->parts[i].count || !p->parts[i].len)
            return false;
    }
    p->count = parts;
    return first == records;
}

bool avj_parts_read(struct avj_parts *p, const uint8_t *stored, size_t len, uint32_t raw_len,
                    uint32_t records)
{
    uint64_t sum = 0;
    size_t at = 0;
    p->count = 0;
    for (uint32_t i = 0; at < len; i++) {
        if (is_skippable(stored + at, len - at))
            return sum == raw_len && read_table(p, i, stored + at, len - at, records);
        unsigned long long content = ZSTD_getFrameContentSize(stored + at, len - at);
        size_t used = ZSTD_findFrameCompressedSize(stored + at, len - at);
        if (i == AVJ_ZSTD_FRAMES_MAX || content > raw_len || ZSTD_isError(used) || used == 0)
            return false;
        if (i < AVJ_PARTS_MAX)
            p->parts[i] = (struct avj_part){.at = (uint32_t)sum,
                                            .len = (uint32_t)content,
                                            .stored_at = (uint32_t)at,
                                            .stored_len = (uint32_t)used};
        sum += content;
        at += used;
    }
    return sum == raw_len;
}
