/* Worlds, replicas and tokens: see world.h. */
#include "tests/property/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL "j"

void world_fail(struct world *w, const char *format, ...)
{
    va_list args;
    if (w->failure[0])
        return; /* the first counts */
    va_start(args, format);
    vsnprintf(w->failure, sizeof(w->failure), format, args);
    va_end(args);
}

void world_tell(struct world *w, const char *format, ...)
{
    va_list args;
    if (!w->tell)
        return;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* ---- replicas ---- */

/* The interface knows its replica by what it was given as context: the files in memory. */
static struct replica *living[REPLICAS_MAX];

static int64_t clock_of(void *ctx)
{
    for (size_t i = 0; i < REPLICAS_MAX; i++)
        if (living[i] && living[i]->io.ctx == ctx)
            return replica_now(living[i]);
    return 0;
}

int64_t replica_now(struct replica *r)
{
    return r->world->now_ms + r->skew_ms;
}

int64_t replica_stamp(struct replica *r)
{
    int64_t now = replica_now(r);
    if (now > r->latest_ms)
        r->latest_ms = now;
    return r->latest_ms;
}

bool replica_expect(struct replica *r, enum avj_status wanted, enum avj_status got,
                    const struct avj_error *err, const char *what)
{
    if (got == wanted)
        return true;
    world_fail(r->world, "replica %d: %s: wanted \"%s\", got \"%s\": %s",
               (int)(r - r->world->replicas), what, avj_status_text(wanted), avj_status_text(got),
               got < 0 && err->status == got ? err->message : "");
    return false;
}

static struct avj_store_options options_of(struct replica *r)
{
    struct avj_store_options options = {.journal = {.io = &r->io}};
    return options;
}

static bool open_handle(struct replica *r, size_t handle)
{
    struct avj_store_options options = options_of(r);
    struct avj_error err = {.status = AVJ_OK};
    return replica_expect(r, AVJ_OK, avj_store_open(JOURNAL, &options, &r->store[handle], &err),
                          &err, "open the store");
}

static void close_handles(struct replica *r)
{
    for (size_t i = 0; i < HANDLES; i++) {
        avj_store_close(r->store[i]);
        r->store[i] = NULL;
    }
}

bool replica_reopen(struct replica *r)
{
    close_handles(r);
    r->flight_count = 0; /* nobody waits for those answers any more */
    return open_handle(r, 0) && open_handle(r, 1);
}

/* As Date headers tell it, so that small differences are not told. */
static bool measure_clock(struct replica *r)
{
    struct avj_error err = {.status = AVJ_OK};
    if (r->skew_ms < -AVJ_CLOCK_STEP_MS || r->skew_ms > AVJ_CLOCK_STEP_MS)
        r->oracle.offset_ms = -r->skew_ms;
    return replica_expect(r, AVJ_OK, avj_sync_clock(r->store[0], -r->skew_ms, &err), &err,
                          "measure the clock");
}

static bool replica_begin(struct world *w, size_t i)
{
    struct replica *r = &w->replicas[i];
    struct avj_error err = {.status = AVJ_OK};
    struct avj_upstream up = {.endpoint = "http://fake/v1", .project = "p", .database = "main"};
    r->world = w;
    r->mem = mem_io_new(100 + i);
    r->io = *mem_io_table(r->mem);
    r->io.now_ms = clock_of;
    r->skew_ms = w->options.skews[i];
    living[i] = r;
    struct avj_store_options options = options_of(r);
    return replica_expect(r, AVJ_OK, avj_store_create(JOURNAL, &up, &options, &err), &err,
                          "create the store") &&
           open_handle(r, 0) &&
           replica_expect(r, AVJ_OK, avj_sync_login(r->store[0], "alice", "alice@x", &err), &err,
                          "log in") &&
           (!w->options.measured || measure_clock(r)) && open_handle(r, 1);
}

bool world_begin(struct world *w, const struct world_options *options)
{
    w->options = *options;
    w->now_ms = 1795370400000;
    for (size_t i = 0; i < options->replicas; i++)
        if (!replica_begin(w, i))
            return false;
    return true;
}

void world_end(struct world *w)
{
    for (size_t i = 0; i < REPLICAS_MAX; i++) {
        close_handles(&w->replicas[i]);
        living[i] = NULL;
        oracle_release(&w->replicas[i].oracle);
        free(w->replicas[i].inbox);
        if (w->replicas[i].mem)
            mem_io_free(w->replicas[i].mem);
    }
    free(w->rows);
    free(w->events);
    free(w->tokens);
    texts_release();
    bool tell = w->tell;
    memset(w, 0, sizeof(*w));
    w->tell = tell;
}

/* ---- tokens ---- */

static bool is_token(const char *json)
{
    return strncmp(json, "\"unique ", 8) == 0;
}

/* Restored, or copied: written for the first time elsewhere. */
static bool is_known(const struct world *w, const char *json)
{
    for (size_t i = 0; i < w->token_count; i++)
        if (strcmp(w->tokens[i].json, json) == 0)
            return true;
    return false;
}

void tokens_write(struct world *w, enum avj_entity entity, const char *id,
                  const struct fieldmap *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        /* What the deployment can not hold goes with its document, whoever deletes that. */
        if (!is_token(fields->at[i].json) || is_known(w, fields->at[i].json) ||
            server_lacks(w, entity, fields->at[i].name))
            continue;
        w->tokens = realloc(w->tokens, (w->token_count + 1) * sizeof(struct token));
        if (!w->tokens)
            abort();
        w->tokens[w->token_count++] =
            (struct token){entity, id, fields->at[i].name, fields->at[i].json, false};
    }
}

static void overrule(struct world *w, enum avj_entity entity, const char *id, const char *field,
                     const char *json)
{
    for (size_t i = 0; i < w->token_count; i++) {
        struct token *t = &w->tokens[i];
        if (t->entity == entity && strcmp(t->id, id) == 0 && strcmp(t->field, field) == 0 &&
            strcmp(t->json, json) == 0)
            t->overruled = true;
    }
}

void tokens_overrule(struct world *w, enum avj_entity entity, const char *id,
                     const struct fieldmap *shown, const struct fieldmap *by)
{
    for (size_t i = 0; i < shown->count; i++)
        if (is_token(shown->at[i].json) && (!by || field_get(by, shown->at[i].name)))
            overrule(w, entity, id, shown->at[i].name, shown->at[i].json);
}
