/*
 * A set of ids, kept as 64-bit hashes: "have I seen this row?".  Two ids that share a hash would
 * count as one; at a million ids the odds are 1 in 37 million, and the answer errs to the side that
 * changes nothing ("seen", "in flight").
 *
 * Threading: plain data.  Zero-initialise.
 */
#ifndef AVJ_NET_CLIENT_SET_H
#define AVJ_NET_CLIENT_SET_H

#include "replay/schema.h"

struct avj_set {
    uint64_t *slots;
    size_t count, cap; /* cap: a power of two, 0 when empty */
};

/* False: memory ran out. */
bool avj_set_add(struct avj_set *set, enum avj_entity entity, const char *id);
bool avj_set_has(const struct avj_set *set, enum avj_entity entity, const char *id);
void avj_set_clear(struct avj_set *set);
void avj_set_release(struct avj_set *set);

#endif
