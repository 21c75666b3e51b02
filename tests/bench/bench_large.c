/*
 * Appending to a journal that holds much already, beside an empty one: both must be as fast.  The
 * large one is built once, in bulk, and used by every round; both are opened anew in each.
 */
#include "tests/bench/bench.h"
#include "tests/support/files.h"

#include <stdlib.h>
#include <string.h>

#define TURN 50

struct lane {
    const char *name;
    char *path;
    struct avj_journal *journal;
    uint64_t *ns;
    uint64_t relaxed_ns;
};

static struct avj_journal *open_journal(const struct bench *bench, const char *path)
{
    struct avj_journal_options options = {.compression_level = bench->level};
    struct avj_journal *journal;
    struct avj_error err;

    bench_ok(avj_journal_open(path, &options, &journal, &err), &err, "journal");
    return journal;
}

static void create_journal(const struct bench *bench, const char *path)
{
    struct avj_journal_options options = {.compression_level = bench->level};
    struct avj_error err;

    bench_ok(avj_journal_create(path, &options, &err), &err, "journal");
}

/* The journal knows nothing of what it holds: the same messages may come round again. */
static void build(const struct bench *bench, const char *path)
{
    struct avj_slice records[BENCH_BATCH];
    struct avj_journal *journal;
    struct avj_error err;
    size_t batch = bench->count < BENCH_BATCH ? bench->count : BENCH_BATCH;

    create_journal(bench, path);
    journal = open_journal(bench, path);
    for (size_t done = 0; done < bench->large; done += batch) {
        for (size_t i = 0; i < batch; i++)
            records[i] = bench->items[(done + i) % bench->count].entry;
        bench_ok(avj_journal_append(journal, records, batch, AVJ_RELAXED, NULL, &err), &err,
                 "journal");
    }
    bench_ok(avj_journal_sync(journal, &err), &err, "journal");
    avj_journal_close(journal);
}

static void append(const struct bench *bench, struct lane *lane, size_t i,
                   enum avj_durability durability)
{
    struct avj_error err;

    bench_ok(avj_journal_append(lane->journal, &bench->items[i].entry, 1, durability, NULL, &err),
             &err, lane->name);
}

static void durable_turn(const struct bench *bench, struct lane *lane, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        uint64_t start = bench_now_ns();
        append(bench, lane, i, AVJ_DURABLE);
        lane->ns[i] = bench_now_ns() - start;
    }
}

static void relaxed_turn(const struct bench *bench, struct lane *lane, size_t from, size_t end)
{
    uint64_t start = bench_now_ns();

    for (size_t i = from; i < end; i++)
        append(bench, lane, i, AVJ_RELAXED);
    lane->relaxed_ns += bench_now_ns() - start;
}

static void take_turns(const struct bench *bench, struct lane lanes[2],
                       void (*turn)(const struct bench *bench, struct lane *lane, size_t from,
                                    size_t end))
{
    for (size_t from = 0; from < bench->ops; from += TURN) {
        size_t end = bench->ops - from < TURN ? bench->ops : from + TURN;
        for (size_t k = 0; k < 2; k++)
            turn(bench, &lanes[(k + (size_t)bench->round) % 2], from, end);
    }
}

static void open_lane(const struct bench *bench, struct lane *lane)
{
    uint64_t start = bench_now_ns();

    lane->journal = open_journal(bench, lane->path);
    bench_add("large-open", lane->name, bench->large, "ms", (double)(bench_now_ns() - start) / 1e6);
    lane->ns = bench_calloc(bench->ops, sizeof *lane->ns);
}

static void end_lane(const struct bench *bench, struct lane *lane)
{
    bench_add_latencies("large-durable", lane->name, lane->ns, bench->ops);
    bench_add("large-relaxed", lane->name, bench->ops, "msgs/s",
              (double)bench->ops * 1e9 / (double)lane->relaxed_ns);
    avj_journal_close(lane->journal);
    free(lane->ns);
}

void bench_large(struct bench *bench)
{
    struct lane lanes[2] = {{.name = "large"}, {.name = "empty"}};

    lanes[0].path = test_path(bench->dir, "large");
    lanes[1].path = test_path(bench->dir, "empty");
    if (!test_exists(lanes[0].path))
        build(bench, lanes[0].path);
    create_journal(bench, lanes[1].path);
    for (size_t k = 0; k < 2; k++)
        open_lane(bench, &lanes[k]);
    take_turns(bench, lanes, durable_turn);
    take_turns(bench, lanes, relaxed_turn);
    for (size_t k = 0; k < 2; k++)
        end_lane(bench, &lanes[k]);
    free(lanes[0].path);
    test_dir_free(lanes[1].path);
}
