/* Decoding and beginning entries: see entry.h. */
#include "replay/entry.h"

#include <string.h>

static const char *const type_names[AVJ_ENTRY_TYPES] = {
#define AVJ_X(name, text, doc) text,
    AVJ_ENTRY_TABLE(AVJ_X)
#undef AVJ_X
};

const char *avj_entry_type_name(enum avj_entry_type type)
{
    return (size_t)type < AVJ_ENTRY_TYPES ? type_names[type] : "unknown";
}

const char *avj_op_name(enum avj_op op)
{
    static const char *const names[AVJ_OPS] = {"create", "update", "delete"};
    return (size_t)op < AVJ_OPS ? names[op] : "unknown";
}

const char *avj_stream_op_name(enum avj_stream_op op)
{
    static const char *const names[AVJ_STREAM_OPS] = {"begin", "append", "end", "interrupted"};
    return (size_t)op < AVJ_STREAM_OPS ? names[op] : "unknown";
}

static bool names_document(enum avj_entry_type type)
{
    switch (type) {
    case AVJ_E_LOCAL:
    case AVJ_E_ACK:
    case AVJ_E_REJECT:
    case AVJ_E_RETRY:
    case AVJ_E_DROP:
    case AVJ_E_REMOTE:
    case AVJ_E_CONFLICT:
        return true;
    default:
        return false;
    }
}

static enum avj_entry_type type_of(struct avj_slice name)
{
    for (int t = 0; t < AVJ_ENTRY_TYPES; t++)
        if (strlen(type_names[t]) == name.len && memcmp(type_names[t], name.data, name.len) == 0)
            return (enum avj_entry_type)t;
    return AVJ_ENTRY_TYPES;
}

static enum avj_status read_common(struct avj_entry *e, struct avj_error *err)
{
    e->type_name = avj_value_get_text(e->root, "t");
    if (!e->type_name.data)
        return avj_fail(err, AVJ_EFORMAT, "not a journal entry: it has no type");
    e->type = type_of(e->type_name);
    e->hlc = (uint64_t)avj_value_get_int(e->root, "h", 0);
    e->session = avj_value_get_text(e->root, "p");
    struct avj_slice kind = avj_value_get_text(e->root, "e");
    e->id = avj_value_get_text(e->root, "i");
    if (kind.data)
        e->entity = avj_entity_from_kind(kind.data, kind.len);
    e->has_document = kind.data && e->id.len > 0 && e->entity != AVJ_ENTITIES;
    if (!e->has_document && names_document(e->type)) {
        /* A kind that a later program knows is no error: the entry is kept like one of an unknown
         * type. */
        if (!kind.data || e->id.len == 0)
            return avj_fail(err, AVJ_EFORMAT, "entry of type %s names no document",
                            avj_entry_type_name(e->type));
        e->type = AVJ_ENTRY_TYPES;
    }
    return AVJ_OK;
}

enum avj_status avj_entry_decode(const void *data, size_t len, struct avj_entry *entry,
                                 struct avj_error *err)
{
    memset(entry, 0, sizeof(*entry));
    entry->entity = AVJ_ENTITIES;
    enum avj_status status = avj_tree_parse(data, len, &entry->tree);
    if (status == AVJ_ENOMEM)
        return avj_fail(err, status, "out of memory");
    if (status != AVJ_OK)
        return avj_fail(err, status, "not a journal entry: no msgpack");
    entry->root = avj_tree_root(entry->tree);
    status = read_common(entry, err);
    if (status != AVJ_OK)
        avj_entry_release(entry);
    return status;
}

void avj_entry_release(struct avj_entry *entry)
{
    avj_tree_free(entry->tree);
    entry->tree = NULL;
}

void avj_entry_begin(struct avj_pack *pack, enum avj_entry_type type, uint64_t hlc,
                     const char *session, enum avj_entity entity, const char *id, size_t pairs)
{
    bool document = entity != AVJ_ENTITIES;
    avj_pack_map(pack, pairs + 2 + (document ? 2 : 0) + (session ? 1 : 0));
    avj_pack_cstr(pack, "t");
    avj_pack_cstr(pack, avj_entry_type_name(type));
    avj_pack_cstr(pack, "h");
    avj_pack_int(pack, (int64_t)hlc);
    if (session) {
        avj_pack_cstr(pack, "p");
        avj_pack_cstr(pack, session);
    }
    if (!document)
        return;
    avj_pack_cstr(pack, "e");
    avj_pack_cstr(pack, avj_schema(entity)->kind);
    avj_pack_cstr(pack, "i");
    avj_pack_cstr(pack, id);
}
