/* Writing rows: what single requests and transactions share. */
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

struct avj_server_table *avj_server_table_find(struct avj_serve *serve, const char *database,
                                               const char *collection)
{
    const struct avj_collection_schema *schema = avj_serve_schema_find(&serve->schema, collection);
    struct avj_text key = {0};
    if (!schema)
        return NULL;
    avj_text_printf(&key, "%s/%s", database, collection);
    struct avj_server_table *table = key.failed ? NULL : avj_map_get(&serve->tables, key.data);
    avj_text_release(&key);
    if (table)
        return table;
    table = avj_server_table_new(database, schema);
    if (table && !avj_map_put(&serve->tables, table->key, table, NULL)) {
        avj_server_table_free(table);
        table = NULL;
    }
    return table;
}

struct avj_server_table *avj_call_table(struct avj_call *call, const char *database,
                                        const char *collection)
{
    if (!avj_valid_id(database)) {
        avj_answer_error(call, 404, "database_not_found", "Database not found");
        return NULL;
    }
    if (!avj_serve_schema_find(&call->serve->schema, collection)) {
        const char *type =
            call->spelling == &avj_spelling_tablesdb ? "table_not_found" : "collection_not_found";
        avj_answer_error(call, 404, type, "%s with the requested ID could not be found.",
                         call->spelling->Table);
        return NULL;
    }
    struct avj_server_table *table = avj_server_table_find(call->serve, database, collection);
    if (!table)
        avj_answer_server_error(call);
    return table;
}

bool avj_may(const struct avj_call *call, const struct avj_server_table *table,
             const struct avj_server_row *row, const char *action)
{
    unsigned users = action[0] == 'r'   ? AVJ_USERS_READ
                     : action[0] == 'u' ? AVJ_USERS_UPDATE
                                        : AVJ_USERS_DELETE;
    if (call->user && table->schema->users_may & users)
        return true;
    return avj_perms_allow(row->perms, row->perms_len, action, call->user);
}

bool avj_may_create(const struct avj_call *call, const struct avj_server_table *table)
{
    return call->user && table->schema->users_may & AVJ_USERS_CREATE;
}

bool avj_call_perms(struct avj_call *call, const json_t *list, struct avj_text *out, bool *given)
{
    *given = list && !json_is_null(list);
    if (!*given)
        return true;
    switch (avj_perms_parse(list, call->user, out)) {
    case AVJ_PERMS_OK:
        if (!out->failed)
            return true;
        avj_answer_server_error(call);
        return false;
    case AVJ_PERMS_MALFORMED:
        avj_answer_error(call, 400, "general_argument_invalid",
                         "Invalid `permissions` param: Permissions must be one of: (read, update, "
                         "delete, write) of a role, such as "
                         "read(\"any\")");
        return false;
    case AVJ_PERMS_FOREIGN:
        break;
    }
    struct avj_text roles = {0};
    avj_perms_roles(call->user, &roles);
    avj_answer_error(call, 401, "user_unauthorized", "Permissions must be one of: (%s)",
                     roles.data ? roles.data : "");
    avj_text_release(&roles);
    return false;
}

/* A draft of the data over `base` (NULL: over nulls); required attributes of base do not count when
 * `whole`. */
static enum avj_write_result draft(struct avj_call *call, struct avj_write *write,
                                   const struct avj_server_row *base, bool whole,
                                   struct avj_draft *out)
{
    const struct avj_collection_schema *schema = write->table->schema;
    int64_t now = call->serve->now_ms;
    avj_draft_init(out, schema);
    if (!avj_structure_check(schema, write->data, whole ? NULL : base, now, write->message,
                             sizeof(write->message)))
        return AVJ_W_STRUCTURE;
    for (size_t i = 0; i < schema->count; i++) {
        const json_t *value = json_object_get(write->data, schema->attrs[i].name);
        if (value && !avj_draft_set(out, i, value, now))
            return AVJ_W_NOMEM;
        if (!value && base)
            avj_draft_copy(out, i, base);
    }
    return AVJ_W_OK;
}

static uint64_t next_sequence(const struct avj_write_batch *batch,
                              const struct avj_server_table *table)
{
    uint64_t last = table->last_sequence;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->changes[i].table == table && batch->changes[i].row &&
            batch->changes[i].row->sequence > last)
            last = batch->changes[i].row->sequence;
    return last + 1;
}

/* Puts the drafted row into the batch, as the successor of `base` or as a new one. */
static enum avj_write_result put(struct avj_call *call, struct avj_write_batch *batch,
                                 struct avj_write *write, const struct avj_draft *draft,
                                 const struct avj_server_row *base)
{
    const char *perms = write->perms ? write->perms : base ? base->perms : "";
    size_t perms_len = write->perms ? write->perms_len : base ? base->perms_len : 0;
    struct avj_server_row *row = avj_draft_row(draft, write->id, perms, perms_len);
    if (!row)
        return AVJ_W_NOMEM;
    row->updated_ms = call->serve->now_ms;
    if (base && row->updated_ms <= base->updated_ms)
        row->updated_ms = base->updated_ms + 1;
    row->created_ms = base ? base->created_ms : row->updated_ms;
    row->sequence = base ? base->sequence : next_sequence(batch, write->table);
    row->mutation = UINT64_MAX; /* until it is committed */
    return avj_write_batch_put(batch, write->table, row) ? AVJ_W_OK : AVJ_W_NOMEM;
}

enum avj_write_result avj_write_create(struct avj_call *call, struct avj_write_batch *batch,
                                       struct avj_write *write)
{
    struct avj_draft made;
    if (!avj_may_create(call, write->table))
        return AVJ_W_UNAUTHORIZED;
    enum avj_write_result result = draft(call, write, NULL, true, &made);
    if (result == AVJ_W_OK)
        result = avj_write_batch_get(batch, write->table, write->id)
                     ? AVJ_W_EXISTS
                     : put(call, batch, write, &made, NULL);
    avj_draft_release(&made);
    return result;
}

static bool same_perms(const struct avj_write *write, const struct avj_server_row *base)
{
    return !write->perms || (write->perms_len == base->perms_len &&
                             memcmp(write->perms, base->perms, base->perms_len) == 0);
}

enum avj_write_result avj_write_update(struct avj_call *call, struct avj_write_batch *batch,
                                       struct avj_write *write)
{
    const struct avj_server_row *base = avj_write_batch_get(batch, write->table, write->id);
    struct avj_draft made;
    if (!base)
        return AVJ_W_MISSING;
    if (!avj_may(call, write->table, base, "update"))
        return AVJ_W_UNAUTHORIZED;
    enum avj_write_result result = draft(call, write, base, false, &made);
    if (result == AVJ_W_OK && !(avj_draft_equals(&made, base) && same_perms(write, base)))
        result = put(call, batch, write, &made, base);
    avj_draft_release(&made);
    return result;
}

enum avj_write_result avj_write_upsert(struct avj_call *call, struct avj_write_batch *batch,
                                       struct avj_write *write)
{
    const struct avj_server_row *base = avj_write_batch_get(batch, write->table, write->id);
    struct avj_draft made;
    if (base ? !avj_may(call, write->table, base, "update") : !avj_may_create(call, write->table))
        return AVJ_W_UNAUTHORIZED;
    enum avj_write_result result = draft(call, write, base, true, &made);
    if (result == AVJ_W_OK)
        result = put(call, batch, write, &made, base);
    avj_draft_release(&made);
    return result;
}

enum avj_write_result avj_write_delete(struct avj_call *call, struct avj_write_batch *batch,
                                       struct avj_write *write)
{
    const struct avj_server_row *base = avj_write_batch_get(batch, write->table, write->id);
    if (!base)
        return AVJ_W_MISSING;
    if (!avj_may(call, write->table, base, "delete"))
        return AVJ_W_UNAUTHORIZED;
    return avj_write_batch_remove(batch, write->table, write->id) ? AVJ_W_OK : AVJ_W_NOMEM;
}

void avj_answer_write_result(struct avj_call *call, enum avj_write_result result,
                             const struct avj_write *write)
{
    switch (result) {
    case AVJ_W_EXISTS:
        avj_answer_row_error(call, 409, "already_exists",
                             "{Row} with the requested ID already exists. Try again with a "
                             "different ID or use ID.unique() to generate a "
                             "unique ID.");
        break;
    case AVJ_W_MISSING:
        avj_answer_not_found(call);
        break;
    case AVJ_W_UNAUTHORIZED:
        avj_answer_unauthorized(call);
        break;
    case AVJ_W_STRUCTURE:
        avj_answer_error(call, 400,
                         call->spelling == &avj_spelling_tablesdb ? "row_invalid_structure"
                                                                  : "document_invalid_structure",
                         "%s", write->message);
        break;
    case AVJ_W_OK:
    case AVJ_W_NOMEM:
        avj_answer_server_error(call);
        break;
    }
}
