/* Filling a store as a synced one is filled: by pushes with their acknowledgements, and by what
 * came from another device. */
#include "tests/bench/life/life.h"
#include "replay/clock.h"
#include "replay/sync.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 100 /* operations of one transaction */

struct rows {
    struct avj_row rows[BENCH_BATCH];
    struct avj_outcome outcomes[AT_ONCE];
    char remote_ids[BENCH_BATCH][AVJ_REMOTE_ID_TEXT];
    char versions[BENCH_BATCH][AVJ_TIME_TEXT];
    int64_t now_ms; /* the server's time of the last write */
};

static void version(struct rows *r, size_t i)
{
    avj_time_format(++r->now_ms, r->versions[i]);
    r->rows[i].version = r->versions[i];
}

/* Made here, pushed, acknowledged: the answers hold the rows. */
static void settle(struct avj_store *store, struct rows *r, const struct avj_push_op *ops,
                   size_t count)
{
    struct avj_error err;

    bench_ok(avj_sync_push(store, ops, count, "an-attempt", "transaction", &err), &err, "push");
    for (size_t i = 0; i < count; i++) {
        r->rows[i] = (struct avj_row){.entity = ops[i].entity,
                                      .id = ops[i].id,
                                      .remote_id = ops[i].remote_id,
                                      .fields = ops[i].fields};
        version(r, i);
        r->rows[i].created = r->rows[i].version;
        r->outcomes[i] = (struct avj_outcome){
            .op = &ops[i], .acknowledged = true, .status = 201, .row = r->rows[i]};
    }
    bench_ok(avj_sync_settle(store, r->outcomes, count, &err), &err, "settle");
}

static void push_all(struct avj_store *store, struct rows *r)
{
    const struct avj_push_op *ops;
    struct avj_error err;
    size_t count;

    for (;;) {
        bench_ok(avj_outbox_next(store, AT_ONCE, NULL, NULL, &ops, &count, &err), &err, "outbox");
        if (count == 0)
            return;
        settle(store, r, ops, count);
    }
}

static void receive(struct avj_store *store, struct rows *r, const struct bench_item *items,
                    size_t count)
{
    struct avj_error err;

    for (size_t i = 0; i < count; i++) {
        snprintf(r->remote_ids[i], sizeof r->remote_ids[i], "%020" PRIx64,
                 avj_hash64(items[i].id, strlen(items[i].id)));
        r->rows[i] = (struct avj_row){.entity = items[i].entity,
                                      .id = items[i].id,
                                      .remote_id = r->remote_ids[i],
                                      .fields = items[i].fields};
        version(r, i);
        r->rows[i].created = r->rows[i].version;
    }
    bench_ok(avj_sync_remote(store, r->rows, count, "realtime", AVJ_RELAXED, NULL, &err), &err,
             "remote");
}

static void make_here(struct avj_store *store, const struct bench_item *items, size_t count)
{
    struct avj_mutation batch[BENCH_BATCH];
    struct avj_error err;

    for (size_t i = 0; i < count; i++)
        batch[i] = (struct avj_mutation){AVJ_CREATE, items[i].entity, items[i].id, items[i].fields};
    bench_ok(avj_store_mutate(store, batch, count, AVJ_RELAXED, NULL, &err), &err, "store");
}

static struct avj_store *open_synced(const char *dir)
{
    const struct avj_store_options options = {.journal.no_background = true};
    struct avj_store *store;
    struct avj_error err;

    bench_ok(avj_store_open(dir, &options, &store, &err), &err, "store");
    return store;
}

static struct avj_store *make_synced(const char *dir)
{
    const struct avj_upstream upstream = {
        .endpoint = "http://127.0.0.1/v1", .project = "p", .database = "d"};
    const struct avj_store_options options = {.journal.no_background = true};
    struct avj_store *store;
    struct avj_error err;

    bench_ok(avj_store_create(dir, &upstream, &options, &err), &err, "store");
    store = open_synced(dir);
    bench_ok(avj_sync_login(store, "a-user", "someone@example.org", &err), &err, "login");
    return store;
}

/* In turns, a batch each. */
void life_store_fill_synced(const struct bench *bench, const char *dir)
{
    struct avj_store *store = make_synced(dir);
    struct rows *r = bench_calloc(1, sizeof *r);
    bool here = true;

    r->now_ms = INT64_C(1451635200000);
    for (size_t from = 0, batch = 0, end; from < bench->count; from = end, here = !here, batch++) {
        end = bench_batch_end(bench, from, BENCH_BATCH);
        if (batch == LIFE_TRAINED) {
            avj_store_close(store);
            life_store_train(dir);
            store = open_synced(dir);
        }
        if (here) {
            make_here(store, &bench->items[from], end - from);
            push_all(store, r);
        } else {
            receive(store, r, &bench->items[from], end - from);
        }
    }
    avj_store_close(store);
    free(r);
}
