/*
 * Snapshots where threads and processes meet: one is written in the background while the store goes
 * on, several processes write and read them at once, and a long log is folded by two threads.
 */
#include "replay/snapshot.h"
#include "tests/support/cases.h"
#include "tests/support/described.h"
#include "tests/support/files.h"
#include "tests/support/history_store.h"
#include "tests/support/process.h"

#include <sys/wait.h>
#include <unistd.h>

struct rig {
    char *folder, *path;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    if (!rig)
        return -1;
    rig->folder = test_dir_new();
    rig->path = test_path(rig->folder, "j");
    *state = rig;
    return avj_store_create(rig->path, NULL, NULL, NULL) == AVJ_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    free(rig->path);
    test_dir_free(rig->folder);
    free(rig);
    return 0;
}

/* The records of these tests are counted. */
static const struct avj_store_options anonymous = {.anonymous = true};

static struct avj_store *open_store(const char *path, const struct avj_store_options *options)
{
    struct avj_error err = {0};
    struct avj_store *store = NULL;
    if (avj_store_open(path, options, &store, &err) == AVJ_OK)
        return store;
    fprintf(stderr, "open: %s\n", err.message);
    abort();
}

static void append(struct avj_store *store, unsigned from, unsigned count)
{
    struct avj_error err = {0};
    struct avj_pack entry = {0};
    for (unsigned i = from; i < from + count; i++) {
        history_message(i, i % 5 < 2, &entry);
        struct avj_slice slice = {entry.data, entry.len};
        if (avj_store_append(store, &slice, 1, AVJ_RELAXED, NULL, &err) == AVJ_OK)
            continue;
        fprintf(stderr, "append: %s\n", err.message);
        abort();
    }
    avj_pack_release(&entry);
}

/* With snapshots and two threads as without either. */
static void assert_same_as_replayed(const char *path, uint64_t *snapshot_seq)
{
    struct avj_store_options plain = {
        .no_snapshots = true, .journal = {.no_background = true}, .anonymous = true};
    struct avj_store *a = open_store(path, &anonymous), *b = open_store(path, &plain);
    *snapshot_seq = a->snapshot_seq;
    assert_int_equal(a->folded, a->view->last_seq - a->snapshot_seq);
    assert_true(described_same(a->view, b->view, true, path));
    avj_store_close(a);
    avj_store_close(b);
}

/* ---- the background ---- */

#define MUTATIONS 40000u

static void a_snapshot_is_written_while_the_store_goes_on(void **state)
{
    struct rig *rig = *state;
    uint64_t seq;
    struct avj_store *store = open_store(rig->path, &anonymous);
    append(store, 0, MUTATIONS);
    assert_true(store->snapshotter || store->snapshot_tail);
    avj_store_close(store);
    assert_same_as_replayed(rig->path, &seq);
    assert_true(seq >= AVJ_SNAPSHOT_RECORDS);
}

static void closing_at_once_waits_for_it(void **state)
{
    struct rig *rig = *state;
    uint64_t seq;
    struct avj_store *store = open_store(rig->path, &anonymous);
    append(store, 0, AVJ_SNAPSHOT_RECORDS);
    avj_store_close(store);
    assert_same_as_replayed(rig->path, &seq);
    assert_true(seq >= AVJ_SNAPSHOT_RECORDS);
}

/* So that a process that is killed after a long replay spares the next one the same. */
static void a_long_replay_ends_with_one(void **state)
{
    struct rig *rig = *state;
    struct avj_store_options plain = {.no_snapshots = true, .anonymous = true};
    struct avj_store *store = open_store(rig->path, &plain);
    append(store, 0, AVJ_SNAPSHOT_RECORDS - 2);
    avj_store_close(store);
    char *folder = test_path(rig->path, "snapshots");
    avj_store_close(open_store(rig->path, &anonymous));
    assert_false(test_exists(folder)); /* one record too few */
    store = open_store(rig->path, &plain);
    append(store, AVJ_SNAPSHOT_RECORDS, 1);
    avj_store_close(store);
    struct avj_store_options reading = {.read_only = true};
    store = open_store(rig->path, &reading);
    assert_int_equal(test_count_names(folder, ".snap"), 1);
    avj_store_close(store);
    uint64_t seq;
    assert_same_as_replayed(rig->path, &seq);
    assert_int_equal(seq, AVJ_SNAPSHOT_RECORDS);
    free(folder);
}

/* ---- two threads fold ---- */

static void two_threads_fold_as_one(void **state)
{
    struct rig *rig = *state;
    struct history_store s;
    uint64_t seed = test_rng_seed("histories");
    char *path = test_path(rig->folder, "h");
    history_store_begin(&s, NULL, path, seed);
    history_store_add(&s, 9000, AVJ_RELAXED);
    history_store_close(&s);
    struct avj_store_options options = {.no_snapshots = true, .anonymous = true};
    struct avj_store *store = open_store(path, &options);
    assert_int_equal(store->folded, 9001);
    assert_true(history_store_shows(&s, store, s.records.count, "two threads"));
    avj_store_close(store);
    history_store_end(&s);
    free(path);
}

/* The thread that reads ahead is told to stop. */
static void two_threads_stop_at_a_moment(void **state)
{
    struct rig *rig = *state;
    struct history_store s;
    char *path = test_path(rig->folder, "h");
    history_store_begin(&s, NULL, path, 5);
    history_store_add(&s, 9000, AVJ_RELAXED);
    history_store_close(&s);
    for (uint64_t seq = 4000; seq < 9000; seq += 1777) {
        struct avj_store_options options = {.at_seq = seq};
        struct avj_store *store = open_store(path, &options);
        assert_true(history_store_shows(&s, store, seq, "two threads, stopped"));
        avj_store_close(store);
    }
    history_store_end(&s);
    free(path);
}

/* ---- processes ---- */

struct job {
    const char *path;
    unsigned from;
};

#define ROUNDS 12

static int write_on(void *arg, int out)
{
    const struct job *job = arg;
    struct avj_error err = {0};
    unsigned written = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct avj_store *store = open_store(job->path, &anonymous);
        append(store, job->from + 30 * round, 30);
        enum avj_status status = avj_store_snapshot(store, NULL, &err);
        if (status != AVJ_OK && status != AVJ_ELOCKED) {
            fprintf(stderr, "snapshot: %s\n", err.message);
            return 1;
        }
        written += status == AVJ_OK;
        avj_store_close(store);
    }
    return write(out, &written, sizeof(written)) == (ssize_t)sizeof(written) ? 0 : 1;
}

/* What it sees is what the log gives up to there. */
static int read_on(void *arg, int out)
{
    const struct job *job = arg;
    (void)out;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct avj_store_options options = {.read_only = true};
        struct avj_store *store = open_store(job->path, &options);
        struct avj_store_options plain = {.no_snapshots = true, .at_seq = store->view->last_seq};
        struct avj_store *again = open_store(job->path, &plain);
        bool same = described_same(store->view, again->view, true, "a reader");
        avj_store_close(store);
        avj_store_close(again);
        if (!same)
            return 1;
    }
    return 0;
}

static void processes_write_and_read_at_once(void **state)
{
    struct rig *rig = *state;
    struct job jobs[3] = {{rig->path, 0}, {rig->path, 1000000}, {rig->path, 0}};
    struct process processes[3];
    unsigned total = 0;
    uint64_t seq;
    for (int i = 0; i < 3; i++)
        processes[i] = process_fork(i < 2 ? write_on : read_on, &jobs[i]);
    for (int i = 0; i < 3; i++) {
        int status;
        size_t len;
        char *text = process_finish(&processes[i], &status, &len);
        unsigned written = 0;
        if (i < 2 && len == sizeof(written))
            memcpy(&written, text, sizeof(written));
        free(text);
        total += written;
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    print_message("%u snapshots\n", total);
    assert_true(total > 0);
    assert_same_as_replayed(rig->path, &seq);
    assert_true(seq > 0);
    char *folder = test_path(rig->path, "snapshots");
    assert_int_equal(test_count_names(folder, ".snap"), 2);
    assert_int_equal(test_count_names(folder, ".bad"), 0);
    assert_int_equal(test_count_names(folder, ".tmp"), 0);
    free(folder);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_snapshot_is_written_while_the_store_goes_on),
        CASE(closing_at_once_waits_for_it),
        CASE(a_long_replay_ends_with_one),
        CASE(two_threads_fold_as_one),
        CASE(two_threads_stop_at_a_moment),
        CASE(processes_write_and_read_at_once),
    };
    return cmocka_run_group_tests_name("snapshots, threads, processes", tests, NULL, NULL);
}
