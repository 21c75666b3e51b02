/* Whether data fits a collection's attributes.  Order and wording of the complaints are the real
 * server's. */
#include "net/serve_state.h"

#include <stdio.h>
#include <string.h>

/* The value as it will be: what data says, else what the row has. */
static bool is_null_after(const json_t *data, const struct avj_server_row *base, size_t i,
                          const char *name)
{
    const json_t *value = json_object_get(data, name);
    if (value)
        return json_is_null(value);
    return !base || base->cells[i].kind == AVJ_CELL_NULL;
}

static size_t characters(const json_t *text)
{
    const char *data = json_string_value(text);
    size_t len = json_string_length(text), count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)data[i] & 0xc0) != 0x80;
    return count;
}

static bool fits_one(const struct avj_attr *attr, const json_t *value, int64_t now_ms)
{
    char time[AVJ_TIME_TEXT];
    switch (attr->type) {
    case AVJ_A_TEXT:
    case AVJ_A_TEXTS:
        return json_is_string(value) &&
               (json_string_length(value) <= attr->size || characters(value) <= attr->size);
    case AVJ_A_BOOL:
        return json_is_boolean(value);
    case AVJ_A_INT:
        return json_is_integer(value);
    case AVJ_A_TIME:
        return json_is_string(value) &&
               avj_server_time(json_string_value(value), json_string_length(value), now_ms, time);
    }
    return false;
}

static void describe(const struct avj_attr *attr, char *out, size_t size)
{
    switch (attr->type) {
    case AVJ_A_TEXT:
    case AVJ_A_TEXTS:
        (void)snprintf(out, size, "Value must be a valid string and no longer than %zu chars",
                       attr->size);
        break;
    case AVJ_A_BOOL:
        (void)snprintf(out, size, "Value must be a valid boolean");
        break;
    case AVJ_A_INT:
        (void)snprintf(out, size, "Value must be a valid integer");
        break;
    case AVJ_A_TIME:
        (void)snprintf(out, size, "Value must be valid date");
        break;
    }
}

static bool check_value(const struct avj_attr *attr, const json_t *value, int64_t now_ms,
                        char *message, size_t size)
{
    char what[128];
    describe(attr, what, sizeof(what));
    if (attr->type != AVJ_A_TEXTS) {
        if (fits_one(attr, value, now_ms))
            return true;
        (void)snprintf(message, size,
                       "Invalid document structure: Attribute \"%s\" has invalid type. %s",
                       attr->name, what);
        return false;
    }
    if (!json_is_array(value)) {
        (void)snprintf(message, size,
                       "Invalid document structure: Attribute \"%s\" must be an array", attr->name);
        return false;
    }
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item) if (!fits_one(attr, item, now_ms))
    {
        (void)snprintf(message, size,
                       "Invalid document structure: Attribute \"%s['%zu']\" has invalid type. %s",
                       attr->name, i, what);
        return false;
    }
    return true;
}

bool avj_structure_check(const struct avj_collection_schema *schema, const json_t *data,
                         const struct avj_server_row *base, int64_t now_ms, char *message,
                         size_t size)
{
    for (size_t i = 0; i < schema->count; i++)
        if (schema->attrs[i].required && is_null_after(data, base, i, schema->attrs[i].name)) {
            (void)snprintf(message, size,
                           "Invalid document structure: Missing required attribute \"%s\"",
                           schema->attrs[i].name);
            return false;
        }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)data, name,
                        value) if (name[0] != '$' && avj_attr_index(schema, name) < 0)
    {
        (void)snprintf(message, size, "Invalid document structure: Unknown attribute: \"%.200s\"",
                       name);
        return false;
    }
    json_object_foreach((json_t *)data, name, value)
    {
        int i = avj_attr_index(schema, name);
        if (i >= 0 && !json_is_null(value) &&
            !check_value(&schema->attrs[i], value, now_ms, message, size))
            return false;
    }
    return true;
}
