/*
 * What the server's collections hold: the four collections of AVChat with typed attributes, derived
 * from the schema table of replay/.  It is data, so that a deployment that lacks attributes, or
 * that lets every user read everything, can be had too.
 *
 * Threading: plain data, constant once made.
 */
#ifndef AVJ_SERVE_SCHEMA_H
#define AVJ_SERVE_SCHEMA_H

#include "replay/schema.h"

enum avj_attr_type { AVJ_A_TEXT, AVJ_A_BOOL, AVJ_A_INT, AVJ_A_TIME, AVJ_A_TEXTS };

struct avj_attr {
    const char *name;
    enum avj_attr_type type;
    size_t size; /* texts: most characters */
    bool required;
};

/* What every user may do with every row of a collection, whatever the row's own permissions say. */
enum avj_users_may {
    AVJ_USERS_CREATE = 1,
    AVJ_USERS_READ = 2,
    AVJ_USERS_UPDATE = 4,
    AVJ_USERS_DELETE = 8
};

#define AVJ_ATTRS_MAX 32

struct avj_collection_schema {
    const char *id;
    unsigned number; /* from 1 */
    unsigned users_may;
    bool absent; /* the deployment does not have it */
    struct avj_attr attrs[AVJ_ATTRS_MAX];
    size_t count;
};

struct avj_deployment {         /* zero: the default */
    const char *const *missing; /* "messages.model", "summaries", ...: attributes and collections
                                   that this deployment lacks; NULL-terminated, may be NULL */
    unsigned users_may;         /* 0: users may create, and each row has its own permissions */
};

struct avj_serve_schema {
    struct avj_collection_schema collections[AVJ_ENTITIES];
};

void avj_serve_schema_init(struct avj_serve_schema *schema,
                           const struct avj_deployment *deployment);
/* NULL: there is none of that name. */
const struct avj_collection_schema *avj_serve_schema_find(const struct avj_serve_schema *schema,
                                                          const char *id);
/* Index of the attribute, -1: unknown. */
int avj_attr_index(const struct avj_collection_schema *schema, const char *name);

#endif
