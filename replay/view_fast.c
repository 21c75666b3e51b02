/*
 * The entries of which a log is nearly made, met by a slot in a usual state: a document that is
 * made, its acknowledgement, and rows from elsewhere.  What happens here is what view_fold.c would
 * do with the document opened; a test holds the two against each other.
 */
#include "replay/clock.h"
#include "replay/view_private.h"

#include <string.h>

static enum avj_status no_memory(struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "out of memory");
}

static bool state_is(const struct avj_slot *slot, unsigned state)
{
    return (slot->flags & AVJ_SLOT_HIDDEN_STATE & ~AVJ_SLOT_ATTEMPTED) == state;
}

static bool good_id(struct avj_slice id)
{
    return id.len <= AVJ_ID_MAX && !memchr(id.data, 0, id.len);
}

static enum avj_status show(struct avj_view *view, uint32_t number, enum avj_entry_type type,
                            struct avj_fields fields, const struct avj_facts *facts,
                            struct avj_error *err)
{
    struct avj_before before;
    struct avj_shown shown = {.visible = true, .shared = fields, .fields = fields, .facts = *facts};
    avj_view_before(view, number, &before);
    enum avj_status status = avj_view_show(view, number, &shown);
    if (status != AVJ_OK)
        return no_memory(err);
    avj_view_tell(view, type, number, &before);
    return AVJ_OK;
}

/* A document is made under an id of which nothing is known. */
static enum avj_status make(struct avj_view *view, uint64_t seq, const struct avj_glance *g,
                            bool *done, struct avj_error *err)
{
    struct avj_facts facts;
    if (g->op != AVJ_CREATE || !g->f.len || g->conflict || !good_id(g->id) ||
        !avj_fields_plain(g->entity, g->f, true, &facts))
        return AVJ_OK;
    uint32_t number = avj_view_need(view, g->entity, g->id);
    if (!number)
        return no_memory(err);
    struct avj_slot *slot = avj_view_slot(view, number);
    if (!state_is(slot, 0))
        return AVJ_OK;
    *done = true;
    slot->flags |= AVJ_SLOT_PENDING;
    avj_slot_set_body(slot, seq);
    avj_view_count_pending(view, 0, 1);
    if (avj_outbox_add(view, seq, number) != AVJ_OK)
        return no_memory(err);
    return show(view, number, AVJ_E_LOCAL, g->f, &facts, err);
}

/* The state of a row, told by an entry. */
struct told {
    struct avj_facts facts;
    int64_t version_ms;
};

static bool tells(const struct avj_glance *g, struct told *told)
{
    return g->f.len && g->row.len && g->row.len <= AVJ_ROW_ID_MAX &&
           !memchr(g->row.data, 0, g->row.len) && good_id(g->id) &&
           avj_time_is_canonical(g->version.data ? g->version.data : "", g->version.len,
                                 &told->version_ms) &&
           told->version_ms && avj_fields_plain(g->entity, g->f, true, &told->facts);
}

/* The slot becomes one that is as this row says. */
static enum avj_status take_row(struct avj_view *view, uint64_t seq, uint32_t number,
                                const struct avj_glance *g, const struct told *told,
                                struct avj_error *err)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    bool known = (slot->flags & AVJ_SLOT_ROW) != 0;
    slot->flags &= (uint16_t) ~(AVJ_SLOT_PENDING | AVJ_SLOT_ATTEMPTED | AVJ_SLOT_GONE);
    slot->flags |= AVJ_SLOT_ROW;
    slot->version_ms = told->version_ms;
    avj_slot_set_body(slot, seq);
    if (!known && !avj_view_is_derived(view, number, g->row.data, g->row.len)) {
        uint32_t side = avj_side_new(view);
        if (!side)
            return no_memory(err);
        memcpy(avj_side_at(view, side)->remote_id, g->row.data, g->row.len);
        slot->flags |= AVJ_SLOT_SIDE;
        slot->extra = side;
    }
    if (!known && avj_rows_note(view, number, g->row.data, g->row.len) != AVJ_OK)
        return no_memory(err);
    return show(view, number, g->type, g->f, &told->facts, err);
}

/* The acknowledgement of a document that was made here and not touched since. */
static enum avj_status acknowledge(struct avj_view *view, uint64_t seq, const struct avj_glance *g,
                                   bool *done, struct avj_error *err)
{
    struct told told;
    if (g->status <= 0 || g->upto < 0 || g->kept || !tells(g, &told))
        return AVJ_OK;
    uint32_t number = avj_view_find(view, g->entity, g->id.data, g->id.len);
    struct avj_slot *slot = number ? avj_view_slot(view, number) : NULL;
    if (!slot || !state_is(slot, AVJ_SLOT_PENDING) || (uint64_t)g->upto < avj_slot_body(slot))
        return AVJ_OK;
    *done = true;
    avj_view_count_pending(view, 1, 0);
    view->last_ack_ms = avj_hlc_ms(g->hlc);
    return take_row(view, seq, number, g, &told, err);
}

/* Is it the row that the slot knows? */
static bool same_row(struct avj_view *view, uint32_t number, const struct avj_glance *g)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    const char *known =
        slot->flags & AVJ_SLOT_SIDE ? avj_side_at(view, slot->extra)->remote_id : "";
    if (*known)
        return strlen(known) == g->row.len && memcmp(known, g->row.data, g->row.len) == 0;
    return avj_view_is_derived(view, number, g->row.data, g->row.len);
}

/* A row from elsewhere, of a document that has nothing pending. */
static enum avj_status hear(struct avj_view *view, uint64_t seq, const struct avj_glance *g,
                            bool *done, struct avj_error *err)
{
    struct told told;
    if (!tells(g, &told))
        return AVJ_OK;
    uint32_t number = avj_view_need(view, g->entity, g->id);
    if (!number)
        return no_memory(err);
    const struct avj_slot *slot = avj_view_slot(view, number);
    unsigned state = slot->flags & AVJ_SLOT_HIDDEN_STATE;
    bool kept = (state & AVJ_SLOT_SIDE) && avj_side_at(view, slot->extra)->kept.len;
    bool row = (state & ~(unsigned)(AVJ_SLOT_SIDE | AVJ_SLOT_GONE)) == AVJ_SLOT_ROW;
    if (state && (!row || kept || !same_row(view, number, g)))
        return AVJ_OK;
    if (row && told.version_ms < slot->version_ms) {
        *done = true; /* it came late */
        return AVJ_OK;
    }
    if (row && told.version_ms == slot->version_ms)
        return AVJ_OK;
    *done = true;
    return take_row(view, seq, number, g, &told, err);
}

enum avj_status avj_fold_fast(struct avj_view *view, uint64_t seq, const struct avj_glance *entry,
                              bool *done, struct avj_error *err)
{
    *done = false;
    if (!entry->has_document)
        return AVJ_OK;
    switch (entry->type) {
    case AVJ_E_LOCAL:
        return make(view, seq, entry, done, err);
    case AVJ_E_ACK:
        return acknowledge(view, seq, entry, done, err);
    case AVJ_E_REMOTE:
        return hear(view, seq, entry, done, err);
    default:
        return AVJ_OK;
    }
}
