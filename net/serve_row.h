/*
 * Rows of the server's collections: immutable, each in one allocation, made through a draft.
 *
 * A draft takes values from JSON, from an older row or from a journal entry; strings are borrowed
 * from there until the row is made.
 *
 * Threading: one thread.
 */
#ifndef AVJ_SERVE_ROW_H
#define AVJ_SERVE_ROW_H

#include "net/serve_schema.h"
#include "net/text.h"
#include "replay/clock.h"
#include "replay/value.h"

#include <jansson.h>

enum avj_cell_kind {
    AVJ_CELL_NULL,
    AVJ_CELL_BOOL,
    AVJ_CELL_INT,
    AVJ_CELL_TEXT,
    AVJ_CELL_LIST /* JSON text of an array of texts */
};

struct avj_cell {
    enum avj_cell_kind kind;
    int64_t integer; /* ints and bools */
    const char *text;
    size_t len;
};

struct avj_server_row {
    const char *id;
    uint64_t sequence;
    uint64_t mutation; /* number of the write that made it, of this run of the server */
    int64_t created_ms, updated_ms;
    const char *perms; /* serve_perms.h */
    size_t perms_len;
    size_t count;
    struct avj_cell cells[]; /* in schema order; texts point into the row */
};

struct avj_draft {
    const struct avj_collection_schema *schema;
    struct avj_cell cells[AVJ_ATTRS_MAX];
    char times[AVJ_ATTRS_MAX][AVJ_TIME_TEXT];
    char *owned[AVJ_ATTRS_MAX];
};

/* All null. */
void avj_draft_init(struct avj_draft *draft, const struct avj_collection_schema *schema);
void avj_draft_release(struct avj_draft *draft);
/* Value i from a row of the same schema. */
void avj_draft_copy(struct avj_draft *draft, size_t i, const struct avj_server_row *row);
/* Value i from JSON that avj_structure_check has seen; datetimes are normalised.  False: out of
 * memory. */
AVJ_CHECKED bool avj_draft_set(struct avj_draft *draft, size_t i, const json_t *value,
                               int64_t now_ms);
bool avj_draft_equals(const struct avj_draft *draft, const struct avj_server_row *row);
/* NULL: out of memory.  sequence, mutation and times are the caller's to fill.  free() it. */
struct avj_server_row *avj_draft_row(const struct avj_draft *draft, const char *id,
                                     const char *perms, size_t perms_len);

/* A datetime as a client may write it, words like "yesterday" included; normalised. */
bool avj_server_time(const char *text, size_t len, int64_t now_ms, char out[AVJ_TIME_TEXT]);

/* The value of a `server` entry, and the row it makes (NULL: malformed or out of memory; unknown
 * attributes are left out). */
void avj_row_pack(struct avj_pack *pack, const struct avj_collection_schema *schema,
                  const struct avj_server_row *row);
struct avj_server_row *avj_row_unpack(const struct avj_collection_schema *schema, const char *id,
                                      struct avj_value value);

#endif
