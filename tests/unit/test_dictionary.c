/* Dictionaries: the built-in one is what it always was, stored ones come back whole or not at all.
 */
#include "journal/dictionary.h"
#include "journal/journal.h"
#include "tests/support/cases.h"
#include "tests/support/rng.h"

#include <zdict.h>
#include <zstd.h>

static void builtin_1_never_changes(void **state)
{
    static const uint8_t fixed[16] = {0x2b, 0x6e, 0x8b, 0x20, 0xc5, 0x14, 0x29, 0x23,
                                      0xf6, 0x52, 0x65, 0x47, 0x21, 0x0c, 0x11, 0xfd};
    const uint8_t *data;
    size_t len;
    uint8_t hash[16];
    (void)state;
    assert_true(avj_dictionary_builtin(1, &data, &len));
    avj_hash128(data, len, hash);
    assert_int_equal(len, 60296);
    assert_memory_equal(hash, fixed, sizeof(hash));
}

static void builtin_1_has_tables_and_is_within_the_limit(void **state)
{
    const uint8_t *data;
    size_t len;
    (void)state;
    assert_true(avj_dictionary_builtin(AVJ_DICTIONARY_BUILTIN, &data, &len));
    size_t head = ZDICT_getDictHeaderSize(data, len);
    assert_false(ZDICT_isError(head));
    assert_in_range(head, 1, 1024);
    assert_in_range(len, 1, AVJ_DICTIONARY_MAX);
}

static void other_numbers_are_no_dictionary(void **state)
{
    static const uint32_t numbers[] = {0, 2, 3, UINT32_MAX};
    const uint8_t *data = NULL;
    size_t len = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        assert_false(avj_dictionary_builtin(numbers[i], &data, &len));
    assert_null(data);
}

/* ---- stored ---- */

struct packed {
    uint8_t *raw, *bytes;
    size_t raw_len, len;
    uint64_t hash;
};

static void pack(struct packed *p)
{
    struct avj_error err;
    p->hash = avj_dictionary_hash(p->raw, p->raw_len);
    assert_ok(avj_dictionary_pack(p->raw, p->raw_len, &p->bytes, &p->len, &err), err);
}

static void release(struct packed *p)
{
    free(p->raw);
    free(p->bytes);
}

static void comes_back(const struct packed *p)
{
    uint8_t *out;
    size_t len;
    struct avj_error err;
    assert_ok(avj_dictionary_unpack(p->bytes, p->len, p->hash, &out, &len, &err), err);
    assert_int_equal(len, p->raw_len);
    assert_memory_equal(out, p->raw, len);
    free(out);
}

static void is_refused(const void *bytes, size_t len, uint64_t hash)
{
    uint8_t *out = NULL;
    size_t out_len;
    struct avj_error err;
    assert_status(AVJ_ECORRUPT, avj_dictionary_unpack(bytes, len, hash, &out, &out_len, &err), err);
    assert_null(out);
}

static void random_bytes(struct packed *p, size_t len)
{
    struct test_rng rng;
    test_rng_init(&rng, 7);
    p->raw = malloc(len);
    p->raw_len = len;
    assert_non_null(p->raw);
    test_rng_fill(&rng, p->raw, len);
}

static void what_is_packed_comes_back(void **state)
{
    static const size_t lengths[] = {1, 2, 255, 256, 4096, 65536, AVJ_DICTIONARY_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        struct packed p;
        random_bytes(&p, lengths[i]);
        pack(&p);
        comes_back(&p);
        release(&p);
    }
}

static void the_builtin_costs_next_to_nothing_in_another(void **state)
{
    const uint8_t *base;
    size_t base_len;
    struct packed p;
    (void)state;
    assert_true(avj_dictionary_builtin(1, &base, &base_len));
    random_bytes(&p, base_len + 1000);
    memcpy(p.raw, base, base_len);
    pack(&p);
    comes_back(&p);
    assert_in_range(p.len, 1000, 1200);
    release(&p);
}

static void empty_and_too_large_ones_are_not_packed(void **state)
{
    static const uint8_t bytes[AVJ_DICTIONARY_MAX + 1];
    uint8_t *out = NULL;
    size_t len;
    struct avj_error err;
    (void)state;
    assert_status(AVJ_EINVAL, avj_dictionary_pack(bytes, 0, &out, &len, &err), err);
    assert_status(AVJ_EINVAL, avj_dictionary_pack(bytes, sizeof(bytes), &out, &len, &err), err);
    assert_null(out);
}

/* A flipped bit either changes nothing (zstd has some that mean nothing) or is noticed. */
static void every_flipped_bit_is_noticed(void **state)
{
    struct packed p;
    (void)state;
    random_bytes(&p, 300);
    memset(p.raw, 'a', 100);
    pack(&p);
    for (size_t bit = 0; bit < p.len * 8; bit++) {
        uint8_t *out = NULL;
        size_t len;
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (avj_dictionary_unpack(p.bytes, p.len, p.hash, &out, &len, NULL) == AVJ_OK) {
            assert_int_equal(len, p.raw_len);
            assert_memory_equal(out, p.raw, len);
        }
        free(out);
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    comes_back(&p);
    release(&p);
}

static void a_stored_one_cut_short_or_too_long_is_refused(void **state)
{
    struct packed p;
    (void)state;
    random_bytes(&p, 300);
    pack(&p);
    for (size_t len = 0; len < p.len; len++)
        is_refused(p.bytes, len, p.hash);
    uint8_t *longer = malloc(p.len + 1);
    assert_non_null(longer);
    memcpy(longer, p.bytes, p.len);
    longer[p.len] = 0;
    is_refused(longer, p.len + 1, p.hash);
    free(longer);
    release(&p);
}

static void another_dictionary_than_the_hash_says_is_refused(void **state)
{
    struct packed p;
    (void)state;
    random_bytes(&p, 300);
    pack(&p);
    is_refused(p.bytes, p.len, p.hash ^ 1);
    is_refused(p.bytes, p.len, p.hash ^ UINT64_C(1) << 63);
    release(&p);
}

/* zstd frame headers whose content would be 128 KiB and 1 byte, nothing, 2^62 bytes, or unsaid. */
static void claims_of_other_sizes_are_refused_before_memory_is_taken(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t len;
    } rows[] = {
        {"one byte too much", {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x01, 0x00, 0x02, 0x00, 1, 0, 0}, 12},
        {"nothing", {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 1, 0, 0}, 9},
        {"2^62", {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0}, 16},
        {"no size", {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 1, 0, 0}, 9},
        {"no zstd", {"AVJF and so on"}, 14},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        print_message("%s\n", rows[i].what);
        is_refused(rows[i].bytes, rows[i].len, avj_dictionary_hash("", 0));
    }
}

/* A whole and valid frame, but of one byte more than a dictionary may have. */
static void a_stored_one_that_is_too_large_is_refused(void **state)
{
    static const uint8_t bytes[AVJ_DICTIONARY_MAX + 1];
    uint8_t packed[4096];
    (void)state;
    size_t len = ZSTD_compress(packed, sizeof(packed), bytes, sizeof(bytes), 3);
    assert_false(ZSTD_isError(len));
    is_refused(packed, len, avj_dictionary_hash(bytes, sizeof(bytes)));
    len = ZSTD_compress(packed, sizeof(packed), bytes, sizeof(bytes) - 1, 3);
    struct packed p = {.raw = (uint8_t *)(uintptr_t)bytes, .bytes = packed, .len = len};
    p.raw_len = sizeof(bytes) - 1;
    p.hash = avj_dictionary_hash(bytes, p.raw_len);
    comes_back(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin_1_never_changes),
        cmocka_unit_test(builtin_1_has_tables_and_is_within_the_limit),
        cmocka_unit_test(other_numbers_are_no_dictionary),
        cmocka_unit_test(what_is_packed_comes_back),
        cmocka_unit_test(the_builtin_costs_next_to_nothing_in_another),
        cmocka_unit_test(empty_and_too_large_ones_are_not_packed),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(a_stored_one_cut_short_or_too_long_is_refused),
        cmocka_unit_test(another_dictionary_than_the_hash_says_is_refused),
        cmocka_unit_test(a_stored_one_that_is_too_large_is_refused),
        cmocka_unit_test(claims_of_other_sizes_are_refused_before_memory_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
