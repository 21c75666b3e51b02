/* Operations of a lane: copies of the outbox's, and what becomes of them.  See client_push_lane.h.
 */
#include "net/client_push_lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum avj_status avj_op_copy(struct lane_op *to, const struct avj_push_op *from)
{
    size_t id = strlen(from->id) + 1;
    size_t base = from->base_version ? strlen(from->base_version) + 1 : 0;
    *to = (struct lane_op){.op = *from, .send = from->kind};
    to->texts = malloc(id + base);
    to->fields = malloc(from->fields.len ? from->fields.len : 1);
    if (!to->texts || !to->fields) {
        avj_op_release(to);
        return AVJ_ENOMEM;
    }
    memcpy(to->texts, from->id, id);
    if (base)
        memcpy(to->texts + id, from->base_version, base);
    if (from->fields.len)
        memcpy(to->fields, from->fields.data, from->fields.len);
    to->op.id = to->texts;
    to->op.base_version = base ? to->texts + id : NULL;
    to->op.fields.data = to->fields;
    to->check = from->attempted || from->kind != AVJ_PUSH_CREATE;
    return AVJ_OK;
}

void avj_op_release(struct lane_op *op)
{
    free(op->texts);
    free(op->fields);
    avj_pack_release(&op->patch);
    json_decref(op->data);
    json_decref(op->omitted);
    avj_row_copy_release(&op->row);
    *op = (struct lane_op){0};
}

enum avj_status avj_op_prepare(struct avj_push *push, struct lane_op *op)
{
    struct avj_fields fields =
        op->use_patch ? (struct avj_fields){op->patch.data, op->patch.len} : op->op.fields;
    json_decref(op->data);
    json_decref(op->omitted);
    op->data = op->omitted = NULL;
    if (op->send == AVJ_PUSH_DELETE)
        return AVJ_OK;
    enum avj_status status = avj_row_write(op->op.entity, fields, op->send == AVJ_PUSH_CREATE,
                                           push->aw->user, &push->lessons, &op->data, &op->omitted);
    if (status || !op->use_patch)
        return status;
    /* A patch leaves out what the deployment lacks; what is kept back is the whole document's. */
    json_t *unused = NULL;
    json_decref(op->omitted);
    status = avj_row_write(op->op.entity, op->op.fields, true, push->aw->user, &push->lessons,
                           &unused, &op->omitted);
    json_decref(unused);
    return status;
}

void avj_op_reject(struct lane_op *op, int status, const char *type, const char *message)
{
    op->state = OP_REJECTED;
    op->status = status;
    snprintf(op->error_type, sizeof op->error_type, "%s", type);
    snprintf(op->error_message, sizeof op->error_message, "%s", message);
}

void avj_op_ack(struct lane_op *op, int status)
{
    op->state = OP_ACKED;
    op->status = status;
}

/* The names in `omitted` as an array of borrowed texts; false: out of memory. */
static bool kept_names(const json_t *omitted, const char *const **out, size_t *count)
{
    *count = json_array_size(omitted);
    *out = NULL;
    if (!*count)
        return true;
    const char **names = malloc(*count * sizeof *names);
    for (size_t i = 0; names && i < *count; i++)
        names[i] = json_string_value(json_array_get(omitted, i));
    *out = names;
    return names != NULL;
}

static bool fill_outcome(struct lane_op *op, struct avj_outcome *out)
{
    bool acked = op->state == OP_ACKED;
    bool deleted = op->op.kind >= AVJ_PUSH_DELETE || !op->has_row;
    *out = (struct avj_outcome){
        .op = &op->op,
        .acknowledged = acked,
        .status = op->status,
        .row = op->has_row ? op->row.row
                           : (struct avj_row){.entity = op->op.entity,
                                              .id = op->op.id,
                                              .remote_id = op->op.remote_id},
        .error_type = acked ? NULL : op->error_type,
        .error_message = acked ? NULL : op->error_message,
    };
    out->row.deleted = deleted;
    return !acked || deleted || kept_names(op->omitted, &out->kept, &out->kept_count);
}

static void sweep(struct lane *lane)
{
    size_t kept = 0;
    for (size_t i = 0; i < lane->count; i++) {
        if (lane->ops[i].state != OP_OPEN) {
            avj_op_release(&lane->ops[i]);
            continue;
        }
        struct lane_op moved = lane->ops[i];
        lane->ops[kept++] = moved;
    }
    lane->count = kept;
}

enum avj_status avj_lane_settle(struct avj_push *push, struct lane *lane)
{
    struct avj_outcome *outcomes = calloc(lane->count ? lane->count : 1, sizeof *outcomes);
    size_t count = 0, rejected = 0, elided = 0;
    bool ok = outcomes != NULL;
    for (size_t i = 0; ok && i < lane->count; i++) {
        struct lane_op *op = &lane->ops[i];
        if (op->state != OP_ACKED && op->state != OP_REJECTED)
            continue;
        ok = fill_outcome(op, &outcomes[count++]);
        rejected += op->state == OP_REJECTED;
        elided += op->op.kind == AVJ_PUSH_ELIDE;
        if (op->state == OP_REJECTED)
            snprintf(push->note, sizeof push->note, "%s %s was refused: %s",
                     avj_schema(op->op.entity)->kind, op->op.id, op->error_message);
    }
    enum avj_status status = ok ? AVJ_OK : AVJ_ENOMEM;
    if (!status && count)
        status = avj_sync_settle(push->store, outcomes, count, &push->failure);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)outcomes[i].kept);
    free(outcomes);
    if (status)
        return avj_push_fail(push, status, "journal what was settled");
    push->pushed += count - rejected - elided;
    push->rejected += rejected;
    push->drained = false;
    sweep(lane);
    return AVJ_OK;
}

enum avj_status avj_lane_learn_row(struct avj_push *push, const struct lane_op *op, bool deleted)
{
    struct avj_row gone = {.entity = op->op.entity,
                           .id = op->op.id,
                           .remote_id = op->op.remote_id,
                           .version = op->op.base_version,
                           .deleted = true};
    const struct avj_row *row = deleted ? &gone : &op->row.row;
    enum avj_status status =
        avj_sync_remote(push->store, row, 1, "push", AVJ_DURABLE, NULL, &push->failure);
    return status ? avj_push_fail(push, status, "journal a row") : AVJ_OK;
}
