/*
 * msgpack read in passing agrees with msgpack-c: on every width of every kind, shortest or not, on
 * values that are broken off at every byte, on bytes that are nothing, and on deep nests.
 */
#include "replay/raw.h"
#include "replay/value.h"
#include "tests/support/cases.h"
#include "tests/support/rng.h"

#include <msgpack.h>

#define ROUNDS 20000

/* ---- the other reader ---- */

/* Bytes that msgpack-c takes for one value; 0: none. */
static size_t reference(const uint8_t *data, size_t len)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    msgpack_unpacked_init(&unpacked);
    msgpack_unpack_return r = msgpack_unpack_next(&unpacked, (const char *)data, len, &offset);
    msgpack_unpacked_destroy(&unpacked);
    return r == MSGPACK_UNPACK_SUCCESS ? offset : 0;
}

/* The same of ours.  A copy of just that size: a read behind it is seen. */
static size_t skipped(const uint8_t *data, size_t len, bool plain)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    struct avj_raw raw = {copy, copy + len};
    bool good = plain ? avj_raw_skip_plain(&raw, 0) : avj_raw_skip(&raw, 0);
    size_t n = good ? (size_t)(raw.at - copy) : 0;
    free(copy);
    return n;
}

/* ---- random values ---- */

struct maker {
    struct test_rng rng;
    uint8_t bytes[8192];
    size_t len;
    bool single; /* there is a number of single precision in it, which this program never writes */
};

static uint64_t below(struct maker *m, uint64_t n)
{
    return test_rng_below(&m->rng, n);
}

static void put(struct maker *m, uint8_t byte)
{
    if (m->len < sizeof(m->bytes))
        m->bytes[m->len++] = byte;
}

static void put_be(struct maker *m, uint64_t value, unsigned bytes)
{
    for (unsigned i = bytes; i > 0; i--)
        put(m, (uint8_t)(value >> 8 * (i - 1)));
}

static void put_junk(struct maker *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(m, (uint8_t)below(m, 256));
}

/* A header of one of the widths that hold n: shortest in half of all cases. */
static void put_counted(struct maker *m, uint8_t fix, size_t few, uint8_t tag8, uint8_t tag16,
                        size_t n)
{
    bool wide = below(m, 4) == 0;
    if (n <= few && !wide)
        put(m, (uint8_t)(fix + n));
    else if (tag8 && n <= 255 && below(m, 4)) {
        put(m, tag8);
        put_be(m, n, 1);
    } else if (below(m, 4)) {
        put(m, tag16);
        put_be(m, n, 2);
    } else {
        put(m, (uint8_t)(tag16 + 1));
        put_be(m, n, 4);
    }
}

static void make(struct maker *m, int depth);

static void make_text(struct maker *m)
{
    size_t n = below(m, 3) ? below(m, 8) : below(m, 300);
    put_counted(m, 0xa0, 31, 0xd9, 0xda, n);
    put_junk(m, n);
}

static void make_items(struct maker *m, bool map, int depth)
{
    size_t n = below(m, 6) ? below(m, 4) : below(m, 20);
    put_counted(m, map ? 0x80 : 0x90, 15, 0, map ? 0xde : 0xdc, n);
    for (size_t i = 0; i < n; i++) {
        if (map && below(m, 10))
            make_text(m);
        else if (map)
            make(m, depth + 1);
        make(m, depth + 1);
    }
}

static void make_int(struct maker *m)
{
    unsigned width = (unsigned)below(m, 4);
    uint64_t value = test_rng_next(&m->rng) >> below(m, 64);
    put(m, (uint8_t)((below(m, 2) ? 0xcc : 0xd0) + width));
    put_be(m, value, 1u << width);
}

static void make_sized(struct maker *m)
{
    static const uint8_t fixed[] = {2, 3, 5, 9, 17};
    size_t n;
    switch (below(m, 4)) {
    case 0: /* bin */
        n = below(m, 20);
        put_counted(m, 0, 0, 0xc4, 0xc5, n ? n : 1);
        put_junk(m, n ? n : 1);
        return;
    case 1: /* ext of any length */
        n = below(m, 20);
        put(m, 0xc7);
        put(m, (uint8_t)n);
        put_junk(m, n + 1);
        return;
    case 2: /* ext of a fixed length */
        n = below(m, 5);
        put(m, (uint8_t)(0xd4 + n));
        put_junk(m, fixed[n]);
        return;
    default:
        n = below(m, 2);
        m->single = m->single || n == 0;
        put(m, (uint8_t)(0xca + n));
        put_junk(m, n ? 8 : 4);
    }
}

static void make(struct maker *m, int depth)
{
    uint64_t what = below(m, depth > 4 ? 6 : 9);
    if (what == 0)
        put(m, (uint8_t[]){0xc0, 0xc2, 0xc3}[below(m, 3)]);
    else if (what == 1)
        put(m, (uint8_t)(below(m, 2) ? below(m, 0x80) : 0xe0 + below(m, 32)));
    else if (what == 2)
        make_int(m);
    else if (what == 3)
        make_sized(m);
    else if (what < 6)
        make_text(m);
    else
        make_items(m, what != 6, depth);
}

/* ---- whole values ---- */

/* What may not be in a plain value, although packing it again gives the same. */
static bool is_unusual(struct avj_value v)
{
    if (v.kind == AVJ_BYTES || (v.kind == AVJ_REAL && v.integer)) /* more than an int64_t holds */
        return true;
    for (size_t i = 0; i < v.len && (v.kind == AVJ_LIST || v.kind == AVJ_MAP); i++) {
        struct avj_value key, value;
        if (v.kind == AVJ_MAP) {
            avj_value_pair(v, i, &key, &value);
            if (key.kind != AVJ_TEXT)
                return true;
        } else {
            value = avj_value_item(v, i);
        }
        if (is_unusual(value))
            return true;
    }
    return false;
}

/* Is packing what was parsed the same bytes again? */
static bool packs_the_same(const uint8_t *data, size_t len, bool *unusual)
{
    struct avj_tree *tree;
    struct avj_pack again = {0};
    assert_int_equal(avj_tree_parse(data, len, &tree), AVJ_OK);
    avj_pack_value(&again, avj_tree_root(tree));
    *unusual = is_unusual(avj_tree_root(tree));
    avj_tree_free(tree);
    bool same = again.len == len && memcmp(again.data, data, len) == 0;
    avj_pack_release(&again);
    return same;
}

static void random_values_are_skipped(void **state)
{
    (void)state;
    struct maker m = {.len = 0};
    size_t plain = 0;
    test_rng_init(&m.rng, test_rng_seed("values"));
    for (int round = 0; round < ROUNDS; round++) {
        m.len = 0;
        m.single = false;
        make(&m, 0);
        if (m.len == sizeof(m.bytes))
            continue;
        size_t len = m.len;
        assert_int_equal(reference(m.bytes, len), len);
        assert_int_equal(skipped(m.bytes, len, false), len);
        put_junk(&m, 3); /* what follows does not matter */
        assert_int_equal(skipped(m.bytes, m.len, false), len);
        bool unusual, same = packs_the_same(m.bytes, len, &unusual);
        bool wanted = same && !unusual && !m.single;
        if (skipped(m.bytes, len, true) != (wanted ? len : 0)) {
            for (size_t i = 0; i < len; i++)
                print_error("%02x ", m.bytes[i]);
            fail_msg("plain: %d", wanted);
        }
        plain += wanted;
    }
    assert_true(plain > ROUNDS / 20 && plain < ROUNDS);
}

static void broken_off_at_any_byte_is_no_value(void **state)
{
    (void)state;
    struct maker m = {.len = 0};
    test_rng_init(&m.rng, test_rng_seed("values"));
    for (int round = 0; round < ROUNDS / 20; round++) {
        m.len = 0;
        make(&m, 0);
        for (size_t cut = 0; cut < m.len && m.len < 2000; cut++) {
            assert_int_equal(skipped(m.bytes, cut, false), 0);
            assert_int_equal(skipped(m.bytes, cut, true), 0);
        }
    }
}

/* Without the lengths of 32 bits for which msgpack-c would take gigabytes. */
static void random_bytes_are_taken_alike(void **state)
{
    (void)state;
    struct maker m = {.len = 0};
    size_t good = 0;
    test_rng_init(&m.rng, test_rng_seed("values"));
    for (int round = 0; round < ROUNDS * 5; round++) {
        m.len = 0;
        if (below(&m, 2))
            make(&m, 3);
        put_junk(&m, 1 + below(&m, 12));
        if (below(&m, 2))
            m.bytes[below(&m, m.len)] = (uint8_t)below(&m, 256);
        for (size_t i = 0; i < m.len; i++)
            if (m.bytes[i] == 0xdd || m.bytes[i] == 0xdf)
                m.bytes[i] = 0xc1;
        size_t wanted = reference(m.bytes, m.len);
        assert_int_equal(skipped(m.bytes, m.len, false), wanted);
        size_t plain = skipped(m.bytes, m.len, true);
        assert_true(plain == 0 || plain == wanted);
        good += wanted != 0;
    }
    assert_true(good > ROUNDS && good < ROUNDS * 5);
}

static void nests_end_at_a_depth(void **state)
{
    (void)state;
    static const uint8_t headers[][4] = {{1, 0x91}, {3, 0x81, 0xa1, 'k'}, {3, 0xdc, 0, 1}};
    for (size_t h = 0; h < 3; h++)
        for (size_t depth = 1; depth < 2 * AVJ_VALUE_DEPTH_MAX; depth++) {
            struct maker m = {.len = 0};
            for (size_t i = 0; i < depth; i++)
                for (size_t b = 0; b < headers[h][0]; b++)
                    put(&m, headers[h][1 + b]);
            put(&m, 7);
            size_t wanted = depth <= AVJ_VALUE_DEPTH_MAX ? m.len : 0;
            assert_int_equal(skipped(m.bytes, m.len, false), wanted);
            assert_int_equal(skipped(m.bytes, m.len, true), h < 2 ? wanted : 0);
        }
}

/* ---- one value of a known kind ---- */

/* A header claims more than there is: nothing is allocated, nothing is read. */
static void claims_are_held_against_what_is_there(void **state)
{
    (void)state;
    static const uint8_t claims[][6] = {
        {5, 0xdd, 0xff, 0xff, 0xff, 0xff},
        {5, 0xdf, 0xff, 0xff, 0xff, 0xff},
        {5, 0xdb, 0xff, 0xff, 0xff, 0xff},
        {5, 0xc6, 0xff, 0xff, 0xff, 0xff},
        {5, 0xc9, 0xff, 0xff, 0xff, 0xff},
        {5, 0xdf, 0x80, 0x00, 0x00, 0x00},
        {3, 0xdc, 0xff, 0xff},
        {3, 0xde, 0xff, 0xff},
        {1, 0x9f},
        {1, 0x8f},
    };
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        struct avj_raw raw = {claims[i] + 1, claims[i] + 1 + claims[i][0]};
        struct avj_slice text;
        size_t n;
        assert_int_equal(skipped(claims[i] + 1, claims[i][0], false), 0);
        assert_int_equal(skipped(claims[i] + 1, claims[i][0], true), 0);
        assert_false(avj_raw_map(&raw, &n) || avj_raw_list(&raw, &n) || avj_raw_text(&raw, &text));
        assert_ptr_equal(raw.at, claims[i] + 1);
    }
}

/* `value` in every width that holds it: only what msgpack-c writes will do. */
static void check_int(int64_t value)
{
    struct avj_pack shortest = {0};
    avj_pack_int(&shortest, value);
    for (unsigned tag = 0; tag < 256; tag++) {
        struct maker m = {.len = 0};
        unsigned width = 1u << (tag & 3);
        bool is_unsigned = tag >= 0xcc && tag <= 0xcf, is_signed = tag >= 0xd0 && tag <= 0xd3;
        put(&m, (uint8_t)tag);
        if (is_unsigned || is_signed)
            put_be(&m, (uint64_t)value, width);
        else if (value != (int8_t)tag || (tag > 0x7f && tag < 0xe0))
            continue;
        struct avj_raw raw = {m.bytes, m.bytes + m.len};
        int64_t got = 0;
        bool same = m.len == shortest.len && memcmp(m.bytes, shortest.data, m.len) == 0;
        bool taken = avj_raw_int(&raw, &got);
        /* In a width that cuts it off it is another number, which may be a short one. */
        bool cut = (is_unsigned || is_signed) && width < 8 &&
                   (is_unsigned ? (uint64_t)value >> 8 * width != 0
                                : value != (int64_t)((uint64_t)value << (64 - 8 * width)) >>
                                               (64 - 8 * width));
        if (!cut) {
            assert_int_equal(taken, same);
            assert_true(!taken || got == value);
        }
        assert_ptr_equal(raw.at, m.bytes + (taken ? m.len : 0));
    }
    avj_pack_release(&shortest);
}

static void integers_of_every_width(void **state)
{
    (void)state;
    static const int64_t edges[] = {0,         32,        127,        128,       255,
                                    256,       32767,     32768,      65535,     65536,
                                    INT32_MAX, 1ll << 31, UINT32_MAX, 1ll << 32, INT64_MAX};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
        for (int64_t off = -1; off <= 1; off++) {
            int64_t value = edges[i] == INT64_MAX && off > 0 ? 7 : edges[i] + off;
            check_int(value);
            check_int(-value);
            check_int(-value - 1);
        }
    check_int(INT64_MIN);
    for (int value = -300; value < 300; value++)
        check_int(value);
}

/* More than an int64_t holds is no integer here. */
static void an_integer_too_large_is_none(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0};
    struct avj_raw raw = {bytes, bytes + sizeof(bytes)};
    int64_t value;
    assert_false(avj_raw_int(&raw, &value));
    assert_false(avj_raw_skip_plain(&raw, 0));
    assert_ptr_equal(raw.at, bytes);
    assert_true(avj_raw_skip(&raw, 0));
}

static void check_counted(size_t n, unsigned bytes, uint8_t tag, bool shortest,
                          bool (*read)(struct avj_raw *, size_t *))
{
    size_t len = 5 + 2 * n;
    uint8_t *data = calloc(1, len);
    assert_non_null(data);
    data[0] = tag;
    for (unsigned i = 0; i < bytes; i++)
        data[1 + i] = (uint8_t)(n >> 8 * (bytes - 1 - i));
    struct avj_raw raw = {data, data + len};
    size_t got = SIZE_MAX;
    assert_int_equal(read(&raw, &got), shortest);
    assert_ptr_equal(raw.at, data + (shortest ? 1 + bytes : 0));
    assert_true(!shortest || got == n);
    raw.end = data + 1 + bytes + n * 2 - (n ? 1 : 0); /* a byte too few for a map */
    raw.at = data;
    if (read == avj_raw_map && n)
        assert_false(read(&raw, &got));
    free(data);
}

static void counts_of_every_width(void **state)
{
    (void)state;
    static const size_t edges[] = {0, 1, 14, 15, 16, 17, 255, 256, 65534, 65535, 65536, 65537};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        size_t n = edges[i];
        if (n < 16) {
            check_counted(n, 0, (uint8_t)(0x80 + n), true, avj_raw_map);
            check_counted(n, 0, (uint8_t)(0x90 + n), true, avj_raw_list);
        }
        if (n < 65536) {
            check_counted(n, 2, 0xde, n > 15, avj_raw_map);
            check_counted(n, 2, 0xdc, n > 15, avj_raw_list);
        }
        check_counted(n, 4, 0xdf, n > 65535, avj_raw_map);
        check_counted(n, 4, 0xdd, n > 65535, avj_raw_list);
    }
}

static bool read_text(struct avj_raw *raw, size_t *n)
{
    struct avj_slice text;
    const uint8_t *from = raw->at;
    if (!avj_raw_text(raw, &text))
        return false;
    *n = text.len;
    assert_ptr_equal(raw->at, (const uint8_t *)text.data + text.len);
    raw->at = text.data; /* as the others: behind the header */
    assert_true(raw->at > from);
    return true;
}

static void texts_of_every_width(void **state)
{
    (void)state;
    static const size_t edges[] = {0, 1, 30, 31, 32, 33, 254, 255, 256, 257, 65535, 65536};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        size_t n = edges[i];
        if (n < 32)
            check_counted(n, 0, (uint8_t)(0xa0 + n), true, read_text);
        if (n < 256)
            check_counted(n, 1, 0xd9, n > 31, read_text);
        if (n < 65536)
            check_counted(n, 2, 0xda, n > 255, read_text);
        check_counted(n, 4, 0xdb, n > 65535, read_text);
    }
}

static void other_kinds_are_left_alone(void **state)
{
    (void)state;
    for (unsigned tag = 0; tag < 256; tag++) {
        uint8_t bytes[24] = {(uint8_t)tag};
        struct avj_raw raw = {bytes, bytes + sizeof(bytes)};
        bool flag;
        bool nil = avj_raw_nil(&raw);
        assert_int_equal(nil, tag == 0xc0);
        raw.at = bytes;
        bool is_bool = avj_raw_bool(&raw, &flag);
        assert_int_equal(is_bool, tag == 0xc2 || tag == 0xc3);
        assert_true(!is_bool || flag == (tag == 0xc3));
        assert_ptr_equal(raw.at, bytes + is_bool);
        struct avj_raw empty = {bytes, bytes};
        assert_false(avj_raw_nil(&empty) || avj_raw_bool(&empty, &flag));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_values_are_skipped),
        cmocka_unit_test(broken_off_at_any_byte_is_no_value),
        cmocka_unit_test(random_bytes_are_taken_alike),
        cmocka_unit_test(nests_end_at_a_depth),
        cmocka_unit_test(claims_are_held_against_what_is_there),
        cmocka_unit_test(integers_of_every_width),
        cmocka_unit_test(an_integer_too_large_is_none),
        cmocka_unit_test(counts_of_every_width),
        cmocka_unit_test(texts_of_every_width),
        cmocka_unit_test(other_kinds_are_left_alone),
    };
    return cmocka_run_group_tests_name("msgpack in passing", tests, NULL, NULL);
}
