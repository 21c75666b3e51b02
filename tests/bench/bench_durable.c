/*
 * One durable append of one message: what a user waits for after pressing return.  The engines take
 * turns, a few appends each, so that whatever else the disk is doing meets all of them alike.
 */
#include "tests/bench/bench.h"
#include "tests/support/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPS_MAX 2000
#define TURN    50

struct engines {
    struct bench *bench;
    int file;
    off_t at;
    struct avj_journal *journal;
    uint64_t journal_bytes; /* entries appended to it */
    struct bench_sqlite *sqlite;
    struct avj_store *store;
};

/* The limit of a log that grows: one write and one sync, nothing else. */
static void by_hand(struct engines *e, const struct bench_item *item)
{
    size_t len = item->entry.len;

    if (pwrite(e->file, item->entry.data, len, e->at) != (ssize_t)len || fdatasync(e->file) < 0)
        bench_die("writing a bare file failed");
    e->at += (off_t)len;
}

static void by_journal(struct engines *e, const struct bench_item *item)
{
    struct avj_error err;

    bench_ok(avj_journal_append(e->journal, &item->entry, 1, AVJ_DURABLE, NULL, &err), &err,
             "journal");
    e->journal_bytes += item->entry.len;
}

static void by_sqlite(struct engines *e, const struct bench_item *item)
{
    bench_sqlite_insert(e->sqlite, item->entry);
}

static void by_store(struct engines *e, const struct bench_item *item)
{
    struct avj_mutation create = {AVJ_CREATE, item->entity, item->id, item->fields};
    struct avj_error err;

    bench_ok(avj_store_mutate(e->store, &create, 1, AVJ_DURABLE, NULL, &err), &err, "store");
}

static const struct {
    const char *name;
    void (*append)(struct engines *e, const struct bench_item *item);
} engines[] = {
    {"pwrite+fdatasync", by_hand},
    {"journal", by_journal},
    {"sqlite-wal-full", by_sqlite},
    {"store", by_store},
};

#define ENGINES (sizeof engines / sizeof engines[0])

static void open_engines(struct engines *e, const char *dir)
{
    struct avj_journal_options journal = {.compression_level = e->bench->level};
    struct avj_store_options store = {.journal = journal};
    char *bare_path = test_path(dir, "bare"), *journal_path = test_path(dir, "journal");
    char *sqlite_path = test_path(dir, "db"), *store_path = test_path(dir, "store");
    struct avj_error err;

    if (mkdir(dir, 0700) < 0)
        bench_die("can not make %s", dir);
    e->file = open(bare_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (e->file < 0)
        bench_die("can not create %s", bare_path);
    bench_ok(avj_journal_create(journal_path, &journal, &err), &err, "journal");
    bench_ok(avj_journal_open(journal_path, &journal, &e->journal, &err), &err, "journal");
    e->sqlite = bench_sqlite_open(sqlite_path, "FULL");
    bench_ok(avj_store_create(store_path, NULL, &store, &err), &err, "store");
    bench_ok(avj_store_open(store_path, &store, &e->store, &err), &err, "store");
    free(bare_path);
    free(journal_path);
    free(sqlite_path);
    free(store_path);
}

static void close_engines(struct engines *e)
{
    close(e->file);
    avj_journal_close(e->journal);
    bench_sqlite_close(e->sqlite);
    avj_store_close(e->store);
}

static void add_disk(struct engines *e, size_t ops)
{
    const struct bench *bench = e->bench;
    double json = (double)e->journal_bytes / (double)bench->entry_bytes * (double)bench->json_bytes;
    struct avj_journal_info info;
    struct avj_error err;

    bench_ok(avj_journal_info(e->journal, &info, &err), &err, "journal");
    bench_add("disk-one-at-a-time", "journal", ops, "bytes/message",
              (double)info.bytes / (double)ops);
    bench_add("disk-one-at-a-time", "journal", ops, "of the JSON", (double)info.bytes / json);
}

static void take_turns(struct engines *e, uint64_t *ns, size_t ops)
{
    for (size_t from = 0; from < ops; from += TURN) {
        size_t end = ops - from < TURN ? ops : from + TURN;
        for (size_t k = 0; k < ENGINES; k++) {
            if (engines[k].append == by_sqlite && !e->sqlite)
                continue;
            for (size_t i = from; i < end; i++) {
                uint64_t start = bench_now_ns();
                engines[k].append(e, &e->bench->items[i]);
                ns[k * ops + i] = bench_now_ns() - start;
            }
        }
    }
}

void bench_durable(struct bench *bench)
{
    size_t ops = bench->count < OPS_MAX ? bench->count : OPS_MAX;
    uint64_t *ns = calloc(ops * ENGINES, sizeof *ns);
    struct engines e = {.bench = bench};
    char *dir = test_path(bench->dir, "durable");

    if (!ns)
        bench_die("out of memory");
    open_engines(&e, dir);
    take_turns(&e, ns, ops);
    for (size_t k = 0; k < ENGINES; k++)
        if (engines[k].append != by_sqlite || e.sqlite)
            bench_add_latencies("durable-append", engines[k].name, ns + k * ops, ops);
    add_disk(&e, ops);
    close_engines(&e);
    test_dir_free(dir);
    free(ns);
}
