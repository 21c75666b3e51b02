/*
 * Dictionaries that frames of a damaged segment may need: the one that ships with the program,
 * those of the other segments, and the one that the next segment was to begin with.
 *
 * Threading: one thread.  Memory: at most 128 KiB for each different one, 16 of them.
 */
#ifndef FSCK_WRECK_DICTIONARY_H
#define FSCK_WRECK_DICTIONARY_H

#include "fsck/fsck_wreck.h"
#include "journal/dictionary.h"

/* What can not be read is passed over.  The wreck's files must be listed.  NULL: out of memory. */
struct fsck_dictionaries *fsck_dictionaries_new(const struct fsck_wreck *wreck);
void fsck_dictionaries_free(struct fsck_dictionaries *dictionaries); /* NULL is allowed */

size_t fsck_dictionaries_count(const struct fsck_dictionaries *dictionaries);
/* Valid until free. */
const struct avj_dictionary *fsck_dictionaries_get(const struct fsck_dictionaries *dictionaries,
                                                   size_t i);

#endif
