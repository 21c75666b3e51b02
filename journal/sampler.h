/*
 * The dictionary of a sealed segment: what is said most often in pieces of its own records, taken
 * at even distances.  Frames of sealed segments are small, so that one record is read quickly; what
 * they would lose by it, such a dictionary gives back.
 *
 * All records are passed along twice: to be measured, then to be sampled.
 *
 * Threading: one thread a struct.  Memory: 2 MiB, and 20 while the dictionary
 * is made.
 */
#ifndef AVJ_SAMPLER_H
#define AVJ_SAMPLER_H

#include "journal/dictionary.h"

struct avj_sampler { /* zero-initialise */
    uint64_t total;  /* bytes: to be added up by the caller, first */
    uint64_t at;     /* passed along since */
    uint8_t *bytes, *dictionary;
    size_t len, piece, piece_len;
};

/* After measuring: false where there is too little for a dictionary. */
bool avj_sampler_pays(const struct avj_sampler *sampler);
/* AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_sampler_begin(struct avj_sampler *sampler);
/* Do the next `len` bytes have a part of a piece in them?  Where not, avj_sampler_add needs none of
 * them (NULL). */
bool avj_sampler_wants(const struct avj_sampler *sampler, size_t len);
void avj_sampler_add(struct avj_sampler *sampler, const uint8_t *data, size_t len);
/* Made of what was taken: borrowed until the release; len 0: none. */
void avj_sampler_dictionary(const struct avj_sampler *sampler, struct avj_dictionary *out);
void avj_sampler_release(struct avj_sampler *sampler);

#endif
