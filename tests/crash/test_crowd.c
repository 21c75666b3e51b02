/*
 * A crowd: 16 processes append to one journal and follow it at once, while some are killed and some
 * stopped and continued at random moments; new ones take the place of the dead.  Each sees every
 * record once, in order, as it was written, woken by the journal's descriptor alone; none is ever
 * stuck: who finds the lock held by a stopped one is told by whom, and tries again.  In the end all
 * agree with a reader who begins at the first record.
 */
#include "tests/support/lives.h"
#include "tests/support/process_case.h"
#include "tests/support/sanitizers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEMBERS      16
#define DISTURBANCES (TEST_SANITIZED ? 150 : 1000)
#define LIVES        (MEMBERS + DISTURBANCES + 1)
/* The life of the director's two records: "hush", and "farewell", behind which nothing comes. */
#define DIRECTOR ((uint64_t)LIVES - 1)
/* What a member appends in its life. */
#define APPENDS     30
#define RECORDS_MAX 12
/* A disturbance comes within this time after the last one. */
#define DISTURB_WITHIN_US 6000
/* Short, so that the stopped are met. */
#define LOCK_TIMEOUT_MS 15
/* Who is not woken in this time has failed, and so has a test that takes longer. */
#define PATIENCE_MS 120000
#define HANGS_S     500

/* In memory that all share. */
struct hall {
    _Atomic bool closing; /* nobody begins to append any more */
    uint64_t seed;
    _Atomic uint64_t kept[LIVES];     /* records of a life whose append returned */
    _Atomic uint64_t begun[LIVES];    /* with the latest append */
    _Atomic uint64_t promises[LIVES]; /* of that */
    _Atomic int pids[LIVES];          /* of each life */
    _Atomic uint64_t digests[LIVES];  /* of all that a life has seen, in the end */
    _Atomic unsigned locked;          /* appends that gave up for a held lock */
    _Atomic unsigned unsure;          /* that ended with a sync gone wrong */
    _Atomic unsigned sleeps;          /* until woken */
};

struct member {
    const char *dir;
    struct hall *hall;
    uint64_t life;
    /* its own */
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct lives seen;
    struct test_rng rng;
    uint64_t index;
    unsigned appends;
    bool hurries; /* appends without being woken for it */
    bool quiet;
    struct avj_error err;
};

/* ---- a member ---- */

static int give_up(const struct member *me, const char *what)
{
    fprintf(stderr, "life %llu: %s: %s\n", (unsigned long long)me->life, what, me->err.message);
    return 1;
}

/* The message must name one of us: "... by process N ...".  One who was stopped before its first
 * word is "another process". */
static bool names_one_of_us(const struct member *me)
{
    if (strstr(me->err.message, "another process"))
        return true;
    const char *name = strstr(me->err.message, "process ");
    long pid = name ? strtol(name + strlen("process "), NULL, 10) : 0;

    for (size_t i = 0; i < LIVES; i++)
        if (pid > 0 && atomic_load(&me->hall->pids[i]) == (int)pid)
            return true;
    return false;
}

static bool enter(struct member *me)
{
    const struct avj_journal_options options = {.segment_target = 64 * 1024,
                                                .lock_timeout_ms = LOCK_TIMEOUT_MS};
    enum avj_status status;

    do {
        status = avj_journal_open(me->dir, &options, &me->journal, &me->err);
        if (status == AVJ_ELOCKED) /* opening for writing takes the lock too */
            atomic_fetch_add(&me->hall->locked, 1);
    } while (status == AVJ_ELOCKED && names_one_of_us(me));
    return status == AVJ_OK && avj_journal_wake_fd(me->journal) >= 0 &&
           avj_cursor_open(me->journal, me->seen.seq + 1, &me->cursor, &me->err) == AVJ_OK;
}

static void leave(struct member *me)
{
    avj_cursor_close(me->cursor);
    avj_journal_close(me->journal);
}

static void kept(struct member *me, uint64_t index)
{
    me->index = index;
    me->appends++;
    atomic_store(&me->hall->kept[me->life], index);
}

/* The sync went wrong, so nobody knows what became of the append: one must look, and open anew. */
static bool look_and_enter_again(struct member *me)
{
    atomic_fetch_add(&me->hall->unsure, 1);
    leave(me);
    if (!enter(me) || lives_follow(&me->seen, me->cursor, &me->err) != AVJ_OK)
        return false;
    kept(me, me->seen.found[me->life]);
    return true;
}

/* A held append lock costs a try, not the records (how many there are in an append is drawn anew);
 * a stopped process that syncs costs the promise of durability, and the records are there. */
static bool append_some(struct member *me)
{
    struct hall *hall = me->hall;
    size_t count = 1 + (size_t)test_rng_below(&me->rng, RECORDS_MAX);
    enum avj_durability durability = test_rng_below(&me->rng, 3) ? AVJ_RELAXED : AVJ_DURABLE;
    enum avj_status status;
    uint64_t seq;

    atomic_store(&hall->begun[me->life], me->index + count);
    status = life_append(me->journal, me->life, me->index, count, durability, &seq, &me->err);
    if (status == AVJ_ELOCKED) {
        atomic_fetch_add(&hall->locked, 1);
        return names_one_of_us(me);
    }
    if (status == AVJ_ESYNC)
        return look_and_enter_again(me);
    if (status == AVJ_EUNSYNCED)
        atomic_fetch_add(&hall->locked, 1);
    if (status != AVJ_OK && (status != AVJ_EUNSYNCED || !names_one_of_us(me)))
        return false;
    atomic_store(&hall->promises[me->life], life_promise(me->index, seq));
    kept(me, me->index + count);
    return true;
}

static bool wants_to_append(struct member *me)
{
    return me->appends < APPENDS && !atomic_load(&me->hall->closing) &&
           (me->hurries || test_rng_below(&me->rng, 2));
}

static bool sleep_until_woken(struct member *me)
{
    struct pollfd wake = {.fd = avj_journal_wake_fd(me->journal), .events = POLLIN};
    int ready;

    atomic_fetch_add(&me->hall->sleeps, 1);
    while ((ready = poll(&wake, 1, PATIENCE_MS)) < 0 && errno == EINTR)
        continue;
    if (ready == 1)
        return true;
    snprintf(me->err.message, sizeof me->err.message, "not woken behind record %llu",
             (unsigned long long)me->seen.seq);
    return false;
}

/* Says once that it appends nothing any more. */
static bool be_quiet(struct member *me, int out)
{
    if (me->quiet || !atomic_load(&me->hall->closing))
        return true;
    me->quiet = true;
    return write(out, "q", 1) == 1;
}

/* Reads all there is; then appends, or sleeps; until the director's farewell. */
static int live(struct member *me, int out)
{
    for (;;) {
        avj_journal_woken(me->journal);
        if (lives_follow(&me->seen, me->cursor, &me->err) != AVJ_OK)
            return give_up(me, "read on");
        if (me->seen.found[DIRECTOR] == 2)
            return 0;
        if (!be_quiet(me, out))
            return give_up(me, "be quiet");
        if (wants_to_append(me)) {
            if (!append_some(me))
                return give_up(me, "append");
        } else if (!sleep_until_woken(me)) {
            return give_up(me, "wait");
        }
    }
}

static int member(void *arg, int out)
{
    struct member *me = arg;
    int failed;

    atomic_store(&me->hall->pids[me->life], (int)getpid());
    me->hurries = me->life % 2;
    test_rng_init(&me->rng, me->hall->seed + me->life);
    lives_init(&me->seen, LIVES);
    me->seen.promises = me->hall->promises;
    if (!enter(me))
        return give_up(me, "open");
    failed = live(me, out);
    atomic_store(&me->hall->digests[me->life], me->seen.digest);
    leave(me);
    lives_release(&me->seen);
    return failed;
}

/* ---- the director ---- */

struct crowd {
    const char *dir;
    struct hall *hall;
    struct test_rng rng;
    struct member members[LIVES]; /* by life */
    struct process processes[MEMBERS];
    uint64_t lives[MEMBERS]; /* whose each is */
    bool stopped[MEMBERS];
    uint64_t born;
    unsigned kills, stops;
};

static void give_birth(struct crowd *crowd, size_t place)
{
    struct member *m = &crowd->members[crowd->born];

    *m = (struct member){.dir = crowd->dir, .hall = crowd->hall, .life = crowd->born};
    crowd->lives[place] = crowd->born++;
    crowd->stopped[place] = false;
    crowd->processes[place] = process_fork(member, m);
}

/* Where the process sits that has, or had last, the lock; else anywhere. */
static size_t find_holder(struct crowd *crowd)
{
    char *path = test_path(crowd->dir, "lock");
    char *name = (char *)test_read_file(path, &(size_t){0});
    long pid = strtol(name, NULL, 10);
    size_t place = (size_t)test_rng_below(&crowd->rng, MEMBERS);

    for (size_t i = 0; i < MEMBERS; i++)
        if (crowd->processes[i].pid == pid)
            place = i;
    free(name);
    free(path);
    return place;
}

static void kill_and_replace(struct crowd *crowd, size_t place)
{
    int status;

    assert_int_equal(kill(crowd->processes[place].pid, SIGKILL), 0);
    free(process_finish(&crowd->processes[place], &status, NULL));
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("life %llu ended by itself, with status %d",
                 (unsigned long long)crowd->lives[place], status);
    crowd->kills++;
    give_birth(crowd, place);
}

static void stop(struct crowd *crowd, size_t place)
{
    process_stop(&crowd->processes[place]);
    crowd->stopped[place] = true;
    crowd->stops++;
}

static void go_on(struct crowd *crowd, size_t place)
{
    process_continue(&crowd->processes[place]);
    crowd->stopped[place] = false;
}

/* Who is stopped is killed or goes on; who is not is killed or stopped, every second time whoever
 * has the lock. */
static void disturb(struct crowd *crowd)
{
    bool holder = test_rng_below(&crowd->rng, 2);
    size_t place = holder ? find_holder(crowd) : (size_t)test_rng_below(&crowd->rng, MEMBERS);

    if (test_rng_below(&crowd->rng, 2))
        kill_and_replace(crowd, place);
    else if (crowd->stopped[place])
        go_on(crowd, place);
    else
        stop(crowd, place);
}

static void pause_within(struct test_rng *rng, unsigned max_us)
{
    struct timespec wait = {0, (long)test_rng_below(rng, max_us + 1) * 1000};

    nanosleep(&wait, NULL);
}

/* Everybody goes on, falls quiet, and leaves behind the last record. */
static void close_the_hall(struct crowd *crowd)
{
    const struct avj_journal_options options = {.lock_timeout_ms = PATIENCE_MS};
    struct avj_journal *journal;
    struct avj_error err = {0};
    char word;

    for (size_t i = 0; i < MEMBERS; i++)
        if (crowd->stopped[i])
            go_on(crowd, i);
    journal = open_journal(crowd->dir, &options);
    atomic_store(&crowd->hall->closing, true);
    assert_ok(life_append(journal, DIRECTOR, 0, 1, AVJ_DURABLE, NULL, &err), err);
    for (size_t i = 0; i < MEMBERS; i++)
        if (read(crowd->processes[i].out, &word, 1) != 1)
            fail_msg("life %llu ended early", (unsigned long long)crowd->lives[i]);
    assert_ok(life_append(journal, DIRECTOR, 1, 1, AVJ_DURABLE, NULL, &err), err);
    for (size_t i = 0; i < MEMBERS; i++) {
        int status;
        free(process_finish(&crowd->processes[i], &status, NULL));
        assert_int_equal(status, 0);
    }
    avj_journal_close(journal);
}

/* All who lived to the end have seen what is there, and nothing that was kept is missing. */
static void compare(struct crowd *crowd)
{
    struct avj_journal *journal = open_journal(crowd->dir, NULL);
    struct hall *hall = crowd->hall;
    struct avj_error err = {0};
    struct lives all;
    int status;

    lives_init(&all, LIVES);
    all.promises = hall->promises;
    assert_ok(lives_read(&all, journal, &err), err);
    avj_journal_close(journal);
    for (size_t i = 0; i < MEMBERS; i++)
        assert_int_equal(atomic_load(&hall->digests[crowd->lives[i]]), all.digest);
    for (size_t i = 0; i < DIRECTOR; i++)
        if (all.found[i] < atomic_load(&hall->kept[i]) ||
            all.found[i] > atomic_load(&hall->begun[i]))
            fail_msg("life %zu: %llu of %llu records that it appended are there", i,
                     (unsigned long long)all.found[i],
                     (unsigned long long)atomic_load(&hall->kept[i]));
    print_message("%llu records, %zu segments; %u kills, %u stops; %u times the lock was held, "
                  "%u syncs went wrong, %u sleeps\n",
                  (unsigned long long)all.seq, count_segments(crowd->dir), crowd->kills,
                  crowd->stops, atomic_load(&hall->locked), atomic_load(&hall->unsure),
                  atomic_load(&hall->sleeps));
    lives_release(&all);
    status = process_fsck(crowd->dir);
    if (status != 0)
        assert_int_equal(status, 64);
}

static void sixteen_processes_append_and_follow_while_some_are_killed_and_stopped(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options options = {.segment_target = 64 * 1024};
    struct hall *hall =
        mmap(NULL, sizeof *hall, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct crowd *crowd = calloc(1, sizeof *crowd);

    assert_true(hall != MAP_FAILED);
    assert_non_null(crowd);
    hall->seed = test_rng_seed(__func__);
    hall->pids[DIRECTOR] = (int)getpid();
    crowd->dir = c->dir;
    crowd->hall = hall;
    test_rng_init(&crowd->rng, hall->seed);
    create_journal(c->dir, &options);
    for (size_t i = 0; i < MEMBERS; i++)
        give_birth(crowd, i);
    for (unsigned i = 0; i < DISTURBANCES; i++) {
        pause_within(&crowd->rng, DISTURB_WITHIN_US);
        disturb(crowd);
    }
    close_the_hall(crowd);
    compare(crowd);
    free(crowd);
    munmap(hall, sizeof *hall);
}

int main(void)
{
#if defined(__linux__)
    const struct CMUnitTest tests[] = {
        PROCESS_CASE(sixteen_processes_append_and_follow_while_some_are_killed_and_stopped),
    };

    alarm(HANGS_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
#else
    return 77; /* no wake-up descriptor */
#endif
}
