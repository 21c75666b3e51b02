/* Ids by how they begin, out of the index alone: see store.h. */
#include "replay/store_private.h"

#include <string.h>

void avj_store_ids(const struct avj_store *store, enum avj_entity entity, const char *prefix,
                   bool (*each)(void *arg, const char *id), void *arg)
{
    const struct avj_slots *slots = &store->view->slots;
    size_t len = strlen(prefix);
    char buffer[AVJ_UUID_TEXT];
    for (uint32_t i = 1; i <= avj_slots_last(slots); i++) {
        const struct avj_slot *slot = avj_view_slot(store->view, i);
        if (!avj_view_visible(store->view, i) || avj_slot_entity(slot) != entity)
            continue;
        const char *id = avj_slot_id(slots, slot, buffer);
        if (strncmp(id, prefix, len) == 0 && !each(arg, id))
            return;
    }
}
