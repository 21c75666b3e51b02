/*
 * A needle: a text that is looked for, as it stands or whatever its case, in bytes that may be
 * UTF-8 and need not be.  Where they are not, nothing is found; where they are, all that is there.
 *
 * Threading: one that was made is only read; several threads may use it.
 */
#ifndef AVJ_NEEDLE_H
#define AVJ_NEEDLE_H

#include "journal/status.h"
#include "replay/letters.h"

struct avj_needle {
    uint32_t *characters; /* folded unless match_case */
    size_t count;
    bool match_case;
    /* The character that is looked for first: the one whose last byte seems to be the rarest.  In
     * any case of it, it ends with one of these. */
    size_t anchor;
    uint8_t ends[AVJ_CASES_MAX];
    size_t end_count;
    unsigned cost; /* how often that may be: to look for the cheapest of several needles first */
};

/* Errors: AVJ_EINVAL (empty, or no UTF-8), AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_needle_init(struct avj_needle *needle, const char *text,
                                            bool match_case);
void avj_needle_release(struct avj_needle *needle);

bool avj_needle_in(const struct avj_needle *needle, const void *data, size_t len);

#endif
