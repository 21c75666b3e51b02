/* A set of strings, each kept once: for the few session ids that stand in very many entries.
 * Threading: one thread. */
#ifndef FSCK_STRINGS_H
#define FSCK_STRINGS_H

#include <stddef.h>

struct fsck_strings;

struct fsck_strings *fsck_strings_new(void); /* NULL: out of memory */
void fsck_strings_free(struct fsck_strings *strings);
/* The kept copy ("" for no text), valid until free; NULL: out of memory. */
const char *fsck_strings_add(struct fsck_strings *strings, const char *text, size_t len);

#endif
