/*
 * The bytes are a payload: one byte of mode, count (2), raw length (3), then what is stored.
 * Whatever unpacks must be records that fill the raw length, and pack to the same again.
 */
#include "tests/fuzz/fuzz.h"

#include "journal/format.h"
#include "journal/payload.h"

#include <string.h>
#include <zstd.h>

enum mode {
    COMPRESSED = 1u << 0,
    WRAP = 1u << 1,       /* what is given is compressed first: to reach the records behind zstd */
    RAW_LEN = 1u << 2,    /* the raw length is as given, else the true one */
    DICTIONARY = 1u << 3, /* the first bytes behind those, after their count, are a dictionary */
    BUILTIN = 1u << 4,    /* the dictionary is the built-in one */
};

static void pack_again(const struct avj_slice *records, size_t count, uint32_t raw_len)
{
    struct avj_packer *packer = avj_packer_new(1);
    struct avj_payload payload;
    struct avj_error err;

    fuzz_require(packer, "out of memory");
    fuzz_require(avj_pack_records(packer, records, count, &payload, &err) == AVJ_OK, "%s",
                 err.message);
    fuzz_require(payload.raw_len == raw_len && payload.count == count, "packs to %u bytes",
                 payload.raw_len);
    avj_packer_free(packer);
}

static void unpack(struct avj_unpacker *unpacker, const struct avj_frame_info *frame,
                   const uint8_t *stored)
{
    struct avj_slice *records = calloc(frame->count + 1, sizeof *records);
    size_t count = 0;
    uint64_t sum = 0;
    enum avj_status status = avj_unpack(unpacker, frame, stored);

    fuzz_require(records, "out of memory");
    fuzz_require(status == AVJ_OK || status == AVJ_ECORRUPT, "status %d", status);
    while (avj_unpack_next(unpacker, &records[count])) {
        fuzz_require(count < frame->count, "more records than counted");
        sum += avj_hash64(records[count].data, records[count].len);
        count++;
    }
    fuzz_require(count == (status == AVJ_OK ? frame->count : 0), "%zu records, sum %llx", count,
                 (unsigned long long)sum);
    if (count > 0)
        pack_again(records, count, frame->raw_len);
    free(records);
}

/* Copied to memory of just this size: a read behind it is seen. */
static uint8_t *store(const struct fuzz_bytes *in, bool wrap, size_t *len)
{
    size_t bound = ZSTD_compressBound(in->len);
    uint8_t *stored = malloc(wrap ? bound : in->len + 1);

    fuzz_require(stored, "out of memory");
    *len = wrap ? ZSTD_compress(stored, bound, in->data, in->len, 1) : in->len;
    fuzz_require(*len <= bound, "zstd");
    if (!wrap)
        memcpy(stored, in->data, in->len);
    stored = realloc(stored, *len);
    fuzz_require(stored, "out of memory");
    return stored;
}

/* Dictionaries are guarded by a hash, so only those get here that somebody wrote; and yet. */
static struct avj_dictionary take_dictionary(struct fuzz_bytes *in)
{
    struct avj_dictionary dictionary = {.len = fuzz_byte(in)};
    struct avj_error err;
    uint8_t *out = NULL;
    size_t out_len;

    if (dictionary.len > in->len)
        dictionary.len = (uint32_t)in->len;
    dictionary.data = in->data;
    dictionary.hash = avj_dictionary_hash(dictionary.data, dictionary.len);
    in->data += dictionary.len;
    in->len -= dictionary.len;
    fuzz_require(avj_dictionary_unpack(in->data, in->len, 0, &out, &out_len, &err) != AVJ_OK,
                 "a dictionary with another hash is taken");
    fuzz_require(!out, "a dictionary is left behind");
    return dictionary;
}

static void use_dictionary(struct avj_unpacker *unpacker, unsigned mode, struct fuzz_bytes *in,
                           struct avj_frame_info *frame)
{
    struct avj_dictionary dictionary = {0};

    if (mode & DICTIONARY)
        dictionary = take_dictionary(in);
    else if (mode & BUILTIN)
        avj_dictionary_default(&dictionary);
    if (avj_unpacker_dictionary(unpacker, &dictionary) == AVJ_OK && dictionary.len)
        frame->dictionary = (uint32_t)dictionary.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct avj_unpacker *unpacker;
    struct fuzz_bytes in = {data, size};
    unsigned mode = fuzz_byte(&in);
    struct avj_frame_info frame = {.type = AVJ_FRAME_RECORDS};
    uint8_t *stored;
    size_t len;

    frame.count = fuzz_number(&in, 2);
    frame.raw_len = fuzz_number(&in, 3);
    if (!unpacker)
        unpacker = avj_unpacker_new();
    fuzz_begin();
    use_dictionary(unpacker, mode, &in, &frame);
    if (in.len == 0 || frame.count == 0)
        return -1;
    stored = store(&in, (mode & WRAP) != 0, &len);
    frame.compressed = (mode & (COMPRESSED | WRAP)) != 0;
    if (!(mode & RAW_LEN))
        frame.raw_len = (uint32_t)(mode & COMPRESSED ? frame.raw_len : in.len);
    frame.stored_len = (uint32_t)len;
    frame.total_len = avj_frame_total(frame.stored_len);
    if (frame.raw_len > 0)
        unpack(unpacker, &frame, stored);
    free(stored);
    fuzz_end(size);
    return 0;
}
