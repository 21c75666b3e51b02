/*
 * Plays of several processes on one journal, for cmocka tests: each process is a player that opens
 * the journal through a stage (stage_io.h), waits until the test says go, appends, and tells what
 * became of it; the test, as director, holds, stops, continues and kills them.
 */
#ifndef TEST_PLAYERS_H
#define TEST_PLAYERS_H

#include "tests/support/lives.h"
#include "tests/support/process_case.h"
#include "tests/support/stage_io.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVES 64
/* What a lock is waited for where waiting is in vain; else nobody gives up. */
#define IN_VAIN_MS 40
#define FOREVER_MS 300000
/* A test that hangs has failed. */
#define HANGS_S 240

/* What a process says of its append. */
struct said {
    enum avj_status status;
    uint64_t first_seq;
    bool synced; /* a sync that began behind the write had succeeded when the append returned */
    char message[480];
};

static inline struct avj_journal_options options_of(struct stage *stage, unsigned lock_timeout_ms)
{
    return (struct avj_journal_options){.io = stage ? stage_io(stage) : NULL,
                                        .segment_target = 64 * 1024,
                                        .lock_timeout_ms = lock_timeout_ms};
}

static inline struct said append(struct avj_journal *journal, struct stage *stage, uint64_t life,
                                 size_t count, enum avj_durability durability)
{
    struct avj_error err = {0};
    struct said said = {.status = AVJ_OK};

    said.status = life_append(journal, life, 0, count, durability, &said.first_seq, &err);
    if (said.status == AVJ_OK)
        said.synced = stage_synced(stage, said.first_seq + count - 1);
    snprintf(said.message, sizeof said.message, "%s", err.message);
    return said;
}

/* ---- players: what the processes do ---- */

struct player {
    const char *dir;
    struct stage *stage;
    uint64_t life;
    size_t count; /* records of its append */
    unsigned lock_timeout_ms;
};

static inline struct avj_journal *player_open(const struct player *me)
{
    const struct avj_journal_options options = options_of(me->stage, me->lock_timeout_ms);
    struct avj_journal *journal;
    struct avj_error err;

    if (avj_journal_open(me->dir, &options, &journal, &err) == AVJ_OK)
        return journal;
    fprintf(stderr, "life %llu: %s\n", (unsigned long long)me->life, err.message);
    return NULL;
}

static inline bool tell_said(int out, const struct said *said)
{
    return write(out, said, sizeof *said) == (ssize_t)sizeof *said;
}

/* Opens, is ready, appends once, tells what became of it. */
static inline int append_once(void *arg, int out)
{
    const struct player *me = arg;
    struct avj_journal *journal = player_open(me);
    struct said said;

    if (!journal)
        return 1;
    stage_ready(me->stage);
    said = append(journal, me->stage, me->life, me->count, AVJ_DURABLE);
    if (!tell_said(out, &said))
        return 1;
    avj_journal_close(journal);
    return 0;
}

/* The same, and when the append failed it is ready once more and appends again as the next life, on
 * a new handle where the old one refuses. */
static inline int append_again(void *arg, int out)
{
    const struct player *me = arg;
    struct avj_journal *journal = player_open(me);
    struct said said;

    if (!journal)
        return 1;
    stage_ready(me->stage);
    said = append(journal, me->stage, me->life, me->count, AVJ_DURABLE);
    if (!tell_said(out, &said))
        return 1;
    stage_ready(me->stage);
    if (said.status == AVJ_ESYNC) {
        avj_journal_close(journal);
        journal = player_open(me);
        if (!journal)
            return 1;
    }
    said = append(journal, me->stage, me->life + 1, me->count, AVJ_DURABLE);
    if (!tell_said(out, &said))
        return 1;
    avj_journal_close(journal);
    return 0;
}

/* ---- the director's means ---- */

static inline struct process start(int (*play)(void *arg, int out), struct player *player)
{
    struct process process = process_fork(play, player);

    assert_int_equal(stage_wait(player->stage, STAGE_READY), process.pid);
    return process;
}

static inline struct said hear(const struct process *process)
{
    struct said said;

    assert_int_equal(read(process->out, &said, sizeof said), sizeof said);
    return said;
}

static inline void assert_said_ok(const struct said *said)
{
    if (said->status != AVJ_OK)
        fail_msg("the append failed: %s", said->message);
    assert_true(said->synced);
}

static inline void ends_well(struct process *process)
{
    int status;

    free(process_finish(process, &status, NULL));
    assert_int_equal(status, 0);
}

static inline void kill_and_bury(struct process *process)
{
    int status;

    assert_int_equal(kill(process->pid, SIGKILL), 0);
    free(process_finish(process, &status, NULL));
    assert_true(WIFSIGNALED(status));
}

static inline void assert_names(const char *message, const struct process *process)
{
    char name[40];

    snprintf(name, sizeof name, "process %ld ", (long)process->pid);
    assert_contains(message, name);
}

/* The whole log is in order and the checker is content; gives the records of each life, which the
 * caller frees. */
static inline uint64_t *all_is_well(const char *dir)
{
    struct avj_journal *journal = open_journal(dir, NULL);
    struct avj_error err = {0};
    struct lives lives;
    int status;

    lives_init(&lives, LIVES);
    assert_ok(lives_read(&lives, journal, &err), err);
    assert_int_equal(journal_info(journal).next_seq, lives.seq + 1);
    avj_journal_close(journal);
    status = process_fsck(dir);
    if (status != 0)
        assert_int_equal(status, 64);
    return lives.found;
}

static inline void assert_found(const char *dir, const uint64_t *wanted, size_t lives)
{
    uint64_t *found = all_is_well(dir);

    for (size_t i = 0; i < lives; i++)
        if (found[i] != wanted[i])
            fail_msg("life %zu: %llu records, not %llu", i, (unsigned long long)found[i],
                     (unsigned long long)wanted[i]);
    free(found);
}

/* A stage, and a journal with the three records of life 0 in it. */
static inline struct stage *set(const char *dir)
{
    struct stage *stage = stage_new();
    const struct avj_journal_options options = options_of(stage, FOREVER_MS);
    struct avj_journal *journal;

    create_journal(dir, &options);
    journal = open_journal(dir, &options);
    assert_int_equal(append(journal, stage, 0, 3, AVJ_DURABLE).status, AVJ_OK);
    avj_journal_close(journal);
    return stage;
}

#endif
