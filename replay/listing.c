/* The orders that a view keeps: messages and summaries by time inside their thread, the outbox by
 * sequence number. */
#include "replay/view_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists of a thread ---- */

static struct avj_span *list_of(const struct avj_view *view, const struct avj_slot *slot)
{
    struct avj_thread *thread = avj_view_thread(view, slot->thread);
    return avj_slot_entity(slot) == AVJ_MESSAGE ? &thread->messages : &thread->summaries;
}

static uint32_t *items_of(const struct avj_view *view, const struct avj_span *list)
{
    return (uint32_t *)(uintptr_t)avj_span_data(view, list);
}

static int compare(const struct avj_view *view, const struct avj_slot *a, const struct avj_slot *b)
{
    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return avj_slot_compare_ids(&view->slots, a, b);
}

/* Thread lists are ordered by it without a look at messages. */
static void note_newest(struct avj_view *view, const struct avj_slot *slot)
{
    struct avj_thread *thread = avj_view_thread(view, slot->thread);
    uint32_t len = thread->messages.len;
    thread->newest_ms =
        len ? avj_view_slot(view, avj_thread_messages(view, thread)[len - 1])->created_ms : 0;
}

/* First place whose document is not before `slot`. */
static size_t place_of(const struct avj_view *view, const struct avj_span *list,
                       const struct avj_slot *slot)
{
    const uint32_t *items = items_of(view, list);
    /* Nearly everything that is listed is newer than what is there. */
    if (list->len == 0 || compare(view, slot, avj_view_slot(view, items[list->len - 1])) > 0)
        return list->len;
    size_t low = 0, high = list->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(view, slot, avj_view_slot(view, items[middle])) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t avj_list_place(const struct avj_view *view, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    return place_of(view, list_of(view, slot), slot);
}

void avj_list_remove(struct avj_view *view, uint32_t number)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    struct avj_span *list = list_of(view, slot);
    uint32_t *items = items_of(view, list);
    size_t at = place_of(view, list, slot);
    assert(at < list->len && items[at] == number);
    list->len--;
    memmove(items + at, items + at + 1, (list->len - at) * sizeof(*items));
    note_newest(view, slot);
}

/* Makes room for one more; what is mapped moves into memory of its own. */
static bool list_grow(struct avj_view *view, struct avj_span *list)
{
    if (list->len < list->cap)
        return true;
    uint32_t cap = list->len < 8 ? 8 : list->len + list->len / 2;
    if (cap <= list->len)
        return false;
    uint32_t *items = malloc(cap * sizeof(*items));
    if (!items)
        return false;
    if (list->len)
        memcpy(items, items_of(view, list), list->len * sizeof(*items));
    uint32_t len = list->len;
    avj_span_free(list);
    *list = (struct avj_span){.at = (uint64_t)(uintptr_t)items, .len = len, .cap = cap};
    return true;
}

enum avj_status avj_list_add(struct avj_view *view, uint32_t number)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    struct avj_span *list = list_of(view, slot);
    if (!list_grow(view, list))
        return AVJ_ENOMEM;
    uint32_t *items = items_of(view, list);
    struct avj_thread *thread = avj_view_thread(view, slot->thread);
    if (list == &thread->messages && (!list->len || slot->created_ms > thread->newest_ms)) {
        /* Nearly every message: no other one has to be looked at. */
        items[list->len++] = number;
        thread->newest_ms = slot->created_ms;
        return AVJ_OK;
    }
    size_t at = place_of(view, list, slot);
    memmove(items + at + 1, items + at, (list->len - at) * sizeof(*items));
    items[at] = number;
    list->len++;
    note_newest(view, slot);
    return AVJ_OK;
}

/* ---- the outbox ---- */

uint64_t avj_outbox_turn(const struct avj_view *view, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    if (slot->flags & AVJ_SLOT_OPEN)
        return avj_open_at(view, slot->extra)->order;
    return slot->flags & AVJ_SLOT_PENDING ? avj_slot_body(slot) : 0;
}

/* How many there are, and the i-th of them. */
static size_t entries(const struct avj_view *view)
{
    return view->outbox_brought_count + (view->outbox_end - view->outbox_begin);
}

static const struct avj_outbox_entry *entry_at(const struct avj_view *view, size_t i)
{
    return i < view->outbox_brought_count
               ? &view->outbox_brought[i]
               : &view->outbox[view->outbox_begin + i - view->outbox_brought_count];
}

static bool is_live(const struct avj_view *view, const struct avj_outbox_entry *entry)
{
    return avj_outbox_turn(view, entry->slot) == avj_outbox_seq(entry);
}

/* Entries stand in the order of their mutations.  Some are not their document's turn now and will
 * be; those of settled mutations will not: only a mutation that is older than every pending one is
 * known to be settled without a look at its document. */
static bool may_live(const struct avj_view *view, const struct avj_outbox_entry *entry)
{
    uint64_t turn = avj_outbox_turn(view, entry->slot);
    const struct avj_slot *slot = avj_view_slot(view, entry->slot);
    if (!turn || !(slot->flags & AVJ_SLOT_OPEN))
        return turn == avj_outbox_seq(entry);
    /* A deleted document's turn is its last mutation; what comes before may be its turn again when
     * the delete is given up. */
    return avj_outbox_seq(entry) >= turn || !(slot->flags & AVJ_SLOT_VISIBLE);
}

void avj_outbox_walk(const struct avj_view *view,
                     void (*each)(void *arg, const struct avj_outbox_entry *entry), void *arg)
{
    for (size_t i = 0; i < entries(view); i++)
        if (may_live(view, entry_at(view, i)))
            each(arg, entry_at(view, i));
}

void avj_outbox_trim(struct avj_view *view)
{
    size_t settled = 0;
    while (settled < entries(view) && !may_live(view, entry_at(view, settled)))
        settled++;
    size_t brought = settled < view->outbox_brought_count ? settled : view->outbox_brought_count;
    if (brought)
        view->outbox_brought += brought;
    view->outbox_brought_count -= brought;
    view->outbox_begin += settled - brought;
}

/* Copies those of `count` entries that may live to `out`, which may be where they are, or in front
 * of it; how many. */
static size_t sweep(const struct avj_view *view, const struct avj_outbox_entry *entry, size_t count,
                    struct avj_outbox_entry *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (may_live(view, &entry[i]))
            out[kept++] = entry[i];
    return kept;
}

/* What the snapshot brought along becomes ours: there is room for it. */
static void take_brought(struct avj_view *view)
{
    size_t count = view->outbox_brought_count;
    memmove(view->outbox + count, view->outbox, view->outbox_end * sizeof(*view->outbox));
    size_t kept = sweep(view, view->outbox_brought, count, view->outbox);
    memmove(view->outbox + kept, view->outbox + count, view->outbox_end * sizeof(*view->outbox));
    view->outbox_end += kept;
    view->outbox_brought_count = 0;
}

/* Lets go of what is settled, and grows where that was little.  To look through what was brought
 * along would cost too much beside a few that were added. */
static bool make_room(struct avj_view *view)
{
    size_t added = view->outbox_end - view->outbox_begin;
    size_t brought = view->outbox_brought_count <= added ? view->outbox_brought_count : 0;
    if (added)
        view->outbox_end = sweep(view, view->outbox + view->outbox_begin, added, view->outbox);
    view->outbox_begin = 0;
    size_t cap = (view->outbox_end + brought) * 2;
    if (cap > view->outbox_cap || !view->outbox_cap) {
        cap = cap < 64 ? 64 : cap;
        struct avj_outbox_entry *grown = realloc(view->outbox, cap * sizeof(*grown));
        if (!grown)
            return false;
        view->outbox = grown;
        view->outbox_cap = cap;
    }
    if (brought)
        take_brought(view);
    return true;
}

enum avj_status avj_outbox_add(struct avj_view *view, uint64_t seq, uint32_t number)
{
    if (view->outbox_end == view->outbox_cap && !make_room(view))
        return AVJ_ENOMEM;
    view->outbox[view->outbox_end++] =
        (struct avj_outbox_entry){(uint32_t)seq, (uint32_t)(seq >> 32), number};
    return AVJ_OK;
}

uint32_t avj_outbox_each(const struct avj_view *view, size_t *at)
{
    size_t count = entries(view);
    while (*at < count) {
        const struct avj_outbox_entry *entry = entry_at(view, (*at)++);
        if (is_live(view, entry))
            return entry->slot;
    }
    return 0;
}
