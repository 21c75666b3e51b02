/*
 * What a replica must show, said a second time: MERGE.md carried out as simply as can be, on lists
 * and with fields as texts.  It knows nothing of entries, msgpack, slots or snapshots.
 *
 * Threading: one thread.  Zero-initialise; oracle_release at the end.
 */
#ifndef PROPERTY_ORACLE_H
#define PROPERTY_ORACLE_H

#include "replay/entry.h"
#include "tests/property/fieldmap.h"

enum { ROWS_MAX = 16, PENDING_MAX = 48 };

/* A row of the server at one moment. */
struct row {
    enum avj_entity entity;
    const char *id;  /* local id */
    const char *row; /* $id */
    int64_t version_ms;
    bool deleted;
    struct fieldmap fields; /* in canonical order */
};

struct pending {
    unsigned serial; /* rises with every mutation of the replica */
    int64_t ms;      /* when it was made, by the replica's clock */
    enum avj_op op;
    bool attempted;
    struct fieldmap fields; /* "null" clears */
};

struct doc {
    enum avj_entity entity;
    const char *id;
    struct row rows[ROWS_MAX];
    size_t row_count;
    struct pending pending[PENDING_MAX];
    size_t pending_count;
    struct fieldmap kept;
    bool parked;
};

/* What lost a merge. */
struct loss {
    enum avj_entity entity;
    const char *id;
    bool here; /* the edit made here lost */
    struct fieldmap fields;
};

struct oracle {
    struct doc **docs;
    size_t doc_count;
    struct loss *losses;
    size_t loss_count;
    unsigned serial;
    int64_t offset_ms;      /* the server's clock minus this one */
    const char *missing[8]; /* "kind.field" that the deployment turned out to lack */
    size_t missing_count;
};

void oracle_release(struct oracle *oracle);

struct doc *oracle_find(const struct oracle *oracle, enum avj_entity entity, const char *id);
/* The document a row belongs to; NULL: unknown. */
struct row *oracle_row(const struct oracle *oracle, enum avj_entity entity, const char *row);
bool oracle_lacks(const struct oracle *oracle, enum avj_entity entity, const char *name);

/* base + pending, in canonical order; false: not there. */
bool doc_shared(const struct doc *doc, struct fieldmap *out);
/* kept + base + pending. */
bool doc_visible(const struct doc *doc, struct fieldmap *out);
/* The row that stands for it; NULL: none. */
const struct row *doc_base(const struct doc *doc);
/* The digest of fields under a name, as it is summed up over a view. */
void digest_add(uint64_t sum[2], enum avj_entity entity, const char *id,
                const struct fieldmap *fields);
void oracle_digest(const struct oracle *oracle, uint64_t sum[2]);

/* ---- what happens ---- */

void oracle_local(struct oracle *oracle, int64_t ms, enum avj_op op, enum avj_entity entity,
                  const char *id, const struct fieldmap *fields);
void oracle_push(struct oracle *oracle, enum avj_entity entity, const char *id, unsigned upto);
void oracle_remote(struct oracle *oracle, const struct row *row);
/* row NULL: nothing was sent; deleted: at the version that the operation was based on.  kept:
 * names, NULL-terminated. */
void oracle_ack(struct oracle *oracle, enum avj_entity entity, const char *id, unsigned upto,
                const struct row *row, const char *const *kept);
void oracle_reject(struct oracle *oracle, enum avj_entity entity, const char *id, unsigned upto);
void oracle_retry(struct oracle *oracle, enum avj_entity entity, const char *id);
void oracle_drop(struct oracle *oracle, enum avj_entity entity, const char *id);
void oracle_forget_loss(struct oracle *oracle, size_t index);

/* Of two states of one version: which stays.  > 0: a. */
int state_compare(const struct row *a, const struct row *b);

#endif
