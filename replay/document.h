/*
 * A document that is `open` inside the view: base (known rows) + kept + pending = visible. MERGE.md
 * has the rules.  What it can read out of the log again (fields of rows and of pending mutations)
 * is loaded when it is needed: see avj_view_load in view_private.h.
 *
 * Threading: one thread, the view's.  Everything here is owned by the document.
 */
#ifndef AVJ_DOCUMENT_H
#define AVJ_DOCUMENT_H

#include "replay/entry.h"
#include "replay/fields.h"
#include "replay/glance.h"

struct avj_blob {
    uint8_t *data;
    size_t len;
};

/* One row of the server with this local id.  Usually there is one; clients that retry under random
 * ids make more. */
struct avj_known_row {
    struct avj_known_row *next;
    char *remote_id;
    char *version; /* $updatedAt */
    int64_t version_ms;
    bool deleted;           /* a tombstone: states up to `version` are history */
    bool loaded;            /* `fields` are here */
    bool dropped;           /* and only a mark: the entry is a stub */
    uint64_t hash;          /* dropped: XXH3-64 of what they were */
    uint64_t seq;           /* entry that holds them */
    struct avj_blob fields; /* canonical, no nils */
};

struct avj_pending {
    uint64_t seq;
    uint64_t hlc; /* 0 until it is loaded, where it comes out of a slot */
    uint64_t
        settled_at; /* its entry is a stub: the entry that it stops being pending at; 0: none */
    enum avj_op op;
    bool attempted;
    bool trimmed;           /* a merge took some of its fields: they are only here */
    bool loaded;            /* `fields` are here */
    struct avj_blob fields; /* canonical; nil clears */
};

struct avj_document {
    enum avj_entity entity;
    char *id;
    struct avj_known_row *rows;
    struct avj_blob kept; /* what the deployment can not hold */
    struct avj_pending *pending;
    size_t pending_count, pending_cap;

    bool parked;
    int reject_status;
    char *reject_type, *reject_message;

    /* derived */
    bool derived; /* the next three hold */
    bool visible;
    struct avj_blob shared;  /* base + pending */
    struct avj_blob overlay; /* kept + base + pending, only where kept is not empty */
};

void avj_blob_release(struct avj_blob *blob);
/* Takes the bytes of `pack` over and leaves it empty. */
void avj_blob_take(struct avj_blob *blob, struct avj_pack *pack);
AVJ_CHECKED enum avj_status avj_blob_copy(struct avj_blob *blob, const void *data, size_t len);
static inline struct avj_fields avj_blob_fields(const struct avj_blob *blob)
{
    return (struct avj_fields){blob->data, blob->len};
}

struct avj_document *avj_document_new(enum avj_entity entity, const char *id, size_t len);
void avj_document_free(struct avj_document *document);

/* The row that stands for the document: alive, the newest, by $id where two are equally new.  NULL:
 * none is alive. */
struct avj_known_row *avj_document_base(const struct avj_document *document);
struct avj_known_row *avj_document_row(const struct avj_document *document, const char *remote_id);
/* A new row, a tombstone without version for now.  NULL: out of memory. */
struct avj_known_row *avj_document_add_row(struct avj_document *document, const char *remote_id);

/* Computes what is visible from base, kept and pending, which must be loaded. AVJ_ENOMEM,
 * AVJ_EFORMAT. */
AVJ_CHECKED enum avj_status avj_document_derive(struct avj_document *document);
struct avj_fields avj_document_fields(const struct avj_document *document); /* visible ones */

/* Adds a mutation, the last one, with these fields (borrowed: it is not loaded afterwards); what is
 * derived stays right without the others being looked at. */
AVJ_CHECKED enum avj_status avj_document_push_pending(struct avj_document *document,
                                                      const struct avj_pending *pending,
                                                      struct avj_fields fields);
/* Drops the first `count` pending mutations. */
void avj_document_drop_first(struct avj_document *document, size_t count);

/* Base (NULL fields: absent) with the first `count` pending mutations applied; they must be loaded.
 * *absent tells whether nothing is left. */
AVJ_CHECKED enum avj_status avj_document_state(const struct avj_document *document, size_t count,
                                               bool *absent, struct avj_blob *out);

/* The text/time/bool of a top-level field out of canonical fields; false when absent. */
bool avj_fields_get(struct avj_fields fields, const char *name, struct avj_tree **tree,
                    struct avj_value *out);
/* What the orders need, of fields in whatever form.  facts->thread points into `fields`.
 * AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_fields_facts(enum avj_entity entity, struct avj_fields fields,
                                             struct avj_facts *facts);

/* Equal as far as the field's meaning goes: times by the moment, nil like absent. */
bool avj_field_same(enum avj_entity entity, struct avj_value name, struct avj_value a,
                    struct avj_value b);

#endif
