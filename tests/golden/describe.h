/* What a journal's bytes say, as text: the golden files' expectations. */
#ifndef TEST_GOLDEN_DESCRIBE_H
#define TEST_GOLDEN_DESCRIBE_H

#include "journal/io.h"

/*
 * Reads the journal in `path` by a cursor and each of its segments by a scan, and tells one line a
 * thing: "record SEQ LENGTH HASH", "read STATUS" (how the cursor ended, or what open said),
 * "segment NAME STATUS", "frame ...", "scanned SEQ LENGTH HASH", "damage ...", "reserved ...".  The
 * caller frees.
 */
char *golden_describe(const struct avj_io *io, const char *path);

#endif
