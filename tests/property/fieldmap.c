/* See fieldmap.h. */
#include "tests/property/fieldmap.h"

#include "net/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- texts ---- */

struct text {
    struct text *next;
    char bytes[];
};

static struct text *texts;

const char *text_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    struct text *t = malloc(sizeof(*t) + (size_t)len + 1);
    if (len < 0 || !t)
        abort();
    va_start(args, format);
    vsnprintf(t->bytes, (size_t)len + 1, format, args);
    va_end(args);
    t->next = texts;
    texts = t;
    return t->bytes;
}

void texts_release(void)
{
    while (texts) {
        struct text *next = texts->next;
        free(texts);
        texts = next;
    }
}

/* ---- maps ---- */

static size_t place(const struct fieldmap *map, const char *name)
{
    size_t i = 0;
    while (i < map->count && strcmp(map->at[i].name, name) != 0)
        i++;
    return i;
}

const char *field_get(const struct fieldmap *map, const char *name)
{
    size_t i = place(map, name);
    return i < map->count ? map->at[i].json : NULL;
}

void field_set(struct fieldmap *map, const char *name, const char *json)
{
    size_t i = place(map, name);
    if (i == FIELDS_MAX)
        abort();
    map->at[i].name = name;
    map->at[i].json = json;
    if (i == map->count)
        map->count++;
}

void field_remove(struct fieldmap *map, const char *name)
{
    size_t i = place(map, name);
    if (i == map->count)
        return;
    map->count--;
    memmove(&map->at[i], &map->at[i + 1], (map->count - i) * sizeof(map->at[0]));
}

void fields_apply(struct fieldmap *map, const struct fieldmap *change)
{
    for (size_t i = 0; i < change->count; i++) {
        if (strcmp(change->at[i].json, "null") == 0)
            field_remove(map, change->at[i].name);
        else
            field_set(map, change->at[i].name, change->at[i].json);
    }
}

const char *fields_text(const struct fieldmap *map)
{
    const char *text = "";
    for (size_t i = 0; i < map->count; i++)
        text = text_printf("%s%s%s:%s", text, i ? ", " : "", map->at[i].name, map->at[i].json);
    return text_printf("{%s}", text);
}

bool fields_equal(const struct fieldmap *a, const struct fieldmap *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->at[i].name, b->at[i].name) != 0 || strcmp(a->at[i].json, b->at[i].json) != 0)
            return false;
    return true;
}

/* ---- to and from the library's form ---- */

uint8_t *fields_pack(const struct fieldmap *map, size_t *len)
{
    struct avj_pack pack = {0};
    avj_pack_map(&pack, map->count);
    for (size_t i = 0; i < map->count; i++) {
        json_t *value = json_loads(map->at[i].json, JSON_DECODE_ANY, NULL);
        if (!value)
            abort();
        avj_pack_cstr(&pack, map->at[i].name);
        avj_json_pack(&pack, value);
        json_decref(value);
    }
    if (pack.failed)
        abort();
    *len = pack.len;
    return pack.data;
}

struct fieldmap fields_unpack(struct avj_fields fields)
{
    struct fieldmap map = {0};
    struct avj_tree *tree;
    if (!fields.len)
        return map;
    if (avj_tree_parse(fields.data, fields.len, &tree) != AVJ_OK)
        abort();
    for (size_t i = 0; i < avj_tree_root(tree).len; i++) {
        struct avj_value name, value;
        avj_value_pair(avj_tree_root(tree), i, &name, &value);
        json_t *json = avj_json_from_value(value);
        char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
        field_set(&map, text_printf("%.*s", (int)name.len, name.text), text_printf("%s", text));
        free(text);
        json_decref(json);
    }
    avj_tree_free(tree);
    return map;
}

/* ---- the schema, once more ---- */

static const char *const orders[AVJ_ENTITIES][14] = {
    [AVJ_THREAD] = {"id", "title", "createdAt", "updatedAt", "lastMessageAt", "isPinned", "tags",
                    "isBranched", "projectId", "isShared", "shareId", "sharedAt"},
    [AVJ_MESSAGE] = {"id", "threadId", "role", "content", "createdAt", "model", "webSearchResults",
                     "webSearchImgs", "attachments", "imgurl", "isPlan"},
    [AVJ_SUMMARY] = {"id", "threadId", "messageId", "content", "createdAt"},
    [AVJ_PROJECT] = {"id", "name", "description", "prompt", "colorIndex", "members", "createdAt",
                     "updatedAt"},
};

const char *kind_name(enum avj_entity entity)
{
    static const char *const names[] = {"thread", "message", "summary", "project"};
    return names[entity];
}

static size_t rank(enum avj_entity entity, const char *name)
{
    size_t i = 0;
    while (orders[entity][i] && strcmp(orders[entity][i], name) != 0)
        i++;
    return orders[entity][i] ? i : 99;
}

void fields_sort(enum avj_entity entity, struct fieldmap *map)
{
    struct fieldmap sorted = {0};
    while (map->count) {
        size_t first = 0;
        for (size_t i = 1; i < map->count; i++) {
            size_t a = rank(entity, map->at[i].name), b = rank(entity, map->at[first].name);
            if (a < b || (a == b && strcmp(map->at[i].name, map->at[first].name) < 0))
                first = i;
        }
        field_set(&sorted, map->at[first].name, map->at[first].json);
        field_remove(map, map->at[first].name);
    }
    *map = sorted;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

bool field_is_time(enum avj_entity entity, const char *name)
{
    static const char *const times[AVJ_ENTITIES][5] = {
        [AVJ_THREAD] = {"createdAt", "updatedAt", "lastMessageAt", "sharedAt"},
        [AVJ_MESSAGE] = {"createdAt"},
        [AVJ_SUMMARY] = {"createdAt"},
        [AVJ_PROJECT] = {"createdAt", "updatedAt"},
    };
    return is_one_of(name, times[entity]);
}

bool field_only_grows(enum avj_entity entity, const char *name)
{
    static const char *const growing[AVJ_ENTITIES][3] = {
        [AVJ_THREAD] = {"updatedAt", "lastMessageAt"},
        [AVJ_PROJECT] = {"updatedAt"},
    };
    return is_one_of(name, growing[entity]);
}

bool field_is_given(enum avj_entity entity, const char *name)
{
    return entity == AVJ_THREAD && strcmp(name, "createdAt") == 0;
}

bool field_is_fixed(enum avj_entity entity, const char *name)
{
    return strcmp(name, "id") == 0 || field_is_given(entity, name);
}

/* ---- times ---- */

bool json_time(const char *json, int64_t *ms)
{
    struct tm tm = {0};
    int milli, used = 0, zone = 0;
    if (!json || sscanf(json, "\"%4d-%2d-%2dT%2d:%2d:%2d.%3d%n", &tm.tm_year, &tm.tm_mon,
                        &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &milli, &used) != 7)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (strcmp(json + used, "Z\"") != 0 && sscanf(json + used, "+%2d:00\"", &zone) != 1)
        return false;
    *ms = ((int64_t)timegm(&tm) - zone * 3600) * 1000 + milli;
    return true;
}

static const char *format_time(int64_t ms, int zone, const char *suffix)
{
    time_t seconds = (time_t)(ms / 1000) + zone * 3600;
    struct tm tm;
    char text[32];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    return text_printf("%s.%03d%s", text, (int)(ms % 1000), suffix);
}

const char *time_text(int64_t ms)
{
    return format_time(ms, 0, "+00:00");
}

const char *time_json(int64_t ms, unsigned how)
{
    return text_printf("\"%s\"", how == 1   ? format_time(ms, 0, "Z")
                                 : how == 2 ? format_time(ms, 2, "+02:00")
                                            : time_text(ms));
}

bool values_same(enum avj_entity entity, const char *name, const char *a, const char *b)
{
    int64_t x, y;
    a = a ? a : "null";
    b = b ? b : "null";
    if (strcmp(a, b) == 0)
        return true;
    return field_is_time(entity, name) && json_time(a, &x) && json_time(b, &y) && x == y;
}
