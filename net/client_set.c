/* Open addressing with linear probing: see client_set.h. */
#include "net/client_set.h"
#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

static uint64_t key_of(enum avj_entity entity, const char *id)
{
    uint64_t hash = avj_hash64(id, strlen(id)) ^ (uint64_t)(entity + 1) * 0x9e3779b97f4a7c15u;
    return hash ? hash : 1; /* 0 marks a free slot */
}

static size_t slot_of(const uint64_t *slots, size_t cap, uint64_t key)
{
    size_t at = (size_t)key & (cap - 1);
    while (slots[at] && slots[at] != key)
        at = (at + 1) & (cap - 1);
    return at;
}

static bool grow(struct avj_set *set)
{
    size_t cap = set->cap ? set->cap * 2 : 64;
    uint64_t *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < set->cap; i++)
        if (set->slots[i])
            slots[slot_of(slots, cap, set->slots[i])] = set->slots[i];
    free(set->slots);
    set->slots = slots;
    set->cap = cap;
    return true;
}

bool avj_set_add(struct avj_set *set, enum avj_entity entity, const char *id)
{
    if (set->count * 2 >= set->cap && !grow(set))
        return false;
    uint64_t key = key_of(entity, id);
    size_t at = slot_of(set->slots, set->cap, key);
    set->count += set->slots[at] == 0;
    set->slots[at] = key;
    return true;
}

bool avj_set_has(const struct avj_set *set, enum avj_entity entity, const char *id)
{
    if (!set->count)
        return false;
    uint64_t key = key_of(entity, id);
    return set->slots[slot_of(set->slots, set->cap, key)] == key;
}

void avj_set_clear(struct avj_set *set)
{
    if (set->cap)
        memset(set->slots, 0, set->cap * sizeof *set->slots);
    set->count = 0;
}

void avj_set_release(struct avj_set *set)
{
    free(set->slots);
    *set = (struct avj_set){0};
}
