/* The server's state in the journal: `server` entries out and in, and batches of row changes. */
#include "net/serve_state.h"

#include "replay/entry.h"

#include <stdlib.h>
#include <string.h>

static void begin(struct avj_serve *serve, struct avj_pack *pack, const char *kind,
                  const char *collection, const char *id, bool value)
{
    uint64_t stamp = serve->sink.stamp(serve->sink.arg);
    avj_entry_begin(pack, AVJ_E_SERVER, stamp, NULL, AVJ_ENTITIES, NULL,
                    2u + (collection != NULL) + value);
    avj_pack_cstr(pack, "k");
    avj_pack_cstr(pack, kind);
    if (collection) {
        avj_pack_cstr(pack, "c");
        avj_pack_cstr(pack, collection);
    }
    avj_pack_cstr(pack, "i");
    avj_pack_cstr(pack, id);
    if (value)
        avj_pack_cstr(pack, "d");
}

static enum avj_status append(struct avj_serve *serve, const struct avj_slice *entries,
                              size_t count)
{
    struct avj_error err;
    return serve->sink.append(serve->sink.arg, entries, count, &err);
}

enum avj_status avj_state_write(struct avj_serve *serve, const char *kind, const char *id,
                                const struct avj_pack *value)
{
    struct avj_pack pack = {0};
    begin(serve, &pack, kind, NULL, id, value != NULL);
    if (value)
        avj_pack_raw(&pack, value->data, value->len);
    struct avj_slice slice = {pack.data, pack.len};
    enum avj_status status =
        pack.failed || (value && value->failed) ? AVJ_ENOMEM : append(serve, &slice, 1);
    avj_pack_release(&pack);
    return status;
}

char *avj_unpack_text(struct avj_value value, const char *key)
{
    struct avj_slice text = avj_value_get_text(value, key);
    return strndup(text.data ? text.data : "", text.len);
}

static struct avj_change *batch_find(const struct avj_write_batch *batch,
                                     const struct avj_server_table *table, const char *id)
{
    for (size_t i = batch->count; i-- > 0;)
        if (batch->changes[i].table == table && strcmp(batch->changes[i].id, id) == 0)
            return &batch->changes[i];
    return NULL;
}

const struct avj_server_row *avj_write_batch_get(const struct avj_write_batch *batch,
                                                 const struct avj_server_table *table,
                                                 const char *id)
{
    const struct avj_change *change = batch_find(batch, table, id);
    return change ? change->row : avj_server_table_get(table, id);
}

/* The change of that row, made when there is none yet. */
static struct avj_change *batch_add(struct avj_write_batch *batch, struct avj_server_table *table,
                                    const char *id)
{
    struct avj_change *change = batch_find(batch, table, id);
    if (change)
        return change;
    if (batch->count == batch->cap) {
        size_t cap = batch->cap ? batch->cap * 2 : 4;
        struct avj_change *changes = realloc(batch->changes, cap * sizeof(*changes));
        if (!changes)
            return NULL;
        batch->changes = changes;
        batch->cap = cap;
    }
    char *copy = strdup(id);
    if (!copy)
        return NULL;
    change = &batch->changes[batch->count++];
    *change = (struct avj_change){.table = table, .id = copy};
    return change;
}

bool avj_write_batch_put(struct avj_write_batch *batch, struct avj_server_table *table,
                         struct avj_server_row *row)
{
    struct avj_change *change = row ? batch_add(batch, table, row->id) : NULL;
    if (!change) {
        free(row);
        return false;
    }
    free(change->row);
    change->row = row;
    return true;
}

bool avj_write_batch_remove(struct avj_write_batch *batch, struct avj_server_table *table,
                            const char *id)
{
    struct avj_change *change = batch_add(batch, table, id);
    if (!change)
        return false;
    free(change->row);
    change->row = NULL;
    return true;
}

static bool pack_changes(struct avj_serve *serve, const struct avj_write_batch *batch,
                         struct avj_pack *packs, struct avj_slice *slices)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct avj_change *change = &batch->changes[i];
        begin(serve, &packs[i], "row", change->table->key, change->id, change->row != NULL);
        if (change->row)
            avj_row_pack(&packs[i], change->table->schema, change->row);
        slices[i] = (struct avj_slice){packs[i].data, packs[i].len};
        if (packs[i].failed || !avj_map_reserve(&change->table->rows, batch->count))
            return false;
    }
    return true;
}

static void apply(struct avj_serve *serve, struct avj_write_batch *batch)
{
    serve->mutations++;
    for (size_t i = 0; i < batch->count; i++) {
        struct avj_change *change = &batch->changes[i];
        if (change->row)
            change->row->mutation = serve->mutations;
        free(change->row ? avj_server_table_put(change->table, change->row)
                         : avj_server_table_take(change->table, change->id));
        change->row = NULL; /* the table's now */
    }
}

enum avj_status avj_write_batch_commit(struct avj_serve *serve, struct avj_write_batch *batch)
{
    if (!batch->count)
        return AVJ_OK;
    struct avj_pack *packs = calloc(batch->count, sizeof(*packs));
    struct avj_slice *slices = calloc(batch->count, sizeof(*slices));
    enum avj_status status = AVJ_ENOMEM;
    if (packs && slices && pack_changes(serve, batch, packs, slices))
        status = append(serve, slices, batch->count);
    if (status == AVJ_OK)
        apply(serve, batch);
    for (size_t i = 0; packs && i < batch->count; i++)
        avj_pack_release(&packs[i]);
    free(packs);
    free(slices);
    return status;
}

void avj_write_batch_release(struct avj_write_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->changes[i].id);
        free(batch->changes[i].row);
    }
    free(batch->changes);
    memset(batch, 0, sizeof(*batch));
}

/* ---- replay ---- */

static bool text_copy(struct avj_value entry, const char *key, char *out, size_t size)
{
    struct avj_slice text = avj_value_get_text(entry, key);
    if (!text.data || text.len >= size || memchr(text.data, '\0', text.len))
        return false;
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

static enum avj_status replay_row(struct avj_serve *serve, const char *collection, const char *id,
                                  bool removed, struct avj_value value)
{
    char database[256];
    const char *slash = strchr(collection, '/');
    if (!slash || (size_t)(slash - collection) >= sizeof(database))
        return AVJ_EFORMAT;
    memcpy(database, collection, (size_t)(slash - collection));
    database[slash - collection] = '\0';
    if (!avj_serve_schema_find(&serve->schema, slash + 1))
        return AVJ_OK; /* a collection that this program does not serve */
    struct avj_server_table *table = avj_server_table_find(serve, database, slash + 1);
    if (!table || !avj_map_reserve(&table->rows, 1))
        return AVJ_ENOMEM;
    if (removed) {
        free(avj_server_table_take(table, id));
        return AVJ_OK;
    }
    struct avj_server_row *row = avj_row_unpack(table->schema, id, value);
    if (!row)
        return AVJ_EFORMAT;
    if (row->updated_ms > serve->now_ms)
        serve->now_ms = row->updated_ms;
    free(avj_server_table_put(table, row));
    return AVJ_OK;
}

static enum avj_status replay_user(struct avj_serve *serve, const char *id, bool removed,
                                   struct avj_value value)
{
    if (removed)
        return AVJ_OK; /* accounts are never removed by this program */
    struct avj_server_user *user = avj_user_unpack(id, value);
    if (!user)
        return AVJ_EFORMAT;
    return avj_user_put(serve, user) ? AVJ_OK : AVJ_ENOMEM;
}

static enum avj_status replay_session(struct avj_serve *serve, const char *id, bool removed,
                                      struct avj_value value)
{
    if (removed) {
        avj_session_free(avj_map_take(&serve->sessions, id));
        return AVJ_OK;
    }
    struct avj_server_session *session = avj_session_unpack(id, value);
    if (!session)
        return AVJ_EFORMAT;
    return avj_session_put(serve, session) ? AVJ_OK : AVJ_ENOMEM;
}

enum avj_status avj_serve_replay(struct avj_serve *serve, struct avj_value entry,
                                 struct avj_error *err)
{
    char kind[32], id[256], collection[512];
    struct avj_value value = {0};
    if (!text_copy(entry, "k", kind, sizeof(kind)) || !text_copy(entry, "i", id, sizeof(id)))
        return avj_fail(err, AVJ_EFORMAT, "a server entry lacks its table or its key");
    bool removed = !avj_value_get(entry, "d", &value);
    enum avj_status status = AVJ_OK;
    if (strcmp(kind, "row") == 0)
        status = text_copy(entry, "c", collection, sizeof(collection))
                     ? replay_row(serve, collection, id, removed, value)
                     : AVJ_EFORMAT;
    else if (strcmp(kind, "user") == 0)
        status = replay_user(serve, id, removed, value);
    else if (strcmp(kind, "session") == 0)
        status = replay_session(serve, id, removed, value);
    if (status != AVJ_OK)
        return avj_fail(err, status, "server entry of %s %s: %s", kind, id,
                        avj_status_text(status));
    return AVJ_OK;
}
