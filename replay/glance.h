/*
 * An entry at a glance: what the fold needs of most entries, read in passing, without a tree.  An
 * entry that is written in any other way than this program writes entries is no error here: it is
 * read by avj_entry_decode instead, to the same end.
 *
 * Threading: pure functions.  Everything points into the record.
 */
#ifndef AVJ_GLANCE_H
#define AVJ_GLANCE_H

#include "replay/entry.h"
#include "replay/fields.h"

/* Longest local id, in bytes. */
#define AVJ_ID_MAX ((size_t)4096)

/* What the view's orders need of a document's fields. */
struct avj_facts {
    struct avj_slice thread;             /* threadId; data NULL: none */
    int64_t created_ms, last_message_ms; /* 0: none */
    bool pinned;
};

struct avj_glance {
    enum avj_entry_type type;
    uint64_t hlc;
    bool has_document;
    enum avj_entity entity;
    struct avj_slice id; /* short enough, and without a NUL: see AVJ_ID_MAX */
    enum avj_op op;      /* AVJ_OPS: none, or no op of a document */
    struct avj_fields f; /* the map under "f"; len 0: none */
    bool plain, nils;    /* f is canonical, and facts hold; some of its values are nil */
    struct avj_facts facts;
    int64_t upto, status;     /* "s", "x"; -1: none */
    struct avj_slice row;     /* "r" */
    struct avj_slice version; /* "v" */
    size_t kept;              /* names under "k" */
    bool conflict;            /* "c" is a number: an edit that settles a conflict */
};

/* False: look at it with avj_entry_decode. */
bool avj_glance(const void *data, size_t len, struct avj_glance *out);

/* As avj_fields_plain for the fields of an entry that was glanced at. */
static inline bool avj_glance_plain(const struct avj_glance *glance, bool drop_nil)
{
    return glance->plain && !(drop_nil && glance->nils);
}

/* True if and only if `fields` is a map that avj_fields_canonical would give back as it is
 * (without nils where drop_nil, which is what documents are; with them what updates are). *facts is
 * filled then. */
bool avj_fields_plain(enum avj_entity entity, struct avj_fields fields, bool drop_nil,
                      struct avj_facts *facts);

#endif
