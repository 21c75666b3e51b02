/* Tables in memory (serve_table.h). */
#include "net/serve_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct avj_server_table *avj_server_table_new(const char *database,
                                              const struct avj_collection_schema *schema)
{
    struct avj_server_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    size_t len = strlen(database) + 1 + strlen(schema->id) + 1;
    table->schema = schema;
    table->database = strdup(database);
    table->key = malloc(len);
    if (!table->database || !table->key) {
        avj_server_table_free(table);
        return NULL;
    }
    (void)snprintf(table->key, len, "%s/%s", database, schema->id);
    return table;
}

void avj_server_table_free(struct avj_server_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->rows.cap; i++)
        free(avj_map_at(&table->rows, i));
    avj_map_release(&table->rows);
    for (size_t i = 0; i < AVJ_TABLE_ORDERS; i++)
        free(table->indexes[i].rows);
    free(table->database);
    free(table->key);
    free(table);
}

struct avj_server_row *avj_server_table_get(const struct avj_server_table *table, const char *id)
{
    return avj_map_get(&table->rows, id);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int avj_server_table_compare(enum avj_table_order order, const struct avj_server_row *a,
                             const struct avj_server_row *b)
{
    if (order == AVJ_BY_ID)
        return strcmp(a->id, b->id);
    if (order == AVJ_BY_UPDATED && a->updated_ms != b->updated_ms)
        return a->updated_ms < b->updated_ms ? -1 : 1;
    return compare_u64(a->sequence, b->sequence);
}

size_t avj_server_table_position(struct avj_server_row *const *rows, size_t count,
                                 enum avj_table_order order, const struct avj_server_row *row)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (avj_server_table_compare(order, rows[middle], row) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget(struct avj_table_index *index)
{
    free(index->rows);
    memset(index, 0, sizeof(*index));
}

/* `count` rows are in the index before.  An index that cannot grow is dropped: it is made again
 * when it is asked for. */
static void index_add(struct avj_table_index *index, enum avj_table_order order, size_t count,
                      struct avj_server_row *row)
{
    if (!index->made)
        return;
    if (count == index->cap) {
        size_t cap = index->cap ? index->cap * 2 : 64;
        struct avj_server_row **rows = realloc(index->rows, cap * sizeof(struct avj_server_row *));
        if (!rows) {
            forget(index);
            return;
        }
        index->rows = rows;
        index->cap = cap;
    }
    size_t at = avj_server_table_position(index->rows, count, order, row);
    memmove(&index->rows[at + 1], &index->rows[at], (count - at) * sizeof(struct avj_server_row *));
    index->rows[at] = row;
}

static void index_remove(struct avj_table_index *index, enum avj_table_order order, size_t count,
                         const struct avj_server_row *row)
{
    if (!index->made)
        return;
    size_t at = avj_server_table_position(index->rows, count, order, row);
    if (at >= count || index->rows[at] != row) {
        forget(index);
        return;
    }
    memmove(&index->rows[at], &index->rows[at + 1],
            (count - at - 1) * sizeof(struct avj_server_row *));
}

struct avj_server_row *avj_server_table_put(struct avj_server_table *table,
                                            struct avj_server_row *row)
{
    struct avj_server_row *old = avj_server_table_take(table, row->id);
    for (unsigned i = 0; i < AVJ_TABLE_ORDERS; i++)
        index_add(&table->indexes[i], (enum avj_table_order)i, table->rows.count, row);
    (void)avj_map_put(&table->rows, row->id, row, NULL);
    if (row->sequence > table->last_sequence)
        table->last_sequence = row->sequence;
    return old;
}

struct avj_server_row *avj_server_table_take(struct avj_server_table *table, const char *id)
{
    struct avj_server_row *row = avj_server_table_get(table, id);
    if (!row)
        return NULL;
    for (unsigned i = 0; i < AVJ_TABLE_ORDERS; i++)
        index_remove(&table->indexes[i], (enum avj_table_order)i, table->rows.count, row);
    return avj_map_take(&table->rows, id);
}

static int by_sequence(const void *a, const void *b)
{
    return avj_server_table_compare(AVJ_BY_SEQUENCE, *(struct avj_server_row *const *)a,
                                    *(struct avj_server_row *const *)b);
}

static int by_id(const void *a, const void *b)
{
    return avj_server_table_compare(AVJ_BY_ID, *(struct avj_server_row *const *)a,
                                    *(struct avj_server_row *const *)b);
}

static int by_updated(const void *a, const void *b)
{
    return avj_server_table_compare(AVJ_BY_UPDATED, *(struct avj_server_row *const *)a,
                                    *(struct avj_server_row *const *)b);
}

static bool make(struct avj_server_table *table, enum avj_table_order order)
{
    static int (*const compare[AVJ_TABLE_ORDERS])(const void *, const void *) = {by_sequence, by_id,
                                                                                 by_updated};
    struct avj_table_index *index = &table->indexes[order];
    size_t cap = table->rows.count < 64 ? 64 : table->rows.count, count = 0;
    struct avj_server_row **rows = malloc(cap * sizeof(struct avj_server_row *));
    if (!rows)
        return false;
    for (size_t i = 0; i < table->rows.cap; i++) {
        struct avj_server_row *row = avj_map_at(&table->rows, i);
        if (row)
            rows[count++] = row;
    }
    qsort(rows, count, sizeof(struct avj_server_row *), compare[order]);
    free(index->rows);
    *index = (struct avj_table_index){.rows = rows, .cap = cap, .made = true};
    return true;
}

struct avj_server_row *const *avj_server_table_sorted(struct avj_server_table *table,
                                                      enum avj_table_order order, bool *failed)
{
    *failed = false;
    if (!table->rows.count)
        return NULL;
    if (!table->indexes[order].made && !make(table, order)) {
        *failed = true;
        return NULL;
    }
    return table->indexes[order].rows;
}
