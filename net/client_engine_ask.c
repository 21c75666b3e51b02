/* One sync on request, where another process leads: see client_engine_run.h. */
#include "net/client_engine_run.h"

/* ---- who asks ---- */

static enum avj_status take_answer(struct engine *engine, const struct avj_sync_answer *answer)
{
    engine->answered = true;
    engine->answer = *answer;
    enum avj_status status = avj_store_refresh(engine->store, NULL, engine->err);
    if (status)
        return status;
    if (answer->status == AVJ_ENET)
        return avj_fail(engine->err, AVJ_ENET,
                        "the process that syncs this journal can not reach the server; it goes on "
                        "trying, nothing is lost");
    if (answer->status == AVJ_EREFUSED)
        return avj_fail(engine->err, AVJ_EREFUSED,
                        "the process that syncs this journal would have to remove too much: end "
                        "it, then sync here");
    return AVJ_END; /* nothing is left to do here */
}

enum avj_status avj_engine_ask_leader(struct engine *engine, uint64_t *request)
{
    struct avj_sync_answer answer;
    if (!*request)
        *request = avj_sync_lock_ask(&engine->lock);
    if (*request && avj_sync_lock_answered(&engine->lock, *request, &answer))
        return take_answer(engine, &answer);
    return AVJ_OK;
}

/* ---- who leads ---- */

static uint64_t pushed_by(const struct engine *engine, uint64_t *rejected)
{
    struct avj_push_stats stats = {0};
    if (engine->push) /* else the server was never reached */
        avj_push_stats(engine->push, &stats);
    *rejected = stats.rejected;
    return stats.pushed;
}

static void take_request(struct engine *engine, uint64_t request)
{
    engine->asked = request;
    engine->asked_sweep = engine->asked_swept = false; /* one under way began too early */
    engine->asked_pulled = engine->pulled;
    engine->asked_pushed = pushed_by(engine, &engine->asked_rejected);
    if (engine->push)
        avj_push_hurry(engine->push);
}

static void look_for_request(struct engine *engine)
{
    if (!engine->asked_look && engine->lock.wake >= 0)
        return;
    uint64_t newest = avj_sync_lock_asked(&engine->lock);
    engine->asked_look = false;
    if (newest && newest != engine->asked)
        take_request(engine, newest);
}

static void answer(struct engine *engine, enum avj_status status)
{
    uint64_t rejected, pushed = pushed_by(engine, &rejected);
    struct avj_sync_answer answer = {.request = engine->asked,
                                     .status = status,
                                     .pushed = pushed - engine->asked_pushed,
                                     .pulled = engine->pulled - engine->asked_pulled,
                                     .rejected = rejected - engine->asked_rejected};
    engine->asked = 0;
    avj_sync_lock_answer(&engine->lock, &answer);
}

/* Unanswered requests to the server, and a wait until the next. */
static bool is_cut_off(const struct engine *engine)
{
    struct avj_push_stats push;
    struct avj_pull_stats pull = {0};
    avj_push_stats(engine->push, &push);
    if (engine->pull)
        avj_pull_stats(engine->pull, &pull);
    return !engine->progress.online && (push.wait_until_ms || pull.wait_until_ms);
}

/* One that waits for the server to come back is begun anew: somebody wants it tried now. */
static bool is_sweeping(const struct engine *engine)
{
    struct avj_pull_stats stats = {0};
    if (engine->pull)
        avj_pull_stats(engine->pull, &stats);
    return engine->pull && !stats.wait_until_ms;
}

enum avj_status avj_engine_take_asked(struct engine *engine)
{
    if (engine->stopping || !avj_engine_is_asked(engine))
        return AVJ_OK;
    bool due = engine->asked && !engine->asked_sweep && !engine->asked_swept;
    return due && !is_sweeping(engine) ? avj_engine_sweep_begin(engine, false) : AVJ_OK;
}

bool avj_engine_answer_asked(struct engine *engine)
{
    if (!engine->asked)
        return false;
    if (engine->refused)
        answer(engine, AVJ_EREFUSED);
    else if (is_cut_off(engine))
        answer(engine, AVJ_ENET);
    else if (engine->asked_swept && avj_push_idle(engine->push))
        answer(engine, AVJ_OK);
    else
        return !engine->pull && !engine->asked_swept;
    return false;
}

bool avj_engine_is_asked(struct engine *engine)
{
    if (!engine->options->follow || !engine->lock.held)
        return false;
    look_for_request(engine);
    return engine->asked != 0;
}

void avj_engine_answer_cut_off(struct engine *engine)
{
    if (engine->asked)
        answer(engine, AVJ_ENET);
}
