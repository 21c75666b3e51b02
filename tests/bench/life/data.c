/*
 * The messages of a life: who talks when in which thread.  What is said is made up by
 * tests/support/messages.h, a maker a thread, so that a thread keeps to its topic.
 */
#include "tests/bench/life/life.h"
#include "replay/clock.h"
#include "tests/support/messages.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_MS INT64_C(1451635200000) /* 2016-01-01T08:00:00Z */
/* Some 270 messages a day. */
#define BETWEEN_RUNS_MS     (INT64_C(40) * 60 * 1000)
#define BETWEEN_MESSAGES_MS (INT64_C(25) * 1000)
#define EXCHANGES           4    /* of one run, on average */
#define BACK                8    /* how many threads back a person goes on, on average */
#define OLD_ONE_IN          33   /* runs that take up any thread of the past */
#define PINNED_ONE_IN       1000 /* threads */

struct talk {
    struct message_maker maker;
    char id[40];
    size_t said;
};

struct life {
    struct bench *bench;
    struct test_rng rng;
    struct talk *talks;
    size_t opened, said;
    size_t rare; /* one message of so many has the rare word */
    int64_t now_ms;
};

/* Exponentially distributed: what is short is frequent. */
static double draw(struct test_rng *rng, double mean)
{
    return -mean * log(1 - test_rng_unit(rng));
}

static void pack_thread(struct avj_pack *pack, const struct talk *talk, size_t number,
                        const char *time)
{
    char title[64];

    snprintf(title, sizeof title, "Conversation %zu", number);
    avj_pack_map(pack, 6);
    avj_pack_cstr(pack, "id");
    avj_pack_cstr(pack, talk->id);
    avj_pack_cstr(pack, "title");
    avj_pack_cstr(pack, title);
    avj_pack_cstr(pack, "createdAt");
    avj_pack_cstr(pack, time);
    avj_pack_cstr(pack, "updatedAt");
    avj_pack_cstr(pack, time);
    avj_pack_cstr(pack, "lastMessageAt");
    avj_pack_cstr(pack, time);
    avj_pack_cstr(pack, "isPinned");
    avj_pack_bool(pack, number % PINNED_ONE_IN == 0);
}

static void open_talk(struct life *life, struct talk *talk, const char *time)
{
    struct avj_pack pack = {0};
    struct message m = {.number = life->opened * MESSAGES_PER_THREAD};
    char *line;

    snprintf(m.thread, sizeof m.thread, "thread_%" PRId64 "_%09" PRIx64, life->now_ms,
             test_rng_next(&life->rng) & UINT64_C(0xfffffffff));
    memcpy(talk->id, m.thread, sizeof talk->id);
    snprintf(m.created_at, sizeof m.created_at, "%s", time);
    pack_thread(&pack, talk, life->opened, time);
    if (pack.failed)
        bench_die("out of memory");
    line = message_thread_line(&m);
    bench_data_add(life->bench, AVJ_THREAD, talk->id, (struct avj_fields){pack.data, pack.len},
                   strlen(line));
    avj_pack_release(&pack);
    free(line);
    life->opened++;
}

/* The maker's number says whose turn it is, and begins a topic at 0. */
static void say(struct life *life, struct talk *talk)
{
    char time[AVJ_TIME_TEXT];
    struct message m;

    avj_time_format(life->now_ms, time);
    if (talk->said == 0)
        open_talk(life, talk, time);
    talk->maker.number = talk->said == 0 ? 0 : talk->said % 2 ? 1 : 2;
    message_next(&talk->maker, &m);
    memcpy(m.thread, talk->id, sizeof m.thread);
    memcpy(m.created_at, time, sizeof m.created_at);
    if (life->said % life->rare == life->rare / 2 && m.len > strlen(LIFE_RARE " "))
        memcpy(m.content, LIFE_RARE " ", strlen(LIFE_RARE " "));
    bench_data_message(life->bench, &m);
    talk->said++;
    life->said++;
    life->now_ms += 1 + (int64_t)draw(&life->rng, (double)BETWEEN_MESSAGES_MS);
}

/* New threads are opened evenly over the time; else one of the last ones goes on, or now and then
 * any old one. */
static struct talk *choose(struct life *life)
{
    const struct bench *bench = life->bench;
    size_t back;

    if (life->opened * bench->messages <= life->said * bench->threads &&
        life->opened < bench->threads)
        return &life->talks[life->opened];
    if (test_rng_below(&life->rng, OLD_ONE_IN) == 0)
        return &life->talks[test_rng_below(&life->rng, life->opened)];
    back = (size_t)draw(&life->rng, BACK);
    return &life->talks[life->opened - 1 - (back < life->opened ? back : life->opened - 1)];
}

static void talk_in_runs(struct life *life)
{
    while (life->said < life->bench->messages) {
        struct talk *talk = choose(life);
        size_t run = 2 * (1 + (size_t)draw(&life->rng, EXCHANGES - 0.5));
        for (size_t i = 0; i < run && life->said < life->bench->messages; i++)
            say(life, talk);
        life->now_ms += (int64_t)draw(&life->rng, (double)BETWEEN_RUNS_MS);
    }
}

static void talk_everywhere(struct life *life)
{
    while (life->said < life->bench->messages) {
        say(life, &life->talks[test_rng_below(&life->rng, life->bench->threads)]);
        life->now_ms += (int64_t)draw(&life->rng, (double)BETWEEN_RUNS_MS / (2 * EXCHANGES));
    }
}

/* All makers write into one buffer: there are many. */
static void prepare(struct life *life, uint64_t seed, char *buffer)
{
    size_t count = life->bench->threads;

    life->talks = bench_calloc(count, sizeof *life->talks);
    test_rng_init(&life->rng, seed);
    for (size_t i = 0; i < count; i++) {
        test_rng_init(&life->talks[i].maker.rng, test_rng_next(&life->rng));
        life->talks[i].maker.buffer = buffer;
    }
}

void life_data_make(struct bench *bench, uint64_t seed, bool scattered)
{
    struct life life = {.bench = bench, .now_ms = FIRST_MS, .rare = bench->messages / LIFE_RARES};
    char *buffer = bench_calloc(1, MESSAGE_MAX + 1);

    if (life.rare == 0)
        life.rare = 1;
    prepare(&life, seed, buffer);
    if (scattered)
        talk_everywhere(&life);
    else
        talk_in_runs(&life);
    free(life.talks);
    free(buffer);
}
