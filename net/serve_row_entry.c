/* Rows to and from the journal: s $sequence, c $createdAt, u $updatedAt (both ms), p permissions, f
 * attributes by name. */
#include "net/serve_row.h"

#include <stdlib.h>
#include <string.h>

static void pack_cell(struct avj_pack *pack, const struct avj_cell *cell)
{
    switch (cell->kind) {
    case AVJ_CELL_BOOL:
        avj_pack_bool(pack, cell->integer != 0);
        break;
    case AVJ_CELL_INT:
        avj_pack_int(pack, cell->integer);
        break;
    case AVJ_CELL_TEXT:
        avj_pack_text(pack, cell->text, cell->len);
        break;
    case AVJ_CELL_LIST: /* its JSON text; told from a text by the attribute's type */
        avj_pack_bytes(pack, cell->text, cell->len);
        break;
    case AVJ_CELL_NULL:
        avj_pack_nil(pack);
        break;
    }
}

static void pack_perms(struct avj_pack *pack, const struct avj_server_row *row)
{
    size_t count = 0;
    for (size_t at = 0; at < row->perms_len; at += strlen(row->perms + at) + 1)
        count++;
    avj_pack_list(pack, count);
    for (size_t at = 0; at < row->perms_len; at += strlen(row->perms + at) + 1)
        avj_pack_cstr(pack, row->perms + at);
}

void avj_row_pack(struct avj_pack *pack, const struct avj_collection_schema *schema,
                  const struct avj_server_row *row)
{
    size_t set = 0;
    for (size_t i = 0; i < row->count; i++)
        set += row->cells[i].kind != AVJ_CELL_NULL;
    avj_pack_map(pack, 5);
    avj_pack_cstr(pack, "s");
    avj_pack_int(pack, (int64_t)row->sequence);
    avj_pack_cstr(pack, "c");
    avj_pack_int(pack, row->created_ms);
    avj_pack_cstr(pack, "u");
    avj_pack_int(pack, row->updated_ms);
    avj_pack_cstr(pack, "p");
    pack_perms(pack, row);
    avj_pack_cstr(pack, "f");
    avj_pack_map(pack, set);
    for (size_t i = 0; i < row->count; i++) {
        if (row->cells[i].kind == AVJ_CELL_NULL)
            continue;
        avj_pack_cstr(pack, schema->attrs[i].name);
        pack_cell(pack, &row->cells[i]);
    }
}

static void unpack_cell(struct avj_cell *cell, struct avj_value value)
{
    switch (value.kind) {
    case AVJ_BOOL:
        cell->kind = AVJ_CELL_BOOL;
        cell->integer = value.boolean;
        break;
    case AVJ_INT:
        cell->kind = AVJ_CELL_INT;
        cell->integer = value.integer;
        break;
    case AVJ_TEXT:
    case AVJ_BYTES:
        cell->kind = value.kind == AVJ_TEXT ? AVJ_CELL_TEXT : AVJ_CELL_LIST;
        cell->text = value.text;
        cell->len = value.len;
        break;
    case AVJ_NIL:
    case AVJ_REAL:
    case AVJ_LIST:
    case AVJ_MAP:
        break;
    }
}

static void unpack_perms(struct avj_text *out, struct avj_value list)
{
    for (size_t i = 0; list.kind == AVJ_LIST && i < list.len; i++) {
        struct avj_value perm = avj_value_item(list, i);
        if (perm.kind != AVJ_TEXT || memchr(perm.text, '\0', perm.len))
            continue;
        avj_text_add(out, perm.text, perm.len);
        avj_text_add(out, "", 1);
    }
}

struct avj_server_row *avj_row_unpack(const struct avj_collection_schema *schema, const char *id,
                                      struct avj_value value)
{
    struct avj_value fields, perms;
    if (!avj_value_get(value, "f", &fields) || fields.kind != AVJ_MAP)
        return NULL;
    struct avj_draft draft;
    avj_draft_init(&draft, schema);
    for (size_t i = 0; i < schema->count; i++) {
        struct avj_value field;
        if (avj_value_get(fields, schema->attrs[i].name, &field))
            unpack_cell(&draft.cells[i], field);
    }
    struct avj_text blob = {0};
    if (avj_value_get(value, "p", &perms))
        unpack_perms(&blob, perms);
    struct avj_server_row *row =
        blob.failed ? NULL : avj_draft_row(&draft, id, blob.data, blob.len);
    avj_text_release(&blob);
    if (!row)
        return NULL;
    row->sequence = (uint64_t)avj_value_get_int(value, "s", 0);
    row->created_ms = avj_value_get_int(value, "c", 0);
    row->updated_ms = avj_value_get_int(value, "u", 0);
    return row;
}
