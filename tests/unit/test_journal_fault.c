/*
 * Every call to the file system fails, each in turn, once and for good, in every way: nothing
 * crashes, nothing hangs, and what was acknowledged as durable is there when the journal is opened
 * on a healthy disk.
 */
#include "tests/support/fault_io.h"
#include "tests/support/journal_case.h"

#include <errno.h>

#define FRAMES 14

/* What the workload was told. */
struct told {
    bool created;
    uint64_t durable; /* the last number of a durable append (or sync) that succeeded */
    uint64_t attempted;
    bool any_error;
};

static bool good(struct told *told, enum avj_status status)
{
    if (status != AVJ_OK)
        told->any_error = true;
    return status == AVJ_OK;
}

/* Appends frames of 30 records, some durable; segments are small enough that it rotates.  After an
 * error the same records are tried once more: either they are refused again, or they go where a
 * reader finds them. */
static void append_some(struct avj_journal *journal, struct told *told)
{
    struct avj_error err;
    uint64_t next = 1, seq;

    for (int i = 0; i < FRAMES; i++) {
        enum avj_durability durability = i % 3 == 2 ? AVJ_DURABLE : AVJ_RELAXED;
        enum avj_status status = AVJ_EIO;
        for (int tries = 0; tries < 2 && status != AVJ_OK; tries++) {
            struct avj_journal_info info;
            /* A failed append may have left whole records whose durability is not known. */
            if (avj_journal_info(journal, &info, &err) == AVJ_OK)
                next = info.next_seq;
            told->attempted = next + 29;
            status = numbered_append(journal, next, 30, durability, &seq, &err);
            good(told, status);
        }
        if (status != AVJ_OK)
            continue;
        if (seq != next)
            fail_msg("asked for number %llu, got %llu", (unsigned long long)next,
                     (unsigned long long)seq);
        if (durability == AVJ_DURABLE)
            told->durable = seq + 29;
        next = seq + 30;
    }
    if (good(told, avj_journal_sync(journal, &err)) && next > 1)
        told->durable = next - 1 > told->durable ? next - 1 : told->durable;
}

static void workload(const char *dir, const struct avj_io *io, struct told *told)
{
    struct avj_journal_options options = {
        .io = io, .segment_target = 64 * 1024, .lock_timeout_ms = 1, .no_background = true};
    struct avj_journal *journal = NULL;
    struct avj_error err;
    uint64_t last;

    memset(told, 0, sizeof *told);
    told->created = good(told, avj_journal_create(dir, &options, &err));
    if (!good(told, avj_journal_open(dir, &options, &journal, &err)))
        return;
    append_some(journal, told);
    if (numbered_verify(journal, &last, &err) != AVJ_END)
        told->any_error = true;
    else if (last < told->durable)
        fail_msg("the handle itself lost records: %llu of %llu", (unsigned long long)last,
                 (unsigned long long)told->durable);
    avj_journal_close(journal);
}

/* On the healthy disk: at least the durable records, none that was never appended, and it goes on.
 */
static void assert_kept(const char *dir, const struct told *told, const char *what)
{
    struct avj_journal *journal = NULL;
    struct avj_error err = {0};
    enum avj_status status = avj_journal_open(dir, NULL, &journal, &err);
    uint64_t last = 0;

    if (status == AVJ_OK) {
        status = numbered_verify(journal, &last, &err);
        if (status != AVJ_END)
            fail_msg("%s: reading afterwards: %s", what, err.message);
        if (last < told->durable || last > told->attempted)
            fail_msg("%s: %llu records, %llu were acknowledged as durable, %llu attempted", what,
                     (unsigned long long)last, (unsigned long long)told->durable,
                     (unsigned long long)told->attempted);
        append_numbered(journal, last + 1, 3, AVJ_DURABLE);
        assert_numbered(journal, last + 3);
        avj_journal_close(journal);
    } else if (told->created) {
        fail_msg("%s: opening afterwards: %s", what, err.message);
    } else {
        /* No journal is left behind by a failed create: making one now must work. */
        struct avj_error again = {0};
        enum avj_status made = avj_journal_create(dir, NULL, &again);
        if (made != AVJ_OK)
            fail_msg("%s: neither opened (%s) nor created (%s)", what, err.message, again.message);
    }
}

struct way {
    const char *sentence;
    unsigned calls;
    uint64_t times;
    enum fault_how how;
    int errnum;
    bool must_succeed;
};

static uint64_t run_with(struct journal_case *c, const struct way *way, uint64_t nth)
{
    struct fault_io *fault = fault_io_new(avj_io_posix());
    struct fault_plan plan = {way->calls, nth, way->times, way->how, way->errnum};
    char *dir = test_path(c->folder, "run"), what[160];
    struct told told;
    uint64_t failed;

    snprintf(what, sizeof what, "%s, from call %llu on", way->sentence, (unsigned long long)nth);
    fault_io_plan(fault, &plan);
    workload(dir, fault_io_table(fault), &told);
    failed = fault_io_failed(fault);
    if (fault_io_open_files(fault) != 0)
        fail_msg("%s: %d files are left open", what, fault_io_open_files(fault));
    fault_io_free(fault);
    if (way->must_succeed && told.any_error)
        fail_msg("%s: this must not be an error", what);
    assert_kept(dir, &told, what);
    if (test_exists(dir))
        test_remove_tree(dir);
    free(dir);
    return failed;
}

static const struct way ways[] = {
    {"input/output error, once", FAULT_ANY, 1, FAULT_ERROR, EIO, false},
    {"input/output error for good", FAULT_ANY, 0, FAULT_ERROR, EIO, false},
    {"half written, then an input/output error, once", FAULT_IN(FAULT_PWRITE), 1, FAULT_HALF_ERROR,
     EIO, false},
    {"disk full, once", FAULT_SPACE, 1, FAULT_ERROR, ENOSPC, false},
    {"disk full for good", FAULT_SPACE, 0, FAULT_ERROR, ENOSPC, false},
    {"half written, then the disk is full for good", FAULT_SPACE, 0, FAULT_HALF_ERROR, ENOSPC,
     false},
    {"a sync fails, once", FAULT_IN(FAULT_SYNC) | FAULT_IN(FAULT_SYNC_DIR), 1, FAULT_ERROR, EIO,
     false},
    {"every sync fails", FAULT_IN(FAULT_SYNC) | FAULT_IN(FAULT_SYNC_DIR), 0, FAULT_ERROR, EIO,
     false},
    {"too many open files, once", FAULT_IN(FAULT_OPEN), 1, FAULT_ERROR, EMFILE, false},
    {"permission denied, once", FAULT_ANY, 1, FAULT_ERROR, EACCES, false},
    {"interrupted three times", FAULT_IN(FAULT_PREAD) | FAULT_IN(FAULT_PWRITE), 3, FAULT_ERROR,
     EINTR, true},
    {"one short read or write", FAULT_IN(FAULT_PREAD) | FAULT_IN(FAULT_PWRITE), 1, FAULT_SHORT, 0,
     true},
    {"nothing but short reads and writes", FAULT_IN(FAULT_PREAD) | FAULT_IN(FAULT_PWRITE), 0,
     FAULT_SHORT, 0, true},
};

static void every_call_fails_in_turn_and_nothing_acknowledged_is_lost(void **state)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        uint64_t nth = 1;
        /* A run in which nothing failed any more has reached the end of the workload. */
        while (run_with(*state, &ways[i], nth) > 0)
            nth++;
        print_message("%s: %llu places\n", ways[i].sentence, (unsigned long long)nth - 1);
        assert_true(nth > 5);
    }
}

/* A handle with a fault interface beneath. */
struct faulty {
    struct fault_io *fault;
    struct avj_journal_options options;
    struct avj_journal *journal;
};

static struct faulty open_faulty(const char *dir)
{
    struct faulty f = {.fault = fault_io_new(avj_io_posix())};

    f.options.io = fault_io_table(f.fault);
    create_journal(dir, &f.options);
    f.journal = open_journal(dir, &f.options);
    return f;
}

static void close_faulty(struct faulty *f)
{
    avj_journal_close(f->journal);
    assert_int_equal(fault_io_open_files(f->fault), 0);
    fault_io_free(f->fault);
}

static void appends_work_again_when_a_full_disk_has_space(void **state)
{
    static const enum fault_how how[] = {FAULT_ERROR, FAULT_HALF_ERROR};
    const struct avj_journal_options impatient = {.lock_timeout_ms = 1};
    struct journal_case *c = *state;
    struct avj_journal *other;
    struct avj_error err = {0};

    for (size_t i = 0; i < 2; i++) {
        char *dir = test_path(c->folder, "full-%zu", i);
        struct faulty f = open_faulty(dir);
        const struct fault_plan full = {FAULT_SPACE, 1, 0, how[i], ENOSPC}, none = {0};

        append_numbered(f.journal, 1, 5, AVJ_DURABLE);
        fault_io_plan(f.fault, &full);
        for (int tries = 0; tries < 3; tries++) {
            assert_status(AVJ_ENOSPC, numbered_append(f.journal, 6, 5, AVJ_DURABLE, NULL, &err),
                          err);
            assert_contains(err.message, "space");
        }
        assert_numbered(f.journal, 5);
        fault_io_plan(f.fault, &none);
        /* A refused append has given the lock back. */
        other = open_journal(dir, &impatient);
        append_numbered(other, 6, 5, AVJ_DURABLE);
        avj_journal_close(other);
        append_numbered(f.journal, 11, 5, AVJ_DURABLE);
        assert_numbered(f.journal, 15);
        close_faulty(&f);
        f.journal = open_journal(dir, NULL);
        assert_numbered(f.journal, 15);
        avj_journal_close(f.journal);
        free(dir);
    }
}

/* The records that are there when the journal is opened anew. */
static uint64_t reopened(const char *dir)
{
    struct avj_journal *journal = open_journal(dir, NULL);
    struct avj_error err = {0};
    uint64_t last;

    assert_status(AVJ_END, numbered_verify(journal, &last, &err), err);
    append_numbered(journal, last + 1, 1, AVJ_DURABLE);
    assert_numbered(journal, last + 1);
    avj_journal_close(journal);
    return last;
}

/* How many syncs of that segment's file were asked for. */
static size_t syncs_of(const struct fault_io *fault, const char *name)
{
    size_t count, syncs = 0;
    const struct fault_record *r = fault_io_records(fault, &count);

    for (size_t i = 0; i < count; i++)
        syncs += r[i].call == FAULT_SYNC && strstr(r[i].path, name);
    return syncs;
}

static void a_failed_sync_acknowledges_nothing_and_the_log_goes_on_in_a_new_segment(void **state)
{
    struct journal_case *c = *state;
    struct faulty f = open_faulty(c->dir);
    const struct fault_plan once = {FAULT_IN(FAULT_SYNC), 1, 1, FAULT_ERROR, EIO};
    struct avj_error err = {0};

    append_numbered(f.journal, 1, 5, AVJ_DURABLE);
    append_numbered(f.journal, 6, 2, AVJ_RELAXED);
    fault_io_plan(f.fault, &once);
    assert_status(AVJ_ESYNC, numbered_append(f.journal, 8, 1, AVJ_DURABLE, NULL, &err), err);
    assert_contains(err.message, "new segment");
    /* What was appended before is not lost with it, and the handle goes on. */
    assert_int_equal(count_segments(c->dir), 2);
    append_numbered(f.journal, 9, 1, AVJ_DURABLE);
    assert_numbered(f.journal, 9);
    /* The page cache forgets what it could not write: a second sync of that file would succeed and
     * mean nothing. */
    assert_int_equal(syncs_of(f.fault, "0001.seg"), 1);
    close_faulty(&f);
    assert_int_equal(reopened(c->dir), 9);
}

static void where_the_log_can_not_go_on_the_handle_only_reads(void **state)
{
    struct journal_case *c = *state;
    struct faulty f = open_faulty(c->dir);
    const struct fault_plan always = {FAULT_IN(FAULT_SYNC), 1, 0, FAULT_ERROR, EIO};
    const struct fault_plan none = {0};
    struct avj_error err = {0};
    uint64_t last;

    append_numbered(f.journal, 1, 5, AVJ_DURABLE);
    fault_io_plan(f.fault, &always);
    assert_status(AVJ_ESYNC, numbered_append(f.journal, 6, 1, AVJ_DURABLE, NULL, &err), err);
    assert_true(avj_status_fatal(AVJ_ESYNC));
    assert_contains(err.message, "open the journal again");
    fault_io_plan(f.fault, &none);
    assert_status(AVJ_ESYNC, numbered_append(f.journal, 7, 1, AVJ_DURABLE, NULL, &err), err);
    assert_status(AVJ_ESYNC, numbered_append(f.journal, 7, 1, AVJ_RELAXED, NULL, &err), err);
    assert_status(AVJ_ESYNC, avj_journal_sync(f.journal, &err), err);
    assert_status(AVJ_END, numbered_verify(f.journal, &last, &err), err);
    assert_true(last >= 5);
    assert_int_equal(syncs_of(f.fault, ".seg"), 0);
    close_faulty(&f);
    last = reopened(c->dir);
    assert_true(last >= 5 && last <= 6);
    /* The last sync of the first segment was never seen to succeed: the log went on without it. */
    assert_int_equal(count_segments(c->dir), 2);
}

static void a_failed_sync_before_a_new_segment_is_no_different(void **state)
{
    struct journal_case *c = *state;
    struct faulty f = open_faulty(c->dir);
    const struct fault_plan once = {FAULT_IN(FAULT_SYNC), 1, 1, FAULT_ERROR, EIO};
    struct avj_error err = {0};

    append_numbered(f.journal, 1, 5, AVJ_RELAXED);
    fault_io_plan(f.fault, &once);
    assert_ok(avj_journal_rotate(f.journal, &err), err);
    assert_int_equal(count_segments(c->dir), 2);
    append_numbered(f.journal, 6, 1, AVJ_DURABLE);
    assert_int_equal(syncs_of(f.fault, "0001.seg"), 1);
    close_faulty(&f);
    assert_int_equal(reopened(c->dir), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(every_call_fails_in_turn_and_nothing_acknowledged_is_lost),
        JOURNAL_CASE(appends_work_again_when_a_full_disk_has_space),
        JOURNAL_CASE(a_failed_sync_acknowledges_nothing_and_the_log_goes_on_in_a_new_segment),
        JOURNAL_CASE(where_the_log_can_not_go_on_the_handle_only_reads),
        JOURNAL_CASE(a_failed_sync_before_a_new_segment_is_no_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
