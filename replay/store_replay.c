/* Folding what the log has behind the view.  A long tail is read by a thread of its own, so that
 * one core decompresses while another folds. */
#include "replay/clock.h"
#include "replay/store_private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Fewer records than these are folded faster than a thread is started and warm. */
#define PIPELINE_MIN 4096

/* The stamp of a record that is written in another way than this program writes entries; 0: it has
 * none. */
static enum avj_status read_stamp(struct avj_slice record, uint64_t *hlc, struct avj_error *err)
{
    struct avj_entry e;
    enum avj_status status = avj_entry_decode(record.data, record.len, &e, err);
    *hlc = status == AVJ_OK ? e.hlc : 0;
    if (status == AVJ_OK)
        avj_entry_release(&e);
    return status == AVJ_ENOMEM ? status : AVJ_OK; /* what is no entry is told by the fold */
}

/* AVJ_END: the record is behind the moment of the past that was asked for. */
static enum avj_status is_due(const struct avj_store *store, uint64_t seq, struct avj_slice record,
                              const struct avj_prepared *p, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    uint64_t hlc = p->glanced ? p->glance.hlc : 0;
    if (store->options.at_seq && seq > store->options.at_seq)
        return AVJ_END;
    if (!store->options.at_ms)
        return AVJ_OK;
    if (!p->glanced)
        status = read_stamp(record, &hlc, err);
    return status == AVJ_OK && avj_hlc_ms(hlc) > store->options.at_ms ? AVJ_END : status;
}

/* AVJ_END: the moment of the past is reached. */
static enum avj_status fold_one(struct avj_store *store, uint64_t seq, struct avj_slice record,
                                const struct avj_prepared *prepared, uint64_t total,
                                struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    if (store->frozen)
        status = is_due(store, seq, record, prepared, err);
    if (status == AVJ_OK)
        status = avj_view_apply_prepared(store->view, seq, record.data, record.len, prepared, err);
    if (status == AVJ_EFORMAT)
        avj_wrap(err, "journal %s: run avchat-fsck", avj_journal_path(store->journal));
    if (status == AVJ_OK && total && store->options.progress && seq % 4096 == 0)
        store->options.progress(store->options.progress_arg, seq, total);
    return status;
}

static enum avj_status fold_next(struct avj_store *store, uint64_t total, struct avj_error *err)
{
    struct avj_record record;
    struct avj_prepared prepared;
    enum avj_status status = avj_cursor_next(store->cursor, &record, err);
    if (status != AVJ_OK)
        return status;
    if (avj_prepare(record.data, record.len, &store->view->scratch, &prepared) != AVJ_OK)
        return avj_fail(err, AVJ_ENOMEM, "replay: out of memory");
    return fold_one(store, record.seq, (struct avj_slice){record.data, record.len}, &prepared,
                    total, err);
}

static enum avj_status fold_here(struct avj_store *store, bool *changed, uint64_t total,
                                 struct avj_error *err)
{
    enum avj_status status;
    while ((status = fold_next(store, total, err)) == AVJ_OK)
        if (changed)
            *changed = true;
    return status == AVJ_END ? AVJ_OK : status;
}

/* ---- two threads ---- */

/* Frames give some batches at once: with fewer, one thread would wait for the other in turns. */
#define BATCHES       16
#define AHEAD         8 /* batches that are not folded yet, when the reader has time for more */
#define BATCH_BYTES   ((size_t)256 * 1024)
#define BATCH_RECORDS 512
/* How many records ahead what they will need is fetched into the cache: places, then slots. */
#define AHEAD_PLACE 16
#define AHEAD_SLOT  8

/* Records, copied one behind the other. */
struct batch {
    uint8_t *bytes;
    size_t cap, used;
    uint64_t first_seq;
    size_t count;
    size_t ends[BATCH_RECORDS];
    struct avj_prepared prepared[BATCH_RECORDS];
    bool is_prepared;
    struct avj_pack scratch;
    enum avj_status status; /* of the cursor behind the last one: AVJ_OK: there is more */
    struct avj_error err;
};

struct pipeline {
    struct avj_cursor *cursor;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    struct batch batches[BATCHES];
    size_t made, used; /* batches, ever */
    bool stop;
};

static bool batch_put(struct batch *b, const struct avj_record *record)
{
    if (record->len > b->cap - b->used) {
        size_t cap = b->cap ? b->cap * 2 : BATCH_BYTES;
        while (cap - b->used < record->len)
            cap *= 2;
        uint8_t *grown = realloc(b->bytes, cap);
        if (!grown)
            return false;
        b->bytes = grown;
        b->cap = cap;
    }
    memcpy(b->bytes + b->used, record->data, record->len);
    b->used += record->len;
    if (b->count == 0)
        b->first_seq = record->seq;
    b->ends[b->count++] = b->used;
    return true;
}

static struct avj_slice batch_record(const struct batch *b, size_t i)
{
    size_t begin = i ? b->ends[i - 1] : 0;
    return (struct avj_slice){b->bytes + begin, b->ends[i] - begin};
}

static void batch_fill(struct batch *b, struct avj_cursor *cursor)
{
    b->used = b->count = 0;
    b->status = AVJ_OK;
    while (b->status == AVJ_OK && b->count < BATCH_RECORDS && b->used < BATCH_BYTES) {
        struct avj_record record;
        b->status = avj_cursor_next(cursor, &record, &b->err);
        if (b->status == AVJ_OK && !batch_put(b, &record))
            b->status = avj_fail(&b->err, AVJ_ENOMEM, "replay: out of memory");
    }
    b->is_prepared = false;
}

/* The bytes of a batch that is filled stay where they are. */
static enum avj_status batch_prepare(struct batch *b, struct avj_error *err)
{
    for (size_t i = 0; i < b->count; i++) {
        struct avj_slice record = batch_record(b, i);
        if (avj_prepare(record.data, record.len, &b->scratch, &b->prepared[i]) != AVJ_OK)
            return avj_fail(err, AVJ_ENOMEM, "replay: out of memory");
    }
    b->is_prepared = true;
    return AVJ_OK;
}

/* Whoever is ahead of the other does the work that both can do. */
static bool is_ahead(struct pipeline *p)
{
    pthread_mutex_lock(&p->mutex);
    bool ahead = p->made - p->used >= AHEAD;
    pthread_mutex_unlock(&p->mutex);
    return ahead;
}

static void *read_ahead(void *arg)
{
    struct pipeline *p = arg;
    bool more = true;
    while (more) {
        pthread_mutex_lock(&p->mutex);
        while (!p->stop && p->made - p->used == BATCHES)
            pthread_cond_wait(&p->moved, &p->mutex);
        more = !p->stop;
        struct batch *b = &p->batches[p->made % BATCHES];
        pthread_mutex_unlock(&p->mutex);
        if (!more)
            break;
        batch_fill(b, p->cursor);
        if (is_ahead(p) && batch_prepare(b, &b->err) != AVJ_OK)
            b->status = AVJ_ENOMEM;
        more = b->status == AVJ_OK;
        pthread_mutex_lock(&p->mutex);
        p->made++;
        pthread_cond_signal(&p->moved);
        pthread_mutex_unlock(&p->mutex);
    }
    return NULL;
}

static struct batch *batch_take(struct pipeline *p)
{
    pthread_mutex_lock(&p->mutex);
    while (p->made == p->used)
        pthread_cond_wait(&p->moved, &p->mutex);
    struct batch *b = &p->batches[p->used % BATCHES];
    pthread_mutex_unlock(&p->mutex);
    return b;
}

static void batch_done(struct pipeline *p, bool stop)
{
    pthread_mutex_lock(&p->mutex);
    p->used++;
    p->stop = p->stop || stop;
    pthread_cond_signal(&p->moved);
    pthread_mutex_unlock(&p->mutex);
}

static void look_ahead(const struct avj_view *view, const struct batch *b, size_t i)
{
    if (i + AHEAD_PLACE < b->count) {
        const struct avj_prepared *p = &b->prepared[i + AHEAD_PLACE];
        if (p->glanced && p->glance.has_document)
            avj_slots_prefetch(&view->slots, &p->key);
        if (p->plain && p->thread.len)
            avj_slots_prefetch(&view->slots, &p->thread);
    }
    if (i + AHEAD_SLOT < b->count) {
        const struct avj_prepared *p = &b->prepared[i + AHEAD_SLOT];
        if (p->glanced && p->glance.has_document)
            avj_slots_prefetch_slot(&view->slots, &p->key);
        if (p->plain && p->thread.len)
            avj_slots_prefetch_slot(&view->slots, &p->thread);
    }
}

static enum avj_status fold_batch(struct avj_store *store, struct batch *b, uint64_t total,
                                  struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    if (!b->is_prepared)
        status = batch_prepare(b, err);
    for (size_t i = 0; status == AVJ_OK && i < b->count; i++) {
        look_ahead(store->view, b, i);
        status = fold_one(store, b->first_seq + i, batch_record(b, i), &b->prepared[i], total, err);
    }
    if (status == AVJ_OK && b->status < 0 && err)
        *err = b->err;
    return status == AVJ_OK ? b->status : status;
}

static enum avj_status fold_apart(struct avj_store *store, struct pipeline *p, uint64_t total,
                                  struct avj_error *err)
{
    pthread_t thread;
    enum avj_status status = AVJ_OK;
    if (pthread_create(&thread, NULL, read_ahead, p) != 0)
        return fold_here(store, NULL, total, err);
    while (status == AVJ_OK) {
        struct batch *b = batch_take(p);
        status = fold_batch(store, b, total, err);
        batch_done(p, status != AVJ_OK);
    }
    pthread_join(thread, NULL);
    return status == AVJ_END ? AVJ_OK : status;
}

static enum avj_status fold_with_thread(struct avj_store *store, uint64_t total,
                                        struct avj_error *err)
{
    struct pipeline *p = calloc(1, sizeof(*p));
    if (!p)
        return fold_here(store, NULL, total, err);
    p->cursor = store->cursor;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->moved, NULL);
    enum avj_status status = fold_apart(store, p, total, err);
    pthread_cond_destroy(&p->moved);
    pthread_mutex_destroy(&p->mutex);
    for (size_t i = 0; i < BATCHES; i++) {
        free(p->batches[i].bytes);
        avj_pack_release(&p->batches[i].scratch);
    }
    free(p);
    return status;
}

enum avj_status avj_store_fold_tail(struct avj_store *store, bool *changed, uint64_t total,
                                    struct avj_error *err)
{
    uint64_t ahead = total > store->view->last_seq ? total - store->view->last_seq : 0;
    if (ahead >= PIPELINE_MIN && !store->options.journal.no_background)
        return fold_with_thread(store, total, err);
    return fold_here(store, changed, total, err);
}
