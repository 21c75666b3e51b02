/* What the design asks of the results, as one table of quotients of medians. */
#include "tests/bench/bench.h"

#include <stdio.h>

enum compare { NO_BAR, AT_MOST, LESS_THAN, AT_LEAST };

struct row {
    const char *what;
    const char *from, *unit; /* the series */
    bool more_is_better;
    const char *engine;
    const char *rival; /* ending in "*": the best of those whose names begin so; NULL: none, the
                          median stands by itself */
    enum compare compare;
    double bar;
};

/* from, unit, more_is_better */
#define DURABLE       "durable-append", "us p50", false
#define BULK          "bulk-append", "msgs/s", true
#define BULK_CPU      "bulk-append", "CPU us/message", false
#define READING       "replay", "MB/s", true
#define DISK(name)    "disk-" name, "of the JSON", false
#define WAKE          "wake", "us p50", false
#define LARGE_DURABLE "large-durable", "us p50", false
#define LARGE_RELAXED "large-relaxed", "msgs/s", true

/* Those of a life (life/life.h) */
#define LIFE_OPEN       "life-open", "ms", false
#define LIFE_RESIDENT   "life-open", "MB resident", false
#define LIFE_NEWEST_P50 "life-newest", "us p50", false
#define LIFE_SCATTERED  "scattered-newest", "us p50", false
#define LIFE_REPLAY     "life-replay", "MB/s", true
#define LIFE_FSCK       "life-fsck", "MB/s", true
#define LIFE_DURABLE    "life-append-durable", "us p50", false
#define LIFE_RELAXED    "life-append-relaxed", "us/message", false
#define LIFE_RARE       "life-search-rare", "ms", false
#define LIFE_COMMON     "life-search-common-50", "ms", false

static const struct row rows[] = {
    {"durable append", DURABLE, "journal", "sqlite-blobs-full", AT_MOST, 0.8},
    {"durable append", DURABLE, "journal", "sqlite-chat-full", AT_MOST, 0.8},
    {"durable append", DURABLE, "journal", "lmdb", LESS_THAN, 1},
    {"durable append", DURABLE, "journal", "leveldb", LESS_THAN, 1},
    {"durable append", DURABLE, "journal", "rocksdb", LESS_THAN, 1},
    {"durable append", DURABLE, "journal", "rocksdb-wal-zstd", LESS_THAN, 1},
    {"durable append", DURABLE, "journal", "pwrite+fdatasync", NO_BAR, 0},
    {"durable append", DURABLE, "journal", "pwrite+fdatasync-zeroed", NO_BAR, 0},
    {"durable append", DURABLE, "journal", "direct-dsync-zeroed", NO_BAR, 0},
    {"durable append", DURABLE, "store", "sqlite-chat-full", NO_BAR, 0},
    {"bulk append", BULK, "journal-1core", "zstd", AT_LEAST, 0.8},
    {"bulk append", BULK, "journal", "zstd", NO_BAR, 0},
    {"bulk append", BULK, "store", "zstd", NO_BAR, 0},
    {"bulk append, CPU time", BULK_CPU, "journal", "zstd", NO_BAR, 0},
    {"bulk append", BULK, "journal", "sqlite-*", AT_LEAST, 1.3},
    {"bulk append", BULK, "journal", "sqlite-blobs-normal", NO_BAR, 0},
    {"bulk append", BULK, "journal", "sqlite-chat-*", NO_BAR, 0},
    {"bulk append", BULK, "journal", "rocksdb-wal-zstd", AT_LEAST, 3},
    {"bulk append", BULK, "journal", "rocksdb", NO_BAR, 0},
    {"bulk append", BULK, "journal", "leveldb", NO_BAR, 0},
    {"bulk append", BULK, "journal", "lmdb", NO_BAR, 0},
    {"bytes on disk, in bulk", DISK("bulk"), "journal", NULL, AT_MOST, 0.36},
    {"bytes on disk, one at a time", DISK("one-at-a-time"), "journal", NULL, AT_MOST, 0.45},
    {"bytes on disk, durable", DISK("durable"), "journal", NULL, AT_MOST, 0.45},
    {"bytes on disk, sealed", DISK("sealed"), "sealed", NULL, AT_MOST, 0.30},
    {"reading everything", READING, "journal", "zstd", AT_LEAST, 0.7},
    {"replay to a view", READING, "store", "zstd", AT_LEAST, 0.7},
    {"reading everything, sealed", "sealed", "MB/s", true, "read sealed", "read before", NO_BAR, 0},
    {"newest 50 of a thread", "newest-50", "us p50", false, "store", NULL, AT_MOST, 500},
    /* "As fast as to an empty one": two runs of the same differ by a tenth. */
    {"durable append, large journal", LARGE_DURABLE, "large", "empty", AT_MOST, 1.1},
    {"relaxed append, large journal", LARGE_RELAXED, "large", "empty", AT_LEAST, 0.9},
    {"another process sees it", WAKE, "journal", NULL, AT_MOST, 200},
    {"another process sees it", WAKE, "journal", "inotify+pwrite", NO_BAR, 0},
    {"another process sees it, durable", WAKE, "journal-durable", NULL, AT_MOST, 200},
    {"open after kill -9, to the first threads", LIFE_OPEN, "store", NULL, AT_MOST, 50},
    {"open after kill -9, to the first threads", LIFE_OPEN, "store-sealed", NULL, AT_MOST, 50},
    {"open after kill -9, to the first threads", LIFE_OPEN, "store-synced", NULL, AT_MOST, 50},
    {"open after kill -9, to the first threads", LIFE_OPEN, "store-sealed", "sqlite", NO_BAR, 0},
    {"open after kill -9, to the first threads", LIFE_OPEN, "store-sealed", "lmdb", NO_BAR, 0},
    {"resident when it has them", LIFE_RESIDENT, "store", NULL, AT_MOST, 100},
    {"resident when it has them", LIFE_RESIDENT, "store-sealed", NULL, AT_MOST, 100},
    {"resident when it has them", LIFE_RESIDENT, "store-synced", NULL, AT_MOST, 100},
    {"resident when it has them", LIFE_RESIDENT, "store-sealed", "sqlite", NO_BAR, 0},
    {"resident when it has them", LIFE_RESIDENT, "store-sealed", "lmdb", NO_BAR, 0},
    {"newest 50 of a thread", LIFE_NEWEST_P50, "store", NULL, AT_MOST, 500},
    {"newest 50 of a thread", LIFE_NEWEST_P50, "store-sealed", NULL, AT_MOST, 500},
    {"newest 50 of a thread", LIFE_NEWEST_P50, "store-synced", NULL, AT_MOST, 500},
    {"newest 50 of a thread", LIFE_NEWEST_P50, "store-sealed", "sqlite", NO_BAR, 0},
    {"newest 50 of a thread", LIFE_NEWEST_P50, "store-sealed", "lmdb", NO_BAR, 0},
    {"newest 50 of a thread, scattered", LIFE_SCATTERED, "store", NULL, AT_MOST, 500},
    {"newest 50 of a thread, scattered", LIFE_SCATTERED, "store-sealed", NULL, AT_MOST, 500},
    {"newest 50 of a thread, scattered", LIFE_SCATTERED, "store-sealed", "sqlite", NO_BAR, 0},
    {"full replay to a view", LIFE_REPLAY, "store", "zstd of store", AT_LEAST, 0.7},
    {"full replay to a view", LIFE_REPLAY, "store-sealed", "zstd of store-sealed", AT_LEAST, 0.7},
    {"full replay to a view", LIFE_REPLAY, "store-synced", "zstd of store-synced", AT_LEAST, 0.7},
    {"full replay to a view", LIFE_REPLAY, "store-sealed, one thread", "zstd of store-sealed",
     NO_BAR, 0},
    {"full check", LIFE_FSCK, "store", "zstd of store", AT_LEAST, 0.7},
    {"full check", LIFE_FSCK, "store-sealed", "zstd of store-sealed", AT_LEAST, 0.7},
    {"full check", LIFE_FSCK, "store-synced", "zstd of store-synced", AT_LEAST, 0.7},
    {"durable append, large / empty", LIFE_DURABLE, "store large", "store empty", AT_MOST, 1.1},
    {"durable append, large / empty", LIFE_DURABLE, "sqlite large", "sqlite empty", NO_BAR, 0},
    {"durable append, large / empty", LIFE_DURABLE, "lmdb large", "lmdb empty", NO_BAR, 0},
    {"relaxed append, large / empty", LIFE_RELAXED, "store large", "store empty", AT_MOST, 1.1},
    {"relaxed append, large / empty", LIFE_RELAXED, "sqlite large", "sqlite empty", NO_BAR, 0},
    {"relaxed append, large / empty", LIFE_RELAXED, "lmdb large", "lmdb empty", NO_BAR, 0},
    {"search for a rare word", LIFE_RARE, "store-sealed", "sqlite", NO_BAR, 0},
    {"search for a rare word", LIFE_RARE, "store-sealed", "sqlite-fts", NO_BAR, 0},
    {"search for a common word, 50 hits", LIFE_COMMON, "store-sealed", "sqlite", NO_BAR, 0},
};

static bool met(const struct row *row, double value)
{
    switch (row->compare) {
    case AT_MOST:
        return value <= row->bar;
    case LESS_THAN:
        return value < row->bar;
    case AT_LEAST:
        return value >= row->bar;
    case NO_BAR:
        break;
    }
    return true;
}

static bool judge(const struct row *row, struct bench_bar *out)
{
    static const char *const signs[] = {"", "<=", "<", ">="};
    double own = bench_median(row->from, row->engine, row->unit), rival;

    *out = (struct bench_bar){.what = row->what, .engine = row->engine, .unit = row->unit};
    out->value = own;
    if (own <= 0)
        return false;
    if (row->rival) {
        rival = bench_best(row->from, row->rival, row->unit, row->more_is_better, &out->rival);
        if (rival <= 0)
            return false;
        out->unit = "ratio";
        out->value = own / rival;
    }
    out->met = met(row, out->value);
    if (row->compare != NO_BAR)
        snprintf(out->bar, sizeof out->bar, "%s %g", signs[row->compare], row->bar);
    return true;
}

bool bench_bar(size_t i, struct bench_bar *out)
{
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        if (judge(&rows[k], out) && i-- == 0)
            return true;
    return false;
}
