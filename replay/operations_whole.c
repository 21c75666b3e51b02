/*
 * Operations on a thread with what is in it: deleting, trimming, branching.  See store.h.
 *
 * Other processes may write meanwhile.  What is read here is put together for one frame; where a
 * document of it was deleted by somebody before it could be appended, it is put together anew.
 */
#include "replay/operations.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 500 /* messages read at once */

static enum avj_status out_of_memory(const char *what, struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "%s: out of memory", what);
}

/* Is called with the messages of a thread, from the newest back; false ends the walk, with AVJ_OK.
 */
typedef bool take_fn(void *arg, const struct avj_doc *message);

/* Those before message `before` (NULL: all). */
static enum avj_status walk_back(struct avj_store *store, const char *thread, const char *before,
                                 take_fn *take, void *arg, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    char *from = before ? strdup(before) : NULL;
    bool more = true;
    if (before && !from)
        return out_of_memory("messages", err);
    while (status == AVJ_OK && more) {
        const struct avj_doc *docs;
        size_t count;
        status = avj_store_messages(store, thread, from, PAGE, &docs, &count, err);
        if (status != AVJ_OK)
            break;
        more = count == PAGE;
        free(from);
        /* Borrowed, and the next page is asked for with it. */
        from = more ? strdup(docs[0].id) : NULL;
        if (more && !from)
            status = out_of_memory("messages", err);
        while (status == AVJ_OK && count > 0 && take(arg, &docs[count - 1]))
            count--;
        more = more && count == 0;
    }
    free(from);
    return status;
}

/* ---- deleting ---- */

struct deletion {
    struct avj_edits *edits;
    const struct avj_pack *threads; /* of the summaries that are looked for; see below */
    int64_t from_ms;                /* messages older than that stay */
};

static bool delete_message(void *arg, const struct avj_doc *message)
{
    struct deletion *d = arg;
    if (message->created_ms < d->from_ms)
        return false;
    avj_edits_add(d->edits, AVJ_DELETE, AVJ_MESSAGE, message->id, NULL);
    return true;
}

/* Is it one of the ids, which stand in `threads` one after the other, each with its NUL? */
static bool among(const struct avj_pack *threads, struct avj_value id)
{
    for (size_t at = 0; at < threads->len;) {
        const char *thread = (const char *)threads->data + at;
        if (avj_value_text_is(id, thread))
            return true;
        at += strlen(thread) + 1;
    }
    return false;
}

static bool delete_summary(void *arg, const struct avj_doc *summary)
{
    struct deletion *d = arg;
    struct avj_tree *tree;
    struct avj_value thread;
    if (avj_tree_parse(summary->fields.data, summary->fields.len, &tree) != AVJ_OK) {
        d->edits->failed = true;
        return false;
    }
    if (avj_value_get(avj_tree_root(tree), "threadId", &thread) && among(d->threads, thread))
        avj_edits_add(d->edits, AVJ_DELETE, AVJ_SUMMARY, summary->id, NULL);
    avj_tree_free(tree);
    return true;
}

enum avj_status avj_edits_delete_threads(struct avj_store *store, const struct avj_pack *threads,
                                         struct avj_edits *edits, struct avj_error *err)
{
    struct deletion d = {.edits = edits, .threads = threads, .from_ms = INT64_MIN};
    if (threads->failed)
        return out_of_memory("delete", err);
    enum avj_status status = avj_store_walk(store, AVJ_SUMMARY, delete_summary, &d, err);
    for (size_t at = 0; status == AVJ_OK && at < threads->len;) {
        const char *thread = (const char *)threads->data + at;
        status = walk_back(store, thread, NULL, delete_message, &d, err);
        if (status == AVJ_OK)
            avj_edits_add(edits, AVJ_DELETE, AVJ_THREAD, thread, NULL);
        at += strlen(thread) + 1;
    }
    return status;
}

enum avj_status avj_thread_delete(struct avj_store *store, const char *thread,
                                  struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    struct avj_pack threads = {0};
    avj_pack_raw(&threads, thread, strlen(thread) + 1);
    for (int try = 0; try < AVJ_OPERATION_TRIES; try++) {
        struct avj_edits edits = {.count = 0};
        status = avj_store_refresh(store, NULL, err);
        if (status == AVJ_OK)
            status = avj_edits_delete_threads(store, &threads, &edits, err);
        bool gathered = status == AVJ_OK;
        if (gathered)
            status = avj_edits_append(store, &edits, err);
        avj_edits_release(&edits);
        if (!gathered || status != AVJ_ENOTFOUND)
            break;
    }
    avj_pack_release(&threads);
    return status;
}

/* ---- trimming ---- */

enum avj_status avj_thread_trim(struct avj_store *store, const char *thread, const char *from,
                                size_t *deleted, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    for (int try = 0; try < AVJ_OPERATION_TRIES; try++) {
        struct avj_edits edits = {.count = 0};
        struct deletion d = {.edits = &edits};
        status = avj_message_in(store, thread, from, &d.from_ms, err);
        if (status == AVJ_OK)
            status = walk_back(store, thread, NULL, delete_message, &d, err);
        bool gathered = status == AVJ_OK;
        if (gathered)
            status = avj_edits_append(store, &edits, err);
        if (status == AVJ_OK && deleted)
            *deleted = edits.count;
        avj_edits_release(&edits);
        if (!gathered || status != AVJ_ENOTFOUND)
            break;
    }
    return status;
}

/* ---- branching ---- */

struct branch {
    struct avj_edits edits; /* newest message first */
    char (*ids)[AVJ_ID_TEXT];
    size_t ids_left;
    char id[AVJ_ID_TEXT]; /* of the new thread */
    enum avj_status status;
};

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, AVJ_ID_TEXT);
}

/* New ids for `count` messages, in their order: messages of one moment are ordered by id, and the
 * copies shall stand as the originals do. */
static enum avj_status branch_ids(struct avj_store *store, struct branch *b, size_t count,
                                  struct avj_error *err)
{
    b->ids = calloc(count ? count : 1, sizeof(*b->ids));
    if (!b->ids)
        return out_of_memory("branch", err);
    enum avj_status status = avj_new_id(store, b->id, err);
    for (size_t i = 0; status == AVJ_OK && i < count; i++)
        status = avj_new_id(store, b->ids[i], err);
    b->ids_left = count;
    qsort(b->ids, count, sizeof(*b->ids), by_id);
    return status;
}

/* Adds the copy of a document with the fields of `patch` put in; consumes patch. */
static void add_copy(struct branch *b, const struct avj_doc *doc, const char *id,
                     struct avj_pack *patch)
{
    struct avj_pack copy = {0};
    struct avj_fields changes = {patch->data, patch->len};
    b->status = patch->failed ? AVJ_ENOMEM
                              : avj_fields_merge(doc->entity, doc->fields, changes, true, &copy);
    if (b->status == AVJ_OK)
        avj_edits_add(&b->edits, AVJ_CREATE, doc->entity, id, &copy);
    avj_pack_release(&copy);
    avj_pack_release(patch);
}

static bool copy_message(void *arg, const struct avj_doc *message)
{
    struct branch *b = arg;
    struct avj_pack patch = {0};
    if (b->ids_left == 0) { /* more messages than the thread said that it has */
        b->status = AVJ_ECORRUPT;
        return false;
    }
    const char *id = b->ids[--b->ids_left];
    avj_pack_map(&patch, 2);
    avj_put_text(&patch, "id", id);
    avj_put_text(&patch, "threadId", b->id);
    add_copy(b, message, id, &patch);
    return b->status == AVJ_OK;
}

/* A branch is a new thread, made now, that is neither pinned nor shared. */
static void copy_thread(struct avj_store *store, struct branch *b, const struct avj_doc *thread)
{
    char now[AVJ_TIME_TEXT];
    avj_now_text(store, now);
    struct avj_pack patch = {0};
    avj_pack_map(&patch, 9);
    avj_put_text(&patch, "id", b->id);
    avj_put_text(&patch, "createdAt", now);
    avj_put_text(&patch, "updatedAt", now);
    avj_put_text(&patch, "lastMessageAt", now);
    avj_put_bool(&patch, "isBranched", true);
    avj_put_bool(&patch, "isPinned", false);
    avj_put_text(&patch, "isShared", NULL);
    avj_put_text(&patch, "shareId", NULL);
    avj_put_text(&patch, "sharedAt", NULL);
    add_copy(b, thread, b->id, &patch);
}

static enum avj_status gather_branch(struct avj_store *store, const char *thread, const char *upto,
                                     struct branch *b, struct avj_error *err)
{
    struct avj_doc doc;
    enum avj_status status = avj_store_get(store, AVJ_THREAD, thread, &doc);
    if (status == AVJ_OK)
        status = branch_ids(store, b, doc.messages, err);
    if (status == AVJ_OK)
        status = avj_store_get(store, AVJ_MESSAGE, upto, &doc);
    if (status == AVJ_OK && copy_message(b, &doc))
        status = walk_back(store, thread, upto, copy_message, b, err);
    if (status == AVJ_OK && b->status == AVJ_OK)
        status = avj_store_get(store, AVJ_THREAD, thread, &doc);
    if (status != AVJ_OK)
        return status;
    if (b->status == AVJ_OK)
        copy_thread(store, b, &doc);
    return b->status == AVJ_OK
               ? AVJ_OK
               : avj_fail(err, b->status, "branch %s: %s", thread, avj_status_text(b->status));
}

enum avj_status avj_thread_branch(struct avj_store *store, const char *thread, const char *upto,
                                  char out[AVJ_ID_TEXT], struct avj_error *err)
{
    struct branch b = {.status = AVJ_OK};
    int64_t ms;
    enum avj_status status = avj_message_in(store, thread, upto, &ms, err);
    if (status == AVJ_OK)
        status = gather_branch(store, thread, upto, &b, err);
    avj_edits_reverse(&b.edits); /* the thread first, then its messages as they stand in it */
    if (status == AVJ_OK)
        status = avj_edits_append(store, &b.edits, err);
    if (status == AVJ_OK && out)
        memcpy(out, b.id, AVJ_ID_TEXT);
    avj_edits_release(&b.edits);
    free(b.ids);
    return status;
}
