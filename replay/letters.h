/*
 * Letters: UTF-8 one character at a time, and which characters are the same but for upper and lower
 * case, as Unicode's simple case folding has it: the same on every machine, whatever its locale.
 *
 * Threading: pure functions.
 */
#ifndef AVJ_LETTERS_H
#define AVJ_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest character in UTF-8. */
#define AVJ_UTF8_MAX 4

/* The character that begins at `text`: its bytes, 0 where there is no valid one (overlong forms,
 * surrogates and what lies beyond U+10FFFF are not). */
size_t avj_utf8_decode(const uint8_t *text, size_t len, uint32_t *character);
/* The character that ends before text[at]; 0 likewise. */
size_t avj_utf8_decode_back(const uint8_t *text, size_t at, uint32_t *character);
/* Are these `len` bytes the beginning of a valid character, but not all of it? */
bool avj_utf8_is_cut(const uint8_t *text, size_t len);
/* `character` must be one that avj_utf8_decode gives. */
size_t avj_utf8_encode(uint32_t character, uint8_t out[AVJ_UTF8_MAX]);

/* Source: The Unicode Standard 15.0, CaseFolding.txt, statuses C and S. */
uint32_t avj_fold_case(uint32_t character);

/* All characters that fold to `folded`, itself first. */
#define AVJ_CASES_MAX 4
size_t avj_cases(uint32_t folded, uint32_t out[AVJ_CASES_MAX]);

#endif
