/*
 * Our store, as a client uses it.  Beside the way an application opens it, others: "still" seals
 * nothing in the background, so that what was written stays as it was; "replaying" only reads, and
 * knows no snapshots, with the threads that it wants or with one.
 */
#include "tests/bench/life/life.h"
#include "replay/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum variant { USUAL, STILL, REPLAYING, REPLAYING_ALONE };

static struct avj_store *open_store(const char *dir, int variant)
{
    const bool replaying = variant >= REPLAYING;
    struct avj_store_options options = {.no_snapshots = replaying,
                                        .read_only = replaying,
                                        .journal.no_background =
                                            variant == STILL || variant == REPLAYING_ALONE};
    struct avj_store *store;
    struct avj_error err;

    bench_ok(avj_store_open(dir, &options, &store, &err), &err, "store");
    return store;
}

static void *open_life(const struct life_engine *engine, const char *dir, enum life_open how)
{
    struct avj_error err;

    if (how == LIFE_NEW)
        bench_ok(avj_store_create(dir, NULL, NULL, &err), &err, "store");
    return open_store(dir, engine->variant);
}

static void put(void *state, const struct bench_item *items, size_t count, bool durable)
{
    struct avj_mutation batch[BENCH_BATCH];
    struct avj_error err;

    for (size_t i = 0; i < count; i++)
        batch[i] = (struct avj_mutation){AVJ_CREATE, items[i].entity, items[i].id, items[i].fields};
    bench_ok(avj_store_mutate(state, batch, count, durable ? AVJ_DURABLE : AVJ_RELAXED, NULL, &err),
             &err, "store");
}

static struct avj_slice text_of(const struct avj_doc *doc, const char *field,
                                struct avj_tree **tree)
{
    if (avj_tree_parse(doc->fields.data, doc->fields.len, tree) != AVJ_OK)
        bench_die("store: fields of %s", doc->id);
    return avj_value_get_text(avj_tree_root(*tree), field);
}

static struct life_found threads(void *state, size_t limit,
                                 void (*each)(void *arg, const char *id, size_t len), void *arg)
{
    const struct avj_page page = {.limit = limit};
    struct life_found found = {0};
    const struct avj_doc *docs;
    struct avj_error err;
    size_t count;

    bench_ok(avj_store_threads(state, &page, &docs, &count, &err), &err, "store");
    for (size_t i = 0; i < count; i++) {
        struct avj_tree *tree;
        if (text_of(&docs[i], "title", &tree).len == 0 || docs[i].last_message_ms == 0)
            bench_die("store: %s has no title or no time", docs[i].id);
        avj_tree_free(tree);
        life_saw(&found, docs[i].id, strlen(docs[i].id));
        if (each)
            each(arg, docs[i].id, strlen(docs[i].id));
    }
    return found;
}

/* The newest first, as from the others. */
static struct life_found newest(void *state, const char *thread, size_t limit)
{
    struct life_found found = {0};
    const struct avj_doc *docs;
    struct avj_error err;
    size_t count;

    bench_ok(avj_store_messages(state, thread, NULL, limit, &docs, &count, &err), &err, "store");
    while (count-- > 0) {
        struct avj_tree *tree;
        struct avj_slice content = text_of(&docs[count], "content", &tree);
        life_saw(&found, content.data, content.len);
        avj_tree_free(tree);
    }
    return found;
}

static size_t search(void *state, const char *word, size_t limit)
{
    const struct avj_search_options options = {.limit = limit};
    const char *const words[] = {word, NULL};
    const struct avj_hit *hits;
    struct avj_error err;
    size_t count, messages = 0;

    bench_ok(avj_store_search(state, words, &options, &hits, &count, &err), &err, "search");
    for (size_t i = 0; i < count; i++)
        messages += hits[i].entity == AVJ_MESSAGE;
    return messages;
}

static void close_store(void *state)
{
    avj_store_close(state);
}

#define ENGINE(text, how)                                                                          \
    {                                                                                              \
        .name = text, .variant = how, .open = open_life, .put = put, .threads = threads,           \
        .newest = newest, .search = search, .close = close_store                                   \
    }

const struct life_engine life_store = ENGINE("store", USUAL);
const struct life_engine life_store_still = ENGINE("store-still", STILL);
const struct life_engine life_store_replaying = ENGINE("store-replaying", REPLAYING);
const struct life_engine life_store_replaying_alone =
    ENGINE("store-replaying-alone", REPLAYING_ALONE);
