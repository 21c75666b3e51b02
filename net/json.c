/*
 * JSON to values and back.  A field that is null on the JSON side is left out of a document's
 * fields: absent and null mean the same there, as they do in Appwrite's rows.
 */
#include "net/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *text_to_json(const char *text, size_t len)
{
    json_t *json = json_stringn(text ? text : "", len);
    if (json)
        return json;
    /* Refused for its bytes, or out of memory?  Unchecked, only the former succeeds. */
    json = json_stringn_nocheck(text ? text : "", len);
    if (!json)
        return NULL;
    json_decref(json);
    return json_null();
}

static json_t *list_to_json(struct avj_value list)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < list.len; i++) {
        if (json_array_append_new(array, avj_json_from_value(avj_value_item(list, i))) == 0)
            continue;
        json_decref(array);
        array = NULL;
    }
    return array;
}

/* Puts a pair into `object`; keys that JSON cannot spell are left out.  False: out of memory. */
static bool put_pair(json_t *object, struct avj_value key, json_t *value)
{
    char digits[24];

    if (!value)
        return false;
    if (key.kind == AVJ_INT) {
        snprintf(digits, sizeof(digits), "%lld", (long long)key.integer);
        return json_object_set_new(object, digits, value) == 0;
    }
    json_t *name = key.kind == AVJ_TEXT ? text_to_json(key.text, key.len) : json_null();
    bool ok = name != NULL;
    if (json_is_string(name))
        ok = json_object_setn_new_nocheck(object, json_string_value(name), json_string_length(name),
                                          value) == 0;
    else
        json_decref(value);
    json_decref(name);
    return ok;
}

static json_t *map_to_json(struct avj_value map)
{
    json_t *object = json_object();
    struct avj_value key, value;

    for (size_t i = 0; object && i < map.len; i++) {
        avj_value_pair(map, i, &key, &value);
        if (put_pair(object, key, avj_json_from_value(value)))
            continue;
        json_decref(object);
        object = NULL;
    }
    return object;
}

json_t *avj_json_from_value(struct avj_value value)
{
    switch (value.kind) {
    case AVJ_BOOL:
        return json_boolean(value.boolean);
    case AVJ_INT:
        return json_integer(value.integer);
    case AVJ_REAL:
        return isfinite(value.real) ? json_real(value.real) : json_null();
    case AVJ_TEXT:
        return text_to_json(value.text, value.len);
    case AVJ_LIST:
        return list_to_json(value);
    case AVJ_MAP:
        return map_to_json(value);
    case AVJ_NIL:
    case AVJ_BYTES:
        break;
    }
    return json_null();
}

json_t *avj_json_from_fields(struct avj_fields fields)
{
    struct avj_tree *tree;

    if (fields.len == 0)
        return json_object();
    if (avj_tree_parse(fields.data, fields.len, &tree) != AVJ_OK)
        return NULL;
    json_t *object = avj_json_from_value(avj_tree_root(tree));
    avj_tree_free(tree);
    return object;
}

static void pack_object(struct avj_pack *pack, const json_t *json)
{
    json_t *object = (json_t *)json; /* jansson's iterators want it so; nothing is changed */

    avj_pack_map(pack, json_object_size(object));
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        avj_pack_text(pack, json_object_iter_key(i), json_object_iter_key_len(i));
        avj_json_pack(pack, json_object_iter_value(i));
    }
}

static void pack_array(struct avj_pack *pack, const json_t *json)
{
    avj_pack_list(pack, json_array_size(json));
    for (size_t i = 0; i < json_array_size(json); i++)
        avj_json_pack(pack, json_array_get(json, i));
}

void avj_json_pack(struct avj_pack *pack, const json_t *json)
{
    switch (json ? json_typeof(json) : JSON_NULL) {
    case JSON_OBJECT:
        pack_object(pack, json);
        break;
    case JSON_ARRAY:
        pack_array(pack, json);
        break;
    case JSON_STRING:
        avj_pack_text(pack, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        avj_pack_int(pack, json_integer_value(json));
        break;
    case JSON_REAL:
        avj_pack_real(pack, json_real_value(json));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        avj_pack_bool(pack, json_is_true(json));
        break;
    case JSON_NULL:
        avj_pack_nil(pack);
        break;
    }
}

static bool array_of_text(const json_t *json)
{
    for (size_t i = 0; i < json_array_size(json); i++)
        if (!json_is_string(json_array_get(json, i)))
            return false;
    return json_is_array(json);
}

/* NULL where the value fits the type, else what it should have been. */
static const char *misfit(enum avj_field_type type, const json_t *json)
{
    switch (type) {
    case AVJ_F_TEXT:
        return json_is_string(json) ? NULL : "text";
    case AVJ_F_TIME:
        return json_is_string(json) ? NULL : "a time (ISO 8601 text)";
    case AVJ_F_BOOL:
        return json_is_boolean(json) ? NULL : "true or false";
    case AVJ_F_INT:
        return json_is_integer(json) ? NULL : "a whole number";
    case AVJ_F_TEXTS:
        return array_of_text(json) ? NULL : "a list of texts";
    case AVJ_F_JSON:
        break;
    }
    return NULL;
}

/* True where `json` nests at most `levels` deep; recursion ends at that depth whatever the input.
 */
static bool nests_within(const json_t *json, int levels)
{
    if (!json_is_object(json) && !json_is_array(json))
        return true;
    if (levels == 0)
        return false;
    for (size_t i = 0; i < json_array_size(json); i++)
        if (!nests_within(json_array_get(json, i), levels - 1))
            return false;
    json_t *object = (json_t *)json;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i))
        if (!nests_within(json_object_iter_value(i), levels - 1))
            return false;
    return true;
}

/* Why the field cannot be taken goes to err. */
static enum avj_status check_field(enum avj_entity entity, const char *name, size_t len,
                                   const json_t *value, struct avj_error *err)
{
    const struct avj_field *field = avj_field_find(entity, name, len);
    const char *wanted = field && !json_is_null(value) ? misfit(field->type, value) : NULL;

    if (wanted)
        return avj_fail(err, AVJ_EFORMAT, "field %s of a %s must be %s", field->name,
                        avj_schema(entity)->kind, wanted);
    /* The fields' own map is one level, and what a journal entry wraps around it a few more. */
    if (!nests_within(value, AVJ_VALUE_DEPTH_MAX - 4))
        return avj_fail(err, AVJ_EFORMAT, "field %.*s is nested more than %d levels deep",
                        len > 64 ? 64 : (int)len, name, AVJ_VALUE_DEPTH_MAX - 4);
    return AVJ_OK;
}

static bool is_kind(const char *name, size_t len)
{
    return len == 4 && memcmp(name, "kind", 4) == 0;
}

/* The object's pairs but "kind" and nulls, checked, as a map in the object's own order. */
static enum avj_status pack_fields(enum avj_entity entity, json_t *object, struct avj_pack *pack,
                                   struct avj_error *err)
{
    size_t pairs = 0;

    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        const char *name = json_object_iter_key(i);
        size_t len = json_object_iter_key_len(i);
        if (is_kind(name, len) || json_is_null(json_object_iter_value(i)))
            continue;
        enum avj_status status = check_field(entity, name, len, json_object_iter_value(i), err);
        if (status != AVJ_OK)
            return status;
        pairs++;
    }
    avj_pack_map(pack, pairs);
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        const char *name = json_object_iter_key(i);
        size_t len = json_object_iter_key_len(i);
        if (is_kind(name, len) || json_is_null(json_object_iter_value(i)))
            continue;
        avj_pack_text(pack, name, len);
        avj_json_pack(pack, json_object_iter_value(i));
    }
    return pack->failed ? avj_fail(err, AVJ_ENOMEM, "out of memory") : AVJ_OK;
}

enum avj_status avj_json_to_fields(enum avj_entity entity, const json_t *object,
                                   struct avj_pack *out, struct avj_error *err)
{
    struct avj_pack pack = {0};
    struct avj_tree *tree = NULL;

    if (!json_is_object(object))
        return avj_fail(err, AVJ_EFORMAT, "a %s must be a JSON object", avj_schema(entity)->kind);
    enum avj_status status = pack_fields(entity, (json_t *)object, &pack, err);
    if (status == AVJ_OK)
        status = avj_tree_parse(pack.data, pack.len, &tree);
    if (status == AVJ_OK) {
        status = avj_fields_canonical(entity, avj_tree_root(tree), true, out);
        avj_tree_free(tree);
        if (status != AVJ_OK)
            status = avj_fail(err, status, "fields of a %s: %s", avj_schema(entity)->kind,
                              avj_status_text(status));
    }
    avj_pack_release(&pack);
    return status;
}
