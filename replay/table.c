/* Pointers by hash: see table.h. */
#include "replay/table.h"

#include <stdlib.h>

void avj_table_release(struct avj_table *t)
{
    free(t->slots);
    *t = (struct avj_table){0};
}

void *avj_table_find(const struct avj_table *t, uint64_t hash,
                     bool (*same)(const void *item, const void *key), const void *key)
{
    if (!t->cap)
        return NULL;
    for (size_t i = (size_t)hash & (t->cap - 1); t->slots[i].item; i = (i + 1) & (t->cap - 1))
        if (t->slots[i].hash == hash && same(t->slots[i].item, key))
            return t->slots[i].item;
    return NULL;
}

static void put(struct avj_table *t, uint64_t hash, void *item)
{
    size_t i = (size_t)hash & (t->cap - 1);
    while (t->slots[i].item)
        i = (i + 1) & (t->cap - 1);
    t->slots[i] = (struct avj_table_slot){hash, item};
}

static bool grow(struct avj_table *t)
{
    struct avj_table bigger = {.cap = t->cap ? t->cap * 2 : 64, .count = t->count};
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].item)
            put(&bigger, t->slots[i].hash, t->slots[i].item);
    free(t->slots);
    *t = bigger;
    return true;
}

bool avj_table_add(struct avj_table *t, uint64_t hash, void *item)
{
    if ((t->count + 1) * 4 > t->cap * 3 && !grow(t))
        return false;
    put(t, hash, item);
    t->count++;
    return true;
}
