/* The orders that a view keeps: messages by time inside their thread, the outbox by sequence
 * number. */
#include "replay/view_private.h"

#include <stdlib.h>
#include <string.h>

static bool same_thread(const void *item, const void *key)
{
    const struct avj_thread_index *index = item;
    const struct avj_slice *id = key;
    return strlen(index->id) == id->len && memcmp(index->id, id->data, id->len) == 0;
}

struct avj_thread_index *avj_view_find_thread(const struct avj_view *view, const char *id,
                                              size_t len)
{
    struct avj_slice key = {id, len};
    return avj_table_find(&view->threads, avj_hash64(id, len), same_thread, &key);
}

static struct avj_thread_index *need_thread(struct avj_view *view, const char *id, size_t len)
{
    struct avj_thread_index *index = avj_view_find_thread(view, id, len);
    if (index)
        return index;
    index = calloc(1, sizeof(*index));
    if (!index)
        return NULL;
    index->id = malloc(len + 1);
    if (!index->id || !avj_table_add(&view->threads, avj_hash64(id, len), index)) {
        avj_thread_index_free(index);
        return NULL;
    }
    memcpy(index->id, id, len);
    index->id[len] = 0;
    return index;
}

void avj_thread_index_free(struct avj_thread_index *index)
{
    if (!index)
        return;
    free(index->messages);
    free(index->summaries);
    free(index->id);
    free(index);
}

static int compare(int64_t ms, const char *id, const struct avj_document *d)
{
    if (ms != d->listed_ms)
        return ms < d->listed_ms ? -1 : 1;
    return strcmp(id, d->id);
}

/* First place whose document is not before (ms, id). */
static size_t place_of(struct avj_document *const *list, size_t count, int64_t ms, const char *id)
{
    /* Nearly everything that is listed is newer than what is there. */
    if (count == 0 || compare(ms, id, list[count - 1]) > 0)
        return count;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(ms, id, list[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct list {
    struct avj_document ***items;
    size_t *count, *cap;
};

static struct list list_for(struct avj_thread_index *index, enum avj_entity entity)
{
    if (entity == AVJ_MESSAGE)
        return (struct list){&index->messages, &index->count, &index->cap};
    return (struct list){&index->summaries, &index->summary_count, &index->summary_cap};
}

static void unlist(struct avj_document *d)
{
    struct list l = list_for(d->thread, d->entity);
    size_t at = place_of(*l.items, *l.count, d->listed_ms, d->id);
    (*l.count)--;
    memmove(*l.items + at, *l.items + at + 1, (*l.count - at) * sizeof(**l.items));
    d->thread = NULL;
}

static enum avj_status enlist(struct avj_thread_index *index, struct avj_document *d)
{
    struct list l = list_for(index, d->entity);
    if (*l.count == *l.cap) {
        size_t cap = *l.cap ? *l.cap * 2 : 8;
        struct avj_document **grown = realloc(*l.items, cap * sizeof(*grown));
        if (!grown)
            return AVJ_ENOMEM;
        *l.items = grown;
        *l.cap = cap;
    }
    size_t at = place_of(*l.items, *l.count, d->created_ms, d->id);
    memmove(*l.items + at + 1, *l.items + at, (*l.count - at) * sizeof(**l.items));
    (*l.items)[at] = d;
    (*l.count)++;
    d->thread = index;
    d->listed_ms = d->created_ms;
    return AVJ_OK;
}

enum avj_status avj_listing_update(struct avj_view *view, struct avj_document *d)
{
    if (d->entity != AVJ_MESSAGE && d->entity != AVJ_SUMMARY)
        return AVJ_OK;
    struct avj_tree *tree = NULL;
    struct avj_value thread = {.kind = AVJ_NIL};
    struct avj_thread_index *index = NULL;
    enum avj_status status = AVJ_OK;
    if (d->visible)
        (void)avj_fields_get(avj_document_fields(d), "threadId", &tree, &thread);
    if (thread.kind == AVJ_TEXT) {
        index = need_thread(view, thread.text, thread.len);
        if (!index)
            status = AVJ_ENOMEM;
    }
    bool stays = d->thread && d->thread == index && d->listed_ms == d->created_ms;
    if (d->thread && !stays)
        unlist(d);
    if (status == AVJ_OK && index && !stays)
        status = enlist(index, d);
    avj_tree_free(tree);
    return status;
}

static void outbox_remove(struct avj_view *view, struct avj_document *d)
{
    if (d->outbox_prev)
        d->outbox_prev->outbox_next = d->outbox_next;
    else
        view->outbox_first = d->outbox_next;
    if (d->outbox_next)
        d->outbox_next->outbox_prev = d->outbox_prev;
    else
        view->outbox_last = d->outbox_prev;
    d->outbox_prev = d->outbox_next = NULL;
    d->in_outbox = false;
}

/* A document's turn is that of its first pending mutation; a deleted one's that of the delete,
 * behind what was deleted with it. */
void avj_outbox_place(struct avj_view *view, struct avj_document *d)
{
    uint64_t order = 0;
    if (d->pending_count)
        order = d->visible ? d->pending[0].seq : d->pending[d->pending_count - 1].seq;
    if (d->in_outbox && order == d->outbox_order)
        return;
    if (d->in_outbox)
        outbox_remove(view, d);
    if (!order)
        return;
    struct avj_document *after = view->outbox_last;
    while (after && after->outbox_order > order)
        after = after->outbox_prev;
    d->outbox_order = order;
    d->in_outbox = true;
    d->outbox_prev = after;
    d->outbox_next = after ? after->outbox_next : view->outbox_first;
    if (d->outbox_next)
        d->outbox_next->outbox_prev = d;
    else
        view->outbox_last = d;
    if (after)
        after->outbox_next = d;
    else
        view->outbox_first = d;
}
