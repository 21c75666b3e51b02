/* Answers that grow: see view_stream.h. */
#include "replay/view_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- which there are ---- */

/* Where the slot's stream stands, or would. */
static size_t place_of(const struct avj_growings *all, uint32_t slot)
{
    size_t low = 0, high = all->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all->items[middle]->slot < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct avj_growing *avj_growing_find(const struct avj_view *view, uint32_t slot)
{
    if (!avj_view_grows(view, slot))
        return NULL;
    const struct avj_growings *all = &view->growing;
    size_t at = place_of(all, slot);
    assert(at < all->count && all->items[at]->slot == slot);
    return all->items[at];
}

static void free_one(struct avj_growing *g)
{
    free(g->session);
    free(g->text);
    free(g);
}

void avj_growings_release(struct avj_growings *all)
{
    for (size_t i = 0; i < all->count; i++)
        free_one(all->items[i]);
    free(all->items);
    *all = (struct avj_growings){.count = 0};
}

static bool reserve(struct avj_growings *all)
{
    if (all->count < all->cap)
        return true;
    size_t cap = all->cap ? all->cap * 2 : 8;
    struct avj_growing **grown = realloc(all->items, cap * sizeof(*grown));
    if (!grown)
        return false;
    all->items = grown;
    all->cap = cap;
    return true;
}

/* NULL: out of memory. */
static struct avj_growing *add(struct avj_view *view, uint32_t slot)
{
    struct avj_growings *all = &view->growing;
    struct avj_growing *g = reserve(all) ? calloc(1, sizeof(*g)) : NULL;
    if (!g)
        return NULL;
    size_t at = place_of(all, slot);
    memmove(all->items + at + 1, all->items + at, (all->count - at) * sizeof(*all->items));
    all->items[at] = g;
    all->count++;
    g->slot = slot;
    avj_view_slot(view, slot)->flags |= AVJ_SLOT_GROWS;
    return g;
}

static bool append(struct avj_growing *g, const void *text, size_t len)
{
    if (len > g->cap - g->len) {
        size_t cap = g->cap ? g->cap * 2 : 256;
        while (cap - g->len < len)
            cap *= 2;
        uint8_t *grown = realloc(g->text, cap);
        if (!grown)
            return false;
        g->text = grown;
        g->cap = cap;
    }
    if (len)
        memcpy(g->text + g->len, text, len);
    g->len += len;
    return true;
}

enum avj_status avj_growing_add(struct avj_view *view, const struct avj_growing *from)
{
    const struct avj_slot *slot = avj_view_slot(view, from->slot);
    size_t at = place_of(&view->growing, from->slot);
    if (!(slot->flags & AVJ_SLOT_GROWS) ||
        (at < view->growing.count && view->growing.items[at]->slot == from->slot))
        return AVJ_ECORRUPT;
    struct avj_growing *g = add(view, from->slot);
    if (!g || !append(g, from->text, from->len))
        return AVJ_ENOMEM;
    g->interrupted = from->interrupted;
    g->dropped = from->dropped;
    g->turn = from->turn;
    struct avj_slice session = {from->session, from->session ? strlen(from->session) : 0};
    return avj_text_replace(&g->session, session) ? AVJ_OK : AVJ_ENOMEM;
}

void avj_growing_gone(struct avj_view *view, uint32_t slot)
{
    struct avj_growings *all = &view->growing;
    if (!avj_view_grows(view, slot))
        return;
    size_t at = place_of(all, slot);
    free_one(all->items[at]);
    all->count--;
    memmove(all->items + at, all->items + at + 1, (all->count - at) * sizeof(*all->items));
    avj_view_slot(view, slot)->flags &= (uint16_t)~AVJ_SLOT_GROWS;
}

/* ---- what is shown ---- */

/* {"content": text}, and that a part of it is gone. */
static void pack_text(struct avj_pack *out, const struct avj_growing *g)
{
    avj_pack_map(out, g->dropped ? 2 : 1);
    avj_pack_cstr(out, "content");
    avj_pack_text(out, g->text ? (const char *)g->text : "", g->len);
    if (g->dropped) {
        avj_pack_cstr(out, "$dropped");
        avj_pack_bool(out, true);
    }
}

enum avj_status avj_growing_show(struct avj_view *view, uint32_t slot, struct avj_fields *fields,
                                 struct avj_error *err)
{
    const struct avj_growing *g = avj_growing_find(view, slot);
    struct avj_pack text = {0}, merged = {0};
    if (!g)
        return AVJ_OK;
    pack_text(&text, g);
    struct avj_fields over = {text.data, text.len};
    enum avj_status status =
        text.failed ? AVJ_ENOMEM : avj_fields_merge(AVJ_MESSAGE, *fields, over, true, &merged);
    avj_pack_release(&text);
    if (status != AVJ_OK) {
        avj_pack_release(&merged);
        return avj_fail(err, status, "out of memory");
    }
    avj_pack_release(&view->body);
    view->body = merged;
    *fields = (struct avj_fields){merged.data, merged.len};
    return AVJ_OK;
}

/* ---- the fold ---- */

static void tell(struct avj_view *view, uint32_t number, const struct avj_growing *g,
                 enum avj_stream_op op, uint64_t offset, struct avj_slice delta)
{
    if (!view->changed)
        return;
    const struct avj_slot *slot = avj_view_slot(view, number);
    char id[AVJ_UUID_TEXT], thread[AVJ_UUID_TEXT];
    struct avj_change change = {
        .seq = view->now_seq,
        .type = AVJ_E_STREAM,
        .entity = AVJ_MESSAGE,
        .id = avj_slot_id(&view->slots, slot, id),
        .thread = avj_view_thread_id(view, slot->thread, thread),
        .stream = {.op = op, .session = g->session, .offset = offset, .delta = delta}};
    view->changed(view->changed_arg, &change);
}

/* Begun, or gone on with, by whoever wrote this. */
static enum avj_status begin(struct avj_view *view, uint32_t number, const struct avj_entry *e,
                             uint64_t seq)
{
    struct avj_growing *g = avj_growing_find(view, number);
    if (!g)
        g = add(view, number);
    if (!g || !avj_text_replace(&g->session, e->session))
        return AVJ_ENOMEM;
    g->turn = seq;
    g->interrupted = false;
    tell(view, number, g, AVJ_STREAM_BEGIN, g->len, (struct avj_slice){NULL, 0});
    return AVJ_OK;
}

void avj_growings_left(struct avj_view *view, struct avj_slice session)
{
    for (size_t i = 0; i < view->growing.count; i++) {
        struct avj_growing *g = view->growing.items[i];
        if (g->interrupted || !g->session || strlen(g->session) != session.len ||
            memcmp(g->session, session.data, session.len) != 0)
            continue;
        g->interrupted = true;
        tell(view, g->slot, g, AVJ_STREAM_INTERRUPTED, g->len, (struct avj_slice){NULL, 0});
    }
}

static enum avj_status take_delta(struct avj_view *view, uint32_t number, struct avj_growing *g,
                                  const struct avj_entry *e)
{
    struct avj_slice delta = avj_value_get_text(e->root, "d");
    struct avj_stub stub;
    size_t offset = g->len;
    if (avj_stub_of(e, &stub))
        g->dropped = true;
    else if (!append(g, delta.data, delta.len))
        return AVJ_ENOMEM;
    g->interrupted = false; /* whoever said so was mistaken */
    tell(view, number, g, AVJ_STREAM_APPEND, offset, delta);
    return AVJ_OK;
}

static enum avj_stream_op op_of(const struct avj_entry *e)
{
    struct avj_value o;
    (void)avj_value_get(e->root, "o", &o);
    for (int op = 0; op < AVJ_STREAM_OPS; op++)
        if (avj_value_text_is(o, avj_stream_op_name((enum avj_stream_op)op)))
            return (enum avj_stream_op)op;
    return AVJ_STREAM_OPS;
}

/* What does not fit changes nothing: the message is gone, or somebody else has gone on with it. */
enum avj_status avj_fold_stream(struct avj_view *view, const struct avj_entry *e, uint64_t seq,
                                struct avj_error *err)
{
    const struct avj_slice none = {NULL, 0};
    enum avj_status status = AVJ_OK;
    if (!e->has_document || e->entity != AVJ_MESSAGE)
        return AVJ_OK;
    uint32_t number = avj_view_find(view, AVJ_MESSAGE, e->id.data, e->id.len);
    if (!avj_view_visible(view, number))
        return AVJ_OK;
    enum avj_stream_op op = op_of(e);
    struct avj_growing *g = avj_growing_find(view, number);
    if (op == AVJ_STREAM_BEGIN) {
        status = begin(view, number, e, seq);
    } else if (g && (uint64_t)avj_value_get_int(e->root, "s", 0) == g->turn) {
        if (op == AVJ_STREAM_APPEND)
            status = take_delta(view, number, g, e);
        if (op == AVJ_STREAM_INTERRUPTED)
            g->interrupted = true;
        if (op == AVJ_STREAM_INTERRUPTED || op == AVJ_STREAM_END)
            tell(view, number, g, op, g->len, none);
        if (op == AVJ_STREAM_END)
            avj_growing_gone(view, number);
    }
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "out of memory");
}
