/* Routes of single rows, in both spellings; with a transactionId they stage instead of writing. */
#include "net/serve_query.h"
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

/* One write: what is to be done, and whether and how it ended. */
struct single {
    struct avj_call *call;
    struct avj_write write;
    struct avj_write_batch batch;
    struct avj_text perms;
};

static void single_release(struct single *single)
{
    avj_write_batch_release(&single->batch);
    avj_text_release(&single->perms);
}

/* Data and permissions of the body; false: an error was answered. */
static bool single_input(struct single *single)
{
    struct avj_call *call = single->call;
    bool given;
    single->write.data = json_object_get(call->body, "data");
    if (!avj_call_perms(call, json_object_get(call->body, "permissions"), &single->perms, &given))
        return false;
    if (given) {
        single->write.perms = single->perms.data ? single->perms.data : "";
        single->write.perms_len = single->perms.len;
    }
    return true;
}

static bool use_default_perms(struct single *single)
{
    if (single->write.perms || !single->call->user)
        return true;
    avj_perms_default(&single->perms, single->call->user);
    single->write.perms = single->perms.data;
    single->write.perms_len = single->perms.len;
    return !single->perms.failed;
}

/* Commits the batch, answers with what was written, and tells who listens. */
static void single_finish(struct single *single, enum avj_write_result result, int status,
                          const char *action)
{
    struct avj_call *call = single->call;
    struct avj_write *write = &single->write;
    enum avj_status stored =
        result == AVJ_W_OK ? avj_write_batch_commit(call->serve, &single->batch) : AVJ_OK;
    if (result != AVJ_W_OK) {
        avj_answer_write_result(call, result, write);
        return;
    }
    if (stored != AVJ_OK) {
        avj_answer_storage_error(call, stored);
        return;
    }
    const struct avj_server_row *row = avj_server_table_get(write->table, write->id);
    struct avj_text *body = avj_answer(call, status);
    if (strcmp(action, "update") == 0)
        avj_row_json(body, call->spelling, write->table, row, AVJ_SHAPE_ONE, NULL);
    else
        avj_row_json_written(body, call->spelling, write->table, row, write->data,
                             strcmp(action, "upsert") == 0);
    (void)avj_event_add(call, write->table, row->id, row->perms, row->perms_len, action, false,
                        body);
}

/* Whether X-Appwrite-Timestamp (if any) is not older than the row; false: an error was answered. */
static bool not_newer(struct avj_call *call, const struct avj_server_row *row)
{
    const char *text = call->request->timestamp;
    int64_t ms;
    if (!text || !text[0])
        return true;
    if (!avj_time_parse(text, strlen(text), &ms)) {
        avj_answer_error(call, 400, "general_argument_invalid",
                         "Invalid X-Appwrite-Timestamp header value");
        return false;
    }
    if (!row || row->updated_ms <= ms)
        return true;
    avj_answer_row_error(call, 409, "update_conflict", "Remote {row} is newer than local.");
    return false;
}

/* ---- create ---- */

static void create_refused(struct avj_call *call, bool bulk, bool data)
{
    if (bulk && data)
        avj_answer_error(call, 400, "general_bad_request",
                         "You can only send one of the following parameters: data, %s",
                         call->spelling->rows);
    else if (bulk)
        avj_answer_error(call, 401, "general_unauthorized_scope",
                         "The current user or API key does not have the required scopes to access "
                         "the requested resource.");
    else if (!data)
        avj_answer_row_error(call, 400, "missing_data",
                             "The {row} data is missing. Try again with {row} data populated");
    else
        avj_answer_row_error(call, 400, "missing_data",
                             "{Row} ID is required when creating a single {row}.");
}

/* The id that the body names, "unique()" made one; NULL: an error was answered. */
static const char *create_id(struct avj_call *call, char unique[AVJ_SERVE_ID_TEXT])
{
    const char *id = avj_body_text(call, call->spelling->row_id);
    const json_t *data = json_object_get(call->body, "data"),
                 *bulk = json_object_get(call->body, call->spelling->rows);
    bool has_data = json_object_size(data) > 0, has_bulk = json_array_size(bulk) > 0;
    if (id && strcmp(id, "unique()") != 0 && !avj_valid_id(id)) {
        avj_answer_bad_id(call, call->spelling->row_id);
        return NULL;
    }
    if (!id || !has_data || has_bulk) {
        create_refused(call, has_bulk, has_data);
        return NULL;
    }
    if (strcmp(id, "unique()") != 0)
        return id;
    if (avj_unique_id(call->serve, unique))
        return unique;
    avj_answer_server_error(call);
    return NULL;
}

void avj_route_row_create(struct avj_call *call)
{
    struct single single = {.call = call};
    char unique[AVJ_SERVE_ID_TEXT];
    const char *transaction = avj_body_text(call, "transactionId");
    single.write.id = create_id(call, unique);
    if (!single.write.id ||
        !(single.write.table = avj_call_table(call, call->segments[1], call->segments[3])))
        return;
    if (!avj_may_create(call, single.write.table))
        avj_answer_unauthorized(call);
    else if (single_input(&single)) {
        if (!use_default_perms(&single))
            avj_answer_server_error(call);
        else if (transaction)
            avj_stage_single(call, &single.write, AVJ_STAGE_CREATE, 201, transaction);
        else
            single_finish(&single, avj_write_create(call, &single.batch, &single.write), 201,
                          "create");
    }
    single_release(&single);
}

/* ---- get ---- */

static void get_in_transaction(struct avj_call *call, struct avj_server_table *table,
                               const char *transaction)
{
    const struct avj_transaction *tx = avj_tx_find(call, transaction);
    json_t *row = NULL;
    if (!tx)
        return;
    if (!avj_tx_row(call, tx, table, call->segments[5], &row) || !row) {
        avj_answer_not_found(call);
        return;
    }
    char *text = json_dumps(row, JSON_COMPACT);
    if (text)
        avj_text_puts(avj_answer(call, 200), text);
    else
        avj_answer_server_error(call);
    free(text);
    json_decref(row);
}

/* The `select` queries of a single get. */
static bool get_select(struct avj_call *call, struct avj_query_set *set)
{
    for (size_t i = 0; i < call->request->arg_count; i++) {
        const char *arg = call->request->args[i],
                   *text = strncmp(arg, "queries[", 8) == 0 ? strstr(arg, "]=") : NULL;
        if (!text || set->json_count == AVJ_QUERIES_MAX)
            continue;
        if (!avj_query_add(set, text + 2, call->serve->now_ms)) {
            avj_answer_error(call, 400, "general_query_invalid", "%s", set->message);
            return false;
        }
    }
    return true;
}

void avj_route_row_get(struct avj_call *call)
{
    struct avj_server_table *table = avj_call_table(call, call->segments[1], call->segments[3]);
    const char *transaction = avj_arg(call, "transactionId");
    if (!table)
        return;
    if (transaction && transaction[0]) {
        get_in_transaction(call, table, transaction);
        return;
    }
    const struct avj_server_row *row = avj_server_table_get(table, call->segments[5]);
    struct avj_query_set *set = malloc(sizeof(*set));
    if (!set) {
        avj_answer_server_error(call);
        return;
    }
    avj_query_init(set, table->schema);
    if (get_select(call, set)) {
        if (row && avj_may(call, table, row, "read"))
            avj_row_json(avj_answer(call, 200), call->spelling, table, row, AVJ_SHAPE_ONE,
                         set->selects ? set->selected : NULL);
        else
            avj_answer_not_found(call);
    }
    avj_query_release(set);
    free(set);
}

/* ---- patch, put, delete ---- */

static bool named_row(struct single *single)
{
    struct avj_call *call = single->call;
    single->write.id = call->segments[5];
    single->write.table = avj_call_table(call, call->segments[1], call->segments[3]);
    return single->write.table != NULL;
}

static bool has_payload(const struct avj_call *call)
{
    const json_t *perms = json_object_get(call->body, "permissions");
    return json_object_size(json_object_get(call->body, "data")) > 0 ||
           (perms && !json_is_null(perms));
}

void avj_route_row_patch(struct avj_call *call)
{
    struct single single = {.call = call};
    const char *transaction = avj_body_text(call, "transactionId");
    if (!has_payload(call)) {
        avj_answer_row_error(call, 400, "missing_payload",
                             "The {row} data and permissions are missing. You must provide either "
                             "{row} data or permissions to be updated.");
        return;
    }
    if (!named_row(&single))
        return;
    const struct avj_server_row *row = avj_server_table_get(single.write.table, single.write.id);
    if (row && !avj_may(call, single.write.table, row, "update"))
        avj_answer_unauthorized(call);
    else if (single_input(&single) && (transaction || not_newer(call, row))) {
        if (transaction)
            avj_stage_single(call, &single.write, AVJ_STAGE_UPDATE, 200, transaction);
        else
            single_finish(&single, avj_write_update(call, &single.batch, &single.write), 200,
                          "update");
    }
    single_release(&single);
}

void avj_route_row_put(struct avj_call *call)
{
    struct single single = {.call = call};
    const char *transaction = avj_body_text(call, "transactionId");
    if (!has_payload(call)) {
        avj_answer_row_error(call, 400, "missing_payload",
                             "The {row} data and permissions are missing. You must provide either "
                             "{row} data or permissions to be updated.");
        return;
    }
    if (!named_row(&single))
        return;
    if (!avj_valid_id(single.write.id)) {
        avj_answer_bad_id(call, call->spelling->row_id);
        return;
    }
    const struct avj_server_row *row = avj_server_table_get(single.write.table, single.write.id);
    if (row ? !avj_may(call, single.write.table, row, "update")
            : !avj_may_create(call, single.write.table))
        avj_answer_unauthorized(call);
    else if (single_input(&single)) {
        if (!row && !use_default_perms(&single))
            avj_answer_server_error(call);
        else if (transaction)
            avj_stage_single(call, &single.write, AVJ_STAGE_UPSERT, 201, transaction);
        else
            single_finish(&single, avj_write_upsert(call, &single.batch, &single.write), 200,
                          "upsert");
    }
    single_release(&single);
}

static void delete_now(struct single *single)
{
    struct avj_call *call = single->call;
    struct avj_write *write = &single->write;
    const struct avj_server_row *row = avj_server_table_get(write->table, write->id);
    struct avj_text payload = {0}, perms = {0};
    if (row) {
        avj_row_json(&payload, call->spelling, write->table, row, AVJ_SHAPE_ONE, NULL);
        avj_text_add(&perms, row->perms, row->perms_len);
    }
    enum avj_write_result result = avj_write_delete(call, &single->batch, write);
    enum avj_status stored =
        result == AVJ_W_OK ? avj_write_batch_commit(call->serve, &single->batch) : AVJ_OK;
    if (result != AVJ_W_OK)
        avj_answer_write_result(call, result, write);
    else if (stored != AVJ_OK)
        avj_answer_storage_error(call, stored);
    else {
        avj_answer_empty(call, 204);
        (void)avj_event_add(call, write->table, write->id, perms.data ? perms.data : "", perms.len,
                            "delete", false, &payload);
    }
    avj_text_release(&payload);
    avj_text_release(&perms);
}

void avj_route_row_delete(struct avj_call *call)
{
    struct single single = {.call = call};
    const char *transaction = avj_body_text(call, "transactionId");
    if (!transaction)
        transaction = avj_arg(call, "transactionId");
    if (!named_row(&single))
        return;
    const struct avj_server_row *row = avj_server_table_get(single.write.table, single.write.id);
    if (row && !avj_may(call, single.write.table, row, "delete"))
        avj_answer_unauthorized(call);
    else if (transaction || not_newer(call, row)) {
        if (transaction)
            avj_stage_single(call, &single.write, AVJ_STAGE_DELETE, 204, transaction);
        else
            delete_now(&single);
    }
    single_release(&single);
}

void avj_route_bulk_refused(struct avj_call *call)
{
    avj_answer_error(call, 404, "database_not_found", "Database not found");
}
