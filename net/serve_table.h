/*
 * One collection of one database in memory: rows by $id, and sorted arrays made at their first use
 * and kept up from then on. Threading: one thread.  Lifetime: the table owns its rows.
 */
#ifndef AVJ_SERVE_TABLE_H
#define AVJ_SERVE_TABLE_H

#include "net/serve_map.h"
#include "net/serve_row.h"

enum avj_table_order {
    AVJ_BY_SEQUENCE, /* also the order of $createdAt: both only rise */
    AVJ_BY_ID,
    AVJ_BY_UPDATED, /* then by $sequence */
    AVJ_TABLE_ORDERS
};

struct avj_table_index {
    struct avj_server_row **rows;
    size_t cap;
    bool made;
};

struct avj_server_table {
    char *key; /* "database/collection", as journaled */
    char *database;
    const struct avj_collection_schema *schema;
    struct avj_map rows;
    struct avj_table_index indexes[AVJ_TABLE_ORDERS];
    uint64_t last_sequence;
};

/* NULL: out of memory. */
struct avj_server_table *avj_server_table_new(const char *database,
                                              const struct avj_collection_schema *schema);
void avj_server_table_free(struct avj_server_table *table);

struct avj_server_row *avj_server_table_get(const struct avj_server_table *table, const char *id);
/* Takes the row over; returns the one it replaces, which is the caller's to free.  Cannot fail
 * after avj_map_reserve(&table->rows, 1). */
struct avj_server_row *avj_server_table_put(struct avj_server_table *table,
                                            struct avj_server_row *row);
/* Takes the row out; NULL when there is none.  The caller frees it. */
struct avj_server_row *avj_server_table_take(struct avj_server_table *table, const char *id);

/* All rows in an order, `table->rows.count` of them; borrowed until the next put or take.  NULL:
 * empty or (*failed) out of memory. */
struct avj_server_row *const *avj_server_table_sorted(struct avj_server_table *table,
                                                      enum avj_table_order order, bool *failed);
/* How many rows of the sorted array come before `row` (which need not be in it). */
size_t avj_server_table_position(struct avj_server_row *const *rows, size_t count,
                                 enum avj_table_order order, const struct avj_server_row *row);
int avj_server_table_compare(enum avj_table_order order, const struct avj_server_row *a,
                             const struct avj_server_row *b);

#endif
