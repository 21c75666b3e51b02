/*
 * The schema: every field of every entity, once.  Adding a field to the program is adding a row to
 * the table in schema.c; codecs, merge, import, export and the server follow from it.  Fields that
 * are not in it are kept and passed on.
 *
 * Source: the data model of AVChat and the attribute names of its Appwrite collections.
 */
#ifndef AVJ_SCHEMA_H
#define AVJ_SCHEMA_H

#include "journal/status.h"

#include <stddef.h>
#include <stdint.h>

AVJ_BEGIN_C

enum avj_entity { AVJ_THREAD, AVJ_MESSAGE, AVJ_SUMMARY, AVJ_PROJECT, AVJ_ENTITIES };

enum avj_field_type {
    AVJ_F_TEXT,
    AVJ_F_BOOL,
    AVJ_F_INT,
    AVJ_F_TIME /* ISO 8601 text */,
    AVJ_F_TEXTS /* list of text */,
    AVJ_F_JSON /* any value */
};

/* How a field is written remotely. */
enum avj_remote_form {
    AVJ_R_SAME,          /* as it is */
    AVJ_R_JSON_TEXT,     /* as a JSON string; a native value is read too */
    AVJ_R_JSON_OR_TEXTS, /* a JSON string, or a native string array where the deployment has that:
                            both are read */
    AVJ_R_CREATED, /* the attribute where the deployment has it, else the system field $createdAt
                      (then not written) */
};

/* How two values that meet are merged. */
enum avj_merge {
    AVJ_M_LAST,
    /* the later edit wins */ AVJ_M_MAX /* the larger time wins; never a conflict */
};

enum avj_field_flags {
    AVJ_FF_REQUIRED = 1, /* an import line without it is refused */
    AVJ_FF_ID = 2,       /* the app-level id */
    AVJ_FF_THREAD = 4,   /* refers to a thread's id */
    AVJ_FF_IMMUTABLE = 8,
};

struct avj_field {
    const char *name; /* local name */
    size_t name_len;
    const char *remote; /* attribute name */
    enum avj_field_type type;
    enum avj_remote_form form;
    enum avj_merge merge;
    unsigned flags;
};

struct avj_entity_schema {
    enum avj_entity entity;
    const char *kind;       /* "thread": in import lines, entries and messages */
    const char *collection; /* default collection name: "threads" */
    const struct avj_field
        *fields; /* first the id; the order is the canonical and the export order */
    size_t count;
};

/* Static storage. */
AVJ_API const struct avj_entity_schema *avj_schema(enum avj_entity entity);
/* By kind ("thread"); AVJ_ENTITIES when there is none. */
AVJ_API enum avj_entity avj_entity_from_kind(const char *kind, size_t len);
/* By local or by remote name; NULL when unknown. */
AVJ_API const struct avj_field *avj_field_find(enum avj_entity entity, const char *name,
                                               size_t len);
AVJ_API const struct avj_field *avj_field_find_remote(enum avj_entity entity, const char *remote,
                                                      size_t len);
/* Position for the canonical order: the row's index, or the row count when the schema does not know
 * it. */
AVJ_API size_t avj_field_rank(enum avj_entity entity, const char *name, size_t len);

AVJ_END_C

#endif
