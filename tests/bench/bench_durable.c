/* One durable append of one message: what a user waits for after pressing return. */
#include "tests/bench/bench.h"
#include "tests/support/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <unistd.h>

#define OPS_MAX 2000

static const char name[] = "durable-append";

static void by_store(struct bench *bench, uint64_t *ns, size_t ops)
{
    char *dir = test_path(bench->dir, "store");
    struct avj_store_options options = {.journal.compression_level = bench->level};
    struct avj_store *store;
    struct avj_error err;

    bench_ok(avj_store_create(dir, NULL, &options, &err), &err, "store");
    bench_ok(avj_store_open(dir, &options, &store, &err), &err, "store");
    for (size_t i = 0; i < ops; i++) {
        const struct bench_item *item = &bench->items[i];
        struct avj_mutation create = {AVJ_CREATE, item->entity, item->id, item->fields};
        uint64_t start = bench_now_ns();
        bench_ok(avj_store_mutate(store, &create, 1, AVJ_DURABLE, NULL, &err), &err, "store");
        ns[i] = bench_now_ns() - start;
    }
    avj_store_close(store);
    bench_add_latencies(name, "store", ns, ops);
    test_dir_free(dir);
}

static void by_journal(struct bench *bench, uint64_t *ns, size_t ops)
{
    char *dir = test_path(bench->dir, "journal");
    struct avj_journal_options options = {.compression_level = bench->level};
    struct avj_journal_info info;
    struct avj_journal *journal;
    struct avj_error err;
    uint64_t bytes = 0;

    bench_ok(avj_journal_create(dir, &options, &err), &err, "journal");
    bench_ok(avj_journal_open(dir, &options, &journal, &err), &err, "journal");
    for (size_t i = 0; i < ops; i++) {
        uint64_t start = bench_now_ns();
        bench_ok(avj_journal_append(journal, &bench->items[i].entry, 1, AVJ_DURABLE, NULL, &err),
                 &err, "journal");
        ns[i] = bench_now_ns() - start;
        bytes += bench->items[i].entry.len;
    }
    bench_ok(avj_journal_info(journal, &info, &err), &err, "journal");
    avj_journal_close(journal);
    bench_add_latencies(name, "journal", ns, ops);
    bench_add("disk-one-at-a-time", "journal", ops, "bytes/message",
              (double)info.bytes / (double)ops);
    bench_add("disk-one-at-a-time", "journal", ops, "of the JSON",
              (double)info.bytes / (double)bytes * (double)bench->entry_bytes /
                  (double)bench->json_bytes);
    test_dir_free(dir);
}

static void by_sqlite(struct bench *bench, uint64_t *ns, size_t ops)
{
    char *dir = test_path(bench->dir, "sqlite-durable"), *path = test_path(dir, "db");
    struct bench_sqlite *db;

    if (mkdir(dir, 0700) < 0)
        bench_die("make %s", dir);
    db = bench_sqlite_open(path, "FULL");
    for (size_t i = 0; db && i < ops; i++) {
        uint64_t start = bench_now_ns();
        bench_sqlite_insert(db, bench->items[i].entry);
        ns[i] = bench_now_ns() - start;
    }
    if (db)
        bench_add_latencies(name, "sqlite-wal-full", ns, ops);
    bench_sqlite_close(db);
    free(path);
    test_dir_free(dir);
}

/* The limit of a log that grows: one write and one sync, nothing else. */
static void by_hand(struct bench *bench, uint64_t *ns, size_t ops)
{
    char *path = test_path(bench->dir, "bare");
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    off_t at = 0;

    if (file < 0)
        bench_die("create %s", path);
    for (size_t i = 0; i < ops; i++) {
        struct avj_slice entry = bench->items[i].entry;
        uint64_t start = bench_now_ns();
        if (pwrite(file, entry.data, entry.len, at) != (ssize_t)entry.len || fdatasync(file) < 0)
            bench_die("write %s", path);
        ns[i] = bench_now_ns() - start;
        at += (off_t)entry.len;
    }
    close(file);
    bench_add_latencies(name, "pwrite+fdatasync", ns, ops);
    unlink(path);
    free(path);
}

void bench_durable(struct bench *bench)
{
    size_t ops = bench->count < OPS_MAX ? bench->count : OPS_MAX;
    uint64_t *ns = calloc(ops, sizeof *ns);

    if (!ns)
        bench_die("out of memory");
    by_hand(bench, ns, ops);
    by_journal(bench, ns, ops);
    by_sqlite(bench, ns, ops);
    by_store(bench, ns, ops);
    free(ns);
}
