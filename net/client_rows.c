/* Server rows and local fields: see client_rows.h. */
#include "net/client_rows.h"
#include "net/json.h"
#include "replay/clock.h"

#include <stdlib.h>
#include <string.h>

/* JSON texts nested deeper stay texts, so that a document as a whole stays below
 * AVJ_VALUE_DEPTH_MAX. */
enum { JSON_TEXT_DEPTH = 24 };

/* ---- reading ---- */

static bool shallow(const json_t *json, int depth)
{
    const char *key;
    json_t *item;
    size_t i;
    if (depth == 0)
        return false;
    json_array_foreach((json_t *)(uintptr_t)json, i, item)
    {
        if (!shallow(item, depth - 1))
            return false;
    }
    json_object_foreach((json_t *)(uintptr_t)json, key, item)
    {
        if (!shallow(item, depth - 1))
            return false;
    }
    return true;
}

/* The value that a JSON text spells, NULL when it spells none. */
static json_t *parse_text(const json_t *text, bool only_objects)
{
    const char *data = json_string_value(text);
    size_t len = json_string_length(text);
    if (!data || (only_objects && data[0] != '{'))
        return NULL;
    json_t *json = json_loadb(data, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (json && shallow(json, JSON_TEXT_DEPTH))
        return json;
    json_decref(json);
    return NULL;
}

static void pack_text_or_json(struct avj_pack *pack, const json_t *value, bool only_objects)
{
    json_t *parsed = json_is_string(value) ? parse_text(value, only_objects) : NULL;
    avj_json_pack(pack, parsed ? parsed : value);
    json_decref(parsed);
}

static void pack_json_or_texts(struct avj_pack *pack, const json_t *value)
{
    if (!json_is_array(value)) {
        pack_text_or_json(pack, value, false);
        return;
    }
    avj_pack_list(pack, json_array_size(value));
    for (size_t i = 0; i < json_array_size(value); i++)
        pack_text_or_json(pack, json_array_get(value, i), true);
}

static void pack_attribute(struct avj_pack *pack, const struct avj_field *field,
                           const json_t *value)
{
    if (field && field->form == AVJ_R_JSON_TEXT)
        pack_text_or_json(pack, value, false);
    else if (field && field->form == AVJ_R_JSON_OR_TEXTS)
        pack_json_or_texts(pack, value);
    else if (shallow(value, JSON_TEXT_DEPTH))
        avj_json_pack(pack, value);
    else
        avj_pack_nil(pack);
}

/* The local name of attribute `name`; NULL: it is none of ours to keep. */
static const char *local_name(enum avj_entity entity, const char *name,
                              const struct avj_field **field)
{
    size_t len = strlen(name);
    *field = avj_field_find_remote(entity, name, len);
    if (*field)
        return (*field)->name;
    bool system = name[0] == '$' || strcmp(name, "userId") == 0;
    /* A local name that is written under another remote one would be taken for that. */
    return system || avj_field_find(entity, name, len) ? NULL : name;
}

static void pack_pair(struct avj_pack *pack, size_t *pairs, const char *name,
                      const struct avj_field *field, const json_t *value)
{
    avj_pack_cstr(pack, name);
    pack_attribute(pack, field, value);
    ++*pairs;
}

/* Fields that are not an attribute of their own: the id where a row lacks it, createdAt of the
 * system. */
static void pack_defaults(enum avj_entity entity, const json_t *object, const char *id,
                          struct avj_pack *pack, size_t *pairs)
{
    const struct avj_entity_schema *schema = avj_schema(entity);
    for (size_t i = 0; i < schema->count; i++) {
        const struct avj_field *field = &schema->fields[i];
        const json_t *value = json_object_get(object, field->remote);
        if (value && !json_is_null(value))
            continue;
        const json_t *created = json_object_get(object, "$createdAt");
        if (field->form == AVJ_R_CREATED && json_is_string(created)) {
            pack_pair(pack, pairs, field->name, NULL, created);
        } else if (field->flags & AVJ_FF_ID) {
            avj_pack_cstr(pack, field->name);
            avj_pack_cstr(pack, id);
            ++*pairs;
        }
    }
}

static enum avj_status read_fields(enum avj_entity entity, const json_t *object, const char *id,
                                   struct avj_pack *out)
{
    struct avj_pack map = {0}, body = {0};
    size_t pairs = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        const struct avj_field *field;
        const char *local = json_is_null(value) ? NULL : local_name(entity, name, &field);
        if (local)
            pack_pair(&body, &pairs, local, field, value);
    }
    pack_defaults(entity, object, id, &body, &pairs);
    avj_pack_map(&map, pairs);
    avj_pack_raw(&map, body.data, body.len);
    bool failed = map.failed || body.failed;
    avj_pack_release(&body);
    struct avj_tree *tree = NULL;
    enum avj_status status = failed ? AVJ_ENOMEM : avj_tree_parse(map.data, map.len, &tree);
    if (!status)
        status = avj_fields_canonical(entity, avj_tree_root(tree), true, out);
    avj_tree_free(tree);
    avj_pack_release(&map);
    return status;
}

static const char *string_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    return text && *text && strlen(text) == json_string_length(value) ? text : NULL;
}

static const char *append(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *to = *at;
    memcpy(to, text, size);
    *at += size;
    return to;
}

static enum avj_status fill(struct avj_row_copy *out, enum avj_entity entity, const char *id,
                            const char *remote_id, const char *version, const char *created)
{
    size_t size = strlen(id) + strlen(remote_id) + strlen(version) + strlen(created) + 4;
    out->texts = malloc(size);
    if (!out->texts)
        return AVJ_ENOMEM;
    char *at = out->texts;
    out->row = (struct avj_row){.entity = entity,
                                .id = append(&at, id),
                                .remote_id = append(&at, remote_id),
                                .version = append(&at, version),
                                .created = append(&at, created),
                                .fields = {out->pack.data, out->pack.len}};
    return AVJ_OK;
}

enum avj_status avj_row_read(enum avj_entity entity, const json_t *object, const char *user,
                             struct avj_row_copy *out, struct avj_error *err)
{
    *out = (struct avj_row_copy){0};
    const char *owner = string_of(object, "userId");
    const char *remote_id = string_of(object, "$id");
    const char *version = string_of(object, "$updatedAt");
    const char *created = string_of(object, "$createdAt");
    const char *id = string_of(object, avj_schema(entity)->fields[0].remote);
    if (!remote_id || !version || strlen(remote_id) >= AVJ_REMOTE_ID_TEXT)
        return avj_fail(err, AVJ_EFORMAT, "a row of %s has no usable $id and $updatedAt",
                        avj_schema(entity)->collection);
    if (!owner || strcmp(owner, user) != 0)
        return avj_fail(err, AVJ_ENOTFOUND, "row %s belongs to another user", remote_id);
    if (!id)
        id = remote_id;
    enum avj_status status = read_fields(entity, object, id, &out->pack);
    if (!status)
        status = fill(out, entity, id, remote_id, version, created ? created : version);
    if (status) {
        avj_row_copy_release(out);
        return avj_fail(err, status, "row %s: %s", remote_id, avj_status_text(status));
    }
    return AVJ_OK;
}

void avj_row_copy_release(struct avj_row_copy *copy)
{
    free(copy->texts);
    avj_pack_release(&copy->pack);
    *copy = (struct avj_row_copy){0};
}

/* ---- writing ---- */

static const char *lesson(const struct avj_lessons *lessons, enum avj_entity entity,
                          const char *field)
{
    const char *what =
        lessons && lessons->learned ? lessons->learned(lessons->arg, entity, field) : NULL;
    return what ? what : "";
}

/* A JSON string holding the compact text of `value`; consumes it. */
static json_t *as_text(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_t *string = text ? json_string(text) : NULL;
    free(text);
    json_decref(value);
    return string;
}

/* A native array of strings: texts as they are, everything else as JSON text; consumes `value`. */
static json_t *as_texts(json_t *value)
{
    json_t *list = json_array();
    bool ok = value && list;
    if (ok && !json_is_array(value))
        ok = json_array_append_new(list, as_text(json_incref(value))) == 0;
    for (size_t i = 0; ok && json_is_array(value) && i < json_array_size(value); i++) {
        json_t *item = json_incref(json_array_get(value, i));
        ok = json_array_append_new(list, json_is_string(item) ? item : as_text(item)) == 0;
    }
    json_decref(value);
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *write_value(const struct avj_field *field, struct avj_value value,
                           const char *learned)
{
    json_t *json = avj_json_from_value(value);
    if (!field || value.kind == AVJ_NIL)
        return json;
    if (field->form == AVJ_R_JSON_OR_TEXTS && strcmp(learned, "array") == 0)
        return as_texts(json);
    if (field->form == AVJ_R_JSON_TEXT || field->form == AVJ_R_JSON_OR_TEXTS)
        return as_text(json);
    return json;
}

/* The name as C text; false: too long, or with a NUL in it, to be an attribute. */
static bool name_text(struct avj_value key, char out[80])
{
    if (key.kind != AVJ_TEXT || key.len == 0 || key.len >= 80 || memchr(key.text, 0, key.len))
        return false;
    memcpy(out, key.text, key.len);
    out[key.len] = '\0';
    return true;
}

/* The attribute name a local field is written as; NULL: not written at all. */
static const char *remote_name(enum avj_entity entity, const char *name,
                               const struct avj_field **field)
{
    *field = avj_field_find(entity, name, strlen(name));
    if (*field)
        return (*field)->remote;
    bool reserved = name[0] == '$' || strcmp(name, "userId") == 0 ||
                    avj_field_find_remote(entity, name, strlen(name));
    return reserved ? NULL : name;
}

static bool write_pair(enum avj_entity entity, struct avj_value key, struct avj_value value,
                       bool create, const struct avj_lessons *lessons, json_t *data,
                       json_t *omitted)
{
    char name[80];
    const struct avj_field *field;
    const char *remote = name_text(key, name) ? remote_name(entity, name, &field) : NULL;
    if (!remote || (create && value.kind == AVJ_NIL))
        return true;
    if (!create && field && field->flags & AVJ_FF_ID)
        return true;
    const char *learned = lesson(lessons, entity, name);
    if (strcmp(learned, "missing") != 0)
        return json_object_set_new(data, remote, write_value(field, value, learned)) == 0;
    /* The row has a createdAt of its own then: nothing is kept back. */
    if (field && field->form == AVJ_R_CREATED)
        return true;
    return json_array_append_new(omitted, json_string(name)) == 0;
}

static enum avj_status parse(struct avj_fields fields, struct avj_tree **tree,
                             struct avj_value *map)
{
    static const uint8_t empty = 0x80; /* msgpack's empty map */
    enum avj_status status =
        avj_tree_parse(fields.len ? fields.data : &empty, fields.len ? fields.len : 1, tree);
    if (status)
        return status;
    *map = avj_tree_root(*tree);
    return map->kind == AVJ_MAP ? AVJ_OK : AVJ_EFORMAT;
}

enum avj_status avj_row_write(enum avj_entity entity, struct avj_fields fields, bool create,
                              const char *user, const struct avj_lessons *lessons, json_t **data,
                              json_t **omitted)
{
    struct avj_tree *tree = NULL;
    struct avj_value map, key, value;
    enum avj_status status = parse(fields, &tree, &map);
    *data = json_object();
    *omitted = json_array();
    bool ok = *data && *omitted;
    for (size_t i = 0; !status && ok && i < map.len; i++) {
        avj_value_pair(map, i, &key, &value);
        ok = write_pair(entity, key, value, create, lessons, *data, *omitted);
    }
    if (ok && create)
        ok = json_object_set_new(*data, "userId", json_string(user)) == 0;
    avj_tree_free(tree);
    if (!status && ok)
        return AVJ_OK;
    json_decref(*data);
    json_decref(*omitted);
    *data = *omitted = NULL;
    return status ? status : AVJ_ENOMEM;
}

/* ---- comparing ---- */

static bool absent(struct avj_value value)
{
    return value.kind == AVJ_NIL || (value.kind == AVJ_LIST && value.len == 0);
}

static bool same(const struct avj_field *field, struct avj_value want, struct avj_value have)
{
    if (absent(want) && absent(have))
        return true;
    int64_t a, b;
    bool times = field && field->type == AVJ_F_TIME && want.kind == AVJ_TEXT &&
                 have.kind == AVJ_TEXT && avj_time_parse(want.text, want.len, &a) &&
                 avj_time_parse(have.text, have.len, &b);
    if (times)
        return field->merge == AVJ_M_MAX ? b >= a : a == b;
    return avj_value_equal(want, have);
}

/* Fields that can not differ in a way that a write would change. */
static bool settled(enum avj_entity entity, const char *name, const struct avj_field *field,
                    const struct avj_lessons *lessons)
{
    return (field && (field->flags & AVJ_FF_ID || field->form == AVJ_R_CREATED)) ||
           strcmp(lesson(lessons, entity, name), "missing") == 0;
}

static void diff_pair(enum avj_entity entity, struct avj_value key, struct avj_value want,
                      struct avj_value have, const struct avj_lessons *lessons,
                      struct avj_pack *body, size_t *pairs)
{
    char name[80];
    const struct avj_field *field;
    struct avj_value now;
    if (!name_text(key, name) || !remote_name(entity, name, &field) ||
        settled(entity, name, field, lessons))
        return;
    avj_value_get(have, name, &now);
    if (same(field, want, now))
        return;
    avj_pack_cstr(body, name);
    avj_pack_value(body, want);
    ++*pairs;
}

enum avj_status avj_row_diff(enum avj_entity entity, struct avj_fields want, struct avj_fields have,
                             const struct avj_lessons *lessons, struct avj_pack *patch,
                             bool *differ)
{
    struct avj_tree *want_tree = NULL, *have_tree = NULL;
    struct avj_value want_map, have_map, key, value;
    struct avj_pack body = {0};
    size_t pairs = 0;
    enum avj_status status = parse(want, &want_tree, &want_map);
    if (!status)
        status = parse(have, &have_tree, &have_map);
    for (size_t i = 0; !status && i < want_map.len; i++) {
        avj_value_pair(want_map, i, &key, &value);
        diff_pair(entity, key, value, have_map, lessons, &body, &pairs);
    }
    avj_pack_map(patch, pairs);
    avj_pack_raw(patch, body.data, body.len);
    if (!status && (body.failed || patch->failed))
        status = AVJ_ENOMEM;
    *differ = pairs > 0;
    avj_pack_release(&body);
    avj_tree_free(want_tree);
    avj_tree_free(have_tree);
    return status;
}

const char *avj_row_optional(enum avj_entity entity, const char *name, struct avj_fields fields,
                             char buffer[80])
{
    const struct avj_field *field = avj_field_find_remote(entity, name, strlen(name));
    if (field)
        return field->flags & (AVJ_FF_REQUIRED | AVJ_FF_ID) && field->form != AVJ_R_CREATED
                   ? NULL
                   : field->name;
    struct avj_tree *tree = NULL;
    struct avj_value map, value;
    bool found = strlen(name) < 80 && parse(fields, &tree, &map) == AVJ_OK &&
                 avj_value_get(map, name, &value);
    avj_tree_free(tree);
    if (!found)
        return NULL;
    memcpy(buffer, name, strlen(name) + 1);
    return buffer;
}
