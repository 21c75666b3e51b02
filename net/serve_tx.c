/* Transactions: their routes but for staging and committing. */
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

#define TTL_MIN     60
#define TTL_MAX     3600
#define TTL_DEFAULT 300
/* Transactions that are over, or expired, are kept this long for those who ask. */
#define KEPT_MS 3600000
/* Above this many, those that are over are dropped at once. */
#define KNOWN_MAX      1024
#define OPERATIONS_MAX 100

void avj_tx_clear(struct avj_transaction *tx)
{
    for (size_t i = 0; i < tx->count; i++) {
        free(tx->staged[i].id);
        json_decref(tx->staged[i].data);
    }
    free(tx->staged);
    tx->staged = NULL;
    tx->count = tx->cap = 0;
}

void avj_tx_free(struct avj_transaction *tx)
{
    if (!tx)
        return;
    avj_tx_clear(tx);
    free(tx->owner);
    free(tx);
}

static bool is_over(const struct avj_transaction *tx, int64_t now_ms, bool crowded)
{
    if (strcmp(tx->status, "pending") != 0)
        return crowded || tx->updated_ms + KEPT_MS <= now_ms;
    return tx->expires_ms + (crowded ? 0 : KEPT_MS) <= now_ms;
}

void avj_tx_expire(struct avj_serve *serve)
{
    bool crowded = serve->transactions.count >= KNOWN_MAX;
    for (size_t i = 0; i < serve->transactions.cap;) {
        struct avj_transaction *tx = avj_map_at(&serve->transactions, i);
        if (tx && is_over(tx, serve->now_ms, crowded))
            avj_tx_free(
                avj_map_take(&serve->transactions, tx->id)); /* may shift another one into slot i */
        else
            i++;
    }
}

void avj_tx_json(const struct avj_transaction *tx, struct avj_text *out)
{
    avj_text_printf(out, "{\"$id\":\"%s\",\"$createdAt\":", tx->id);
    avj_text_json_time(out, tx->created_ms);
    avj_text_puts(out, ",\"$updatedAt\":");
    avj_text_json_time(out, tx->updated_ms);
    avj_text_printf(out, ",\"status\":\"%s\",\"operations\":%zu,\"expiresAt\":", tx->status,
                    tx->operations);
    avj_text_json_time(out, tx->expires_ms);
    avj_text_puts(out, "}");
}

struct avj_transaction *avj_tx_find(struct avj_call *call, const char *id)
{
    struct avj_transaction *tx = avj_map_get(&call->serve->transactions, id);
    if (tx && tx->owner && call->user && strcmp(tx->owner, call->user) == 0)
        return tx;
    avj_answer_error(call, 404, "transaction_not_found",
                     "Transaction with the requested ID could not be found.");
    return NULL;
}

static void answer_expired(struct avj_call *call)
{
    avj_answer_error(call, 500, "transaction_expired", "Server Error");
}

bool avj_tx_open_for(struct avj_call *call, const struct avj_transaction *tx, size_t more)
{
    if (strcmp(tx->status, "pending") != 0)
        avj_answer_error(call, 400, "general_bad_request",
                         "Invalid or non\xe2\x80\x91pending transaction");
    else if (tx->expires_ms <= call->serve->now_ms)
        answer_expired(call);
    else if (tx->count + more > OPERATIONS_MAX)
        avj_answer_error(
            call, 400, "transaction_limit_exceeded",
            "Transaction already has %zu operations, adding %zu would exceed the maximum of %d",
            tx->count, more, OPERATIONS_MAX);
    else if (tx->bytes + call->request->body_len > AVJ_SERVE_BODY_MAX)
        avj_answer_error(call, 400, "transaction_limit_exceeded",
                         "The operations of a transaction may not exceed %zu bytes in all.",
                         AVJ_SERVE_BODY_MAX);
    else
        return true;
    return false;
}

bool avj_tx_stage(struct avj_call *call, struct avj_transaction *tx,
                  const struct avj_staged *staged)
{
    if (tx->count == tx->cap) {
        size_t cap = tx->cap ? tx->cap * 2 : 8;
        struct avj_staged *grown = realloc(tx->staged, cap * sizeof(*grown));
        if (!grown)
            return false;
        tx->staged = grown;
        tx->cap = cap;
    }
    char *id = strdup(staged->id);
    if (!id)
        return false;
    struct avj_staged *added = &tx->staged[tx->count++];
    *added = *staged;
    added->id = id;
    added->mutation = call->serve->mutations;
    json_incref(added->data);
    tx->operations = tx->count;
    return true;
}

void avj_route_tx_create(struct avj_call *call)
{
    struct avj_serve *serve = call->serve;
    const json_t *ttl = json_object_get(call->body, "ttl");
    json_int_t seconds = ttl ? json_integer_value(ttl) : TTL_DEFAULT;
    if ((ttl && !json_is_integer(ttl)) || seconds < TTL_MIN || seconds > TTL_MAX) {
        avj_answer_error(call, 400, "general_argument_invalid",
                         "Invalid `ttl` param: Value must be a valid range between 60 and 3,600");
        return;
    }
    avj_tx_expire(serve);
    struct avj_transaction *tx = calloc(1, sizeof(*tx));
    if (!tx || !avj_unique_id(serve, tx->id) || (call->user && !(tx->owner = strdup(call->user)))) {
        avj_tx_free(tx);
        avj_answer_server_error(call);
        return;
    }
    tx->status = "pending";
    tx->created_ms = tx->updated_ms = serve->now_ms;
    tx->expires_ms = tx->created_ms + (int64_t)seconds * 1000;
    tx->number = ++serve->transactions_made;
    avj_tx_json(tx, avj_answer(call, 201));
    /* A guest gets one, as recorded, but never finds it again: it need not be kept. */
    if (!tx->owner) {
        avj_tx_free(tx);
    } else if (!avj_map_put(&serve->transactions, tx->id, tx, NULL)) {
        avj_tx_free(tx);
        avj_answer_server_error(call);
    }
}

void avj_route_tx_get(struct avj_call *call)
{
    const struct avj_transaction *tx = avj_tx_find(call, call->segments[2]);
    if (tx)
        avj_tx_json(tx, avj_answer(call, 200));
}

/* The caller's transaction with the smallest number above `after`. */
static const struct avj_transaction *next_own(const struct avj_call *call, uint64_t after)
{
    const struct avj_transaction *found = NULL;
    const struct avj_map *map = &call->serve->transactions;
    for (size_t i = 0; i < map->cap; i++) {
        const struct avj_transaction *tx = avj_map_at(map, i);
        if (tx && tx->owner && call->user && strcmp(tx->owner, call->user) == 0 &&
            tx->number > after && (!found || tx->number < found->number))
            found = tx;
    }
    return found;
}

void avj_route_tx_list(struct avj_call *call)
{
    struct avj_text *body = avj_answer(call, 200), list = {0};
    size_t total = 0;
    for (const struct avj_transaction *tx = next_own(call, 0); tx;
         tx = next_own(call, tx->number)) {
        if (total++ >= 25)
            continue;
        if (total > 1)
            avj_text_puts(&list, ",");
        avj_tx_json(tx, &list);
    }
    avj_text_printf(body, "{\"total\":%zu,\"transactions\":[", total);
    avj_text_add(body, list.data ? list.data : "", list.len);
    avj_text_puts(body, "]}");
    body->failed = body->failed || list.failed;
    avj_text_release(&list);
}

void avj_route_tx_delete(struct avj_call *call)
{
    struct avj_transaction *tx = avj_tx_find(call, call->segments[2]);
    if (!tx)
        return;
    avj_tx_free(avj_map_take(&call->serve->transactions, tx->id));
    avj_answer_empty(call, 204);
}

static void roll_back(struct avj_call *call, struct avj_transaction *tx)
{
    avj_tx_clear(tx);
    tx->status = "failed";
    tx->updated_ms = call->serve->now_ms;
    avj_tx_json(tx, avj_answer(call, 200));
}

void avj_route_tx_patch(struct avj_call *call)
{
    bool commit = json_is_true(json_object_get(call->body, "commit")),
         rollback = json_is_true(json_object_get(call->body, "rollback"));
    if (commit == rollback) {
        avj_answer_error(call, 400, "general_bad_request",
                         commit ? "Cannot commit and rollback at the same time"
                                : "Either commit or rollback must be true");
        return;
    }
    struct avj_transaction *tx = avj_tx_find(call, call->segments[2]);
    if (!tx)
        return;
    if (strcmp(tx->status, "pending") != 0)
        avj_answer_error(call, 400, "transaction_not_ready",
                         "The transaction is not ready yet. Please try again later.");
    else if (tx->expires_ms <= call->serve->now_ms)
        answer_expired(call);
    else if (rollback)
        roll_back(call, tx);
    else
        avj_tx_commit(call, tx);
}
