/* Records to payload and back: see payload.h. */
#include "journal/payload.h"
#include "journal/format.h"
#include "journal/second.h"
#include "journal/tuning.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

struct bytes {
    uint8_t *data;
    size_t cap;
};

static bool reserve(struct bytes *b, size_t len)
{
    if (len <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 4096;
    while (cap < len)
        cap *= 2;
    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

/*
 * Payloads are compressed by their size, as tuning.h says: the small, above all single messages,
 * and those of some messages, with the dictionary of the segment; larger ones bring their own
 * repetition; and of the largest, two halves at once, each a zstd frame of its own, the second one
 * in another thread.
 */
#define HALVES_MIN AVJ_BULK_RAW

/* 28 b5 2f fd: what every zstd frame begins with. */
#define MAGIC_LEN ((size_t)4)

enum lane { SMALL, MEDIUM, LARGE, LANES };

struct avj_packer {
    ZSTD_CCtx *lanes[LANES];
    struct avj_second_thread *second; /* NULL: not needed so far */
    bool alone;                       /* there is no other processor, or no thread to be had */
    int level;
    uint64_t dictionary_hash; /* 0: none */
    struct bytes raw, stored;
};

static bool set_up_large(struct avj_packer *p)
{
    ZSTD_CCtx *zstd = p->lanes[LARGE];
    if (p->level == AVJ_LEVEL_SEALING) {
        p->alone = true; /* in nobody's way */
        return avj_tune(zstd, AVJ_TUNE_SEALED);
    }
    p->alone = sysconf(_SC_NPROCESSORS_ONLN) < 2;
    return !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, p->level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1));
}

struct avj_packer *avj_packer_new(int level)
{
    struct avj_packer *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->level = level;
    bool good = true;
    for (size_t i = 0; i < LANES; i++)
        good &= (p->lanes[i] = ZSTD_createCCtx()) != NULL;
    if (good && set_up_large(p) && avj_tune(p->lanes[SMALL], AVJ_TUNE_SMALL) &&
        avj_tune(p->lanes[MEDIUM], AVJ_TUNE_MEDIUM))
        return p;
    avj_packer_free(p);
    return NULL;
}

void avj_packer_free(struct avj_packer *p)
{
    if (!p)
        return;
    avj_second_thread_free(p->second);
    for (size_t i = 0; i < LANES; i++)
        ZSTD_freeCCtx(p->lanes[i]);
    free(p->raw.data);
    free(p->stored.data);
    free(p);
}

enum avj_status avj_packer_dictionary(struct avj_packer *p, const struct avj_dictionary *dictionary)
{
    uint64_t hash = dictionary->len ? dictionary->hash : 0;
    if (hash == p->dictionary_hash)
        return AVJ_OK;
    p->dictionary_hash = 0;
    bool sealing = p->level == AVJ_LEVEL_SEALING;
    for (size_t i = sealing ? LARGE : SMALL; i <= (sealing ? LARGE : MEDIUM); i++)
        if (ZSTD_isError(ZSTD_CCtx_loadDictionary(p->lanes[i], dictionary->data, dictionary->len)))
            return AVJ_ENOMEM;
    p->dictionary_hash = hash;
    return AVJ_OK;
}

uint64_t avj_packer_dictionary_hash(const struct avj_packer *p)
{
    return p->dictionary_hash;
}

static size_t varint_len(size_t value)
{
    size_t len = 1;
    while (value >= 0x80) {
        value >>= 7;
        len++;
    }
    return len;
}

static uint8_t *put_varint(uint8_t *p, size_t value)
{
    while (value >= 0x80) {
        *p++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

size_t avj_record_put(uint8_t *out, const void *data, size_t len)
{
    uint8_t *at = put_varint(out, len);
    if (len)
        memcpy(at, data, len);
    return (size_t)(at - out) + len;
}

size_t avj_record_span(const uint8_t *data, size_t len)
{
    size_t record = 0, at = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        if (at == len)
            return 0;
        uint8_t byte = data[at++];
        record |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return record <= len - at ? at + record : 0;
    }
    return 0;
}

static enum avj_status raw_size(const struct avj_slice *records, size_t count, size_t *size,
                                struct avj_error *err)
{
    if (count == 0 || count > AVJ_RECORDS_PER_FRAME_MAX)
        return avj_fail(err, AVJ_EINVAL, "append: %zu records at once, 1 to %u are possible", count,
                        AVJ_RECORDS_PER_FRAME_MAX);
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].len > AVJ_RECORD_MAX)
            return avj_fail(err, AVJ_ETOOBIG,
                            "append: a record of %zu bytes, at most %zu are possible",
                            records[i].len, AVJ_RECORD_MAX);
        *size += varint_len(records[i].len) + records[i].len;
        if (*size > AVJ_FRAME_RAW_MAX)
            return avj_fail(err, AVJ_ETOOBIG, "append: more than %zu bytes at once",
                            AVJ_FRAME_RAW_MAX);
    }
    return AVJ_OK;
}

static enum lane lane_for(const struct avj_packer *p, size_t len)
{
    if (p->level == AVJ_LEVEL_SEALING)
        return LARGE;
    /* A dictionary whose short name is 0 could not be named by a frame. */
    if (!(uint32_t)p->dictionary_hash || len >= AVJ_BULK_RAW)
        return LARGE;
    return len < AVJ_SMALL_RAW ? SMALL : MEDIUM;
}

static bool has_second(struct avj_packer *p)
{
    if (!p->second && !p->alone) {
        p->second = avj_second_thread_new(p->level);
        p->alone = !p->second;
    }
    return !p->alone;
}

static size_t compress_halves(struct avj_packer *p, const uint8_t *raw, size_t len)
{
    size_t half = len / 2, room = ZSTD_compressBound(len - half);
    uint8_t *other = p->stored.data + p->stored.cap - room;
    avj_second_thread_start(p->second, raw + half, len - half, other, room);
    size_t first = ZSTD_compress2(p->lanes[LARGE], p->stored.data, p->stored.cap - room, raw, half);
    size_t second = avj_second_thread_wait(p->second);
    if (ZSTD_isError(first) || ZSTD_isError(second))
        return ZSTD_isError(first) ? first : second;
    memmove(p->stored.data + first, other, second);
    return first + second;
}

enum avj_status avj_pack_payload(struct avj_packer *p, const uint8_t *raw, size_t len,
                                 struct avj_payload *payload, struct avj_error *err)
{
    memset(payload, 0, sizeof(*payload));
    if (!reserve(&p->stored, 2 * ZSTD_compressBound(len / 2 + 1)))
        return avj_fail(err, AVJ_ENOMEM, "append: out of memory for %zu bytes", len);
    enum lane lane = lane_for(p, len);
    size_t packed = lane == LARGE && len >= HALVES_MIN && has_second(p)
                        ? compress_halves(p, raw, len)
                        : ZSTD_compress2(p->lanes[lane], p->stored.data, p->stored.cap, raw, len);
    if (ZSTD_isError(packed))
        return avj_fail(err, AVJ_ENOMEM, "append: zstd: %s", ZSTD_getErrorName(packed));
    /* One record alone is small enough for zstd's magic number to count. */
    size_t skip = lane == SMALL ? MAGIC_LEN : 0;
    payload->compressed = packed - skip < len;
    payload->bare = payload->compressed && skip;
    payload->stored = payload->compressed ? p->stored.data + skip : raw;
    payload->stored_len = (uint32_t)(payload->compressed ? packed - skip : len);
    payload->raw_len = (uint32_t)len;
    bool with = lane != LARGE || p->level == AVJ_LEVEL_SEALING;
    payload->dictionary = with && payload->compressed ? (uint32_t)p->dictionary_hash : 0;
    return AVJ_OK;
}

enum avj_status avj_pack_records(struct avj_packer *p, const struct avj_slice *records,
                                 size_t count, struct avj_payload *payload, struct avj_error *err)
{
    size_t size = 0;
    enum avj_status status = raw_size(records, count, &size, err);
    if (status != AVJ_OK)
        return status;
    if (!reserve(&p->raw, size))
        return avj_fail(err, AVJ_ENOMEM, "append: out of memory for %zu bytes", size);
    uint8_t *at = p->raw.data;
    for (size_t i = 0; i < count; i++)
        at += avj_record_put(at, records[i].data, records[i].len);
    status = avj_pack_payload(p, p->raw.data, size, payload, err);
    payload->count = (uint16_t)count;
    return status;
}

/* zstd frames in a payload; those of this version write one or two. */
#define PARTS_MAX 16u

struct avj_unpacker {
    ZSTD_DCtx *zstd;
    ZSTD_DDict *dictionary; /* NULL: none */
    uint64_t dictionary_hash;
    struct bytes raw, whole;
    const uint8_t *begin, *at, *end;
    ZSTD_inBuffer in; /* of a payload that is unpacked bit by bit, and where it goes to */
    ZSTD_outBuffer out;
    size_t raw_len;
};

struct avj_unpacker *avj_unpacker_new(void)
{
    struct avj_unpacker *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->zstd = ZSTD_createDCtx();
    if (!u->zstd) {
        free(u);
        return NULL;
    }
    return u;
}

void avj_unpacker_free(struct avj_unpacker *u)
{
    if (!u)
        return;
    ZSTD_freeDCtx(u->zstd);
    ZSTD_freeDDict(u->dictionary);
    free(u->raw.data);
    free(u->whole.data);
    free(u);
}

enum avj_status avj_unpacker_dictionary(struct avj_unpacker *u,
                                        const struct avj_dictionary *dictionary)
{
    uint64_t hash = dictionary->len ? dictionary->hash : 0;
    if (hash == u->dictionary_hash)
        return AVJ_OK;
    ZSTD_freeDDict(u->dictionary);
    u->dictionary = NULL;
    u->dictionary_hash = 0;
    if (!hash)
        return AVJ_OK;
    u->dictionary = ZSTD_createDDict(dictionary->data, dictionary->len);
    if (!u->dictionary)
        return AVJ_ENOMEM;
    u->dictionary_hash = hash;
    return AVJ_OK;
}

/* The zstd frames say themselves that they come to raw_len bytes: before that is allocated. */
static bool content_fits(const uint8_t *stored, size_t len, uint32_t raw_len)
{
    unsigned long long sum = 0;
    for (unsigned parts = 0; len > 0; parts++) {
        unsigned long long part = ZSTD_getFrameContentSize(stored, len);
        size_t used = ZSTD_findFrameCompressedSize(stored, len);
        if (parts == PARTS_MAX || part > raw_len || ZSTD_isError(used) || used == 0)
            return false;
        sum += part;
        stored += used;
        len -= used;
    }
    return sum == raw_len;
}

/* Puts the magic number back in front. */
static bool make_whole(struct avj_unpacker *u, struct avj_slice *stored)
{
    static const uint8_t magic[MAGIC_LEN] = {0x28, 0xb5, 0x2f, 0xfd};
    if (!reserve(&u->whole, MAGIC_LEN + stored->len))
        return false;
    memcpy(u->whole.data, magic, MAGIC_LEN);
    memcpy(u->whole.data + MAGIC_LEN, stored->data, stored->len);
    *stored = (struct avj_slice){u->whole.data, MAGIC_LEN + stored->len};
    return true;
}

/* *in becomes the zstd frames, verified to come to raw_len; *dictionary what they need. */
static enum avj_status prepare(struct avj_unpacker *u, const struct avj_frame_info *frame,
                               const uint8_t *stored, struct avj_slice *in,
                               const ZSTD_DDict **dictionary)
{
    *in = (struct avj_slice){stored, frame->stored_len};
    *dictionary = NULL;
    if (frame->bare && !make_whole(u, in))
        return AVJ_ENOMEM;
    if (!content_fits(in->data, in->len, frame->raw_len))
        return AVJ_ECORRUPT;
    if (!frame->dictionary)
        return AVJ_OK;
    if (!u->dictionary || frame->dictionary != (uint32_t)u->dictionary_hash)
        return AVJ_ECORRUPT;
    *dictionary = u->dictionary;
    return AVJ_OK;
}

static enum avj_status decompress_into(struct avj_unpacker *u, const struct avj_slice *in,
                                       const ZSTD_DDict *dictionary, uint8_t *raw, size_t raw_len)
{
    size_t got = ZSTD_decompress_usingDDict(u->zstd, raw, raw_len, in->data, in->len, dictionary);
    return ZSTD_isError(got) || got != raw_len ? AVJ_ECORRUPT : AVJ_OK;
}

static enum avj_status decompress(struct avj_unpacker *u, const struct avj_frame_info *frame,
                                  const uint8_t *stored)
{
    struct avj_slice in;
    const ZSTD_DDict *dictionary;
    enum avj_status status = prepare(u, frame, stored, &in, &dictionary);
    if (status != AVJ_OK)
        return status;
    if (!reserve(&u->raw, frame->raw_len))
        return AVJ_ENOMEM;
    return decompress_into(u, &in, dictionary, u->raw.data, frame->raw_len);
}

/* ---- bit by bit ---- */

/* Smaller ones are unpacked at once; so are much larger ones, since zstd needs as much memory again
 * to stop between. */
#define STREAM_MIN  ((size_t)192 * 1024)
#define STREAM_MAX  ((size_t)4 * 1024 * 1024)
#define STREAM_STEP ((size_t)128 * 1024) /* zstd's largest block */

static enum avj_status begin_stream(struct avj_unpacker *u, const struct avj_slice *in,
                                    const ZSTD_DDict *dictionary)
{
    u->in = (ZSTD_inBuffer){in->data, in->len, 0};
    if (ZSTD_isError(ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only)) ||
        ZSTD_isError(ZSTD_DCtx_refDDict(u->zstd, dictionary)))
        return AVJ_ENOMEM;
    return AVJ_OK;
}

enum avj_status avj_unpack_begin(struct avj_unpacker *u, const struct avj_frame_info *frame,
                                 const uint8_t *stored, uint8_t *raw)
{
    struct avj_slice in;
    const ZSTD_DDict *dictionary;
    u->begin = u->at = u->end = NULL;
    u->raw_len = frame->raw_len;
    u->out = (ZSTD_outBuffer){raw, frame->raw_len, frame->raw_len};
    if (!frame->compressed) {
        if (frame->raw_len != frame->stored_len || frame->dictionary)
            return AVJ_ECORRUPT;
        memcpy(raw, stored, frame->raw_len);
        return AVJ_OK;
    }
    enum avj_status status = prepare(u, frame, stored, &in, &dictionary);
    if (status != AVJ_OK)
        return status;
    if (frame->raw_len < STREAM_MIN || frame->raw_len > STREAM_MAX)
        return decompress_into(u, &in, dictionary, raw, frame->raw_len);
    u->out.pos = 0;
    return begin_stream(u, &in, dictionary);
}

enum avj_status avj_unpack_on(struct avj_unpacker *u, size_t len, size_t *have)
{
    size_t wanted = (len + STREAM_STEP - 1) / STREAM_STEP * STREAM_STEP;
    u->out.size = wanted < u->raw_len ? wanted : u->raw_len;
    while (u->out.pos < u->out.size) {
        size_t in_before = u->in.pos, out_before = u->out.pos;
        size_t hint = ZSTD_decompressStream(u->zstd, &u->out, &u->in);
        if (ZSTD_isError(hint))
            return ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation ? AVJ_ENOMEM
                                                                           : AVJ_ECORRUPT;
        if (u->in.pos == in_before && u->out.pos == out_before)
            return AVJ_ECORRUPT;
    }
    *have = u->out.pos;
    return AVJ_OK;
}

/* Reads a LEB128 length in its shortest form; NULL when it is none or leads behind `end`. */
const uint8_t *avj_record_get(const uint8_t *p, const uint8_t *end, struct avj_slice *record)
{
    uint32_t len = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        if (p == end)
            return NULL;
        uint8_t byte = *p++;
        len |= (uint32_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if ((byte == 0 && shift > 0) || len > (size_t)(end - p) || len > AVJ_RECORD_MAX)
            return NULL;
        record->data = p;
        record->len = len;
        return p + len;
    }
    return NULL;
}

enum avj_status avj_unpack(struct avj_unpacker *u, const struct avj_frame_info *frame,
                           const uint8_t *stored)
{
    u->begin = u->at = u->end = NULL;
    const uint8_t *raw = stored;
    if (frame->compressed) {
        enum avj_status status = decompress(u, frame, stored);
        if (status != AVJ_OK)
            return status;
        raw = u->raw.data;
    } else if (frame->raw_len != frame->stored_len || frame->dictionary)
        return AVJ_ECORRUPT;
    if (frame->type != AVJ_FRAME_RECORDS) {
        u->begin = raw;
        u->at = u->end = raw + frame->raw_len;
        return AVJ_OK;
    }
    const uint8_t *p = raw, *end = raw + frame->raw_len;
    struct avj_slice record;
    for (uint32_t i = 0; i < frame->count; i++)
        if (!(p = avj_record_get(p, end, &record)))
            return AVJ_ECORRUPT;
    if (p != end)
        return AVJ_ECORRUPT;
    u->begin = u->at = raw;
    u->end = end;
    return AVJ_OK;
}

struct avj_slice avj_unpacked(const struct avj_unpacker *u)
{
    return (struct avj_slice){u->begin, (size_t)(u->end - u->begin)};
}

bool avj_unpack_next(struct avj_unpacker *u, struct avj_slice *record)
{
    if (u->at == u->end)
        return false;
    u->at = avj_record_get(u->at, u->end, record);
    return u->at != NULL;
}
