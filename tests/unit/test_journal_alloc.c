/*
 * Out of memory, at every allocation in turn, once and from then on for ever, through a whole life
 * of a journal.  Every call succeeds or says AVJ_ENOMEM; nothing is leaked; what was acknowledged
 * is there; and everything works again when there is memory.
 */
#include "journal/scan.h"
#include "tests/support/alloc_wrap.h"
#include "tests/support/journal_case.h"

#define ATTEMPTS_MAX 16
#define RECORD_LEN   600

/* Nobody else's allocations come between; and what a disk does is no concern here, so that syncs
 * need not be waited for. */
static struct avj_io io;
static const struct avj_journal_options options = {.io = &io, .no_background = true};

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

/* An append that was tried: its records say which. */
struct attempt {
    size_t count;
    bool acknowledged;
};

struct life {
    const char *dir, *segment;
    struct avj_journal *journal;
    struct attempt attempts[ATTEMPTS_MAX];
    size_t attempt_count;
    uint64_t refused; /* calls that gave AVJ_ENOMEM */
};

/* Record `index` of an attempt: words, so that two of them are compressed. */
static void make_record(uint8_t data[RECORD_LEN], size_t attempt, size_t index)
{
    for (size_t i = 0; i < RECORD_LEN; i++)
        data[i] = (uint8_t) "there is memory enough for everybody; "[i % 38];
    data[0] = (uint8_t)attempt;
    data[1] = (uint8_t)index;
}

/* Nothing but success and AVJ_ENOMEM is possible; true: it succeeded. */
static bool took(struct life *life, enum avj_status status, const char *what)
{
    if (status == AVJ_OK)
        return true;
    if (status != AVJ_ENOMEM)
        fail_msg("%s: %s", what, avj_status_text(status));
    life->refused++;
    return false;
}

static bool append(struct life *life, size_t count, enum avj_durability durability)
{
    static uint8_t bytes[4][RECORD_LEN];
    struct avj_slice slices[4];
    size_t at = life->attempt_count++;
    struct attempt *attempt = &life->attempts[at];

    assert_true(count <= 4 && at < ATTEMPTS_MAX);
    attempt->count = count;
    for (size_t i = 0; i < count; i++) {
        make_record(bytes[i], at, i);
        slices[i] = (struct avj_slice){bytes[i], RECORD_LEN};
    }
    attempt->acknowledged = took(
        life, avj_journal_append(life->journal, slices, count, durability, NULL, NULL), "append");
    return attempt->acknowledged;
}

/* Reads everything; true when the end was reached.  *seen: the first attempt that has not been. */
static bool read_all(struct life *life, size_t *seen)
{
    struct avj_cursor *cursor = NULL;
    struct avj_record record;
    uint8_t wanted[RECORD_LEN];
    size_t at = 0, index = 0;
    enum avj_status status;

    if (!took(life, avj_cursor_open(life->journal, 0, &cursor, NULL), "cursor"))
        return false;
    while ((status = avj_cursor_next(cursor, &record, NULL)) == AVJ_OK) {
        /* An attempt that was refused may be there or not, but whole and in its place. */
        for (; index == 0 && at < life->attempt_count && record.data[0] != at; at++)
            assert_false(life->attempts[at].acknowledged);
        assert_true(at < life->attempt_count);
        make_record(wanted, at, index);
        assert_int_equal(record.len, RECORD_LEN);
        assert_memory_equal(record.data, wanted, RECORD_LEN);
        if (++index == life->attempts[at].count) {
            at++;
            index = 0;
        }
    }
    avj_cursor_close(cursor);
    *seen = at;
    return status == AVJ_END || took(life, status, "read");
}

/* ---- a life, in which memory may be out at any time ---- */

static void use(struct life *life)
{
    struct avj_journal_info info;
    size_t seen;

    append(life, 1, AVJ_DURABLE);
    append(life, 3, AVJ_RELAXED);
    took(life, avj_journal_sync(life->journal, NULL), "sync");
    took(life, avj_journal_rotate(life->journal, NULL), "rotate");
    append(life, 2, AVJ_DURABLE);
    took(life, avj_journal_maintain(life->journal, NULL, NULL, NULL), "maintain");
    read_all(life, &seen);
    took(life, avj_journal_info(life->journal, &info, NULL), "info");
}

static bool open_again(struct life *life)
{
    avj_journal_close(life->journal);
    return took(life, avj_journal_open(life->dir, &options, &life->journal, NULL), "open");
}

static void look(struct life *life)
{
    struct avj_segment_entry *segments = NULL;
    struct avj_sync_witness witness;
    struct avj_scan_result result;
    size_t count;

    if (took(life,
             avj_list_segments(avj_io_posix(), life->dir, &segments, &count, NULL, NULL, NULL),
             "list"))
        free(segments);
    took(life, avj_read_sync_witness(avj_io_posix(), life->dir, &witness, NULL), "witness");
    took(life, avj_scan_segment(avj_io_posix(), life->segment, 0, true, NULL, &result, NULL),
         "scan");
}

static void live(struct life *life)
{
    if (!took(life, avj_journal_create(life->dir, &options, NULL), "create"))
        return;
    if (open_again(life))
        use(life);
    if (open_again(life))
        use(life);
    look(life);
}

/* ---- what must be true when there is memory again ---- */

static void all_is_there(struct life *life)
{
    size_t seen;

    assert_true(read_all(life, &seen));
    for (; seen < life->attempt_count; seen++)
        assert_false(life->attempts[seen].acknowledged);
}

static void works_again(struct life *life)
{
    uint64_t refused = life->refused;

    if (!test_exists(life->segment))
        assert_int_equal(avj_journal_create(life->dir, &options, NULL), AVJ_OK);
    for (int again = 0; again < 2; again++) {
        if (!life->journal)
            assert_true(open_again(life));
        assert_true(append(life, 1, AVJ_DURABLE));
        all_is_there(life);
        avj_journal_close(life->journal);
        life->journal = NULL;
    }
    assert_int_equal(life->refused, refused);
}

/* One life whose nth allocation fails; false when it had fewer.  *points counts. */
static bool live_with(const char *folder, uint64_t nth, bool for_ever, uint64_t *points)
{
    char *dir = test_path(folder, "j");
    char *segment = test_path(dir, "segments/%016x.seg", 1u);
    struct life life = {.dir = dir, .segment = segment};
    struct alloc_wrap_seen seen;

    alloc_wrap_plan(nth, for_ever);
    live(&life);
    seen = alloc_wrap_seen();
    alloc_wrap_plan(0, false);
    *points += seen.failed > 0;
    works_again(&life);
    /* The handle that lived through it was closed in works_again: what it held is given back. */
    if (alloc_wrap_seen().kept + seen.kept != 0)
        fail_msg("allocation %llu failed: %td bytes were kept", (unsigned long long)nth,
                 alloc_wrap_seen().kept + seen.kept);
    free(segment);
    test_remove_tree(dir);
    free(dir);
    return seen.failed > 0;
}

static void at_every_allocation(struct journal_case *c, bool for_ever)
{
    uint64_t points = 0;

    for (uint64_t nth = 1; live_with(c->folder, nth, for_ever, &points); nth++)
        continue;
    print_message("%llu allocations failed in turn\n", (unsigned long long)points);
    assert_true(points > 20);
}

static void every_allocation_fails_once(void **state)
{
    at_every_allocation(*state, false);
}

static void every_allocation_fails_and_all_behind_it(void **state)
{
    at_every_allocation(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(every_allocation_fails_once),
        JOURNAL_CASE(every_allocation_fails_and_all_behind_it),
    };

    io = *avj_io_posix();
    io.sync = no_sync;
    io.sync_dir = no_sync_dir;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
