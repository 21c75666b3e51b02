/* When the engine sweeps: see client_engine_run.h. */
#include "net/client_engine_run.h"
#include "replay/clock.h"

#include <stdio.h>
#include <string.h>

static bool row_busy(const void *arg, enum avj_entity entity, const char *remote_id)
{
    const struct engine *engine = arg;
    return engine->push && avj_push_in_flight(engine->push, entity, remote_id);
}

/* Server time from which rows must be looked at; NULL: never swept. */
static enum avj_status since(struct engine *engine, bool quick, char out[64], bool *have)
{
    struct avj_store_status status;
    if (quick && engine->seen_until[0]) {
        snprintf(out, 64, "%s", engine->seen_until);
        *have = true;
        return AVJ_OK;
    }
    enum avj_status result = avj_store_status(engine->store, &status, engine->err);
    if (result)
        return result;
    *have = status.swept != NULL;
    snprintf(out, 64, "%s", status.swept ? status.swept : "");
    return AVJ_OK;
}

enum avj_status avj_engine_sweep_begin(struct engine *engine, bool quick)
{
    char from[64];
    bool have;
    enum avj_status status = since(engine, quick, from, &have);
    if (status)
        return status;
    struct avj_pull_options options = {
        .store = engine->store,
        .aw = &engine->access.aw,
        .seed = avj_backoff_random(&engine->backoff),
        .tries_max = engine->options->follow ? 0 : ENGINE_TRIES_ONCE,
        .since = have ? from : NULL,
        .quick = quick,
        .accept_deletions = engine->options->accept_deletions,
        .dry_run = engine->options->dry_run,
        .busy = row_busy,
        .busy_arg = engine,
    };
    avj_engine_sweep_abandon(engine);
    engine->pull_quick = quick;
    engine->asked_sweep = engine->asked && !quick;
    engine->pull_token = ENGINE_TOKEN_PULL | ((engine->pull_token + 1) & ~ENGINE_TOKEN_PULL);
    status = avj_pull_new(&options, &engine->pull);
    return status ? avj_fail(engine->err, status, "begin a sweep: out of memory") : AVJ_OK;
}

static void count(struct engine *engine)
{
    struct avj_pull_stats stats;
    avj_pull_stats(engine->pull, &stats);
    engine->pulled += stats.pulled;
}

void avj_engine_sweep_abandon(struct engine *engine)
{
    if (engine->pull)
        count(engine);
    avj_pull_free(engine->pull);
    engine->pull = NULL;
    engine->asked_sweep = false;
}

static int64_t soonest(int64_t a, int64_t b)
{
    return a < 0 || b < a ? b : a;
}

enum avj_status avj_engine_sweep_due(struct engine *engine, int64_t now_ms, int64_t *until_ms)
{
    if (!engine->options->follow || engine->pull || engine->refused)
        return AVJ_OK;
    if (now_ms >= engine->full_due_ms)
        return avj_engine_sweep_begin(engine, false);
    if (now_ms >= engine->quick_due_ms)
        return avj_engine_sweep_begin(engine, true);
    *until_ms = soonest(*until_ms, engine->full_due_ms);
    *until_ms = soonest(*until_ms, engine->quick_due_ms);
    return AVJ_OK;
}

static void ended(struct engine *engine, int64_t now_ms)
{
    struct avj_pull_stats stats;
    avj_pull_stats(engine->pull, &stats);
    if (stats.note)
        avj_engine_note(engine, stats.note);
    if (stats.started_ms)
        avj_time_format(stats.started_ms, engine->seen_until);
    if (!engine->pull_quick) {
        engine->swept = true;
        engine->full_due_ms = now_ms + ENGINE_FULL_MS;
    }
    engine->quick_due_ms = now_ms + ENGINE_QUICK_MS;
    engine->pushing = !engine->options->dry_run;
    engine->asked_swept = engine->asked_swept || engine->asked_sweep;
    avj_engine_sweep_abandon(engine);
    if (engine->push)
        avj_push_wake(engine->push);
}

enum avj_status avj_engine_sweep_pump(struct engine *engine, int64_t now_ms)
{
    struct avj_call call;
    struct avj_pull_stats stats;
    if (!engine->pull)
        return AVJ_OK;
    enum avj_status status = avj_pull_next(engine->pull, now_ms, &call, engine->err);
    if (status == AVJ_OK) {
        call.token = engine->pull_token;
        return avj_engine_start(engine, &call);
    }
    if (status == AVJ_EREFUSED) {
        /* What is ours to push is not held up by it. */
        engine->refused = status;
        if (engine->err)
            engine->refused_error = *engine->err;
        ended(engine, now_ms);
        return AVJ_OK;
    }
    if (status < 0)
        return status;
    avj_pull_stats(engine->pull, &stats);
    if (stats.done)
        ended(engine, now_ms);
    return AVJ_OK;
}
