/* The newest messages of a thread, as an interface asks for them when a thread is opened. */
#include "tests/bench/bench.h"
#include "tests/support/files.h"
#include "tests/support/rng.h"

#include <stdlib.h>

#define READS  2000
#define NEWEST 50

static void fill(struct bench *bench, struct avj_store *store)
{
    struct avj_mutation batch[BENCH_BATCH];
    struct avj_error err;

    for (size_t from = 0, end; from < bench->count; from = end) {
        end = bench_batch_end(bench, from, BENCH_BATCH);
        for (size_t i = from; i < end; i++)
            batch[i - from] = (struct avj_mutation){AVJ_CREATE, bench->items[i].entity,
                                                    bench->items[i].id, bench->items[i].fields};
        bench_ok(avj_store_mutate(store, batch, end - from, AVJ_RELAXED, NULL, &err), &err,
                 "store");
    }
}

/* Ids of the threads, in the order they were made. */
static const char **thread_ids(const struct bench *bench, size_t *count)
{
    const char **ids = bench_calloc(bench->count, sizeof *ids);

    *count = 0;
    for (size_t i = 0; i < bench->count; i++)
        if (bench->items[i].entity == AVJ_THREAD)
            ids[(*count)++] = bench->items[i].id;
    return ids;
}

void bench_read(struct bench *bench)
{
    char *dir = test_path(bench->dir, "read");
    uint64_t *ns = bench_calloc(READS, sizeof *ns);
    struct avj_store *store;
    struct avj_error err;
    struct test_rng rng;
    size_t threads, read = 0;
    const char **ids = thread_ids(bench, &threads);

    bench_ok(avj_store_create(dir, NULL, NULL, &err), &err, "store");
    bench_ok(avj_store_open(dir, NULL, &store, &err), &err, "store");
    fill(bench, store);
    test_rng_init(&rng, 7);
    for (size_t i = 0; i < READS && threads > 0; i++) {
        const struct avj_doc *docs;
        size_t count;
        const char *id = ids[test_rng_below(&rng, threads)];
        uint64_t start = bench_now_ns();
        bench_ok(avj_store_messages(store, id, NULL, NEWEST, &docs, &count, &err), &err, "store");
        ns[i] = bench_now_ns() - start;
        read += count;
    }
    if (read == 0)
        bench_die("store: no thread has messages");
    bench_add_latencies("newest-50", "store", ns, READS);
    avj_store_close(store);
    free(ids);
    free(ns);
    test_dir_free(dir);
}
