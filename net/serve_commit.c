/*
 * Committing a transaction: every operation on an overlay, one journal frame for all of them, then
 * one event an operation with the final state.
 */
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

/* What an event of a deletion tells, taken before the row goes. */
struct last_words {
    struct avj_text payload, perms;
};

struct commit {
    struct avj_call *call;
    struct avj_transaction *tx;
    struct avj_write_batch batch;
    struct last_words *last_words; /* one an operation */
};

static void answer_conflict(struct avj_call *call)
{
    avj_answer_error(call, 409, "transaction_conflict",
                     "The transaction has a conflict. Please resolve the conflict and try again.");
}

static bool in_batch(const struct avj_write_batch *batch, const struct avj_server_table *table,
                     const char *id)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->changes[i].table == table && strcmp(batch->changes[i].id, id) == 0)
            return true;
    return false;
}

/* Whether someone else wrote the row after the operation was staged. */
static bool changed_since(const struct commit *commit, const struct avj_staged *staged,
                          const char *id)
{
    const struct avj_server_row *row = avj_server_table_get(staged->table, id);
    return row && row->mutation > staged->mutation && !in_batch(&commit->batch, staged->table, id);
}

static enum avj_write_result dispatch(struct commit *commit, const struct avj_staged *staged,
                                      struct avj_write *write)
{
    switch (staged->action) {
    case AVJ_STAGE_CREATE:
        return avj_write_create(commit->call, &commit->batch, write);
    case AVJ_STAGE_UPDATE:
        return avj_write_update(commit->call, &commit->batch, write);
    case AVJ_STAGE_UPSERT:
        return avj_write_upsert(commit->call, &commit->batch, write);
    case AVJ_STAGE_DELETE:
        return avj_write_delete(commit->call, &commit->batch, write);
    }
    return AVJ_W_NOMEM;
}

static void take_last_words(const struct commit *commit, const struct avj_staged *staged,
                            struct last_words *words)
{
    const struct avj_server_row *row =
        avj_write_batch_get(&commit->batch, staged->table, staged->id);
    if (staged->action != AVJ_STAGE_DELETE || !row)
        return;
    avj_row_json(&words->payload, commit->call->spelling, staged->table, row, AVJ_SHAPE_COMMIT,
                 NULL);
    avj_text_add(&words->perms, row->perms, row->perms_len);
}

static void answer_failure(struct commit *commit, enum avj_write_result result,
                           const struct avj_write *write)
{
    /* The real server leaves a transaction that failed for want of permission in this state. */
    commit->tx->status = result == AVJ_W_UNAUTHORIZED ? "committing" : "failed";
    if (result == AVJ_W_EXISTS)
        answer_conflict(commit->call);
    else
        avj_answer_write_result(commit->call, result, write);
}

/* The row that an operation is about; NULL: no randomness. */
static const char *effective_id(struct commit *commit, const struct avj_staged *staged,
                                char unique[AVJ_SERVE_ID_TEXT])
{
    if (staged->action != AVJ_STAGE_UPSERT)
        return staged->id;
    const char *id = json_string_value(json_object_get(staged->data, "$id"));
    if (id)
        return id;
    /* The named row is not touched: an upsert without $id in its data makes a new one, there as
     * here. */
    return avj_unique_id(commit->call->serve, unique) ? unique : NULL;
}

static bool run_one(struct commit *commit, const struct avj_staged *staged,
                    struct last_words *words)
{
    char unique[AVJ_SERVE_ID_TEXT];
    struct avj_text perms = {0};
    bool given = false;
    struct avj_write write = {
        .table = staged->table, .id = effective_id(commit, staged, unique), .data = staged->data};
    if (!write.id) {
        avj_answer_server_error(commit->call);
        return false;
    }
    if (changed_since(commit, staged, write.id)) {
        commit->tx->status = "failed";
        answer_conflict(commit->call);
        return false;
    }
    if (!avj_call_perms(commit->call, json_object_get(staged->data, "$permissions"), &perms,
                        &given)) {
        avj_text_release(&perms);
        commit->tx->status = "failed";
        return false;
    }
    write.perms = given ? (perms.data ? perms.data : "") : NULL;
    write.perms_len = perms.len;
    take_last_words(commit, staged, words);
    enum avj_write_result result = dispatch(commit, staged, &write);
    avj_text_release(&perms);
    if (result != AVJ_W_OK)
        answer_failure(commit, result, &write);
    return result == AVJ_W_OK;
}

static void tell(struct commit *commit, const struct avj_staged *staged,
                 const struct last_words *words)
{
    static const char *const actions[] = {"create", "update", "update",
                                          "delete"}; /* an upsert shows as an update */
    struct avj_call *call = commit->call;
    const struct avj_server_row *row = avj_server_table_get(staged->table, staged->id);
    const char *action = actions[staged->action];
    bool tables_only = call->spelling == &avj_spelling_tablesdb;
    if (staged->action == AVJ_STAGE_DELETE) {
        (void)avj_event_add(call, staged->table, staged->id,
                            words->perms.data ? words->perms.data : "", words->perms.len, action,
                            tables_only, &words->payload);
        return;
    }
    if (!row)
        return;
    struct avj_text payload = {0};
    avj_row_json(&payload, call->spelling, staged->table, row, AVJ_SHAPE_COMMIT, NULL);
    (void)avj_event_add(call, staged->table, staged->id, row->perms, row->perms_len, action,
                        tables_only, &payload);
    avj_text_release(&payload);
}

static void run(struct commit *commit)
{
    struct avj_transaction *tx = commit->tx;
    struct avj_call *call = commit->call;
    tx->updated_ms = call->serve->now_ms;
    for (size_t i = 0; i < tx->count; i++)
        if (!run_one(commit, &tx->staged[i], &commit->last_words[i])) {
            if (strcmp(tx->status, "pending") != 0)
                avj_tx_clear(tx);
            return;
        }
    enum avj_status stored = avj_write_batch_commit(call->serve, &commit->batch);
    if (stored != AVJ_OK) {
        avj_answer_storage_error(call, stored); /* it stays pending and can be tried again */
        return;
    }
    tx->status = "committed";
    for (size_t i = 0; i < tx->count; i++)
        tell(commit, &tx->staged[i], &commit->last_words[i]);
    avj_tx_clear(tx);
    avj_tx_json(tx, avj_answer(call, 200));
}

void avj_tx_commit(struct avj_call *call, struct avj_transaction *tx)
{
    size_t count = tx->count;
    struct commit commit = {
        .call = call, .tx = tx, .last_words = calloc(count + 1, sizeof(*commit.last_words))};
    if (commit.last_words)
        run(&commit);
    else
        avj_answer_server_error(call);
    for (size_t i = 0; commit.last_words && i < count; i++) {
        avj_text_release(&commit.last_words[i].payload);
        avj_text_release(&commit.last_words[i].perms);
    }
    free(commit.last_words);
    avj_write_batch_release(&commit.batch);
}
