/*
 * msgpack as it stands in memory, read in passing: what the fold looks at of most entries without a
 * tree being built for them.  Every length is checked against the bytes that are left.
 *
 * Threading: pure functions.  A struct avj_raw borrows the bytes.
 */
#ifndef AVJ_RAW_H
#define AVJ_RAW_H

#include "journal/journal.h"

/* What is left to read. */
struct avj_raw {
    const uint8_t *at, *end;
};

/* Steps over one value with all that is in it; false where it is broken off, nested deeper than
 * AVJ_VALUE_DEPTH_MAX, or no msgpack.  `depth`: of how many maps and lists it is a part itself. */
bool avj_raw_skip(struct avj_raw *raw, int depth);

/* As avj_raw_skip, and false too where it is not written the one way in which this program writes a
 * value: every header as short as it can be, map keys as text, no bytes, no extensions.  Packing
 * what was parsed from such a value gives the same bytes again. */
bool avj_raw_skip_plain(struct avj_raw *raw, int depth);

/* The value at hand, where it is of that kind, plain, and fits; else false and nothing is read. */
bool avj_raw_map(struct avj_raw *raw, size_t *pairs);
bool avj_raw_list(struct avj_raw *raw, size_t *items);
bool avj_raw_text(struct avj_raw *raw, struct avj_slice *text);
bool avj_raw_int(struct avj_raw *raw, int64_t *value);
bool avj_raw_nil(struct avj_raw *raw);
bool avj_raw_bool(struct avj_raw *raw, bool *value);

#endif
