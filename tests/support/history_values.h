/* What the fields of random histories hold: see history.h. */
#ifndef TEST_HISTORY_VALUES_H
#define TEST_HISTORY_VALUES_H

#include "tests/support/history.h"

/* A moment so many seconds behind 2026-11-22T18:00:00 UTC.  form 0 is the one that Appwrite writes;
 * others are of the same moment, or of none. */
#define HISTORY_TIME_FORMS 8
#define HISTORY_TIME_TEXT  48
void history_time(int64_t seconds, unsigned form, char out[HISTORY_TIME_TEXT]);

/* Those of the schema, and two that it does not know. */
size_t history_field_count(enum avj_entity entity);

/* A random choice for a field, 0: absent. */
int history_choose(struct history *h, enum avj_entity entity, size_t index);

/* The map of all chosen fields, -1: nil.  Odd: in any order, some twice, nils between. */
void history_pack_fields(struct history *h, const struct history_doc *doc,
                         const int choices[HISTORY_FIELDS], bool odd, struct avj_pack *out);

#endif
