/* Threads that share one handle: nothing is lost or doubled, order is kept, and durable appends
 * share their syncs. */
#include "tests/support/fault_io.h"
#include "tests/support/journal_case.h"
#include "tests/support/messages.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#define THREADS 8
#define EACH    120

struct writer {
    pthread_t thread;
    struct avj_journal *journal;
    pthread_barrier_t *start;
    uint32_t number;
    uint64_t last_seq;
    enum avj_status status; /* of the first append that failed */
    uint32_t done;
    bool out_of_order;
};

/* Assertions are for the main thread: cmocka's leave by longjmp. */
static void *write_records(void *arg)
{
    struct writer *w = arg;

    pthread_barrier_wait(w->start);
    for (uint32_t i = 0; i < EACH && w->status == AVJ_OK; i++) {
        uint32_t pair[20] = {w->number, i};
        struct avj_slice slice = {pair, sizeof pair};
        uint64_t seq = 0;
        w->status = avj_journal_append(w->journal, &slice, 1,
                                       i % 8 == 7 ? AVJ_RELAXED : AVJ_DURABLE, &seq, NULL);
        if (w->status != AVJ_OK)
            break;
        w->out_of_order |= seq <= w->last_seq;
        w->last_seq = seq;
        w->done++;
    }
    return NULL;
}

static void run_writers(struct writer *writers, struct avj_journal *const *journals,
                        size_t journal_count)
{
    pthread_barrier_t start;

    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        writers[i] =
            (struct writer){.journal = journals[i % journal_count], .start = &start, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_records, &writers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    pthread_barrier_destroy(&start);
}

/* Reads all records: each thread's, in its order.  Returns how many there are. */
static uint64_t read_all(struct avj_journal *journal, uint32_t found[THREADS])
{
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    uint64_t seq = 0;
    enum avj_status status;

    memset(found, 0, THREADS * sizeof *found);
    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        uint32_t pair[2];
        assert_int_equal(record.seq, ++seq);
        assert_int_equal(record.len, 80);
        memcpy(pair, record.data, sizeof pair);
        assert_true(pair[0] < THREADS);
        assert_int_equal(pair[1], found[pair[0]]++);
    }
    assert_status(AVJ_END, status, err);
    avj_cursor_close(cursor);
    return seq;
}

static void threads_of_one_handle_lose_nothing_and_share_syncs(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct avj_journal_options options = {.io = fault_io_table(fault),
                                                .segment_target = 64 * 1024};
    const struct fault_plan no_faults = {0};
    struct writer writers[THREADS];
    struct avj_journal *journal;
    uint32_t found[THREADS];

    create_journal(c->dir, &options);
    journal = open_journal(c->dir, &options);
    fault_io_plan(fault, &no_faults);
    run_writers(writers, &journal, 1);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(writers[i].status, AVJ_OK);
        assert_false(writers[i].out_of_order);
    }
    print_message("%llu syncs for %d durable appends\n",
                  (unsigned long long)fault_io_count(fault, FAULT_IN(FAULT_SYNC)),
                  THREADS * EACH * 7 / 8);
    assert_true(fault_io_count(fault, FAULT_IN(FAULT_SYNC)) < THREADS * EACH * 7 / 8);
    assert_int_equal(read_all(journal, found), THREADS * EACH);
    avj_journal_close(journal);
    fault_io_free(fault);

    journal = open_journal(c->dir, NULL);
    assert_int_equal(read_all(journal, found), THREADS * EACH);
    avj_journal_close(journal);
}

static void threads_of_two_handles_rotate_and_lose_nothing(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options options = {.segment_target = 64 * 1024,
                                                .lock_timeout_ms = 60000};
    struct avj_journal *journals[2];
    struct writer writers[THREADS];
    uint32_t found[THREADS];

    create_journal(c->dir, &options);
    journals[0] = open_journal(c->dir, &options);
    journals[1] = open_journal(c->dir, &options);
    run_writers(writers, journals, 2);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(writers[i].status, AVJ_OK);
        assert_false(writers[i].out_of_order);
    }
    assert_int_equal(read_all(journals[0], found), THREADS * EACH);
    assert_int_equal(read_all(journals[1], found), THREADS * EACH);
    assert_true(count_segments(c->dir) > 1);
    avj_journal_close(journals[0]);
    avj_journal_close(journals[1]);
}

static size_t failed_segment_syncs(const struct fault_io *fault)
{
    size_t count, failed = 0;
    const struct fault_record *r = fault_io_records(fault, &count);

    for (size_t i = 0; i < count; i++)
        failed += r[i].call == FAULT_SYNC && r[i].result < 0 && strstr(r[i].path, ".seg") != NULL;
    return failed;
}

static void
a_failed_sync_fails_every_thread_that_waits_and_none_is_acknowledged_behind_it(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct avj_journal_options options = {.io = fault_io_table(fault)};
    const struct fault_plan fifth = {FAULT_IN(FAULT_SYNC), 5, 0, FAULT_ERROR, EIO};
    struct writer writers[THREADS];
    struct avj_journal *journal;
    uint32_t found[THREADS];
    struct avj_error err = {0};

    create_journal(c->dir, &options);
    journal = open_journal(c->dir, &options);
    fault_io_plan(fault, &fifth);
    run_writers(writers, &journal, 1);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(writers[i].status, AVJ_ESYNC);
    /* The segment's sync failed once and was not asked for again; the others are those of segments
     * where the log would have gone on. */
    assert_int_equal(failed_segment_syncs(fault), 1);
    assert_status(AVJ_ESYNC, avj_journal_sync(journal, &err), err);
    avj_journal_close(journal);
    fault_io_free(fault);

    journal = open_journal(c->dir, NULL);
    (void)read_all(journal, found);
    for (size_t i = 0; i < THREADS; i++)
        assert_true(found[i] >= writers[i].done);
    avj_journal_close(journal);
}

struct reader {
    pthread_t thread;
    struct avj_journal *journal;
    uint64_t seen;
    bool wrong;
    struct avj_error err; /* of the call that failed */
};

/* Reads until it has seen everything that the writers will have written. */
static void *follow(void *arg)
{
    struct reader *r = arg;
    struct avj_cursor *cursor = NULL;
    struct avj_record record;
    uint32_t next[THREADS] = {0};
    enum avj_status status = avj_cursor_open(r->journal, 0, &cursor, &r->err);

    while (status >= 0 && r->seen < THREADS * EACH) {
        uint32_t pair[2];
        status = avj_cursor_next(cursor, &record, &r->err);
        if (status != AVJ_OK)
            continue;
        memcpy(pair, record.data, sizeof pair);
        r->wrong |= record.seq != ++r->seen || pair[0] >= THREADS || pair[1] != next[pair[0]]++;
        if (r->wrong)
            break;
    }
    r->wrong |= status < 0;
    avj_cursor_close(cursor);
    return NULL;
}

static void a_reading_thread_sees_all_in_order_while_others_write(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options options = {.segment_target = 64 * 1024};
    struct reader reader = {0};
    struct writer writers[THREADS];
    struct avj_journal *journal;

    create_journal(c->dir, &options);
    journal = open_journal(c->dir, &options);
    reader.journal = journal;
    assert_int_equal(pthread_create(&reader.thread, NULL, follow, &reader), 0);
    run_writers(writers, &journal, 1);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(writers[i].status, AVJ_OK);
    assert_int_equal(pthread_join(reader.thread, NULL), 0);
    if (reader.wrong)
        fail_msg("behind record %llu: %s", (unsigned long long)reader.seen,
                 reader.err.status ? reader.err.message : "a wrong record");
    assert_int_equal(reader.seen, THREADS * EACH);
    avj_journal_close(journal);
}

/* Waits until some process changes a file of the log. */
static void wait_for_a_change(struct avj_journal *journal)
{
    struct pollfd wake = {.fd = avj_journal_wake_fd(journal), .events = POLLIN};

    assert_int_equal(poll(&wake, 1, 60000), 1);
    avj_journal_woken(journal);
}

static void append_message(struct avj_journal *journal, struct message_maker *maker)
{
    struct avj_error err = {0};
    struct message m;

    message_next(maker, &m);
    char *line = message_line(&m);
    struct avj_slice slice = {line, strlen(line)};
    assert_ok(avj_journal_append(journal, &slice, 1, AVJ_RELAXED, NULL, &err), err);
    free(line);
}

/* A dictionary is trained as soon as there is enough; the next append begins a segment with it, and
 * the one before is sealed: all by the handle's own thread, while appends go on. */
static void a_handle_that_lives_trains_and_seals_by_itself(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct message_maker maker;

    message_maker_init(&maker, 3);
    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    assert_true(avj_journal_wake_fd(journal) >= 0);
    while (count_segments(c->dir) < 2)
        append_message(journal, &maker);
    avj_journal_woken(journal);
    while (journal_info(journal).sealed == 0)
        wait_for_a_change(journal);
    append_message(journal, &maker);
    assert_true(journal_info(journal).segments >= 2);
    avj_journal_close(journal);
    message_maker_release(&maker);
}

static void closing_ends_what_goes_on_in_the_background(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_error err = {0};
    struct message_maker maker;

    message_maker_init(&maker, 3);
    create_journal(c->dir, NULL);
    for (int round = 0; round < 20; round++) {
        journal = open_journal(c->dir, NULL);
        for (int i = 0; i < 40; i++)
            append_message(journal, &maker);
        assert_ok(avj_journal_rotate(journal, &err), err);
        avj_journal_close(journal);
    }
    journal = open_journal(c->dir, NULL);
    assert_int_equal(journal_info(journal).next_seq, 801);
    avj_journal_close(journal);
    message_maker_release(&maker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(threads_of_one_handle_lose_nothing_and_share_syncs),
        JOURNAL_CASE(threads_of_two_handles_rotate_and_lose_nothing),
        JOURNAL_CASE(
            a_failed_sync_fails_every_thread_that_waits_and_none_is_acknowledged_behind_it),
        JOURNAL_CASE(a_reading_thread_sees_all_in_order_while_others_write),
        JOURNAL_CASE(a_handle_that_lives_trains_and_seals_by_itself),
        JOURNAL_CASE(closing_ends_what_goes_on_in_the_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
