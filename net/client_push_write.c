/* Transactions and single writes of a lane, and what is done when they are refused.  See
 * client_push_lane.h. */
#include "net/client_push_lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A single document that meets a conflict more often than this has a server that contradicts
 * itself: a person must look. */
enum { SINGLE_ROUNDS = 8 };

/* ---- going on ---- */

/* Ends the transaction that may be open, then goes on with `after`. */
static enum avj_status retreat(struct lane *lane, enum lane_state after)
{
    lane->state = LANE_ROLLBACK;
    lane->after = after;
    lane->announced = false;
    return AVJ_OK;
}

static void check_all(struct lane *lane)
{
    for (size_t i = 0; i < lane->count; i++)
        lane->ops[i].check = true;
}

void avj_lane_halve(struct lane *lane)
{
    for (size_t i = (lane->count + 1) / 2; i < lane->count; i++)
        lane->ops[i].state = OP_RELEASED;
}

/* An update without anything the deployment could take needs no write, only the row to settle with.
 */
static void settle_empty(struct lane_op *op)
{
    if (op->send != AVJ_PUSH_UPDATE || json_object_size(op->data) > 0)
        return;
    if (op->has_row)
        avj_op_ack(op, 200);
    else
        op->check = true;
}

/* Before anything is written, the journal says that it will be: after a crash it may be upstream.
 */
static enum avj_status announce(struct avj_push *push, struct lane *lane)
{
    if (lane->announced || !lane->count)
        return AVJ_OK;
    struct avj_push_op *ops = malloc(lane->count * sizeof *ops);
    if (!ops)
        return avj_push_fail(push, AVJ_ENOMEM, "journal an attempt");
    for (size_t i = 0; i < lane->count; i++)
        ops[i] = lane->ops[i].op;
    snprintf(lane->attempt, sizeof lane->attempt, "%016llx",
             (unsigned long long)avj_backoff_random(&push->backoff));
    enum avj_status status = avj_sync_push(push->store, ops, lane->count, lane->attempt,
                                           lane->single ? "single" : "transaction", &push->failure);
    free(ops);
    lane->announced = true;
    lane->told = 0;
    return status ? avj_push_fail(push, status, "journal an attempt") : AVJ_OK;
}

enum avj_status avj_lane_send(struct avj_push *push, struct lane *lane)
{
    bool unread = false;
    for (size_t i = 0; i < lane->count; i++) {
        struct lane_op *op = &lane->ops[i];
        enum avj_status status = avj_op_prepare(push, op);
        if (status)
            return avj_push_fail(push, status, "write %s %s", avj_schema(op->op.entity)->kind,
                                 op->op.id);
        settle_empty(op);
        unread = unread || op->check;
    }
    if (unread)
        return avj_lane_read(push, lane, READ_CHECK);
    enum avj_status status = avj_lane_settle(push, lane);
    if (!status)
        status = announce(push, lane);
    lane->state = !lane->count ? LANE_FREE : lane->single ? LANE_SINGLE : LANE_BEGIN;
    return status;
}

/* ---- refusals ---- */

/* The only entity in the lane that sends attribute `name`, and an operation that does; NULL: none,
 * or several could be meant. */
static struct lane_op *sender_of(struct lane *lane, const char *name)
{
    struct lane_op *found = NULL;
    size_t count = lane->single && lane->count ? 1 : lane->count;
    for (size_t i = 0; i < count; i++) {
        struct lane_op *op = &lane->ops[i];
        if (!json_object_get(op->data, name))
            continue;
        if (found && found->op.entity != op->op.entity)
            return NULL;
        found = op;
    }
    return found;
}

static const char *lesson_of(struct avj_push *push, enum avj_entity entity,
                             const struct avj_aw_attribute *attribute)
{
    if (attribute->unknown)
        return "missing";
    const struct avj_field *field =
        avj_field_find_remote(entity, attribute->name, strlen(attribute->name));
    if (!field || field->form != AVJ_R_JSON_OR_TEXTS)
        return NULL;
    const char *known = push->lessons.learned(push->lessons.arg, entity, field->name);
    bool array = known && strcmp(known, "array") == 0;
    if (attribute->wants_array)
        return array ? NULL : "array";
    return array && !attribute->element ? "text" : NULL;
}

/* Learns what the deployment's collection is like from a refusal.  *learned: there was something,
 * so try again. */
static enum avj_status learn(struct avj_push *push, struct lane *lane,
                             const struct avj_aw_result *result, bool *learned)
{
    struct avj_aw_attribute attribute;
    char buffer[80];
    *learned = false;
    if (result->status != 400 || !avj_aw_parse_attribute(result->message, &attribute))
        return AVJ_OK;
    struct lane_op *op = sender_of(lane, attribute.name);
    const char *what = op ? lesson_of(push, op->op.entity, &attribute) : NULL;
    const char *field =
        what ? avj_row_optional(op->op.entity, attribute.name, op->op.fields, buffer) : NULL;
    if (!field)
        return AVJ_OK;
    *learned = true;
    enum avj_status status =
        avj_sync_learn(push->store, op->op.entity, field, what, &push->failure);
    return status ? avj_push_fail(push, status, "journal what the server lacks") : AVJ_OK;
}

/* The batch as a whole was refused for good: find out for what. */
static enum avj_status refused(struct avj_push *push, struct lane *lane,
                               const struct avj_aw_result *result)
{
    bool learned;
    enum avj_status status = learn(push, lane, result, &learned);
    if (status)
        return status;
    if (!learned && lane->count == 1)
        lane->single = true;
    if (!learned && lane->count > 1) {
        avj_lane_halve(lane);
        status = avj_lane_settle(push, lane);
    }
    return status ? status : retreat(lane, LANE_BEGIN);
}

static enum avj_status refused_after_probe(struct avj_push *push, struct lane *lane)
{
    struct avj_aw_result none = {0};
    return refused(push, lane, &none);
}

static enum avj_status conflict(struct lane *lane)
{
    check_all(lane);
    if (++lane->rounds >= CONFLICT_ROUNDS)
        lane->single = true;
    return retreat(lane, LANE_READ);
}

/* ---- the steps of a transaction ---- */

static json_t *operations(struct avj_push *push, const struct lane *lane)
{
    json_t *list = json_array();
    for (size_t i = 0; i < lane->count; i++) {
        const struct lane_op *op = &lane->ops[i];
        if (json_array_append_new(list, avj_aw_operation(push->aw, op->send, op->op.entity,
                                                         op->op.remote_id, op->data))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static enum avj_status stage_request(struct avj_push *push, struct lane *lane,
                                     struct avj_http_request *out)
{
    json_t *list = operations(push, lane);
    enum avj_status status = list ? avj_aw_tx_stage(push->aw, lane->tx, list, out) : AVJ_ENOMEM;
    json_decref(list);
    return status;
}

static enum avj_status begin_answer(struct avj_push *push, struct lane *lane,
                                    const struct avj_aw_result *result)
{
    const char *id = json_string_value(json_object_get(result->json, "$id"));
    if (result->verdict == AVJ_AW_OK && id && strlen(id) < sizeof lane->tx) {
        snprintf(lane->tx, sizeof lane->tx, "%s", id);
        lane->state = LANE_STAGE;
        return AVJ_OK;
    }
    switch (result->verdict) {
    case AVJ_AW_RETRY:
    case AVJ_AW_RATE:
        return avj_push_later(push, result);
    case AVJ_AW_AUTH:
        lane->single = true;
        return avj_lane_probe(lane, avj_lane_send);
    case AVJ_AW_NO_COLLECTION:
        return avj_push_fail(push, AVJ_EREJECTED, "%s", result->message);
    default:
        push->no_transactions = lane->single = true;
        return avj_lane_send(push, lane);
    }
}

static bool needs_recheck(const struct lane *lane)
{
    for (size_t i = 0; i < lane->count; i++)
        if (lane->ops[i].send != AVJ_PUSH_CREATE)
            return true;
    return false;
}

static enum avj_status stage_answer(struct avj_push *push, struct lane *lane,
                                    const struct avj_aw_result *result)
{
    enum avj_status status;
    switch (result->verdict) {
    case AVJ_AW_OK:
        lane->state = LANE_COMMIT;
        return needs_recheck(lane) ? avj_lane_read(push, lane, READ_RECHECK) : AVJ_OK;
    case AVJ_AW_RATE: /* nothing was staged */
        return avj_push_later(push, result);
    case AVJ_AW_RETRY: /* staged twice would be written twice */
        status = avj_lane_later(push, lane, result);
        return status ? status : retreat(lane, LANE_BEGIN);
    case AVJ_AW_TX_GONE:
        return retreat(lane, LANE_BEGIN);
    case AVJ_AW_NOT_FOUND:
    case AVJ_AW_CONFLICT:
    case AVJ_AW_EXISTS:
        return conflict(lane);
    case AVJ_AW_AUTH:
        return avj_lane_probe(lane, refused_after_probe);
    default:
        return refused(push, lane, result);
    }
}

static enum avj_status commit_answer(struct avj_push *push, struct lane *lane,
                                     const struct avj_aw_result *result)
{
    enum avj_status status;
    switch (result->verdict) {
    case AVJ_AW_OK:
        return avj_lane_read(push, lane, READ_BACK);
    case AVJ_AW_RATE: /* nothing was committed */
        return avj_push_later(push, result);
    case AVJ_AW_RETRY: /* it may have been: end the transaction for certain, then look */
        status = avj_lane_later(push, lane, result);
        check_all(lane);
        return status ? status : retreat(lane, LANE_READ);
    case AVJ_AW_TX_GONE:
        check_all(lane);
        return retreat(lane, LANE_READ);
    case AVJ_AW_NOT_FOUND:
    case AVJ_AW_CONFLICT:
    case AVJ_AW_EXISTS:
        return conflict(lane);
    case AVJ_AW_AUTH:
        return avj_lane_probe(lane, refused_after_probe);
    default:
        return refused(push, lane, result);
    }
}

static enum avj_status rolled_back(struct avj_push *push, struct lane *lane)
{
    lane->tx[0] = '\0';
    return lane->after == LANE_READ ? avj_lane_read(push, lane, READ_CHECK)
                                    : avj_lane_send(push, lane);
}

static enum avj_status rollback_answer(struct avj_push *push, struct lane *lane,
                                       const struct avj_aw_result *result)
{
    /* Until it is answered, a commit could still be on its way; how it is answered does not matter.
     */
    bool unanswered = result->verdict == AVJ_AW_RETRY || result->verdict == AVJ_AW_RATE;
    return unanswered ? avj_push_later(push, result) : rolled_back(push, lane);
}

static enum avj_status probe_answer(struct avj_push *push, struct lane *lane,
                                    const struct avj_aw_result *result)
{
    const char *id = json_string_value(json_object_get(result->json, "$id"));
    switch (result->verdict) {
    case AVJ_AW_OK:
        if (id && strcmp(id, push->aw->user) == 0)
            return lane->after_probe(push, lane);
        return avj_push_fail(push, AVJ_EAUTH, "the session belongs to another user: log in again");
    case AVJ_AW_AUTH:
        return avj_push_fail(push, AVJ_EAUTH,
                             "the session has ended: log in again (nothing is lost)");
    case AVJ_AW_RETRY:
    case AVJ_AW_RATE:
        return avj_push_later(push, result);
    default:
        return avj_push_fail(push, AVJ_EPROTO, "ask who is signed in: %s", result->message);
    }
}

/* ---- one document at a time ---- */

/* What the write is compared against, NULL for a create. */
static const char *base_of(const struct lane_op *op)
{
    return op->has_row ? op->row.row.version : op->op.base_version;
}

static enum avj_status single_request(struct avj_push *push, struct lane *lane,
                                      struct avj_http_request *out)
{
    const struct lane_op *op = &lane->ops[0];
    switch (op->send) {
    case AVJ_PUSH_CREATE:
        return avj_aw_create(push->aw, op->op.entity, op->op.remote_id, op->data, out);
    case AVJ_PUSH_UPDATE:
        return avj_aw_update(push->aw, op->op.entity, op->op.remote_id, op->data, base_of(op), out);
    default:
        return avj_aw_delete(push->aw, op->op.entity, op->op.remote_id, base_of(op), out);
    }
}

static enum avj_status single_next(struct avj_push *push, struct lane *lane)
{
    enum avj_status status = avj_lane_settle(push, lane);
    lane->rounds = lane->tries = 0;
    lane->state = lane->count ? LANE_SINGLE : LANE_FREE;
    return status;
}

static enum avj_status single_written(struct avj_push *push, struct lane *lane,
                                      const struct avj_aw_result *result)
{
    struct lane_op *op = &lane->ops[0];
    avj_op_ack(op, result->status);
    if (op->send == AVJ_PUSH_DELETE)
        return single_next(push, lane);
    avj_row_copy_release(&op->row);
    enum avj_status status =
        avj_row_read(op->op.entity, result->json, push->aw->user, &op->row, NULL);
    op->has_row = status == AVJ_OK;
    if (op->has_row)
        return single_next(push, lane);
    op->state = OP_OPEN; /* an answer without the row: read it */
    op->check = true;
    return avj_lane_read(push, lane, READ_CHECK);
}

static enum avj_status single_met_other(struct avj_push *push, struct lane *lane,
                                        const struct avj_aw_result *result)
{
    struct lane_op *op = &lane->ops[0];
    if (++lane->rounds >= SINGLE_ROUNDS) {
        avj_op_reject(op, result->status, result->type, result->message);
        return single_next(push, lane);
    }
    op->check = true;
    return avj_lane_read(push, lane, READ_CHECK);
}

static enum avj_status single_refused(struct avj_push *push, struct lane *lane,
                                      const struct avj_aw_result *result)
{
    bool learned;
    enum avj_status status = learn(push, lane, result, &learned);
    if (status)
        return status;
    if (learned)
        return avj_lane_send(push, lane);
    avj_op_reject(&lane->ops[0], result->status, result->type, result->message);
    return single_next(push, lane);
}

static enum avj_status single_forbidden(struct avj_push *push, struct lane *lane)
{
    lane->ops[0].state = OP_REJECTED;
    return single_next(push, lane);
}

/* The window's last request was spent: the next of its kind waits for the window's end. */
static void respect_rate(struct avj_push *push, const struct avj_aw_result *result,
                         enum avj_push_kind kind)
{
    int64_t now = result->date_ms ? result->date_ms : push->now_ms;
    if (result->rate_remaining == 0 && result->rate_reset_ms > now)
        push->write_wait_ms[kind] = push->now_ms + (result->rate_reset_ms - now);
}

static enum avj_status single_answer(struct avj_push *push, struct lane *lane,
                                     const struct avj_aw_result *result)
{
    struct lane_op *op = &lane->ops[0];
    enum avj_status status;
    respect_rate(push, result, op->send);
    switch (result->verdict) {
    case AVJ_AW_OK:
        return single_written(push, lane, result);
    case AVJ_AW_RATE:
        if (push->write_wait_ms[op->send] > push->now_ms)
            return AVJ_OK;
        return avj_push_later(push, result);
    case AVJ_AW_RETRY: /* the write may have happened */
        status = avj_lane_later(push, lane, result);
        op->check = true;
        return status ? status : avj_lane_read(push, lane, READ_CHECK);
    case AVJ_AW_EXISTS:
    case AVJ_AW_CONFLICT:
    case AVJ_AW_NOT_FOUND:
        return single_met_other(push, lane, result);
    case AVJ_AW_NO_COLLECTION:
        status = avj_lane_no_collection(push, lane, op->op.entity, result);
        return status ? status : single_next(push, lane);
    case AVJ_AW_AUTH:
        avj_op_reject(op, result->status, result->type, result->message);
        op->state = OP_OPEN; /* only rejected if the session is still ours */
        return avj_lane_probe(lane, single_forbidden);
    default:
        return single_refused(push, lane, result);
    }
}

/* ---- routing ---- */

enum avj_status avj_lane_write_request(struct avj_push *push, struct lane *lane,
                                       struct avj_http_request *out)
{
    switch (lane->state) {
    case LANE_BEGIN:
        return avj_aw_tx_begin(push->aw, out);
    case LANE_STAGE:
        return stage_request(push, lane, out);
    case LANE_COMMIT:
        return avj_aw_tx_end(push->aw, lane->tx, true, out);
    case LANE_ROLLBACK:
        return avj_aw_tx_end(push->aw, lane->tx, false, out);
    case LANE_PROBE:
        return avj_aw_account(push->aw, out);
    default:
        return single_request(push, lane, out);
    }
}

enum avj_status avj_lane_write_answer(struct avj_push *push, struct lane *lane,
                                      const struct avj_aw_result *result)
{
    switch (lane->state) {
    case LANE_BEGIN:
        return begin_answer(push, lane, result);
    case LANE_STAGE:
        return stage_answer(push, lane, result);
    case LANE_COMMIT:
        return commit_answer(push, lane, result);
    case LANE_ROLLBACK:
        return rollback_answer(push, lane, result);
    case LANE_PROBE:
        return probe_answer(push, lane, result);
    default:
        return single_answer(push, lane, result);
    }
}
