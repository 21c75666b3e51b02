/* Looking for a text: see needle.h. */
#include "replay/needle.h"

#include <stdlib.h>
#include <string.h>

/* ---- making one ---- */

/*
 * How common a byte is in records of chats, by and large: English letters are, the more so those
 * that the names of fields and the digits of ids are made of; second bytes of other scripts are
 * less; rare ones cost least.  Being wrong costs time, nothing else.
 */
static unsigned byte_cost(uint8_t byte)
{
    static const char common[] = "e taoinsrhdlcmu";
    static const char seldom[] = "jqxzJQXZ";
    if (byte == 0)
        return 60;
    if (strchr(common, byte))
        return 100 - 4 * (unsigned)(strchr(common, byte) - common);
    if (strchr(seldom, byte))
        return 2;
    if (byte >= 'a' && byte <= 'z')
        return 25;
    if (byte >= '0' && byte <= '9')
        return 40;
    return byte >= 0x80 ? 12 : 8;
}

/* The last bytes of a character in any case, and their cost together. */
static size_t character_ends(uint32_t character, bool match_case, uint8_t ends[AVJ_CASES_MAX],
                             unsigned *cost)
{
    uint32_t cases[AVJ_CASES_MAX] = {character};
    size_t count = match_case ? 1 : avj_cases(character, cases);
    size_t end_count = 0;
    *cost = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[AVJ_UTF8_MAX];
        uint8_t end = bytes[avj_utf8_encode(cases[i], bytes) - 1];
        if (end_count && memchr(ends, end, end_count))
            continue;
        ends[end_count++] = end;
        *cost += byte_cost(end) + 1; /* each is a search of its own */
    }
    return end_count;
}

static void choose_anchor(struct avj_needle *needle)
{
    for (size_t i = 0; i < needle->count; i++) {
        uint8_t ends[AVJ_CASES_MAX];
        unsigned cost;
        size_t count = character_ends(needle->characters[i], needle->match_case, ends, &cost);
        if (i > 0 && cost >= needle->cost)
            continue;
        needle->anchor = i;
        needle->cost = cost;
        needle->end_count = count;
        memcpy(needle->ends, ends, count);
    }
}

enum avj_status avj_needle_init(struct avj_needle *needle, const char *text, bool match_case)
{
    size_t len = strlen(text);
    *needle = (struct avj_needle){.match_case = match_case};
    if (len == 0)
        return AVJ_EINVAL;
    needle->characters = calloc(len, sizeof(*needle->characters));
    if (!needle->characters)
        return AVJ_ENOMEM;
    for (size_t at = 0; at < len;) {
        uint32_t c;
        size_t bytes = avj_utf8_decode((const uint8_t *)text + at, len - at, &c);
        if (bytes == 0) {
            avj_needle_release(needle);
            return AVJ_EINVAL;
        }
        needle->characters[needle->count++] = match_case ? c : avj_fold_case(c);
        at += bytes;
    }
    choose_anchor(needle);
    return AVJ_OK;
}

void avj_needle_release(struct avj_needle *needle)
{
    free(needle->characters);
    *needle = (struct avj_needle){0};
}

/* ---- finding it ---- */

static bool is(const struct avj_needle *needle, size_t i, uint32_t c)
{
    return needle->characters[i] == (needle->match_case ? c : avj_fold_case(c));
}

/* Whether the needle lies so in data that its anchor ends before `end`. */
static bool lies_at(const struct avj_needle *needle, const uint8_t *data, size_t len, size_t end)
{
    uint32_t c;
    size_t at = end;
    for (size_t i = needle->anchor + 1; i-- > 0;) {
        size_t bytes = avj_utf8_decode_back(data, at, &c);
        if (bytes == 0 || !is(needle, i, c))
            return false;
        at -= bytes;
    }
    at = end;
    for (size_t i = needle->anchor + 1; i < needle->count; i++) {
        size_t bytes = avj_utf8_decode(data + at, len - at, &c);
        if (bytes == 0 || !is(needle, i, c))
            return false;
        at += bytes;
    }
    return true;
}

static size_t next_of(const uint8_t *data, size_t len, size_t from, uint8_t byte)
{
    const uint8_t *found = from < len ? memchr(data + from, byte, len - from) : NULL;
    return found ? (size_t)(found - data) : len;
}

bool avj_needle_in(const struct avj_needle *needle, const void *data, size_t len)
{
    size_t next[AVJ_CASES_MAX];
    for (size_t i = 0; i < needle->end_count; i++)
        next[i] = next_of(data, len, 0, needle->ends[i]);
    for (;;) {
        size_t first = 0;
        for (size_t i = 1; i < needle->end_count; i++)
            if (next[i] < next[first])
                first = i;
        if (next[first] == len)
            return false;
        if (lies_at(needle, data, len, next[first] + 1))
            return true;
        next[first] = next_of(data, len, next[first] + 1, needle->ends[first]);
    }
}
