/* Events in words: see fsck_audit_texts.h. */
#include "fsck/fsck_audit_texts.h"

#include "fsck/fsck_audit_sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MAX  400 /* bytes of one side of a conflict */
#define VALUE_MAX 160

/* At most `max` bytes, never half a character of UTF-8. */
static int cut(struct avj_slice text, size_t max)
{
    const uint8_t *bytes = text.data;
    if (text.len <= max)
        return (int)text.len;
    while (max && (bytes[max] & 0xc0) == 0x80)
        max--;
    return (int)max;
}

static char *joined(struct avj_slice a, const char *between, struct avj_slice b)
{
    char text[400];
    snprintf(text, sizeof(text), "%.*s%s%.*s", cut(a, 120), a.len ? (const char *)a.data : "",
             a.len && b.len ? between : "", cut(b, 220), b.len ? (const char *)b.data : "");
    return strdup(text);
}

/* "content, title (the other edit was later)" */
static char *conflict_note(const struct fsck_told *t)
{
    char text[400];
    struct avj_fields fields = fsck_told_fields(t);
    struct avj_raw raw = fsck_raw_of(fields);
    struct avj_slice key, why = fsck_told_text(t, 'm');
    size_t used = 0, pairs = 0;
    text[0] = 0;
    if (fields.len && !avj_raw_map(&raw, &pairs))
        pairs = 0;
    for (size_t i = 0; i < pairs && used + 80 < sizeof(text) && avj_raw_text(&raw, &key); i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s", used ? ", " : "",
                                 cut(key, 60), (const char *)key.data);
        if (!avj_raw_skip(&raw, 0))
            break;
    }
    if (why.len)
        snprintf(text + used, sizeof(text) - used, "%s(%.*s)", used ? " " : "", cut(why, 100),
                 (const char *)why.data);
    return strdup(text);
}

char *fsck_note_of(enum fsck_event_kind kind, const struct fsck_told *t)
{
    switch (kind) {
    case FSCK_EV_REJECTED:
    case FSCK_EV_ANSWERED:
        return joined(fsck_told_text(t, 'y'), ": ", fsck_told_text(t, 'm'));
    case FSCK_EV_CONFLICT:
        return conflict_note(t);
    case FSCK_EV_REMOTE:
    case FSCK_EV_REMOTE_DELETED:
        return fsck_copy(fsck_told_text(t, 'b'), 60);
    default:
        return NULL;
    }
}

/* ---- both sides ---- */

/* Where the value of a field stands; at NULL: there is none. */
static struct avj_raw value_of(struct avj_fields fields, struct avj_slice name)
{
    struct avj_raw raw = fsck_raw_of(fields);
    struct avj_slice key;
    size_t pairs;
    if (fields.len && avj_raw_map(&raw, &pairs))
        for (size_t i = 0; i < pairs && avj_raw_text(&raw, &key); i++) {
            if (key.len == name.len && memcmp(key.data, name.data, key.len) == 0)
                return raw;
            if (!avj_raw_skip(&raw, 0))
                break;
        }
    return (struct avj_raw){NULL, NULL};
}

static size_t put_value(char *to, size_t room, struct avj_slice name, struct avj_raw raw)
{
    struct avj_slice text;
    int64_t number;
    bool flag;
    int n, shown = cut(name, 60);
    const char *key = name.data;
    if (avj_raw_text(&raw, &text))
        n = snprintf(to, room, "%.*s \"%.*s%s\"", shown, key, cut(text, VALUE_MAX),
                     (const char *)text.data, text.len > VALUE_MAX ? "..." : "");
    else if (avj_raw_int(&raw, &number))
        n = snprintf(to, room, "%.*s %lld", shown, key, (long long)number);
    else if (avj_raw_bool(&raw, &flag))
        n = snprintf(to, room, "%.*s %s", shown, key, flag ? "yes" : "no");
    else if (avj_raw_nil(&raw))
        n = snprintf(to, room, "%.*s cleared", shown, key);
    else
        n = snprintf(to, room, "%.*s (a list)", shown, key);
    return n > 0 ? (size_t)n : 0;
}

char *fsck_gist(struct avj_fields fields, struct avj_fields like)
{
    char text[SIDE_MAX];
    struct avj_raw names = fsck_raw_of(like);
    struct avj_slice name;
    size_t pairs = 0, used = 0;
    if (!fields.len)
        return strdup("(deleted)");
    if (!avj_raw_map(&names, &pairs) || pairs == 0)
        return strdup("(deleted)");
    text[0] = 0;
    for (size_t i = 0; i < pairs && used + VALUE_MAX + 80 < sizeof(text); i++) {
        if (!avj_raw_text(&names, &name) || !avj_raw_skip(&names, 0))
            break;
        struct avj_raw value = value_of(fields, name);
        if (!value.at)
            continue;
        if (used)
            used += (size_t)snprintf(text + used, sizeof(text) - used, ", ");
        used += put_value(text + used, sizeof(text) - used, name, value);
    }
    return strdup(used ? text : "(these fields are not there)");
}

static bool copy_fields(struct avj_fields *to, struct avj_fields from)
{
    uint8_t *bytes = malloc(from.len ? from.len : 1);
    if (!bytes)
        return false;
    memcpy(bytes, from.len ? from.data : (const uint8_t *)"", from.len);
    free((void *)(uintptr_t)to->data);
    *to = (struct avj_fields){bytes, from.len};
    return true;
}

bool fsck_edits_add(struct fsck_edits *edits, struct avj_fields fields)
{
    return !fields.len || copy_fields(&edits->kept[edits->count++ % FSCK_EDITS_MAX], fields);
}

void fsck_edits_lost(struct fsck_edits *edits, struct avj_fields fields)
{
    if (!copy_fields(&edits->lost, fields))
        edits->lost.len = 0;
}

void fsck_edits_release(struct fsck_edits *edits)
{
    for (size_t i = 0; i < FSCK_EDITS_MAX; i++)
        free((void *)(uintptr_t)edits->kept[i].data);
    free((void *)(uintptr_t)edits->lost.data);
}

static bool has_any(struct avj_fields fields, struct avj_fields like)
{
    struct avj_raw names = fsck_raw_of(like);
    struct avj_slice name;
    size_t pairs;
    if (!like.len || !avj_raw_map(&names, &pairs))
        return false;
    for (size_t i = 0; i < pairs && avj_raw_text(&names, &name); i++)
        if (value_of(fields, name).at || !avj_raw_skip(&names, 0))
            return true;
    return false;
}

char *fsck_edits_gist(const struct fsck_edits *edits, struct avj_fields like)
{
    for (size_t back = 1; back <= edits->count && back <= FSCK_EDITS_MAX; back++) {
        struct avj_fields kept = edits->kept[(edits->count - back) % FSCK_EDITS_MAX];
        if (has_any(kept, like))
            return fsck_gist(kept, like);
    }
    return strdup("(deleted)");
}
