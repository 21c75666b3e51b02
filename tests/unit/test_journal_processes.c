/*
 * Several processes on one journal, at chosen moments: one is stopped or killed while it holds the
 * lock or is in the middle of a frame, and the others must be told, or go on; and they wake each
 * other.  The stage (stage_io.h) holds each process at its place; nothing here waits by time.
 */
#include "tests/support/players.h"

#include <poll.h>

/* ---- the lock ---- */

/* A stopped process holds the lock and has not written its frame.  Gives it; `other` has been told
 * so and is ready to try again. */
static struct process stop_a_holder(struct player *holder, struct process *other)
{
    struct stage *stage = holder->stage;
    struct process process = start(append_once, holder);
    struct said said;

    stage_plan(stage, STAGE_FRAME, 1, STAGE_HOLD);
    stage_go(stage, process.pid);
    assert_int_equal(stage_wait(stage, STAGE_FRAME), process.pid);
    process_stop(&process);
    stage_go(stage, other->pid);
    said = hear(other);
    assert_int_equal(said.status, AVJ_ELOCKED);
    assert_names(said.message, &process);
    assert_int_equal(stage_wait(stage, STAGE_READY), other->pid);
    return process;
}

static void a_stopped_holder_of_the_lock_is_named_and_others_go_on_when_it_does(void **state)
{
    struct journal_case *c = *state;
    struct stage *stage = set(c->dir);
    struct player holder = {c->dir, stage, 1, 2, FOREVER_MS};
    struct player other = {c->dir, stage, 2, 4, IN_VAIN_MS};
    struct process second = start(append_again, &other), first = stop_a_holder(&holder, &second);
    struct said said;

    process_continue(&first);
    stage_go(stage, first.pid);
    said = hear(&first);
    assert_said_ok(&said);
    ends_well(&first);
    stage_go(stage, second.pid);
    said = hear(&second);
    assert_said_ok(&said);
    ends_well(&second);
    assert_found(c->dir, (const uint64_t[]){3, 2, 0, 4}, 4);
    stage_free(stage);
}

static void others_go_on_when_the_stopped_holder_of_the_lock_is_killed(void **state)
{
    struct journal_case *c = *state;
    struct stage *stage = set(c->dir);
    struct player holder = {c->dir, stage, 1, 2, FOREVER_MS};
    struct player other = {c->dir, stage, 2, 4, IN_VAIN_MS};
    struct process second = start(append_again, &other), first = stop_a_holder(&holder, &second);
    struct said said;

    kill_and_bury(&first);
    stage_go(stage, second.pid);
    said = hear(&second);
    assert_said_ok(&said);
    ends_well(&second);
    assert_found(c->dir, (const uint64_t[]){3, 0, 0, 4}, 4);
    stage_free(stage);
}

/* ---- half a frame ---- */

/* A process that has written the first half of a frame, and waits. */
static struct process write_half(struct player *player)
{
    struct process process = start(append_once, player);

    stage_plan(player->stage, STAGE_FRAME, 1, STAGE_HALF);
    stage_go(player->stage, process.pid);
    assert_int_equal(stage_wait(player->stage, STAGE_FRAME), process.pid);
    return process;
}

static void killed_in_the_middle_of_a_frame_it_costs_that_frame_only(void **state)
{
    struct journal_case *c = *state;
    struct stage *stage = set(c->dir);
    struct player torn = {c->dir, stage, 1, 20, FOREVER_MS};
    struct player other = {c->dir, stage, 2, 4, FOREVER_MS};
    struct process second = start(append_once, &other), first = write_half(&torn);
    struct said said;

    assert_int_equal(count_segments(c->dir), 1);
    kill_and_bury(&first);
    stage_go(stage, second.pid);
    said = hear(&second);
    assert_said_ok(&said);
    ends_well(&second);
    assert_int_equal(said.first_seq, 4);
    assert_int_equal(count_segments(c->dir), 2);
    assert_found(c->dir, (const uint64_t[]){3, 0, 4}, 3);
    stage_free(stage);
}

/* Zeros behind the log's end, as a writer leaves them that reserves space. */
static void reserve(const char *dir)
{
    static const uint8_t zeros[16384];
    char *segment = last_segment(dir);

    test_append_file(segment, zeros, sizeof zeros);
    free(segment);
}

/* A cursor that has looked at nothing, then at the half, sees the whole. */
static void half_a_frame_is_no_damage_and_is_whole_when_its_process_goes_on(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options read_only = {.read_only = true};
    struct stage *stage = set(c->dir);
    struct player player = {c->dir, stage, 1, 20, FOREVER_MS};
    struct process process;
    struct avj_journal *reader;
    struct avj_cursor *cursor;
    struct avj_error err = {0};
    struct lives lives;
    struct said said;

    reserve(c->dir);
    reader = open_journal(c->dir, &read_only);
    lives_init(&lives, LIVES);
    assert_ok(avj_cursor_open(reader, 0, &cursor, &err), err);
    assert_ok(lives_follow(&lives, cursor, &err), err);
    assert_int_equal(lives.seq, 3);
    process = write_half(&player);
    process_stop(&process);
    assert_ok(lives_follow(&lives, cursor, &err), err);
    assert_int_equal(lives.seq, 3);
    assert_int_equal(journal_info(reader).next_seq, 4);
    process_continue(&process);
    stage_go(stage, process.pid);
    said = hear(&process);
    assert_said_ok(&said);
    ends_well(&process);
    assert_ok(lives_follow(&lives, cursor, &err), err);
    assert_int_equal(lives.seq, 23);
    assert_int_equal(journal_info(reader).next_seq, 24);
    avj_cursor_close(cursor);
    lives_release(&lives);
    avj_journal_close(reader);
    assert_int_equal(count_segments(c->dir), 1);
    assert_found(c->dir, (const uint64_t[]){3, 20}, 2);
    stage_free(stage);
}

/* ---- waking ---- */

#define TURNS       400
#define TURN_COUNT  12
#define PATIENCE_MS 60000

/* Reads on until `seq` has been seen, sleeping on the wake-up descriptor only. */
static int await(struct avj_journal *journal, struct avj_cursor *cursor, struct lives *lives,
                 uint64_t seq, struct avj_error *err)
{
    struct pollfd wake = {.fd = avj_journal_wake_fd(journal), .events = POLLIN};

    for (;;) {
        avj_journal_woken(journal);
        if (lives_follow(lives, cursor, err) != AVJ_OK)
            return -1;
        if (lives->seq >= seq)
            return 0;
        if (poll(&wake, 1, PATIENCE_MS) != 1) {
            snprintf(err->message, sizeof err->message, "not woken behind record %llu",
                     (unsigned long long)lives->seq);
            return -1;
        }
    }
}

/* Appends in every second turn, as soon as the other one's append was seen. */
static int play_ping_pong(void *arg, int out)
{
    const struct player *me = arg;
    struct avj_journal *journal = player_open(me);
    struct avj_cursor *cursor = NULL;
    struct avj_error err = {0};
    struct lives lives;
    int failed = !journal || avj_journal_wake_fd(journal) < 0 ||
                 avj_cursor_open(journal, 0, &cursor, &err) != AVJ_OK;

    (void)out;
    lives_init(&lives, 2);
    stage_ready(me->stage);
    for (uint64_t turn = 0; turn < TURNS && !failed; turn++) {
        enum avj_durability durability = turn / 2 % 2 ? AVJ_DURABLE : AVJ_RELAXED;
        if (turn % 2 == me->life)
            failed = life_append(journal, me->life, turn / 2 * TURN_COUNT, TURN_COUNT, durability,
                                 NULL, &err) != AVJ_OK;
        failed = failed || await(journal, cursor, &lives, (turn + 1) * TURN_COUNT, &err) != 0;
    }
    if (failed)
        fprintf(stderr, "life %llu: %s\n", (unsigned long long)me->life, err.message);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
    lives_release(&lives);
    return failed;
}

static void two_processes_play_ping_pong_with_nothing_but_the_wake_up_descriptor(void **state)
{
    struct journal_case *c = *state;
    struct stage *stage = stage_new();
    const struct avj_journal_options options = options_of(NULL, FOREVER_MS);
    struct player players[2];
    struct process processes[2];

#if !defined(__linux__)
    skip();
#endif
    create_journal(c->dir, &options);
    for (size_t i = 0; i < 2; i++) {
        players[i] = (struct player){c->dir, stage, i, 0, FOREVER_MS};
        processes[i] = start(play_ping_pong, &players[i]);
    }
    for (size_t i = 0; i < 2; i++)
        stage_go(stage, processes[i].pid);
    for (size_t i = 0; i < 2; i++)
        ends_well(&processes[i]);
    assert_true(count_segments(c->dir) > 2);
    assert_found(c->dir, (const uint64_t[]){TURNS / 2 * TURN_COUNT, TURNS / 2 * TURN_COUNT}, 2);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS_CASE(a_stopped_holder_of_the_lock_is_named_and_others_go_on_when_it_does),
        PROCESS_CASE(others_go_on_when_the_stopped_holder_of_the_lock_is_killed),
        PROCESS_CASE(killed_in_the_middle_of_a_frame_it_costs_that_frame_only),
        PROCESS_CASE(half_a_frame_is_no_damage_and_is_whole_when_its_process_goes_on),
        PROCESS_CASE(two_processes_play_ping_pong_with_nothing_but_the_wake_up_descriptor),
    };

    alarm(HANGS_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
