/*
 * The checker against writers that live: processes append, begin segments, seal, compact and take
 * snapshots, while others check, over and over.  A journal in use never looks like a damaged one:
 * every check is clean, and has at least the records that the one before it had.
 *
 * As a test some hundred checks; AVJ_CHECKS=N of them, or --long: 100,000.
 */
#include "tests/integration/fsck_case.h"

#include "replay/history.h"
#include "replay/sync.h"
#include "tests/support/process.h"
#include "tests/support/rng.h"
#include "tests/support/sanitizers.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG             100000u
#define SHORT            (TEST_SANITIZED ? 120u : 600u)
#define CHECKS_A_JOURNAL 60u
#define WRITERS          3u
#define CHECKERS         2u
/* What a writer appends, so that a check of it all stays quick. */
#define STEPS 500u

static unsigned checks_wanted = SHORT;

/* In memory that all processes of a journal share. */
struct stage {
    char dir[512];
    _Atomic bool over;        /* writers end */
    _Atomic unsigned begun;   /* checks */
    _Atomic unsigned failed;  /* of them */
    _Atomic unsigned errors;  /* of writers */
    _Atomic uint64_t records; /* that the newest check saw */
    _Atomic uint64_t seals, snapshots, compactions, rotations;
    uint64_t seed;
};

struct player {
    struct stage *stage;
    unsigned number;
};

/* ---- writers ---- */

/* Other processes are at it, or it is nothing that a chat could not meet every day. */
static bool is_well(enum avj_status status)
{
    return status == AVJ_OK || status == AVJ_ELOCKED || status == AVJ_ENOTFOUND ||
           status == AVJ_EEXIST;
}

static void note(struct stage *stage, enum avj_status status, const struct avj_error *err)
{
    if (is_well(status))
        return;
    fprintf(stderr, "a writer failed: %s\n", err->message);
    stage->errors++;
}

/* The row as the server holds it after an update: all of the document's fields, copied. */
static struct avj_fields whole_row(struct avj_store *store, const struct avj_push_op *op,
                                   void **copy)
{
    struct avj_doc doc;

    if (op->kind != AVJ_PUSH_UPDATE || avj_store_get(store, op->entity, op->id, &doc) != AVJ_OK)
        return op->fields;
    *copy = malloc(doc.fields.len);
    memcpy(*copy, doc.fields.data, doc.fields.len);
    return (struct avj_fields){*copy, doc.fields.len};
}

/* Everything that waits is acknowledged, as a server would. */
static enum avj_status acknowledge(struct avj_store *store, struct test_rng *rng,
                                   struct avj_error *err)
{
    const struct avj_push_op *ops;
    struct avj_outcome outcomes[16];
    void *copies[16] = {NULL};
    char version[32];
    size_t count;
    enum avj_status status = avj_outbox_next(store, 16, NULL, NULL, &ops, &count, err);

    if (status != AVJ_OK || count == 0)
        return status;
    snprintf(version, sizeof version, "2026-11-22T18:%02u:%02u.%03uZ",
             (unsigned)test_rng_below(rng, 60), (unsigned)test_rng_below(rng, 60),
             (unsigned)test_rng_below(rng, 1000));
    status = avj_sync_push(store, ops, count, "attempt", "transaction", err);
    for (size_t i = 0; i < count; i++)
        outcomes[i] =
            (struct avj_outcome){.op = &ops[i],
                                 .acknowledged = true,
                                 .status = ops[i].kind == AVJ_PUSH_ELIDE ? 0 : 200,
                                 .row = {.entity = ops[i].entity,
                                         .id = ops[i].id,
                                         .remote_id = ops[i].remote_id,
                                         .version = version,
                                         .created = version,
                                         .deleted = ops[i].kind == AVJ_PUSH_DELETE,
                                         .fields = whole_row(store, &ops[i], &copies[i])}};
    if (status == AVJ_OK)
        status = avj_sync_settle(store, outcomes, count, err);
    for (size_t i = 0; i < count; i++)
        free(copies[i]);
    return status;
}

/* One thing that a person does. */
static enum avj_status do_something(struct avj_store *store, struct test_rng *rng, char *thread,
                                    char *message, struct avj_error *err)
{
    char text[600];

    memset(text, 'a' + (int)test_rng_below(rng, 26), sizeof text);
    switch (test_rng_below(rng, 12)) {
    case 0:
        return avj_thread_new(store, "A thread", thread, err);
    case 1:
        return avj_thread_rename(store, thread, "Another title", err);
    case 2:
        return avj_message_delete(store, message, err);
    case 3:
    case 4:
        return avj_message_edit(store, message, text, test_rng_below(rng, sizeof text), err);
    default:
        return avj_message_send(store, thread, "user", text, test_rng_below(rng, sizeof text),
                                message, err);
    }
}

static enum avj_status write_once(struct stage *stage, struct avj_store *store,
                                  struct test_rng *rng, char *thread, char *message,
                                  struct avj_error *err)
{
    enum avj_status status;

    switch (test_rng_below(rng, 40)) {
    case 0:
        status = avj_journal_rotate(avj_store_journal(store), err);
        stage->rotations += status == AVJ_OK;
        return status;
    case 1:
        status = avj_journal_maintain(avj_store_journal(store), NULL, NULL, err);
        stage->seals += status == AVJ_OK;
        return status;
    case 2:
        status = avj_store_compact(store, NULL, NULL, err);
        stage->compactions += status == AVJ_OK;
        return status;
    case 3:
        status = avj_store_snapshot(store, NULL, err);
        stage->snapshots += status == AVJ_OK;
        return status;
    default:
        return do_something(store, rng, thread, message, err);
    }
}

static int write_on(void *arg, int out)
{
    struct player *player = arg;
    struct stage *stage = player->stage;
    struct avj_store_options options = {.journal = {.segment_target = 64 * 1024}};
    struct avj_store *store;
    struct avj_error err = {0};
    struct test_rng rng;
    char thread[AVJ_ID_TEXT] = "thread", message[AVJ_ID_TEXT] = "message";

    (void)out;
    test_rng_init(&rng, stage->seed * 31 + player->number);
    enum avj_status status = avj_store_open(stage->dir, &options, &store, &err);
    note(stage, status, &err);
    if (status != AVJ_OK)
        return 1;
    for (unsigned step = 0; !stage->over && step < STEPS; step++) {
        note(stage, write_once(stage, store, &rng, thread, message, &err), &err);
        if (player->number == 0 && step % 8 == 0) /* one of several syncs */
            note(stage, acknowledge(store, &rng, &err), &err);
    }
    avj_store_close(store);
    return 0;
}

/* ---- checkers ---- */

struct look {
    struct fsck_summary summary;
    unsigned findings;
    char text[512];
};

static void look_finding(void *arg, const struct fsck_finding *f)
{
    struct look *look = arg;
    size_t used = strlen(look->text);

    look->findings++;
    snprintf(look->text + used, sizeof look->text - used,
             "  %s segment %llu offset %llu records %llu..%llu %s\n", fsck_kind(f->code)->id,
             (unsigned long long)f->segment, (unsigned long long)f->offset,
             (unsigned long long)f->first_seq, (unsigned long long)f->last_seq, f->detail);
}

static void look_summary(void *arg, const struct fsck_summary *summary)
{
    ((struct look *)arg)->summary = *summary;
}

/* True: it was as it must be. */
static bool check_once(struct stage *stage, bool deep)
{
    struct look look = {.findings = 0};
    struct fsck_sink sink = {.arg = &look, .finding = look_finding, .summary = look_summary};
    struct avj_error err = {0};
    uint64_t before = stage->records;
    int code = fsck_run(stage->dir, &(struct fsck_options){.deep = deep}, &sink, &err);

    if (code == FSCK_CLEAN && look.findings == 0 && look.summary.records >= before) {
        stage->records = look.summary.records;
        return true;
    }
    fprintf(stderr, "a check of a journal in use%s: exit %d, %llu records where %llu were: %s\n%s",
            deep ? " (deep)" : "", code, (unsigned long long)look.summary.records,
            (unsigned long long)before, err.message, look.text);
    return false;
}

static int check_on(void *arg, int out)
{
    struct player *player = arg;
    struct stage *stage = player->stage;

    (void)out;
    for (;;) {
        unsigned number = stage->begun++;
        if (number >= CHECKS_A_JOURNAL || stage->failed)
            return 0;
        if (!check_once(stage, number % 16 == 5))
            stage->failed++;
    }
}

/* ---- one journal ---- */

static void make(struct stage *stage, const char *folder, uint64_t seed)
{
    struct avj_store_options options = {.journal = {.segment_target = 64 * 1024}};
    struct avj_store *store;
    struct avj_error err = {0};

    memset(stage, 0, sizeof *stage);
    stage->seed = seed;
    snprintf(stage->dir, sizeof stage->dir, "%s/j", folder);
    assert_ok(avj_store_create(stage->dir, NULL, NULL, &err), err);
    assert_ok(avj_store_open(stage->dir, &options, &store, &err), err);
    assert_ok(avj_sync_login(store, "user", "user@example.org", &err), err);
    assert_ok(avj_store_keep(store, &(struct avj_keep){.limited = true}, &err), err);
    avj_store_close(store);
}

static void finish(struct process *process)
{
    int status;

    free(process_finish(process, &status, NULL));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Adds to `sum` what happened. */
static void live_once(struct stage *stage, uint64_t seed, struct stage *sum)
{
    struct process players[WRITERS + CHECKERS];
    struct player of[WRITERS + CHECKERS];
    char *folder = test_dir_new();

    make(stage, folder, seed);
    for (unsigned i = 0; i < WRITERS + CHECKERS; i++) {
        of[i] = (struct player){stage, i};
        players[i] = process_fork(i < WRITERS ? write_on : check_on, &of[i]);
    }
    for (unsigned i = WRITERS; i < WRITERS + CHECKERS; i++)
        finish(&players[i]);
    stage->over = true;
    for (unsigned i = 0; i < WRITERS; i++)
        finish(&players[i]);
    if (stage->failed || stage->errors || !check_once(stage, true))
        fail_msg("seed %llu: the journal is in %s", (unsigned long long)seed, stage->dir);
    sum->records += stage->records;
    sum->rotations += stage->rotations;
    sum->seals += stage->seals;
    sum->snapshots += stage->snapshots;
    sum->compactions += stage->compactions;
    test_dir_free(folder);
}

static void a_journal_that_is_written_sealed_and_compacted_never_looks_damaged(void **state)
{
    struct stage *stage =
        mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct stage *sum = calloc(1, sizeof *sum);
    const char *text = getenv("AVJ_SEED");
    uint64_t first = text ? strtoull(text, NULL, 10) : 1;

    (void)state;
    assert_true(stage != MAP_FAILED && sum);
    for (unsigned done = 0; done < checks_wanted; done += CHECKS_A_JOURNAL) {
        live_once(stage, first + done / CHECKS_A_JOURNAL, sum);
        if (checks_wanted > SHORT && done % (100 * CHECKS_A_JOURNAL) == 0)
            fprintf(stderr, "%u checks, %llu records, none was disturbed\n",
                    done + CHECKS_A_JOURNAL, (unsigned long long)sum->records);
    }
    print_message("seeds from %llu: %llu records, %llu rotations, %llu times sealed, %llu "
                  "compacted, %llu snapshots\n",
                  (unsigned long long)first, (unsigned long long)sum->records,
                  (unsigned long long)sum->rotations, (unsigned long long)sum->seals,
                  (unsigned long long)sum->compactions, (unsigned long long)sum->snapshots);
    assert_true(sum->rotations && sum->seals && sum->compactions && sum->snapshots);
    free(sum);
    munmap(stage, sizeof *stage);
}

int main(int argc, char **argv)
{
    const char *checks = getenv("AVJ_CHECKS");

    if (argc > 1 && strcmp(argv[1], "--long") == 0)
        checks_wanted = LONG;
    if (checks)
        checks_wanted = (unsigned)strtoul(checks, NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_that_is_written_sealed_and_compacted_never_looks_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
