/*
 * Durable appends of several processes and threads at once: one sync serves all who wait, and one
 * who is killed or stopped in the middle of it holds nobody up for good.  The stage (stage_io.h)
 * holds the syncs and knows which records each of them covered.
 */
#include "tests/support/players.h"

#include <pthread.h>

/* ---- one sync for all ---- */

#define CROWD         3
#define CROWD_THREADS 4

struct member {
    const struct player *player;
    struct avj_journal *journal;
    uint64_t life;
    struct said said;
    pthread_t thread;
};

static void *member_appends(void *arg)
{
    struct member *m = arg;

    m->said = append(m->journal, m->player->stage, m->life, 1, AVJ_DURABLE);
    return NULL;
}

/* Appends once to have everything at hand; is ready; then appends with all its threads at once. */
static int append_with_threads(void *arg, int out)
{
    const struct player *me = arg;
    struct avj_journal *journal = player_open(me);
    struct member members[CROWD_THREADS];
    int status = 0;

    if (!journal || append(journal, me->stage, me->life, 1, AVJ_DURABLE).status != AVJ_OK)
        return 1;
    stage_ready(me->stage);
    for (size_t i = 0; i < CROWD_THREADS; i++) {
        members[i] = (struct member){me, journal, me->life + 1 + i, {0}, 0};
        if (pthread_create(&members[i].thread, NULL, member_appends, &members[i]) != 0)
            return 1;
    }
    for (size_t i = 0; i < CROWD_THREADS; i++) {
        if (pthread_join(members[i].thread, NULL) != 0 || !tell_said(out, &members[i].said))
            status = 1;
    }
    stage_ready(me->stage); /* what close may sync is not counted */
    avj_journal_close(journal);
    return status;
}

static void start_crowd(struct player *players, struct process *processes, const char *dir,
                        struct stage *stage)
{
    for (size_t i = 0; i < CROWD; i++) {
        players[i] = (struct player){dir, stage, 1 + i * (1 + CROWD_THREADS), 1, FOREVER_MS};
        processes[i] = start(append_with_threads, &players[i]);
    }
}

/* All who wrote while a sync was under way share the next one; at most one more is needed, since
 * one may have begun before the last of them wrote. */
static void one_sync_serves_all_processes_and_threads_that_wait(void **state)
{
    struct journal_case *c = *state;
    struct stage *stage = set(c->dir);
    struct player players[CROWD];
    struct process processes[CROWD];
    uint64_t syncs, *found;

    start_crowd(players, processes, c->dir, stage);
    stage_plan(stage, STAGE_SYNC, 1, STAGE_HOLD);
    stage_plan(stage, STAGE_FRAME, CROWD * CROWD_THREADS, STAGE_TELL);
    stage_go(stage, processes[0].pid);
    assert_int_equal(stage_wait(stage, STAGE_SYNC), processes[0].pid);
    for (size_t i = 1; i < CROWD; i++)
        stage_go(stage, processes[i].pid);
    (void)stage_wait(stage, STAGE_FRAME);
    stage_go(stage, processes[0].pid);
    for (size_t i = 0; i < CROWD; i++)
        (void)stage_wait(stage, STAGE_READY);
    syncs = stage_count(stage, STAGE_SYNC);
    for (size_t i = 0; i < CROWD; i++) {
        stage_go(stage, processes[i].pid);
        for (size_t k = 0; k < CROWD_THREADS; k++) {
            struct said said = hear(&processes[i]);
            assert_said_ok(&said);
        }
        ends_well(&processes[i]);
    }
    found = all_is_well(c->dir);
    for (size_t life = 1; life <= CROWD * (1 + CROWD_THREADS); life++)
        assert_int_equal(found[life], 1);
    free(found);
    stage_free(stage);
    print_message("%llu syncs for %d durable appends\n", (unsigned long long)syncs,
                  CROWD * CROWD_THREADS);
    /* One for the first, one for all others; a few more where a thread has written its frame and
     * not said so yet when a sync begins. */
    assert_true(syncs <= CROWD * CROWD_THREADS / 2);
}

/* ---- who syncs ---- */

/* A process that has written its frame and is in its sync. */
static struct process hold_in_sync(struct player *player)
{
    struct process process = start(append_once, player);

    stage_plan(player->stage, STAGE_SYNC, 1, STAGE_HOLD);
    stage_go(player->stage, process.pid);
    assert_int_equal(stage_wait(player->stage, STAGE_SYNC), process.pid);
    return process;
}

static void killed_in_its_sync_it_holds_nobody_up(void **state)
{
    struct journal_case *c = *state;
    struct stage *stage = set(c->dir);
    struct player leader = {c->dir, stage, 1, 2, FOREVER_MS};
    struct player other = {c->dir, stage, 2, 4, FOREVER_MS};
    struct player third = {c->dir, stage, 3, 5, FOREVER_MS};
    struct process second = start(append_once, &other), first = hold_in_sync(&leader), late;
    struct said said;
    uint64_t *found;

    stage_plan(stage, STAGE_FRAME, 1, STAGE_TELL);
    stage_go(stage, second.pid);
    assert_int_equal(stage_wait(stage, STAGE_FRAME), second.pid);
    kill_and_bury(&first);
    said = hear(&second);
    assert_said_ok(&said);
    ends_well(&second);
    /* Nobody knows how that sync would have ended: the file is not trusted with another. */
    assert_int_equal(count_segments(c->dir), 2);
    late = start(append_once, &third);
    stage_go(stage, late.pid);
    said = hear(&late);
    assert_said_ok(&said);
    ends_well(&late);
    found = all_is_well(c->dir);
    assert_int_equal(found[0], 3);
    assert_true(found[1] == 0 || found[1] == 2);
    assert_int_equal(found[2], 4);
    assert_int_equal(found[3], 5);
    free(found);
    stage_free(stage);
}

/* Others sync by themselves, or say who holds them up; they do not hang.  As journal.h has it:
 * AVJ_EUNSYNCED means that the records are there, only not known to be durable. */
static void a_process_stopped_in_its_sync_is_named_or_not_needed(void **state)
{
    struct journal_case *c = *state;
    struct stage *stage = set(c->dir);
    struct player leader = {c->dir, stage, 1, 2, FOREVER_MS};
    struct player other = {c->dir, stage, 2, 4, IN_VAIN_MS}; /* and 3, the second time */
    struct process second = start(append_again, &other), first = hold_in_sync(&leader);
    struct said said;
    enum avj_status status;
    uint64_t *found;

    process_stop(&first);
    stage_go(stage, second.pid);
    said = hear(&second);
    status = said.status;
    print_message("%s\n", status == AVJ_OK ? "synced by itself" : said.message);
    if (status == AVJ_OK) {
        assert_said_ok(&said);
    } else {
        assert_int_equal(status, AVJ_EUNSYNCED);
        assert_names(said.message, &first);
    }
    assert_int_equal(stage_wait(stage, STAGE_READY), second.pid);
    process_continue(&first);
    stage_go(stage, first.pid);
    said = hear(&first);
    assert_said_ok(&said);
    ends_well(&first);
    stage_go(stage, second.pid);
    said = hear(&second);
    assert_said_ok(&said);
    ends_well(&second);
    found = all_is_well(c->dir);
    assert_int_equal(found[0], 3);
    assert_int_equal(found[1], 2);
    assert_int_equal(found[2], 4); /* written, in any case */
    assert_int_equal(found[3], 4);
    free(found);
    stage_free(stage);
}

/* Opening must not wait for it, and sees what it wrote, as not durable yet. */
static void a_journal_opens_while_another_process_is_stopped_in_its_sync(void **state)
{
    struct journal_case *c = *state;
    struct stage *stage = set(c->dir);
    const struct avj_journal_options options = options_of(stage, IN_VAIN_MS);
    struct player leader = {c->dir, stage, 1, 2, FOREVER_MS};
    struct process process = hold_in_sync(&leader);
    struct avj_journal *journal;
    struct said said;

    process_stop(&process);
    journal = open_journal(c->dir, &options);
    assert_int_equal(journal_info(journal).next_seq, 6);
    assert_int_equal(journal_info(journal).durable_seq, 3);
    assert_int_equal(append(journal, stage, 2, 4, AVJ_RELAXED).status, AVJ_OK);
    process_continue(&process);
    stage_go(stage, process.pid);
    said = hear(&process);
    assert_said_ok(&said);
    ends_well(&process);
    assert_true(journal_info(journal).durable_seq >= 5);
    avj_journal_close(journal);
    assert_found(c->dir, (const uint64_t[]){3, 2, 4}, 3);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS_CASE(one_sync_serves_all_processes_and_threads_that_wait),
        PROCESS_CASE(killed_in_its_sync_it_holds_nobody_up),
        PROCESS_CASE(a_process_stopped_in_its_sync_is_named_or_not_needed),
        PROCESS_CASE(a_journal_opens_while_another_process_is_stopped_in_its_sync),
    };

    alarm(HANGS_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
