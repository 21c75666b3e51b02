/* Strings kept once: see fsck_strings.h. */
#include "fsck/fsck_strings.h"

#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct string {
    struct string *next;
    size_t len;
    char text[];
};

struct fsck_strings {
    struct string *buckets[BUCKETS];
    const struct string *last; /* entries of one session come in runs */
};

struct fsck_strings *fsck_strings_new(void)
{
    return calloc(1, sizeof(struct fsck_strings));
}

void fsck_strings_free(struct fsck_strings *strings)
{
    if (!strings)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (strings->buckets[i]) {
            struct string *next = strings->buckets[i]->next;
            free(strings->buckets[i]);
            strings->buckets[i] = next;
        }
    free(strings);
}

static int is(const struct string *string, const char *text, size_t len)
{
    return string->len == len && memcmp(string->text, text, len) == 0;
}

const char *fsck_strings_add(struct fsck_strings *strings, const char *text, size_t len)
{
    if (len == 0)
        return "";
    if (strings->last && is(strings->last, text, len))
        return strings->last->text;
    struct string **bucket = &strings->buckets[avj_hash64(text, len) % BUCKETS];
    struct string *string = *bucket;
    while (string && !is(string, text, len))
        string = string->next;
    if (!string) {
        string = malloc(sizeof(*string) + len + 1);
        if (!string)
            return NULL;
        string->len = len;
        memcpy(string->text, text, len);
        string->text[len] = 0;
        string->next = *bucket;
        *bucket = string;
    }
    strings->last = string;
    return string->text;
}
