/* The flow of a life's benchmarks, and their results: see life.h. */
#include "tests/bench/life/life.h"
#include "tests/support/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READS      2000
#define FEW_READS  500  /* of scattered messages: what keeps a log takes 50 frames for each */
#define LONG_RUNS  3    /* of what takes seconds */
#define LAST_WORDS 1000 /* messages written before the writer is killed, at least */

/* What is compared: the name in the results, which is that of its folder, and the engine. */
struct lane {
    const char *name, *engine;
    /* Stores: how these are called in the results: replay with one thread, and zstd alone. */
    const char *alone, *zstd;
};

static const struct lane lanes[] = {
    {"store", "store-still", "store, one thread", "zstd of store"},
    {"store-sealed", "store", "store-sealed, one thread", "zstd of store-sealed"},
    {"store-synced", "store-still", "store-synced, one thread", "zstd of store-synced"},
    {"sqlite", "sqlite", NULL, NULL},
    {"lmdb", "lmdb", NULL, NULL},
};

#define LANES (sizeof lanes / sizeof lanes[0])

static bool is_there(const struct bench *bench, const struct lane *lane)
{
    char *dir = test_path(bench->dir, "%s", lane->name);
    bool there = test_exists(dir);

    free(dir);
    return there;
}

static void remove_all(const struct bench *bench)
{
    for (size_t i = 0; i < LANES; i++)
        if (is_there(bench, &lanes[i]))
            test_dir_free(test_path(bench->dir, "%s", lanes[i].name));
}

static size_t long_runs(const struct bench *bench)
{
    return bench->rounds < LONG_RUNS ? (size_t)bench->rounds : LONG_RUNS;
}

static void add_ms(const struct bench *bench, const char *series, const char *name,
                   const struct life_answer *answer)
{
    bench_add(series, name, bench->messages, "ms", (double)life_answer(answer, "ns") / 1e6);
}

static void add_memory(const struct bench *bench, const char *series, const char *name,
                       const struct life_answer *answer)
{
    static const char *const units[][2] = {{"MB resident", "resident_kb"},
                                           {"MB anonymous", "anonymous_kb"},
                                           {"MB at most", "peak_kb"}};

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        bench_add(series, name, bench->messages, units[i][0],
                  (double)life_answer(answer, units[i][1]) * 1024 / 1e6);
}

/* All engines must say the same: what they hold is the same. */
static void same(uint64_t *first, const struct life_answer *answer, const char *what,
                 const char *name)
{
    uint64_t digest = life_answer(answer, "digest");

    if (*first == 0)
        *first = digest;
    if (*first != digest)
        bench_die("%s: %s reads something else than the first engine", what, name);
}

/* ---- reading ---- */

static void newest(const struct bench *bench, const char *series, int count)
{
    uint64_t digest = 0;
    char reads[16];

    snprintf(reads, sizeof reads, "%d", count);
    for (size_t i = 0; i < LANES; i++) {
        struct life_answer answer;
        if (!is_there(bench, &lanes[i]))
            continue;
        answer = life_ask(bench, "newest", lanes[i].engine, lanes[i].name, reads, NULL);
        same(&digest, &answer, series, lanes[i].name);
        bench_add(series, lanes[i].name, (size_t)count, "us p50",
                  (double)life_answer(&answer, "p50_ns") / 1e3);
        bench_add(series, lanes[i].name, (size_t)count, "us p99",
                  (double)life_answer(&answer, "p99_ns") / 1e3);
        bench_add(series, lanes[i].name, (size_t)count, "MB resident",
                  (double)life_answer(&answer, "resident_kb") * 1024 / 1e6);
        life_answer_free(&answer);
    }
}

static void open_all(const struct bench *bench)
{
    uint64_t digest = 0;

    for (size_t i = 0; i < LANES; i++) {
        struct life_answer answer;
        if (!is_there(bench, &lanes[i]))
            continue;
        answer = life_ask(bench, "open", lanes[i].engine, lanes[i].name, "0", NULL);
        same(&digest, &answer, "the list of threads", lanes[i].name);
        add_ms(bench, "life-open-all", lanes[i].name, &answer);
        add_memory(bench, "life-open-all", lanes[i].name, &answer);
        life_answer_free(&answer);
    }
}

/* ---- opening after a crash ---- */

static void open_first(const struct bench *bench, const struct lane *lane)
{
    char first[16];
    struct life_answer answer;

    snprintf(first, sizeof first, "%d", LIFE_FIRST);
    life_write_and_kill(bench, lane->engine, lane->name,
                        LAST_WORDS + (size_t)bench->round * 37 % 100);
    answer = life_ask(bench, "open", lane->engine, lane->name, first, NULL);
    add_ms(bench, "life-open", lane->name, &answer);
    add_memory(bench, "life-open", lane->name, &answer);
    life_answer_free(&answer);
}

/* ---- reading the whole log ---- */

/* How zstd alone does is added to the results of everything that reads the whole log. */
static uint64_t by_zstd(const struct bench *bench, const struct lane *lane)
{
    struct life_answer answer = life_ask(bench, "zstd", "store", lane->name, "5" /* times */, NULL);
    uint64_t raw = life_answer(&answer, "raw");
    double rate = (double)raw * 1e3 / (double)life_answer(&answer, "ns");

    bench_add("life-replay", lane->zstd, bench->messages, "MB/s", rate);
    bench_add("life-fsck", lane->zstd, bench->messages, "MB/s", rate);
    life_answer_free(&answer);
    return raw;
}

static void add_rate(const struct bench *bench, const char *series, const char *name,
                     const struct life_answer *answer, uint64_t raw)
{
    uint64_t ns = life_answer(answer, "ns");

    bench_add(series, name, bench->messages, "MB/s", (double)raw * 1e3 / (double)ns);
    bench_add(series, name, bench->messages, "messages/s",
              (double)bench->messages * 1e9 / (double)ns);
    bench_add(series, name, bench->messages, "ms", (double)ns / 1e6);
    bench_add(series, name, bench->messages, "MB at most",
              (double)life_answer(answer, "peak_kb") * 1024 / 1e6);
}

static void replay(const struct bench *bench, const struct lane *lane, const char *engine,
                   const char *name, uint64_t raw)
{
    char first[16];
    struct life_answer answer;

    snprintf(first, sizeof first, "%d", LIFE_FIRST);
    answer = life_ask(bench, "open", engine, lane->name, first, NULL);
    add_rate(bench, "life-replay", name, &answer, raw);
    life_answer_free(&answer);
}

static void check(const struct bench *bench, const struct lane *lane, uint64_t raw)
{
    char *folder = bench_own_folder(), *program = test_path(folder, "../bin/avchat-fsck");
    struct life_answer answer = life_ask(bench, "run", "store", lane->name, program, NULL);
    uint64_t code = life_answer(&answer, "exit");

    if (code != 0 && code != 64)
        bench_die("%s: %s ended with %d", lane->name, program, (int)code);
    add_rate(bench, "life-fsck", lane->name, &answer, raw);
    life_answer_free(&answer);
    free(program);
    free(folder);
}

static void read_logs(const struct bench *bench)
{
    for (size_t i = 0; i < LANES; i++) {
        uint64_t raw;
        if (!lanes[i].zstd || !is_there(bench, &lanes[i]))
            continue;
        raw = by_zstd(bench, &lanes[i]);
        for (size_t k = 0; k < long_runs(bench); k++) {
            replay(bench, &lanes[i], "store-replaying", lanes[i].name, raw);
            replay(bench, &lanes[i], "store-replaying-alone", lanes[i].alone, raw);
            check(bench, &lanes[i], raw);
        }
    }
}

/* ---- searching ---- */

static struct {
    const char *series, *word, *limit;
    uint64_t hits; /* of the first engine */
} searches[] = {
    {"life-search-rare", LIFE_RARE, "0", 0},
    {"life-search-common", LIFE_COMMON, "0", 0},
    {"life-search-common-50", LIFE_COMMON, "50", 0},
};

/* What looks for words only finds less. */
static void same_hits(size_t i, uint64_t hits, bool whole_words, const char *name)
{
    if (searches[i].hits == 0)
        searches[i].hits = hits;
    if (whole_words ? hits > searches[i].hits : hits != searches[i].hits)
        bench_die("%s: %s finds something else than the first engine", searches[i].series, name);
}

static void search_by(const struct bench *bench, const char *name, const char *engine,
                      const char *folder)
{
    for (size_t i = 0; i < sizeof searches / sizeof searches[0]; i++) {
        struct life_answer answer =
            life_ask(bench, "search", engine, folder, searches[i].word, searches[i].limit, NULL);
        add_ms(bench, searches[i].series, name, &answer);
        bench_add(searches[i].series, name, bench->messages, "hits",
                  (double)life_answer(&answer, "hits"));
        same_hits(i, life_answer(&answer, "hits"), strcmp(name, "sqlite-fts") == 0, name);
        life_answer_free(&answer);
    }
}

/* Of the stores the one that is as a life's are: each search takes its second. */
static void search(const struct bench *bench)
{
    search_by(bench, "store-sealed", "store", "store-sealed");
    if (life_sqlite.package)
        return;
    search_by(bench, "sqlite", "sqlite", "sqlite");
    search_by(bench, "sqlite-fts", "sqlite-fts", "sqlite");
}

/* ---- appending ---- */

static void add_appends(const struct bench *bench, const char *large, const char *empty,
                        const struct life_answer *answer)
{
    bench_add("life-append-durable", large, bench->ops, "us p50",
              (double)life_answer(answer, "large_durable_ns") / 1e3);
    bench_add("life-append-durable", empty, bench->ops, "us p50",
              (double)life_answer(answer, "empty_durable_ns") / 1e3);
    bench_add("life-append-relaxed", large, bench->ops, "us/message",
              (double)life_answer(answer, "large_relaxed_ns") / 1e3);
    bench_add("life-append-relaxed", empty, bench->ops, "us/message",
              (double)life_answer(answer, "empty_relaxed_ns") / 1e3);
}

static void append(const struct bench *bench)
{
    static const struct {
        const char *lane, *engine, *large, *empty;
    } pairs[] = {
        {"store-sealed", "store", "store large", "store empty"},
        {"sqlite", "sqlite", "sqlite large", "sqlite empty"},
        {"lmdb", "lmdb", "lmdb large", "lmdb empty"},
    };
    char ops[24];

    snprintf(ops, sizeof ops, "%zu", bench->ops);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct lane lane = {.name = pairs[i].lane};
        char *empty = test_path(bench->dir, "empty");
        struct life_answer answer;
        if (is_there(bench, &lane)) {
            if (mkdir(empty, 0700) < 0)
                bench_die("can not make %s", empty);
            answer = life_ask(bench, "append", pairs[i].engine, lane.name, empty, ops, NULL);
            add_appends(bench, pairs[i].large, pairs[i].empty, &answer);
            life_answer_free(&answer);
            test_remove_tree(empty);
        }
        free(empty);
    }
}

/* ---- all of it ---- */

static void add_data(const struct bench *bench, const char *name)
{
    bench_add("data", name, bench->messages, "messages", (double)bench->messages);
    bench_add("data", name, bench->messages, "threads", (double)(bench->count - bench->messages));
    bench_add("data", name, bench->messages, "JSON bytes/message",
              (double)bench->json_bytes / (double)bench->messages);
}

/* It takes minutes: says on stderr where it is. */
static void begin(const char *what)
{
    static uint64_t start;

    if (start == 0)
        start = bench_now_ns();
    fprintf(stderr, "bench: %4.0f s: %s\n", (double)(bench_now_ns() - start) / 1e9, what);
}

static void load(struct bench *bench, uint64_t seed, bool scattered)
{
    begin(scattered ? "making the data, scattered" : "making the data");
    life_data_make(bench, seed, scattered);
    add_data(bench, scattered ? "scattered" : "in real order");
    begin("filling the engines");
    life_load(bench, scattered);
    bench_data_free(bench);
}

static void in_real_order(struct bench *bench, uint64_t seed)
{
    load(bench, seed, false);
    begin("the newest messages of threads");
    for (size_t i = 0; i < long_runs(bench); i++)
        newest(bench, "life-newest", READS);
    begin("lists of all threads");
    for (bench->round = 0; bench->round < bench->rounds; bench->round++)
        open_all(bench);
    begin("searching");
    search(bench);
    begin("reading the whole log");
    read_logs(bench);
    begin("opening after a crash");
    for (bench->round = 0; bench->round < bench->rounds; bench->round++)
        for (size_t i = 0; i < LANES; i++)
            if (is_there(bench, &lanes[i]))
                open_first(bench, &lanes[i]);
    begin("appending");
    for (size_t i = 0; i < long_runs(bench); i++)
        append(bench);
    begin("done");
}

/* Only what a different order may change. */
static void scattered(struct bench *bench, uint64_t seed)
{
    load(bench, seed, true);
    begin("the newest messages of threads");
    newest(bench, "scattered-newest", FEW_READS);
    begin("done");
}

void bench_life(struct bench *bench, uint64_t seed)
{
    if (bench->order != BENCH_ORDER_SCATTERED)
        in_real_order(bench, seed);
    if (bench->order == BENCH_ORDER_BOTH)
        remove_all(bench);
    if (bench->order != BENCH_ORDER_REAL)
        scattered(bench, seed);
}
