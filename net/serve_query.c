/* Parsing of queries (serve_query.h). */
#include "net/serve_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum avj_query_method method;
    size_t least, most; /* values */
} methods[] = {
    {"equal", AVJ_Q_EQUAL, 1, AVJ_QUERY_VALUES_MAX},
    {"notEqual", AVJ_Q_NOT_EQUAL, 1, 1},
    {"lessThan", AVJ_Q_LESS, 1, 1},
    {"lessThanEqual", AVJ_Q_LESS_EQUAL, 1, 1},
    {"greaterThan", AVJ_Q_GREATER, 1, 1},
    {"greaterThanEqual", AVJ_Q_GREATER_EQUAL, 1, 1},
    {"between", AVJ_Q_BETWEEN, 2, 2},
    {"isNull", AVJ_Q_IS_NULL, 0, AVJ_QUERY_VALUES_MAX},
    {"isNotNull", AVJ_Q_IS_NOT_NULL, 0, AVJ_QUERY_VALUES_MAX},
    {"startsWith", AVJ_Q_STARTS, 1, 1},
    {"endsWith", AVJ_Q_ENDS, 1, 1},
    {"contains", AVJ_Q_CONTAINS, 1, AVJ_QUERY_VALUES_MAX},
    {"and", AVJ_Q_AND, 2, AVJ_QUERY_VALUES_MAX},
    {"or", AVJ_Q_OR, 2, AVJ_QUERY_VALUES_MAX},
};

void avj_query_init(struct avj_query_set *set, const struct avj_collection_schema *schema)
{
    memset(set, 0, sizeof(*set));
    set->schema = schema;
    set->limit = AVJ_QUERY_LIMIT_DEFAULT;
}

static void filter_release(struct avj_query *query)
{
    for (size_t i = 0; i < query->child_count; i++)
        filter_release(&query->children[i]);
    free(query->children);
    free(query->values);
    free(query->times);
}

void avj_query_release(struct avj_query_set *set)
{
    for (size_t i = 0; i < set->filter_count; i++)
        filter_release(&set->filters[i]);
    for (size_t i = 0; i < set->json_count; i++)
        json_decref(set->json[i]);
}

static bool invalid(struct avj_query_set *set, const char *format, const char *what)
{
    set->message[0] = '\0';
    int len = snprintf(set->message, sizeof(set->message), "%s", format);
    if (what && len > 0 && (size_t)len < sizeof(set->message))
        (void)snprintf(set->message + len, sizeof(set->message) - (size_t)len, "%.200s", what);
    return false;
}

/* -1: unknown. */
static int field_index(const struct avj_collection_schema *schema, const char *name)
{
    static const struct {
        const char *name;
        int field;
    } system_fields[] = {{"$id", AVJ_Q_ID},
                         {"$sequence", AVJ_Q_SEQUENCE},
                         {"$createdAt", AVJ_Q_CREATED},
                         {"$updatedAt", AVJ_Q_UPDATED}};
    for (size_t i = 0; i < sizeof(system_fields) / sizeof(system_fields[0]); i++)
        if (strcmp(system_fields[i].name, name) == 0)
            return system_fields[i].field;
    return avj_attr_index(schema, name);
}

static bool field_param(struct avj_query_set *set, const json_t *json, int *field)
{
    const char *name = json_string_value(json_object_get(json, "attribute"));
    *field = name ? field_index(set->schema, name) : -1;
    return *field >= 0 ||
           invalid(set, "Invalid query: Attribute not found in schema: ", name ? name : "");
}

static bool is_time(const struct avj_collection_schema *schema, int field)
{
    return field == AVJ_Q_CREATED || field == AVJ_Q_UPDATED ||
           (field < AVJ_ATTRS_MAX && schema->attrs[field].type == AVJ_A_TIME);
}

/* "42" is a $sequence as much as 42 is. */
static bool sequence_text(struct avj_cell *cell)
{
    int64_t value = 0;
    for (size_t i = 0; i < cell->len; i++) {
        if (cell->text[i] < '0' || cell->text[i] > '9' || i > 17)
            return false;
        value = value * 10 + (cell->text[i] - '0');
    }
    *cell = (struct avj_cell){.kind = AVJ_CELL_INT, .integer = value};
    return true;
}

static bool value_param(struct avj_query_set *set, struct avj_query *query, size_t i,
                        const json_t *value, int64_t now_ms)
{
    struct avj_cell *cell = &query->values[i];
    if (json_is_string(value)) {
        *cell = (struct avj_cell){.kind = AVJ_CELL_TEXT,
                                  .text = json_string_value(value),
                                  .len = json_string_length(value)};
        if (query->field == AVJ_Q_SEQUENCE)
            return sequence_text(cell) ||
                   invalid(set, "Invalid query: Query value is invalid for attribute \"$sequence\"",
                           NULL);
        if (!is_time(set->schema, query->field))
            return true;
        if (!avj_server_time(cell->text, cell->len, now_ms, query->times[i]))
            return invalid(set,
                           "Invalid query: Query value is invalid for attribute of type datetime: ",
                           cell->text);
        cell->text = query->times[i];
        cell->len = AVJ_TIME_TEXT - 1;
        if (query->field >= AVJ_ATTRS_MAX) {
            cell->kind = AVJ_CELL_INT;
            (void)avj_time_parse(cell->text, cell->len, &cell->integer);
            cell->len = 0;
        }
        return true;
    }
    if (json_is_boolean(value))
        *cell = (struct avj_cell){.kind = AVJ_CELL_BOOL, .integer = json_is_true(value)};
    else if (json_is_integer(value))
        *cell = (struct avj_cell){.kind = AVJ_CELL_INT, .integer = json_integer_value(value)};
    else
        return invalid(set, "Invalid query: Query value is invalid", NULL);
    return true;
}

static bool filter_values(struct avj_query_set *set, struct avj_query *query, const json_t *values,
                          int64_t now_ms)
{
    size_t count = json_array_size(values);
    if (!count)
        return true;
    query->values = calloc(count, sizeof(*query->values));
    query->times = calloc(count, AVJ_TIME_TEXT);
    if (!query->values || !query->times)
        return invalid(set, "out of memory", NULL);
    query->value_count = count;
    for (size_t i = 0; i < count; i++)
        if (!value_param(set, query, i, json_array_get(values, i), now_ms))
            return false;
    return true;
}

static bool filter_parse(struct avj_query_set *set, const json_t *json, struct avj_query *query,
                         int64_t now_ms, unsigned depth);

static bool filter_children(struct avj_query_set *set, const json_t *values,
                            struct avj_query *query, int64_t now_ms, unsigned depth)
{
    size_t count = json_array_size(values);
    if (depth >= AVJ_QUERY_DEPTH_MAX)
        return invalid(set, "Invalid query: nested too deeply", NULL);
    query->children = calloc(count, sizeof(*query->children));
    if (!query->children)
        return invalid(set, "out of memory", NULL);
    query->child_count = count;
    for (size_t i = 0; i < count; i++)
        if (!filter_parse(set, json_array_get(values, i), &query->children[i], now_ms, depth + 1))
            return false;
    return true;
}

static bool filter_parse(struct avj_query_set *set, const json_t *json, struct avj_query *query,
                         int64_t now_ms, unsigned depth)
{
    const char *method = json_string_value(json_object_get(json, "method"));
    const json_t *values = json_object_get(json, "values");
    size_t i = 0, known = sizeof(methods) / sizeof(methods[0]);
    while (i < known && (!method || strcmp(methods[i].name, method) != 0))
        i++;
    if (i == known)
        return invalid(set, "Invalid query method: ", method ? method : "");
    query->method = methods[i].method;
    size_t count = json_array_size(values);
    if (count < methods[i].least || count > methods[i].most) {
        (void)snprintf(set->message, sizeof(set->message),
                       "Invalid query: %s queries require at least one value.", methods[i].name);
        return false;
    }
    if (query->method == AVJ_Q_AND || query->method == AVJ_Q_OR)
        return filter_children(set, values, query, now_ms, depth);
    return field_param(set, json, &query->field) && filter_values(set, query, values, now_ms);
}

static bool order_parse(struct avj_query_set *set, const json_t *json, bool descending)
{
    const char *name = json_string_value(json_object_get(json, "attribute"));
    struct avj_query_order order = {.field = AVJ_Q_SEQUENCE, .descending = descending};
    if (name && name[0] && !field_param(set, json, &order.field))
        return false;
    if (set->order_count == AVJ_QUERY_ORDERS_MAX)
        return invalid(set, "Invalid query: too many orders", NULL);
    set->orders[set->order_count++] = order;
    return true;
}

static bool count_parse(struct avj_query_set *set, const json_t *json, const char *what,
                        size_t *out)
{
    const json_t *value = json_array_get(json_object_get(json, "values"), 0);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > INT32_MAX) {
        (void)snprintf(set->message, sizeof(set->message),
                       "Invalid query: Invalid %s: Value must be a valid range between 0 and "
                       "9,223,372,036,854,775,807",
                       what);
        return false;
    }
    *out = (size_t)json_integer_value(value);
    return true;
}

static bool cursor_parse(struct avj_query_set *set, const json_t *json, bool before)
{
    set->cursor = json_string_value(json_array_get(json_object_get(json, "values"), 0));
    set->before = before;
    return set->cursor || invalid(set, "Invalid query: Invalid cursor", NULL);
}

static bool select_parse(struct avj_query_set *set, const json_t *json)
{
    const json_t *values = json_object_get(json, "values");
    set->selects = true;
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *name = json_string_value(json_array_get(values, i));
        int field = name ? field_index(set->schema, name) : -1;
        if (name && strcmp(name, "*") == 0)
            for (size_t k = 0; k < AVJ_ATTRS_MAX; k++)
                set->selected[k] = true;
        else if (field >= 0 && field < AVJ_ATTRS_MAX)
            set->selected[field] = true;
        else if (field < 0 && !(name && name[0] == '$'))
            return invalid(set, "Invalid query: Attribute not found in schema: ", name ? name : "");
    }
    return true;
}

static bool dispatch(struct avj_query_set *set, const json_t *json, int64_t now_ms)
{
    const char *method = json_string_value(json_object_get(json, "method"));
    if (!method)
        return invalid(set, "Invalid query method: ", "");
    if (strcmp(method, "orderAsc") == 0 || strcmp(method, "orderDesc") == 0)
        return order_parse(set, json, method[5] == 'D');
    if (strcmp(method, "limit") == 0)
        return count_parse(set, json, "limit", &set->limit);
    if (strcmp(method, "offset") == 0)
        return count_parse(set, json, "offset", &set->offset);
    if (strcmp(method, "cursorAfter") == 0 || strcmp(method, "cursorBefore") == 0)
        return cursor_parse(set, json, method[6] == 'B');
    if (strcmp(method, "select") == 0)
        return select_parse(set, json);
    if (strcmp(method, "search") == 0) {
        int field;
        if (!field_param(set, json, &field))
            return false;
        (void)snprintf(set->message, sizeof(set->message),
                       "Searching by attribute \"%s\" requires a fulltext index.",
                       json_string_value(json_object_get(json, "attribute")));
        return false;
    }
    struct avj_query *query = &set->filters[set->filter_count++];
    return filter_parse(set, json, query, now_ms, 0);
}

bool avj_query_add(struct avj_query_set *set, const char *text, int64_t now_ms)
{
    json_t *json = json_loads(text, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return invalid(set, "Invalid query: Syntax error", NULL);
    }
    set->json[set->json_count++] = json;
    return dispatch(set, json, now_ms);
}
