/*
 * One durable append of one message: what a user waits for after pressing return.  The engines take
 * turns, a few appends each, so that whatever else the disk is doing meets all of them alike.
 */
#include "tests/bench/engines.h"

#include <stdlib.h>

#define TURN 50

static const char name[] = "durable-append";

struct lane {
    struct engine_run run;
    uint64_t *ns; /* one an append */
    uint64_t cpu_ns;
};

static void take_turn(struct lane *lane, const struct bench *bench, size_t from, size_t end)
{
    uint64_t cpu = bench_cpu_ns();

    for (size_t i = from; i < end; i++) {
        uint64_t start = bench_now_ns();
        lane->run.engine->append(lane->run.state, &bench->items[i], 1);
        lane->ns[i] = bench_now_ns() - start;
    }
    lane->cpu_ns += bench_cpu_ns() - cpu;
}

static uint64_t json_of_ops(const struct bench *bench)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < bench->ops; i++)
        bytes += bench->items[i].json_len;
    return bytes;
}

/* Where messages came round again, what they take says nothing. */
static void add_disk(const struct bench *bench, const char *engine, const char *unit,
                     const char *of_json, uint64_t bytes)
{
    if (bench->ops > bench->count)
        return;
    bench_add("disk-durable", engine, bench->ops, unit, (double)bytes / (double)bench->ops);
    bench_add("disk-durable", engine, bench->ops, of_json,
              (double)bytes / (double)json_of_ops(bench));
}

static void add_times(const struct bench *bench, const struct lane *lane)
{
    const char *engine = lane->run.engine->name;
    uint64_t sum = 0;

    for (size_t i = 0; i < bench->ops; i++)
        sum += lane->ns[i];
    bench_add_latencies(name, engine, lane->ns, bench->ops);
    bench_add(name, engine, bench->ops, "ops/s", (double)bench->ops * 1e9 / (double)sum);
    bench_add(name, engine, bench->ops, "CPU us/append",
              (double)lane->cpu_ns / 1e3 / (double)bench->ops);
}

static void end_lane(struct lane *lane, const struct bench *bench)
{
    const struct engine *engine = lane->run.engine;
    uint64_t counted = 0;

    add_times(bench, lane);
    engine_check(bench, &lane->run, bench->ops);
    if (engine->counted)
        counted = engine->counted(lane->run.state);
    add_disk(bench, engine->name, "bytes/message", "of the JSON", engine_finish(&lane->run));
    if (engine->counted)
        add_disk(bench, engine->name, "bytes/message counted", "of the JSON counted", counted);
    free(lane->ns);
}

void bench_durable(struct bench *bench)
{
    const struct engine *engines[ENGINES_MAX];
    struct lane lanes[ENGINES_MAX];
    size_t count = engines_for(bench, ENGINE_DURABLE, engines);

    for (size_t k = 0; k < count; k++) {
        lanes[k] = (struct lane){.run = engine_start(bench, engines[k], true)};
        lanes[k].ns = bench_calloc(bench->ops, sizeof *lanes[k].ns);
    }
    for (size_t from = 0; from < bench->ops; from += TURN)
        for (size_t k = 0; k < count; k++)
            take_turn(&lanes[k], bench, from, bench->ops - from < TURN ? bench->ops : from + TURN);
    for (size_t k = 0; k < count; k++)
        end_lane(&lanes[k], bench);
}
