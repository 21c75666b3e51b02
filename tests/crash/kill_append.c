/*
 * kill -9 at random moments of processes that create a journal and append to it through the API.
 * Every record that a process said was durable is there afterwards, in order, once; so is every
 * other record before it; and the journal goes on.
 */
#include "tests/support/journal_case.h"
#include "tests/support/process.h"

#include <sys/wait.h>
#include <unistd.h>

#define KILLS             300
#define CREATE_KILLS      100
#define KILLS_PER_JOURNAL 50

static const struct avj_journal_options small = {.segment_target = 64 * 1024};

/* One incarnation of a writer: its records are numbered `life` << 32 | index. */
struct life {
    const char *dir;
    uint64_t life;
};

static int append_until_killed(void *arg, int out)
{
    const struct life *me = arg;
    struct avj_journal *journal;
    struct avj_error err;
    struct test_rng rng;
    uint64_t index = 0;

    if (avj_journal_open(me->dir, &small, &journal, &err) != AVJ_OK) {
        fprintf(stderr, "writer: %s\n", err.message);
        return 1;
    }
    test_rng_init(&rng, me->life);
    for (;;) {
        size_t count = 1 + (size_t)test_rng_below(&rng, 40);
        enum avj_durability durability = test_rng_below(&rng, 3) ? AVJ_DURABLE : AVJ_RELAXED;
        if (numbered_append(journal, me->life << 32 | index, count, durability, NULL, &err) !=
            AVJ_OK) {
            fprintf(stderr, "writer: %s\n", err.message);
            return 1;
        }
        index += count;
        if (durability == AVJ_DURABLE && write(out, &index, sizeof index) != (ssize_t)sizeof index)
            return 1;
    }
}

/* Waits for a killed writer; returns how many of its records it said were durable. */
static uint64_t bury(struct process *process)
{
    size_t len;
    int status;
    char *said = process_finish(process, &status, &len);
    uint64_t durable = 0;

    if (!WIFSIGNALED(status))
        fail_msg("a writer ended by itself, with status %d", status);
    assert_int_equal(len % sizeof durable, 0);
    if (len > 0)
        memcpy(&durable, said + len - sizeof durable, sizeof durable);
    free(said);
    return durable;
}

/* Reads the whole journal; found[life] gets the number of records of each. */
static void count_lives(struct avj_journal *journal, uint64_t *found, uint64_t lives)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    enum avj_status status;
    uint64_t seq = 0;

    memset(found, 0, lives * sizeof *found);
    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        uint64_t number = 0, life;
        assert_int_equal(record.seq, ++seq);
        memcpy(&number, record.data, record.len < 8 ? 0 : 8);
        life = number >> 32;
        if (life >= lives || (number & UINT32_MAX) != found[life])
            fail_msg("record %llu: life %llu, index %llu", (unsigned long long)seq,
                     (unsigned long long)life, (unsigned long long)(number & UINT32_MAX));
        if (!numbered_is(number, record.data, record.len))
            fail_msg("record %llu is wrong", (unsigned long long)seq);
        found[life]++;
    }
    assert_status(AVJ_END, status, err);
    avj_cursor_close(cursor);
}

static void check(const char *dir, const uint64_t *durable, uint64_t lives)
{
    struct avj_journal *journal = open_journal(dir, NULL);
    uint64_t *found = calloc((size_t)lives, sizeof *found);

    assert_non_null(found);
    count_lives(journal, found, lives);
    for (uint64_t life = 0; life < lives; life++)
        if (found[life] < durable[life])
            fail_msg("life %llu: %llu records were acknowledged, %llu are there",
                     (unsigned long long)life, (unsigned long long)durable[life],
                     (unsigned long long)found[life]);
    avj_journal_close(journal);
    free(found);
}

/* One or two writers at a time; they are killed one after the other. */
static void killed_writers_lose_nothing_that_they_acknowledged(void **state)
{
    struct journal_case *c = *state;
    uint64_t durable[KILLS_PER_JOURNAL + 2], acknowledged = 0;
    struct test_rng rng;

    test_rng_init(&rng, test_rng_seed(__func__));
    for (int batch = 0; batch < KILLS / KILLS_PER_JOURNAL; batch++) {
        char *dir = test_path(c->folder, "killed-%d", batch);
        uint64_t lives = 0;

        create_journal(dir, &small);
        while (lives < KILLS_PER_JOURNAL) {
            struct life one = {dir, lives}, two = {dir, lives + 1};
            struct process first = process_fork(append_until_killed, &one);
            if (batch % 2 == 0) {
                process_kill_within(&first, &rng, 12000);
                durable[lives++] = bury(&first);
            } else {
                struct process second = process_fork(append_until_killed, &two);
                process_kill_within(&first, &rng, 12000);
                process_kill_within(&second, &rng, 6000);
                durable[lives++] = bury(&first);
                durable[lives++] = bury(&second);
            }
            check(dir, durable, lives);
            acknowledged += durable[lives - 1];
        }
        print_message("journal %d: %zu segments\n", batch, count_segments(dir));
        test_dir_free(dir);
    }
    print_message("%llu acknowledged records\n", (unsigned long long)acknowledged);
    assert_true(acknowledged > 0);
}

static int create_and_stay(void *arg, int out)
{
    struct avj_error err;

    if (avj_journal_create(arg, NULL, &err) != AVJ_OK)
        return 1;
    if (write(out, "c", 1) != 1)
        return 1;
    pause();
    return 0;
}

/* Killed while it is made: then there is a journal or there is none, and in the second case one can
 * be made. */
static void a_killed_create_leaves_a_journal_or_none(void **state)
{
    struct journal_case *c = *state;
    struct test_rng rng;
    int made = 0;

    test_rng_init(&rng, test_rng_seed(__func__));
    for (int i = 0; i < CREATE_KILLS; i++) {
        char *dir = test_path(c->folder, "made-%d", i), *said;
        struct process process = process_fork(create_and_stay, dir);
        struct avj_journal *journal = NULL;
        struct avj_error err = {0};
        enum avj_status status;
        size_t len;
        int how;

        process_kill_within(&process, &rng, 3000);
        said = process_finish(&process, &how, &len);
        status = avj_journal_open(dir, NULL, &journal, &err);
        if (len > 0 || status == AVJ_OK) {
            assert_ok(status, err);
            made++;
        } else {
            assert_int_equal(status, AVJ_ENOTJOURNAL);
            create_journal(dir, NULL);
            journal = open_journal(dir, NULL);
        }
        append_numbered(journal, 1, 2, AVJ_DURABLE);
        assert_numbered(journal, 2);
        avj_journal_close(journal);
        free(said);
        free(dir);
    }
    print_message("%d of %d were made before the kill\n", made, CREATE_KILLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(killed_writers_lose_nothing_that_they_acknowledged),
        JOURNAL_CASE(a_killed_create_leaves_a_journal_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
