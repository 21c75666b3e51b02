/* Snapshots loaded and brought up to date, and held against a view that was replayed from nothing:
 * see fsck_snapshots.h. */
#include "fsck/fsck_snapshots.h"

#include "journal/bytes.h"
#include "replay/snapshot.h"

#include <stdio.h>
#include <string.h>

/* The view that was replayed from nothing, and what both are read from. */
struct replayed {
    struct avj_view *view;
    uint64_t upto;
    const struct avj_source *source;
    const struct avj_io *io;
    int64_t deadline_ms;
};

/* Asked for every step; a clock need not be. */
static bool time_is_up(const struct replayed *r, uint64_t step)
{
    return r->deadline_ms && step % 256 == 0 && r->io->monotonic_ms(r->io->ctx) >= r->deadline_ms;
}

static enum avj_status differs(struct fsck_snapshot *item, const char *what)
{
    snprintf(item->difference, sizeof(item->difference), "%.150s", what);
    return AVJ_END;
}

static enum avj_status differs_at(struct fsck_snapshot *item, const char *what,
                                  const struct avj_view *view, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    char buffer[AVJ_UUID_TEXT];
    snprintf(item->difference, sizeof(item->difference), "%s of %s %.64s", what,
             avj_schema(avj_slot_entity(slot))->kind, avj_slot_id(&view->slots, slot, buffer));
    return AVJ_END;
}

static enum avj_status fold_tail(struct fsck_snapshot *item, struct avj_view *view,
                                 const struct replayed *r)
{
    enum avj_status status = AVJ_OK;
    for (uint64_t seq = item->header.seq + 1; status == AVJ_OK && seq <= r->upto; seq++) {
        struct avj_slice record;
        struct avj_error err = {0};
        if (time_is_up(r, seq))
            return AVJ_ETIMEOUT;
        status = r->source->fetch(r->source->arg, seq, &record, &err);
        if (status == AVJ_OK)
            status = avj_view_apply(view, seq, record.data, record.len, &err);
        if (status == AVJ_EFORMAT)
            status = AVJ_OK; /* told of when it was met first */
        else if (status != AVJ_OK && status != AVJ_ENOMEM)
            status = differs(item, err.message);
    }
    return status;
}

/* The number of the other view's document of that id, 0: it has none. */
static uint32_t same_document(const struct avj_view *from, uint32_t number,
                              const struct avj_view *in)
{
    const struct avj_slot *slot = avj_view_slot(from, number);
    char buffer[AVJ_UUID_TEXT];
    return avj_view_find(in, avj_slot_entity(slot), avj_slot_id(&from->slots, slot, buffer),
                         avj_slot_id_len(slot));
}

/* Nothing shows of it and nothing is known of it but its id: somebody named it once.  Compaction
 * may have taken the entry that did. */
static bool is_named_only(const struct avj_view *view, uint32_t number)
{
    return !(avj_view_slot(view, number)->flags & (AVJ_SLOT_VISIBLE | AVJ_SLOT_HIDDEN_STATE));
}

/* Is it listed in the thread of the same id, and in the same place there? */
static bool same_place(const struct avj_view *a, uint32_t x, const struct avj_view *b, uint32_t y)
{
    uint32_t s = avj_view_slot(a, x)->thread, t = avj_view_slot(b, y)->thread;
    enum avj_entity entity = avj_slot_entity(avj_view_slot(a, x));
    if (!s || !t)
        return s == t;
    if (same_document(a, avj_view_thread(a, s)->slot, b) != avj_view_thread(b, t)->slot)
        return false;
    bool listed = entity == AVJ_MESSAGE || entity == AVJ_SUMMARY;
    return !listed || avj_list_place(a, x) == avj_list_place(b, y);
}

/* What waits to be sent of it, and whether that is parked. */
static bool same_outbox(const struct avj_view *a, uint32_t x, const struct avj_view *b, uint32_t y)
{
    const struct avj_slot *s = avj_view_slot(a, x), *t = avj_view_slot(b, y);
    unsigned state = AVJ_SLOT_VISIBLE | AVJ_SLOT_HIDDEN_STATE;
    if ((s->flags & state) != (t->flags & state) || avj_outbox_turn(a, x) != avj_outbox_turn(b, y))
        return false;
    return !(s->flags & AVJ_SLOT_OPEN) ||
           (avj_open_at(a, s->extra)->pending == avj_open_at(b, t->extra)->pending &&
            avj_open_at(a, s->extra)->parked == avj_open_at(b, t->extra)->parked);
}

static enum avj_status compare_document(struct fsck_snapshot *item, struct avj_view *loaded,
                                        struct avj_view *view, uint32_t number)
{
    uint32_t other = same_document(view, number, loaded);
    struct avj_fields fields, there;
    struct avj_pack kept = {0};
    struct avj_error err = {0};
    if (!other && is_named_only(view, number))
        return AVJ_OK;
    if (!other || !same_outbox(view, number, loaded, other))
        return differs_at(item, "the state", view, number);
    if (!same_place(view, number, loaded, other))
        return differs_at(item, "the place", view, number);
    enum avj_status status = avj_view_fields(view, number, &fields, &err);
    if (status != AVJ_OK)
        return status == AVJ_ENOMEM ? status : AVJ_OK; /* of the log, not of the snapshot */
    avj_pack_raw(&kept, fields.data, fields.len);      /* both views read by the same source */
    status = kept.failed ? AVJ_ENOMEM : avj_view_fields(loaded, other, &there, &err);
    bool same = status == AVJ_OK && there.len == kept.len &&
                (!kept.len || memcmp(there.data, kept.data, kept.len) == 0);
    avj_pack_release(&kept);
    if (status == AVJ_ENOMEM)
        return status;
    return same ? AVJ_OK : differs_at(item, "what shows", view, number);
}

static enum avj_status compare(struct fsck_snapshot *item, struct avj_view *loaded,
                               const struct replayed *r)
{
    enum avj_status status = AVJ_OK;
    struct avj_view *view = r->view;
    if (memcmp(loaded->digest, view->digest, sizeof(view->digest)) != 0)
        return differs(item, "loaded and brought up to date, its digest is another");
    if (memcmp(&loaded->counts, &view->counts, sizeof(view->counts)) != 0)
        return differs(item, "loaded and brought up to date, its counts are others");
    for (uint32_t n = 1; status == AVJ_OK && n <= avj_slots_last(&view->slots); n++)
        status = time_is_up(r, n) ? AVJ_ETIMEOUT : compare_document(item, loaded, view, n);
    for (uint32_t n = 1; status == AVJ_OK && n <= avj_slots_last(&loaded->slots); n++)
        if (!is_named_only(loaded, n) && !same_document(loaded, n, view))
            status = differs_at(item, "the state", loaded, n);
    return status;
}

/* Do the numbers and places in it lead to something?  Whoever can write hashes can write those. */
static bool span_leads_somewhere(const struct avj_view *view, const struct avj_span *span,
                                 size_t item)
{
    return span->cap == 0 && span->at <= view->mapped_len &&
           (uint64_t)span->len * item <= view->mapped_len - span->at;
}

static bool slot_leads_somewhere(const struct avj_view *view, const struct avj_slot *slot)
{
    bool open = (slot->flags & AVJ_SLOT_OPEN) != 0, side = (slot->flags & AVJ_SLOT_SIDE) != 0;
    bool thread = avj_slot_entity(slot) == AVJ_THREAD && (slot->flags & AVJ_SLOT_VISIBLE);
    const struct avj_texts *texts = &view->slots.texts;
    uint64_t place = avj_get_le32(slot->id), len = avj_get_le32(slot->id + 4);
    return (slot->thread ? slot->thread < view->threads.count : !thread) &&
           (!open || (slot->extra && slot->extra < view->open.count)) &&
           (!side || (slot->extra && slot->extra < view->sides.count)) &&
           ((slot->flags & AVJ_SLOT_UUID) || place + len < texts->used);
}

static bool leads_somewhere(const struct avj_view *view)
{
    bool good = true;
    for (uint32_t n = 1; good && n <= avj_slots_last(&view->slots); n++)
        good = slot_leads_somewhere(view, avj_view_slot(view, n));
    for (size_t i = 1; good && i < view->threads.count; i++) {
        const struct avj_thread *t = avj_view_thread(view, (uint32_t)i);
        good = t->slot && t->slot <= avj_slots_last(&view->slots) &&
               span_leads_somewhere(view, &t->fields, 1) &&
               span_leads_somewhere(view, &t->messages, sizeof(uint32_t)) &&
               span_leads_somewhere(view, &t->summaries, sizeof(uint32_t));
    }
    for (size_t i = 1; good && i < view->open.count; i++) {
        const struct avj_open *open = avj_open_at(view, (uint32_t)i);
        good = open->doc == 0 && open->at <= view->mapped_len &&
               open->len <= view->mapped_len - open->at;
    }
    for (size_t i = 1; good && i < view->sides.count; i++)
        good = span_leads_somewhere(view, &avj_side_at(view, (uint32_t)i)->kept, 1);
    return good;
}

static enum avj_status load(struct fsck_snapshot *item, const struct replayed *r)
{
    struct avj_view *loaded;
    enum avj_status status =
        avj_snapshot_take(r->io, item->file, &item->header, r->source, false, &loaded);
    if (status != AVJ_OK)
        return status == AVJ_ENOMEM ? status : differs(item, "it is whole and can not be loaded");
    if (!leads_somewhere(loaded)) {
        loaded->threads.count = loaded->sides.count = loaded->open.count = 0; /* not to be freed */
        avj_view_free(loaded);
        return differs(item, "a number in it leads nowhere");
    }
    status = fold_tail(item, loaded, r);
    if (status == AVJ_OK)
        status = compare(item, loaded, r);
    avj_view_free(loaded);
    return status;
}

enum avj_status fsck_snapshots_load(struct fsck_snapshots *s, struct avj_view *view, uint64_t upto,
                                    const struct avj_source *source, bool all, int64_t deadline_ms)
{
    const struct replayed r = {view, upto, source, s->io, deadline_ms};
    for (size_t i = 0; i < s->count; i++) {
        struct fsck_snapshot *item = &s->items[i];
        if (item->state != FSCK_SNAPSHOT_GOOD || !item->same_record || item->difference[0] ||
            item->seq > upto || !(all || item->unsure))
            continue;
        enum avj_status status = load(item, &r);
        if (status == AVJ_ENOMEM || status == AVJ_ETIMEOUT)
            return status;
    }
    return AVJ_OK;
}
