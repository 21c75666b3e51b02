/* Rows as JSON, each answer with its fields in the order in which Appwrite 1.8.1 gives them. */
#include "net/serve_state.h"

#include <string.h>

void avj_cell_json(struct avj_text *out, const struct avj_cell *cell)
{
    switch (cell->kind) {
    case AVJ_CELL_NULL:
        avj_text_puts(out, "null");
        break;
    case AVJ_CELL_BOOL:
        avj_text_puts(out, cell->integer ? "true" : "false");
        break;
    case AVJ_CELL_INT:
        avj_text_printf(out, "%lld", (long long)cell->integer);
        break;
    case AVJ_CELL_TEXT:
        avj_text_json(out, cell->text, cell->len);
        break;
    case AVJ_CELL_LIST:
        avj_text_add(out, cell->text, cell->len);
        break;
    }
}

/* Writes `"name":` behind a comma where one is due. */
static void key(struct avj_text *out, const char *name)
{
    if (out->len && out->data[out->len - 1] != '{')
        avj_text_add(out, ",", 1);
    avj_text_json_cstr(out, name);
    avj_text_add(out, ":", 1);
}

static void key_text(struct avj_text *out, const char *name, const char *value)
{
    key(out, name);
    avj_text_json_cstr(out, value);
}

static void key_time(struct avj_text *out, const char *name, int64_t ms)
{
    key(out, name);
    avj_text_json_time(out, ms);
}

static void key_sequence(struct avj_text *out, const struct avj_server_row *row, bool as_text)
{
    key(out, "$sequence");
    avj_text_printf(out, as_text ? "\"%llu\"" : "%llu", (unsigned long long)row->sequence);
}

static void key_perms(struct avj_text *out, const struct avj_server_row *row)
{
    key(out, "$permissions");
    avj_perms_json(out, row->perms, row->perms_len);
}

static void attributes(struct avj_text *out, const struct avj_collection_schema *schema,
                       const struct avj_server_row *row, const bool *selected)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (selected && !selected[i])
            continue;
        key(out, schema->attrs[i].name);
        avj_cell_json(out, &row->cells[i]);
    }
}

void avj_row_json(struct avj_text *out, const struct avj_spelling *spelling,
                  const struct avj_server_table *table, const struct avj_server_row *row,
                  enum avj_row_shape shape, const bool *selected)
{
    avj_text_puts(out, "{");
    attributes(out, table->schema, row, selected);
    if (shape != AVJ_SHAPE_LIST)
        key_sequence(out, row, shape == AVJ_SHAPE_COMMIT);
    key_text(out, "$id", row->id);
    if (shape == AVJ_SHAPE_LIST)
        key_sequence(out, row, false);
    key_time(out, "$createdAt", row->created_ms);
    key_time(out, "$updatedAt", row->updated_ms);
    key_perms(out, row);
    if (shape == AVJ_SHAPE_COMMIT) {
        avj_text_printf(out, ",\"$collection\":\"database_1_collection_%u\"",
                        table->schema->number);
        key_text(out, "$tableId", table->schema->id);
        key_text(out, "$collectionId", table->schema->id);
    } else {
        key_text(out, "$databaseId", table->database);
        key_text(out, spelling->table_key, table->schema->id);
    }
    avj_text_puts(out, "}");
}

void avj_row_json_written(struct avj_text *out, const struct avj_spelling *spelling,
                          const struct avj_server_table *table, const struct avj_server_row *row,
                          const json_t *data, bool upsert)
{
    const struct avj_collection_schema *schema = table->schema;
    const char *name;
    json_t *value;
    avj_text_puts(out, "{");
    json_object_foreach((json_t *)data, name, value)
    {
        int i = avj_attr_index(schema, name);
        if (i < 0)
            continue;
        key(out, name);
        avj_cell_json(out, &row->cells[i]);
    }
    key_text(out, "$id", row->id);
    key_perms(out, row);
    if (upsert)
        key_time(out, "$updatedAt", row->updated_ms);
    key_time(out, "$createdAt", row->created_ms);
    if (!upsert) {
        key_time(out, "$updatedAt", row->updated_ms);
        key_sequence(out, row, false);
    }
    for (size_t i = 0; i < schema->count; i++) {
        if (json_object_get(data, schema->attrs[i].name))
            continue;
        key(out, schema->attrs[i].name);
        avj_cell_json(out, &row->cells[i]);
    }
    if (upsert)
        key_sequence(out, row, false);
    key_text(out, "$databaseId", table->database);
    key_text(out, spelling->table_key, schema->id);
    avj_text_puts(out, "}");
}
