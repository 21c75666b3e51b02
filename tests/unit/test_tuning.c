/* The tunings: every one is accepted by zstd, and what it makes can be read back. */
#include "journal/dictionary.h"
#include "journal/tuning.h"
#include "replay/entry.h"
#include "tests/support/cases.h"
#include "tests/support/messages.h"

#include <zstd.h>

#define RAW_MAX ((size_t)1024 * 1024)

struct coder {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    uint8_t *packed, *back;
    size_t cap;
};

static void coder_init(struct coder *c, enum avj_tuning tuning, bool with_dictionary)
{
    const uint8_t *data;
    size_t len;
    c->compress = ZSTD_createCCtx();
    c->decompress = ZSTD_createDCtx();
    c->cap = ZSTD_compressBound(RAW_MAX);
    c->packed = malloc(c->cap);
    c->back = malloc(RAW_MAX);
    assert_true(c->compress && c->decompress && c->packed && c->back);
    assert_true(avj_tune(c->compress, tuning));
    assert_true(avj_dictionary_builtin(1, &data, &len));
    if (with_dictionary) {
        assert_int_equal(ZSTD_CCtx_loadDictionary(c->compress, data, len), 0);
        assert_int_equal(ZSTD_DCtx_loadDictionary(c->decompress, data, len), 0);
    }
}

static void coder_release(struct coder *c)
{
    ZSTD_freeCCtx(c->compress);
    ZSTD_freeDCtx(c->decompress);
    free(c->packed);
    free(c->back);
}

/* Compresses, checks that it comes back, and gives the size. */
static size_t round_trip(struct coder *c, const void *raw, size_t len)
{
    size_t size = ZSTD_compress2(c->compress, c->packed, c->cap, raw, len);
    assert_false(ZSTD_isError(size));
    assert_int_equal(ZSTD_getFrameContentSize(c->packed, size), len);
    assert_int_equal(ZSTD_decompressDCtx(c->decompress, c->back, RAW_MAX, c->packed, size), len);
    assert_memory_equal(c->back, raw, len);
    return size;
}

/* Text of made-up messages, RAW_MAX bytes. */
static uint8_t *some_text(void)
{
    struct message_maker maker;
    struct message m;
    uint8_t *text = malloc(RAW_MAX);
    assert_non_null(text);
    message_maker_init(&maker, 11);
    for (size_t used = 0; used < RAW_MAX;) {
        message_next(&maker, &m);
        size_t len = m.len < RAW_MAX - used ? m.len : RAW_MAX - used;
        memcpy(text + used, m.content, len);
        used += len;
    }
    message_maker_release(&maker);
    return text;
}

static void the_size_decides(void **state)
{
    static const struct {
        size_t raw;
        enum avj_tuning tuning;
    } rows[] = {
        {1, AVJ_TUNE_SMALL},
        {AVJ_SMALL_RAW - 1, AVJ_TUNE_SMALL},
        {AVJ_SMALL_RAW, AVJ_TUNE_MEDIUM},
        {AVJ_BULK_RAW - 1, AVJ_TUNE_MEDIUM},
        {AVJ_BULK_RAW, AVJ_TUNE_BULK},
        {(size_t)16 << 20, AVJ_TUNE_BULK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(avj_tuning_for(rows[i].raw), rows[i].tuning);
}

static void all_sizes_come_back_with_every_tuning(void **state)
{
    static const size_t lengths[] = {
        0,      1, 2, 100, 1000, AVJ_SMALL_RAW - 1, AVJ_SMALL_RAW, AVJ_BULK_RAW - 1, AVJ_BULK_RAW,
        RAW_MAX};
    uint8_t *text = some_text();
    (void)state;
    for (int tuning = 0; tuning < AVJ_TUNINGS; tuning++)
        for (int with = 0; with < 2; with++) {
            struct coder c;
            coder_init(&c, (enum avj_tuning)tuning, with);
            for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
                round_trip(&c, text, lengths[i]);
            coder_release(&c);
        }
    free(text);
}

static void a_frame_names_no_dictionary_but_has_a_checksum(void **state)
{
    static const char text[] = "What is the difference between these two?";
    struct coder c;
    (void)state;
    coder_init(&c, AVJ_TUNE_SMALL, true);
    size_t size = round_trip(&c, text, sizeof(text));
    assert_int_equal(ZSTD_getDictID_fromFrame(c.packed, size), 0);
    assert_true(c.packed[4] & 4); /* Content_Checksum_flag, RFC 8878 3.1.1.1.1 */
    coder_release(&c);
}

static void a_wrong_dictionary_is_noticed(void **state)
{
    static const char text[] = "What is the difference between these two?";
    struct coder c;
    (void)state;
    coder_init(&c, AVJ_TUNE_SMALL, true);
    size_t size = round_trip(&c, text, sizeof(text));
    assert_int_equal(ZSTD_DCtx_loadDictionary(c.decompress, NULL, 0), 0);
    assert_true(ZSTD_isError(ZSTD_decompressDCtx(c.decompress, c.back, RAW_MAX, c.packed, size)));
    coder_release(&c);
}

/* A message as the store writes it. */
static void pack_message(struct avj_pack *pack)
{
    static const char *const pairs[][2] = {
        {"id", "0b7e6c1e-9a65-4c22-8f0e-2d6f6f1b9a30"},
        {"threadId", "thread_1751000000000_0a1b2c3d4"},
        {"role", "user"},
        {"content", "Can you explain how this works, with a short example?"},
        {"createdAt", "2026-03-04T05:06:07.089+00:00"}};
    size_t count = sizeof(pairs) / sizeof(*pairs);
    avj_entry_begin(pack, AVJ_E_LOCAL, UINT64_C(1751000000000) << 16,
                    "5f3a0c9d2b7e41689c0d1e2f3a4b5c6d", AVJ_MESSAGE, pairs[0][1], 3);
    avj_pack_cstr(pack, "o");
    avj_pack_cstr(pack, "create");
    avj_pack_cstr(pack, "u");
    avj_pack_nil(pack);
    avj_pack_cstr(pack, "f");
    avj_pack_map(pack, count);
    for (size_t i = 0; i < count; i++) {
        avj_pack_cstr(pack, pairs[i][0]);
        avj_pack_cstr(pack, pairs[i][1]);
    }
    assert_false(pack->failed);
}

static void a_short_message_is_two_fifths_shorter_with_the_builtin_dictionary(void **state)
{
    struct avj_pack pack = {0};
    struct coder with, without;
    (void)state;
    pack_message(&pack);
    coder_init(&with, AVJ_TUNE_SMALL, true);
    coder_init(&without, AVJ_TUNE_SMALL, false);
    size_t small = round_trip(&with, pack.data, pack.len);
    size_t large = round_trip(&without, pack.data, pack.len);
    print_message("%zu bytes: %zu with, %zu without\n", pack.len, small, large);
    assert_true(small * 5 < large * 3);
    coder_release(&with);
    coder_release(&without);
    avj_pack_release(&pack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_decides),
        cmocka_unit_test(all_sizes_come_back_with_every_tuning),
        cmocka_unit_test(a_frame_names_no_dictionary_but_has_a_checksum),
        cmocka_unit_test(a_wrong_dictionary_is_noticed),
        cmocka_unit_test(a_short_message_is_two_fifths_shorter_with_the_builtin_dictionary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
