/* Opening, reading and changing a store: see store.h. */
#include "replay/store_private.h"
#include "replay/watched.h"
#include "replay/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- batches ---- */

void avj_batch_release(struct avj_batch *b)
{
    avj_pack_release(&b->bytes);
    free(b->ends);
    *b = (struct avj_batch){.count = 0};
}

enum avj_status avj_batch_end(struct avj_batch *b)
{
    if (b->count == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 8;
        size_t *grown = realloc(b->ends, cap * sizeof(*grown));
        if (!grown)
            return AVJ_ENOMEM;
        b->ends = grown;
        b->cap = cap;
    }
    b->ends[b->count++] = b->bytes.len;
    return b->bytes.failed ? AVJ_ENOMEM : AVJ_OK;
}

/* How many entries from `from` on fit one frame. */
static size_t frame_share(const struct avj_batch *b, size_t from)
{
    size_t begin = from ? b->ends[from - 1] : 0;
    size_t n = 0;
    while (from + n < b->count && n < AVJ_RECORDS_PER_FRAME_MAX &&
           b->ends[from + n] - begin + 5 * (n + 1) <= AVJ_FRAME_RAW_MAX)
        n++;
    return n ? n : 1; /* too large for any frame: the journal says so */
}

static enum avj_status append_share(struct avj_store *store, const struct avj_batch *b, size_t from,
                                    size_t n, enum avj_durability durability, uint64_t *last_seq,
                                    struct avj_error *err)
{
    struct avj_slice *slices = malloc(n * sizeof(*slices));
    if (!slices)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        size_t begin = from + i ? b->ends[from + i - 1] : 0;
        slices[i] = (struct avj_slice){b->bytes.data + begin, b->ends[from + i] - begin};
    }
    uint64_t first = 0;
    enum avj_status status = avj_journal_append(store->journal, slices, n, durability, &first, err);
    free(slices);
    if (status == AVJ_OK && last_seq)
        *last_seq = first + n - 1;
    return status;
}

enum avj_status avj_batch_append(struct avj_store *store, struct avj_batch *b,
                                 enum avj_durability durability, uint64_t *last_seq,
                                 struct avj_error *err)
{
    if (b->bytes.failed)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    enum avj_status status = AVJ_OK;
    for (size_t from = 0; status == AVJ_OK && from < b->count;) {
        size_t n = frame_share(b, from);
        status = append_share(store, b, from, n, durability, last_seq, err);
        from += n;
    }
    if (status != AVJ_OK)
        return status;
    return avj_store_refresh(store, NULL, err);
}

/* ---- create, open, close ---- */

static void pack_upstream(struct avj_pack *p, const struct avj_upstream *u)
{
    avj_pack_cstr(p, "endpoint");
    avj_pack_cstr(p, u->endpoint);
    avj_pack_cstr(p, "project");
    avj_pack_cstr(p, u->project);
    avj_pack_cstr(p, "database");
    avj_pack_cstr(p, u->database);
    avj_pack_cstr(p, "collections");
    avj_pack_map(p, AVJ_ENTITIES);
    for (int e = 0; e < AVJ_ENTITIES; e++) {
        const struct avj_entity_schema *schema = avj_schema((enum avj_entity)e);
        avj_pack_cstr(p, schema->kind);
        avj_pack_cstr(p, u->collections[e] ? u->collections[e] : schema->collection);
    }
}

static void pack_init(struct avj_pack *entry, const struct avj_upstream *upstream, uint64_t hlc,
                      const char *session)
{
    avj_entry_begin(entry, AVJ_E_SESSION, hlc, session, AVJ_ENTITIES, NULL, 5);
    avj_pack_cstr(entry, "o");
    avj_pack_cstr(entry, "init");
    pack_upstream(entry, upstream);
}

static const struct avj_io *io_of(const struct avj_store_options *options)
{
    return options && options->journal.io ? options->journal.io : avj_io_posix();
}

static enum avj_status write_init(const char *path, const struct avj_upstream *upstream,
                                  const struct avj_journal_options *options, uint64_t hlc,
                                  struct avj_error *err)
{
    static const struct avj_upstream none;
    struct avj_journal *journal;
    enum avj_status status = avj_journal_open(path, options, &journal, err);
    if (status != AVJ_OK)
        return status;
    struct avj_pack entry = {0};
    pack_init(&entry, upstream ? upstream : &none, hlc, NULL);
    struct avj_slice slice = {entry.data, entry.len};
    status = entry.failed ? avj_fail(err, AVJ_ENOMEM, "out of memory")
                          : avj_journal_append(journal, &slice, 1, AVJ_DURABLE, NULL, err);
    avj_pack_release(&entry);
    avj_journal_close(journal);
    return status;
}

enum avj_status avj_store_create(const char *path, const struct avj_upstream *upstream,
                                 const struct avj_store_options *options, struct avj_error *err)
{
    const struct avj_journal_options *journal = options ? &options->journal : NULL;
    enum avj_status status = avj_journal_create(path, journal, err);
    if (status != AVJ_OK)
        return status;
    const struct avj_io *io = io_of(options);
    return write_init(path, upstream, journal, avj_hlc_next(0, io->now_ms(io->ctx)), err);
}

static void point_at_upstream(struct avj_store *store)
{
    char **texts = store->view->upstream;
    store->upstream = (struct avj_upstream){texts[0], texts[1], texts[2], {NULL}};
    for (int e = 0; e < AVJ_ENTITIES; e++)
        store->upstream.collections[e] = texts[3 + e];
}

static enum avj_status fold_tail(struct avj_store *store, bool *changed, uint64_t total,
                                 struct avj_error *err)
{
    for (;;) {
        struct avj_record record;
        enum avj_status status = avj_cursor_next(store->cursor, &record, err);
        if (status == AVJ_END)
            return AVJ_OK;
        if (status == AVJ_OK && store->watchers)
            status = avj_watched_apply(store, &record, err);
        else if (status == AVJ_OK)
            status = avj_view_apply(store->view, record.seq, record.data, record.len, err);
        if (status != AVJ_OK) {
            if (status == AVJ_EFORMAT)
                avj_wrap(err, "journal %s: run avchat-fsck", avj_journal_path(store->journal));
            return status;
        }
        if (changed)
            *changed = true;
        if (total && store->options.progress && record.seq % 4096 == 0)
            store->options.progress(store->options.progress_arg, record.seq, total);
    }
}

static enum avj_status open_parts(struct avj_store *store, const char *path, struct avj_error *err)
{
    store->options.journal.read_only = store->options.read_only;
    enum avj_status status = avj_journal_open(path, &store->options.journal, &store->journal, err);
    struct avj_journal_info info;
    if (status == AVJ_OK)
        status = avj_journal_info(store->journal, &info, err);
    if (status == AVJ_OK)
        status = avj_cursor_open(store->journal, 0, &store->cursor, err);
    if (status == AVJ_OK)
        status = fold_tail(store, NULL, info.next_seq - 1, err);
    if (status == AVJ_OK && store->options.progress)
        store->options.progress(store->options.progress_arg, info.next_seq - 1, info.next_seq - 1);
    if (status == AVJ_OK)
        point_at_upstream(store);
    return status;
}

static void new_session_id(struct avj_store *store)
{
    uint8_t bytes[8] = {0};
    const struct avj_io *io = io_of(&store->options);
    (void)io->random(io->ctx, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(store->session + 2 * i, 3, "%02x", bytes[i]);
}

enum avj_status avj_store_open(const char *path, const struct avj_store_options *options,
                               struct avj_store **out, struct avj_error *err)
{
    *out = NULL;
    struct avj_store *store = calloc(1, sizeof(*store));
    if (store)
        store->view = avj_view_new();
    if (!store || !store->view) {
        free(store);
        return avj_fail(err, AVJ_ENOMEM, "open: out of memory");
    }
    if (options)
        store->options = *options;
    new_session_id(store);
    enum avj_status status = open_parts(store, path, err);
    if (status != AVJ_OK) {
        avj_store_close(store);
        return status;
    }
    *out = store;
    return AVJ_OK;
}

enum avj_status avj_store_connect(struct avj_store *store, const struct avj_upstream *upstream,
                                  struct avj_error *err)
{
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK)
        return status;
    if (store->upstream.endpoint)
        return avj_fail(err, AVJ_EEXIST, "journal %s has an upstream already: %s",
                        avj_journal_path(store->journal), store->upstream.endpoint);
    if (store->view->counts.by_type[AVJ_E_SERVER])
        return avj_fail(err, AVJ_EREFUSED, "journal %s serves others: it can have no upstream",
                        avj_journal_path(store->journal));
    struct avj_batch batch = {.count = 0};
    pack_init(&batch.bytes, upstream, avj_store_stamp(store), store->session);
    status = avj_batch_end(&batch);
    if (status == AVJ_OK)
        status = avj_batch_append(store, &batch, AVJ_DURABLE, NULL, err);
    else
        avj_fail(err, status, "out of memory");
    avj_batch_release(&batch);
    return status;
}

static void release_ops(struct avj_store *store)
{
    for (size_t i = 0; i < store->ops_count; i++)
        avj_blob_release(&store->op_fields[i]);
    free(store->ops);
    free(store->op_fields);
}

void avj_store_close(struct avj_store *store)
{
    if (!store)
        return;
    avj_cursor_close(store->cursor);
    avj_journal_close(store->journal);
    avj_view_free(store->view);
    free(store->docs);
    release_ops(store);
    free(store);
}

enum avj_status avj_store_refresh(struct avj_store *store, bool *changed, struct avj_error *err)
{
    if (changed)
        *changed = false;
    enum avj_status status = fold_tail(store, changed, 0, err);
    point_at_upstream(store); /* another process may have connected it */
    return status;
}

/* ---- small things ---- */

struct avj_journal *avj_store_journal(struct avj_store *store)
{
    return store->journal;
}

const struct avj_upstream *avj_store_upstream(const struct avj_store *store)
{
    return &store->upstream;
}

const char *avj_store_user(const struct avj_store *store)
{
    return store->view->user;
}

const char *avj_store_session(const struct avj_store *store)
{
    return store->session;
}

uint64_t avj_store_stamp(struct avj_store *store)
{
    const struct avj_io *io = io_of(&store->options);
    uint64_t last = store->hlc > store->view->last_hlc ? store->hlc : store->view->last_hlc;
    store->hlc = avj_hlc_next(last, io->now_ms(io->ctx));
    return store->hlc;
}

enum avj_status avj_id_new(struct avj_store *store, char out[AVJ_ID_TEXT])
{
    uint8_t b[16];
    const struct avj_io *io = io_of(&store->options);
    if (io->random(io->ctx, b, sizeof(b)) < 0)
        return AVJ_EIO;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 4122, version 4, variant 1 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(out, AVJ_ID_TEXT,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return AVJ_OK;
}

enum avj_status avj_store_append(struct avj_store *store, const struct avj_slice *entries,
                                 size_t count, enum avj_durability durability, uint64_t *first_seq,
                                 struct avj_error *err)
{
    enum avj_status status =
        avj_journal_append(store->journal, entries, count, durability, first_seq, err);
    if (status != AVJ_OK)
        return status;
    return avj_store_refresh(store, NULL, err);
}

/* ---- reading ---- */

void avj_doc_fill(const struct avj_view *view, const struct avj_document *d, struct avj_doc *doc)
{
    const struct avj_known_row *row = avj_document_base(d);
    *doc = (struct avj_doc){
        .entity = d->entity,
        .id = d->id,
        .fields = avj_document_fields(d),
        .remote_id = row ? row->remote_id : NULL,
        .version = row ? row->version : NULL,
        .created_seq = d->created_seq,
        .created_ms = d->created_ms,
        .last_message_ms = d->last_message_ms,
        .pending = (unsigned)d->pending_count,
        .parked = d->parked,
        .reject_status = d->parked ? d->reject_status : 0,
        .reject_type = d->reject_type,
        .reject_message = d->reject_message,
    };
    if (d->entity != AVJ_THREAD)
        return;
    const struct avj_thread_index *index = avj_view_find_thread(view, d->id, strlen(d->id));
    if (!index || !index->count)
        return;
    doc->messages = index->count;
    int64_t newest = index->messages[index->count - 1]->created_ms;
    if (newest > doc->last_message_ms)
        doc->last_message_ms = newest;
}

enum avj_status avj_store_get(struct avj_store *store, enum avj_entity entity, const char *id,
                              struct avj_doc *doc)
{
    const struct avj_document *d = avj_view_find(store->view, entity, id, strlen(id));
    if (!d || !d->visible)
        return AVJ_ENOTFOUND;
    avj_doc_fill(store->view, d, doc);
    return AVJ_OK;
}

static bool reserve_docs(struct avj_store *store, size_t count)
{
    if (count <= store->docs_cap && store->docs)
        return true;
    size_t cap = count ? count : 1;
    struct avj_doc *docs = realloc(store->docs, cap * sizeof(*docs));
    if (!docs)
        return false;
    store->docs = docs;
    store->docs_cap = cap;
    return true;
}

static bool is_pinned(const struct avj_doc *doc)
{
    struct avj_tree *tree;
    struct avj_value v;
    bool pinned =
        avj_fields_get(doc->fields, "isPinned", &tree, &v) && v.kind == AVJ_BOOL && v.boolean;
    avj_tree_free(tree);
    return pinned;
}

static int by_last_message(const struct avj_doc *x, const struct avj_doc *y)
{
    if (x->last_message_ms != y->last_message_ms)
        return x->last_message_ms > y->last_message_ms ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int by_created(const void *a, const void *b)
{
    const struct avj_doc *x = a, *y = b;
    if (x->created_ms != y->created_ms)
        return x->created_ms < y->created_ms ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int thread_order(const void *a, const void *b)
{
    return by_last_message(a, b);
}

/* Pinned threads stand in front, each part by its last message. */
static void sort_threads(struct avj_view *view, struct avj_doc *docs, size_t count)
{
    (void)view;
    size_t pinned = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_pinned(&docs[i]))
            continue;
        struct avj_doc swap = docs[pinned];
        docs[pinned++] = docs[i];
        docs[i] = swap;
    }
    qsort(docs, pinned, sizeof(*docs), thread_order);
    qsort(docs + pinned, count - pinned, sizeof(*docs), thread_order);
}

enum avj_status avj_store_list(struct avj_store *store, enum avj_entity entity,
                               const struct avj_doc **docs, size_t *count, struct avj_error *err)
{
    const struct avj_view *view = store->view;
    *count = 0;
    if (!reserve_docs(store, view->all_count[entity]))
        return avj_fail(err, AVJ_ENOMEM, "list: out of memory");
    for (size_t i = 0; i < view->all_count[entity]; i++)
        if (view->all[entity][i]->visible)
            avj_doc_fill(view, view->all[entity][i], &store->docs[(*count)++]);
    if (entity == AVJ_THREAD)
        sort_threads(store->view, store->docs, *count);
    else
        qsort(store->docs, *count, sizeof(*store->docs), by_created);
    *docs = store->docs;
    return AVJ_OK;
}

enum avj_status avj_store_messages(struct avj_store *store, const char *thread, const char *before,
                                   size_t limit, const struct avj_doc **docs, size_t *count,
                                   struct avj_error *err)
{
    *count = 0;
    const struct avj_document *t = avj_view_find(store->view, AVJ_THREAD, thread, strlen(thread));
    if (!t || !t->visible)
        return avj_fail(err, AVJ_ENOTFOUND, "no thread %s", thread);
    const struct avj_thread_index *index =
        avj_view_find_thread(store->view, thread, strlen(thread));
    size_t end = index ? index->count : 0;
    if (before) {
        const struct avj_document *m =
            avj_view_find(store->view, AVJ_MESSAGE, before, strlen(before));
        if (!m || !m->visible || m->thread != index)
            return avj_fail(err, AVJ_ENOTFOUND, "no message %s in thread %s", before, thread);
        end = 0;
        while (index->messages[end] != m)
            end++;
    }
    size_t begin = limit && limit < end ? end - limit : 0;
    if (!reserve_docs(store, end - begin))
        return avj_fail(err, AVJ_ENOMEM, "messages: out of memory");
    for (size_t i = begin; i < end; i++)
        avj_doc_fill(store->view, index->messages[i], &store->docs[(*count)++]);
    *docs = store->docs;
    return AVJ_OK;
}

enum avj_status avj_store_parked(struct avj_store *store, const struct avj_doc **docs,
                                 size_t *count, struct avj_error *err)
{
    const struct avj_view *view = store->view;
    *count = 0;
    if (!reserve_docs(store, (size_t)view->counts.parked))
        return avj_fail(err, AVJ_ENOMEM, "parked: out of memory");
    for (const struct avj_document *d = view->outbox_first; d; d = d->outbox_next)
        if (d->parked)
            avj_doc_fill(view, d, &store->docs[(*count)++]);
    *docs = store->docs;
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
        .oldest_pending_ms = 0,
        .last_ack_ms = view->last_ack_ms,
        .gap_open = view->gap_open,
        .swept = view->swept,
        .unknown_entries = view->counts.by_type[AVJ_ENTRY_TYPES],
    };
    memcpy(status->visible, view->counts.visible, sizeof(status->visible));
    if (view->outbox_first)
        status->oldest_pending_ms = avj_hlc_ms(view->outbox_first->pending[0].hlc);
    avj_view_digest(view, status->digest);
    return AVJ_OK;
}
