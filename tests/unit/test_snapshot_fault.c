/*
 * Every call of the file interface fails in turn, and every allocation, while a store opens from a
 * snapshot and while one is written: the store shows what the log holds or says what is wrong, the
 * snapshots that were there stay, nothing is left open or kept.
 */
#include "tests/support/alloc_wrap.h"
#include "tests/support/cases.h"
#include "tests/support/described.h"
#include "tests/support/fault_io.h"
#include "tests/support/files.h"
#include "tests/support/history_store.h"

#include <errno.h>

/* What a disk does is no concern here, so that syncs need not be waited for. */
static struct avj_io quick;

static int no_sync(void *ctx, int file)
{
    (void)ctx;
    (void)file;
    return 0;
}

static int no_sync_dir(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
    return 0;
}

/* A journal with two snapshots and a tail. */
struct rig {
    char *folder, *path;
    struct fault_io *fault;
    struct history_store s;
    uint64_t older, newer;
    bool no_snapshots; /* it opens from the log */
};

static void rig_begin(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof(*rig));
    rig->folder = test_dir_new();
    rig->path = test_path(rig->folder, "j");
    rig->fault = fault_io_new(&quick);
    history_store_begin(&rig->s, fault_io_table(rig->fault), rig->path, seed);
    history_store_add(&rig->s, 25, AVJ_RELAXED);
    rig->older = history_store_snapshot(&rig->s);
    history_store_add(&rig->s, 25, AVJ_RELAXED);
    rig->newer = history_store_snapshot(&rig->s);
    history_store_add(&rig->s, 10, AVJ_RELAXED);
    history_store_close(&rig->s);
}

static void rig_end(struct rig *rig)
{
    history_store_end(&rig->s);
    fault_io_free(rig->fault);
    free(rig->path);
    test_dir_free(rig->folder);
}

static bool has(struct rig *rig, uint64_t seq, const char *suffix)
{
    char *path = history_store_snapshot_path(&rig->s, seq, suffix);
    bool there = test_exists(path);
    free(path);
    return there;
}

static bool shows_all(struct rig *rig, const char *what)
{
    alloc_wrap_pause();
    bool shows = history_store_shows(&rig->s, rig->s.store, rig->s.records.count, what);
    alloc_wrap_resume();
    return shows;
}

static enum avj_status open_store(struct rig *rig)
{
    struct avj_store_options options = history_store_options(&rig->s);
    options.no_snapshots = rig->no_snapshots;
    return avj_store_open(rig->path, &options, &rig->s.store, NULL);
}

/* With nothing failing any more. */
static void assert_well(struct rig *rig, const char *what)
{
    assert_int_equal(open_store(rig), AVJ_OK);
    assert_true(shows_all(rig, what));
    history_store_close(&rig->s);
}

/* ---- calls ---- */

static const struct way {
    enum fault_how how;
    int errnum;
    uint64_t times;
} ways[] = {
    {FAULT_ERROR, EIO, 1},    {FAULT_ERROR, ENOSPC, 1},      {FAULT_ERROR, EACCES, 0},
    {FAULT_ERROR, EMFILE, 1}, {FAULT_HALF_ERROR, ENOSPC, 1}, {FAULT_SHORT, 0, 0},
};

static void fail_at(struct rig *rig, const struct way *way, uint64_t nth)
{
    struct fault_plan plan = {.calls = FAULT_ANY,
                              .nth = nth,
                              .times = way->times,
                              .how = way->how,
                              .errnum = way->errnum};
    fault_io_plan(rig->fault, &plan);
}

/* How many calls it had; they were made to fail no longer. */
static uint64_t calls_made(struct rig *rig)
{
    uint64_t calls = fault_io_count(rig->fault, FAULT_ANY);
    fault_io_plan(rig->fault, &(struct fault_plan){.nth = 0});
    return calls;
}

static void opening(struct rig *rig)
{
    for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
        for (uint64_t nth = 1, calls = nth; nth <= calls; nth++) {
            char what[80];
            snprintf(what, sizeof(what), "open, way %zu, call %llu", w, (unsigned long long)nth);
            fail_at(rig, &ways[w], nth);
            enum avj_status status = open_store(rig);
            calls = calls_made(rig);
            if (status == AVJ_OK)
                assert_true(shows_all(rig, what));
            history_store_close(&rig->s);
            assert_int_equal(fault_io_open_files(rig->fault), 0);
            assert_well(rig, what);
        }
}

static void an_open_survives_every_failing_call(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, 21);
    opening(&rig);
    rig_end(&rig);
}

static void writing(struct rig *rig, const struct way *way, uint64_t nth, uint64_t *calls,
                    const char *what)
{
    struct avj_error err = {0};
    assert_int_equal(open_store(rig), AVJ_OK);
    history_store_add(&rig->s, 1, AVJ_DURABLE);
    fail_at(rig, way, nth);
    enum avj_status status = avj_store_snapshot(rig->s.store, NULL, &err);
    *calls = calls_made(rig);
    if (status != AVJ_OK && !*err.message)
        fail_msg("%s: status %d without a word", what, status);
    assert_true(shows_all(rig, what));
    history_store_close(&rig->s);
    assert_int_equal(fault_io_open_files(rig->fault), 0);
    assert_int_equal(has(rig, rig->s.records.count, ".snap"), status == AVJ_OK);
    assert_true(status == AVJ_OK ||
                (has(rig, rig->older, ".snap") && has(rig, rig->newer, ".snap")));
    if (status == AVJ_OK) {
        rig->older = rig->newer;
        rig->newer = rig->s.records.count;
    }
    assert_well(rig, what);
}

static void a_snapshot_is_written_whole_or_not_at_all(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, 22);
    for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
        for (uint64_t nth = 1, calls = nth; nth <= calls; nth++) {
            char what[80];
            snprintf(what, sizeof(what), "snapshot, way %zu, call %llu", w,
                     (unsigned long long)nth);
            writing(&rig, &ways[w], nth, &calls, what);
        }
    rig_end(&rig);
}

/* ---- allocations ---- */

static void open_without_memory(struct rig *rig, bool for_ever)
{
    uint64_t failed = 1;
    rig->s.io = &quick; /* the recorder of calls needs memory itself */
    for (uint64_t nth = 1; failed; nth++) {
        char what[80];
        snprintf(what, sizeof(what), "open, allocation %llu", (unsigned long long)nth);
        alloc_wrap_plan(nth, for_ever);
        enum avj_status status = open_store(rig);
        struct alloc_wrap_seen seen = alloc_wrap_seen();
        failed = seen.failed;
        alloc_wrap_plan(0, false);
        assert_true(status == AVJ_OK || status == AVJ_ENOMEM);
        if (status == AVJ_OK)
            assert_true(shows_all(rig, what));
        history_store_close(&rig->s);
        if (has(rig, rig->newer, ".bad") || has(rig, rig->older, ".bad"))
            fail_msg("%s: a good snapshot was set aside", what);
        assert_well(rig, what);
        assert_true(failed || nth > 20);
    }
}

static void an_open_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (uint64_t seed = 23; seed < 27; seed++) {
        struct rig rig;
        rig_begin(&rig, seed);
        open_without_memory(&rig, seed % 2);
        rig_end(&rig);
    }
}

/* The fold, entry by entry. */
static void a_replay_survives_every_failing_allocation(void **state)
{
    (void)state;
    const char *set = getenv("AVJ_HISTORIES");
    uint64_t rounds = set ? strtoull(set, NULL, 0) : 4;
    for (uint64_t seed = 30; seed < 30 + rounds; seed++) {
        struct rig rig;
        rig_begin(&rig, seed);
        rig.no_snapshots = true;
        open_without_memory(&rig, seed % 2);
        rig_end(&rig);
    }
}

static void write_without_memory(struct rig *rig, bool for_ever)
{
    uint64_t failed = 1;
    rig->s.io = &quick; /* the recorder of calls needs memory itself */
    for (uint64_t nth = 1; failed; nth++) {
        char what[80];
        struct avj_error err = {0};
        snprintf(what, sizeof(what), "snapshot, allocation %llu", (unsigned long long)nth);
        assert_int_equal(open_store(rig), AVJ_OK);
        history_store_add(&rig->s, 1, AVJ_RELAXED);
        alloc_wrap_plan(nth, for_ever);
        enum avj_status status = avj_store_snapshot(rig->s.store, NULL, &err);
        failed = alloc_wrap_seen().failed;
        alloc_wrap_plan(0, false);
        if (status != AVJ_OK && status != AVJ_ENOMEM)
            fail_msg("%s: %s", what, err.message);
        assert_true(shows_all(rig, what));
        history_store_close(&rig->s);
        assert_int_equal(has(rig, rig->s.records.count, ".snap"), status == AVJ_OK);
        assert_well(rig, what);
        assert_true(failed || nth > 3);
    }
}

static void a_snapshot_survives_every_failing_allocation(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, 24);
    write_without_memory(&rig, false);
    write_without_memory(&rig, true);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_survives_every_failing_call),
        cmocka_unit_test(a_snapshot_is_written_whole_or_not_at_all),
        cmocka_unit_test(an_open_survives_every_failing_allocation),
        cmocka_unit_test(a_replay_survives_every_failing_allocation),
        cmocka_unit_test(a_snapshot_survives_every_failing_allocation),
    };
    quick = *avj_io_posix();
    quick.sync = no_sync;
    quick.sync_dir = no_sync_dir;
    return cmocka_run_group_tests_name("snapshots and failures", tests, NULL, NULL);
}
