/*
 * A hash map from text to pointers.  Keys are borrowed from the values, which must outlive their
 * place in the map. Threading: one thread an object.
 */
#ifndef AVJ_SERVE_MAP_H
#define AVJ_SERVE_MAP_H

#include "journal/status.h"

#include <stdint.h>

struct avj_map_slot {
    const char *key; /* NULL: free */
    void *value;
    uint64_t hash;
};

/* Zero-initialise. */
struct avj_map {
    struct avj_map_slot *slots;
    size_t cap, count; /* cap is a power of two or 0 */
};

/* Releases the table, not the values. */
void avj_map_release(struct avj_map *map);
/* NULL when there is none. */
void *avj_map_get(const struct avj_map *map, const char *key);
/* Room for one more entry, so that the next avj_map_put of a new key cannot fail. */
AVJ_CHECKED bool avj_map_reserve(struct avj_map *map, size_t more);
/* Puts or replaces; *old (may be NULL) gets what was there.  False: out of memory, nothing changed.
 */
bool avj_map_put(struct avj_map *map, const char *key, void *value, void **old);
/* Takes the entry out and returns its value; NULL when there is none. */
void *avj_map_take(struct avj_map *map, const char *key);
/* The value in slot i of cap, NULL where the slot is free: for walking over all, in no order. */
void *avj_map_at(const struct avj_map *map, size_t i);

#endif
