/*
 * Records by number: whatever the journal's shape, and in whatever order they are asked for, each
 * is the one that was written; and whatever is damaged, fails or runs out on the way, never
 * another.
 */
#include "journal/fetch.h"
#include "tests/support/alloc_wrap.h"
#include "tests/support/fault_io.h"
#include "tests/support/journal_case.h"
#include "tests/support/rng.h"
#include "tests/support/sanitizers.h"
#include "tests/support/small_journal.h"

#include <errno.h>

static const struct avj_journal_options quiet = {.segment_target = 64 * 1024,
                                                 .no_background = true};

static struct avj_fetcher *open_fetcher(const struct avj_io *io, const char *dir, size_t cache)
{
    struct avj_fetcher *fetcher = NULL;
    struct avj_error err = {0};

    assert_ok(avj_fetcher_open(io, dir, cache, &fetcher, &err), err);
    return fetcher;
}

static void assert_gets(struct avj_fetcher *fetcher, uint64_t seq)
{
    struct avj_record record;
    struct avj_error err = {0};

    assert_ok(avj_fetcher_get(fetcher, seq, &record, &err), err);
    assert_int_equal(record.seq, seq);
    if (!numbered_is(seq, record.data, record.len))
        fail_msg("record %llu is another one", (unsigned long long)seq);
}

static void assert_not_there(struct avj_fetcher *fetcher, uint64_t seq)
{
    struct avj_record record;
    struct avj_error err = {0};

    assert_status(AVJ_ENOTFOUND, avj_fetcher_get(fetcher, seq, &record, &err), err);
}

static struct avj_fetcher_stats stats_of(const struct avj_fetcher *fetcher)
{
    struct avj_fetcher_stats stats;

    avj_fetcher_stats(fetcher, &stats);
    return stats;
}

/* In order, backwards and at random. */
static void assert_gets_all(struct avj_fetcher *fetcher, uint64_t last)
{
    struct test_rng rng;

    for (uint64_t seq = 1; seq <= last; seq++)
        assert_gets(fetcher, seq);
    for (uint64_t seq = last; seq >= 1; seq--)
        assert_gets(fetcher, seq);
    test_rng_init(&rng, test_rng_seed("order"));
    for (uint64_t i = 0; i < last; i++)
        assert_gets(fetcher, 1 + test_rng_below(&rng, last));
    assert_not_there(fetcher, 0);
    assert_not_there(fetcher, last + 1);
    assert_not_there(fetcher, last + 1000);
    assert_not_there(fetcher, UINT64_MAX);
}

/* ---- shapes of journals ---- */

static uint64_t append_frames(struct avj_journal *journal, uint64_t last, size_t frames,
                              size_t count)
{
    for (size_t i = 0; i < frames; i++) {
        append_numbered(journal, last + 1, count, AVJ_RELAXED);
        last += count;
    }
    return last;
}

static void seal(struct avj_journal *journal)
{
    struct avj_maintained done;
    struct avj_error err = {0};

    assert_ok(avj_journal_maintain(journal, NULL, &done, &err), err);
    assert_true(done.sealed > 0);
}

static void rotate(struct avj_journal *journal)
{
    struct avj_error err = {0};

    assert_ok(avj_journal_rotate(journal, &err), err);
}

static uint64_t one_record_a_frame(struct avj_journal **journal, const char *dir)
{
    (void)dir;
    return append_frames(*journal, 0, 900, 1);
}

static uint64_t many_records_a_frame(struct avj_journal **journal, const char *dir)
{
    (void)dir;
    return append_frames(*journal, 0, 4, 2500);
}

static uint64_t all_sealed(struct avj_journal **journal, const char *dir)
{
    uint64_t last = append_frames(*journal, 0, 900, 1);

    (void)dir;
    rotate(*journal);
    seal(*journal);
    return last;
}

/* Of 300 KiB: unpacked bit by bit. */
static uint64_t large_frames(struct avj_journal **journal, const char *dir)
{
    (void)dir;
    return append_frames(*journal, 0, 5, 900);
}

/* Of a megabyte: unpacked part by part. */
static uint64_t frames_of_parts(struct avj_journal **journal, const char *dir)
{
    (void)dir;
    return append_frames(*journal, 0, 3, 3000);
}

static uint64_t frames_of_small_parts(struct avj_journal **journal, const char *dir)
{
    uint64_t last = append_frames(*journal, 0, 40, 1);

    small_save_dictionary(*journal);
    avj_journal_close(*journal);
    *journal = open_journal(dir, &quiet);
    rotate(*journal);
    return append_frames(*journal, last, 3, 3000);
}

static uint64_t sealed_large(struct avj_journal **journal, const char *dir)
{
    const struct avj_journal_options large = {.no_background = true};
    uint64_t last;

    avj_journal_close(*journal);
    *journal = open_journal(dir, &large);
    last = append_frames(*journal, 0, 400, 20);
    rotate(*journal);
    seal(*journal);
    return append_frames(*journal, last, 30, 1);
}

static uint64_t half_sealed(struct avj_journal **journal, const char *dir)
{
    uint64_t last = append_frames(*journal, 0, 300, 1);

    (void)dir;
    rotate(*journal);
    seal(*journal);
    return append_frames(*journal, last, 60, 9);
}

static uint64_t with_its_own_dictionary(struct avj_journal **journal, const char *dir)
{
    uint64_t last = append_frames(*journal, 0, 40, 1);

    small_save_dictionary(*journal);
    avj_journal_close(*journal);
    *journal = open_journal(dir, &quiet);
    rotate(*journal);
    last = append_frames(*journal, last, 40, 1);
    rotate(*journal);
    return append_frames(*journal, last, 40, 3);
}

static uint64_t torn_and_gone_on(struct avj_journal **journal, const char *dir)
{
    char torn[300], *name;
    uint64_t last = append_frames(*journal, 0, 20, 1);

    memset(torn, 't', sizeof torn);
    avj_journal_close(*journal);
    name = last_segment(dir);
    test_append_file(name, torn, sizeof torn);
    free(name);
    *journal = open_journal(dir, &quiet);
    last = append_frames(*journal, last, 20, 1);
    avj_journal_close(*journal);
    name = last_segment(dir);
    test_append_file(name, torn, sizeof torn);
    free(name);
    *journal = open_journal(dir, &quiet);
    return last;
}

static uint64_t carried_over(struct avj_journal **journal, const char *dir)
{
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct avj_journal_options faulty = {.io = fault_io_table(fault), .no_background = true};
    const struct fault_plan once = {FAULT_IN(FAULT_SYNC), 1, 1, FAULT_ERROR, EIO}, none = {0};
    struct avj_error err = {0};
    uint64_t last = append_frames(*journal, 0, 7, 3);

    avj_journal_close(*journal);
    *journal = open_journal(dir, &faulty);
    last = append_frames(*journal, last, 5, 2);
    fault_io_plan(fault, &once);
    assert_status(AVJ_ESYNC, numbered_append(*journal, last + 1, 2, AVJ_DURABLE, NULL, &err), err);
    fault_io_plan(fault, &none);
    last = append_frames(*journal, last + 2, 5, 2);
    assert_int_equal(count_segments(dir), 2);
    avj_journal_close(*journal);
    fault_io_free(fault);
    *journal = open_journal(dir, &quiet);
    return last;
}

static uint64_t carried_over_and_sealed(struct avj_journal **journal, const char *dir)
{
    uint64_t last = carried_over(journal, dir);

    rotate(*journal);
    seal(*journal);
    return last;
}

static uint64_t of_many_segments(struct avj_journal **journal, const char *dir)
{
    uint64_t last = 0;

    while (count_segments(dir) < 40) {
        last = append_frames(*journal, last, 2, 2);
        rotate(*journal);
    }
    return last;
}

static uint64_t empty(struct avj_journal **journal, const char *dir)
{
    (void)journal, (void)dir;
    return 0;
}

static const struct shape {
    const char *name;
    uint64_t (*make)(struct avj_journal **journal, const char *dir);
} shapes[] = {
    {"an empty one", empty},
    {"one record a frame", one_record_a_frame},
    {"many records a frame", many_records_a_frame},
    {"large frames", large_frames},
    {"frames of parts", frames_of_parts},
    {"frames of small parts", frames_of_small_parts},
    {"sealed", all_sealed},
    {"sealed, with dictionaries", sealed_large},
    {"sealed in part", half_sealed},
    {"with dictionaries of its own", with_its_own_dictionary},
    {"torn twice", torn_and_gone_on},
    {"carried over", carried_over},
    {"carried over, then sealed", carried_over_and_sealed},
    {"of many segments", of_many_segments},
};

static void every_record_of_every_shape_is_had_in_any_order(void **state)
{
    struct journal_case *c = *state;
    static const size_t caches[] = {0, 1, 3000};

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char *dir = test_path(c->folder, "shape-%zu", i);
        struct avj_journal *journal;
        uint64_t last;

        create_journal(dir, &quiet);
        journal = open_journal(dir, &quiet);
        last = shapes[i].make(&journal, dir);
        print_message("%s: %llu records\n", shapes[i].name, (unsigned long long)last);
        assert_numbered(journal, last);
        /* Nothing is cached with small caches: fewer of the large. */
        for (size_t k = 0; k < (last > 2000 ? 1 : 3); k++) {
            struct avj_fetcher *fetcher = open_fetcher(NULL, dir, caches[k]);
            assert_gets_all(fetcher, last);
            assert_true(stats_of(fetcher).open_files <= 32);
            avj_fetcher_close(fetcher);
        }
        avj_journal_close(journal);
        free(dir);
    }
}

/* ---- what it keeps ---- */

static void a_small_cache_keeps_one_frame_and_no_more(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_fetcher *fetcher;
    size_t largest = 0;

    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    append_frames(journal, 0, 100, 4);
    fetcher = open_fetcher(NULL, c->dir, 1);
    for (uint64_t seq = 1; seq <= 400; seq++) {
        assert_gets(fetcher, seq);
        if (stats_of(fetcher).cached_bytes > largest)
            largest = stats_of(fetcher).cached_bytes;
    }
    assert_true(largest < 4 * NUMBERED_MAX + 300);
    assert_int_equal(stats_of(fetcher).frames, 100);
    assert_int_equal(stats_of(fetcher).hits, 300);
    avj_fetcher_close(fetcher);
    avj_journal_close(journal);
}

static void what_was_read_is_not_read_again(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct fault_plan none = {0};
    struct avj_journal *journal;
    struct avj_fetcher *fetcher;

    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    append_frames(journal, 0, 500, 1);
    fetcher = open_fetcher(fault_io_table(fault), c->dir, 0);
    for (uint64_t seq = 1; seq <= 500; seq++)
        assert_gets(fetcher, seq);
    fault_io_plan(fault, &none);
    for (uint64_t seq = 500; seq >= 1; seq--)
        assert_gets(fetcher, seq);
    assert_int_equal(fault_io_count(fault, FAULT_ANY), 0);
    assert_int_equal(stats_of(fetcher).frames, 500);
    avj_fetcher_close(fetcher);
    assert_int_equal(fault_io_open_files(fault), 0);
    fault_io_free(fault);
    avj_journal_close(journal);
}

static void a_large_frame_is_unpacked_once_for_a_run_of_its_records(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_fetcher *fetcher;
    uint64_t last;

    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    last = sealed_large(&journal, c->dir);
    fetcher = open_fetcher(NULL, c->dir, 0);
    for (uint64_t seq = 1; seq <= last - 30; seq++)
        assert_gets(fetcher, seq);
    assert_true(stats_of(fetcher).frames <= 1 + (last - 30) * NUMBERED_MAX / 2 / (56 * 1024));
    avj_fetcher_close(fetcher);
    avj_journal_close(journal);
}

/* What a frame of parts holds in memory is all of it; what it costs is what is asked for. */
static void a_part_is_unpacked_for_its_records_and_a_frame_read_once(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct fault_plan none = {0};
    struct avj_journal *journal;
    struct avj_fetcher *fetcher;
    uint64_t last;

    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    last = frames_of_small_parts(&journal, c->dir);
    fetcher = open_fetcher(fault_io_table(fault), c->dir, 0);
    assert_gets(fetcher, last);
    fault_io_plan(fault, &none);
    for (uint64_t seq = last; seq > last - 3000; seq -= 100)
        assert_gets(fetcher, seq);
    assert_int_equal(fault_io_count(fault, FAULT_ANY), 0);
    assert_int_equal(stats_of(fetcher).frames, 1);
    /* Another frame in between: what is missing is read again, and then all. */
    assert_gets(fetcher, last - 4000);
    assert_gets(fetcher, last - 1);
    assert_gets(fetcher, last - 2950);
    assert_gets(fetcher, last - 3950);
    assert_gets(fetcher, last - 5000);
    assert_gets(fetcher, last - 2000);
    assert_gets(fetcher, last - 5900);
    assert_true(stats_of(fetcher).frames <= 4);
    avj_fetcher_close(fetcher);
    fault_io_free(fault);
    avj_journal_close(journal);
}

/* ---- while others write ---- */

static void records_are_had_as_soon_as_they_are_appended(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_fetcher *fetcher = open_fetcher(NULL, c->dir, 0);
    struct avj_record record;
    struct avj_error err = {0};

    assert_status(AVJ_ENOTJOURNAL, avj_fetcher_get(fetcher, 1, &record, &err), err);
    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    for (uint64_t seq = 1; seq <= 600; seq++) {
        assert_not_there(fetcher, seq);
        append_numbered(journal, seq, 1, seq % 50 ? AVJ_RELAXED : AVJ_DURABLE);
        assert_gets(fetcher, seq);
        if (seq % 97 == 0)
            rotate(journal);
        if (seq % 194 == 0)
            seal(journal);
        assert_gets(fetcher, 1 + seq / 2);
    }
    assert_gets_all(fetcher, 600);
    avj_fetcher_close(fetcher);
    avj_journal_close(journal);
}

static void sealing_under_its_feet_changes_nothing(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_fetcher *warm, *half, *tiny;
    uint64_t last;

    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    last = append_frames(journal, 0, 400, 1);
    warm = open_fetcher(NULL, c->dir, 0);
    half = open_fetcher(NULL, c->dir, 0);
    tiny = open_fetcher(NULL, c->dir, 1);
    for (uint64_t seq = 1; seq <= last; seq++) {
        assert_gets(warm, seq);
        if (seq % 40 == 0)
            assert_gets(half, seq);
        assert_gets(tiny, seq);
    }
    rotate(journal);
    seal(journal);
    last = append_frames(journal, last, 10, 1);
    assert_gets_all(warm, last);
    assert_gets_all(half, last);
    assert_gets_all(tiny, last);
    avj_fetcher_close(warm);
    avj_fetcher_close(half);
    avj_fetcher_close(tiny);
    avj_journal_close(journal);
}

/* Time goes by as the test says. */
static int64_t told_ms;
static int64_t told_monotonic_ms(void *ctx)
{
    (void)ctx;
    return told_ms;
}

static void a_file_that_was_replaced_is_let_go_after_a_second(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    struct avj_io io = *fault_io_table(fault);
    const struct fault_plan none = {0};
    struct avj_journal *journal;
    struct avj_fetcher *fetcher;

    io.monotonic_ms = told_monotonic_ms;
    told_ms = 5000;
    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    append_frames(journal, 0, 100, 1);
    rotate(journal);
    fetcher = open_fetcher(&io, c->dir, 1);
    assert_gets(fetcher, 1);
    seal(journal);
    told_ms += 999;
    fault_io_plan(fault, &none);
    assert_gets(fetcher, 3);
    assert_int_equal(fault_io_count(fault, FAULT_IN(FAULT_OPEN)), 0);
    told_ms += 1;
    assert_gets(fetcher, 5);
    assert_true(fault_io_count(fault, FAULT_IN(FAULT_OPEN)) > 0);
    assert_true(stats_of(fetcher).cached_bytes > 20000); /* a sealed frame */
    assert_gets_all(fetcher, 100);
    avj_fetcher_close(fetcher);
    fault_io_free(fault);
    avj_journal_close(journal);
}

/* A sync fails; the records behind the last good one are lost with it, and others get their
 * numbers.
 */
static void what_was_carried_over_is_read_where_it_is_now(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct avj_journal_options faulty = {.io = fault_io_table(fault), .no_background = true};
    const struct fault_plan once = {FAULT_IN(FAULT_SYNC), 1, 1, FAULT_ERROR, EIO}, none = {0};
    struct avj_journal *journal;
    struct avj_fetcher *fetcher;
    struct avj_record record;
    struct avj_error err = {0};

    create_journal(c->dir, &faulty);
    journal = open_journal(c->dir, &faulty);
    append_numbered(journal, 1, 5, AVJ_DURABLE);
    append_numbered(journal, 6, 5, AVJ_RELAXED);
    append_numbered(journal, 11, 5, AVJ_RELAXED);
    fetcher = open_fetcher(NULL, c->dir, 0);
    assert_gets(fetcher, 7);
    assert_gets(fetcher, 12);
    fault_io_plan(fault, &once);
    assert_status(AVJ_ESYNC, numbered_append(journal, 16, 1, AVJ_DURABLE, NULL, &err), err);
    fault_io_plan(fault, &none);
    assert_gets(fetcher, 16);
    assert_ok(avj_fetcher_get(fetcher, 7, &record, &err), err);
    assert_int_equal(record.segment, 2);
    assert_gets_all(fetcher, 16);
    avj_fetcher_close(fetcher);
    avj_journal_close(journal);
    fault_io_free(fault);
}

/* ---- damage ---- */

static void errors_name_the_segment_and_the_offset(void **state)
{
    struct journal_case *c = *state;
    static const struct {
        const char *sentence;
        uint64_t at; /* of the damage, in segment 1 */
        const char *named;
    } rows[] = {
        {"a payload", 4096 + 64 + 3, "segment 1 at offset 4096: payload checksum wrong"},
        {"a frame's header", 4096 + 20, "segment 1 at offset 4096: no valid frame header"},
        {"a segment's header", 100, "bad checksum"},
    };

    create_journal(c->dir, &quiet);
    struct avj_journal *journal = open_journal(c->dir, &quiet);
    append_numbered(journal, 1, 5, AVJ_DURABLE);
    append_numbered(journal, 6, 5, AVJ_DURABLE);
    avj_journal_close(journal);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avj_fetcher *fetcher = open_fetcher(NULL, c->dir, 0);
        char *name = test_path(c->dir, "segments/%016x.seg", 1u);
        struct avj_record record;
        struct avj_error err = {0};

        test_flip(name, rows[i].at, 1);
        assert_status(AVJ_ECORRUPT, avj_fetcher_get(fetcher, 2, &record, &err), err);
        assert_contains(err.message, rows[i].named);
        test_flip(name, rows[i].at, 1);
        assert_gets(fetcher, 2); /* and nothing is remembered of it */
        avj_fetcher_close(fetcher);
        free(name);
    }
}

/* Every record of the journal in `mem` is the known one or an error; how many are errors. */
static uint64_t count_errors(struct mem_io *mem, const struct known *known, uint64_t last,
                             const char *path, uint64_t at)
{
    struct avj_fetcher *fetcher = open_fetcher(mem_io_table(mem), SMALL_DIR, 0);
    struct avj_record record;
    struct avj_error err = {0};
    uint64_t errors = 0;

    for (uint64_t i = 0; i < last; i++) {
        uint64_t seq = 1 + i * 7919 % last; /* a prime: each comes once */
        if (avj_fetcher_get(fetcher, seq, &record, &err) != AVJ_OK)
            errors++;
        else if (record.seq != seq || !known_is(known, seq, record.data, record.len))
            fail_msg("%s damaged at %llu: record %llu is a wrong one", path, (unsigned long long)at,
                     (unsigned long long)seq);
    }
    avj_fetcher_close(fetcher);
    assert_int_equal(mem_io_counts(mem)->open_files, 0);
    return errors;
}

static bool in_a_frame(const struct small_journal *small, const char *path, size_t at)
{
    for (size_t i = 0; i < small->frame_count; i++) {
        const struct small_frame *frame = &small->frames[i];
        if (strcmp(frame->path, path) == 0 && at >= frame->offset &&
            at < frame->offset + frame->len)
            return true;
    }
    return false;
}

static void every_damaged_byte_of_a_frame_is_found_and_none_makes_a_wrong_record(void **state)
{
    struct small_journal small;
    struct mem_io *mem;
    const char *path;
    uint64_t cases = 0, found = 0;

    (void)state;
    small_journal_build(&small, SMALL_CLOSED, 11, 0);
    mem = mem_io_copy(small.mem);
    assert_int_equal(count_errors(mem, &small.known, small.known.durable, "nothing", 0), 0);
    for (size_t i = 0; (path = mem_io_name(mem, i)); i++) {
        size_t len;
        uint8_t *data = mem_io_data(mem, path, &len);
        if (!strstr(path, ".seg"))
            continue;
        for (size_t at = 0; at < len; at += TEST_SANITIZED ? 13 : 1) {
            uint8_t before = data[at];
            data[at] ^= (uint8_t)(1u << at % 8);
            bool bad = count_errors(mem, &small.known, small.known.durable, path, at) > 0;
            if (!bad && in_a_frame(&small, path, at))
                fail_msg("%s damaged at %zu: nothing was found", path, at);
            found += bad;
            cases++;
            data[at] = before;
        }
    }
    print_message("%llu bytes damaged, %llu of them were found\n", (unsigned long long)cases,
                  (unsigned long long)found);
    assert_true(found < cases); /* zeros that were written ahead */
    mem_io_free(mem);
    small_journal_release(&small);
}

static void no_file_cut_lost_or_older_makes_a_wrong_record(void **state)
{
    struct small_journal small;
    struct mem_io *mem;
    uint64_t last;

    (void)state;
    small_journal_build(&small, SMALL_KILLED, 12, 0);
    last = small.known.durable;
    mem = mem_io_copy(small.mem);
    for (unsigned number = 1; number <= small.segments; number++) {
        char path[64];
        size_t len;
        snprintf(path, sizeof path, "%s", small_segment(number));
        (void)mem_io_data(mem, path, &len);
        for (size_t at = 0; at < len; at += TEST_SANITIZED ? 83 : 17) {
            mem_io_resize(mem, path, at);
            count_errors(mem, &small.known, last, path, at);
            mem_io_restore(mem, small.mem);
        }
        mem_io_remove(mem, path);
        assert_true(count_errors(mem, &small.known, last, path, 0) > 0);
        mem_io_restore(mem, small.mem);
        for (size_t i = 0; i < small.older_count; i++) {
            const uint8_t *data = mem_io_data(small.older[i], path, &len);
            if (data)
                mem_io_put(mem, path, data, len);
            count_errors(mem, &small.known, last, path, i);
            mem_io_restore(mem, small.mem);
        }
        for (unsigned other = 1; other <= small.segments; other++) {
            char copy[64];
            snprintf(copy, sizeof copy, "%s", small_segment(other));
            const uint8_t *data = mem_io_data(small.mem, copy, &len);
            mem_io_put(mem, path, data, len);
            count_errors(mem, &small.known, last, path, other);
            mem_io_restore(mem, small.mem);
        }
    }
    mem_io_free(mem);
    small_journal_release(&small);
}

/* ---- failures ---- */

static void after_failing_calls_it_goes_on_as_if_nothing_had_been(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    uint64_t last, nth, failed = 1;
    static const int errors[] = {EIO, EMFILE, EACCES};

    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    last = half_sealed(&journal, c->dir);
    avj_journal_close(journal);
    for (nth = 1; failed > 0; nth++) {
        struct fault_io *fault = fault_io_new(avj_io_posix());
        struct avj_fetcher *fetcher = open_fetcher(fault_io_table(fault), c->dir, 2000);
        const struct fault_plan plan = {FAULT_ANY, nth, 1, FAULT_ERROR, errors[nth % 3]};
        uint64_t refused = 0;

        fault_io_plan(fault, &plan);
        for (uint64_t i = 0; i < 60; i++) {
            uint64_t seq = 1 + i * 7919 % last;
            struct avj_record record;
            struct avj_error err = {0};
            enum avj_status status = avj_fetcher_get(fetcher, seq, &record, &err);
            if (status == AVJ_OK)
                assert_true(numbered_is(seq, record.data, record.len));
            else if (status != AVJ_EIO && status != AVJ_EACCES)
                fail_msg("call %llu failed: %s", (unsigned long long)nth, err.message);
            else if (++refused)
                assert_gets(fetcher, seq);
        }
        failed = fault_io_failed(fault);
        assert_true(refused <= failed);
        avj_fetcher_close(fetcher);
        assert_int_equal(fault_io_open_files(fault), 0);
        fault_io_free(fault);
    }
    assert_true(nth > 50);
}

/* True when an allocation failed. */
static bool get_with_little_memory(const char *dir, uint64_t last, uint64_t nth, bool for_ever)
{
    struct avj_fetcher *fetcher = NULL;
    struct avj_error err = {0};
    struct alloc_wrap_seen seen;

    alloc_wrap_plan(nth, for_ever);
    enum avj_status status = avj_fetcher_open(NULL, dir, 3000, &fetcher, &err);
    for (uint64_t i = 0; i < 30 && status == AVJ_OK; i++) {
        uint64_t seq = 1 + i * 7919 % last;
        struct avj_record record;
        status = avj_fetcher_get(fetcher, seq, &record, &err);
        if (status == AVJ_OK)
            assert_true(numbered_is(seq, record.data, record.len));
    }
    seen = alloc_wrap_seen();
    alloc_wrap_plan(0, false);
    if (status != AVJ_OK && status != AVJ_ENOMEM)
        fail_msg("allocation %llu: %s", (unsigned long long)nth, err.message);
    assert_true(status == AVJ_OK || seen.failed > 0);
    if (fetcher)
        for (uint64_t seq = 1; seq <= last; seq += 13)
            assert_gets(fetcher, seq);
    avj_fetcher_close(fetcher);
    if (seen.kept + alloc_wrap_seen().kept != 0)
        fail_msg("allocation %llu: %td bytes were kept", (unsigned long long)nth,
                 seen.kept + alloc_wrap_seen().kept);
    return seen.failed > 0;
}

static void every_allocation_fails_in_turn(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    uint64_t last, nth = 1;

    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    last = half_sealed(&journal, c->dir);
    avj_journal_close(journal);
    while (get_with_little_memory(c->dir, last, nth, false))
        nth++;
    assert_true(nth > 30);
    for (nth = 1; get_with_little_memory(c->dir, last, nth, true);)
        nth++;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(every_record_of_every_shape_is_had_in_any_order),
        JOURNAL_CASE(a_small_cache_keeps_one_frame_and_no_more),
        JOURNAL_CASE(what_was_read_is_not_read_again),
        JOURNAL_CASE(a_large_frame_is_unpacked_once_for_a_run_of_its_records),
        JOURNAL_CASE(a_part_is_unpacked_for_its_records_and_a_frame_read_once),
        JOURNAL_CASE(records_are_had_as_soon_as_they_are_appended),
        JOURNAL_CASE(sealing_under_its_feet_changes_nothing),
        JOURNAL_CASE(a_file_that_was_replaced_is_let_go_after_a_second),
        JOURNAL_CASE(what_was_carried_over_is_read_where_it_is_now),
        JOURNAL_CASE(errors_name_the_segment_and_the_offset),
        cmocka_unit_test(every_damaged_byte_of_a_frame_is_found_and_none_makes_a_wrong_record),
        cmocka_unit_test(no_file_cut_lost_or_older_makes_a_wrong_record),
        JOURNAL_CASE(after_failing_calls_it_goes_on_as_if_nothing_had_been),
        JOURNAL_CASE(every_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
