/* Compaction with history: see history.h. */
#include "replay/history_plan.h"
#include "journal/rewrite.h"
#include "replay/store_private.h"

#include <string.h>

static enum avj_status no_memory(struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "compacting: out of memory");
}

/* ---- entries ---- */

static void put_keep(struct avj_pack *p, const struct avj_keep *keep)
{
    avj_pack_cstr(p, "limited");
    avj_pack_bool(p, keep->limited);
    avj_pack_cstr(p, "days");
    avj_pack_int(p, keep->days);
    avj_pack_cstr(p, "size");
    avj_pack_int(p, (int64_t)keep->bytes);
}

static enum avj_status append_one(struct avj_store *store, struct avj_batch *batch,
                                  struct avj_error *err)
{
    enum avj_status status = avj_batch_end(batch);
    if (status == AVJ_OK)
        status = avj_batch_append(store, batch, AVJ_DURABLE, NULL, err);
    else
        status = no_memory(err);
    avj_batch_release(batch);
    return status;
}

enum avj_status avj_store_keep(struct avj_store *store, const struct avj_keep *keep,
                               struct avj_error *err)
{
    struct avj_batch batch = {.count = 0};
    if (keep->days < 0 || keep->bytes > INT64_MAX)
        return avj_fail(err, AVJ_EINVAL, "keep: so many days or bytes are not possible");
    avj_entry_begin(&batch.bytes, AVJ_E_SESSION, avj_store_stamp(store), store->session,
                    AVJ_ENTITIES, NULL, 4);
    avj_pack_cstr(&batch.bytes, "o");
    avj_pack_cstr(&batch.bytes, "keep");
    put_keep(&batch.bytes, keep);
    return append_one(store, &batch, err);
}

/* What is to go, before it goes: whatever happens then, there is a record of it. */
static enum avj_status record_history(struct avj_store *store,
                                      const struct avj_compacted_history *done,
                                      struct avj_error *err)
{
    struct avj_batch batch = {.count = 0};
    struct avj_pack *p = &batch.bytes;
    avj_entry_begin(p, AVJ_E_HISTORY, avj_store_stamp(store), store->session, AVJ_ENTITIES, NULL,
                    7);
    avj_pack_cstr(p, "from");
    avj_pack_int(p, (int64_t)done->from);
    avj_pack_cstr(p, "to");
    avj_pack_int(p, (int64_t)done->to);
    avj_pack_cstr(p, "records");
    avj_pack_int(p, (int64_t)done->records);
    avj_pack_cstr(p, "bytes");
    avj_pack_int(p, (int64_t)done->bytes);
    put_keep(p, &done->keep);
    return append_one(store, &batch, err);
}

/* ---- stubs ---- */

struct work {
    const struct avj_compacting *how;
    const struct avj_history_plan *plan;
    struct avj_pack stub, fields;
};

static bool is_key(struct avj_value key, const char *name)
{
    return avj_value_text_is(key, name);
}

/* Everything but "f" stays as it is; of a chunk only what it belongs to. */
static bool stays(const struct avj_entry *e, struct avj_value key)
{
    static const char *const of_chunk[] = {"t", "h", "p", "e", "i", "o"};
    if (e->type != AVJ_E_STREAM)
        return !is_key(key, "f");
    for (size_t i = 0; i < sizeof(of_chunk) / sizeof(of_chunk[0]); i++)
        if (is_key(key, of_chunk[i]))
            return true;
    return false;
}

static size_t copy_pairs(struct avj_pack *out, const struct avj_entry *e)
{
    struct avj_value root = e->root;
    size_t copied = 0;
    for (size_t i = 0; i < root.len; i++) {
        struct avj_value key, value;
        avj_value_pair(root, i, &key, &value);
        if (!stays(e, key))
            continue;
        if (out) {
            avj_pack_value(out, key);
            avj_pack_value(out, value);
        }
        copied++;
    }
    return copied;
}

static enum avj_status hash_fields(struct work *w, const struct avj_entry *e, struct avj_value f,
                                   uint64_t *hash)
{
    avj_pack_reset(&w->fields);
    enum avj_status status = avj_fields_canonical(e->entity, f, true, &w->fields);
    *hash = avj_hash64(w->fields.data, w->fields.len);
    return status;
}

/* w->stub becomes the stub; it stays empty where the entry is one, or has nothing to lose. */
static enum avj_status make_stub(struct work *w, const struct avj_entry *e,
                                 const struct avj_history_item *item)
{
    struct avj_value f;
    struct avj_stub was;
    uint64_t hash = 0;
    bool row = e->type == AVJ_E_ACK || e->type == AVJ_E_REMOTE, stream = e->type == AVJ_E_STREAM;
    avj_pack_reset(&w->stub);
    if (avj_stub_of(e, &was))
        return AVJ_OK;
    if (!stream && (!avj_value_get(e->root, "f", &f) || f.kind != AVJ_MAP))
        return AVJ_OK;
    enum avj_status status = row ? hash_fields(w, e, f, &hash) : AVJ_OK;
    if (status != AVJ_OK)
        return status;
    avj_pack_map(&w->stub, copy_pairs(NULL, e) + 1);
    (void)copy_pairs(&w->stub, e);
    avj_pack_cstr(&w->stub, row ? "g" : "z");
    avj_pack_int(&w->stub, row ? (int64_t)hash : (int64_t)item->settled_at);
    return w->stub.failed ? AVJ_ENOMEM : AVJ_OK;
}

static enum avj_status decide(void *arg, uint64_t seq, const void *data, size_t len,
                              struct avj_slice *instead, struct avj_error *err)
{
    struct work *w = arg;
    struct avj_entry e;
    const struct avj_history_item *item = avj_history_plan_find(w->plan, seq);
    if (!item)
        return AVJ_OK;
    enum avj_status status = avj_entry_decode(data, len, &e, err);
    if (status != AVJ_OK)
        return status;
    status = make_stub(w, &e, item);
    avj_entry_release(&e);
    if (status != AVJ_OK)
        return no_memory(err);
    if (w->stub.len)
        *instead = (struct avj_slice){w->stub.data, w->stub.len};
    return AVJ_OK;
}

static bool wanted(void *arg, uint64_t first_seq, uint64_t last_seq, uint64_t bytes)
{
    const struct work *w = arg;
    size_t i = avj_history_plan_from(w->plan, first_seq);
    (void)bytes;
    return i < w->plan->count && w->plan->items[i].seq <= last_seq;
}

static bool must_stop(void *arg)
{
    const struct work *w = arg;
    return w->how->stop && w->how->stop(w->how->arg);
}

static void on_progress(void *arg, uint64_t segments_done, uint64_t segments_total)
{
    const struct work *w = arg;
    if (w->how->progress)
        w->how->progress(w->how->arg, segments_total + segments_done, 2 * segments_total);
}

static enum avj_status rewrite(struct avj_store *store, struct work *w,
                               struct avj_compacted_history *done, struct avj_error *err)
{
    const struct avj_rewriting how = {w, decide, wanted, must_stop, on_progress};
    struct avj_rewritten rewritten;
    enum avj_status status =
        avj_journal_rewrite(avj_store_journal(store), UINT64_MAX, &how, &rewritten, err);
    done->segments = rewritten.segments;
    done->bytes_before = rewritten.bytes_before;
    done->bytes_after = rewritten.bytes_after;
    done->damaged = rewritten.damaged;
    avj_pack_release(&w->stub);
    avj_pack_release(&w->fields);
    return status;
}

/* ---- compaction ---- */

static void sum_up(const struct avj_history_plan *plan, struct avj_compacted_history *done)
{
    memset(done, 0, sizeof(*done));
    done->keep = plan->keep;
    done->records = plan->count;
    for (size_t i = 0; i < plan->count; i++)
        done->bytes += plan->items[i].bytes;
    if (plan->count) {
        done->from = plan->items[0].seq;
        done->to = plan->items[plan->count - 1].seq;
    }
}

enum avj_status avj_store_compact(struct avj_store *store, const struct avj_compacting *how,
                                  struct avj_compacted_history *done, struct avj_error *err)
{
    static const struct avj_compacting plain;
    struct avj_compacted_history ignored;
    struct avj_history_plan plan = {.count = 0};
    struct work w = {.how = how ? how : &plain, .plan = &plan};
    if (!done)
        done = &ignored;
    memset(done, 0, sizeof(*done));
    if (store->frozen || store->options.read_only)
        return avj_fail(err, AVJ_EREADONLY, "journal %s is open for reading only",
                        avj_journal_path(store->journal));
    enum avj_status status = avj_history_plan_make(store, w.how, &plan, err);
    if (status == AVJ_OK)
        sum_up(&plan, done);
    if (status == AVJ_OK && plan.count)
        status = record_history(store, done, err);
    if (status == AVJ_OK && plan.count)
        status = rewrite(store, &w, done, err);
    avj_history_plan_release(&plan);
    return status;
}
