/* Entries read in passing: see glance.h. */
#include "replay/glance.h"
#include "replay/clock.h"
#include "replay/raw.h"

#include <string.h>

static bool is(struct avj_slice text, const char *what, size_t len)
{
    return text.len == len && memcmp(text.data, what, len) == 0;
}

/* ---- fields ---- */

/* Where a key stands in the canonical order; `from` is the place behind the key before it. */
static size_t rank_from(const struct avj_entity_schema *schema, size_t from, struct avj_slice key)
{
    for (size_t i = from; i < schema->count; i++)
        if (is(key, schema->fields[i].name, schema->fields[i].name_len))
            return i;
    return schema->count;
}

/* A key that the schema does not know must not be one that it knows at an earlier place. */
static bool is_unknown(enum avj_entity entity, struct avj_slice key)
{
    return !avj_field_find(entity, key.data, key.len);
}

static bool behind(struct avj_slice last, struct avj_slice key)
{
    size_t common = last.len < key.len ? last.len : key.len;
    int order = common ? memcmp(last.data, key.data, common) : 0;
    return order < 0 || (order == 0 && last.len < key.len);
}

static void note_time(const uint8_t *value, const uint8_t *end, int64_t *ms)
{
    struct avj_raw raw = {value, end};
    struct avj_slice text;
    if (avj_raw_text(&raw, &text))
        (void)avj_time_parse(text.data, text.len, ms);
}

static void note(const struct avj_entity_schema *schema, const struct avj_field *field,
                 const uint8_t *value, const uint8_t *end, struct avj_facts *facts)
{
    struct avj_raw raw = {value, end};
    if (field->flags & AVJ_FF_THREAD) {
        if (!avj_raw_text(&raw, &facts->thread))
            facts->thread = (struct avj_slice){NULL, 0};
    } else if (field->type == AVJ_F_TIME && strcmp(field->name, "createdAt") == 0) {
        note_time(value, end, &facts->created_ms);
    } else if (schema->entity == AVJ_THREAD && field->type == AVJ_F_TIME &&
               strcmp(field->name, "lastMessageAt") == 0) {
        note_time(value, end, &facts->last_message_ms);
    } else if (schema->entity == AVJ_THREAD && field->type == AVJ_F_BOOL &&
               strcmp(field->name, "isPinned") == 0) {
        (void)avj_raw_bool(&raw, &facts->pinned);
    }
}

/* Steps over a map that is canonical but for nils, which `nils` tells of.  `depth`: in how many
 * values it lies. */
static bool walk_fields(struct avj_raw *raw, enum avj_entity entity, int depth, bool *nils,
                        struct avj_facts *facts)
{
    const struct avj_entity_schema *schema = avj_schema(entity);
    struct avj_slice key, last = {NULL, 0};
    size_t pairs, next = 0;
    *facts = (struct avj_facts){.created_ms = 0};
    *nils = false;
    if (!avj_raw_map(raw, &pairs))
        return false;
    for (size_t i = 0; i < pairs; i++) {
        if (!avj_raw_text(raw, &key))
            return false;
        size_t rank = rank_from(schema, next, key);
        if (rank == schema->count && !(behind(last, key) && is_unknown(entity, key)))
            return false;
        const uint8_t *value = raw->at;
        if (!avj_raw_skip_plain(raw, depth + 1))
            return false;
        *nils |= *value == 0xc0;
        if (rank < schema->count)
            note(schema, &schema->fields[rank], value, raw->at, facts);
        else
            last = key;
        next = rank < schema->count ? rank + 1 : rank;
    }
    return true;
}

bool avj_fields_plain(enum avj_entity entity, struct avj_fields fields, bool drop_nil,
                      struct avj_facts *facts)
{
    struct avj_raw raw = {fields.data, fields.data + fields.len};
    bool nils;
    return walk_fields(&raw, entity, 0, &nils, facts) && raw.at == raw.end && !(drop_nil && nils);
}

/* ---- entries ---- */

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
        if (is(name, names[t].text, names[t].len))
            return (enum avj_entry_type)t;
    return AVJ_ENTRY_TYPES;
}

static enum avj_op op_of(struct avj_slice name)
{
    for (int op = 0; op < AVJ_OPS; op++)
        if (is(name, avj_op_name((enum avj_op)op), strlen(avj_op_name((enum avj_op)op))))
            return (enum avj_op)op;
    return AVJ_OPS;
}

static bool read_type(struct avj_raw *raw, struct avj_glance *g)
{
    struct avj_slice name;
    if (!avj_raw_text(raw, &name))
        return false;
    g->type = type_of(name);
    return true;
}

static bool read_entity(struct avj_raw *raw, struct avj_glance *g)
{
    struct avj_slice name;
    if (!avj_raw_text(raw, &name))
        return false;
    g->entity = avj_entity_from_kind(name.data, name.len);
    return true;
}

static bool read_op(struct avj_raw *raw, struct avj_glance *g)
{
    struct avj_slice name;
    if (!avj_raw_text(raw, &name))
        return false;
    g->op = op_of(name);
    return true;
}

static bool read_fields(struct avj_raw *raw, struct avj_glance *g)
{
    struct avj_raw map = *raw;
    size_t pairs;
    const uint8_t *from = raw->at;
    /* The entity stands in front of the fields, where this program wrote them. */
    if (g->entity != AVJ_ENTITIES && walk_fields(&map, g->entity, 1, &g->nils, &g->facts)) {
        g->plain = true;
        *raw = map;
    } else {
        map = *raw;
        if (!avj_raw_map(&map, &pairs) || !avj_raw_skip(raw, 1))
            return false;
    }
    g->f = (struct avj_fields){from, (size_t)(raw->at - from)};
    return true;
}

/* At fields that stand in front of the entity. */
static void look_again(struct avj_glance *g)
{
    struct avj_raw map = {g->f.data, g->f.data + g->f.len};
    g->plain = walk_fields(&map, g->entity, 1, &g->nils, &g->facts);
}

static bool read_kept(struct avj_raw *raw, struct avj_glance *g)
{
    struct avj_raw list = *raw;
    bool plain = avj_raw_list(&list, &g->kept);
    bool is_list = raw->at < raw->end && (*raw->at >> 4 == 9 || (*raw->at & 0xfe) == 0xdc);
    return plain == is_list && avj_raw_skip(raw, 1);
}

/* A number in a change made here; a time in what the server says. */
static bool read_conflict(struct avj_raw *raw, struct avj_glance *g)
{
    int64_t seq;
    struct avj_slice time;
    g->conflict = avj_raw_int(raw, &seq);
    return g->conflict || avj_raw_text(raw, &time) || avj_raw_nil(raw);
}

static bool read_hlc(struct avj_raw *raw, struct avj_glance *g)
{
    int64_t hlc;
    if (!avj_raw_int(raw, &hlc) || hlc < 0)
        return false;
    g->hlc = (uint64_t)hlc;
    return true;
}

/* One pair of the entry.  A key met twice, or a value of another kind than expected, is for the
 * other reader. */
static bool read_pair(struct avj_raw *raw, struct avj_glance *g, uint32_t *seen)
{
    struct avj_slice key;
    if (!avj_raw_text(raw, &key))
        return false;
    if (key.len != 1)
        return avj_raw_skip(raw, 1);
    char c = *(const char *)key.data;
    if (c < 'a' || c > 'z' || (*seen & 1u << (c - 'a')))
        return false;
    *seen |= 1u << (c - 'a');
    switch (c) {
    case 't':
        return read_type(raw, g);
    case 'h':
        return read_hlc(raw, g);
    case 'e':
        return read_entity(raw, g);
    case 'i':
        return avj_raw_text(raw, &g->id) && g->id.len <= AVJ_ID_MAX &&
               !memchr(g->id.data, 0, g->id.len);
    case 'o':
        return read_op(raw, g);
    case 'f':
        return read_fields(raw, g);
    case 's':
        return avj_raw_int(raw, &g->upto) && g->upto >= 0;
    case 'x':
        return avj_raw_int(raw, &g->status) && g->status >= 0;
    case 'r':
        return avj_raw_text(raw, &g->row);
    case 'v':
        return avj_raw_text(raw, &g->version);
    case 'k':
        return read_kept(raw, g);
    case 'c':
        return read_conflict(raw, g);
    default:
        return avj_raw_skip(raw, 1);
    }
}

bool avj_glance(const void *data, size_t len, struct avj_glance *g)
{
    struct avj_raw raw = {data, (const uint8_t *)data + len};
    size_t pairs;
    uint32_t seen = 0;
    *g = (struct avj_glance){
        .type = AVJ_ENTRY_TYPES, .entity = AVJ_ENTITIES, .op = AVJ_OPS, .upto = -1, .status = -1};
    if (!avj_raw_map(&raw, &pairs))
        return false;
    for (size_t i = 0; i < pairs; i++)
        if (!read_pair(&raw, g, &seen))
            return false;
    g->has_document = g->entity != AVJ_ENTITIES && g->id.len > 0;
    if (g->f.len && !g->plain && g->has_document)
        look_again(g);
    return raw.at == raw.end && g->type != AVJ_ENTRY_TYPES;
}
