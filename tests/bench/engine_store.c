/* The store as an engine: what a client calls.  It makes the entries itself and folds them. */
#include "tests/bench/engines.h"
#include "tests/support/files.h"

#include <stdlib.h>

struct state {
    struct avj_store *store;
    enum avj_durability durability;
};

static void *open_store(const struct engine *engine, const struct engine_place *place)
{
    struct state *s = bench_calloc(1, sizeof *s);
    struct avj_store_options options = {.journal.compression_level = place->level};
    char *path = test_path(place->dir, "store");
    struct avj_error err;

    (void)engine;
    s->durability = place->durable ? AVJ_DURABLE : AVJ_RELAXED;
    bench_ok(avj_store_create(path, NULL, &options, &err), &err, "store");
    bench_ok(avj_store_open(path, &options, &s->store, &err), &err, "store");
    free(path);
    return s;
}

static void append(void *state, const struct bench_item *items, size_t count)
{
    struct state *s = state;
    struct avj_mutation batch[BENCH_BATCH];
    struct avj_error err;

    for (size_t i = 0; i < count; i++)
        batch[i] = (struct avj_mutation){AVJ_CREATE, items[i].entity, items[i].id, items[i].fields};
    bench_ok(avj_store_mutate(s->store, batch, count, s->durability, NULL, &err), &err, "store");
}

static void close_store(void *state)
{
    struct state *s = state;

    avj_store_close(s->store);
    free(s);
}

const struct engine engine_store = {
    .name = "store",
    .uses = ENGINE_DURABLE | ENGINE_RELAXED,
    .open = open_store,
    .append = append,
    .close = close_store,
};
