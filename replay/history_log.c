/* What a plan for compaction takes from the log without folding it: see history_plan.h. */
#include "journal/scan.h"
#include "replay/history_plan.h"
#include "replay/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct avj_store *store;
    struct avj_history_plan *plan;
    struct avj_error *err;
    uint64_t last_seq;
    struct stream *streams; /* that are not over */
    size_t stream_count;
};

static enum avj_status no_memory(struct reading *r)
{
    return avj_fail(r->err, AVJ_ENOMEM, "compacting: out of memory");
}

void *avj_history_grow(void *items, size_t count, size_t item_len)
{
    if (count & (count - 1))
        return items;
    return realloc(items, (count ? 2 * count : 1) * item_len);
}

/* ---- the plan ---- */

void avj_history_plan_release(struct avj_history_plan *plan)
{
    free(plan->items);
    free(plan->segments);
    memset(plan, 0, sizeof(*plan));
}

size_t avj_history_plan_from(const struct avj_history_plan *plan, uint64_t seq)
{
    size_t low = 0, high = plan->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (plan->items[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct avj_history_item *avj_history_plan_find(const struct avj_history_plan *plan,
                                                     uint64_t seq)
{
    size_t i = avj_history_plan_from(plan, seq);
    return i < plan->count && plan->items[i].seq == seq ? &plan->items[i] : NULL;
}

size_t avj_history_segment_of(const struct avj_history_plan *plan, uint64_t seq)
{
    size_t low = 0, high = plan->segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (plan->segments[middle].first_seq <= seq)
            low = middle;
        else
            high = middle;
    }
    return low;
}

enum avj_status avj_history_plan_add(struct avj_history_plan *plan,
                                     const struct avj_history_item *item)
{
    if (!item->bytes || !plan->segments[avj_history_segment_of(plan, item->seq)].sealed)
        return AVJ_OK;
    struct avj_history_item *items =
        avj_history_grow(plan->items, plan->count, sizeof(*plan->items));
    if (!items)
        return AVJ_ENOMEM;
    plan->items = items;
    items[plan->count++] = *item;
    return AVJ_OK;
}

/* ---- segments ---- */

static enum avj_status read_segments(struct reading *r)
{
    struct avj_journal *j = avj_store_journal(r->store);
    const struct avj_io *io = r->store->options.journal.io;
    struct avj_segment_entry *list;
    size_t count;
    char name[4200];
    if (!io)
        io = avj_io_posix();
    enum avj_status status =
        avj_list_segments(io, avj_journal_path(j), &list, &count, NULL, NULL, r->err);
    if (status != AVJ_OK)
        return status;
    r->plan->segments = calloc(count ? count : 1, sizeof(*r->plan->segments));
    if (!r->plan->segments)
        status = no_memory(r);
    for (size_t i = 0; status == AVJ_OK && i < count; i++) {
        struct avj_segment_header header;
        struct avj_history_segment *s = &r->plan->segments[i];
        snprintf(name, sizeof(name), "%s/segments/%s", avj_journal_path(j), list[i].name);
        status = avj_read_segment_header(io, name, &header, r->err);
        *s = (struct avj_history_segment){.first_seq = header.first_seq,
                                          .sealed = status == AVJ_OK && header.sealed};
        /* Of an unsealed one its successor says how long it is. */
        s->bytes = s->sealed ? header.from.index_at : 0;
        if (i > 0 && status == AVJ_OK && !r->plan->segments[i - 1].sealed)
            r->plan->segments[i - 1].bytes = header.prev_end;
    }
    r->plan->segment_count = count;
    free(list);
    return status;
}

/* ---- what is kept ---- */

static void take_keep(const struct avj_entry *e, struct avj_keep *keep)
{
    struct avj_value o;
    (void)avj_value_get(e->root, "o", &o);
    if (e->type != AVJ_E_SESSION || !avj_value_text_is(o, "keep"))
        return;
    int64_t bytes = avj_value_get_int(e->root, "size", -1);
    int64_t days = avj_value_get_int(e->root, "days", -1);
    *keep = (struct avj_keep){.limited = avj_value_get_bool(e->root, "limited", false),
                              .days = days > 0 ? days : 0,
                              .bytes = bytes > 0 ? (uint64_t)bytes : 0};
}

/* ---- streams ---- */

/* What was said of a message while it grew. */
struct stream {
    uint64_t message; /* hash of its id */
    uint64_t turn;    /* its last `begin`: what that one's writer says counts */
    struct avj_history_item *chunks;
    size_t count;
};

static struct stream *stream_of(struct reading *r, const struct avj_entry *e)
{
    uint64_t message = avj_hash64(e->id.data, e->id.len);
    for (size_t i = 0; i < r->stream_count; i++)
        if (r->streams[i].message == message)
            return &r->streams[i];
    struct stream *streams = avj_history_grow(r->streams, r->stream_count, sizeof(*r->streams));
    if (!streams)
        return NULL;
    r->streams = streams;
    r->streams[r->stream_count] = (struct stream){.message = message};
    return &r->streams[r->stream_count++];
}

static void drop_stream(struct reading *r, struct stream *s)
{
    free(s->chunks);
    *s = r->streams[--r->stream_count];
}

/* Chunks of a stream that is over are in its message. */
static enum avj_status take_stream(struct reading *r, const struct avj_entry *e, uint64_t seq,
                                   size_t len)
{
    struct avj_value o, z;
    enum avj_status status = AVJ_OK;
    (void)avj_value_get(e->root, "o", &o);
    if (!e->id.len || avj_value_get(e->root, "z", &z))
        return AVJ_OK;
    struct stream *s = stream_of(r, e);
    if (!s)
        return no_memory(r);
    if (avj_value_text_is(o, "append")) {
        struct avj_history_item *chunks = avj_history_grow(s->chunks, s->count, sizeof(*s->chunks));
        if (!chunks)
            return no_memory(r);
        s->chunks = chunks;
        chunks[s->count++] = (struct avj_history_item){.seq = seq, .bytes = (uint32_t)len};
    } else if (avj_value_text_is(o, "begin")) {
        s->turn = seq; /* or gone on with: an interrupted one needs its chunks */
    } else if (avj_value_text_is(o, "end") &&
               (uint64_t)avj_value_get_int(e->root, "s", 0) == s->turn) {
        for (size_t i = 0; status == AVJ_OK && i < s->count; i++) {
            s->chunks[i].settled_at = seq;
            status = avj_history_plan_add(r->plan, &s->chunks[i]);
        }
        drop_stream(r, s);
    }
    return status == AVJ_OK ? AVJ_OK : no_memory(r);
}

/* ---- records ---- */

static enum avj_status read_records(struct reading *r)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    enum avj_status status = avj_cursor_open(avj_store_journal(r->store), 0, &cursor, r->err);
    while (status == AVJ_OK && (status = avj_cursor_next(cursor, &record, r->err)) == AVJ_OK) {
        struct avj_glance glance;
        struct avj_entry e;
        r->last_seq = record.seq;
        if (avj_glance(record.data, record.len, &glance) && glance.type != AVJ_E_SESSION &&
            glance.type != AVJ_E_STREAM)
            continue;
        enum avj_status decoded = avj_entry_decode(record.data, record.len, &e, r->err);
        if (decoded == AVJ_ENOMEM)
            status = decoded;
        if (decoded != AVJ_OK)
            continue; /* the fold says what is wrong with it */
        if (e.type == AVJ_E_STREAM)
            status = take_stream(r, &e, record.seq, record.len);
        else
            take_keep(&e, &r->plan->keep);
        avj_entry_release(&e);
    }
    avj_cursor_close(cursor);
    return status == AVJ_END ? AVJ_OK : status;
}

enum avj_status avj_history_read_log(struct avj_store *store, struct avj_history_plan *plan,
                                     uint64_t *last_seq, struct avj_error *err)
{
    struct reading r = {.store = store, .plan = plan, .err = err};
    enum avj_status status = read_segments(&r);
    if (status == AVJ_OK)
        status = read_records(&r);
    while (r.stream_count)
        drop_stream(&r, &r.streams[0]);
    free(r.streams);
    *last_seq = r.last_seq;
    return status;
}
