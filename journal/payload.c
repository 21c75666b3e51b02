/* Records to payload and back: see payload.h. */
#include "journal/payload.h"
#include "journal/format.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

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

struct avj_packer {
    ZSTD_CCtx *zstd;
    struct bytes raw, stored;
};

struct avj_packer *avj_packer_new(int level)
{
    struct avj_packer *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->zstd = ZSTD_createCCtx();
    if (!p->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1))) {
        avj_packer_free(p);
        return NULL;
    }
    return p;
}

void avj_packer_free(struct avj_packer *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->zstd);
    free(p->raw.data);
    free(p->stored.data);
    free(p);
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

enum avj_status avj_pack_records(struct avj_packer *p, const struct avj_slice *records,
                                 size_t count, struct avj_payload *payload, struct avj_error *err)
{
    size_t size = 0;
    enum avj_status status = raw_size(records, count, &size, err);
    if (status != AVJ_OK)
        return status;
    if (!reserve(&p->raw, size) || !reserve(&p->stored, ZSTD_compressBound(size)))
        return avj_fail(err, AVJ_ENOMEM, "append: out of memory for %zu bytes", size);
    uint8_t *at = p->raw.data;
    for (size_t i = 0; i < count; i++) {
        at = put_varint(at, records[i].len);
        if (records[i].len)
            memcpy(at, records[i].data, records[i].len);
        at += records[i].len;
    }
    size_t packed = ZSTD_compress2(p->zstd, p->stored.data, p->stored.cap, p->raw.data, size);
    if (ZSTD_isError(packed))
        return avj_fail(err, AVJ_ENOMEM, "append: zstd: %s", ZSTD_getErrorName(packed));
    payload->compressed = packed < size;
    payload->stored = payload->compressed ? p->stored.data : p->raw.data;
    payload->stored_len = (uint32_t)(payload->compressed ? packed : size);
    payload->raw_len = (uint32_t)size;
    payload->count = (uint16_t)count;
    return AVJ_OK;
}

struct avj_unpacker {
    ZSTD_DCtx *zstd;
    struct bytes raw;
    const uint8_t *at, *end;
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
    free(u->raw.data);
    free(u);
}

static enum avj_status decompress(struct avj_unpacker *u, const struct avj_frame_info *frame,
                                  const uint8_t *stored)
{
    if (ZSTD_getFrameContentSize(stored, frame->stored_len) != frame->raw_len)
        return AVJ_ECORRUPT;
    if (!reserve(&u->raw, frame->raw_len))
        return AVJ_ENOMEM;
    size_t got =
        ZSTD_decompressDCtx(u->zstd, u->raw.data, frame->raw_len, stored, frame->stored_len);
    if (ZSTD_isError(got) || got != frame->raw_len)
        return AVJ_ECORRUPT;
    return AVJ_OK;
}

/* Reads a LEB128 length in its shortest form; NULL when it is none or leads behind `end`. */
static const uint8_t *get_record(const uint8_t *p, const uint8_t *end, struct avj_slice *record)
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
    u->at = u->end = NULL;
    const uint8_t *raw = stored;
    if (frame->compressed) {
        enum avj_status status = decompress(u, frame, stored);
        if (status != AVJ_OK)
            return status;
        raw = u->raw.data;
    } else if (frame->raw_len != frame->stored_len)
        return AVJ_ECORRUPT;
    const uint8_t *p = raw, *end = raw + frame->raw_len;
    struct avj_slice record;
    for (uint32_t i = 0; i < frame->count; i++)
        if (!(p = get_record(p, end, &record)))
            return AVJ_ECORRUPT;
    if (p != end)
        return AVJ_ECORRUPT;
    u->at = raw;
    u->end = end;
    return AVJ_OK;
}

bool avj_unpack_next(struct avj_unpacker *u, struct avj_slice *record)
{
    if (u->at == u->end)
        return false;
    u->at = get_record(u->at, u->end, record);
    return u->at != NULL;
}
