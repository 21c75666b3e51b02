/*
 * Durability, seen from below: the order of writes, syncs and returns.  The recorded calls prove
 * that an acknowledged record was synced, with the name of its file, before the append returned.
 */
#include "tests/support/fault_io.h"
#include "tests/support/journal_case.h"

#include <errno.h>

static const struct fault_plan no_faults = {0};

struct watched {
    struct fault_io *fault;
    struct avj_journal_options options;
    struct avj_journal *journal;
};

static struct watched open_watched(const char *dir)
{
    struct watched w = {.fault = fault_io_new(avj_io_posix())};

    w.options.io = fault_io_table(w.fault);
    w.options.segment_target = 64 * 1024;
    w.options.no_background = true; /* only what is asked for here */
    w.journal = open_journal(dir, &w.options);
    return w;
}

static void close_watched(struct watched *w)
{
    avj_journal_close(w->journal);
    fault_io_free(w->fault);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);

    return len >= n && strcmp(text + len - n, end) == 0;
}

static bool is_segment_write(const struct fault_record *r)
{
    return r->call == FAULT_PWRITE && (ends_with(r->path, ".seg") || ends_with(r->path, ".tmp"));
}

/* Every write to a segment is followed by a sync of the same file, every new segment name by a sync
 * of its folder. */
static void assert_all_synced(const struct fault_io *fault, const char *what)
{
    size_t count;
    const struct fault_record *r = fault_io_records(fault, &count);

    for (size_t i = 0; i < count; i++) {
        bool synced = false;
        if (is_segment_write(&r[i])) {
            for (size_t k = i + 1; k < count; k++)
                synced |= r[k].call == FAULT_SYNC && r[k].file == r[i].file && r[k].result == 0;
        } else if (r[i].call == FAULT_RENAME && ends_with(r[i].path, ".seg")) {
            for (size_t k = i + 1; k < count; k++)
                synced |= r[k].call == FAULT_SYNC_DIR && ends_with(r[k].path, "segments") &&
                          r[k].result == 0;
        } else {
            continue;
        }
        if (!synced)
            fail_msg("%s: %s of %s at %llu is not synced", what, fault_call_name(r[i].call),
                     r[i].path, (unsigned long long)r[i].offset);
    }
}

static void a_durable_append_syncs_what_it_wrote_before_it_returns(void **state)
{
    struct journal_case *c = *state;
    struct watched w;
    uint64_t next = 1;

    create_journal(c->dir, NULL);
    w = open_watched(c->dir);
    while (count_segments(c->dir) < 4) {
        fault_io_plan(w.fault, &no_faults);
        append_numbered(w.journal, next, 15, AVJ_DURABLE);
        assert_true(fault_io_count(w.fault, FAULT_IN(FAULT_PWRITE)) > 0);
        assert_true(fault_io_count(w.fault, FAULT_IN(FAULT_SYNC)) > 0);
        assert_all_synced(w.fault, "durable append");
        next += 15;
    }
    close_watched(&w);
}

static void a_relaxed_append_syncs_nothing_until_it_is_asked_to(void **state)
{
    struct journal_case *c = *state;
    struct watched w;
    struct avj_error err = {0};

    create_journal(c->dir, NULL);
    w = open_watched(c->dir);
    append_numbered(w.journal, 1, 1, AVJ_DURABLE);
    fault_io_plan(w.fault, &no_faults);
    for (uint64_t seq = 2; seq <= 6; seq++)
        append_numbered(w.journal, seq, 1, AVJ_RELAXED);
    assert_int_equal(fault_io_count(w.fault, FAULT_IN(FAULT_SYNC) | FAULT_IN(FAULT_SYNC_DIR)), 0);
    assert_ok(avj_journal_sync(w.journal, &err), err);
    assert_all_synced(w.fault, "relaxed appends and a sync");
    fault_io_plan(w.fault, &no_faults);
    append_numbered(w.journal, 7, 1, AVJ_RELAXED);
    append_numbered(w.journal, 8, 1, AVJ_DURABLE);
    assert_all_synced(w.fault, "a relaxed and a durable append");
    fault_io_plan(w.fault, &no_faults);
    append_numbered(w.journal, 9, 1, AVJ_RELAXED);
    avj_journal_close(w.journal);
    assert_all_synced(w.fault, "a relaxed append and close");
    fault_io_free(w.fault);
}

/* A successor's header vouches for the whole of its predecessor, relaxed records included. */
static void a_segment_is_synced_before_its_successor_gets_its_name(void **state)
{
    struct journal_case *c = *state;
    struct watched w;
    uint64_t next = 1;
    size_t count, renames = 0;
    const struct fault_record *r;

    create_journal(c->dir, NULL);
    w = open_watched(c->dir);
    fault_io_plan(w.fault, &no_faults);
    while (count_segments(c->dir) < 4) {
        append_numbered(w.journal, next, 15, AVJ_RELAXED);
        next += 15;
    }
    r = fault_io_records(w.fault, &count);
    for (size_t i = 0; i < count; i++) {
        if (r[i].call != FAULT_RENAME || !ends_with(r[i].path, ".seg"))
            continue;
        renames++;
        for (size_t k = 0; k < i; k++) {
            bool synced = false;
            if (!is_segment_write(&r[k]))
                continue;
            for (size_t m = k + 1; m < i; m++)
                synced |= r[m].call == FAULT_SYNC && r[m].file == r[k].file;
            if (!synced)
                fail_msg("%s at %llu is not synced before %s", r[k].path,
                         (unsigned long long)r[k].offset, r[i].path);
        }
    }
    assert_int_equal(renames, 3);
    close_watched(&w);
}

static void create_makes_its_own_name_durable_too(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct avj_journal_options options = {.io = fault_io_table(fault)};
    size_t count;
    const struct fault_record *r;
    bool parent = false, own = false;

    fault_io_plan(fault, &no_faults);
    create_journal(c->dir, &options);
    assert_all_synced(fault, "create");
    r = fault_io_records(fault, &count);
    for (size_t i = 0; i < count; i++) {
        if (r[i].call != FAULT_SYNC_DIR)
            continue;
        own |= ends_with(r[i].path, "/j");
        /* However the parent is written: "FOLDER", "FOLDER/" or "FOLDER/j/..". */
        parent |= strcmp(r[i].path, c->folder) == 0 || ends_with(r[i].path, "/") ||
                  ends_with(r[i].path, "/..");
    }
    assert_true(own);
    assert_true(parent);
    assert_int_equal(fault_io_open_files(fault), 0);
    fault_io_free(fault);
}

/* The first durable append to a segment that another process made must not count on that one's sync
 * of the name. */
static void an_adopted_segment_has_its_name_synced_unless_a_witness_says_so(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *other;
    struct watched w;
    uint64_t next = 1;

    create_journal(c->dir, NULL);
    w = open_watched(c->dir);
    other = open_journal(c->dir, &w.options);
    while (count_segments(c->dir) < 2) {
        append_numbered(other, next, 15, AVJ_RELAXED);
        next += 15;
    }
    fault_io_plan(w.fault, &no_faults);
    append_numbered(w.journal, next, 1, AVJ_DURABLE);
    assert_true(fault_io_count(w.fault, FAULT_IN(FAULT_SYNC_DIR)) > 0);
    avj_journal_close(other);
    close_watched(&w);
}

/* Of the slots of `sync` the first two are witnesses; the third marks that a sync has begun. */
static bool is_witness_write(const struct fault_record *r)
{
    return r->call == FAULT_PWRITE && ends_with(r->path, "/sync") && r->offset < 128;
}

static bool is_mark_write(const struct fault_record *r)
{
    return r->call == FAULT_PWRITE && ends_with(r->path, "/sync") && r->offset == 128;
}

/* Whoever opens the journal after a crash believes the witness: what it vouches for must be on the
 * disk before it speaks.  Whoever finds a mark without a witness must not believe a later sync. */
static void the_witness_is_written_only_behind_the_sync_it_tells_of(void **state)
{
    struct journal_case *c = *state;
    struct watched w;
    struct avj_error err = {0};
    const struct fault_plan failing = {FAULT_IN(FAULT_SYNC), 1, 0, FAULT_ERROR, EIO};
    const struct fault_record *r;
    size_t count, witnesses = 0;
    bool dirty = false, marked = false;

    create_journal(c->dir, NULL);
    w = open_watched(c->dir);
    fault_io_plan(w.fault, &no_faults);
    for (uint64_t seq = 1; seq <= 30; seq++)
        append_numbered(w.journal, seq, 1, seq % 3 ? AVJ_RELAXED : AVJ_DURABLE);
    r = fault_io_records(w.fault, &count);
    for (size_t i = 0; i < count; i++) {
        if (is_segment_write(&r[i]))
            dirty = true;
        if (is_mark_write(&r[i]))
            marked = true;
        if (r[i].call == FAULT_SYNC && ends_with(r[i].path, ".seg")) {
            assert_true(marked);
            dirty = false;
        }
        if (is_witness_write(&r[i])) {
            witnesses++;
            assert_false(dirty);
            marked = false;
        }
    }
    assert_int_equal(witnesses, 10);

    fault_io_plan(w.fault, &failing);
    assert_status(AVJ_ESYNC, numbered_append(w.journal, 31, 1, AVJ_DURABLE, NULL, &err), err);
    r = fault_io_records(w.fault, &count);
    for (size_t i = 0; i < count; i++)
        assert_false(is_witness_write(&r[i]));
    close_watched(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(a_durable_append_syncs_what_it_wrote_before_it_returns),
        JOURNAL_CASE(a_relaxed_append_syncs_nothing_until_it_is_asked_to),
        JOURNAL_CASE(a_segment_is_synced_before_its_successor_gets_its_name),
        JOURNAL_CASE(create_makes_its_own_name_durable_too),
        JOURNAL_CASE(the_witness_is_written_only_behind_the_sync_it_tells_of),
        JOURNAL_CASE(an_adopted_segment_has_its_name_synced_unless_a_witness_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
