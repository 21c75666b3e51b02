/* Following Realtime: see client_engine_run.h. */
#include "net/client_engine_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

static enum avj_status journal_row(struct engine *engine, const struct deferred *event)
{
    struct avj_row_copy copy;
    size_t applied = 0;
    enum avj_status status =
        avj_row_read(event->entity, event->row, engine->access.aw.user, &copy, NULL);
    /* Another user's, or none that can be used: the collections may be readable by everybody. */
    if (status == AVJ_ENOTFOUND || status == AVJ_EFORMAT)
        return AVJ_OK;
    if (status)
        return avj_fail(engine->err, status, "read a row: out of memory");
    copy.row.deleted = event->deleted;
    status = avj_sync_remote(engine->store, &copy.row, 1, "realtime", AVJ_RELAXED, &applied,
                             engine->err);
    avj_row_copy_release(&copy);
    engine->pulled += applied;
    if (applied)
        avj_push_wake(engine->push);
    return status;
}

static bool must_wait(const struct engine *engine, const struct deferred *event)
{
    const char *id = json_string_value(json_object_get(event->row, "$id"));
    return id && avj_push_in_flight(engine->push, event->entity, id);
}

enum avj_status avj_engine_live_apply(struct engine *engine)
{
    size_t kept = 0;
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < engine->deferred_count; i++) {
        struct deferred event = engine->deferred[i];
        if (status || must_wait(engine, &event)) {
            engine->deferred[kept++] = event;
            continue;
        }
        status = journal_row(engine, &event);
        json_decref(event.row);
    }
    engine->deferred_count = kept;
    return status;
}

/* Keeps the order in which events came: also those that need not wait go through the list. */
static enum avj_status defer(struct engine *engine, struct avj_rt_event *event)
{
    struct deferred *grown =
        realloc(engine->deferred, (engine->deferred_count + 1) * sizeof *grown);
    if (!grown)
        return avj_fail(engine->err, AVJ_ENOMEM, "out of memory");
    engine->deferred = grown;
    grown[engine->deferred_count++] = (struct deferred){
        .entity = event->entity, .deleted = event->deleted, .row = json_incref(event->row)};
    return AVJ_OK;
}

/* ---- the socket's callbacks ---- */

static void on_opened(void *arg)
{
    struct engine *engine = arg;
    avj_rt_opened(engine->rt, avj_loop_now(&engine->loop));
}

static enum avj_status went_live(struct engine *engine)
{
    avj_engine_note(engine, "");
    avj_push_hurry(engine->push);
    /* Subscribed first, swept then: whatever happened before is found by the sweep, what comes
     * after arrives here. */
    return avj_engine_sweep_begin(engine, false);
}

static void on_text(void *arg, const char *text, size_t len)
{
    struct engine *engine = arg;
    struct avj_rt_event event;
    avj_rt_feed(engine->rt, text, len, avj_loop_now(&engine->loop), &event);
    enum avj_status status = AVJ_OK;
    if (event.kind == AVJ_RT_LIVE)
        status = went_live(engine);
    else if (event.kind == AVJ_RT_ROW)
        status = defer(engine, &event);
    else if (event.kind == AVJ_RT_REFUSED)
        avj_engine_note(engine, event.message);
    else if (event.kind == AVJ_RT_GUEST && !engine->pull)
        status = avj_engine_sweep_begin(engine, true); /* its first question is who we are */
    avj_rt_event_release(&event);
    if (status && !engine->failure)
        engine->failure = status;
}

static void on_closed(void *arg, const char *why)
{
    struct engine *engine = arg;
    char text[200];
    snprintf(text, sizeof text, "realtime: %.150s", why);
    avj_engine_note(engine, text);
    if (!avj_rt_closed(engine->rt, avj_loop_now(&engine->loop)))
        return;
    /* Only a sweep that begins after the socket is back may close this gap. */
    if (engine->pull && !engine->pull_quick)
        avj_engine_sweep_abandon(engine);
    engine->full_due_ms = avj_loop_now(&engine->loop) + ENGINE_FULL_MS;
    enum avj_status status = avj_sync_gap(engine->store, true, text, NULL, engine->err);
    if (status && !engine->failure)
        engine->failure = status;
}

/* ---- the engine's side ---- */

enum avj_status avj_engine_live_begin(struct engine *engine)
{
    struct avj_ws_events events = {
        .arg = engine, .opened = on_opened, .text = on_text, .closed = on_closed};
    enum avj_status status =
        avj_rt_new(&engine->access.aw, avj_backoff_random(&engine->backoff), &engine->rt);
    if (status)
        return avj_fail(engine->err, status, "out of memory");
    return avj_ws_new(engine->loop.wait, &events, &engine->loop.ws, engine->err);
}

static enum avj_status connect_now(struct engine *engine)
{
    char *url = avj_rt_url(&engine->access.aw);
    char *headers = avj_rt_headers(&engine->access.aw);
    enum avj_status status = url && headers
                                 ? avj_ws_connect(engine->loop.ws, url, headers, engine->err)
                                 : avj_fail(engine->err, AVJ_ENOMEM, "out of memory");
    if (headers)
        explicit_bzero(headers, strlen(headers));
    free(headers);
    free(url);
    return status;
}

enum avj_status avj_engine_live_pump(struct engine *engine, int64_t now_ms, int64_t *until_ms)
{
    int64_t until;
    if (!engine->rt || engine->stopping)
        return AVJ_OK;
    for (;;) {
        enum avj_status status = AVJ_OK;
        switch (avj_rt_next(engine->rt, now_ms, &until)) {
        case AVJ_RT_CONNECT:
            status = connect_now(engine);
            break;
        case AVJ_RT_PING:
            avj_ws_send(engine->loop.ws, "{\"type\":\"ping\"}");
            break;
        case AVJ_RT_CLOSE:
            avj_ws_close(engine->loop.ws);
            break;
        default:
            if (*until_ms < 0 || until < *until_ms)
                *until_ms = until;
            return engine->failure;
        }
        if (status)
            return status;
    }
}

void avj_engine_live_end(struct engine *engine)
{
    for (size_t i = 0; i < engine->deferred_count; i++)
        json_decref(engine->deferred[i].row);
    free(engine->deferred);
    engine->deferred = NULL;
    engine->deferred_count = 0;
    avj_rt_free(engine->rt);
    engine->rt = NULL;
}
