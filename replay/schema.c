/* The one table of fields: see schema.h. */
#include "replay/schema.h"

#include <string.h>

#define NAME(text) text, sizeof(text) - 1

/* name and its length, remote name, type, remote form, merge rule, flags */
static const struct avj_field thread_fields[] = {
    {NAME("id"), "threadId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_ID | AVJ_FF_IMMUTABLE},
    {NAME("title"), "title", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {NAME("createdAt"), "createdAt", AVJ_F_TIME, AVJ_R_CREATED, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_IMMUTABLE},
    {NAME("updatedAt"), "updatedAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_MAX, 0},
    {NAME("lastMessageAt"), "lastMessageAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_MAX, 0},
    {NAME("isPinned"), "isPinned", AVJ_F_BOOL, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("tags"), "tags", AVJ_F_TEXTS, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("isBranched"), "isBranched", AVJ_F_BOOL, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("projectId"), "projectId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("isShared"), "isShared", AVJ_F_BOOL, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("shareId"), "shareId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("sharedAt"), "sharedAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_LAST, 0},
};

static const struct avj_field message_fields[] = {
    {NAME("id"), "messageId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_ID | AVJ_FF_IMMUTABLE},
    {NAME("threadId"), "threadId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_THREAD},
    {NAME("role"), "role", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {NAME("content"), "content", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {NAME("createdAt"), "createdAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {NAME("model"), "model", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("webSearchResults"), "webSearchResults", AVJ_F_JSON, AVJ_R_JSON_OR_TEXTS, AVJ_M_LAST, 0},
    {NAME("webSearchImgs"), "webSearchImgs", AVJ_F_TEXTS, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("attachments"), "attachments", AVJ_F_JSON, AVJ_R_JSON_TEXT, AVJ_M_LAST, 0},
    {NAME("imgurl"), "imgurl", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("isPlan"), "isPlan", AVJ_F_BOOL, AVJ_R_SAME, AVJ_M_LAST, 0},
};

static const struct avj_field summary_fields[] = {
    {NAME("id"), "summaryId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_ID | AVJ_FF_IMMUTABLE},
    {NAME("threadId"), "threadId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_THREAD},
    {NAME("messageId"), "messageId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {NAME("content"), "content", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {NAME("createdAt"), "createdAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
};

static const struct avj_field project_fields[] = {
    {NAME("id"), "projectId", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST,
     AVJ_FF_REQUIRED | AVJ_FF_ID | AVJ_FF_IMMUTABLE},
    {NAME("name"), "name", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {NAME("description"), "description", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("prompt"), "prompt", AVJ_F_TEXT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("colorIndex"), "colorIndex", AVJ_F_INT, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("members"), "members", AVJ_F_TEXTS, AVJ_R_SAME, AVJ_M_LAST, 0},
    {NAME("createdAt"), "createdAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_LAST, AVJ_FF_REQUIRED},
    {NAME("updatedAt"), "updatedAt", AVJ_F_TIME, AVJ_R_SAME, AVJ_M_MAX, 0},
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
        if (schema->fields[i].name_len == len && memcmp(schema->fields[i].name, name, len) == 0)
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
