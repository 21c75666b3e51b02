/* Applying queries to rows (serve_query.h). */
#include "net/serve_query.h"

#include <string.h>

struct avj_cell avj_query_field(const struct avj_server_row *row, int field)
{
    struct avj_cell cell = {.kind = AVJ_CELL_TEXT};
    switch (field) {
    case AVJ_Q_ID:
        cell.text = row->id;
        cell.len = strlen(row->id);
        return cell;
    case AVJ_Q_SEQUENCE:
        return (struct avj_cell){.kind = AVJ_CELL_INT, .integer = (int64_t)row->sequence};
    case AVJ_Q_CREATED:
    case AVJ_Q_UPDATED:
        cell.kind = AVJ_CELL_INT;
        cell.integer = field == AVJ_Q_CREATED ? row->created_ms : row->updated_ms;
        return cell;
    default:
        return row->cells[field];
    }
}

int avj_cell_compare(const struct avj_cell *a, const struct avj_cell *b)
{
    bool text_a = a->kind >= AVJ_CELL_TEXT, text_b = b->kind >= AVJ_CELL_TEXT;
    if (a->kind == AVJ_CELL_NULL || b->kind == AVJ_CELL_NULL)
        return (a->kind != AVJ_CELL_NULL) - (b->kind != AVJ_CELL_NULL);
    if (text_a != text_b)
        return text_a ? 1 : -1;
    if (!text_a)
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    size_t least = a->len < b->len ? a->len : b->len;
    int order = least ? memcmp(a->text, b->text, least) : 0;
    return order ? order : a->len < b->len ? -1 : a->len > b->len;
}

static bool starts(const struct avj_cell *cell, const struct avj_cell *value)
{
    return cell->len >= value->len && memcmp(cell->text, value->text, value->len) == 0;
}

static bool ends(const struct avj_cell *cell, const struct avj_cell *value)
{
    return cell->len >= value->len &&
           memcmp(cell->text + cell->len - value->len, value->text, value->len) == 0;
}

static bool list_contains(const struct avj_cell *cell, const struct avj_cell *value)
{
    json_t *list = json_loadb(cell->text, cell->len, JSON_ALLOW_NUL, NULL), *item;
    size_t i;
    bool found = false;
    json_array_foreach(list, i, item) found =
        found || (json_string_length(item) == value->len && json_is_string(item) &&
                  memcmp(json_string_value(item), value->text, value->len) == 0);
    json_decref(list);
    return found;
}

static bool contains(const struct avj_cell *cell, const struct avj_cell *value)
{
    if (cell->kind == AVJ_CELL_LIST)
        return list_contains(cell, value);
    return value->len == 0 || memmem(cell->text, cell->len, value->text, value->len);
}

static bool match_text(enum avj_query_method method, const struct avj_cell *cell,
                       const struct avj_cell *value)
{
    if (cell->kind < AVJ_CELL_TEXT || value->kind != AVJ_CELL_TEXT)
        return false;
    return method == AVJ_Q_STARTS ? starts(cell, value)
           : method == AVJ_Q_ENDS ? ends(cell, value)
                                  : contains(cell, value);
}

/* As SQL does: no comparison holds for a null. */
static bool match_value(enum avj_query_method method, const struct avj_cell *cell,
                        const struct avj_cell *value)
{
    if (cell->kind == AVJ_CELL_NULL)
        return false;
    switch (method) {
    case AVJ_Q_EQUAL:
        return cell->len == value->len && avj_cell_compare(cell, value) == 0;
    case AVJ_Q_NOT_EQUAL:
        return avj_cell_compare(cell, value) != 0;
    case AVJ_Q_LESS:
        return avj_cell_compare(cell, value) < 0;
    case AVJ_Q_LESS_EQUAL:
        return avj_cell_compare(cell, value) <= 0;
    case AVJ_Q_GREATER:
        return avj_cell_compare(cell, value) > 0;
    case AVJ_Q_GREATER_EQUAL:
        return avj_cell_compare(cell, value) >= 0;
    default:
        return match_text(method, cell, value);
    }
}

static bool match(const struct avj_query *query, const struct avj_server_row *row);

static bool match_children(const struct avj_query *query, const struct avj_server_row *row)
{
    bool any = query->method == AVJ_Q_OR;
    for (size_t i = 0; i < query->child_count; i++)
        if (match(&query->children[i], row) == any)
            return any;
    return !any;
}

static bool match(const struct avj_query *query, const struct avj_server_row *row)
{
    if (query->method == AVJ_Q_AND || query->method == AVJ_Q_OR)
        return match_children(query, row);
    struct avj_cell cell = avj_query_field(row, query->field);
    if (query->method == AVJ_Q_IS_NULL || query->method == AVJ_Q_IS_NOT_NULL)
        return (cell.kind == AVJ_CELL_NULL) == (query->method == AVJ_Q_IS_NULL);
    if (query->method == AVJ_Q_BETWEEN)
        return match_value(AVJ_Q_GREATER_EQUAL, &cell, &query->values[0]) &&
               match_value(AVJ_Q_LESS_EQUAL, &cell, &query->values[1]);
    for (size_t i = 0; i < query->value_count; i++)
        if (match_value(query->method, &cell, &query->values[i]))
            return true;
    return false;
}

bool avj_query_match(const struct avj_query_set *set, const struct avj_server_row *row)
{
    for (size_t i = 0; i < set->filter_count; i++)
        if (!match(&set->filters[i], row))
            return false;
    return true;
}
