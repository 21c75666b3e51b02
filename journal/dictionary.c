/* Built-in and stored dictionaries: see dictionary.h. */
#include "journal/dictionary.h"

#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

/* A stored dictionary is written once and read at every opening. */
#define PACK_LEVEL 12

/* Made from dictionary-1.zdict by the build. */
extern const uint8_t avj_dictionary_1[];
extern const size_t avj_dictionary_1_len;

bool avj_dictionary_builtin(uint32_t number, const uint8_t **data, size_t *len)
{
    if (number != 1)
        return false;
    *data = avj_dictionary_1;
    *len = avj_dictionary_1_len;
    return true;
}

uint64_t avj_dictionary_hash(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

void avj_dictionary_default(struct avj_dictionary *out)
{
    *out = (struct avj_dictionary){0};
    out->data = avj_dictionary_1;
    out->len = (uint32_t)avj_dictionary_1_len;
    out->hash = XXH3_64bits(out->data, out->len);
}

bool avj_dictionary_find(uint64_t hash, struct avj_dictionary *out)
{
    avj_dictionary_default(out); /* the only one so far */
    if (out->hash == hash)
        return true;
    *out = (struct avj_dictionary){0};
    return false;
}

static size_t compress(const void *data, size_t len, uint8_t *out, size_t cap)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    if (!zstd)
        return 0;
    size_t size = ZSTD_compress_usingDict(zstd, out, cap, data, len, avj_dictionary_1,
                                          avj_dictionary_1_len, PACK_LEVEL);
    ZSTD_freeCCtx(zstd);
    return ZSTD_isError(size) ? 0 : size;
}

enum avj_status avj_dictionary_pack(const void *data, size_t len, uint8_t **out, size_t *out_len,
                                    struct avj_error *err)
{
    if (len == 0 || len > AVJ_DICTIONARY_MAX)
        return avj_fail(err, AVJ_EINVAL, "a dictionary of %zu bytes, 1 to %zu are possible", len,
                        AVJ_DICTIONARY_MAX);
    size_t cap = ZSTD_compressBound(len);
    uint8_t *packed = malloc(cap);
    *out_len = packed ? compress(data, len, packed, cap) : 0;
    if (*out_len == 0) {
        free(packed);
        return avj_fail(err, AVJ_ENOMEM, "out of memory for a dictionary");
    }
    *out = packed;
    return AVJ_OK;
}

static enum avj_status decompress(const void *packed, size_t len, uint8_t *out, size_t size)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    if (!zstd)
        return AVJ_ENOMEM;
    size_t got = ZSTD_decompress_usingDict(zstd, out, size, packed, len, avj_dictionary_1,
                                           avj_dictionary_1_len);
    ZSTD_freeDCtx(zstd);
    return got == size ? AVJ_OK : AVJ_ECORRUPT;
}

enum avj_status avj_dictionary_unpack(const void *packed, size_t len, uint64_t hash, uint8_t **out,
                                      size_t *out_len, struct avj_error *err)
{
    /* Unknown sizes and errors of zstd are very large numbers. */
    unsigned long long size = ZSTD_getFrameContentSize(packed, len);
    if (size == 0 || size > AVJ_DICTIONARY_MAX)
        return avj_fail(err, AVJ_ECORRUPT, "not a stored dictionary");
    uint8_t *data = malloc((size_t)size);
    enum avj_status status = data ? decompress(packed, len, data, (size_t)size) : AVJ_ENOMEM;
    if (status == AVJ_OK && avj_dictionary_hash(data, (size_t)size) != hash)
        status = AVJ_ECORRUPT;
    if (status != AVJ_OK) {
        free(data);
        return avj_fail(err, status, "stored dictionary: %s", avj_status_text(status));
    }
    *out = data;
    *out_len = (size_t)size;
    return AVJ_OK;
}
