/*
 * Server rows and local fields, each made from the other through the schema's table
 * (replay/schema.h).
 *
 * Reading: system fields and userId are no local fields; nulls are dropped; attributes that the
 * schema does not know are kept under their own names.  Writing: what the deployment turned out to
 * lack (avj_sync_learned "missing") is left out and named.
 *
 * Threading: pure functions.
 */
#ifndef AVJ_NET_CLIENT_ROWS_H
#define AVJ_NET_CLIENT_ROWS_H

#include "replay/sync.h"

#include <jansson.h>

/* What was learned about a field: "missing", "array", "text" or NULL.  As avj_sync_learned. */
struct avj_lessons {
    const char *(*learned)(const void *arg, enum avj_entity entity, const char *field);
    const void *arg;
};

/* A row in local terms that owns what it points to. */
struct avj_row_copy {
    struct avj_row row;
    char *texts; /* id, remote id, version, created */
    struct avj_pack pack;
};

/*
 * Errors: AVJ_ENOTFOUND (the row belongs to another user), AVJ_EFORMAT (no $id or $updatedAt),
 * AVJ_ENOMEM.  Zero-initialise *out before, or release it; after an error there is nothing to
 * release.
 */
AVJ_CHECKED enum avj_status avj_row_read(enum avj_entity entity, const json_t *object,
                                         const char *user, struct avj_row_copy *out,
                                         struct avj_error *err);
void avj_row_copy_release(struct avj_row_copy *copy);

/*
 * The `data` of a write.  create: nil is left out and userId added; update: nil becomes null.
 * *omitted: a new array with the local names of what was left out because the deployment lacks it.
 * Errors: AVJ_EFORMAT (fields are no map), AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status avj_row_write(enum avj_entity entity, struct avj_fields fields,
                                          bool create, const char *user,
                                          const struct avj_lessons *lessons, json_t **data,
                                          json_t **omitted);

/* What of `want` the row does not hold yet, as a patch (nil where it must go).  Fields the
 * deployment lacks do not count; times are compared as times.  *differ tells whether there is
 * anything. */
AVJ_CHECKED enum avj_status avj_row_diff(enum avj_entity entity, struct avj_fields want,
                                         struct avj_fields have, const struct avj_lessons *lessons,
                                         struct avj_pack *patch, bool *differ);

/* The local name of the field that is written as attribute `name`; NULL when it may not be left out
 * (it is required, or it is no field of ours). `fields` is where names that the schema does not
 * know are looked up. */
const char *avj_row_optional(enum avj_entity entity, const char *name, struct avj_fields fields,
                             char buffer[80]);

#endif
