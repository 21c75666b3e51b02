/* Hash map with linear probing and backward-shift deletion (Knuth, TAOCP vol. 3, 6.4, algorithm R).
 */
#include "net/serve_map.h"

#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

void avj_map_release(struct avj_map *map)
{
    free(map->slots);
    memset(map, 0, sizeof(*map));
}

/* The slot of the key, or the free one where it belongs.  The table is never full. */
static struct avj_map_slot *probe(struct avj_map_slot *slots, size_t cap, const char *key,
                                  uint64_t hash)
{
    size_t i = (size_t)hash & (cap - 1);
    while (slots[i].key && (slots[i].hash != hash || strcmp(slots[i].key, key) != 0))
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

void *avj_map_get(const struct avj_map *map, const char *key)
{
    if (!map->count)
        return NULL;
    struct avj_map_slot *slot = probe(map->slots, map->cap, key, avj_hash64(key, strlen(key)));
    return slot->key ? slot->value : NULL;
}

bool avj_map_reserve(struct avj_map *map, size_t more)
{
    size_t need = map->count + more;
    if (need < map->cap - map->cap / 4)
        return true;
    size_t cap = map->cap ? map->cap : 16;
    while (need >= cap - cap / 4)
        cap *= 2;
    struct avj_map_slot *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < map->cap; i++)
        if (map->slots[i].key)
            *probe(slots, cap, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    free(map->slots);
    map->slots = slots;
    map->cap = cap;
    return true;
}

bool avj_map_put(struct avj_map *map, const char *key, void *value, void **old)
{
    if (!avj_map_reserve(map, 1))
        return false;
    uint64_t hash = avj_hash64(key, strlen(key));
    struct avj_map_slot *slot = probe(map->slots, map->cap, key, hash);
    if (old)
        *old = slot->key ? slot->value : NULL;
    if (!slot->key)
        map->count++;
    slot->key = key;
    slot->value = value;
    slot->hash = hash;
    return true;
}

void *avj_map_take(struct avj_map *map, const char *key)
{
    if (!map->count)
        return NULL;
    struct avj_map_slot *slot = probe(map->slots, map->cap, key, avj_hash64(key, strlen(key)));
    if (!slot->key)
        return NULL;
    void *value = slot->value;
    size_t mask = map->cap - 1, hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].key; i = (i + 1) & mask) {
        size_t home = (size_t)map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole].key = NULL;
    map->count--;
    return value;
}

void *avj_map_at(const struct avj_map *map, size_t i)
{
    return map->slots[i].key ? map->slots[i].value : NULL;
}
