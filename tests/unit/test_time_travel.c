/*
 * A store opened at a moment of the past shows what the records up to it give, for every record of
 * random histories, with and without snapshots from before and from after it.
 */
#include "replay/clock.h"
#include "tests/support/cases.h"
#include "tests/support/described.h"
#include "tests/support/history_store.h"

#define JOURNAL "j"

static uint64_t rounds(void)
{
    const char *set = getenv("AVJ_HISTORIES");
    return set ? strtoull(set, NULL, 0) : 12;
}

struct travel {
    struct mem_io *mem;
    struct history_store s;
    char what[100];
};

/* Snapshots after a third and after two thirds. */
static void travel_begin(struct travel *t, uint64_t seed, bool snapshots)
{
    t->mem = mem_io_new(seed);
    history_store_begin(&t->s, mem_io_table(t->mem), JOURNAL, seed);
    for (int third = 0; third < 3; third++) {
        history_store_add(&t->s, 15, AVJ_RELAXED);
        if (snapshots && third < 2)
            (void)history_store_snapshot(&t->s);
    }
    snprintf(t->what, sizeof(t->what), "AVJ_TEST_SEED=%llu", (unsigned long long)seed);
}

static void travel_end(struct travel *t)
{
    history_store_end(&t->s);
    mem_io_free(t->mem);
}

static struct avj_store *open_at(struct travel *t, uint64_t seq, int64_t ms, bool no_snapshots)
{
    struct avj_error err = {0};
    struct avj_store_options options = history_store_options(&t->s);
    struct avj_store *store;
    options.at_seq = seq;
    options.at_ms = ms;
    options.no_snapshots = no_snapshots;
    assert_ok(avj_store_open(JOURNAL, &options, &store, &err), err);
    return store;
}

static void assert_moment(struct travel *t, struct avj_store *store, size_t count)
{
    bool changed = true;
    struct avj_error err = {0};
    assert_true(history_store_shows(&t->s, store, count, t->what));
    assert_ok(avj_store_refresh(store, &changed, &err), err);
    assert_false(changed);
    assert_true(store->snapshot_seq <= count);
    avj_store_close(store);
}

static int64_t stamp_of(struct travel *t, size_t i)
{
    struct avj_entry e;
    struct avj_slice record = t->s.records.items[i];
    assert_int_equal(avj_entry_decode(record.data, record.len, &e, NULL), AVJ_OK);
    int64_t ms = avj_hlc_ms(e.hlc);
    avj_entry_release(&e);
    return ms;
}

/* Records in front of the first that is stamped later. */
static size_t records_until(struct travel *t, int64_t ms)
{
    size_t count = 0;
    while (count < t->s.records.count && stamp_of(t, count) <= ms)
        count++;
    return count;
}

static void by_number(struct travel *t)
{
    for (size_t count = 1; count <= t->s.records.count; count++)
        assert_moment(t, open_at(t, count, 0, count % 2), count);
}

static void by_time(struct travel *t)
{
    for (size_t i = 1; i < t->s.records.count; i++)
        for (int64_t off = -1; off <= 1; off++) {
            int64_t ms = stamp_of(t, i) + off;
            size_t count = records_until(t, ms);
            assert_true(off < 0 || count > 1); /* the stamps rise from one to the next */
            assert_moment(t, open_at(t, 0, ms, i % 2), count);
        }
}

static void every(void (*visit)(struct travel *t))
{
    uint64_t seed = test_rng_seed("histories"), n = getenv("AVJ_TEST_SEED") ? 1 : rounds();
    for (uint64_t i = 0; i < n; i++) {
        struct travel t;
        travel_begin(&t, seed + i, i % 3 != 2);
        visit(&t);
        travel_end(&t);
    }
}

static void every_record_is_a_moment(void **state)
{
    (void)state;
    every(by_number);
}

static void every_stamp_is_a_moment(void **state)
{
    (void)state;
    every(by_time);
}

static void what_was_not_written_is_no_moment(void **state)
{
    (void)state;
    struct travel t;
    struct avj_error err = {0};
    struct avj_store *store;
    travel_begin(&t, 1, true);
    struct avj_store_options options = history_store_options(&t.s);
    options.at_seq = t.s.records.count + 1;
    assert_status(AVJ_ENOTFOUND, avj_store_open(JOURNAL, &options, &store, &err), err);
    assert_null(store);
    travel_end(&t);
}

static void the_past_can_not_be_changed(void **state)
{
    (void)state;
    struct travel t;
    struct avj_error err = {0};
    char id[AVJ_ID_TEXT];
    travel_begin(&t, 1, true);
    struct avj_store *store = open_at(&t, 20, 0, false);
    assert_status(AVJ_EREADONLY, avj_thread_new(store, NULL, id, &err), err);
    assert_status(AVJ_EREADONLY, avj_store_snapshot(store, NULL, &err), err);
    assert_moment(&t, store, 20);
    travel_end(&t);
}

static void later_records_do_not_move_a_moment(void **state)
{
    (void)state;
    struct travel t;
    travel_begin(&t, 2, true);
    struct avj_store *store = open_at(&t, 20, 0, false);
    history_store_add(&t.s, 10, AVJ_RELAXED);
    assert_moment(&t, store, 20);
    travel_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_is_a_moment),
        cmocka_unit_test(every_stamp_is_a_moment),
        cmocka_unit_test(what_was_not_written_is_no_moment),
        cmocka_unit_test(the_past_can_not_be_changed),
        cmocka_unit_test(later_records_do_not_move_a_moment),
    };
    return cmocka_run_group_tests_name("time travel", tests, NULL, NULL);
}
