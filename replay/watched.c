/* Tells the watchers of a store what folding a record in did: the documents are compared before and
 * after. */
#include "replay/watched.h"

#include <stdlib.h>
#include <string.h>

struct look {
    bool visible;
    uint64_t digest[2];
    char *thread;
};

static struct look look_at(const struct avj_view *view, const struct avj_entry *e)
{
    struct look look = {.visible = false};
    const struct avj_document *d = avj_view_find(view, e->entity, e->id.data, e->id.len);
    if (!d)
        return look;
    look.visible = d->visible;
    memcpy(look.digest, d->digest, sizeof(look.digest));
    if (d->thread)
        look.thread = strdup(d->thread->id);
    return look;
}

static void tell(const struct avj_store *store, const struct avj_change *change)
{
    for (const struct avj_watcher *w = store->watchers; w; w = w->next)
        w->changed(w->arg, change);
}

static void tell_document(const struct avj_store *store, const struct avj_entry *e, uint64_t seq,
                          const struct look *before, const struct look *after)
{
    char *id = strndup(e->id.data, e->id.len);
    struct avj_change change = {
        .seq = seq,
        .type = e->type,
        .entity = e->entity,
        .id = id,
        .thread = after->thread ? after->thread : before->thread,
        .remote = e->type == AVJ_E_REMOTE || e->type == AVJ_E_ACK,
        .shows = before->visible != after->visible ||
                 memcmp(before->digest, after->digest, sizeof(before->digest)) != 0,
        .appeared = !before->visible && after->visible,
        .vanished = before->visible && !after->visible,
    };
    if (id)
        tell(store, &change);
    free(id);
}

enum avj_status avj_watched_apply(struct avj_store *store, const struct avj_record *record,
                                  struct avj_error *err)
{
    struct avj_entry e;
    enum avj_status status = avj_entry_decode(record->data, record->len, &e, err);
    if (status != AVJ_OK)
        return status;
    struct look before = {.visible = false}, after = before;
    if (e.has_document)
        before = look_at(store->view, &e);
    status = avj_view_apply(store->view, record->seq, record->data, record->len, err);
    if (e.has_document)
        after = look_at(store->view, &e);
    struct avj_change state = {.seq = record->seq, .type = e.type, .entity = AVJ_ENTITIES};
    if (status == AVJ_OK && e.has_document)
        tell_document(store, &e, record->seq, &before, &after);
    else if (status == AVJ_OK && (e.type == AVJ_E_GAP || e.type == AVJ_E_SESSION))
        tell(store, &state);
    free(before.thread);
    free(after.thread);
    avj_entry_release(&e);
    return status;
}
