/* Reading a store: documents, lists and pages.  See store.h. */
#include "replay/clock.h"
#include "replay/store_private.h"

#include <stdlib.h>
#include <string.h>

static enum avj_status no_memory(const char *what, struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "%s: out of memory", what);
}

bool avj_store_visible(const struct avj_store *store, enum avj_entity entity, const char *id)
{
    return avj_view_visible(store->view, avj_view_find(store->view, entity, id, strlen(id)));
}

/* ---- one document ---- */

static const char *keep_text(struct avj_arena *memory, const char *text, bool *failed)
{
    if (!text)
        return NULL;
    const char *copy = avj_arena_copy(memory, text, strlen(text) + 1);
    *failed = *failed || !copy;
    return copy;
}

/* What is only known of a document that is open. */
static void fill_open(const struct avj_document *d, struct avj_arena *memory, struct avj_doc *doc,
                      bool *failed)
{
    const struct avj_known_row *row = avj_document_base(d);
    doc->remote_id = keep_text(memory, row ? row->remote_id : NULL, failed);
    doc->version = keep_text(memory, row ? row->version : NULL, failed);
    doc->pending = (unsigned)d->pending_count;
    doc->parked = d->parked;
    doc->reject_status = d->parked ? d->reject_status : 0;
    doc->reject_type = keep_text(memory, d->reject_type, failed);
    doc->reject_message = keep_text(memory, d->reject_message, failed);
}

static enum avj_status fill_state(struct avj_store *store, uint32_t number,
                                  struct avj_arena *memory, struct avj_doc *doc,
                                  struct avj_error *err)
{
    const struct avj_slot *slot = avj_view_slot(store->view, number);
    bool failed = false;
    if (slot->flags & AVJ_SLOT_OPEN) {
        struct avj_document *d;
        enum avj_status status = avj_view_open(store->view, number, &d, err);
        if (status != AVJ_OK)
            return status;
        fill_open(d, memory, doc, &failed);
    } else if ((slot->flags & (AVJ_SLOT_ROW | AVJ_SLOT_GONE)) == AVJ_SLOT_ROW) {
        struct avj_row_texts texts;
        avj_view_row_texts(store->view, number, &texts);
        doc->remote_id = keep_text(memory, texts.remote_id, &failed);
        doc->version = keep_text(memory, texts.version, &failed);
    } else {
        doc->pending = slot->flags & AVJ_SLOT_PENDING ? 1 : 0;
    }
    return failed ? no_memory("reading", err) : AVJ_OK;
}

static int64_t last_message(const struct avj_thread *thread)
{
    return thread->newest_ms > thread->last_message_ms ? thread->newest_ms
                                                       : thread->last_message_ms;
}

enum avj_status avj_doc_fill(struct avj_store *store, uint32_t number, struct avj_arena *memory,
                             struct avj_doc *doc, struct avj_error *err)
{
    struct avj_view *view = store->view;
    const struct avj_slot *slot = avj_view_slot(view, number);
    char buffer[AVJ_UUID_TEXT];
    struct avj_fields fields;
    enum avj_status status = avj_view_fields(view, number, &fields, err);
    if (status != AVJ_OK) {
        avj_wrap(err, "%s %s", avj_schema(avj_slot_entity(slot))->kind,
                 avj_slot_id(&view->slots, slot, buffer));
        return status;
    }
    *doc = (struct avj_doc){.entity = avj_slot_entity(slot),
                            .body_seq = avj_slot_body(slot),
                            .created_ms = slot->created_ms};
    doc->fields.len = fields.len;
    doc->fields.data = avj_arena_copy(memory, fields.data, fields.len);
    doc->id =
        avj_arena_copy(memory, avj_slot_id(&view->slots, slot, buffer), avj_slot_id_len(slot) + 1);
    if (!doc->fields.data || !doc->id)
        return no_memory("reading", err);
    if (doc->entity == AVJ_THREAD) {
        const struct avj_thread *thread = avj_view_thread(view, slot->thread);
        doc->last_message_ms = last_message(thread);
        doc->messages = thread->messages.len;
    }
    const struct avj_growing *growing = avj_growing_find(view, number);
    if (growing)
        doc->streaming =
            avj_growing_stopped(store, growing) ? AVJ_STREAM_STOPPED : AVJ_STREAM_GROWS;
    return fill_state(store, number, memory, doc, err);
}

static enum avj_status get(struct avj_store *store, uint32_t number, struct avj_doc *doc)
{
    if (!avj_view_visible(store->view, number))
        return AVJ_ENOTFOUND;
    avj_arena_reset(&store->got.memory);
    return avj_doc_fill(store, number, &store->got.memory, doc, NULL);
}

enum avj_status avj_store_get(struct avj_store *store, enum avj_entity entity, const char *id,
                              struct avj_doc *doc)
{
    return get(store, avj_view_find(store->view, entity, id, strlen(id)), doc);
}

enum avj_status avj_store_get_remote(struct avj_store *store, enum avj_entity entity,
                                     const char *remote_id, struct avj_doc *doc)
{
    uint32_t number;
    enum avj_status status = avj_view_find_row(store->view, entity, remote_id, &number, NULL);
    return status == AVJ_OK ? get(store, number, doc) : status;
}

/* ---- lists of slots ---- */

static bool reserve_docs(struct avj_answer *answer, size_t count)
{
    avj_arena_reset(&answer->memory);
    if (count <= answer->cap && answer->docs)
        return true;
    size_t cap = count ? count : 1;
    struct avj_doc *docs = realloc(answer->docs, cap * sizeof(*docs));
    if (!docs)
        return false;
    answer->docs = docs;
    answer->cap = cap;
    return true;
}

static enum avj_status fill_all(struct avj_store *store, struct avj_answer *answer,
                                const uint32_t *numbers, size_t n, const struct avj_doc **docs,
                                size_t *count, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    *count = 0;
    if (!reserve_docs(answer, n))
        return no_memory("reading", err);
    for (size_t i = 0; status == AVJ_OK && i < n; i++)
        status = avj_doc_fill(store, numbers[i], &answer->memory, &answer->docs[i], err);
    *docs = answer->docs;
    *count = status == AVJ_OK ? n : 0;
    return status;
}

/* What an entity is ordered by; the view for qsort(), which passes nothing along. */
struct place {
    const struct avj_view *view;
    int64_t ms;
    uint32_t number;
    bool pinned;
};

static int by_id(const struct place *x, const struct place *y)
{
    return avj_slot_compare_ids(&x->view->slots, avj_view_slot(x->view, x->number),
                                avj_view_slot(y->view, y->number));
}

/* Pinned threads stand in front, each part by its last message, newest first. */
static int thread_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->pinned != y->pinned)
        return x->pinned ? -1 : 1;
    if (x->ms != y->ms)
        return x->ms > y->ms ? -1 : 1;
    return by_id(x, y);
}

static int by_created(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->ms != y->ms)
        return x->ms < y->ms ? -1 : 1;
    return by_id(x, y);
}

/* The visible documents of an entity, in order: *out is malloc'd. */
static enum avj_status ordered(const struct avj_view *view, enum avj_entity entity, uint32_t **out,
                               size_t *count, struct avj_error *err)
{
    size_t n = (size_t)view->counts.visible[entity], found = 0;
    struct place *places = malloc((n ? n : 1) * sizeof(*places));
    *out = malloc((n ? n : 1) * sizeof(**out));
    if (!places || !*out) {
        free(places);
        free(*out);
        return no_memory("list", err);
    }
    for (uint32_t i = 1; entity == AVJ_THREAD && i < view->threads.count; i++) {
        const struct avj_thread *thread = avj_view_thread(view, i);
        if (thread->fields.len)
            places[found++] =
                (struct place){view, last_message(thread), thread->slot, thread->pinned};
    }
    for (uint32_t i = 1; entity != AVJ_THREAD && i <= avj_slots_last(&view->slots); i++)
        if (avj_view_visible(view, i) && avj_slot_entity(avj_view_slot(view, i)) == entity)
            places[found++] = (struct place){view, avj_view_slot(view, i)->created_ms, i, false};
    assert(found == n);
    qsort(places, found, sizeof(*places), entity == AVJ_THREAD ? thread_order : by_created);
    for (size_t i = 0; i < found; i++)
        (*out)[i] = places[i].number;
    free(places);
    *count = found;
    return AVJ_OK;
}

enum avj_status avj_store_list(struct avj_store *store, enum avj_entity entity,
                               const struct avj_doc **docs, size_t *count, struct avj_error *err)
{
    uint32_t *numbers;
    size_t n;
    *count = 0;
    enum avj_status status = ordered(store->view, entity, &numbers, &n, err);
    if (status != AVJ_OK)
        return status;
    status = fill_all(store, &store->listed, numbers, n, docs, count, err);
    free(numbers);
    return status;
}

/* ---- pages ---- */

/* The window [*begin, *end) of an ordered list; after and before are places in it, SIZE_MAX: none.
 */
static void window(const struct avj_page *page, size_t n, size_t after, size_t before,
                   size_t *begin, size_t *end)
{
    *begin = after == SIZE_MAX ? 0 : after + 1;
    *end = before == SIZE_MAX ? n : before;
    if (*begin > *end)
        *begin = *end;
    if (!page->limit || *end - *begin <= page->limit)
        return;
    if (page->from_end)
        *begin = *end - page->limit;
    else
        *end = *begin + page->limit;
}

static enum avj_status find_thread(const struct avj_view *view, const char *id,
                                   const uint32_t *numbers, size_t n, size_t *place,
                                   struct avj_error *err)
{
    *place = SIZE_MAX;
    if (!id)
        return AVJ_OK;
    uint32_t number = avj_view_find(view, AVJ_THREAD, id, strlen(id));
    for (size_t i = 0; number && i < n; i++)
        if (numbers[i] == number) {
            *place = i;
            return AVJ_OK;
        }
    return avj_fail(err, AVJ_ENOTFOUND, "no thread %s", id);
}

enum avj_status avj_store_threads(struct avj_store *store, const struct avj_page *page,
                                  const struct avj_doc **docs, size_t *count, struct avj_error *err)
{
    uint32_t *numbers;
    size_t n, after, before, begin, end;
    *count = 0;
    enum avj_status status = ordered(store->view, AVJ_THREAD, &numbers, &n, err);
    if (status != AVJ_OK)
        return status;
    status = find_thread(store->view, page->after, numbers, n, &after, err);
    if (status == AVJ_OK)
        status = find_thread(store->view, page->before, numbers, n, &before, err);
    if (status == AVJ_OK) {
        window(page, n, after, before, &begin, &end);
        status = fill_all(store, &store->listed, numbers + begin, end - begin, docs, count, err);
    }
    free(numbers);
    return status;
}

static enum avj_status find_message(const struct avj_view *view, const char *id, uint32_t thread,
                                    const char *thread_id, size_t *place, struct avj_error *err)
{
    *place = SIZE_MAX;
    if (!id)
        return AVJ_OK;
    uint32_t number = avj_view_find(view, AVJ_MESSAGE, id, strlen(id));
    if (!avj_view_visible(view, number) || !thread || avj_view_slot(view, number)->thread != thread)
        return avj_fail(err, AVJ_ENOTFOUND, "no message %s in thread %s", id, thread_id);
    *place = avj_list_place(view, number);
    return AVJ_OK;
}

enum avj_status avj_store_page(struct avj_store *store, const char *thread,
                               const struct avj_page *page, const struct avj_doc **docs,
                               size_t *count, struct avj_error *err)
{
    const struct avj_view *view = store->view;
    size_t after, before, begin, end;
    *count = 0;
    uint32_t number = avj_view_find(view, AVJ_THREAD, thread, strlen(thread));
    if (!avj_view_visible(view, number))
        return avj_fail(err, AVJ_ENOTFOUND, "no thread %s", thread);
    uint32_t at = avj_view_slot(view, number)->thread;
    const struct avj_thread *t = avj_view_thread(view, at);
    enum avj_status status = find_message(view, page->after, at, thread, &after, err);
    if (status == AVJ_OK)
        status = find_message(view, page->before, at, thread, &before, err);
    if (status != AVJ_OK)
        return status;
    window(page, t->messages.len, after, before, &begin, &end);
    const uint32_t *messages = avj_thread_messages(view, t); /* NULL: there is none */
    return fill_all(store, &store->paged, begin < end ? messages + begin : NULL, end - begin, docs,
                    count, err);
}

enum avj_status avj_store_messages(struct avj_store *store, const char *thread, const char *before,
                                   size_t limit, const struct avj_doc **docs, size_t *count,
                                   struct avj_error *err)
{
    struct avj_page page = {.before = before, .limit = limit, .from_end = true};
    return avj_store_page(store, thread, &page, docs, count, err);
}

enum avj_status avj_store_walk(struct avj_store *store, enum avj_entity entity,
                               bool (*each)(void *arg, const struct avj_doc *doc), void *arg,
                               struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    bool more = true;
    /* First mentioned first: bodies are met nearly in the order of the log. */
    for (uint32_t i = 1; status == AVJ_OK && more && i <= avj_slots_last(&store->view->slots);
         i++) {
        struct avj_doc doc;
        if (!avj_view_visible(store->view, i) ||
            avj_slot_entity(avj_view_slot(store->view, i)) != entity)
            continue;
        avj_arena_reset(&store->walked.memory);
        status = avj_doc_fill(store, i, &store->walked.memory, &doc, err);
        more = status == AVJ_OK && each(arg, &doc);
    }
    return status;
}

enum avj_status avj_store_parked(struct avj_store *store, const struct avj_doc **docs,
                                 size_t *count, struct avj_error *err)
{
    size_t at = 0, n = (size_t)store->view->counts.parked;
    enum avj_status status = AVJ_OK;
    *count = 0;
    if (!reserve_docs(&store->parked, n))
        return no_memory("parked", err);
    for (uint32_t number;
         status == AVJ_OK && *count < n && (number = avj_outbox_each(store->view, &at)) != 0;) {
        const struct avj_slot *slot = avj_view_slot(store->view, number);
        if ((slot->flags & AVJ_SLOT_OPEN) && avj_open_at(store->view, slot->extra)->parked)
            status = avj_doc_fill(store, number, &store->parked.memory,
                                  &store->parked.docs[(*count)++], err);
    }
    *docs = store->parked.docs;
    return status;
}

/* ---- status ---- */

static enum avj_status oldest_pending(struct avj_store *store, int64_t *ms, struct avj_error *err)
{
    size_t at = 0;
    uint32_t number = avj_outbox_each(store->view, &at);
    struct avj_slice record;
    struct avj_entry e;
    *ms = 0;
    if (!number)
        return AVJ_OK;
    const struct avj_slot *slot = avj_view_slot(store->view, number);
    uint64_t seq = avj_slot_body(slot);
    if (slot->flags & AVJ_SLOT_OPEN) {
        struct avj_document *d;
        enum avj_status status = avj_view_open(store->view, number, &d, err);
        if (status != AVJ_OK)
            return status;
        seq = d->pending[0].seq;
    }
    enum avj_status status = avj_view_record(store->view, seq, &record, err);
    if (status == AVJ_OK)
        status = avj_entry_decode(record.data, record.len, &e, err);
    if (status != AVJ_OK)
        return status;
    *ms = avj_hlc_ms(e.hlc);
    avj_entry_release(&e);
    return AVJ_OK;
}

enum avj_status avj_store_status(struct avj_store *store, struct avj_store_status *status,
                                 struct avj_error *err)
{
    struct avj_journal_info info;
    enum avj_status result = avj_journal_info(store->journal, &info, err);
    if (result != AVJ_OK)
        return result;
    const struct avj_view *view = store->view;
    *status = (struct avj_store_status){
        .records = info.next_seq - info.first_seq,
        .bytes = info.bytes,
        .segments = info.segments,
        .pending = view->counts.pending,
        .parked = view->counts.parked,
        .conflicts = view->counts.conflicts,
        .last_ack_ms = view->last_ack_ms,
        .gap_open = view->gap_open,
        .swept = view->swept,
        .unknown_entries = view->counts.by_type[AVJ_ENTRY_TYPES],
        .clock_offset_ms = view->clock_offset_ms,
        .folded = store->folded,
        .snapshot_seq = store->snapshot_seq,
    };
    memcpy(status->visible, view->counts.visible, sizeof(status->visible));
    avj_view_digest(view, status->digest);
    return oldest_pending(store, &status->oldest_pending_ms, err);
}
