/* Records to payload and back: see payload.h. */
#include "journal/payload.h"
#include "journal/format.h"
#include "journal/parts.h"
#include "journal/second.h"
#include "journal/tuning.h"

#include <sched.h>
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
 * repetition, and are compressed in parts, each a zstd frame of its own, by two threads.  Where the
 * dictionary is the journal's own, or that of a sealed segment, these parts are small and have it
 * too.
 */
#define PART       ((size_t)224 * 1024)
#define SMALL_PART ((size_t)64 * 1024)

/* 28 b5 2f fd: what every zstd frame begins with. */
#define MAGIC_LEN ((size_t)4)

enum lane { SMALL, MEDIUM, LARGE, LARGE_TOO /* the second thread's */, LANES };

struct avj_packer {
    ZSTD_CCtx *lanes[LANES];
    struct avj_second_thread *second; /* NULL: not needed so far */
    bool alone;                       /* there is no other processor, or no thread to be had */
    int level;
    uint64_t dictionary_hash; /* 0: none */
    bool own;                 /* it does not come with the program */
    struct bytes raw, stored;
};

/* Has nothing of what it was set up for before. */
static bool set_up_large(const struct avj_packer *p, ZSTD_CCtx *zstd)
{
    if (ZSTD_isError(ZSTD_CCtx_reset(zstd, ZSTD_reset_session_and_parameters)))
        return false;
    if (p->level == AVJ_LEVEL_SEALING)
        return avj_tune(zstd, AVJ_TUNE_SEALED);
    if (p->level == AVJ_LEVEL_DEFAULT)
        return avj_tune(zstd, p->own ? AVJ_TUNE_PARTS : AVJ_TUNE_BULK);
    return !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, p->level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_dictIDFlag, 0)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1));
}

/* Those that this process may use. */
static long processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set);
    return sysconf(_SC_NPROCESSORS_ONLN);
}

struct avj_packer *avj_packer_new(int level)
{
    struct avj_packer *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->level = level;
    /* Sealing is in nobody's way. */
    p->alone = level == AVJ_LEVEL_SEALING || processors() < 2;
    bool good = true;
    for (size_t i = 0; i < LANES; i++)
        good &= (p->lanes[i] = ZSTD_createCCtx()) != NULL;
    if (good && set_up_large(p, p->lanes[LARGE]) && set_up_large(p, p->lanes[LARGE_TOO]) &&
        avj_tune(p->lanes[SMALL], AVJ_TUNE_SMALL) && avj_tune(p->lanes[MEDIUM], AVJ_TUNE_MEDIUM))
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
    struct avj_dictionary known;
    bool sealing = p->level == AVJ_LEVEL_SEALING;
    p->dictionary_hash = 0;
    p->own = (uint32_t)hash && !avj_dictionary_find(hash, &known);
    bool good = set_up_large(p, p->lanes[LARGE]) && set_up_large(p, p->lanes[LARGE_TOO]);
    for (enum lane lane = sealing ? LARGE : SMALL; good && lane < LANES; lane++)
        if (lane <= MEDIUM || sealing || p->own)
            good = !ZSTD_isError(
                ZSTD_CCtx_loadDictionary(p->lanes[lane], dictionary->data, dictionary->len));
    if (!good) {
        /* Frames that name no dictionary shall not need one. */
        p->own = false;
        (void)set_up_large(p, p->lanes[LARGE]);
        (void)set_up_large(p, p->lanes[LARGE_TOO]);
        return AVJ_ENOMEM;
    }
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
        p->second = avj_second_thread_new();
        p->alone = !p->second;
    }
    return !p->alone;
}

/* `packed` bytes in p->stored are what zstd made of the payload. */
static void choose_stored(const struct avj_packer *p, const uint8_t *raw, size_t len, size_t packed,
                          enum lane lane, struct avj_payload *payload)
{
    /* One record alone is small enough for zstd's magic number to count. */
    size_t skip = lane == SMALL ? MAGIC_LEN : 0;
    payload->compressed = packed - skip < len;
    payload->bare = payload->compressed && skip;
    payload->stored = payload->compressed ? p->stored.data + skip : raw;
    payload->stored_len = (uint32_t)(payload->compressed ? packed - skip : len);
    payload->raw_len = (uint32_t)len;
    bool with = lane != LARGE || p->own || p->level == AVJ_LEVEL_SEALING;
    payload->dictionary = with && payload->compressed ? (uint32_t)p->dictionary_hash : 0;
}

static enum avj_status pack_whole(struct avj_packer *p, const uint8_t *raw, size_t len,
                                  enum lane lane, struct avj_payload *payload,
                                  struct avj_error *err)
{
    if (!reserve(&p->stored, ZSTD_compressBound(len)))
        return avj_fail(err, AVJ_ENOMEM, "append: out of memory for %zu bytes", len);
    size_t packed = ZSTD_compress2(p->lanes[lane], p->stored.data, p->stored.cap, raw, len);
    if (ZSTD_isError(packed))
        return avj_fail(err, AVJ_ENOMEM, "append: zstd: %s", ZSTD_getErrorName(packed));
    choose_stored(p, raw, len, packed, lane, payload);
    return AVJ_OK;
}

static enum avj_status pack_parts(struct avj_packer *p, struct avj_parts *parts, const uint8_t *raw,
                                  size_t len, struct avj_payload *payload, struct avj_error *err)
{
    if (!reserve(&p->stored, avj_parts_room(parts)))
        return avj_fail(err, AVJ_ENOMEM, "append: out of memory for %zu bytes", len);
    struct avj_parts_work work = {.parts = parts, .raw = raw, .out = p->stored.data};
    bool shared = has_second(p);
    if (shared)
        avj_second_thread_start(p->second, &work, p->lanes[LARGE_TOO]);
    avj_parts_compress(&work, p->lanes[LARGE]);
    if (shared)
        avj_second_thread_wait(p->second);
    size_t packed = avj_parts_join(&work);
    if (!packed)
        return avj_fail(err, AVJ_ENOMEM, "append: zstd: out of memory for %zu bytes", len);
    choose_stored(p, raw, len, packed, LARGE, payload);
    return AVJ_OK;
}

/* Of the size nearest to the one that is wished for. */
static size_t parts_for(const struct avj_packer *p, size_t len)
{
    size_t wish = p->own ? SMALL_PART : PART, count = (len + wish / 2) / wish;
    return count < AVJ_PARTS_MAX ? count : AVJ_PARTS_MAX;
}

/* Between records. */
static void cut(const uint8_t *raw, size_t len, size_t count, size_t most, struct avj_parts *parts)
{
    parts->count = 0;
    for (size_t i = 0, at = 0; i < count; i++) {
        size_t record = avj_record_span(raw + at, len - at);
        avj_parts_add(parts, record, len, most);
        at += record;
    }
}

enum avj_status avj_pack_payload(struct avj_packer *p, const uint8_t *raw, size_t len, size_t count,
                                 struct avj_payload *payload, struct avj_error *err)
{
    enum lane lane = lane_for(p, len);
    size_t most = lane == LARGE && count > 1 ? parts_for(p, len) : 1;
    struct avj_parts parts = {.count = 1};
    if (most > 1)
        cut(raw, len, count, most, &parts);
    memset(payload, 0, sizeof(*payload));
    enum avj_status status = parts.count > 1 ? pack_parts(p, &parts, raw, len, payload, err)
                                             : pack_whole(p, raw, len, lane, payload, err);
    payload->count = (uint16_t)count;
    return status;
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
    return avj_pack_payload(p, p->raw.data, size, count, payload, err);
}

struct avj_unpacker {
    ZSTD_DCtx *zstd;
    bool borrows;           /* zstd */
    ZSTD_DDict *dictionary; /* NULL: none */
    uint64_t dictionary_hash;
    struct bytes raw, whole;
    const uint8_t *begin, *at, *end;
    struct avj_parts parts; /* of the payload unpacked last; stored bytes: of in.src */
    ZSTD_inBuffer in;       /* of a payload that is unpacked bit by bit, and where it goes to */
    ZSTD_outBuffer out;
    size_t raw_len;
    bool compressed;
    const ZSTD_DDict *with; /* what it needs; NULL: nothing */
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

struct avj_unpacker *avj_unpacker_beside(struct avj_unpacker *lender)
{
    struct avj_unpacker *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->zstd = lender->zstd;
    u->borrows = true;
    return u;
}

void avj_unpacker_free(struct avj_unpacker *u)
{
    if (!u)
        return;
    if (!u->borrows)
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
    /* Before raw_len bytes are allocated. */
    if (!avj_parts_read(&u->parts, in->data, in->len, frame->raw_len, frame->count))
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

static enum avj_status begin_stream(struct avj_unpacker *u, const ZSTD_DDict *dictionary)
{
    if (ZSTD_isError(ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only)) ||
        ZSTD_isError(ZSTD_DCtx_refDDict(u->zstd, dictionary)))
        return AVJ_ENOMEM;
    return AVJ_OK;
}

enum avj_status avj_unpack_look(struct avj_unpacker *u, const struct avj_frame_info *frame,
                                const uint8_t *stored, struct avj_parts *parts)
{
    struct avj_slice in = {stored, frame->stored_len};
    u->begin = u->at = u->end = NULL;
    u->parts.count = 0;
    u->compressed = frame->compressed;
    u->raw_len = frame->raw_len;
    enum avj_status status = AVJ_OK;
    if (frame->compressed)
        status = prepare(u, frame, stored, &in, &u->with);
    else if (frame->raw_len != frame->stored_len || frame->dictionary)
        status = AVJ_ECORRUPT;
    u->in = (ZSTD_inBuffer){in.data, in.len, 0};
    *parts = u->parts;
    return status;
}

enum avj_status avj_unpack_begin(struct avj_unpacker *u, uint8_t *raw)
{
    const struct avj_slice in = {u->in.src, u->in.size};
    u->out = (ZSTD_outBuffer){raw, u->raw_len, u->raw_len};
    if (!u->compressed) {
        memcpy(raw, in.data, u->raw_len);
        return AVJ_OK;
    }
    if (u->parts.count)
        return AVJ_OK;
    if (u->raw_len < STREAM_MIN || u->raw_len > STREAM_MAX)
        return decompress_into(u, &in, u->with, raw, u->raw_len);
    u->out.pos = 0;
    return begin_stream(u, u->with);
}

enum avj_status avj_unpack_part(struct avj_unpacker *u, uint32_t i)
{
    const struct avj_part *part = &u->parts.parts[i];
    struct avj_slice in = {(const uint8_t *)u->in.src + part->stored_at, part->stored_len};
    return decompress_into(u, &in, u->with, (uint8_t *)u->out.dst + part->at, part->len);
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

/* Do its records fill it? */
static bool is_filled(const uint8_t *raw, const struct avj_part *part)
{
    const uint8_t *p = raw + part->at, *end = p + part->len;
    struct avj_slice record;
    for (uint32_t i = 0; p && i < part->count; i++)
        p = avj_record_get(p, end, &record);
    return p == end;
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
    if (!frame->compressed || !u->parts.count)
        u->parts = (struct avj_parts){.count = 1,
                                      .parts[0] = {.count = frame->count, .len = frame->raw_len}};
    for (uint32_t i = 0; i < u->parts.count; i++)
        if (!is_filled(raw, &u->parts.parts[i]))
            return AVJ_ECORRUPT;
    u->begin = u->at = raw;
    u->end = raw + frame->raw_len;
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
