/* Training: a dictionary comes out only where it is proved to be better. */
#include "journal/train.h"
#include "journal/tuning.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"
#include "tests/support/messages.h"

#include <zstd.h>

/* Samples with their memory. */
struct many {
    struct avj_slice *slices;
    size_t count, cap, bytes;
};

static void many_add(struct many *m, const void *data, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    if (m->count == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 256;
        m->slices = realloc(m->slices, m->cap * sizeof(*m->slices));
    }
    assert_true(copy && m->slices);
    memcpy(copy, data, len);
    m->slices[m->count++] = (struct avj_slice){copy, len};
    m->bytes += len;
}

static void many_release(struct many *m)
{
    for (size_t i = 0; i < m->count; i++)
        free((void *)(uintptr_t)m->slices[i].data);
    free(m->slices);
}

/* Made-up messages as import lines, until there are so many bytes. */
static void add_messages(struct many *m, uint64_t seed, size_t bytes)
{
    struct message_maker maker;
    size_t end = m->bytes + bytes;
    message_maker_init(&maker, seed);
    while (m->bytes < end) {
        struct message message;
        message_next(&maker, &message);
        char *line = message_line(&message);
        size_t len = strlen(line);
        if (len < AVJ_SMALL_RAW)
            many_add(m, line, len);
        free(line);
    }
    message_maker_release(&maker);
}

static void add_random(struct many *m, uint64_t seed, size_t bytes)
{
    struct test_rng rng;
    uint8_t sample[512];
    test_rng_init(&rng, seed);
    for (size_t end = m->bytes + bytes; m->bytes < end;) {
        test_rng_fill(&rng, sample, sizeof(sample));
        many_add(m, sample, sizeof(sample));
    }
}

/* Conversations in several languages, an import line a sample. */
static void add_real(struct many *m)
{
    const char *source = getenv("AVJ_SOURCE");
    char *path = test_path(source ? source : ".", "tests/sample/conversations.jsonl");
    size_t len;
    uint8_t *bytes = test_read_file(path, &len);
    char *save = NULL;
    for (char *line = strtok_r((char *)bytes, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save))
        if (strlen(line) < AVJ_SMALL_RAW)
            many_add(m, line, strlen(line));
    free(bytes);
    free(path);
}

static struct avj_training training(const struct many *m)
{
    const uint8_t *old;
    size_t old_len;
    assert_true(avj_dictionary_builtin(AVJ_DICTIONARY_BUILTIN, &old, &old_len));
    return (struct avj_training){
        .samples = m->slices, .count = m->count, .old = old, .old_len = old_len};
}

/* ---- what comes out ---- */

static void trains(const struct avj_training *t, struct avj_trained *out)
{
    struct avj_error err;
    assert_ok(avj_train_dictionary(t, out, &err), err);
    print_message("%zu bytes; held out %llu, old %llu, new %llu\n", out->len,
                  (unsigned long long)out->held_raw, (unsigned long long)out->held_old,
                  (unsigned long long)out->held_new);
    assert_non_null(out->data);
    assert_in_range(out->len, 1, AVJ_DICTIONARY_MAX);
    assert_true(out->held_new * 100 <= out->held_old * (100 - AVJ_TRAIN_GAIN));
}

static void keeps_the_old_one(const struct avj_training *t, struct avj_trained *out)
{
    struct avj_error err;
    assert_status(AVJ_END, avj_train_dictionary(t, out, &err), err);
    assert_null(out->data);
    assert_int_equal(out->len, 0);
}

/* Bytes of all samples with a dictionary; each must come back. */
static uint64_t size_with(const struct many *m, const void *dictionary, size_t len)
{
    static uint8_t packed[2 * AVJ_SMALL_RAW], back[AVJ_SMALL_RAW];
    ZSTD_CCtx *compress = ZSTD_createCCtx();
    ZSTD_DCtx *decompress = ZSTD_createDCtx();
    uint64_t total = 0;
    assert_true(compress && decompress && avj_tune(compress, AVJ_TUNE_SMALL));
    assert_int_equal(ZSTD_CCtx_loadDictionary(compress, dictionary, len), 0);
    assert_int_equal(ZSTD_DCtx_loadDictionary(decompress, dictionary, len), 0);
    for (size_t i = 0; i < m->count; i++) {
        const struct avj_slice *s = &m->slices[i];
        size_t size = ZSTD_compress2(compress, packed, sizeof(packed), s->data, s->len);
        assert_false(ZSTD_isError(size));
        assert_int_equal(ZSTD_decompressDCtx(decompress, back, sizeof(back), packed, size), s->len);
        assert_memory_equal(back, s->data, s->len);
        total += size;
    }
    ZSTD_freeCCtx(compress);
    ZSTD_freeDCtx(decompress);
    return total;
}

static void records_of_one_kind_make_a_dictionary_that_later_ones_profit_from(void **state)
{
    struct many now = {0}, later = {0};
    struct avj_trained out;
    (void)state;
    add_messages(&now, 1, 512 * 1024);
    add_messages(&later, 2, 128 * 1024);
    struct avj_training t = training(&now);
    trains(&t, &out);
    assert_true(size_with(&later, out.data, out.len) * 10 <
                size_with(&later, t.old, t.old_len) * 9);
    free(out.data);
    many_release(&now);
    many_release(&later);
}

static void the_same_records_make_the_same_dictionary(void **state)
{
    struct many m = {0};
    struct avj_trained a, b;
    (void)state;
    add_messages(&m, 3, 256 * 1024);
    struct avj_training t = training(&m);
    trains(&t, &a);
    trains(&t, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    free(a.data);
    free(b.data);
    many_release(&m);
}

static void a_dictionary_is_not_replaced_by_its_like(void **state)
{
    struct many m = {0};
    struct avj_trained first, second;
    (void)state;
    add_messages(&m, 4, 512 * 1024);
    struct avj_training t = training(&m);
    trains(&t, &first);
    t.old = first.data;
    t.old_len = first.len;
    keeps_the_old_one(&t, &second);
    assert_int_equal(second.held_new, second.held_old);
    free(first.data);
    many_release(&m);
}

static void without_a_dictionary_in_use_any_is_compared_with_none(void **state)
{
    struct many m = {0};
    struct avj_trained with, without;
    (void)state;
    add_messages(&m, 5, 256 * 1024);
    struct avj_training t = training(&m);
    trains(&t, &with);
    t.old = NULL;
    t.old_len = 0;
    trains(&t, &without);
    assert_true(without.held_old > with.held_old);
    assert_int_equal(without.held_new, with.held_new);
    free(with.data);
    free(without.data);
    many_release(&m);
}

static void random_records_make_none(void **state)
{
    struct many m = {0};
    struct avj_trained out;
    (void)state;
    add_random(&m, 6, 256 * 1024);
    struct avj_training t = training(&m);
    keeps_the_old_one(&t, &out);
    many_release(&m);
}

/* What is learned from the past must help the newest quarter, not the average. */
static void the_newest_quarter_decides(void **state)
{
    struct many m = {0}, other = {0};
    struct avj_trained out;
    (void)state;
    add_messages(&m, 7, 384 * 1024);
    add_random(&other, 8, 512 * m.count / 2);
    for (size_t i = 0; i < other.count; i++)
        many_add(&m, other.slices[i].data, other.slices[i].len);
    struct avj_training t = training(&m);
    keeps_the_old_one(&t, &out);
    assert_int_equal(out.held_raw, 512 * (m.count / 4));
    many_release(&m);
    many_release(&other);
}

static void real_text_profits_from_the_builtin_behind_it(void **state)
{
    struct many m = {0};
    struct avj_trained out;
    size_t base_len = 0;
    const uint8_t *base;
    (void)state;
    assert_true(avj_dictionary_builtin(1, &base, &base_len));
    add_real(&m);
    struct avj_training t = training(&m);
    t.want = 16 * 1024;
    trains(&t, &out);
    assert_true(out.len > base_len);
    free(out.data);
    many_release(&m);
}

/* ---- bounds ---- */

static void too_few_bytes_make_none(void **state)
{
    struct many m = {0};
    struct avj_trained out;
    (void)state;
    struct avj_training t = training(&m);
    keeps_the_old_one(&t, &out);
    add_messages(&m, 9, AVJ_TRAIN_SAMPLES_MIN - 2000);
    assert_in_range(m.bytes, 1, AVJ_TRAIN_SAMPLES_MIN - 1);
    t = training(&m);
    keeps_the_old_one(&t, &out);
    many_release(&m);
}

/* Enough bytes, but in few records. */
static void too_few_records_make_none(void **state)
{
    struct many m = {0}, few = {0};
    struct avj_trained out;
    uint8_t sample[AVJ_SMALL_RAW - 1];
    size_t used = 0;
    (void)state;
    add_messages(&m, 15, 20 * sizeof(sample));
    for (size_t i = 0; i < m.count && few.count < 15; i++) {
        size_t room = sizeof(sample) - used, len = m.slices[i].len;
        memcpy(sample + used, m.slices[i].data, len < room ? len : room);
        used += len < room ? len : room;
        if (used == sizeof(sample)) {
            many_add(&few, sample, used);
            used = 0;
        }
    }
    assert_int_equal(few.count, 15);
    struct avj_training t = training(&few);
    keeps_the_old_one(&t, &out);
    many_release(&few);
    many_release(&m);
}

static void large_and_empty_records_are_passed_over(void **state)
{
    struct many plain = {0}, mixed = {0};
    struct avj_trained a, b;
    static const uint8_t large[AVJ_SMALL_RAW];
    (void)state;
    add_messages(&plain, 10, 128 * 1024);
    for (int i = 0; i < 100; i++)
        many_add(&mixed, large, 0);
    for (size_t i = 0; i < plain.count; i++) {
        many_add(&mixed, plain.slices[i].data, plain.slices[i].len);
        many_add(&mixed, large, sizeof(large));
    }
    struct avj_training t = training(&plain), u = training(&mixed);
    trains(&t, &a);
    trains(&u, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    free(a.data);
    free(b.data);
    many_release(&plain);
    many_release(&mixed);
}

static void of_many_records_an_even_choice_is_looked_at(void **state)
{
    struct many m = {0};
    struct avj_trained out;
    (void)state;
    add_messages(&m, 11, 3 * AVJ_TRAIN_SAMPLES_MAX);
    struct avj_training t = training(&m);
    t.want = 1024 * 1024;
    trains(&t, &out);
    /* A quarter of the records that were chosen, whose bytes fill the limit. */
    assert_in_range(out.held_raw, AVJ_TRAIN_SAMPLES_MAX / 5, AVJ_TRAIN_SAMPLES_MAX * 3 / 10);
    free(out.data);
    many_release(&m);
}

/* A choice that prefers short records, or questions to answers, would not. */
static void a_choice_of_many_is_as_good_as_all_of_few(void **state)
{
    struct many few = {0}, many = {0}, later = {0};
    struct avj_trained of_few, of_many;
    (void)state;
    add_messages(&few, 16, 1024 * 1024);
    add_messages(&many, 16, 3 * AVJ_TRAIN_SAMPLES_MAX);
    add_messages(&later, 17, 256 * 1024);
    struct avj_training t = training(&few), u = training(&many);
    t.want = u.want = 32 * 1024;
    trains(&t, &of_few);
    trains(&u, &of_many);
    uint64_t with_few = size_with(&later, of_few.data, of_few.len);
    uint64_t with_many = size_with(&later, of_many.data, of_many.len);
    print_message("later records: %llu of few, %llu of many\n", (unsigned long long)with_few,
                  (unsigned long long)with_many);
    assert_true(with_many * 100 <= with_few * 101);
    free(of_few.data);
    free(of_many.data);
    many_release(&few);
    many_release(&many);
    many_release(&later);
}

/* Were only the oldest looked at, this would make a dictionary. */
static void the_choice_reaches_to_the_newest(void **state)
{
    struct many m = {0};
    struct avj_trained out;
    (void)state;
    add_messages(&m, 13, AVJ_TRAIN_SAMPLES_MAX * 9 / 4);
    add_random(&m, 14, AVJ_TRAIN_SAMPLES_MAX);
    struct avj_training t = training(&m);
    t.want = 8 * 1024;
    keeps_the_old_one(&t, &out);
    assert_int_not_equal(out.held_raw, 0);
    many_release(&m);
}

static void no_more_is_made_than_wanted(void **state)
{
    static const size_t wants[] = {4096,      16 * 1024,      32 * 1024,
                                   64 * 1024, AVJ_TRAIN_WANT, 1024 * 1024};
    struct many m = {0};
    const uint8_t *base;
    size_t base_len;
    (void)state;
    assert_true(avj_dictionary_builtin(1, &base, &base_len));
    add_messages(&m, 12, 256 * 1024);
    for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
        struct avj_trained out;
        struct avj_training t = training(&m);
        t.want = wants[i];
        trains(&t, &out);
        assert_true(out.len <= wants[i] + base_len + 1024);
        free(out.data);
    }
    many_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_one_kind_make_a_dictionary_that_later_ones_profit_from),
        cmocka_unit_test(the_same_records_make_the_same_dictionary),
        cmocka_unit_test(a_dictionary_is_not_replaced_by_its_like),
        cmocka_unit_test(without_a_dictionary_in_use_any_is_compared_with_none),
        cmocka_unit_test(random_records_make_none),
        cmocka_unit_test(the_newest_quarter_decides),
        cmocka_unit_test(real_text_profits_from_the_builtin_behind_it),
        cmocka_unit_test(too_few_bytes_make_none),
        cmocka_unit_test(too_few_records_make_none),
        cmocka_unit_test(large_and_empty_records_are_passed_over),
        cmocka_unit_test(of_many_records_an_even_choice_is_looked_at),
        cmocka_unit_test(a_choice_of_many_is_as_good_as_all_of_few),
        cmocka_unit_test(the_choice_reaches_to_the_newest),
        cmocka_unit_test(no_more_is_made_than_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
