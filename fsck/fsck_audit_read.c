/* Entries for the audit: see fsck_audit_read.h. */
#include "fsck/fsck_audit_read.h"

#include "replay/clock.h"

#include <string.h>

void fsck_reader_release(struct fsck_reader *reader)
{
    avj_pack_release(&reader->plain);
}

static bool is(struct avj_slice text, const char *what)
{
    return text.len == strlen(what) && memcmp(text.data, what, text.len) == 0;
}

static enum avj_entry_type type_of(struct avj_slice name)
{
    static const struct {
        const char *text;
        size_t len;
    } names[AVJ_ENTRY_TYPES] = {
#define AVJ_X(name, text, doc) {text, sizeof(text) - 1},
        AVJ_ENTRY_TABLE(AVJ_X)
#undef AVJ_X
    };
    for (int t = 0; t < AVJ_ENTRY_TYPES; t++)
        if (names[t].len == name.len && memcmp(names[t].text, name.data, name.len) == 0)
            return (enum avj_entry_type)t;
    return AVJ_ENTRY_TYPES;
}

struct avj_slice fsck_told_text(const struct fsck_told *told, char key)
{
    struct avj_raw raw = {told->at[key - 'a'], told->end};
    struct avj_slice text;
    if (raw.at && avj_raw_text(&raw, &text))
        return text;
    return (struct avj_slice){NULL, 0};
}

int64_t fsck_told_int(const struct fsck_told *told, char key, int64_t otherwise)
{
    struct avj_raw raw = {told->at[key - 'a'], told->end};
    int64_t value;
    return raw.at && avj_raw_int(&raw, &value) ? value : otherwise;
}

bool fsck_told_is(const struct fsck_told *told, char key, const char *text)
{
    struct avj_slice value = fsck_told_text(told, key);
    return value.data && is(value, text);
}

struct avj_fields fsck_told_fields(const struct fsck_told *told)
{
    const uint8_t *from = told->at['f' - 'a'];
    struct avj_raw raw = {from, told->end}, map = raw;
    size_t pairs;
    if (!from || !avj_raw_map(&map, &pairs) || !avj_raw_skip(&raw, 0))
        return (struct avj_fields){NULL, 0};
    return (struct avj_fields){from, (size_t)(raw.at - from)};
}

struct avj_fields fsck_told_all(const struct fsck_told *told)
{
    return (struct avj_fields){told->begin, (size_t)(told->end - told->begin)};
}

struct avj_raw fsck_raw_of(struct avj_fields fields)
{
    return (struct avj_raw){fields.data, fields.len ? fields.data + fields.len : fields.data};
}

struct avj_slice fsck_field_text(struct avj_fields fields, const char *name)
{
    struct avj_raw raw = fsck_raw_of(fields);
    struct avj_slice key, text;
    size_t pairs;
    if (!fields.len || !avj_raw_map(&raw, &pairs))
        return (struct avj_slice){NULL, 0};
    for (size_t i = 0; i < pairs && avj_raw_text(&raw, &key); i++) {
        if (is(key, name) && avj_raw_text(&raw, &text))
            return text;
        if (!avj_raw_skip(&raw, 0))
            break;
    }
    return (struct avj_slice){NULL, 0};
}

bool fsck_told_sent(const struct fsck_told *told, struct avj_raw *raw, struct fsck_sent *sent)
{
    size_t items;
    if (!raw->at) {
        *raw = (struct avj_raw){told->at['d' - 'a'], told->end};
        if (!raw->at || !avj_raw_list(raw, &items))
            return false;
        raw->end = raw->at;
        struct avj_raw all = {raw->at, told->end};
        for (size_t i = 0; i < items && avj_raw_skip(&all, 0); i++)
            raw->end = all.at;
    }
    while (raw->at < raw->end) {
        struct avj_raw item = *raw;
        struct avj_slice kind, row;
        int64_t upto;
        if (!avj_raw_skip(raw, 0))
            return false;
        if (!avj_raw_list(&item, &items) || items < 4 || !avj_raw_text(&item, &kind) ||
            !avj_raw_text(&item, &sent->id) || !avj_raw_text(&item, &row) ||
            !avj_raw_int(&item, &upto))
            continue;
        sent->entity = avj_entity_from_kind(kind.data, kind.len);
        sent->upto = upto > 0 ? (uint64_t)upto : 0;
        if (sent->entity != AVJ_ENTITIES && sent->id.len)
            return true;
    }
    return false;
}

/* Behind the fields of a document nothing comes that the numbers need, where this is there. */
static bool enough(const struct fsck_told *told, enum avj_entry_type type)
{
    switch (type) {
    case AVJ_E_LOCAL:
        return told->at['o' - 'a'] != NULL;
    case AVJ_E_ACK:
        return told->at['s' - 'a'] && told->at['x' - 'a'];
    case AVJ_E_REMOTE:
        return told->at['v' - 'a'] != NULL;
    default:
        return false;
    }
}

static void settle(struct fsck_told *told)
{
    struct avj_slice kind = fsck_told_text(told, 'e');
    int64_t hlc = fsck_told_int(told, 'h', 0);
    told->at_ms = hlc > 0 ? avj_hlc_ms((uint64_t)hlc) : 0;
    told->session = fsck_told_text(told, 'p');
    told->id = fsck_told_text(told, 'i');
    told->entity =
        kind.data && told->id.len ? avj_entity_from_kind(kind.data, kind.len) : AVJ_ENTITIES;
}

/* False: broken off, or a key that is no text. */
static bool walk(const void *data, size_t len, bool whole, struct fsck_told *told)
{
    struct avj_raw raw = {data, (const uint8_t *)data + len};
    struct avj_slice key, name;
    size_t pairs;
    *told = (struct fsck_told){.type = AVJ_ENTRY_TYPES, .begin = raw.at, .end = raw.end};
    if (!avj_raw_map(&raw, &pairs))
        return false;
    for (size_t i = 0; i < pairs; i++) {
        if (!avj_raw_text(&raw, &key))
            return false;
        char c = key.len == 1 ? *(const char *)key.data : 0;
        if (c >= 'a' && c <= 'z')
            told->at[c - 'a'] = raw.at;
        struct avj_raw value = raw;
        if (c == 't' && avj_raw_text(&value, &name))
            told->type = type_of(name);
        if (c == 'f' && !whole && enough(told, told->type))
            break;
        if (!avj_raw_skip(&raw, 1))
            return false;
    }
    return told->at['t' - 'a'] != NULL;
}

/* The record as this program would have written it. */
static enum avj_status rewrite(struct fsck_reader *reader, const void *data, size_t len, bool *good)
{
    struct avj_entry entry;
    avj_pack_reset(&reader->plain);
    enum avj_status status = avj_entry_decode(data, len, &entry, NULL);
    *good = status == AVJ_OK;
    if (status == AVJ_EFORMAT)
        return AVJ_OK;
    if (status != AVJ_OK)
        return status;
    avj_pack_value(&reader->plain, entry.root);
    avj_entry_release(&entry);
    return reader->plain.failed ? AVJ_ENOMEM : AVJ_OK;
}

enum avj_status fsck_told_read(struct fsck_reader *reader, const void *data, size_t len, bool whole,
                               struct fsck_told *told, bool *entry)
{
    enum avj_status status = AVJ_OK;
    *entry = walk(data, len, whole, told);
    if (!*entry || (!fsck_told_text(told, 't').data && told->type == AVJ_ENTRY_TYPES)) {
        status = rewrite(reader, data, len, entry);
        if (status == AVJ_OK && *entry)
            *entry = walk(reader->plain.data, reader->plain.len, whole, told);
    }
    if (*entry)
        settle(told);
    told->len = len;
    return status;
}
