/* What the replayed log shows at its end and should be looked at: see fsck_standing.h. */
#include "fsck/fsck_standing.h"

#include "journal/hash.h"
#include "replay/view_private.h"

#include <stdlib.h>
#include <string.h>

static void add_id(const struct avj_view *view, uint32_t number, struct fsck_finding *finding)
{
    char buffer[AVJ_UUID_TEXT];
    const struct avj_slot *slot = avj_view_slot(view, number);
    const char *id = avj_slot_id(&view->slots, slot, buffer);
    if (avj_slot_entity(slot) == AVJ_THREAD)
        fsck_ids_add(&finding->threads, id, strlen(id));
    else if (avj_slot_entity(slot) == AVJ_MESSAGE)
        fsck_ids_add(&finding->messages, id, strlen(id));
}

static void add_interrupted(const struct avj_view *view, struct fsck_findings *findings)
{
    struct fsck_finding *finding = NULL;
    uint64_t count = 0;
    for (size_t i = 0; i < view->growing.count; i++) {
        const struct avj_growing *growing = view->growing.items[i];
        if (!growing->interrupted)
            continue;
        if (count++ == 0)
            finding = fsck_findings_add(findings, FSCK_INTERRUPTED);
        if (finding)
            add_id(view, growing->slot, finding);
    }
    if (!finding)
        return;
    finding->count = count;
    fsck_detail(finding, "%llu answers", (unsigned long long)count);
}

/* ---- rows that are there twice ---- */

struct bound {
    uint64_t hash; /* of the row's $id, as far as it is not the one that is made of the local id */
    uint32_t number;
};

static int by_hash(const void *a, const void *b)
{
    const struct bound *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static bool names_a_row(const struct avj_view *view, const struct avj_slot *slot)
{
    unsigned wanted = AVJ_SLOT_ROW | AVJ_SLOT_SIDE;
    return (slot->flags & (wanted | AVJ_SLOT_GONE | AVJ_SLOT_OPEN)) == wanted &&
           avj_side_at(view, slot->extra)->remote_id[0];
}

static size_t list_bound(const struct avj_view *view, struct bound *out)
{
    size_t count = 0;
    for (uint32_t n = 1; n <= avj_slots_last(&view->slots); n++) {
        const struct avj_slot *slot = avj_view_slot(view, n);
        if (!names_a_row(view, slot))
            continue;
        const char *id = avj_side_at(view, slot->extra)->remote_id;
        uint64_t entity = (uint64_t)avj_slot_entity(slot);
        if (out)
            out[count] = (struct bound){avj_hash64(id, strlen(id)) + entity, n};
        count++;
    }
    return count;
}

/* Rows under another $id than is made of the local one are few in most journals. */
static enum avj_status add_shared_rows(const struct avj_view *view, struct fsck_findings *findings)
{
    size_t count = list_bound(view, NULL);
    if (count < 2)
        return AVJ_OK;
    struct bound *bound = malloc(count * sizeof(*bound));
    if (!bound)
        return AVJ_ENOMEM;
    (void)list_bound(view, bound);
    qsort(bound, count, sizeof(*bound), by_hash);
    for (size_t i = 1; i < count; i++) {
        if (bound[i].hash != bound[i - 1].hash)
            continue;
        struct fsck_finding *finding = fsck_findings_add(findings, FSCK_SHARED_ROW);
        if (!finding)
            continue;
        add_id(view, bound[i - 1].number, finding);
        add_id(view, bound[i].number, finding);
        fsck_detail(finding, "row %s",
                    avj_side_at(view, avj_view_slot(view, bound[i].number)->extra)->remote_id);
    }
    free(bound);
    return AVJ_OK;
}

void fsck_standing(const struct avj_view *view, struct fsck_findings *findings)
{
    add_interrupted(view, findings);
    if (add_shared_rows(view, findings) != AVJ_OK)
        findings->failed = true;
}
