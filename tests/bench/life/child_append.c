/* Appending: until it is killed, and to what is large beside what is empty. */
#include "tests/bench/life/child.h"
#include "replay/clock.h"
#include "tests/support/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN 50
/* Later than all that was loaded. */
#define LATE_MS INT64_C(1893456000000) /* 2030-01-01 */

/* Makes one message after the other, by way of a list of items that holds one. */
struct talker {
    struct message_maker maker;
    struct bench one;
    int64_t now_ms;
};

static void begin_talking(struct talker *talker)
{
    memset(talker, 0, sizeof *talker);
    /* Ids are of the seed: another one in every process. */
    message_maker_init(&talker->maker, bench_now_ns());
    talker->now_ms = (int64_t)(bench_now_ns() / 1000000) + LATE_MS;
}

static void stop_talking(struct talker *talker)
{
    bench_data_free(&talker->one);
    message_maker_release(&talker->maker);
}

static const struct bench_item *next_message(struct talker *talker, const char *thread)
{
    struct message m;

    bench_data_clear(&talker->one, talker->one.count);
    message_next(&talker->maker, &m);
    snprintf(m.thread, sizeof m.thread, "%s", thread);
    avj_time_format(++talker->now_ms, m.created_at);
    bench_data_message(&talker->one, &m);
    return &talker->one.items[0];
}

struct first {
    char ids[LIFE_FIRST][64];
    size_t count;
};

static void take_first(void *arg, const char *id, size_t len)
{
    struct first *first = arg;

    snprintf(first->ids[first->count++], sizeof first->ids[0], "%.*s", (int)len, id);
}

/* Says a byte for every message.  Ends when nobody listens, at the latest. */
void child_write(const struct child *child)
{
    void *state = child->engine->open(child->engine, child->dir, LIFE_USED);
    struct first first = {0};
    struct talker talker;

    (void)child->engine->threads(state, LIFE_FIRST, take_first, &first);
    begin_talking(&talker);
    for (size_t i = 0; first.count > 0; i++) {
        /* a few exchanges in each */
        const char *thread = first.ids[i / 8 % first.count];
        child->engine->put(state, next_message(&talker, thread), 1, false);
        if (write(1, "+", 1) != 1)
            break;
    }
    stop_talking(&talker);
}

/* ---- the large beside the empty ---- */

struct lane {
    void *state;
    char thread[64];
    uint64_t *ns, relaxed_ns;
};

static void take_one(void *arg, const char *id, size_t len)
{
    struct lane *lane = arg;

    snprintf(lane->thread, sizeof lane->thread, "%.*s", (int)len, id);
}

static void open_large(const struct child *child, struct lane *lane)
{
    lane->state = child->engine->open(child->engine, child->dir, LIFE_USED);
    (void)child->engine->threads(lane->state, 1, take_one, lane);
}

/* A thread is made in it, for the messages. */
static void open_empty(const struct child *child, struct lane *lane, const char *dir)
{
    struct avj_pack pack = {0};
    struct bench one = {0};

    lane->state = child->engine->open(child->engine, dir, LIFE_NEW);
    snprintf(lane->thread, sizeof lane->thread, "thread-in-what-is-empty");
    avj_pack_map(&pack, 3);
    avj_pack_cstr(&pack, "id");
    avj_pack_cstr(&pack, lane->thread);
    avj_pack_cstr(&pack, "title");
    avj_pack_cstr(&pack, "New");
    avj_pack_cstr(&pack, "createdAt");
    avj_pack_cstr(&pack, "2025-03-01T08:00:00.000+00:00");
    if (pack.failed)
        bench_die("out of memory");
    bench_data_add(&one, AVJ_THREAD, lane->thread, (struct avj_fields){pack.data, pack.len}, 0);
    child->engine->put(lane->state, one.items, 1, true);
    bench_data_free(&one);
    avj_pack_release(&pack);
}

static void turn(const struct child *child, struct talker *talker, struct lane *lane, size_t from,
                 size_t end, bool durable)
{
    for (size_t i = from; i < end; i++) {
        const struct bench_item *item = next_message(talker, lane->thread);
        uint64_t start = bench_now_ns(), ns;
        child->engine->put(lane->state, item, 1, durable);
        ns = bench_now_ns() - start;
        if (durable)
            lane->ns[i] = ns;
        else
            lane->relaxed_ns += ns;
    }
}

static void take_turns(const struct child *child, struct lane lanes[2], size_t ops, bool durable)
{
    struct talker talker;

    begin_talking(&talker);
    for (size_t from = 0; from < ops; from += TURN) {
        size_t end = ops - from < TURN ? ops : from + TURN;
        for (size_t k = 0; k < 2; k++)
            turn(child, &talker, &lanes[(k + from / TURN) % 2], from, end, durable);
    }
    stop_talking(&talker);
}

/* Arguments: the empty folder, how many appends of each kind. */
void child_append(const struct child *child)
{
    struct lane lanes[2] = {{0}, {0}};
    size_t ops = child_number(child, 1);

    open_large(child, &lanes[0]);
    open_empty(child, &lanes[1], child->rest[0]);
    for (size_t k = 0; k < 2; k++)
        lanes[k].ns = bench_calloc(ops, sizeof *lanes[k].ns);
    take_turns(child, lanes, ops, true);
    take_turns(child, lanes, ops, false);
    for (size_t k = 0; k < 2; k++) {
        child_say(k == 0 ? "large_durable_ns" : "empty_durable_ns",
                  child_percentile(lanes[k].ns, ops, 50));
        child_say(k == 0 ? "large_relaxed_ns" : "empty_relaxed_ns", lanes[k].relaxed_ns / ops);
        child->engine->close(lanes[k].state);
    }
}
