/*
 * What an event says in words: reasons, and the text of both sides of a conflict.
 * Threading: one thread.  Strings are the caller's; NULL: nothing to say, or out of memory.
 */
#ifndef FSCK_AUDIT_TEXTS_H
#define FSCK_AUDIT_TEXTS_H

#include "fsck/fsck_audit.h"
#include "fsck/fsck_audit_read.h"

char *fsck_note_of(enum fsck_event_kind kind, const struct fsck_told *told);

/* content "hello", title "x": the fields that `like` names, cut; "(deleted)" where there are none.
 */
char *fsck_gist(struct avj_fields fields, struct avj_fields like);

/* The edits of a document that were made last. */
#define FSCK_EDITS_MAX 16
struct fsck_edits { /* all zero: none */
    struct avj_fields kept[FSCK_EDITS_MAX];
    size_t count;           /* ever */
    struct avj_fields lost; /* of the conflict at hand */
};
bool fsck_edits_add(struct fsck_edits *edits, struct avj_fields fields); /* copies */
void fsck_edits_lost(struct fsck_edits *edits, struct avj_fields fields);
void fsck_edits_release(struct fsck_edits *edits);
/* The newest edit that has one of the fields of `like`. */
char *fsck_edits_gist(const struct fsck_edits *edits, struct avj_fields like);

#endif
