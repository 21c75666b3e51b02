/*
 * Compaction of sealed segments: records become shorter, keep their numbers, and nothing else
 * changes; whatever fails on the way leaves each segment as it was or as it was to be.
 */
#include "journal/fetch.h"
#include "journal/rewrite.h"
#include "journal/scan.h"
#include "tests/support/alloc_wrap.h"
#include "tests/support/fault_io.h"
#include "tests/support/journal_case.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct avj_journal_options quiet = {.segment_target = 64 * 1024,
                                                 .no_background = true};

/* What decide() is told to do. */
struct plan {
    uint64_t every;       /* so many, one is replaced; 0: none */
    size_t len;           /* by so many of its first bytes, where it has more */
    uint64_t fail_at;     /* decide fails there */
    bool longer;          /* a mistake */
    uint64_t stop_after;  /* questions, 0: never */
    uint64_t from;        /* segments that begin before it are not wanted */
    uint64_t asked, told; /* questions; progress */
};

static enum avj_status decide(void *arg, uint64_t seq, const void *data, size_t len,
                              struct avj_slice *instead, struct avj_error *err)
{
    static const uint8_t zeros[1];
    struct plan *p = arg;

    p->asked++;
    if (p->fail_at == seq)
        return avj_fail(err, AVJ_EFORMAT, "record %llu is not liked", (unsigned long long)seq);
    if (p->longer)
        *instead = (struct avj_slice){zeros, AVJ_RECORD_MAX + 1};
    else if (p->every && seq % p->every == 0 && len > p->len)
        *instead = (struct avj_slice){data, p->len};
    return AVJ_OK;
}

static bool wanted(void *arg, uint64_t first_seq, uint64_t last_seq, uint64_t bytes)
{
    const struct plan *p = arg;

    return first_seq <= last_seq && bytes > 4096 && first_seq >= p->from;
}

static bool stop(void *arg)
{
    const struct plan *p = arg;

    return p->stop_after && p->asked >= p->stop_after;
}

static void progress(void *arg, uint64_t done, uint64_t total)
{
    struct plan *p = arg;

    p->told += done <= total;
}

static struct avj_rewriting how(struct plan *plan)
{
    return (struct avj_rewriting){plan, decide, wanted, stop, progress};
}

static struct avj_rewritten rewrite(struct avj_journal *journal, struct plan *plan, uint64_t upto)
{
    const struct avj_rewriting with = how(plan);
    struct avj_rewritten done;
    struct avj_error err = {0};

    assert_ok(avj_journal_rewrite(journal, upto, &with, &done, &err), err);
    return done;
}

/* Some segments, all but the last sealed; returns how many records. */
static uint64_t sealed_segments(const char *dir, size_t segments)
{
    struct avj_journal *journal;
    struct avj_maintained done;
    struct avj_error err = {0};
    uint64_t next = 1;

    create_journal(dir, &quiet);
    journal = open_journal(dir, &quiet);
    while (count_segments(dir) < segments) {
        append_numbered(journal, next, 12, AVJ_RELAXED);
        next += 12;
    }
    append_numbered(journal, next, 1, AVJ_DURABLE);
    assert_ok(avj_journal_maintain(journal, NULL, &done, &err), err);
    assert_int_equal(done.sealed, segments - 1);
    avj_journal_close(journal);
    return next;
}

static bool is_or_was(uint64_t seq, const uint8_t *data, size_t len, uint64_t every, bool both,
                      bool sealed)
{
    uint8_t whole[NUMBERED_MAX];
    size_t all = numbered_make(seq, whole);
    bool shortened = every && sealed && seq % every == 0 && all > 8;

    if (len == all && memcmp(data, whole, all) == 0)
        return !shortened || both;
    return shortened && len == 8 && memcmp(data, whole, 8) == 0;
}

/* Records 1..last, every `every`th up to `upto` shortened to 8 bytes; both: or not. */
static void assert_shortened(struct avj_journal *journal, uint64_t last, uint64_t every,
                             uint64_t upto, bool both)
{
    struct avj_fetcher *fetcher;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    enum avj_status status;
    uint64_t seq = 0;

    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    assert_ok(avj_fetcher_open(NULL, avj_journal_path(journal), 0, &fetcher, &err), err);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        assert_int_equal(record.seq, ++seq);
        assert_true(is_or_was(seq, record.data, record.len, every, both, seq <= upto));
        assert_ok(avj_fetcher_get(fetcher, seq, &record, &err), err);
        assert_true(is_or_was(seq, record.data, record.len, every, both, seq <= upto));
    }
    assert_status(AVJ_END, status, err);
    assert_int_equal(seq, last);
    avj_cursor_close(cursor);
    avj_fetcher_close(fetcher);
}

static struct avj_segment_header header_of(const char *dir, unsigned number)
{
    struct avj_segment_header header;
    struct avj_error err = {0};
    char *name = test_path(dir, "segments/%016x.seg", number);

    assert_ok(avj_read_segment_header(avj_io_posix(), name, &header, &err), err);
    free(name);
    return header;
}

static enum avj_status count_damage(void *arg, enum avj_damage damage, uint64_t offset,
                                    uint64_t len, const struct avj_frame_info *next_good)
{
    (void)damage, (void)offset, (void)len, (void)next_good;
    ++*(unsigned *)arg;
    return AVJ_OK;
}

static struct avj_scan_result assert_scans(const char *dir, unsigned number)
{
    struct avj_scan_result result;
    struct avj_error err = {0};
    unsigned damages = 0;
    const struct avj_scan_events events = {.arg = &damages, .damage = count_damage};
    char *name = test_path(dir, "segments/%016x.seg", number);

    assert_ok(avj_scan_segment(avj_io_posix(), name, 0, true, &events, &result, &err), err);
    assert_int_equal(damages, 0);
    free(name);
    return result;
}

static void records_become_shorter_and_keep_their_numbers(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = sealed_segments(c->dir, 4), upto = header_of(c->dir, 4).first_seq - 1;
    struct avj_journal *journal = open_journal(c->dir, &quiet);
    struct plan plan = {.every = 3, .len = 8};
    struct avj_segment_header before = header_of(c->dir, 2), after;
    struct avj_rewritten done = rewrite(journal, &plan, UINT64_MAX);

    assert_int_equal(done.segments, 3);
    assert_int_equal(done.damaged, 0);
    assert_int_equal(plan.told, 4);
    assert_true(done.records > upto / 4 && done.records <= upto / 3);
    assert_true(done.bytes_after < done.bytes_before);
    assert_shortened(journal, last, 3, upto, false);
    append_numbered(journal, last + 1, 5, AVJ_DURABLE);
    avj_journal_close(journal);
    journal = open_journal(c->dir, &quiet);
    assert_shortened(journal, last + 5, 3, upto, false);
    avj_journal_close(journal);

    after = header_of(c->dir, 2);
    assert_true(after.sealed && after.compacted && !before.compacted);
    assert_memory_equal(after.compaction.sealed_content, before.from.content, 16);
    assert_memory_not_equal(after.from.content, before.from.content, 16);
    assert_memory_equal(after.from.salt, before.from.salt, 16);
    assert_true(after.from.last_seq == before.from.last_seq && after.from.end == before.from.end);
    assert_true(after.compaction.replaced > 0 && after.compaction.ms > 0);
    for (unsigned number = 1; number <= 3; number++)
        assert_scans(c->dir, number);
}

static void a_second_time_goes_on_from_the_first(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = sealed_segments(c->dir, 3), upto = header_of(c->dir, 3).first_seq - 1;
    struct avj_journal *journal = open_journal(c->dir, &quiet);
    struct plan once = {.every = 4, .len = 8}, twice = {.every = 2, .len = 8};
    struct avj_segment_header sealed = header_of(c->dir, 1), header;
    uint64_t first = rewrite(journal, &once, UINT64_MAX).records, second;

    assert_shortened(journal, last, 4, upto, false);
    assert_int_equal(rewrite(journal, &once, UINT64_MAX).segments, 0); /* it is done */
    second = rewrite(journal, &twice, UINT64_MAX).records;
    assert_true(second > 0);
    assert_shortened(journal, last, 2, upto, false);
    header = header_of(c->dir, 1);
    assert_memory_equal(header.compaction.sealed_content, sealed.from.content, 16);
    assert_int_equal(header.compaction.replaced + header_of(c->dir, 2).compaction.replaced,
                     first + second);
    avj_journal_close(journal);
}

static void only_what_is_sealed_wanted_and_old_enough_is_looked_at(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = sealed_segments(c->dir, 5), upto;
    struct avj_journal *journal = open_journal(c->dir, &quiet);
    struct plan plan = {.every = 1, .len = 8};

    upto = header_of(c->dir, 3).first_seq - 1;
    assert_int_equal(rewrite(journal, &plan, header_of(c->dir, 2).first_seq - 2).segments, 0);
    plan.from = header_of(c->dir, 2).first_seq;
    assert_int_equal(rewrite(journal, &plan, upto + 1).segments, 1);
    assert_false(header_of(c->dir, 1).compacted);
    assert_true(header_of(c->dir, 2).compacted);
    assert_false(header_of(c->dir, 3).compacted);
    plan.from = 0;
    assert_int_equal(rewrite(journal, &plan, upto + 1).segments, 1);
    assert_shortened(journal, last, 1, upto, false);
    avj_journal_close(journal);
}

static void where_nothing_is_replaced_the_file_stays(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct plan plan = {.every = 0};
    uint8_t salt[16];

    sealed_segments(c->dir, 3);
    memcpy(salt, header_of(c->dir, 1).salt, 16);
    journal = open_journal(c->dir, &quiet);
    assert_int_equal(rewrite(journal, &plan, UINT64_MAX).segments, 0);
    assert_memory_equal(header_of(c->dir, 1).salt, salt, 16);
    assert_true(plan.asked > 0);
    avj_journal_close(journal);
}

static void what_goes_wrong_ends_it_and_the_segment_stays(void **state)
{
    struct journal_case *c = *state;
    static const struct {
        const char *sentence;
        struct plan plan;
        enum avj_status status;
        const char *says;
    } rows[] = {
        {"the layer above refuses",
         {.every = 2, .len = 8, .fail_at = 40},
         AVJ_EFORMAT,
         "not liked"},
        {"a record would be too long", {.longer = true}, AVJ_ETOOBIG, "would become too long"},
    };
    uint64_t last = sealed_segments(c->dir, 3);
    struct avj_journal *journal = open_journal(c->dir, &quiet), *reader;
    struct avj_error err = {0};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plan plan = rows[i].plan;
        const struct avj_rewriting with = how(&plan);
        assert_status(rows[i].status, avj_journal_rewrite(journal, UINT64_MAX, &with, NULL, &err),
                      err);
        assert_contains(err.message, rows[i].says);
        assert_numbered(journal, last);
    }
    reader = open_journal(c->dir, &(struct avj_journal_options){.read_only = true});
    struct plan plan = {.every = 2, .len = 8};
    const struct avj_rewriting with = how(&plan);
    assert_status(AVJ_EREADONLY, avj_journal_rewrite(reader, UINT64_MAX, &with, NULL, &err), err);
    avj_journal_close(reader);
    avj_journal_close(journal);
}

static void it_stops_when_it_is_asked_to_and_goes_on_later(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = sealed_segments(c->dir, 4), upto = header_of(c->dir, 4).first_seq - 1;
    struct avj_journal *journal = open_journal(c->dir, &quiet);
    struct plan plan = {.every = 2, .len = 8, .stop_after = 1};

    assert_int_equal(rewrite(journal, &plan, UINT64_MAX).segments, 0);
    assert_numbered(journal, last);
    plan.stop_after = 0;
    assert_int_equal(rewrite(journal, &plan, UINT64_MAX).segments, 3);
    assert_shortened(journal, last, 2, upto, false);
    avj_journal_close(journal);
}

static void a_damaged_segment_stays_as_it_is_and_is_counted(void **state)
{
    struct journal_case *c = *state;
    struct avj_segment_header header;
    struct avj_journal *journal;
    struct plan plan = {.every = 2, .len = 8};
    char *name = test_path(c->dir, "segments/%016x.seg", 2u);
    uint8_t *bytes;
    size_t len;

    sealed_segments(c->dir, 4);
    header = header_of(c->dir, 2);
    test_flip(name, header.frames_at + 900, 4);
    journal = open_journal(c->dir, &quiet);
    struct avj_rewritten done = rewrite(journal, &plan, UINT64_MAX);
    assert_int_equal(done.segments, 2);
    assert_int_equal(done.damaged, 1);
    avj_journal_close(journal);
    test_flip(name, header.frames_at + 900, 4);
    bytes = test_read_file(name, &len);
    assert_memory_equal(bytes + 48, header.salt, 16);
    assert_scans(c->dir, 2);
    free(bytes);
    free(name);
}

static void what_a_crash_left_behind_is_kept(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_error err = {0};
    struct plan plan = {.every = 2, .len = 8};
    char torn[500], *name = test_path(c->dir, "segments/%016x.seg", 1u);

    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    append_numbered(journal, 1, 9, AVJ_DURABLE);
    avj_journal_close(journal);
    memset(torn, 't', sizeof torn);
    test_append_file(name, torn, sizeof torn);
    journal = open_journal(c->dir, &quiet);
    append_numbered(journal, 10, 1, AVJ_DURABLE);
    assert_ok(avj_journal_maintain(journal, NULL, NULL, &err), err);
    assert_int_equal(rewrite(journal, &plan, UINT64_MAX).segments, 1);
    assert_shortened(journal, 10, 2, 9, false);
    avj_journal_close(journal);
    assert_int_equal(assert_scans(c->dir, 1).set_aside_bytes, sizeof torn);
    free(name);
}

/* Enough of one kind that sealing gives the segment a dictionary of its own. */
static void segments_with_a_dictionary_of_their_own_are_compacted_too(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options large = {.no_background = true};
    struct avj_journal *journal;
    struct avj_error err = {0};
    struct plan plan = {.every = 2, .len = 8};
    uint64_t next = 1;

    create_journal(c->dir, &large);
    journal = open_journal(c->dir, &large);
    for (; next < 12000; next += 60)
        append_numbered(journal, next, 60, AVJ_RELAXED);
    assert_ok(avj_journal_rotate(journal, &err), err);
    assert_ok(avj_journal_maintain(journal, NULL, NULL, &err), err);
    assert_int_equal(header_of(c->dir, 1).dictionary.kind, AVJ_DICTIONARY_EMBEDDED);
    uint64_t before = header_of(c->dir, 1).dictionary.hash;
    struct avj_rewritten done = rewrite(journal, &plan, UINT64_MAX);
    assert_int_equal(done.segments, 1);
    assert_int_equal(done.damaged, 0);
    /* What was dropped does not live on in it. */
    assert_int_equal(header_of(c->dir, 1).dictionary.kind, AVJ_DICTIONARY_EMBEDDED);
    assert_int_not_equal(header_of(c->dir, 1).dictionary.hash, before);
    assert_shortened(journal, next - 1, 2, next - 1, false);
    avj_journal_close(journal);
    assert_scans(c->dir, 1);
}

/* ---- readers meanwhile ---- */

static void cursors_and_fetchers_go_on_while_what_they_read_is_compacted(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = sealed_segments(c->dir, 4), seq = 0;
    struct avj_journal *journal = open_journal(c->dir, &quiet);
    struct avj_fetcher *fetcher;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    enum avj_status status;

    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    assert_ok(avj_fetcher_open(NULL, c->dir, 1, &fetcher, &err), err);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        assert_int_equal(record.seq, ++seq);
        assert_true(is_or_was(seq, record.data, record.len, 1, true, true));
        uint64_t other = 1 + seq * 7919 % last;
        assert_ok(avj_fetcher_get(fetcher, other, &record, &err), err);
        assert_true(is_or_was(other, record.data, record.len, 1, true, true));
        if (seq % 70 == 0) {
            struct plan plan = {.every = 80 - seq / 70, .len = 8};
            assert_true(rewrite(journal, &plan, UINT64_MAX).segments > 0);
        }
    }
    assert_status(AVJ_END, status, err);
    assert_int_equal(seq, last);
    avj_cursor_close(cursor);
    avj_fetcher_close(fetcher);
    avj_journal_close(journal);
}

/* Every process takes its turn, or is told that another is at it. */
static void compact_in_turn(const char *dir, uint64_t every, uint64_t rounds)
{
    struct avj_journal *journal;
    struct avj_error err;

    if (avj_journal_open(dir, &quiet, &journal, &err) != AVJ_OK)
        _exit(2);
    for (uint64_t i = 0; i < rounds; i++) {
        struct plan plan = {.every = every + i * 2, .len = 8};
        const struct avj_rewriting with = {&plan, decide, NULL, NULL, NULL};
        enum avj_status status = avj_journal_rewrite(journal, UINT64_MAX, &with, NULL, &err);
        if (status != AVJ_OK && status != AVJ_ELOCKED) {
            fprintf(stderr, "%s\n", err.message);
            _exit(3);
        }
    }
    avj_journal_close(journal);
    _exit(0);
}

static void two_processes_compact_at_once_and_others_read(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = sealed_segments(c->dir, 3);
    struct avj_journal *journal = open_journal(c->dir, &quiet);
    pid_t children[2];

    for (uint64_t i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            compact_in_turn(c->dir, 40 + i, 16);
        assert_true(children[i] > 0);
    }
    for (int i = 0; i < 10; i++)
        assert_shortened(journal, last, 1, last, true);
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_shortened(journal, last, 1, last, true);
    avj_journal_close(journal);
    for (unsigned number = 1; number <= 2; number++)
        assert_scans(c->dir, number);
}

static void the_lock_is_that_of_sealing(void **state)
{
    struct journal_case *c = *state;
    const struct avj_io *io = avj_io_posix();
    struct plan plan = {.every = 2, .len = 8};
    const struct avj_rewriting with = how(&plan);
    struct avj_journal *journal;
    struct avj_error err = {0};
    char *name = test_path(c->dir, "seal.lock");
    int lock;

    sealed_segments(c->dir, 2);
    lock = io->open(io->ctx, name, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    assert_int_equal(io->try_lock(io->ctx, lock), AVJ_LOCK_TAKEN);
    journal = open_journal(c->dir, &quiet);
    assert_status(AVJ_ELOCKED, avj_journal_rewrite(journal, UINT64_MAX, &with, NULL, &err), err);
    assert_int_equal(plan.asked, 0);
    io->close(io->ctx, lock);
    assert_int_equal(rewrite(journal, &plan, UINT64_MAX).segments, 1);
    avj_journal_close(journal);
    free(name);
}

/* ---- whatever fails ---- */

struct way {
    const char *sentence;
    unsigned calls;
    uint64_t times;
    enum fault_how how;
    int errnum;
};

static const struct way ways[] = {
    {"input/output error, once", FAULT_ANY, 1, FAULT_ERROR, EIO},
    {"input/output error for good", FAULT_ANY, 0, FAULT_ERROR, EIO},
    {"the disk gets full", FAULT_SPACE, 0, FAULT_HALF_ERROR, ENOSPC},
    {"a sync fails, once", FAULT_IN(FAULT_SYNC) | FAULT_IN(FAULT_SYNC_DIR), 1, FAULT_ERROR, EIO},
    {"nothing but short reads and writes", FAULT_IN(FAULT_PREAD) | FAULT_IN(FAULT_PWRITE), 0,
     FAULT_SHORT, 0},
};

/* Compacts a copy with the nth call failing; false when nothing failed any more. */
static bool rewrite_with(struct journal_case *c, const struct way *way, uint64_t nth, uint64_t last)
{
    const struct fault_plan faults = {way->calls, nth, way->times, way->how, way->errnum};
    const struct fault_plan none = {0};
    struct fault_io *fault = fault_io_new(avj_io_posix());
    struct avj_journal_options options = quiet;
    struct plan plan = {.every = 2, .len = 8}, rest = plan;
    const struct avj_rewriting with = how(&plan);
    struct avj_journal *journal;
    char *dir = test_path(c->folder, "compacting");
    uint64_t upto;
    bool failed;

    options.io = fault_io_table(fault);
    test_copy_tree(c->dir, dir);
    upto = header_of(dir, 3).first_seq - 1;
    journal = open_journal(dir, &options);
    fault_io_plan(fault, &faults);
    enum avj_status ignored = avj_journal_rewrite(journal, UINT64_MAX, &with, NULL, NULL);
    (void)ignored;
    failed = fault_io_failed(fault) > 0;
    fault_io_plan(fault, &none);
    assert_shortened(journal, last, 2, upto, true);
    (void)rewrite(journal, &rest, UINT64_MAX);
    append_numbered(journal, last + 1, 1, AVJ_DURABLE);
    avj_journal_close(journal);
    assert_int_equal(fault_io_open_files(fault), 0);
    fault_io_free(fault);
    journal = open_journal(dir, &quiet);
    assert_shortened(journal, last + 1, 2, upto, false);
    avj_journal_close(journal);
    test_dir_free(dir);
    return failed;
}

static void every_call_fails_in_turn_and_the_log_stays_whole(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = sealed_segments(c->dir, 3);

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        uint64_t nth = 1;
        while (rewrite_with(c, &ways[i], nth, last))
            nth++;
        print_message("%s: %llu places\n", ways[i].sentence, (unsigned long long)nth - 1);
        assert_true(nth > 2);
    }
}

/* True when an allocation failed. */
static bool rewrite_with_little_memory(struct journal_case *c, uint64_t nth, uint64_t last)
{
    struct plan plan = {.every = 2, .len = 8};
    const struct avj_rewriting with = how(&plan);
    char *dir = test_path(c->folder, "compacting");
    struct avj_journal *journal;
    struct alloc_wrap_seen seen;
    enum avj_status status;

    test_copy_tree(c->dir, dir);
    journal = open_journal(dir, &quiet);
    alloc_wrap_plan(nth, false);
    status = avj_journal_rewrite(journal, UINT64_MAX, &with, NULL, NULL);
    seen = alloc_wrap_seen();
    alloc_wrap_plan(0, false);
    assert_true(status == AVJ_OK || (status == AVJ_ENOMEM && seen.failed));
    assert_int_equal(seen.kept, 0);
    assert_shortened(journal, last, 2, header_of(dir, 2).first_seq - 1, status != AVJ_OK);
    avj_journal_close(journal);
    test_dir_free(dir);
    return seen.failed > 0;
}

static void every_allocation_fails_in_turn(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = sealed_segments(c->dir, 2), nth = 1;

    while (rewrite_with_little_memory(c, nth, last))
        nth++;
    assert_true(nth > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(records_become_shorter_and_keep_their_numbers),
        JOURNAL_CASE(a_second_time_goes_on_from_the_first),
        JOURNAL_CASE(only_what_is_sealed_wanted_and_old_enough_is_looked_at),
        JOURNAL_CASE(where_nothing_is_replaced_the_file_stays),
        JOURNAL_CASE(what_goes_wrong_ends_it_and_the_segment_stays),
        JOURNAL_CASE(it_stops_when_it_is_asked_to_and_goes_on_later),
        JOURNAL_CASE(a_damaged_segment_stays_as_it_is_and_is_counted),
        JOURNAL_CASE(what_a_crash_left_behind_is_kept),
        JOURNAL_CASE(segments_with_a_dictionary_of_their_own_are_compacted_too),
        JOURNAL_CASE(cursors_and_fetchers_go_on_while_what_they_read_is_compacted),
        JOURNAL_CASE(two_processes_compact_at_once_and_others_read),
        JOURNAL_CASE(the_lock_is_that_of_sealing),
        JOURNAL_CASE(every_call_fails_in_turn_and_the_log_stays_whole),
        JOURNAL_CASE(every_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
