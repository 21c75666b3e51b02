/*
 * kill -9 at random moments of processes that create a journal and append to it through the API,
 * several at a time.  Every record whose append returned is there afterwards, in order, once (a
 * relaxed one too: the machine did not fall); so is every other record before it; and the journal
 * goes on.
 *
 * AVJ_KILLS=N: so many kills of writers instead of 2,000 (300 under sanitizers).  The target
 * kill-soak makes it 100,000.
 */
#include "tests/support/lives.h"
#include "tests/support/process_case.h"
#include "tests/support/sanitizers.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS             (TEST_SANITIZED ? 300 : 2000)
#define CREATE_KILLS      100
#define KILLS_PER_JOURNAL 50
#define WRITERS_MAX       4
#define LIVES             (KILLS_PER_JOURNAL + WRITERS_MAX)
/* The whole log is read after so many kills, while the others go on. */
#define KILLS_PER_CHECK 5
/* Time to be killed in, a writer alive; and the checker sees one journal of so many, no multiple
 * of the number of manners. */
#define KILL_WITHIN_US (TEST_SANITIZED ? 12000 : 6000)
#define FSCK_EVERY     5
/* What a write gets out at a time where it is in pieces. */
#define PIECE 512
/* A writer on a busy machine must not give up. */
#define LOCK_TIMEOUT_MS 300000

static const struct avj_journal_options small = {.segment_target = 64 * 1024,
                                                 .lock_timeout_ms = LOCK_TIMEOUT_MS};

/* How the writers of a journal behave; the journals take these in turn. */
struct manner {
    const char *what;
    unsigned writers;     /* at a time */
    unsigned relaxed;     /* of 100 appends */
    unsigned rotates;     /* of 100 appends, a new segment before them */
    unsigned tails;       /* of 100 appends, the cursor reads on behind them */
    unsigned records_max; /* an append */
    bool pieces;          /* writes get out slowly, a little at a time, so that kills tear frames */
};

static const struct manner manners[] = {
    {"two writers, durable and relaxed", 2, 33, 0, 0, 40, false},
    {"three writers that begin new segments", 3, 33, 10, 0, 40, false},
    {"four writers that read what all append", 4, 33, 0, 50, 40, false},
    {"two writers, relaxed only, with rotation and reading", 2, 100, 5, 20, 40, false},
    {"four writers of single durable records", 4, 0, 2, 10, 1, false},
    {"three writers, killed in the middle of frames", 3, 90, 0, 10, 40, true},
};

#define MANNERS (sizeof manners / sizeof *manners)

/* What the writers of a journal said, in memory that a kill does not take. */
struct account {
    _Atomic uint64_t begun[LIVES];    /* records of a life, its latest append included */
    _Atomic uint64_t returned[LIVES]; /* without that where it has not returned */
    _Atomic uint64_t promises[LIVES]; /* of the last one that returned */
    _Atomic uint64_t durable[LIVES];  /* the last one that was durable, and those before it */
};

/* One incarnation of a writer. */
struct life {
    const char *dir;
    const struct manner *manner;
    struct account *account;
    uint64_t life;
};

static int give_up(const struct life *me, const char *what, const struct avj_error *err)
{
    fprintf(stderr, "life %llu: %s: %s\n", (unsigned long long)me->life, what, err->message);
    return 1;
}

static bool one_of_100(struct test_rng *rng, unsigned share)
{
    return test_rng_below(rng, 100) < share;
}

static enum avj_status append_next(const struct life *me, struct avj_journal *journal,
                                   struct test_rng *rng, uint64_t *index, struct avj_error *err)
{
    size_t count = 1 + (size_t)test_rng_below(rng, me->manner->records_max);
    bool relaxed = one_of_100(rng, me->manner->relaxed);
    enum avj_status status;
    uint64_t seq;

    atomic_store(&me->account->begun[me->life], *index + count);
    status = life_append(journal, me->life, *index, count, relaxed ? AVJ_RELAXED : AVJ_DURABLE,
                         &seq, err);
    if (status != AVJ_OK)
        return status;
    atomic_store(&me->account->promises[me->life], life_promise(*index, seq));
    *index += count;
    atomic_store(&me->account->returned[me->life], *index);
    if (!relaxed)
        atomic_store(&me->account->durable[me->life], *index);
    return AVJ_OK;
}

static ssize_t write_a_piece(void *ctx, int file, const void *data, size_t len, uint64_t offset)
{
    avj_io_posix()->sleep_us(ctx, 1);
    return avj_io_posix()->pwrite(ctx, file, data, len > PIECE ? PIECE : len, offset);
}

static int append_until_killed(void *arg, int out)
{
    const struct life *me = arg;
    struct avj_io io = *avj_io_posix();
    struct avj_journal_options options = small;
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_error err = {0};
    struct test_rng rng;
    struct lives seen;
    uint64_t index = 0;

    (void)out;
    test_rng_init(&rng, me->life);
    lives_init(&seen, LIVES);
    if (me->manner->pieces)
        io.pwrite = write_a_piece;
    options.io = &io;
    if (avj_journal_open(me->dir, &options, &journal, &err) != AVJ_OK)
        return give_up(me, "open", &err);
    if (avj_cursor_open(journal, 0, &cursor, &err) != AVJ_OK)
        return give_up(me, "cursor", &err);
    for (;;) {
        if (one_of_100(&rng, me->manner->rotates) && avj_journal_rotate(journal, &err) != AVJ_OK)
            return give_up(me, "rotate", &err);
        if (append_next(me, journal, &rng, &index, &err) != AVJ_OK)
            return give_up(me, "append", &err);
        if (one_of_100(&rng, me->manner->tails) && lives_follow(&seen, cursor, &err) != AVJ_OK)
            return give_up(me, "read on", &err);
    }
}

static void bury(struct process *process)
{
    int status;

    free(process_finish(process, &status, NULL));
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("a writer ended by itself, with status %d", status);
}

/* ---- the oracle ---- */

/* The whole log as it is now: whole records, each life's in order, none twice; all whose append had
 * returned before this began; none that was not asked for. */
static uint64_t check(const char *dir, struct account *account)
{
    uint64_t returned[LIVES], seq;
    struct avj_journal *journal;
    struct avj_error err = {0};
    struct lives lives;

    lives_init(&lives, LIVES);
    lives.promises = account->promises;
    for (size_t i = 0; i < LIVES; i++)
        returned[i] = atomic_load(&account->returned[i]);
    journal = open_journal(dir, &small);
    assert_ok(lives_read(&lives, journal, &err), err);
    avj_journal_close(journal);
    for (size_t i = 0; i < LIVES; i++) {
        uint64_t begun = atomic_load(&account->begun[i]);
        if (lives.found[i] < returned[i] || lives.found[i] > begun)
            fail_msg("%s: life %zu: the appends of %llu records returned, of %llu began, %llu are "
                     "there",
                     dir, i, (unsigned long long)returned[i], (unsigned long long)begun,
                     (unsigned long long)lives.found[i]);
    }
    seq = lives.seq;
    lives_release(&lives);
    return seq;
}

/* Nobody is alive: what is there now stays as it is, and the journal goes on. */
static void check_at_rest(const char *dir, struct account *account, bool with_fsck)
{
    uint64_t last = check(dir, account);
    struct avj_journal *journal;
    struct avj_error err = {0};
    uint64_t seq;

    if (with_fsck) {
        int status = process_fsck(dir);
        if (status != 0 && status != 64)
            fail_msg("%s: avchat-fsck gave status %d", dir, status);
    }
    journal = open_journal(dir, &small);
    assert_int_equal(journal_info(journal).next_seq, last + 1);
    assert_ok(numbered_append(journal, 0, 1, AVJ_DURABLE, &seq, &err), err);
    assert_int_equal(seq, last + 1);
    avj_journal_close(journal);
}

/* ---- one journal ---- */

struct crew {
    struct life lives[LIVES];
    struct process processes[WRITERS_MAX];
    uint64_t born;
};

static void give_birth(struct crew *crew, const struct life *like, size_t place)
{
    struct life *life = &crew->lives[crew->born];

    *life = *like;
    life->life = crew->born++;
    crew->processes[place] = process_fork(append_until_killed, life);
}

/* As many writers as the manner says are at work, until KILLS_PER_JOURNAL were killed; who dies is
 * replaced at once. */
static void kill_writers(const struct life *like, struct test_rng *rng)
{
    struct crew crew = {.born = 0};
    unsigned writers = like->manner->writers;

    for (size_t i = 0; i < writers; i++)
        give_birth(&crew, like, i);
    for (unsigned kills = 1; kills <= KILLS_PER_JOURNAL; kills++) {
        size_t victim = (size_t)test_rng_below(rng, writers);
        process_kill_within(&crew.processes[victim], rng, KILL_WITHIN_US);
        bury(&crew.processes[victim]);
        if (crew.born < KILLS_PER_JOURNAL)
            give_birth(&crew, like, victim);
        else
            crew.processes[victim] = crew.processes[--writers];
        if (kills % KILLS_PER_CHECK == 0)
            (void)check(like->dir, like->account);
    }
}

static unsigned wanted_kills(void)
{
    const char *text = getenv("AVJ_KILLS");

    return text && *text ? (unsigned)strtoul(text, NULL, 10) : KILLS;
}

static uint64_t sum(_Atomic uint64_t *of)
{
    uint64_t all = 0;

    for (size_t i = 0; i < LIVES; i++)
        all += atomic_load(&of[i]);
    return all;
}

static void killed_writers_lose_nothing_that_they_acknowledged(void **state)
{
    struct journal_case *c = *state;
    struct account *account =
        mmap(NULL, sizeof *account, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t acknowledged = 0, segments = 0;
    unsigned batches = (wanted_kills() + KILLS_PER_JOURNAL - 1) / KILLS_PER_JOURNAL;
    struct test_rng rng;

    assert_true(account != MAP_FAILED);
    test_rng_init(&rng, test_rng_seed(__func__));
    for (unsigned batch = 0; batch < batches; batch++) {
        char *dir = test_path(c->folder, "killed-%u", batch);
        struct life like = {dir, &manners[batch % MANNERS], account, 0};
        memset(account, 0, sizeof *account);
        create_journal(dir, &small);
        kill_writers(&like, &rng);
        check_at_rest(dir, account, batch % FSCK_EVERY == 0);
        acknowledged += sum(account->durable);
        segments += count_segments(dir);
        if (batch < MANNERS || batch % 100 == 0)
            print_message(
                "journal %u: %s: %llu records appended, %llu acknowledged, %zu segments\n", batch,
                like.manner->what, (unsigned long long)sum(account->returned),
                (unsigned long long)sum(account->durable), count_segments(dir));
        test_dir_free(dir);
    }
    print_message("%u kills, %llu acknowledged records, %llu segments\n",
                  batches * KILLS_PER_JOURNAL, (unsigned long long)acknowledged,
                  (unsigned long long)segments);
    assert_true(acknowledged > 0);
    munmap(account, sizeof *account);
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
    unsigned within_us = 3000;
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

        process_kill_within(&process, &rng, within_us);
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
        /* About half of them in time, on any machine. */
        within_us = len > 0 ? within_us - within_us / 8 : within_us + within_us / 8 + 100;
        free(said);
        free(dir);
    }
    print_message("%d of %d were made before the kill\n", made, CREATE_KILLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS_CASE(killed_writers_lose_nothing_that_they_acknowledged),
        PROCESS_CASE(a_killed_create_leaves_a_journal_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
