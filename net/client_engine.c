/* The sync engine's loop: see engine.h and client_engine_run.h. */
#include "net/client_engine_run.h"
#include "journal/io.h"

#include <stdio.h>
#include <string.h>

void avj_engine_note(struct engine *engine, const char *note)
{
    snprintf(engine->note, sizeof engine->note, "%s", note);
}

enum avj_status avj_engine_start(struct engine *engine, struct avj_call *call)
{
    enum avj_status status =
        avj_http_start(engine->loop.http, &call->request, call->token, engine->err);
    avj_http_request_release(&call->request);
    return status;
}

/* Every answer tells the server's time; what is learned from it is journaled before what the
 * answer holds, so that merges compare the two clocks rightly. */
static enum avj_status hear_clock(struct engine *engine, const struct avj_http_answer *answer)
{
    if (!avj_server_clock_hear(&engine->clock, answer->sent_ms, answer->answered_ms,
                               avj_aw_date(answer)) ||
        engine->options->dry_run)
        return AVJ_OK;
    int64_t offset = engine->clock.offset_ms, most = AVJ_CLOCK_OFFSET_MAX_MS;
    return avj_sync_clock(engine->store,
                          offset < -most  ? -most
                          : offset > most ? most
                                          : offset,
                          engine->err);
}

/* ---- progress ---- */

static enum avj_engine_phase phase_of(const struct engine *engine, int64_t wait_until)
{
    struct avj_push_stats push = {0};
    if (engine->push)
        avj_push_stats(engine->push, &push);
    if (wait_until)
        return AVJ_PHASE_WAIT;
    if (push.busy)
        return AVJ_PHASE_PUSH;
    if (engine->pull && !engine->pull_quick)
        return AVJ_PHASE_PULL;
    /* Before its first sweep has ended nobody is up to date. */
    if (!engine->push || (engine->options->follow && !engine->swept))
        return AVJ_PHASE_CONNECT;
    return engine->options->follow ? AVJ_PHASE_LIVE : AVJ_PHASE_PUSH;
}

static int64_t earliest_wait(const struct engine *engine, const char **note)
{
    struct avj_push_stats push = {0};
    struct avj_pull_stats pull = {0};
    if (engine->push)
        avj_push_stats(engine->push, &push);
    if (engine->pull)
        avj_pull_stats(engine->pull, &pull);
    *note = push.wait_until_ms || !pull.wait_until_ms ? push.note : pull.note;
    if (push.wait_until_ms && pull.wait_until_ms)
        return push.wait_until_ms < pull.wait_until_ms ? push.wait_until_ms : pull.wait_until_ms;
    return push.wait_until_ms ? push.wait_until_ms : pull.wait_until_ms;
}

static uint64_t count_pulled(const struct engine *engine)
{
    struct avj_pull_stats pull = {0};
    if (engine->pull)
        avj_pull_stats(engine->pull, &pull);
    return engine->pulled + pull.pulled;
}

static void fill_progress(struct engine *engine, int64_t now_ms)
{
    struct avj_engine_progress *p = &engine->progress;
    struct avj_push_stats push = {0};
    struct avj_store_status store;
    const char *note = NULL;
    int64_t wait = earliest_wait(engine, &note);
    if (wait && wait <= now_ms)
        wait = 0;
    if (engine->push)
        avj_push_stats(engine->push, &push);
    p->phase = phase_of(engine, wait);
    p->pushed = push.pushed;
    p->rejected = push.rejected;
    p->pulled = count_pulled(engine);
    if (avj_store_status(engine->store, &store, NULL) == AVJ_OK)
        p->pending = store.pending > store.parked ? store.pending - store.parked : 0;
    p->wait_ms = wait ? wait - now_ms : 0;
    int64_t spent = now_ms - engine->begun_ms;
    p->eta_ms = !p->pending ? 0
                : p->pushed ? (int64_t)((double)spent / (double)p->pushed * (double)p->pending)
                            : -1;
    p->note = wait && note ? note : engine->note[0] ? engine->note : note;
}

/* As many documents as a batch holds: news whatever the time. */
static bool went_on(const struct engine *engine)
{
    struct avj_push_stats push = {0};
    if (engine->push)
        avj_push_stats(engine->push, &push);
    return push.pushed >= engine->progress.pushed + AVJ_AW_TX_OPERATIONS;
}

static void report(struct engine *engine, int64_t now_ms)
{
    const char *note;
    int64_t wait = earliest_wait(engine, &note);
    bool changed =
        phase_of(engine, wait > now_ms ? wait : 0) != engine->progress.phase || went_on(engine);
    if (!engine->options->progress || (!changed && now_ms < engine->progress_ms))
        return;
    engine->progress_ms = now_ms + ENGINE_PROGRESS_MS;
    fill_progress(engine, now_ms);
    engine->options->progress(engine->options->progress_arg, &engine->progress);
}

/* ---- being told to stop, being woken ---- */

static void on_stop_fd(void *arg, int fd, unsigned events)
{
    struct engine *engine = arg;
    (void)events;
    engine->stopping = true;
    /* It stays readable: do not be woken by it again. */
    avj_wait_drop(engine->loop.wait, fd);
}

static bool told_to_stop(struct engine *engine)
{
    if (engine->options->stop && *engine->options->stop)
        engine->stopping = true;
    return engine->stopping;
}

static void on_wake_fd(void *arg, int fd, unsigned events)
{
    struct engine *engine = arg;
    (void)fd, (void)events;
    avj_journal_woken(avj_store_journal(engine->store));
    engine->woken = true;
}

static enum avj_status wait_failed(struct engine *engine, enum avj_status status)
{
    return status ? avj_fail(engine->err, status, "wait for the journal and for signals") : AVJ_OK;
}

static enum avj_status watch_stop(struct engine *engine)
{
    if (engine->options->stop_fd <= 0)
        return AVJ_OK;
    return wait_failed(engine, avj_wait_set(engine->loop.wait, engine->options->stop_fd,
                                            AVJ_WAIT_READ, on_stop_fd, engine));
}

/* Only who leads wants to know of every append. */
static enum avj_status watch_journal(struct engine *engine)
{
    int wake = avj_journal_wake_fd(avj_store_journal(engine->store));
    if (wake < 0)
        return AVJ_OK;
    return wait_failed(engine,
                       avj_wait_set(engine->loop.wait, wake, AVJ_WAIT_READ, on_wake_fd, engine));
}

static enum avj_status look_around(struct engine *engine)
{
    bool changed = false;
    bool no_wakes = avj_journal_wake_fd(avj_store_journal(engine->store)) < 0;
    if (!engine->woken && !no_wakes)
        return AVJ_OK;
    engine->woken = false;
    enum avj_status status = avj_store_refresh(engine->store, &changed, engine->err);
    if (!status && changed)
        avj_push_wake(engine->push);
    return status;
}

/* ---- before the loop: the lock, the server's version ---- */

static void on_lock_fd(void *arg, int fd, unsigned events)
{
    struct engine *engine = arg;
    (void)fd, (void)events;
    avj_sync_lock_woken(&engine->lock);
    engine->asked_look = true;
}

/* Asleep until who leads is gone, or until told to stop (AVJ_END).  Who wants but one sync has it
 * made by who leads. */
static enum avj_status wait_for_lock(struct engine *engine)
{
    const char *session = avj_store_session(engine->store);
    uint64_t request = 0;
    for (;;) {
        enum avj_status status = avj_sync_lock_try(&engine->lock, session, engine->err);
        if (status == AVJ_ELOCKED && !engine->options->follow) {
            enum avj_status answer = avj_engine_ask_leader(engine, &request);
            status = answer ? answer : status;
        }
        if (status != AVJ_ELOCKED) {
            engine->note[0] = '\0';
            return status;
        }
        if (told_to_stop(engine))
            return AVJ_END;
        int64_t now = avj_loop_now(&engine->loop);
        avj_engine_note(engine, engine->options->follow
                                    ? "another process is syncing: ready to take over"
                                    : "another process is syncing: it was asked to do it now");
        report(engine, now);
        avj_loop_wait(&engine->loop, now + avj_sync_lock_pause_ms(&engine->lock));
    }
}

static enum avj_status take_lock(struct engine *engine)
{
    const char *dir = avj_journal_path(avj_store_journal(engine->store));
    avj_session_hold(
        engine->store); /* that others can tell whether the leader they read of lives */
    enum avj_status status = avj_sync_lock_open(dir, &engine->lock, engine->err);
    if (!status && engine->lock.wake >= 0)
        status = wait_failed(engine, avj_wait_set(engine->loop.wait, engine->lock.wake,
                                                  AVJ_WAIT_READ, on_lock_fd, engine));
    return status ? status : wait_for_lock(engine);
}

static enum avj_status ask_version(struct engine *engine, struct avj_aw_result *result)
{
    struct avj_http_request request;
    enum avj_status status = avj_aw_version(&engine->access.aw, &request);
    if (status)
        return avj_fail(engine->err, status, "out of memory");
    struct avj_http_answer answer = {0};
    avj_loop_ask(&engine->loop, &request, result, &answer);
    avj_http_request_release(&request);
    status = hear_clock(engine, &answer);
    avj_http_answer_release(&answer);
    engine->progress.online = result->status != 0;
    engine->access.aw.version = avj_aw_parse_version(result->json);
    return status;
}

/* Asks until there is an answer.  An error answer names the version as well. */
static enum avj_status detect(struct engine *engine)
{
    for (;;) {
        struct avj_aw_result result = {0};
        enum avj_status status = ask_version(engine, &result);
        bool later = result.verdict == AVJ_AW_RETRY || result.verdict == AVJ_AW_RATE;
        if (!status && !engine->access.aw.version && !later)
            status = avj_upstream_refusal(&result, "ask for the server's version", engine->err);
        bool done = status || engine->access.aw.version || !later;
        if (!done && !engine->options->follow && engine->backoff.tries + 1 >= ENGINE_TRIES_ONCE)
            status = avj_upstream_refusal(&result, "reach the server", engine->err);
        avj_engine_note(engine, result.message);
        avj_aw_result_release(&result);
        if (done || status) {
            engine->backoff.tries = 0;
            engine->note[0] = '\0';
            return status;
        }
        avj_engine_answer_cut_off(engine);
        int64_t now = avj_loop_now(&engine->loop);
        int64_t until = now + avj_backoff_next(&engine->backoff);
        while (now < until && !told_to_stop(engine) && !avj_engine_is_asked(engine)) {
            report(engine, now);
            avj_loop_wait(&engine->loop, until);
            now = avj_loop_now(&engine->loop);
        }
        if (told_to_stop(engine))
            return AVJ_END;
    }
}

static enum avj_status make_push(struct engine *engine)
{
    struct avj_push_options options = {
        .store = engine->store,
        .aw = &engine->access.aw,
        .seed = avj_backoff_random(&engine->backoff),
        .tries_max = engine->options->follow ? 0 : ENGINE_TRIES_ONCE,
    };
    enum avj_status status = avj_push_new(&options, &engine->push);
    return status ? avj_fail(engine->err, status, "out of memory") : AVJ_OK;
}

/* The first sweep comes before the first push: what is pushed then meets the merged state. */
static enum avj_status begin(struct engine *engine)
{
    struct avj_store_status store;
    int64_t now = avj_loop_now(&engine->loop);
    enum avj_status status = avj_store_status(engine->store, &store, engine->err);
    if (!status)
        status = make_push(engine);
    if (status)
        return status;
    engine->pushing = store.swept != NULL && !engine->options->dry_run;
    engine->begun_ms = now;
    engine->quick_due_ms = now + ENGINE_QUICK_MS;
    /* The socket's first frame begins the sweep; without a socket it begins soon all the same. */
    engine->full_due_ms = now + ENGINE_ALONE_MS;
    return engine->options->follow ? avj_engine_live_begin(engine)
                                   : avj_engine_sweep_begin(engine, false);
}

/* ---- the loop ---- */

static void route(struct engine *engine, uint64_t token, struct avj_http_answer *answer,
                  int64_t now_ms)
{
    enum avj_status status = hear_clock(engine, answer);
    if (status && !engine->failure)
        engine->failure = status;
    engine->progress.online = answer->status != 0;
    if (!(token & ENGINE_TOKEN_PULL))
        avj_push_answer(engine->push, token, answer, now_ms);
    else if (engine->pull && token == engine->pull_token)
        avj_pull_answer(engine->pull, answer, now_ms);
    avj_http_answer_release(answer);
}

static void take_answers(struct engine *engine, int64_t now_ms)
{
    struct avj_http_answer answer;
    uint64_t token;
    while (avj_http_take(engine->loop.http, &token, &answer))
        route(engine, token, &answer, now_ms);
}

static enum avj_status pump_push(struct engine *engine, int64_t now_ms)
{
    struct avj_call call;
    enum avj_status status = AVJ_OK;
    if (!engine->pushing && !engine->stopping)
        return AVJ_OK;
    while (!status) {
        status = avj_push_next(engine->push, now_ms, &call, engine->err);
        if (!status)
            status = avj_engine_start(engine, &call);
    }
    return status == AVJ_END ? AVJ_OK : status;
}

static enum avj_status pump(struct engine *engine, int64_t now_ms, int64_t *until_ms)
{
    enum avj_status status = engine->failure;
    if (!status)
        status = look_around(engine);
    if (!status)
        status = avj_engine_live_apply(engine);
    if (!status)
        status = avj_engine_live_pump(engine, now_ms, until_ms);
    if (!status && !engine->stopping)
        status = avj_engine_sweep_due(engine, now_ms, until_ms);
    if (!status)
        status = avj_engine_take_asked(engine);
    if (!status)
        status = avj_engine_sweep_pump(engine, now_ms);
    if (!status)
        status = pump_push(engine, now_ms);
    if (!status && avj_engine_answer_asked(engine))
        *until_ms = now_ms;
    return status;
}

static bool finished(struct engine *engine, int64_t now_ms)
{
    struct avj_push_stats push;
    avj_push_stats(engine->push, &push);
    if (told_to_stop(engine)) {
        if (!engine->stop_ms) {
            engine->stop_ms = now_ms + ENGINE_STOP_MS;
            avj_push_finish(engine->push);
            avj_engine_sweep_abandon(engine);
        }
        return !push.busy || push.wait_until_ms > now_ms || now_ms >= engine->stop_ms;
    }
    bool pushed = engine->options->dry_run || avj_push_idle(engine->push);
    if (engine->refused)
        return pushed;
    return !engine->options->follow && engine->swept && !engine->pull && pushed;
}

static void earlier(int64_t *until_ms, int64_t when)
{
    if (when > 0 && (*until_ms < 0 || when < *until_ms))
        *until_ms = when;
}

static enum avj_status loop(struct engine *engine)
{
    for (;;) {
        int64_t now = avj_loop_now(&engine->loop), until = -1;
        const char *note;
        take_answers(engine, now);
        enum avj_status status = pump(engine, now, &until);
        if (status)
            return status;
        report(engine, now);
        if (finished(engine, now))
            return engine->refused;
        earlier(&until, earliest_wait(engine, &note));
        earlier(&until, engine->stop_ms);
        if (avj_journal_wake_fd(avj_store_journal(engine->store)) < 0)
            earlier(&until, now + ENGINE_POLL_MS);
        if (engine->options->progress && engine->push)
            earlier(&until, now + (earliest_wait(engine, &note) ? 1000 : ENGINE_FULL_MS));
        avj_loop_wait(&engine->loop, until);
    }
}

/* ---- the run ---- */

static enum avj_status run(struct engine *engine)
{
    enum avj_status status = avj_upstream_open(engine->store, &engine->access, engine->err);
    if (!status)
        status = avj_upstream_sign(engine->store, &engine->access, engine->err);
    if (!status)
        status = avj_loop_init(&engine->loop, engine->options->timeout_ms, engine->err);
    if (!status)
        status = watch_stop(engine);
    if (!status && !engine->options->dry_run)
        status = take_lock(engine);
    if (!status)
        status = watch_journal(engine);
    if (!status)
        status = avj_store_refresh(engine->store, NULL, engine->err);
    if (!status)
        status = detect(engine);
    if (!status)
        status = begin(engine);
    if (!status)
        status = loop(engine);
    if (status < 0 && engine->refused && engine->err)
        *engine->err = engine->refused_error;
    return status == AVJ_END ? AVJ_OK : status; /* stopped before it began */
}

static void finish(struct engine *engine, struct avj_engine_progress *final)
{
    if (engine->push)
        fill_progress(engine, avj_loop_now(&engine->loop));
    avj_engine_sweep_abandon(engine);
    engine->progress.phase = AVJ_PHASE_DONE;
    engine->progress.wait_ms = 0;
    engine->progress.note = NULL; /* would not outlive the run */
    engine->progress.pending = avj_outbox_count(engine->store);
    engine->progress.eta_ms = engine->progress.pending ? -1 : 0;
    if (engine->options->dry_run)
        engine->progress.pushed = engine->progress.pending;
    if (engine->answered) {
        engine->progress.online = engine->answer.status != AVJ_ENET;
        engine->progress.pushed = engine->answer.pushed;
        engine->progress.pulled = engine->answer.pulled;
        engine->progress.rejected = engine->answer.rejected;
    }
    if (final)
        *final = engine->progress;
}

static void release(struct engine *engine)
{
    avj_engine_live_end(engine);
    avj_push_free(engine->push);
    avj_loop_release(&engine->loop);
    avj_sync_lock_release(&engine->lock);
    avj_upstream_release(&engine->access);
}

enum avj_status avj_engine_run(struct avj_store *store, const struct avj_engine_options *options,
                               struct avj_engine_progress *final, struct avj_error *err)
{
    const struct avj_io *io = avj_io_posix();
    struct avj_error own = {0};
    struct engine engine = {.store = store,
                            .options = options,
                            .lock = {.file = -1, .wake = -1},
                            .asked_look = true,
                            .progress = {.phase = AVJ_PHASE_CONNECT, .eta_ms = -1},
                            .err = err ? err : &own};
    (void)io->random(io->ctx, &engine.backoff.random, sizeof engine.backoff.random);
    enum avj_status status = run(&engine);
    finish(&engine, final);
    release(&engine);
    return status;
}
