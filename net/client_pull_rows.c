/* Rows of a sweep: see client_pull_sweep.h. */
#include "net/client_pull_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void known_key(const char *remote_id, const char *version, char out[128])
{
    snprintf(out, 128, "%s %s", remote_id, version ? version : "");
}

/* ---- lists ---- */

void avj_pull_list_release(struct pull_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].remote_id);
    free(list->items);
    *list = (struct pull_list){0};
}

static bool list_add(struct pull_list *list, enum avj_entity entity, const char *remote_id,
                     const char *id, const char *version)
{
    size_t a = strlen(remote_id) + 1, b = strlen(id) + 1, c = strlen(version) + 1;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 32;
        struct pull_item *items = realloc(list->items, cap * sizeof *items);
        if (!items)
            return false;
        list->items = items;
        list->cap = cap;
    }
    char *texts = malloc(a + b + c);
    if (!texts)
        return false;
    memcpy(texts, remote_id, a);
    memcpy(texts + a, id, b);
    memcpy(texts + a + b, version, c);
    list->items[list->count++] = (struct pull_item){entity, texts, texts + a, texts + a + b};
    return true;
}

/* ---- what is known ---- */

struct walk {
    struct avj_pull *pull;
    enum avj_entity entity;
    bool failed;
};

static bool know(struct avj_pull *pull, enum avj_entity entity, const char *remote_id,
                 const char *version)
{
    char key[128];
    known_key(remote_id, version, key);
    return avj_set_add(&pull->known, entity, key);
}

static bool remember(void *arg, const char *id, const char *remote_id, const char *version)
{
    struct walk *walk = arg;
    (void)id;
    walk->failed = !know(walk->pull, walk->entity, remote_id, version);
    walk->pull->known_count++;
    return !walk->failed;
}

enum avj_status avj_pull_remember_known(struct avj_pull *pull)
{
    struct walk walk = {.pull = pull};
    for (int e = 0; e < AVJ_ENTITIES && !walk.failed; e++) {
        walk.entity = (enum avj_entity)e;
        avj_sync_known_rows(pull->options.store, walk.entity, remember, &walk);
    }
    return walk.failed ? avj_pull_fail(pull, AVJ_ENOMEM, "begin a sweep") : AVJ_OK;
}

static bool is_known(const struct avj_pull *pull, enum avj_entity entity, const char *remote_id,
                     const char *version)
{
    char key[128];
    known_key(remote_id, version, key);
    return avj_set_has(&pull->known, entity, key);
}

static bool is_busy(const struct avj_pull *pull, enum avj_entity entity, const char *remote_id)
{
    return pull->options.busy && pull->options.busy(pull->options.busy_arg, entity, remote_id);
}

/* ---- pages ---- */

/* Reads the rows of a page that are ours and not being pushed; *count of them are in `copies`. */
static enum avj_status read_page(struct avj_pull *pull, enum avj_entity entity, const json_t *rows,
                                 struct avj_row_copy *copies, size_t *count)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *json = json_array_get(rows, i);
        enum avj_status status =
            avj_row_read(entity, json, pull->options.aw->user, &copies[*count], &pull->failure);
        pull->foreign += status == AVJ_ENOTFOUND;
        if (status == AVJ_ENOTFOUND || status == AVJ_EFORMAT) {
            pull->failure = (struct avj_error){0};
            continue;
        }
        if (status)
            return avj_pull_fail(pull, status, "read a page");
        const struct avj_row *row = &copies[*count].row;
        if (!avj_set_add(&pull->seen, entity, row->remote_id))
            return avj_pull_fail(pull, AVJ_ENOMEM, "read a page");
        bool leave =
            is_busy(pull, entity, row->remote_id) ||
            (pull->options.dry_run && is_known(pull, entity, row->remote_id, row->version));
        /* The list of versions that follows need not bring it again. */
        if (!leave && !know(pull, entity, row->remote_id, row->version))
            return avj_pull_fail(pull, AVJ_ENOMEM, "read a page");
        if (leave)
            avj_row_copy_release(&copies[*count]);
        else
            ++*count;
    }
    return AVJ_OK;
}

static enum avj_status journal_page(struct avj_pull *pull, const struct avj_row_copy *copies,
                                    size_t count)
{
    if (pull->options.dry_run || !count) {
        pull->pulled += count;
        return AVJ_OK;
    }
    struct avj_row *rows = malloc(count * sizeof *rows);
    size_t applied = 0;
    if (!rows)
        return avj_pull_fail(pull, AVJ_ENOMEM, "journal a page");
    for (size_t i = 0; i < count; i++)
        rows[i] = copies[i].row;
    enum avj_status status = avj_sync_remote(pull->options.store, rows, count, "pull", AVJ_RELAXED,
                                             &applied, &pull->failure);
    free(rows);
    pull->pulled += applied;
    return status ? avj_pull_fail(pull, status, "journal a page") : AVJ_OK;
}

enum avj_status avj_pull_take_rows(struct avj_pull *pull, enum avj_entity entity,
                                   const json_t *rows)
{
    size_t n = json_array_size(rows), count = 0;
    struct avj_row_copy *copies = calloc(n ? n : 1, sizeof *copies);
    if (!copies)
        return avj_pull_fail(pull, AVJ_ENOMEM, "read a page");
    enum avj_status status = read_page(pull, entity, rows, copies, &count);
    if (!status)
        status = journal_page(pull, copies, count);
    for (size_t i = 0; i < n; i++)
        avj_row_copy_release(&copies[i]);
    free(copies);
    return status;
}

enum avj_status avj_pull_take_versions(struct avj_pull *pull, enum avj_entity entity,
                                       const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *id = json_string_value(json_object_get(row, "$id"));
        const char *version = json_string_value(json_object_get(row, "$updatedAt"));
        if (!id || !version || strlen(id) >= AVJ_REMOTE_ID_TEXT)
            continue;
        bool ok = avj_set_add(&pull->seen, entity, id);
        if (ok && !is_known(pull, entity, id, version) && !is_busy(pull, entity, id))
            ok = list_add(&pull->fetch, entity, id, "", version);
        if (!ok)
            return avj_pull_fail(pull, AVJ_ENOMEM, "read a page");
    }
    return AVJ_OK;
}

/* ---- what is absent ---- */

static bool note_absent(void *arg, const char *id, const char *remote_id, const char *version)
{
    struct walk *walk = arg;
    struct avj_pull *pull = walk->pull;
    /* One that was pushed or heard of meanwhile has another version now, or was not known before.
     */
    if (avj_set_has(&pull->seen, walk->entity, remote_id) ||
        !is_known(pull, walk->entity, remote_id, version) || is_busy(pull, walk->entity, remote_id))
        return true;
    walk->failed = !list_add(&pull->absent, walk->entity, remote_id, id, version ? version : "");
    return !walk->failed;
}

enum avj_status avj_pull_find_absent(struct avj_pull *pull)
{
    struct walk walk = {.pull = pull};
    for (int e = 0; e < AVJ_ENTITIES && !walk.failed; e++) {
        walk.entity = (enum avj_entity)e;
        if (!pull->skipped[e])
            avj_sync_known_rows(pull->options.store, walk.entity, note_absent, &walk);
    }
    return walk.failed ? avj_pull_fail(pull, AVJ_ENOMEM, "compare a sweep") : AVJ_OK;
}

enum avj_status avj_pull_delete_absent(struct avj_pull *pull)
{
    size_t count = 0, applied = 0;
    struct avj_row *rows = calloc(pull->absent.count ? pull->absent.count : 1, sizeof *rows);
    if (!rows)
        return avj_pull_fail(pull, AVJ_ENOMEM, "journal deletions");
    for (size_t i = 0; i < pull->absent.count; i++) {
        const struct pull_item *item = &pull->absent.items[i];
        /* The read that verifies absence found it, or it is being written right now. */
        if (avj_set_has(&pull->seen, item->entity, item->remote_id) ||
            is_busy(pull, item->entity, item->remote_id))
            continue;
        rows[count++] = (struct avj_row){.entity = item->entity,
                                         .id = item->id,
                                         .remote_id = item->remote_id,
                                         .version = *item->version ? item->version : NULL,
                                         .deleted = true};
    }
    enum avj_status status = AVJ_OK;
    applied = count;
    if (count && !pull->options.dry_run)
        status = avj_sync_remote(pull->options.store, rows, count, "pull", AVJ_DURABLE, &applied,
                                 &pull->failure);
    free(rows);
    pull->pulled += applied;
    pull->deletions += applied;
    return status ? avj_pull_fail(pull, status, "journal deletions") : AVJ_OK;
}
