/*
 * A hash table of pointers, for the view's lookups.  Open addressing, linear probing, at most three
 * quarters full; entries are never removed (documents live as long as their view). Threading: one
 * thread a table.
 */
#ifndef AVJ_TABLE_H
#define AVJ_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct avj_table_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};

struct avj_table {
    struct avj_table_slot *slots;
    size_t cap, count;
};

void avj_table_release(struct avj_table *table); /* not the items */
/* The item with this hash for which same(item, key) is true, NULL: none. */
void *avj_table_find(const struct avj_table *table, uint64_t hash,
                     bool (*same)(const void *item, const void *key), const void *key);
/* False: out of memory. */
bool avj_table_add(struct avj_table *table, uint64_t hash, void *item);

#endif
