/* Journals that hold random histories: see history_store.h. */
#include "tests/support/history_store.h"

#include "tests/support/described.h"
#include "tests/support/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(enum avj_status status, const struct avj_error *err, const char *what)
{
    if (status == AVJ_OK)
        return;
    fprintf(stderr, "history_store: %s: %s\n", what, err->message);
    abort();
}

struct avj_store_options history_store_options(const struct history_store *s)
{
    return (struct avj_store_options){.journal = {.io = s->io, .no_background = true},
                                      .anonymous = true};
}

void history_store_open(struct history_store *s)
{
    struct avj_error err = {0};
    struct avj_store_options options = history_store_options(s);
    must(avj_store_open(s->path, &options, &s->store, &err), &err, "open");
}

void history_store_close(struct history_store *s)
{
    avj_store_close(s->store);
    s->store = NULL;
}

void history_store_begin(struct history_store *s, const struct avj_io *io, const char *path,
                         uint64_t seed)
{
    struct avj_error err = {0};
    memset(s, 0, sizeof(*s));
    s->io = io;
    s->path = strdup(path);
    if (!s->path)
        abort();
    struct avj_store_options options = history_store_options(s);
    must(avj_store_create(path, NULL, &options, &err), &err, "create");
    history_init(&s->history, seed);
    s->history.broken = 0; /* the log takes everything, but would not open again */
    history_store_open(s);
    struct avj_slice init;
    must(avj_view_record(s->store->view, 1, &init, &err), &err, "the first record");
    kept_records_add(&s->records, init.data, init.len);
    s->history.seq = 1;
    s->history.hlc = s->store->view->last_hlc;
}

void history_store_end(struct history_store *s)
{
    avj_store_close(s->store);
    kept_records_release(&s->records);
    free(s->path);
}

void history_store_add(struct history_store *s, size_t count, enum avj_durability durability)
{
    struct avj_error err = {0};
    struct avj_pack entry = {0};
    for (; count > 0; count--) {
        history_next(&s->history, &entry);
        kept_records_add(&s->records, entry.data, entry.len);
        must(avj_store_append(s->store, &s->records.items[s->records.count - 1], 1, durability,
                              NULL, &err),
             &err, "append");
    }
    avj_pack_release(&entry);
}

uint64_t history_store_snapshot(struct history_store *s)
{
    struct avj_error err = {0};
    struct avj_snapshot_info info;
    must(avj_store_snapshot(s->store, &info, &err), &err, "snapshot");
    return info.seq;
}

struct avj_view *history_store_replayed(struct history_store *s, size_t count)
{
    struct avj_error err = {0};
    struct avj_source source = kept_records_source(&s->records);
    struct avj_view *view = avj_view_new(&source);
    for (size_t i = 0; i < count; i++)
        must(avj_view_apply(view, i + 1, s->records.items[i].data, s->records.items[i].len, &err),
             &err, "replay");
    return view;
}

bool history_store_shows(struct history_store *s, struct avj_store *store, size_t count,
                         const char *what)
{
    struct avj_view *view = history_store_replayed(s, count);
    bool same = described_same(view, store->view, true, what);
    avj_view_free(view);
    return same;
}

char *history_store_snapshot_path(const struct history_store *s, uint64_t seq, const char *suffix)
{
    return test_path(s->path, "snapshots/%016" PRIx64 "%s", seq, suffix);
}
