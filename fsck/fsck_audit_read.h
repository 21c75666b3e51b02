/*
 * An entry as the audit reads it: what every entry has, and where the value of each one-letter key
 * stands in the record.  Nothing is copied and no tree is built.
 *
 * Threading: one thread a reader.  Lifetime: what is read points into the record, or into the
 * reader where an entry is written in another way than this program writes; until the next read.
 */
#ifndef FSCK_AUDIT_READ_H
#define FSCK_AUDIT_READ_H

#include "replay/entry.h"
#include "replay/fields.h"
#include "replay/raw.h"

struct fsck_told {
    enum avj_entry_type type; /* AVJ_ENTRY_TYPES: unknown */
    int64_t at_ms;
    struct avj_slice session;
    enum avj_entity entity; /* AVJ_ENTITIES: about no document */
    struct avj_slice id;
    size_t len;                  /* of the record */
    const uint8_t *begin;        /* the entry itself, a map */
    const uint8_t *at[26], *end; /* the values; NULL: no such key */
};

struct fsck_reader { /* all zero: ready */
    struct avj_pack plain;
};
void fsck_reader_release(struct fsck_reader *reader);

/*
 * *entry: the record is one.  Where not `whole`, keys behind the fields of a document may be
 * missing (a conflict that an edit restores, names that were kept back).  Errors: AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status fsck_told_read(struct fsck_reader *reader, const void *data, size_t len,
                                           bool whole, struct fsck_told *told, bool *entry);

/* Values by key; of another kind, or none: {NULL, 0} and `otherwise`. */
struct avj_slice fsck_told_text(const struct fsck_told *told, char key);
int64_t fsck_told_int(const struct fsck_told *told, char key, int64_t otherwise);
bool fsck_told_is(const struct fsck_told *told, char key, const char *text);
/* What stands under "f", an empty map too; len 0: no map. */
struct avj_fields fsck_told_fields(const struct fsck_told *told);

/* All of the entry. */
struct avj_fields fsck_told_all(const struct fsck_told *told);

/* To be read; of no map nothing can be. */
struct avj_raw fsck_raw_of(struct avj_fields fields);

/* A text field of a map of fields; data NULL: none. */
struct avj_slice fsck_field_text(struct avj_fields fields, const char *name);

/* One document of an attempt's list. */
struct fsck_sent {
    enum avj_entity entity;
    struct avj_slice id;
    uint64_t upto;
};
/* Walks the list under "d": begin with *raw all zero; false at its end. */
bool fsck_told_sent(const struct fsck_told *told, struct avj_raw *raw, struct fsck_sent *sent);

#endif
