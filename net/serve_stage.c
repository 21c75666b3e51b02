/* Staging operations, and rows as a transaction sees them. */
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

/* ---- rows as a transaction sees them ---- */

static json_t *committed_row(const struct avj_call *call, const struct avj_server_table *table,
                             const char *id)
{
    const struct avj_server_row *row = avj_server_table_get(table, id);
    if (!row || !avj_may(call, table, row, "read"))
        return NULL;
    struct avj_text text = {0};
    avj_row_json(&text, call->spelling, table, row, AVJ_SHAPE_ONE, NULL);
    json_t *json = text.failed ? NULL : json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);
    avj_text_release(&text);
    return json;
}

static json_t *created_row(const struct avj_call *call, const struct avj_staged *staged)
{
    json_t *row = json_copy(staged->data);
    if (!row || json_object_set_new(row, "$id", json_string(staged->id)) ||
        json_object_set_new(row, "$databaseId", json_string(staged->table->database)) ||
        json_object_set_new(row, call->spelling->table_key,
                            json_string(staged->table->schema->id)) ||
        json_object_set_new(row, "$sequence", json_integer(0))) {
        json_decref(row);
        return NULL;
    }
    return row;
}

/* The row after one more operation; consumes `row`. */
static json_t *apply(const struct avj_call *call, json_t *row, const struct avj_staged *staged)
{
    bool merge = row && (staged->action == AVJ_STAGE_UPDATE || staged->action == AVJ_STAGE_UPSERT);
    if (merge && json_object_update(row, staged->data) == 0)
        return row;
    json_decref(row);
    if (merge || staged->action == AVJ_STAGE_DELETE || staged->action == AVJ_STAGE_UPDATE)
        return NULL;
    return created_row(call, staged);
}

bool avj_tx_row(const struct avj_call *call, const struct avj_transaction *tx,
                const struct avj_server_table *table, const char *id, json_t **out)
{
    json_t *row = committed_row(call, table, id);
    bool there = avj_server_table_get(table, id) != NULL;
    for (size_t i = 0; i < tx->count; i++) {
        const struct avj_staged *staged = &tx->staged[i];
        if (staged->table != table || strcmp(staged->id, id) != 0)
            continue;
        row = apply(call, row, staged);
        there = staged->action != AVJ_STAGE_DELETE;
    }
    *out = row;
    return there;
}

/* ---- a row route with a transactionId ---- */

/* What a row route stages: $id, the data and $permissions. */
static json_t *route_data(const struct avj_write *write, enum avj_stage action)
{
    json_t *data = json_object(), *perms = json_array(), *value;
    const char *name;
    int failed = !data || !perms;
    if (action != AVJ_STAGE_UPDATE)
        failed |= json_object_set_new(data, "$id", json_string(write->id));
    json_object_foreach((json_t *)write->data, name, value) if (name[0] != '$') failed |=
        json_object_set(data, name, value);
    for (size_t at = 0; write->perms && at < write->perms_len; at += strlen(write->perms + at) + 1)
        failed |= json_array_append_new(perms, json_string(write->perms + at));
    if (write->perms)
        failed |= json_object_set(data, "$permissions", perms);
    json_decref(perms);
    if (!failed)
        return data;
    json_decref(data);
    return NULL;
}

/* The same row with its fields in the order in which a staged write is answered. */
static json_t *answer_order(const struct avj_call *call, const struct avj_write *write,
                            const json_t *row)
{
    json_t *out = json_object(), *value;
    const char *name;
    int failed = !out;
    failed |= json_object_set_new(out, "$id", json_string(write->id));
    failed |=
        json_object_set_new(out, call->spelling->table_key, json_string(write->table->schema->id));
    failed |= json_object_set_new(out, "$databaseId", json_string(write->table->database));
    json_object_foreach((json_t *)row, name, value) if (name[0] != '$') failed |=
        json_object_set(out, name, value);
    for (unsigned i = 0; i < 2; i++) {
        const char *last = i ? "$sequence" : "$permissions";
        value = json_object_get(row, last);
        failed |= value && json_object_set(out, last, value);
    }
    if (!failed)
        return out;
    json_decref(out);
    return NULL;
}

static void answer_staged(struct avj_call *call, const struct avj_write *write,
                          const struct avj_transaction *tx, int status)
{
    json_t *row = NULL;
    (void)avj_tx_row(call, tx, write->table, write->id, &row);
    json_t *ordered = row ? answer_order(call, write, row) : NULL;
    char *text = ordered ? json_dumps(ordered, JSON_COMPACT) : NULL;
    if (text)
        avj_text_puts(avj_answer(call, status), text);
    else
        avj_answer_server_error(call);
    free(text);
    json_decref(ordered);
    json_decref(row);
}

void avj_stage_single(struct avj_call *call, const struct avj_write *write, enum avj_stage action,
                      int status, const char *transaction)
{
    struct avj_transaction *tx = avj_tx_find(call, transaction);
    json_t *seen = NULL;
    if (!tx || !avj_tx_open_for(call, tx, 1))
        return;
    bool there = avj_tx_row(call, tx, write->table, write->id, &seen);
    json_decref(seen);
    if (!there && (action == AVJ_STAGE_UPDATE || action == AVJ_STAGE_DELETE)) {
        avj_answer_not_found(call);
        return;
    }
    json_t *data = action == AVJ_STAGE_DELETE ? NULL : route_data(write, action);
    struct avj_staged staged = {
        .action = action, .table = write->table, .id = (char *)write->id, .data = data};
    bool added = (data || action == AVJ_STAGE_DELETE) && avj_tx_stage(call, tx, &staged);
    json_decref(data);
    if (!added) {
        avj_answer_server_error(call);
        return;
    }
    tx->bytes += call->request->body_len;
    tx->updated_ms = call->serve->now_ms;
    if (action == AVJ_STAGE_DELETE)
        avj_answer_empty(call, 204);
    else
        answer_staged(call, write, tx, status);
}

/* ---- POST …/operations ---- */

static bool find_action(const char *name, enum avj_stage *action)
{
    static const char *const names[] = {"create", "update", "upsert", "delete"};
    for (unsigned i = 0; name && i < 4; i++)
        if (strcmp(names[i], name) == 0) {
            *action = (enum avj_stage)i;
            return true;
        }
    return false;
}

static bool bad_operation(struct avj_call *call, const char *why)
{
    avj_answer_error(call, 400, "general_argument_invalid", "Invalid `operations` param: %s", why);
    return false;
}

/* Reads one operation; false: an error was answered. */
static bool read_operation(struct avj_call *call, const json_t *json, struct avj_staged *out)
{
    const char *database = json_string_value(json_object_get(json, "databaseId"));
    const char *table = json_string_value(json_object_get(json, call->spelling->table_id));
    const char *id = json_string_value(json_object_get(json, call->spelling->row_id));
    json_t *data = json_object_get(json, "data");
    if (!find_action(json_string_value(json_object_get(json, "action")), &out->action))
        return bad_operation(call,
                             "Invalid action. Must be one of: create, update, upsert, delete");
    if (!database || !table || !id)
        return bad_operation(
            call, "Missing required key: databaseId, or that of the table or of the row");
    if (strcmp(id, "unique()") != 0 && !avj_valid_id(id))
        return bad_operation(call, "Invalid row id");
    if (out->action != AVJ_STAGE_DELETE && !json_is_object(data))
        return bad_operation(call, "Missing required key: data");
    if (json_object_get(data, "$id") &&
        !avj_valid_id(json_string_value(json_object_get(data, "$id"))))
        return bad_operation(call, "Invalid $id");
    out->table = avj_call_table(call, database, table);
    out->id = (char *)id;
    out->data = out->action == AVJ_STAGE_DELETE ? NULL : data;
    return out->table != NULL;
}

/* What is checked when staging: permissions named in the data, the right to do it, and that the row
 * is there. */
static bool allowed(struct avj_call *call, const struct avj_transaction *tx,
                    const struct avj_staged *staged)
{
    struct avj_text perms = {0};
    bool given,
        fine = avj_call_perms(call, json_object_get(staged->data, "$permissions"), &perms, &given);
    avj_text_release(&perms);
    if (!fine)
        return false;
    const struct avj_server_row *row = avj_server_table_get(staged->table, staged->id);
    bool change = staged->action == AVJ_STAGE_UPDATE || staged->action == AVJ_STAGE_DELETE;
    if (change) {
        json_t *seen = NULL;
        bool there = avj_tx_row(call, tx, staged->table, staged->id, &seen);
        json_decref(seen);
        if (!there) {
            avj_answer_not_found(call);
            return false;
        }
    }
    bool may = change || (staged->action == AVJ_STAGE_UPSERT && row)
                   ? !row || avj_may(call, staged->table, row,
                                     staged->action == AVJ_STAGE_DELETE ? "delete" : "update")
                   : avj_may_create(call, staged->table);
    if (!may)
        avj_answer_unauthorized(call);
    return may;
}

/* Takes back what a refused call had staged. */
static void unstage(struct avj_transaction *tx, size_t count)
{
    while (tx->count > count) {
        struct avj_staged *last = &tx->staged[--tx->count];
        free(last->id);
        json_decref(last->data);
    }
    tx->operations = count;
}

static bool stage_all(struct avj_call *call, struct avj_transaction *tx, const json_t *operations)
{
    size_t before = tx->count, i;
    json_t *operation;
    json_array_foreach(operations, i, operation)
    {
        struct avj_staged staged = {0};
        bool fine = read_operation(call, operation, &staged) && allowed(call, tx, &staged);
        if (fine && !avj_tx_stage(call, tx, &staged)) {
            avj_answer_server_error(call);
            fine = false;
        }
        if (!fine) {
            unstage(tx, before);
            return false;
        }
    }
    return true;
}

void avj_route_tx_operations(struct avj_call *call)
{
    struct avj_transaction *tx = avj_tx_find(call, call->segments[2]);
    const json_t *operations = json_object_get(call->body, "operations");
    if (!tx)
        return;
    if (!json_array_size(operations) || json_array_size(operations) > 100) {
        (void)bad_operation(call, "Value must a valid array no longer than 100 items");
        return;
    }
    if (!avj_tx_open_for(call, tx, json_array_size(operations)) || !stage_all(call, tx, operations))
        return;
    avj_tx_json(
        tx, avj_answer(call, 201)); /* with the $updatedAt of before, as the real server has it */
    tx->bytes += call->request->body_len;
    tx->updated_ms = call->serve->now_ms;
}
