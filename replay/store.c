/* Opening, reading and changing a store: see store.h. */
#include "replay/store_private.h"
#include "replay/clock.h"
#include "replay/sessions_private.h"
#include "replay/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- batches ---- */

static void point_at_upstream(struct avj_store *store)
{
    char **texts = store->view->upstream;
    store->upstream = (struct avj_upstream){texts[0], texts[1], texts[2], {NULL}};
    for (int e = 0; e < AVJ_ENTITIES; e++)
        store->upstream.collections[e] = texts[3 + e];
}

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

static enum avj_status write_if(struct avj_store *store, const struct avj_slice *records,
                                size_t count, enum avj_durability durability,
                                const struct avj_condition *condition, uint64_t *first_seq,
                                struct avj_error *err);

static enum avj_status append_share(struct avj_store *store, const struct avj_batch *b, size_t from,
                                    size_t n, enum avj_durability durability,
                                    const struct avj_condition *condition, uint64_t *last_seq,
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
    enum avj_status status = write_if(store, slices, n, durability, condition, &first, err);
    free(slices);
    if (status == AVJ_OK && last_seq)
        *last_seq = first + n - 1;
    return status;
}

static enum avj_status append_shares(struct avj_store *store, struct avj_batch *b,
                                     enum avj_durability durability,
                                     const struct avj_condition *condition, uint64_t *last_seq,
                                     struct avj_error *err)
{
    if (b->bytes.failed)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    enum avj_status status = AVJ_OK;
    for (size_t from = 0; status == AVJ_OK && from < b->count;) {
        size_t n = frame_share(b, from);
        status = append_share(store, b, from, n, durability, condition, last_seq, err);
        from += n;
    }
    return status;
}

enum avj_status avj_batch_append(struct avj_store *store, struct avj_batch *b,
                                 enum avj_durability durability, uint64_t *last_seq,
                                 struct avj_error *err)
{
    return append_shares(store, b, durability, NULL, last_seq, err);
}

enum avj_status avj_batch_append_if(struct avj_store *store, struct avj_batch *b,
                                    enum avj_durability durability,
                                    const struct avj_condition *condition, struct avj_error *err)
{
    struct avj_error own = {.status = AVJ_OK};
    enum avj_status status = append_shares(store, b, durability, condition, NULL, &own);
    /* To plan anew is no failure: callers keep the error of the first that was. */
    if (status != AVJ_OK && status != AVJ_ECHANGED && err)
        *err = own;
    return status;
}

/* Our own records, appended right behind what was folded last: the log gives nothing else for them.
 */
static enum avj_status fold_own(struct avj_store *store, const struct avj_slice *records,
                                size_t count, uint64_t first, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < count; i++)
        status = avj_view_apply(store->view, first + i, records[i].data, records[i].len, err);
    avj_cursor_skip(store->cursor, first + count);
    if (status == AVJ_EFORMAT)
        avj_wrap(err, "journal %s: run avchat-fsck", avj_journal_path(store->journal));
    return status;
}

/* ---- on a condition ---- */

struct standing {
    struct avj_store *store;
    const struct avj_condition *condition;
    bool touched;
};

static void look_at_change(void *arg, const struct avj_change *change)
{
    struct standing *s = arg;
    /* How the clocks differ, what the deployment lacks: plans may depend on any of it. */
    if (change->entity == AVJ_ENTITIES)
        s->touched = s->touched || change->type == AVJ_E_SESSION;
    else if (!s->touched)
        s->touched = s->condition->concerns(s->condition->arg, change);
}

/* Under the append lock: what others appended since the view was looked at is folded in and looked
 * at.  An error shows again when the caller refreshes. */
static bool stands(void *arg, uint64_t next_seq)
{
    struct standing *s = arg;
    struct avj_store *store = s->store;
    struct avj_watcher watcher = {look_at_change, s, store->watchers};
    if (next_seq == store->view->last_seq + 1)
        return true;
    store->watchers = &watcher;
    enum avj_status status = avj_store_fold_tail(store, NULL, 0, NULL);
    store->watchers = watcher.next;
    return status == AVJ_OK && !s->touched && next_seq == store->view->last_seq + 1;
}

static enum avj_status append_to_log(struct avj_store *store, const struct avj_slice *records,
                                     size_t count, enum avj_durability durability,
                                     const struct avj_condition *condition, uint64_t *first,
                                     struct avj_error *err)
{
    struct standing s = {store, condition, false};
    if (!condition)
        return avj_journal_append(store->journal, records, count, durability, first, err);
    return avj_journal_append_if(store->journal, records, count, durability, stands, &s, first,
                                 err);
}

/* ---- writing ---- */

static enum avj_status write_all(struct avj_store *store, const struct avj_slice *records,
                                 size_t count, enum avj_durability durability,
                                 const struct avj_condition *condition, uint64_t *first_seq,
                                 struct avj_error *err)
{
    uint64_t first = 0;
    enum avj_status status =
        append_to_log(store, records, count, durability, condition, &first, err);
    if (first_seq)
        *first_seq = first;
    if (status != AVJ_OK)
        return status;
    store->session_frames++;
    if (first != store->view->last_seq + 1)
        return avj_store_refresh(store, NULL, err);
    status = fold_own(store, records, count, first, err);
    point_at_upstream(store);
    avj_snapshot_consider(store);
    return status;
}

static enum avj_status write_if(struct avj_store *store, const struct avj_slice *records,
                                size_t count, enum avj_durability durability,
                                const struct avj_condition *condition, uint64_t *first_seq,
                                struct avj_error *err)
{
    if (store->frozen)
        return avj_fail(err, AVJ_EREADONLY, "journal %s is open at a moment of the past",
                        avj_journal_path(store->journal));
    struct avj_entrance entrance;
    avj_session_enter(store, records, count, &entrance);
    enum avj_status status =
        write_all(store, entrance.records, entrance.count, durability, condition, first_seq, err);
    avj_session_entered(store, &entrance);
    return status;
}

enum avj_status avj_store_write(struct avj_store *store, const struct avj_slice *records,
                                size_t count, enum avj_durability durability, uint64_t *first_seq,
                                struct avj_error *err)
{
    return write_if(store, records, count, durability, NULL, first_seq, err);
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

/* ---- reading bodies back ---- */

static enum avj_status fetch(void *arg, uint64_t seq, struct avj_slice *record,
                             struct avj_error *err)
{
    struct avj_store *store = arg;
    struct avj_record found;
    enum avj_status status = AVJ_OK;
    if (!store->fetcher)
        status = avj_fetcher_open(io_of(&store->options), avj_journal_path(store->journal),
                                  store->options.cache_bytes, &store->fetcher, err);
    if (status == AVJ_OK)
        status = avj_fetcher_get(store->fetcher, seq, &found, err);
    if (status == AVJ_OK)
        *record = (struct avj_slice){found.data, found.len};
    return status;
}

static void tell_watchers(void *arg, const struct avj_change *change)
{
    const struct avj_store *store = arg;
    struct avj_change told = *change;
    const char *session = change->stream.session;
    told.stream.own = session && strcmp(session, store->session) == 0;
    for (struct avj_watcher *w = store->watchers; w; w = w->next)
        w->changed(w->arg, &told);
}

/* ---- opening ---- */

static enum avj_status make_view(struct avj_store *store, struct avj_error *err)
{
    struct avj_source source = {store, fetch};
    if (!store->options.no_snapshots)
        avj_snapshot_open(store, &source);
    if (!store->view)
        store->view = avj_view_new(&source);
    return store->view ? AVJ_OK : avj_fail(err, AVJ_ENOMEM, "open: out of memory");
}

static enum avj_status replay(struct avj_store *store, struct avj_error *err)
{
    struct avj_journal_info info;
    uint64_t from = store->view->last_seq;
    enum avj_status status = avj_journal_info(store->journal, &info, err);
    if (status == AVJ_OK)
        status = avj_cursor_open(store->journal, from ? from + 1 : 0, &store->cursor, err);
    if (status == AVJ_OK)
        status = avj_store_fold_tail(store, NULL, info.next_seq - 1, err);
    if (status == AVJ_OK && store->options.at_seq > store->view->last_seq)
        return avj_fail(err, AVJ_ENOTFOUND, "journal %s: record %llu has not been written yet",
                        avj_journal_path(store->journal),
                        (unsigned long long)store->options.at_seq);
    store->folded = store->view->last_seq - from;
    if (status == AVJ_OK && store->options.progress)
        store->options.progress(store->options.progress_arg, info.next_seq - 1, info.next_seq - 1);
    return status;
}

static enum avj_status open_parts(struct avj_store *store, const char *path, struct avj_error *err)
{
    store->frozen = store->options.at_seq || store->options.at_ms;
    store->options.read_only = store->options.read_only || store->frozen;
    store->options.journal.read_only = store->options.read_only;
    enum avj_status status = avj_journal_open(path, &store->options.journal, &store->journal, err);
    if (status == AVJ_OK)
        status = make_view(store, err);
    if (status == AVJ_OK)
        status = replay(store, err);
    if (status != AVJ_OK)
        return status;
    store->view->changed = tell_watchers;
    store->view->changed_arg = store;
    store->ready = true;
    point_at_upstream(store);
    avj_snapshot_after_open(store);
    return AVJ_OK;
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
    if (!store)
        return avj_fail(err, AVJ_ENOMEM, "open: out of memory");
    store->session_file = -1;
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

static void release_answer(struct avj_answer *answer)
{
    avj_arena_release(&answer->memory);
    free(answer->docs);
}

void avj_store_close(struct avj_store *store)
{
    if (!store)
        return;
    if (store->ready)
        avj_snapshot_at_close(store);
    avj_session_leave(store);
    avj_cursor_close(store->cursor);
    avj_fetcher_close(store->fetcher);
    avj_journal_close(store->journal);
    avj_view_free(store->view);
    release_answer(&store->got);
    release_answer(&store->listed);
    release_answer(&store->paged);
    release_answer(&store->parked);
    release_answer(&store->walked);
    avj_arena_release(&store->stream_memory);
    avj_arena_release(&store->conflict_memory);
    avj_arena_release(&store->found_memory);
    avj_arena_release(&store->op_memory);
    free(store->ops);
    free(store->handed);
    free(store);
}

enum avj_status avj_store_refresh(struct avj_store *store, bool *changed, struct avj_error *err)
{
    if (changed)
        *changed = false;
    if (store->frozen)
        return AVJ_OK;
    enum avj_status status = avj_store_fold_tail(store, changed, 0, err);
    point_at_upstream(store); /* another process may have connected it */
    avj_snapshot_consider(store);
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
    return avj_store_write(store, entries, count, durability, first_seq, err);
}
