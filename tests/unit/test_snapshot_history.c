/*
 * A view that comes from a snapshot is the view that comes from replaying everything, and stays so:
 * random histories, with a snapshot now and then that the fold goes on from.
 */
#include "replay/view_private.h"
#include "tests/support/cases.h"
#include "tests/support/described.h"
#include "tests/support/history.h"
#include "tests/support/snapshot_copy.h"

#define ENTRIES 80

static uint64_t rounds(void)
{
    const char *set = getenv("AVJ_HISTORIES");
    return set ? strtoull(set, NULL, 0) : 400;
}

/* The same history twice: replayed in one go, and by way of snapshots. */
struct twice {
    struct history history;
    struct kept_records records;
    struct avj_view *replayed, *snapped;
    struct avj_pack entry;
    unsigned generations;
    char what[80];
    uint64_t seed;
};

static void twice_begin(struct twice *t, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    history_init(&t->history, seed);
    struct avj_source source = kept_records_source(&t->records);
    t->seed = seed;
    t->replayed = avj_view_new(&source);
    t->snapped = avj_view_new(&source);
    assert_true(t->replayed && t->snapped);
}

static void twice_end(struct twice *t)
{
    avj_view_free(t->replayed);
    avj_view_free(t->snapped);
    kept_records_release(&t->records);
    avj_pack_release(&t->entry);
}

static const char *place(struct twice *t)
{
    snprintf(t->what, sizeof(t->what), "AVJ_TEST_SEED=%llu, entry %llu, generation %u",
             (unsigned long long)t->seed, (unsigned long long)t->records.count, t->generations);
    return t->what;
}

static bool twice_apply(struct twice *t, const void *data, size_t len)
{
    kept_records_add(&t->records, data, len);
    data = t->records.items[t->records.count - 1].data;
    return avj_view_apply(t->replayed, t->records.count, data, len, NULL) ==
           avj_view_apply(t->snapped, t->records.count, data, len, NULL);
}

/* From now on it goes on with what a snapshot gives, or with the view that one was taken of. */
static bool twice_snap(struct twice *t)
{
    struct avj_view *copy;
    if (t->snapped->last_seq == 0)
        return true;
    copy = snapshot_copy(t->snapped, &t->records);
    t->generations++;
    bool same = described_same(t->replayed, copy, false, place(t));
    if (test_rng_below(&t->history.rng, 4) == 0) {
        avj_view_free(copy);
        return same;
    }
    avj_view_free(t->snapped);
    t->snapped = copy;
    return same;
}

/* Rows are found under their $ids, in whatever order their table was built. */
static bool twice_rows(struct twice *t)
{
    for (size_t i = 0; i < HISTORY_DOCS; i++)
        for (size_t r = 0; r < HISTORY_ROWS; r++) {
            const struct history_doc *doc = &t->history.docs[i];
            uint32_t a, b;
            if (avj_view_find_row(t->replayed, doc->entity, doc->rows[r], &a, NULL) != AVJ_OK ||
                avj_view_find_row(t->snapped, doc->entity, doc->rows[r], &b, NULL) != AVJ_OK)
                return false;
            if (a != b) {
                fprintf(stderr, "%s: row %s is of document %u, and of %u\n", place(t), doc->rows[r],
                        a, b);
                return false;
            }
        }
    return true;
}

static bool twice_step(struct twice *t, unsigned every)
{
    struct test_rng *rng = &t->history.rng;
    history_next(&t->history, &t->entry);
    bool same = twice_apply(t, t->entry.data, t->entry.len);
    if (same && test_rng_below(rng, every) == 0)
        same = twice_snap(t);
    if (same && test_rng_below(rng, 16) == 0)
        same = described_same(t->replayed, t->snapped, true, place(t));
    if (same && test_rng_below(rng, 32) == 0)
        same = twice_rows(t);
    return same;
}

static bool same_all_the_way(uint64_t seed)
{
    struct twice t;
    twice_begin(&t, seed);
    unsigned every = 1 + (unsigned)test_rng_below(&t.history.rng, 20);
    bool same = true;
    for (int i = 0; same && i < ENTRIES; i++)
        same = twice_step(&t, every);
    same = same && twice_snap(&t) && described_same(t.replayed, t.snapped, true, place(&t)) &&
           twice_rows(&t);
    twice_end(&t);
    return same;
}

static void a_snapshot_and_the_tail_are_the_whole_log(void **state)
{
    (void)state;
    uint64_t seed = test_rng_seed("histories"), n = getenv("AVJ_TEST_SEED") ? 1 : rounds();
    for (uint64_t i = 0; i < n; i++)
        if (!same_all_the_way(seed + i))
            fail_msg("AVJ_TEST_SEED=%llu repeats it", (unsigned long long)(seed + i));
}

/* ---- more than one chunk of everything ---- */

static void add_messages(struct twice *t, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        history_message(i, i % 5 < 2, &t->entry);
        t->history.seq++;
        assert_true(twice_apply(t, t->entry.data, t->entry.len));
    }
}

static void many_documents_survive_three_generations(void **state)
{
    (void)state;
    struct twice t;
    bool same = true;
    twice_begin(&t, test_rng_seed("histories"));
    for (unsigned generation = 0; same && generation < 3; generation++) {
        add_messages(&t, generation * 5000, 4090 + generation * 6);
        for (int i = 0; same && i < 40; i++) {
            history_next(&t.history, &t.entry);
            same = twice_apply(&t, t.entry.data, t.entry.len);
        }
        same = same && twice_snap(&t) && described_same(t.replayed, t.snapped, true, place(&t)) &&
               twice_rows(&t);
    }
    assert_true(same);
    assert_true(avj_slots_last(&t.snapped->slots) > 12000);
    twice_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_and_the_tail_are_the_whole_log),
        cmocka_unit_test(many_documents_survive_three_generations),
    };
    return cmocka_run_group_tests_name("snapshots of histories", tests, NULL, NULL);
}
