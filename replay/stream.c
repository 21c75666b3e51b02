/* Streaming answers: see stream.h; what the entries mean is view_stream.c's. */
#include "replay/stream.h"
#include "replay/letters.h"
#include "replay/operations.h"
#include "replay/sessions.h"
#include "replay/store_private.h"

#include <stdlib.h>
#include <string.h>

#define SYNC_MS 1000

struct avj_stream {
    struct avj_store *store;
    char *message;
    uint32_t slot;
    uint64_t turn;              /* its `begin` */
    int64_t synced_ms;          /* monotonic */
    int64_t sync_ms;            /* -1: never */
    bool over;                  /* ended or aborted */
    uint8_t held[AVJ_UTF8_MAX]; /* of a character that is cut */
    size_t held_len;
};

static const struct avj_slice no_text = {NULL, 0};

static enum avj_status no_memory(struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "stream: out of memory");
}

static int64_t now_ms(const struct avj_store *store)
{
    const struct avj_io *io =
        store->options.journal.io ? store->options.journal.io : avj_io_posix();
    return io->monotonic_ms(io->ctx);
}

/* ---- what grows ---- */

static struct avj_growing *find(const struct avj_store *store, const char *message)
{
    uint32_t number = avj_view_find(store->view, AVJ_MESSAGE, message, strlen(message));
    return avj_growing_find(store->view, number);
}

bool avj_growing_stopped(const struct avj_store *store, const struct avj_growing *g)
{
    if (g->interrupted || store->frozen)
        return g->interrupted; /* of the past only the log can tell */
    return !g->session || !avj_session_alive(store, g->session);
}

/* ---- entries ---- */

enum avj_status avj_stream_pack(struct avj_store *store, enum avj_stream_op op, const char *message,
                                uint64_t turn, struct avj_slice delta, struct avj_batch *batch)
{
    struct avj_pack *p = &batch->bytes;
    bool append = op == AVJ_STREAM_APPEND, begin = op == AVJ_STREAM_BEGIN;
    /* Who appends is who began: a delta is small enough without saying so. */
    avj_entry_begin(p, AVJ_E_STREAM, avj_store_stamp(store),
                    append ? NULL : avj_store_session(store), AVJ_MESSAGE, message,
                    begin    ? 1
                    : append ? 3
                             : 2);
    avj_pack_cstr(p, "o");
    avj_pack_cstr(p, avj_stream_op_name(op));
    if (!begin) {
        avj_pack_cstr(p, "s");
        avj_pack_int(p, (int64_t)turn);
    }
    if (append) {
        avj_pack_cstr(p, "d");
        avj_pack_text(p, delta.data, delta.len);
    }
    return avj_batch_end(batch);
}

/* What goes behind the mutations of one frame, or alone. */
struct entry {
    struct avj_store *store;
    const char *message;
    uint64_t turn;
    enum avj_stream_op op;
    bool interrupted; /* and in front of it: that the one who wrote it is gone */
};

static enum avj_status pack_entry(void *arg, struct avj_batch *batch)
{
    const struct entry *e = arg;
    enum avj_status status = AVJ_OK;
    if (e->interrupted)
        status =
            avj_stream_pack(e->store, AVJ_STREAM_INTERRUPTED, e->message, e->turn, no_text, batch);
    return status == AVJ_OK ? avj_stream_pack(e->store, e->op, e->message, e->turn, no_text, batch)
                            : status;
}

static enum avj_status append_entry(struct entry *e, struct avj_error *err)
{
    struct avj_batch batch = {.count = 0};
    enum avj_status status = pack_entry(e, &batch);
    status = status == AVJ_OK ? avj_batch_append(e->store, &batch, AVJ_DURABLE, NULL, err)
                              : no_memory(err);
    avj_batch_release(&batch);
    return status;
}

/* ---- a handle ---- */

static struct avj_stream *new_stream(struct avj_store *store, const char *message,
                                     const struct avj_stream_options *options)
{
    struct avj_stream *s = calloc(1, sizeof(*s));
    if (!s || !(s->message = strdup(message))) {
        free(s);
        return NULL;
    }
    s->store = store;
    s->sync_ms = options->no_sync ? -1 : options->sync_ms ? (int64_t)options->sync_ms : SYNC_MS;
    return s;
}

static void free_stream(struct avj_stream *s)
{
    if (s)
        free(s->message);
    free(s);
}

/* The stream is as the log, read up to our own `begin`, says. */
static enum avj_status hold(struct avj_stream *s, struct avj_error *err)
{
    const struct avj_growing *g = find(s->store, s->message);
    if (!g || !g->session || strcmp(g->session, s->store->session) != 0)
        return avj_fail(err, AVJ_EREFUSED, "message %s: another process goes on with it",
                        s->message);
    s->slot = g->slot;
    s->turn = g->turn;
    s->synced_ms = now_ms(s->store);
    return AVJ_OK;
}

const char *avj_stream_message(const struct avj_stream *stream)
{
    return stream->message;
}

/* Is it ours still? */
static enum avj_status check(struct avj_stream *s, struct avj_error *err)
{
    if (s->over)
        return avj_fail(err, AVJ_EINVAL, "message %s: its stream is over", s->message);
    const struct avj_growing *g = avj_growing_find(s->store->view, s->slot);
    if (g && g->turn == s->turn)
        return AVJ_OK;
    if (!avj_view_visible(s->store->view, s->slot))
        return avj_fail(err, AVJ_ENOTFOUND, "message %s was deleted while it was being streamed",
                        s->message);
    return avj_fail(err, AVJ_EREFUSED, "message %s: another process has %s", s->message,
                    g ? "gone on with it" : "ended its stream");
}

/* ---- beginning ---- */

static enum avj_status begin(struct avj_stream *s, const char *thread,
                             const struct avj_stream_options *o, struct avj_error *err)
{
    struct avj_edits edits = {.count = 0};
    struct entry entry = {.store = s->store, .message = s->message, .op = AVJ_STREAM_BEGIN};
    const struct avj_mutating how = {.more = pack_entry, .arg = &entry};
    const struct avj_new_message message = {
        thread, o->role ? o->role : "assistant", {"", 0}, o->more, s->message};
    enum avj_status status = avj_edits_new_message(s->store, &message, &edits, err);
    if (status == AVJ_OK)
        status = avj_edits_append_with(s->store, &edits, &how, err);
    avj_edits_release(&edits);
    return status == AVJ_OK ? hold(s, err) : status;
}

enum avj_status avj_stream_begin(struct avj_store *store, const char *thread,
                                 const struct avj_stream_options *options, struct avj_stream **out,
                                 struct avj_error *err)
{
    static const struct avj_stream_options none;
    char id[AVJ_ID_TEXT];
    *out = NULL;
    if (!options)
        options = &none;
    enum avj_status status = options->id ? AVJ_OK : avj_new_id(store, id, err);
    if (status != AVJ_OK)
        return status;
    struct avj_stream *s = new_stream(store, options->id ? options->id : id, options);
    if (!s)
        return no_memory(err);
    status = begin(s, thread, options, err);
    if (status == AVJ_OK)
        *out = s;
    else
        free_stream(s);
    return status;
}

/* One that nobody writes.  Its entry gets what there is to be said of it. */
static enum avj_status find_stopped(struct avj_store *store, const char *message,
                                    struct entry *entry, struct avj_error *err)
{
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK)
        return status;
    if (!avj_store_visible(store, AVJ_MESSAGE, message))
        return avj_fail(err, AVJ_ENOTFOUND, "no message %s", message);
    const struct avj_growing *g = find(store, message);
    if (!g)
        return avj_fail(err, AVJ_EREFUSED, "message %s is no answer that was interrupted", message);
    if (!avj_growing_stopped(store, g))
        return avj_fail(err, AVJ_EREFUSED, "message %s is being streamed by another process",
                        message);
    entry->turn = g->turn;
    entry->interrupted = !g->interrupted;
    return AVJ_OK;
}

enum avj_status avj_stream_resume(struct avj_store *store, const char *message,
                                  const struct avj_stream_options *options, struct avj_stream **out,
                                  struct avj_error *err)
{
    static const struct avj_stream_options none;
    struct entry entry = {.store = store, .message = message, .op = AVJ_STREAM_BEGIN};
    *out = NULL;
    enum avj_status status = find_stopped(store, message, &entry, err);
    if (status != AVJ_OK)
        return status;
    struct avj_stream *s = new_stream(store, message, options ? options : &none);
    if (!s)
        return no_memory(err);
    status = append_entry(&entry, err);
    if (status == AVJ_OK)
        status = hold(s, err);
    if (status == AVJ_OK)
        *out = s;
    else
        free_stream(s);
    return status;
}

/* ---- appending ---- */

static enum avj_durability durability(struct avj_stream *s)
{
    if (s->sync_ms < 0)
        return AVJ_RELAXED;
    int64_t now = now_ms(s->store);
    if (now - s->synced_ms < s->sync_ms)
        return AVJ_RELAXED;
    s->synced_ms = now;
    return AVJ_DURABLE;
}

static enum avj_status journal(struct avj_stream *s, struct avj_slice delta, struct avj_error *err)
{
    struct avj_batch batch = {.count = 0};
    enum avj_status status =
        avj_stream_pack(s->store, AVJ_STREAM_APPEND, s->message, s->turn, delta, &batch);
    status = status == AVJ_OK ? avj_batch_append(s->store, &batch, durability(s), NULL, err)
                              : no_memory(err);
    avj_batch_release(&batch);
    return status;
}

/* How many bytes of text are whole characters; *cut: what follows may be the beginning of one. */
static size_t whole(const uint8_t *text, size_t len, bool *cut)
{
    uint32_t character;
    size_t at = 0, n;
    while (at < len && (n = avj_utf8_decode(text + at, len - at, &character)) > 0)
        at += n;
    *cut = at < len && avj_utf8_is_cut(text + at, len - at);
    return at;
}

static enum avj_status no_utf8(size_t at, struct avj_error *err)
{
    return avj_fail(err, AVJ_EINVAL, "stream: the text is no UTF-8 at byte %zu", at);
}

static enum avj_status check_size(const struct avj_stream *s, size_t len, struct avj_error *err)
{
    const struct avj_growing *g = avj_growing_find(s->store->view, s->slot);
    if (len <= AVJ_STREAM_MAX && g->len <= AVJ_STREAM_MAX - len)
        return AVJ_OK;
    return avj_fail(err, AVJ_ETOOBIG,
                    "message %s: a streamed answer may have %zu bytes, this one would have more",
                    s->message, AVJ_STREAM_MAX);
}

/* Text that is joined with what was held back. */
static enum avj_status append_joined(struct avj_stream *s, const uint8_t *text, size_t len,
                                     struct avj_error *err)
{
    bool cut;
    size_t n = whole(text, len, &cut);
    if (n < len && !cut)
        return no_utf8(n > s->held_len ? n - s->held_len : 0, err);
    enum avj_status status = check_size(s, len, err);
    if (status == AVJ_OK && n)
        status = journal(s, (struct avj_slice){text, n}, err);
    if (status != AVJ_OK)
        return status;
    s->held_len = len - n;
    memcpy(s->held, text + n, s->held_len);
    return n ? check(s, err) : AVJ_OK; /* what others did came in with it */
}

enum avj_status avj_stream_append(struct avj_stream *s, const char *text, size_t len,
                                  struct avj_error *err)
{
    enum avj_status status = check(s, err);
    if (status != AVJ_OK || !len)
        return status;
    if (!s->held_len)
        return append_joined(s, (const uint8_t *)text, len, err);
    uint8_t *joined = malloc(s->held_len + len);
    if (!joined)
        return no_memory(err);
    memcpy(joined, s->held, s->held_len);
    memcpy(joined + s->held_len, text, len);
    status = append_joined(s, joined, s->held_len + len, err);
    free(joined);
    return status;
}

/* ---- the end ---- */

/* {"content": what has come}.  Consumes pack. */
static enum avj_status write_content(struct avj_store *store, const struct avj_growing *g,
                                     const char *message, const struct avj_mutating *how,
                                     struct avj_error *err)
{
    struct avj_pack f = {0};
    avj_pack_map(&f, 1);
    avj_pack_cstr(&f, "content");
    avj_pack_text(&f, g->text ? (const char *)g->text : "", g->len);
    const struct avj_mutation m = {
        .op = AVJ_UPDATE, .entity = AVJ_MESSAGE, .id = message, .fields = {f.data, f.len}};
    enum avj_status status =
        f.failed ? no_memory(err) : avj_store_mutate_with(store, &m, 1, how, err);
    avj_pack_release(&f);
    return status;
}

/* An answer that said nothing is what it was. */
static enum avj_status end(const struct avj_growing *g, struct entry *entry, struct avj_error *err)
{
    const struct avj_mutating how = {.more = pack_entry, .arg = entry, .growing = true};
    if (!g->len)
        return append_entry(entry, err);
    return write_content(entry->store, g, entry->message, &how, err);
}

/* A character that never became whole. */
static enum avj_status append_held(struct avj_stream *s, struct avj_error *err)
{
    static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
    if (!s->held_len)
        return AVJ_OK;
    s->held_len = 0;
    return avj_stream_append(s, replacement, 3, err);
}

/* What others did before is looked at first. */
static enum avj_status prepare_end(struct avj_stream *s, struct avj_error *err)
{
    enum avj_status status = check(s, err);
    if (status == AVJ_OK)
        status = append_held(s, err);
    if (status == AVJ_OK)
        status = avj_store_refresh(s->store, NULL, err);
    return status == AVJ_OK ? check(s, err) : status;
}

enum avj_status avj_stream_end(struct avj_stream *s, struct avj_error *err)
{
    struct entry entry = {
        .store = s->store, .message = s->message, .turn = s->turn, .op = AVJ_STREAM_END};
    enum avj_status status = prepare_end(s, err);
    if (status == AVJ_OK)
        status = end(avj_growing_find(s->store->view, s->slot), &entry, err);
    if (status == AVJ_OK)
        s->over = true;
    return status;
}

static enum avj_status discard(struct avj_stream *s, struct entry *entry, struct avj_error *err)
{
    const struct avj_mutating how = {.more = pack_entry, .arg = entry};
    const struct avj_mutation m = {.op = AVJ_DELETE, .entity = AVJ_MESSAGE, .id = s->message};
    entry->op = AVJ_STREAM_END; /* its chunks need not be kept */
    return avj_store_mutate_with(s->store, &m, 1, &how, err);
}

enum avj_status avj_stream_abort(struct avj_stream *s, bool discarded, struct avj_error *err)
{
    struct entry entry = {
        .store = s->store, .message = s->message, .turn = s->turn, .op = AVJ_STREAM_INTERRUPTED};
    enum avj_status status = prepare_end(s, err);
    if (status == AVJ_OK)
        status = discarded ? discard(s, &entry, err) : append_entry(&entry, err);
    if (status == AVJ_OK)
        s->over = true;
    return status;
}

void avj_stream_close(struct avj_stream *s)
{
    if (s && !s->over && avj_stream_abort(s, false, NULL) != AVJ_OK)
        s->over = true; /* where it can not be written, the session's end says it */
    free_stream(s);
}

enum avj_status avj_stream_finish(struct avj_store *store, const char *message,
                                  struct avj_error *err)
{
    struct entry entry = {.store = store, .message = message, .op = AVJ_STREAM_END};
    enum avj_status status = find_stopped(store, message, &entry, err);
    return status == AVJ_OK ? end(find(store, message), &entry, err) : status;
}

enum avj_status avj_stream_checkpoint(struct avj_store *store, const char *message,
                                      struct avj_error *err)
{
    const struct avj_mutating how = {.growing = true, .durability = AVJ_RELAXED};
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK)
        return status;
    const struct avj_growing *g = find(store, message);
    if (!g)
        return avj_fail(err, AVJ_ENOTFOUND, "message %s is not being streamed", message);
    return write_content(store, g, message, &how, err);
}

/* ---- reading ---- */

static bool describe(struct avj_store *store, const struct avj_growing *g,
                     struct avj_stream_info *info)
{
    struct avj_view *view = store->view;
    const struct avj_slot *slot = avj_view_slot(view, g->slot);
    struct avj_arena *memory = &store->stream_memory;
    char buffer[AVJ_UUID_TEXT];
    const char *id = avj_slot_id(&view->slots, slot, buffer);
    info->message = avj_arena_copy(memory, id, strlen(id) + 1);
    info->thread = avj_view_thread_id(view, slot->thread, buffer);
    if (info->thread)
        info->thread = avj_arena_copy(memory, info->thread, strlen(info->thread) + 1);
    info->session = g->session;
    info->bytes = g->len;
    info->interrupted = avj_growing_stopped(store, g);
    info->own = g->session && strcmp(g->session, store->session) == 0;
    return info->message && (info->thread || !slot->thread);
}

enum avj_status avj_store_streams(struct avj_store *store, const struct avj_stream_info **streams,
                                  size_t *count, struct avj_error *err)
{
    const struct avj_growings *all = &store->view->growing;
    *streams = NULL;
    *count = 0;
    avj_arena_reset(&store->stream_memory);
    struct avj_stream_info *list =
        avj_arena_alloc(&store->stream_memory, (all->count + 1) * sizeof(*list));
    for (size_t i = 0; list && i < all->count; i++)
        if (!describe(store, all->items[i], &list[i]))
            list = NULL;
    if (!list)
        return no_memory(err);
    *streams = list;
    *count = all->count;
    return AVJ_OK;
}

enum avj_status avj_stream_text(const struct avj_store *store, const char *message, size_t offset,
                                struct avj_slice *text)
{
    const struct avj_growing *g = find(store, message);
    *text = (struct avj_slice){"", 0};
    if (!g)
        return AVJ_ENOTFOUND;
    if (offset < g->len)
        *text = (struct avj_slice){g->text + offset, g->len - offset};
    return AVJ_OK;
}
