/*
 * Rows that a lane reads, and what they mean for its operations.  See client_push_lane.h.
 *
 * Absence is believed only after the session was probed: to a guest every row is absent.
 */
#include "net/client_push_lane.h"
#include "replay/clock.h"

#include <stdio.h>
#include <string.h>

static bool reads_op(const struct lane *lane, const struct lane_op *op)
{
    if (op->state != OP_OPEN)
        return false;
    switch (lane->purpose) {
    case READ_CHECK:
        return op->check;
    case READ_RECHECK:
        return op->send != AVJ_PUSH_CREATE;
    default:
        return op->send != AVJ_PUSH_DELETE;
    }
}

/* The collection to be asked next, AVJ_ENTITIES: all were. */
static enum avj_entity next_entity(const struct lane *lane)
{
    for (size_t i = 0; i < lane->count; i++)
        if (reads_op(lane, &lane->ops[i]) && !lane->got[lane->ops[i].op.entity])
            return lane->ops[i].op.entity;
    return AVJ_ENTITIES;
}

enum avj_status avj_lane_read_request(struct avj_push *push, struct lane *lane,
                                      struct avj_http_request *out)
{
    enum avj_entity entity = next_entity(lane);
    const char *ids[AVJ_AW_IDS_PER_QUERY];
    struct avj_aw_list list = {.ids = ids, .versions_only = lane->purpose == READ_RECHECK};
    for (size_t i = 0; i < lane->count; i++)
        if (lane->ops[i].op.entity == entity && reads_op(lane, &lane->ops[i]))
            ids[list.id_count++] = lane->ops[i].op.remote_id;
    return avj_aw_list(push->aw, entity, &list, out);
}

/* ---- judging ---- */

/* True where `row` is what the change was made on, or an older copy of it. */
static bool on_base(const struct lane_op *op)
{
    const char *base = op->op.base_version, *now = op->row.row.version;
    int64_t a, b;
    if (!base)
        return false;
    if (strcmp(base, now) == 0)
        return true;
    return avj_time_parse(base, strlen(base), &a) && avj_time_parse(now, strlen(now), &b) && b < a;
}

static enum avj_status release_with_row(struct avj_push *push, struct lane_op *op)
{
    op->state = OP_RELEASED;
    return avj_lane_learn_row(push, op, false);
}

/* What is still to be written once the row is there: nothing (settled), a patch, or, where someone
 * else changed the row, a new merge. */
static enum avj_status judge_fields(struct avj_push *push, struct lane_op *op)
{
    bool differ;
    avj_pack_reset(&op->patch);
    op->use_patch = false;
    enum avj_status status = avj_row_diff(op->op.entity, op->op.fields, op->row.row.fields,
                                          &push->lessons, &op->patch, &differ);
    if (!status && !differ)
        status = avj_op_prepare(push, op);
    if (status)
        return avj_push_fail(push, status, "compare %s %s", avj_schema(op->op.entity)->kind,
                             op->op.id);
    if (!differ) {
        avj_op_ack(op, 200);
        return AVJ_OK;
    }
    /* Our own create that nobody touched since, or a row whose state the store has merged already.
     */
    bool untouched =
        op->op.kind == AVJ_PUSH_CREATE && strcmp(op->row.row.created, op->row.row.version) == 0;
    if (!untouched && !on_base(op))
        return release_with_row(push, op);
    op->send = AVJ_PUSH_UPDATE;
    op->use_patch = op->op.kind == AVJ_PUSH_CREATE;
    return AVJ_OK;
}

static enum avj_status judge_present(struct avj_push *push, struct lane_op *op)
{
    if (op->foreign || (op->has_row && strcmp(op->row.row.id, op->op.id) != 0)) {
        avj_op_reject(op, 409, "row_taken", "the server has another document under this $id");
        return AVJ_OK;
    }
    if (op->op.kind != AVJ_PUSH_DELETE)
        return judge_fields(push, op);
    /* Without a base it is the answer to a create that got lost, or another device's: it is heard
     * of before it is deleted. */
    if (!op->op.duplicate_row && (!op->op.base_version || !on_base(op)))
        return release_with_row(push, op);
    return AVJ_OK;
}

static enum avj_status judge_absent(struct avj_push *push, struct lane_op *op)
{
    op->send = op->op.kind;
    op->use_patch = false;
    if (op->op.kind == AVJ_PUSH_CREATE)
        return AVJ_OK;
    if (op->op.kind == AVJ_PUSH_DELETE) {
        avj_op_ack(op, 404);
        return AVJ_OK;
    }
    op->state = OP_RELEASED;
    return avj_lane_learn_row(push, op, true);
}

static enum avj_status check_done(struct avj_push *push, struct lane *lane)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; !status && i < lane->count; i++) {
        struct lane_op *op = &lane->ops[i];
        if (!reads_op(lane, op))
            continue;
        op->check = false;
        status = op->has_row || op->foreign ? judge_present(push, op) : judge_absent(push, op);
    }
    if (!status)
        status = avj_lane_settle(push, lane);
    return status ? status : avj_lane_send(push, lane);
}

static enum avj_status recheck_done(struct avj_push *push, struct lane *lane)
{
    bool moved = false;
    for (size_t i = 0; i < lane->count; i++)
        if (reads_op(lane, &lane->ops[i]) && !lane->ops[i].fresh)
            moved = lane->ops[i].check = true;
    lane->state = moved ? LANE_ROLLBACK : LANE_COMMIT;
    lane->after = LANE_READ;
    (void)push;
    return AVJ_OK;
}

static enum avj_status back_done(struct avj_push *push, struct lane *lane)
{
    for (size_t i = 0; i < lane->count; i++) {
        struct lane_op *op = &lane->ops[i];
        avj_op_ack(op, op->send == AVJ_PUSH_DELETE ? 204 : op->send == AVJ_PUSH_CREATE ? 201 : 200);
    }
    enum avj_status status = avj_lane_settle(push, lane);
    lane->state = LANE_FREE;
    return status;
}

static bool any_absent(const struct lane *lane)
{
    for (size_t i = 0; i < lane->count; i++) {
        const struct lane_op *op = &lane->ops[i];
        bool create = lane->purpose == READ_CHECK && op->op.kind == AVJ_PUSH_CREATE;
        if (reads_op(lane, op) && !op->has_row && !op->foreign && !create)
            return true;
    }
    return false;
}

static enum avj_status read_done(struct avj_push *push, struct lane *lane)
{
    if (lane->purpose == READ_RECHECK)
        return recheck_done(push, lane);
    lane_fn *then = lane->purpose == READ_CHECK ? check_done : back_done;
    return any_absent(lane) ? avj_lane_probe(lane, then) : then(push, lane);
}

/* ---- reading ---- */

enum avj_status avj_lane_read(struct avj_push *push, struct lane *lane, enum read_purpose purpose)
{
    lane->state = LANE_READ;
    lane->purpose = purpose;
    memset(lane->got, 0, sizeof lane->got);
    for (size_t i = 0; i < lane->count; i++) {
        struct lane_op *op = &lane->ops[i];
        if (!reads_op(lane, op))
            continue;
        op->fresh = false;
        if (purpose == READ_RECHECK)
            continue;
        avj_row_copy_release(&op->row);
        op->has_row = op->foreign = false;
    }
    return next_entity(lane) < AVJ_ENTITIES ? AVJ_OK : read_done(push, lane);
}

static struct lane_op *find_op(const struct lane *lane, enum avj_entity entity, const char *id)
{
    for (size_t i = 0; id && i < lane->count; i++)
        if (lane->ops[i].op.entity == entity && strcmp(lane->ops[i].op.remote_id, id) == 0)
            return &lane->ops[i];
    return NULL;
}

static enum avj_status take_row(struct avj_push *push, struct lane *lane, enum avj_entity entity,
                                const json_t *json)
{
    struct lane_op *op = find_op(lane, entity, json_string_value(json_object_get(json, "$id")));
    if (!op || !reads_op(lane, op))
        return AVJ_OK;
    if (lane->purpose == READ_RECHECK) {
        const char *now = json_string_value(json_object_get(json, "$updatedAt"));
        const char *then = op->has_row ? op->row.row.version : op->op.base_version;
        op->fresh = now && (!then || strcmp(now, then) == 0);
        return AVJ_OK;
    }
    avj_row_copy_release(&op->row);
    enum avj_status status = avj_row_read(entity, json, push->aw->user, &op->row, NULL);
    op->has_row = status == AVJ_OK;
    op->foreign = status == AVJ_ENOTFOUND;
    if (status == AVJ_ENOTFOUND || status == AVJ_EFORMAT)
        return AVJ_OK;
    return status ? avj_push_fail(push, status, "read a row") : AVJ_OK;
}

enum avj_status avj_lane_no_collection(struct avj_push *push, struct lane *lane,
                                       enum avj_entity entity, const struct avj_aw_result *result)
{
    const char *name = push->aw->collections[entity];
    char message[sizeof lane->ops->error_message];
    if (entity == AVJ_THREAD || entity == AVJ_MESSAGE ||
        !strcmp(result->type, "project_not_found") || !strcmp(result->type, "database_not_found"))
        return avj_push_fail(push, AVJ_EREJECTED, "collection \"%s\" of database \"%s\": %s", name,
                             push->aw->database, result->message);
    snprintf(message, sizeof message, "the server has no collection \"%.80s\"", name);
    for (size_t i = 0; i < lane->count; i++)
        if (lane->ops[i].op.entity == entity)
            avj_op_reject(&lane->ops[i], result->status, result->type, message);
    return AVJ_OK;
}

static enum avj_status take_rows(struct avj_push *push, struct lane *lane, enum avj_entity entity,
                                 const struct avj_aw_result *result)
{
    json_t *rows = avj_aw_rows(result->json), *row;
    size_t i;
    if (!rows)
        return avj_push_fail(push, AVJ_EPROTO, "a list of \"%s\" came without rows",
                             push->aw->collections[entity]);
    lane->got[entity] = true;
    json_array_foreach(rows, i, row)
    {
        enum avj_status status = take_row(push, lane, entity, row);
        if (status)
            return status;
    }
    return AVJ_OK;
}

/* The session is ours, and still the collection may not be read. */
static enum avj_status unreadable(struct avj_push *push, struct lane *lane)
{
    (void)lane;
    return avj_push_fail(
        push, AVJ_EREJECTED,
        "the server does not let this user read the collections; check their permissions");
}

enum avj_status avj_lane_read_answer(struct avj_push *push, struct lane *lane,
                                     const struct avj_aw_result *result)
{
    enum avj_status status = AVJ_OK;
    enum avj_entity entity = next_entity(lane);
    switch (result->verdict) {
    case AVJ_AW_OK:
        status = take_rows(push, lane, entity, result);
        break;
    case AVJ_AW_RETRY:
    case AVJ_AW_RATE:
        return avj_push_later(push, result);
    case AVJ_AW_AUTH:
        return avj_lane_probe(lane, unreadable);
    case AVJ_AW_NO_COLLECTION:
        status = avj_lane_no_collection(push, lane, entity, result);
        break;
    case AVJ_AW_TOO_LARGE:
        if (lane->count > 1 && lane->purpose == READ_CHECK) {
            avj_lane_halve(lane);
            return avj_lane_settle(push, lane);
        }
        /* fall through */
    default:
        return avj_push_fail(push, AVJ_EPROTO, "read \"%s\": %s", push->aw->collections[entity],
                             result->message);
    }
    if (status || next_entity(lane) < AVJ_ENTITIES)
        return status;
    return read_done(push, lane);
}
