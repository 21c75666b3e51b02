/* The one table of fields: see schema.h. */
#include "replay/schema.h"

#include <string.h>

/* name, remote name, type, remote form, merge rule, flags */
static const struct avj_field thread_fields[] = {
    {"id", "threadId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_ID | AVJ_FF_IMMUTABLE},
    {"title", "title", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {"createdAt", "createdAt", AVJ_F_TIME, AVJ_R_CREATED, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_IMMUTABLE},
    {"updatedAt", "updatedAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_MAX, 0},
    {"lastMessageAt", "lastMessageAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_MAX, 0},
    {"isPinned", "isPinned", AVJ_F_BOOL, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"tags", "tags", AVJ_F_TEXTS, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"isBranched", "isBranched", AVJ_F_BOOL, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"projectId", "projectId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"isShared", "isShared", AVJ_F_BOOL, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"shareId", "shareId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"sharedAt", "sharedAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_LAST, 0},
};

static const struct avj_field message_fields[] = {
    {"id", "messageId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_ID | AVJ_FF_IMMUTABLE},
    {"threadId", "threadId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED | AVJ_FF_THREAD},
    {"role", "role", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {"content", "content", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {"createdAt", "createdAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {"model", "model", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"webSearchResults", "webSearchResults", AVJ_F_JSON, AVJ_R_JSON_OR_TEXTS, AVJ_M_LAST, 0},
    {"webSearchImgs", "webSearchImgs", AVJ_F_TEXTS, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"attachments", "attachments", AVJ_F_JSON, AVJ_R_JSON_TEXT, AVJ_M_LAST, 0},
    {"imgurl", "imgurl", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"isPlan", "isPlan", AVJ_F_BOOL, AVJ_R_SAME, AVJ_M_LAST, 0},
};

static const struct avj_field summary_fields[] = {
    {"id", "summaryId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_ID | AVJ_FF_IMMUTABLE},
    {"threadId", "threadId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED | AVJ_FF_THREAD},
    {"messageId", "messageId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {"content", "content", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {"createdAt", "createdAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
};

static const struct avj_field project_fields[] = {
    {"id", "projectId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_ID | AVJ_FF_IMMUTABLE},
    {"name", "name", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {"description", "description", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"prompt", "prompt", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"colorIndex", "colorIndex", AVJ_F_INT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"members", "members", AVJ_F_TEXTS, AVJ_R_SAME, AVJ_M_LAST, 0},
    {"createdAt", "createdAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {"updatedAt", "updatedAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_MAX, 0},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct avj_entity_schema schemas[AVJ_ENTITIES] = {
    [AVJ_THREAD] = {AVJ_THREAD, "thread", "threads", thread_fields, COUNT(thread_fields)},
    [AVJ_MESSAGE] = {AVJ_MESSAGE, "message", "messages", message_fields, COUNT(message_fields)},
    [AVJ_SUMMARY] = {AVJ_SUMMARY, "summary", "summaries", summary_fields, COUNT(summary_fields)},
    [AVJ_PROJECT] = {AVJ_PROJECT, "project", "projects", project_fields, COUNT(project_fields)},
};

const struct avj_entity_schema *avj_schema(enum avj_entity entity)
{
    return (size_t)entity < AVJ_ENTITIES ? &schemas[entity] : NULL;
}

static bool same(const char *text, const char *name, size_t len)
{
    return strlen(text) == len && memcmp(text, name, len) == 0;
}

enum avj_entity avj_entity_from_kind(const char *kind, size_t len)
{
    for (int e = 0; e < AVJ_ENTITIES; e++)
        if (same(schemas[e].kind, kind, len))
            return (enum avj_entity)e;
    return AVJ_ENTITIES;
}

size_t avj_field_rank(enum avj_entity entity, const char *name, size_t len)
{
    const struct avj_entity_schema *schema = &schemas[entity];
    for (size_t i = 0; i < schema->count; i++)
        if (same(schema->fields[i].name, name, len))
            return i;
    return schema->count;
}

const struct avj_field *avj_field_find(enum avj_entity entity, const char *name, size_t len)
{
    size_t rank = avj_field_rank(entity, name, len);
    return rank < schemas[entity].count ? &schemas[entity].fields[rank] : NULL;
}

const struct avj_field *avj_field_find_remote(enum avj_entity entity, const char *remote,
                                              size_t len)
{
    const struct avj_entity_schema *schema = &schemas[entity];
    for (size_t i = 0; i < schema->count; i++)
        if (same(schema->fields[i].remote, remote, len))
            return &schema->fields[i];
    return NULL;
}
