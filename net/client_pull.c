/* Pull: the stages of a sweep.  See client_pull.h. */
#include "net/client_pull_sweep.h"
#include "replay/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A page shorter than a server's default one is the last, whatever limit the server allows. */
enum { DEFAULT_PAGE = 25, SMALLEST_PAGE = 5 };

enum avj_status avj_pull_new(const struct avj_pull_options *options, struct avj_pull **out)
{
    int64_t since;
    struct avj_pull *pull = calloc(1, sizeof *pull);
    if (!pull)
        return AVJ_ENOMEM;
    pull->options = *options;
    pull->backoff.random = options->seed;
    pull->limit = AVJ_PULL_PAGE;
    if (options->since && avj_time_parse(options->since, strlen(options->since), &since))
        avj_time_format(since - AVJ_PULL_OVERLAP_MS, pull->since);
    *out = pull;
    return AVJ_OK;
}

void avj_pull_free(struct avj_pull *pull)
{
    if (!pull)
        return;
    avj_set_release(&pull->known);
    avj_set_release(&pull->seen);
    avj_pull_list_release(&pull->fetch);
    avj_pull_list_release(&pull->absent);
    free(pull);
}

enum avj_status avj_pull_fail(struct avj_pull *pull, enum avj_status status, const char *format,
                              ...)
{
    char text[sizeof pull->failure.message], inner[sizeof pull->failure.message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(inner, sizeof inner, "%s", pull->failure.status ? pull->failure.message : "");
    return avj_fail(&pull->failure, status, "%s%s%s", text, inner[0] ? ": " : "", inner);
}

/* ---- requests ---- */

/* The next up to AVJ_AW_IDS_PER_QUERY ids of one entity, from list->at on. */
static size_t id_batch(const struct pull_list *list, const char *ids[AVJ_AW_IDS_PER_QUERY],
                       enum avj_entity *entity)
{
    size_t count = 0;
    for (size_t i = list->at; i < list->count && count < AVJ_AW_IDS_PER_QUERY; i++) {
        if (count == 0)
            *entity = list->items[i].entity;
        else if (*entity != list->items[i].entity)
            break;
        ids[count++] = list->items[i].remote_id;
    }
    return count;
}

static enum avj_status list_request(struct avj_pull *pull, struct avj_http_request *out)
{
    struct avj_aw_list list = {.limit = pull->limit,
                               .after = pull->after[0] ? pull->after : NULL,
                               .versions_only = pull->stage == PULL_VERSIONS};
    if (pull->stage == PULL_ROWS && pull->since[0])
        list.updated_since = pull->since;
    return avj_aw_list(pull->options.aw, pull->entity, &list, out);
}

static enum avj_status ids_request(struct avj_pull *pull, struct avj_http_request *out)
{
    const char *ids[AVJ_AW_IDS_PER_QUERY];
    const struct pull_list *from = pull->stage == PULL_FETCH ? &pull->fetch : &pull->absent;
    enum avj_entity entity = AVJ_THREAD;
    struct avj_aw_list list = {.ids = ids};
    list.id_count = id_batch(from, ids, &entity);
    return avj_aw_list(pull->options.aw, entity, &list, out);
}

static enum avj_status make_request(struct avj_pull *pull, struct avj_http_request *out)
{
    switch (pull->stage) {
    case PULL_ROWS:
    case PULL_VERSIONS:
        return list_request(pull, out);
    case PULL_FETCH:
    case PULL_VERIFY:
        return ids_request(pull, out);
    default:
        return avj_aw_account(pull->options.aw, out);
    }
}

enum avj_status avj_pull_next(struct avj_pull *pull, int64_t now_ms, struct avj_call *call,
                              struct avj_error *err)
{
    pull->now_ms = now_ms;
    if (!pull->failure.status) {
        if (pull->waiting || pull->stage == PULL_DONE || now_ms < pull->wait_until_ms)
            return AVJ_END;
        pull->wait_until_ms = 0;
        call->token = 0;
        enum avj_status status = make_request(pull, &call->request);
        pull->waiting = status == AVJ_OK;
        if (!status)
            return AVJ_OK;
        status = avj_pull_fail(pull, status, "make a request");
    }
    if (err)
        *err = pull->failure;
    return pull->failure.status;
}

/* ---- stages ---- */

static bool too_many(const struct avj_pull *pull)
{
    uint64_t share = pull->known_count * AVJ_PULL_DELETIONS_PERCENT / 100;
    uint64_t safe = share > AVJ_PULL_DELETIONS_SAFE ? share : AVJ_PULL_DELETIONS_SAFE;
    return pull->absent.count > safe && !pull->options.accept_deletions && !pull->options.dry_run;
}

static enum avj_status finish(struct avj_pull *pull)
{
    char until[AVJ_TIME_TEXT];
    pull->stage = PULL_DONE;
    if (pull->options.quick || pull->options.dry_run)
        return AVJ_OK;
    avj_time_format(pull->started_ms ? pull->started_ms : pull->now_ms, until);
    enum avj_status status =
        avj_sync_gap(pull->options.store, false, "swept", until, &pull->failure);
    return status ? avj_pull_fail(pull, status, "journal the sweep") : AVJ_OK;
}

static enum avj_status swept(struct avj_pull *pull)
{
    enum avj_status status = pull->options.quick ? AVJ_OK : avj_pull_find_absent(pull);
    pull->stage = PULL_PROBE_AGAIN;
    return status;
}

static void restart(struct avj_pull *pull, enum pull_stage stage)
{
    pull->stage = stage;
    pull->after[0] = '\0';
    pull->limit = stage == PULL_VERSIONS ? AVJ_PULL_VERSIONS : AVJ_PULL_PAGE;
}

static enum avj_status next_entity(struct avj_pull *pull)
{
    pull->restarts = 0;
    restart(pull, PULL_ROWS);
    pull->entity = (enum avj_entity)(pull->entity + 1);
    if (pull->entity < AVJ_ENTITIES)
        return AVJ_OK;
    if (!pull->fetch.count)
        return swept(pull);
    pull->stage = PULL_FETCH;
    return AVJ_OK;
}

static enum avj_status listed(struct avj_pull *pull)
{
    bool versions_next = pull->stage == PULL_ROWS && pull->since[0] && !pull->options.quick;
    if (!versions_next)
        return next_entity(pull);
    restart(pull, PULL_VERSIONS);
    return AVJ_OK;
}

static enum avj_status probed(struct avj_pull *pull, const struct avj_aw_result *result)
{
    if (pull->denied)
        return avj_pull_fail(pull, AVJ_EREJECTED,
                             "the server does not let this user read \"%s\"; check its permissions",
                             pull->options.aw->collections[pull->entity]);
    if (pull->stage == PULL_PROBE) {
        pull->started_ms = result->date_ms;
        restart(pull, PULL_ROWS);
        return avj_pull_remember_known(pull);
    }
    if (!pull->absent.count)
        return finish(pull);
    if (pull->stage == PULL_PROBE_LAST) {
        enum avj_status status = avj_pull_delete_absent(pull);
        return status ? status : finish(pull);
    }
    if (too_many(pull))
        return avj_pull_fail(pull, AVJ_EREFUSED,
                             "%zu of %llu known documents are no longer on the server; nothing was "
                             "deleted here: use --accept-deletions if that is right",
                             pull->absent.count, (unsigned long long)pull->known_count);
    pull->stage = PULL_VERIFY;
    return AVJ_OK;
}

/* ---- answers ---- */

static enum avj_status later(struct avj_pull *pull, const struct avj_aw_result *result)
{
    if (result->verdict == AVJ_AW_RATE) {
        int64_t wait = result->rate_reset_ms - (result->date_ms ? result->date_ms : pull->now_ms);
        pull->wait_until_ms = pull->now_ms + (wait > 1000 ? wait : 1000);
        snprintf(pull->note, sizeof pull->note, "rate limited by the server");
        return AVJ_OK;
    }
    if (pull->options.tries_max && pull->backoff.tries + 1 >= pull->options.tries_max)
        return avj_pull_fail(pull, AVJ_ENET, "the server does not answer: %s", result->message);
    pull->wait_until_ms = pull->now_ms + avj_backoff_next(&pull->backoff);
    snprintf(pull->note, sizeof pull->note, "%s; trying again", result->message);
    return AVJ_OK;
}

static enum avj_status probe_answer(struct avj_pull *pull, const struct avj_aw_result *result)
{
    const char *id = json_string_value(json_object_get(result->json, "$id"));
    switch (result->verdict) {
    case AVJ_AW_OK:
        if (id && strcmp(id, pull->options.aw->user) == 0)
            return probed(pull, result);
        return avj_pull_fail(pull, AVJ_EAUTH, "the session belongs to another user: log in again");
    case AVJ_AW_AUTH:
        return avj_pull_fail(pull, AVJ_EAUTH,
                             "the session has ended: log in again (nothing is lost)");
    case AVJ_AW_NO_COLLECTION:
        return avj_pull_fail(pull, AVJ_EREJECTED, "project \"%s\": %s", pull->options.aw->project,
                             result->message);
    case AVJ_AW_RETRY:
    case AVJ_AW_RATE:
        return later(pull, result);
    default:
        return avj_pull_fail(pull, AVJ_EPROTO, "ask who is signed in: %s", result->message);
    }
}

static enum avj_status page_answer(struct avj_pull *pull, const json_t *rows)
{
    size_t count = json_array_size(rows);
    enum avj_status status = pull->stage == PULL_ROWS
                                 ? avj_pull_take_rows(pull, pull->entity, rows)
                                 : avj_pull_take_versions(pull, pull->entity, rows);
    if (status)
        return status;
    if (count == 0 || (count < DEFAULT_PAGE && count < pull->limit))
        return listed(pull);
    const char *last = json_string_value(json_object_get(json_array_get(rows, count - 1), "$id"));
    if (!last || strlen(last) >= sizeof pull->after || strcmp(last, pull->after) == 0)
        return avj_pull_fail(pull, AVJ_EPROTO, "the server does not page through \"%s\"",
                             pull->options.aw->collections[pull->entity]);
    snprintf(pull->after, sizeof pull->after, "%s", last);
    return AVJ_OK;
}

static enum avj_status ids_answer(struct avj_pull *pull, const json_t *rows)
{
    const char *ids[AVJ_AW_IDS_PER_QUERY];
    struct pull_list *list = pull->stage == PULL_FETCH ? &pull->fetch : &pull->absent;
    enum avj_entity entity = AVJ_THREAD;
    size_t count = id_batch(list, ids, &entity);
    enum avj_status status = avj_pull_take_rows(pull, entity, rows);
    list->at += count;
    if (status || list->at < list->count)
        return status;
    if (pull->stage == PULL_FETCH)
        return swept(pull);
    pull->stage = PULL_PROBE_LAST;
    return AVJ_OK;
}

static enum avj_status cursor_lost(struct avj_pull *pull, const struct avj_aw_result *result)
{
    if (++pull->restarts > AVJ_PULL_RESTARTS)
        return avj_pull_fail(pull, AVJ_EPROTO, "page through \"%s\": %s",
                             pull->options.aw->collections[pull->entity], result->message);
    restart(pull, pull->stage);
    return AVJ_OK;
}

/* A page of long rows: ask for fewer at once. */
static enum avj_status page_too_large(struct avj_pull *pull, const struct avj_aw_result *result)
{
    if (pull->limit <= SMALLEST_PAGE)
        return avj_pull_fail(pull, AVJ_EPROTO, "a row of \"%s\" is too large: %s",
                             pull->options.aw->collections[pull->entity], result->message);
    pull->limit = pull->limit / 4 > SMALLEST_PAGE ? pull->limit / 4 : SMALLEST_PAGE;
    return AVJ_OK;
}

static enum avj_status no_collection(struct avj_pull *pull, const struct avj_aw_result *result)
{
    const char *name = pull->options.aw->collections[pull->entity];
    bool optional =
        (pull->entity == AVJ_SUMMARY || pull->entity == AVJ_PROJECT) &&
        (!strcmp(result->type, "collection_not_found") || !strcmp(result->type, "table_not_found"));
    if (!optional)
        return avj_pull_fail(pull, AVJ_EREJECTED, "collection \"%s\" of database \"%s\": %s", name,
                             pull->options.aw->database, result->message);
    snprintf(pull->note, sizeof pull->note, "the server has no collection \"%s\": left out", name);
    pull->skipped[pull->entity] = true;
    return next_entity(pull);
}

static enum avj_status list_answer(struct avj_pull *pull, const struct avj_aw_result *result)
{
    json_t *rows = avj_aw_rows(result->json);
    bool by_ids = pull->stage == PULL_FETCH || pull->stage == PULL_VERIFY;
    switch (result->verdict) {
    case AVJ_AW_OK:
        if (!rows)
            return avj_pull_fail(pull, AVJ_EPROTO, "a list came without rows");
        return by_ids ? ids_answer(pull, rows) : page_answer(pull, rows);
    case AVJ_AW_RETRY:
    case AVJ_AW_RATE:
        return later(pull, result);
    case AVJ_AW_AUTH:
        pull->denied = true;
        pull->stage = PULL_PROBE_AGAIN;
        return AVJ_OK;
    case AVJ_AW_CURSOR:
        return cursor_lost(pull, result);
    case AVJ_AW_NO_COLLECTION:
        return no_collection(pull, result);
    case AVJ_AW_TOO_LARGE:
        if (!by_ids)
            return page_too_large(pull, result);
        /* fall through */
    default:
        return avj_pull_fail(pull, AVJ_EPROTO, "list rows: %s", result->message);
    }
}

void avj_pull_answer(struct avj_pull *pull, const struct avj_http_answer *answer, int64_t now_ms)
{
    struct avj_aw_result result;
    if (!pull->waiting || pull->failure.status)
        return;
    pull->waiting = false;
    pull->now_ms = now_ms;
    avj_aw_decode(answer, &result);
    if (result.verdict != AVJ_AW_RETRY)
        pull->backoff.tries = 0;
    bool probe = pull->stage == PULL_PROBE || pull->stage == PULL_PROBE_AGAIN ||
                 pull->stage == PULL_PROBE_LAST;
    enum avj_status status = probe ? probe_answer(pull, &result) : list_answer(pull, &result);
    (void)status; /* kept in pull->failure, which avj_pull_next reports */
    avj_aw_result_release(&result);
}

void avj_pull_stats(const struct avj_pull *pull, struct avj_pull_stats *stats)
{
    *stats = (struct avj_pull_stats){.pulled = pull->pulled,
                                     .deletions = pull->deletions,
                                     .foreign = pull->foreign,
                                     .done = pull->stage == PULL_DONE,
                                     .wait_until_ms = pull->wait_until_ms,
                                     .started_ms = pull->started_ms,
                                     .note = pull->note[0] ? pull->note : NULL};
}
