/* Push: takes batches from the outbox, routes answers to their lanes.  See client_push.h. */
#include "net/client_push_lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *learned(const void *arg, enum avj_entity entity, const char *field)
{
    return avj_sync_learned(arg, entity, field);
}

enum avj_status avj_push_new(const struct avj_push_options *options, struct avj_push **out)
{
    struct avj_push *push = calloc(1, sizeof *push);
    if (!push)
        return AVJ_ENOMEM;
    push->store = options->store;
    push->aw = options->aw;
    push->lessons = (struct avj_lessons){.learned = learned, .arg = options->store};
    push->backoff.random = options->seed;
    push->tries_max = options->tries_max;
    push->lane_count = options->lanes ? options->lanes : AVJ_PUSH_LANES;
    if (push->lane_count > AVJ_PUSH_LANES_MAX)
        push->lane_count = AVJ_PUSH_LANES_MAX;
    *out = push;
    return AVJ_OK;
}

static void lane_clear(struct lane *lane)
{
    for (size_t i = 0; i < lane->count; i++)
        avj_op_release(&lane->ops[i]);
    free(lane->ops);
    *lane = (struct lane){0};
}

void avj_push_free(struct avj_push *push)
{
    if (!push)
        return;
    for (size_t i = 0; i < AVJ_PUSH_LANES_MAX; i++)
        lane_clear(&push->lanes[i]);
    avj_set_release(&push->busy);
    avj_set_release(&push->parents);
    avj_set_release(&push->aside);
    free(push);
}

/* ---- answers that are none ---- */

enum avj_status avj_push_fail(struct avj_push *push, enum avj_status status, const char *format,
                              ...)
{
    char text[sizeof push->failure.message], inner[sizeof push->failure.message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(inner, sizeof inner, "%s", push->failure.status ? push->failure.message : "");
    return avj_fail(&push->failure, status, "%s%s%s", text, inner[0] ? ": " : "", inner);
}

int64_t avj_push_rate_wait(const struct avj_push *push, const struct avj_aw_result *result)
{
    int64_t server_now = result->date_ms ? result->date_ms : push->now_ms;
    int64_t wait = result->rate_reset_ms - server_now;
    if (wait < 1000)
        wait = result->rate_reset_ms ? 1000 : 10000;
    return wait;
}

static enum avj_status rate_wait(struct avj_push *push, const struct avj_aw_result *result)
{
    int64_t wait = avj_push_rate_wait(push, result);
    push->wait_until_ms = push->now_ms + wait;
    push->rate_limited = true;
    snprintf(push->note, sizeof push->note, "rate limited by the server for %lld s",
             (long long)(wait + 999) / 1000);
    return AVJ_OK;
}

enum avj_status avj_push_later(struct avj_push *push, const struct avj_aw_result *result)
{
    if (result->verdict == AVJ_AW_RATE)
        return rate_wait(push, result);
    if (push->tries_max && push->backoff.tries + 1 >= push->tries_max)
        return avj_push_fail(push, AVJ_ENET, "the server does not answer: %s", result->message);
    push->wait_until_ms = push->now_ms + avj_backoff_next(&push->backoff);
    push->rate_limited = false;
    snprintf(push->note, sizeof push->note, "%s; trying again", result->message);
    return AVJ_OK;
}

/*
 * The server answered a write with an error of its own.  It may be the server, it may be one
 * document in the batch: wait, then try with fewer, and leave a single one out for a while, so that
 * it holds up nothing else.
 */
enum avj_status avj_lane_later(struct avj_push *push, struct lane *lane,
                               const struct avj_aw_result *result)
{
    if (result->status < 500)
        return avj_push_later(push, result);
    struct avj_backoff backoff = {.random = push->backoff.random, .tries = lane->tries};
    lane->wait_until_ms = push->now_ms + avj_backoff_next(&backoff);
    push->backoff.random = backoff.random;
    snprintf(push->note, sizeof push->note, "%s; trying again", result->message);
    if (++lane->tries < SUSPECT_TRIES)
        return AVJ_OK;
    lane->tries = 0;
    if (lane->count > 1 && !lane->single) {
        avj_lane_halve(lane);
        return AVJ_OK;
    }
    lane->ops[0].state = OP_RELEASED;
    push->aside_until_ms = push->now_ms + ASIDE_MS;
    return avj_set_add(&push->aside, lane->ops[0].op.entity, lane->ops[0].op.id)
               ? AVJ_OK
               : avj_push_fail(push, AVJ_ENOMEM, "set a document aside");
}

enum avj_status avj_lane_probe(struct lane *lane, lane_fn *then)
{
    lane->state = LANE_PROBE;
    lane->after_probe = then;
    return AVJ_OK;
}

/* ---- taking a batch ---- */

static bool is_parent(enum avj_entity entity)
{
    return entity == AVJ_THREAD || entity == AVJ_PROJECT;
}

static bool mark_lanes(struct avj_push *push)
{
    bool ok = true;
    avj_set_clear(&push->busy);
    avj_set_clear(&push->parents);
    push->any_busy = false;
    for (size_t l = 0; l < push->lane_count; l++)
        for (size_t i = 0; i < push->lanes[l].count; i++) {
            const struct avj_push_op *op = &push->lanes[l].ops[i].op;
            push->any_busy = true;
            ok = ok && avj_set_add(&push->busy, op->entity, op->id);
            if (is_parent(op->entity) && op->kind == AVJ_PUSH_CREATE)
                ok = ok && avj_set_add(&push->parents, op->entity, op->id);
        }
    return ok;
}

static bool waits_for(const struct avj_push *push, struct avj_value fields, const char *key,
                      enum avj_entity parent)
{
    char id[256];
    struct avj_slice text = avj_value_get_text(fields, key);
    if (!text.data || text.len >= sizeof id)
        return false;
    memcpy(id, text.data, text.len);
    id[text.len] = '\0';
    return avj_set_has(&push->parents, parent, id);
}

static bool depends(const struct avj_push *push, const struct avj_push_op *op)
{
    /* A parent goes last: what belongs to it may be on its way. */
    if (is_parent(op->entity) && op->kind == AVJ_PUSH_DELETE)
        return push->any_busy;
    struct avj_tree *tree = NULL;
    if (!push->parents.count || !op->fields.len ||
        avj_tree_parse(op->fields.data, op->fields.len, &tree))
        return false;
    struct avj_value fields = avj_tree_root(tree);
    bool waits = (op->entity != AVJ_THREAD && waits_for(push, fields, "threadId", AVJ_THREAD)) ||
                 (op->entity == AVJ_THREAD && waits_for(push, fields, "projectId", AVJ_PROJECT));
    avj_tree_free(tree);
    return waits;
}

static bool skip(void *arg, const struct avj_push_op *op)
{
    struct avj_push *push = arg;
    if (avj_set_has(&push->busy, op->entity, op->id))
        return true;
    if (!avj_set_has(&push->aside, op->entity, op->id) && !depends(push, op))
        return false;
    /* Out of memory here only costs the order in which others see things. */
    if (is_parent(op->entity) && op->kind == AVJ_PUSH_CREATE)
        (void)avj_set_add(&push->parents, op->entity, op->id);
    return true;
}

/* Copies what goes into one batch. */
static enum avj_status fill(struct lane *lane, const struct avj_push_op *ops, size_t count)
{
    size_t bytes = 0, most = lane->single ? LANE_OPS_SINGLE : AVJ_AW_TX_OPERATIONS;
    lane->ops = calloc(count < most ? count : most, sizeof *lane->ops);
    if (!lane->ops)
        return AVJ_ENOMEM;
    for (size_t i = 0; i < count && lane->count < most; i++) {
        bytes += ops[i].fields.len;
        if (lane->count && bytes > LANE_BYTES_MAX)
            break;
        enum avj_status status = avj_op_copy(&lane->ops[lane->count], &ops[i]);
        if (status)
            return status;
        lane->count++;
    }
    return AVJ_OK;
}

/* Documents that were made and deleted before they ever left need no request: they are settled
 * apart. */
static enum avj_status take_elided(struct avj_push *push, const struct avj_push_op *ops,
                                   size_t count, bool *any)
{
    struct lane lane = {.ops = calloc(count ? count : 1, sizeof *lane.ops)};
    enum avj_status status = lane.ops ? AVJ_OK : AVJ_ENOMEM;
    for (size_t i = 0; !status && i < count; i++) {
        if (ops[i].kind != AVJ_PUSH_ELIDE)
            continue;
        status = avj_op_copy(&lane.ops[lane.count], &ops[i]);
        if (!status)
            avj_op_ack(&lane.ops[lane.count++], 0);
    }
    *any = lane.count > 0;
    if (status)
        status = avj_push_fail(push, status, "take a batch");
    else if (*any)
        status = avj_lane_settle(push, &lane);
    lane_clear(&lane);
    return status;
}

static enum avj_status outbox(struct avj_push *push, const struct avj_push_op **ops, size_t *count)
{
    bool any = true;
    while (any) {
        if (!mark_lanes(push))
            return avj_push_fail(push, AVJ_ENOMEM, "take a batch");
        enum avj_status status = avj_outbox_next(push->store, AVJ_AW_TX_OPERATIONS, skip, push, ops,
                                                 count, &push->failure);
        if (status)
            return avj_push_fail(push, status, "read the outbox");
        status = take_elided(push, *ops, *count, &any);
        if (status)
            return status;
    }
    return AVJ_OK;
}

static enum avj_status take(struct avj_push *push, struct lane *lane)
{
    const struct avj_push_op *ops;
    size_t count;
    enum avj_status status = outbox(push, &ops, &count);
    if (status)
        return status;
    push->drained = count == 0;
    if (!count)
        return AVJ_OK;
    free(lane->ops);
    *lane = (struct lane){.single = push->no_transactions ||
                                    push->aw->version < AVJ_AW_TRANSACTIONS_FROM};
    status = fill(lane, ops, count);
    return status ? avj_push_fail(push, status, "take a batch") : avj_lane_send(push, lane);
}

/* ---- requests and answers ---- */

static bool blocked(struct avj_push *push, int64_t until_ms)
{
    if (until_ms <= push->now_ms)
        return false;
    if (!push->blocked_until_ms || until_ms < push->blocked_until_ms)
        push->blocked_until_ms = until_ms;
    return true;
}

static bool held_back(struct avj_push *push, const struct lane *lane)
{
    int64_t spent = lane->state == LANE_SINGLE ? push->write_wait_ms[lane->ops[0].send] : 0;
    return blocked(push, spent > lane->wait_until_ms ? spent : lane->wait_until_ms);
}

static bool busy(const struct avj_push *push)
{
    for (size_t l = 0; l < push->lane_count; l++)
        if (push->lanes[l].state != LANE_FREE)
            return true;
    return false;
}

/* Documents that were left out: tried again later, or, in a single run, reported at its end. */
static enum avj_status look_aside(struct avj_push *push)
{
    if (!push->aside.count)
        return AVJ_OK;
    if (!push->tries_max && !blocked(push, push->aside_until_ms)) {
        avj_set_clear(&push->aside);
        push->drained = false;
    }
    if (!push->tries_max || !push->drained || busy(push))
        return AVJ_OK;
    return avj_push_fail(push, AVJ_ENET, "%zu documents stay pending, the server fails on them: %s",
                         push->aside.count, push->note);
}

static enum avj_status emit(struct avj_push *push, size_t index, struct avj_call *call)
{
    struct lane *lane = &push->lanes[index];
    call->token = index;
    enum avj_status status = lane->state == LANE_READ
                                 ? avj_lane_read_request(push, lane, &call->request)
                                 : avj_lane_write_request(push, lane, &call->request);
    lane->waiting = status == AVJ_OK;
    return status ? avj_push_fail(push, status, "make a request") : AVJ_OK;
}

/* Steps that need no request: the rollback of a transaction that never was. */
static enum avj_status step(struct avj_push *push, struct lane *lane)
{
    if (lane->state != LANE_ROLLBACK || lane->tx[0])
        return AVJ_OK;
    return lane->after == LANE_READ ? avj_lane_read(push, lane, READ_CHECK)
                                    : avj_lane_send(push, lane);
}

static enum avj_status next(struct avj_push *push, struct avj_call *call)
{
    enum avj_status aside = look_aside(push);
    if (aside)
        return aside;
    for (size_t i = 0; i < push->lane_count; i++) {
        struct lane *lane = &push->lanes[i];
        enum avj_status status = AVJ_OK;
        if (lane->waiting)
            continue;
        if (lane->state == LANE_FREE && !push->drained && !push->finishing)
            status = take(push, lane);
        if (!status)
            status = step(push, lane);
        if (status)
            return status;
        if (lane->state != LANE_FREE && !held_back(push, lane))
            return emit(push, i, call);
    }
    return AVJ_END;
}

enum avj_status avj_push_next(struct avj_push *push, int64_t now_ms, struct avj_call *call,
                              struct avj_error *err)
{
    push->now_ms = now_ms;
    push->blocked_until_ms = 0;
    if (!push->failure.status && now_ms < push->wait_until_ms)
        return AVJ_END;
    push->wait_until_ms = 0;
    enum avj_status status = push->failure.status ? push->failure.status : next(push, call);
    if (status < 0 && err)
        *err = push->failure;
    return status;
}

void avj_push_answer(struct avj_push *push, uint64_t token, const struct avj_http_answer *answer,
                     int64_t now_ms)
{
    struct avj_aw_result result;
    if (token >= push->lane_count || !push->lanes[token].waiting || push->failure.status)
        return;
    struct lane *lane = &push->lanes[token];
    push->now_ms = now_ms;
    lane->waiting = false;
    avj_aw_decode(answer, &result);
    if (result.verdict != AVJ_AW_RETRY)
        push->backoff.tries = 0;
    lane->wait_until_ms = 0;
    enum avj_status status = avj_lane_tell(push, lane, answer, &result);
    if (!status)
        status = lane->state == LANE_READ ? avj_lane_read_answer(push, lane, &result)
                                          : avj_lane_write_answer(push, lane, &result);
    (void)status; /* kept in push->failure, which avj_push_next reports */
    avj_aw_result_release(&result);
    if (lane->state == LANE_FREE)
        push->drained = false;
}

void avj_push_wake(struct avj_push *push)
{
    push->drained = false;
}

void avj_push_finish(struct avj_push *push)
{
    push->finishing = true;
}

void avj_push_hurry(struct avj_push *push)
{
    if (!push->rate_limited)
        push->wait_until_ms = 0;
    for (size_t l = 0; l < push->lane_count; l++)
        push->lanes[l].wait_until_ms = 0;
}

bool avj_push_in_flight(const struct avj_push *push, enum avj_entity entity, const char *remote_id)
{
    for (size_t l = 0; l < push->lane_count; l++)
        for (size_t i = 0; i < push->lanes[l].count; i++)
            if (push->lanes[l].ops[i].op.entity == entity &&
                strcmp(push->lanes[l].ops[i].op.remote_id, remote_id) == 0)
                return true;
    return false;
}

bool avj_push_idle(const struct avj_push *push)
{
    return push->drained && !busy(push) && !(push->aside.count && push->tries_max);
}

void avj_push_stats(const struct avj_push *push, struct avj_push_stats *stats)
{
    int64_t wait = push->wait_until_ms ? push->wait_until_ms : push->blocked_until_ms;
    *stats = (struct avj_push_stats){.pushed = push->pushed,
                                     .rejected = push->rejected,
                                     .busy = busy(push),
                                     .wait_until_ms = wait,
                                     .note = push->note[0] ? push->note : NULL};
}
