/* The checker against a journal that others append to meanwhile: what is in the making is not
 * damage. */
#include "tests/integration/fsck_case.h"

#include "tests/support/rng.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- in use ---- */

/* One process of several that append, bounded so that a check of it all stays quick; ends by being
 * killed, or with 3 on an error. */
static void write_on(const char *dir, unsigned kind)
{
    struct avj_journal_options options = {.segment_target = 64 * 1024};
    struct avj_journal *journal;
    struct avj_pack pack = {0};
    struct test_rng rng;

    if (avj_journal_open(dir, &options, &journal, NULL) != AVJ_OK)
        _exit(3);
    test_rng_init(&rng, kind);
    for (uint64_t n = 2; n < 600; n++) {
        struct avj_slice records[8];
        add_local(&pack, n * 16 + kind);
        size_t count = 1 + test_rng_below(&rng, 8);
        for (size_t i = 0; i < count; i++)
            records[i] = (struct avj_slice){pack.data, pack.len};
        enum avj_durability durability = n % 8 ? AVJ_RELAXED : AVJ_DURABLE;
        enum avj_status status =
            avj_journal_append(journal, records, count, durability, NULL, NULL);
        if (status != AVJ_OK && status != AVJ_ELOCKED)
            _exit(3);
    }
    alarm(60); /* nobody is left behind by a test that was killed */
    for (;;)
        pause();
}

static void end_writer(pid_t child)
{
    int status;

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it had no error of its own */
}

#define WRITERS 3

/* Checks while it grows; returns whether every check was calm. */
static bool check_while_written(const char *dir, unsigned checks, uint64_t *records)
{
    bool calm = true;
    pid_t writers[WRITERS];

    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = fork();
        assert_true(writers[i] >= 0);
        if (writers[i] == 0)
            write_on(dir, i);
    }
    for (unsigned run = 0; run < checks && calm; run++) {
        struct seen seen;
        check(dir, &seen);
        calm = seen.code == FSCK_CLEAN && seen.findings == 0 && seen.summary.records >= *records;
        if (!calm)
            print_seen(&seen);
        *records = seen.summary.records;
    }
    for (unsigned i = 0; i < WRITERS; i++)
        end_writer(writers[i]);
    return calm;
}

static void a_journal_in_use_never_looks_damaged(void **state)
{
    (void)state;
    uint64_t grown = 0;

    for (unsigned round = 0; round < 20; round++) {
        struct fixture *f;
        uint64_t records = 0;
        setup((void **)&f);
        bool calm = check_while_written(f->dir, 20, &records);
        grown += records - f->records;
        teardown((void **)&f);
        assert_true(calm);
    }
    assert_true(grown > 0); /* else nothing was raced */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_in_use_never_looks_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
