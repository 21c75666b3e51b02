/*
 * Checks with a time limit that go on where the one before stopped: however often that happens, the
 * end is that of one check which had the time.  The clock is one that counts its readings.
 */
#include "tests/integration/fsck_case.h"

#include "replay/sync.h"

#include <unistd.h>

#define MANY 12u

struct ticking {
    struct avj_io io;
    int64_t now;
};

static int64_t tick(void *ctx)
{
    return ++*(int64_t *)ctx;
}

static void ticking_init(struct ticking *t)
{
    t->io = *avj_io_posix();
    t->now = 0;
    t->io.ctx = &t->now; /* the functions of the real file system do not look at it */
    t->io.monotonic_ms = tick;
}

static char noted[512];

static void note(void *arg, const char *text)
{
    (void)arg;
    snprintf(noted, sizeof noted, "%s", text);
}

/* One check that may read the clock `limit` times, with the file s beside the journal. */
static void check_some(const struct fixture *f, int64_t limit, bool deep, struct seen *seen)
{
    struct ticking clock;
    char *file = test_path(f->folder, "s");
    struct fsck_sink sink = {
        .arg = seen, .finding = see_finding, .summary = see_summary, .note = note};

    ticking_init(&clock);
    memset(seen, 0, sizeof *seen);
    noted[0] = 0;
    struct fsck_options options = {
        .io = &clock.io, .deep = deep, .max_duration_ms = limit, .state = file};
    seen->code = fsck_run(f->dir, &options, &sink, &seen->err);
    free(file);
}

static bool is_there(const struct fixture *f, const char *name)
{
    char *path = test_path(f->folder, "%s", name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static void assert_same(const struct seen *a, const struct seen *b)
{
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->findings, b->findings);
    for (int code = 0; code < FSCK_CODES; code++) {
        assert_int_equal(a->by_code[code], b->by_code[code]);
        assert_int_equal(a->first[code].segment, b->first[code].segment);
        assert_int_equal(a->first[code].offset, b->first[code].offset);
        assert_int_equal(a->first[code].first_seq, b->first[code].first_seq);
        assert_string_equal(a->first[code].detail, b->first[code].detail);
    }
    assert_memory_equal(&a->summary, &b->summary, sizeof a->summary);
}

/* In as many steps as it takes; returns how many. */
static unsigned check_in_steps(const struct fixture *f, int64_t limit, bool deep, struct seen *seen)
{
    uint64_t before = 0;
    for (unsigned steps = 1;; steps++) {
        assert_true(steps < 4 * MANY);
        check_some(f, limit, deep, seen);
        if (seen->code != FSCK_FAILED)
            return steps;
        assert_int_equal(seen->by_code[FSCK_UNFINISHED], 1);
        assert_true(seen->summary.records > before); /* each one comes further */
        before = seen->summary.records;
        assert_true(is_there(f, "s") && is_there(f, "s.view"));
    }
}

static void many(struct fixture *f)
{
    f->records = build(f->dir, MANY) - 1;
}

static void in_any_number_of_steps_the_end_is_that_of_one_check(void **state)
{
    struct fixture *f = *state;
    struct seen whole, seen;
    unsigned most = 0;

    many(f);
    for (int deep = 0; deep < 2; deep++) {
        check_with(f->dir, &(struct fsck_options){.deep = deep}, &whole);
        assert_int_equal(whole.code, FSCK_CLEAN);
        for (int64_t limit = 1; limit < 40; limit++) {
            unsigned steps = check_in_steps(f, limit, deep, &seen);
            most = steps > most ? steps : most;
            assert_same(&seen, &whole);
            assert_false(is_there(f, "s") || is_there(f, "s.view"));
        }
    }
    assert_true(most >= MANY - 1);
}

/* A snapshot of the journal that ends in what is passed over is compared all the same. */
static void snapshots_in_front_of_the_stop_are_compared(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store;
    struct avj_error err = {0};
    struct seen seen, whole;

    many(f);
    struct avj_store_options early = {.anonymous = true};
    assert_ok(avj_store_open(f->dir, &early, &store, &err), err);
    assert_ok(avj_store_snapshot(store, NULL, &err), err);
    avj_store_close(store);
    uint64_t number = f->records + 1;
    for (unsigned i = 0; i < 3; i++) {
        begin_segment(f->dir, MANY + i, &number);
        fill(f->dir, &number);
    }
    check(f->dir, &whole);
    assert_int_equal(whole.code, FSCK_CLEAN);
    assert_true(check_in_steps(f, 1, false, &seen) > MANY);
    assert_same(&seen, &whole);
}

static void a_state_that_does_not_fit_is_told_of_and_not_used(void **state)
{
    struct fixture *f = *state;
    struct seen seen, whole;
    char *file = test_path(f->folder, "s"), *view = test_path(f->folder, "s.view");
    size_t len;

    many(f);
    check(f->dir, &whole);
    for (int what = 0; what < 4; what++) {
        check_some(f, 1, false, &seen);
        assert_int_equal(seen.code, FSCK_FAILED);
        char *path = what == 2 ? view : file;
        uint8_t *data = test_read_file(path, &len);
        if (what == 1)
            data[len / 2] ^= 4;
        if (what == 2)
            data[len - 1] ^= 4;
        if (what == 3)
            len /= 2;
        test_write_file(path, data, len);
        free(data);
        check_some(f, 0, what == 0, &seen);
        assert_int_equal(seen.code, FSCK_CLEAN);
        assert_contains(noted, "beginning anew");
        assert_memory_equal(seen.summary.view_digest, whole.summary.view_digest, 16);
        assert_int_equal(seen.summary.records, f->records);
    }
    free(file);
    free(view);
}

/* What was proven is another file now. */
static void segments_that_changed_since_are_checked_again(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    struct avj_error err = {0};

    many(f);
    check_some(f, 1, false, &seen);
    struct avj_journal *journal = open_it(f->dir);
    assert_ok(avj_journal_maintain(journal, NULL, NULL, &err), err);
    avj_journal_close(journal);
    check_some(f, 0, false, &seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_contains(noted, "the journal's files are others now");
    assert_int_equal(seen.summary.records, f->records);
}

/* With damage in front of it no check goes on: the findings behind depend on it. */
static void behind_damage_no_check_goes_on(void **state)
{
    struct fixture *f = *state;
    struct seen seen, whole;
    char *path;

    many(f);
    path = segment_path(f->dir, 2);
    test_flip(path, HEADER + 100, 8);
    check(f->dir, &whole);
    assert_true(whole.code & FSCK_DAMAGE);
    for (int64_t limit = 1; limit < 12; limit++) {
        check_some(f, limit, false, &seen);
        while (seen.code == FSCK_FAILED)
            check_some(f, limit, false, &seen);
        assert_true(seen.code & FSCK_DAMAGE);
    }
    check_some(f, 0, false, &seen);
    assert_same(&seen, &whole);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMPTY(in_any_number_of_steps_the_end_is_that_of_one_check),
        EMPTY(snapshots_in_front_of_the_stop_are_compared),
        EMPTY(a_state_that_does_not_fit_is_told_of_and_not_used),
        EMPTY(segments_that_changed_since_are_checked_again),
        EMPTY(behind_damage_no_check_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
