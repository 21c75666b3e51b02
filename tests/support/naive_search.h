/* A search that tries every place, for the one of the library to be compared with. */
#ifndef TEST_NAIVE_SEARCH_H
#define TEST_NAIVE_SEARCH_H

#include "replay/letters.h"

#include <stdbool.h>
#include <string.h>

static inline bool naive_at(const char *needle, const uint8_t *text, size_t len, bool match_case)
{
    size_t at = 0, needle_len = strlen(needle);
    for (size_t i = 0; i < needle_len;) {
        uint32_t a = 0, b = 0;
        size_t bytes = avj_utf8_decode(text + at, len - at, &b);
        i += avj_utf8_decode((const uint8_t *)needle + i, needle_len - i, &a);
        if (bytes == 0 || (match_case ? a != b : avj_fold_case(a) != avj_fold_case(b)))
            return false;
        at += bytes;
    }
    return true;
}

static inline bool naive_in(const char *needle, const void *text, size_t len, bool match_case)
{
    for (size_t at = 0; at < len; at++)
        if (naive_at(needle, (const uint8_t *)text + at, len - at, match_case))
            return true;
    return false;
}

#endif
