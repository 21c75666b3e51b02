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

static enum avj_status show(struct avj_view *view, uint32_t number, const struct avj_prepared *p,
                            struct avj_error *err)
{
    struct avj_before before;
    struct avj_shown shown = {.visible = true,
                              .shared = p->glance.f,
                              .fields = p->glance.f,
                              .facts = p->glance.facts,
                              .thread = p->thread.len ? &p->thread : NULL,
                              .digest = p->digest};
    avj_view_before(view, number, &before);
    enum avj_status status = avj_view_show(view, number, &shown);
    if (status != AVJ_OK)
        return no_memory(err);
    avj_view_tell(view, p->glance.type, number, &before);
    return AVJ_OK;
}

/* A document is made under an id of which nothing is known; or one is updated, which is done with
 * it opened but without a tree. */
static enum avj_status local(struct avj_view *view, uint64_t seq, const struct avj_prepared *p,
                             bool *done, struct avj_error *err)
{
    const struct avj_glance *g = &p->glance;
    bool added;
    if (!p->plain || g->conflict)
        return AVJ_OK;
    if (g->op == AVJ_UPDATE) {
        *done = true;
        return avj_fold_update(view, seq, p, err);
    }
    if (g->op != AVJ_CREATE)
        return AVJ_OK;
    uint32_t number = avj_slots_need_key(&view->slots, &p->key, &added);
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
    return show(view, number, p, err);
}

/* Does the entry tell the state of a row, in the usual way?  *version_ms: its version. */
static bool tells(const struct avj_prepared *p, int64_t *version_ms)
{
    const struct avj_glance *g = &p->glance;
    return p->plain && g->row.len && g->row.len <= AVJ_ROW_ID_MAX &&
           !memchr(g->row.data, 0, g->row.len) && g->version.data &&
           avj_time_is_canonical(g->version.data, g->version.len, version_ms) && *version_ms > 0;
}

/* The slot becomes one that is as this row says. */
static enum avj_status take_row(struct avj_view *view, uint64_t seq, uint32_t number,
                                const struct avj_prepared *p, int64_t version_ms,
                                struct avj_error *err)
{
    const struct avj_glance *g = &p->glance;
    struct avj_slot *slot = avj_view_slot(view, number);
    bool known = (slot->flags & AVJ_SLOT_ROW) != 0;
    slot->flags &= (uint16_t) ~(AVJ_SLOT_PENDING | AVJ_SLOT_ATTEMPTED | AVJ_SLOT_GONE);
    slot->flags |= AVJ_SLOT_ROW;
    slot->version_ms = version_ms;
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
    return show(view, number, p, err);
}

/* The acknowledgement of a document that was made here and not touched since. */
static enum avj_status acknowledge(struct avj_view *view, uint64_t seq,
                                   const struct avj_prepared *p, bool *done, struct avj_error *err)
{
    const struct avj_glance *g = &p->glance;
    int64_t version_ms;
    if (g->status <= 0 || g->upto < 0 || g->kept || !tells(p, &version_ms))
        return AVJ_OK;
    uint32_t number = avj_slots_find_key(&view->slots, &p->key);
    struct avj_slot *slot = number ? avj_view_slot(view, number) : NULL;
    if (!slot || !state_is(slot, AVJ_SLOT_PENDING) || (uint64_t)g->upto < avj_slot_body(slot))
        return AVJ_OK;
    *done = true;
    avj_view_count_pending(view, 1, 0);
    view->last_ack_ms = avj_hlc_ms(g->hlc);
    return take_row(view, seq, number, p, version_ms, err);
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
static enum avj_status hear(struct avj_view *view, uint64_t seq, const struct avj_prepared *p,
                            bool *done, struct avj_error *err)
{
    int64_t version_ms;
    bool added;
    if (!tells(p, &version_ms))
        return AVJ_OK;
    uint32_t number = avj_slots_need_key(&view->slots, &p->key, &added);
    if (!number)
        return no_memory(err);
    const struct avj_slot *slot = avj_view_slot(view, number);
    unsigned state = slot->flags & AVJ_SLOT_HIDDEN_STATE;
    bool kept = (state & AVJ_SLOT_SIDE) && avj_side_at(view, slot->extra)->kept.len;
    bool row = (state & ~(unsigned)(AVJ_SLOT_SIDE | AVJ_SLOT_GONE)) == AVJ_SLOT_ROW;
    if (state && (!row || kept || !same_row(view, number, &p->glance)))
        return AVJ_OK;
    if (row && version_ms < slot->version_ms) {
        *done = true; /* it came late */
        return AVJ_OK;
    }
    if (row && version_ms == slot->version_ms)
        return AVJ_OK;
    *done = true;
    return take_row(view, seq, number, p, version_ms, err);
}

enum avj_status avj_fold_fast(struct avj_view *view, uint64_t seq, const struct avj_prepared *p,
                              bool *done, struct avj_error *err)
{
    *done = false;
    if (!p->glance.has_document)
        return AVJ_OK;
    switch (p->glance.type) {
    case AVJ_E_LOCAL:
        return local(view, seq, p, done, err);
    case AVJ_E_ACK:
        return acknowledge(view, seq, p, done, err);
    case AVJ_E_REMOTE:
        return hear(view, seq, p, done, err);
    default:
        return AVJ_OK;
    }
}
