/*
 * zstd dictionaries: those that come with the program, and how a journal's own is stored.
 *
 * A built-in dictionary is a part of the format: its bytes never change, and a new one gets a new
 * number.  Number 1 was made by tests/dictionary from word lists of our own.
 *
 * Threading: pure functions.
 */
#ifndef AVJ_DICTIONARY_H
#define AVJ_DICTIONARY_H

#include "journal/status.h"

#include <stdint.h>

/* The one for new segments. */
#define AVJ_DICTIONARY_BUILTIN 1u
/* No dictionary is larger, stored or not. */
#define AVJ_DICTIONARY_MAX ((size_t)128 * 1024)
/* As a segment holds it: more than that zstd makes of nothing. */
#define AVJ_DICTIONARY_STORED_MAX (AVJ_DICTIONARY_MAX + 1024)

struct avj_dictionary { /* borrowed; len 0: none */
    const uint8_t *data;
    uint32_t len;
    uint64_t hash; /* XXH3-64 of data */
    /* As avj_dictionary_pack makes it; NULL: not at hand. */
    const uint8_t *stored;
    uint32_t stored_len;
};

/* What new journals begin with. */
void avj_dictionary_default(struct avj_dictionary *out);
/* The built-in one with that hash; false: this program does not have it. */
bool avj_dictionary_find(uint64_t hash, struct avj_dictionary *out);

/* The built-in dictionary of this number: static storage.  False: this program does not have it. */
AVJ_CHECKED bool avj_dictionary_builtin(uint32_t number, const uint8_t **data, size_t *len);

/* XXH3-64 of its bytes: what frames and segments name a dictionary by. */
uint64_t avj_dictionary_hash(const void *data, size_t len);

/*
 * A dictionary as a segment holds it: one zstd frame, compressed with built-in dictionary 1 (a
 * third of its size, and much less where it contains the built-in one).  *out is the caller's:
 * free(). Errors: AVJ_EINVAL (empty or too large), AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status avj_dictionary_pack(const void *data, size_t len, uint8_t **out,
                                                size_t *out_len, struct avj_error *err);

/*
 * The way back; any bytes may be given.  *out is the caller's: free().  Errors: AVJ_ECORRUPT (no
 * such frame, more than AVJ_DICTIONARY_MAX, or something else than `hash` comes out), AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status avj_dictionary_unpack(const void *packed, size_t len, uint64_t hash,
                                                  uint8_t **out, size_t *out_len,
                                                  struct avj_error *err);

#endif
