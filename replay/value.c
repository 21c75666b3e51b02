/* Values over msgpack-c: see value.h. */
#include "replay/value.h"
#include "replay/raw.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

struct avj_tree {
    msgpack_unpacked unpacked;
    struct avj_value root;
};

/* ---- reading ---- */

static struct avj_value from_object(const msgpack_object *o)
{
    struct avj_value v = {.node = o};
    switch (o->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        v.kind = AVJ_BOOL;
        v.boolean = o->via.boolean;
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        v.kind = o->via.u64 <= INT64_MAX ? AVJ_INT : AVJ_REAL;
        v.integer = (int64_t)o->via.u64;
        v.real = (double)o->via.u64;
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        v.kind = AVJ_INT;
        v.integer = o->via.i64;
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        v.kind = AVJ_REAL;
        v.real = o->via.f64;
        break;
    case MSGPACK_OBJECT_STR:
        v.kind = AVJ_TEXT;
        v.text = o->via.str.ptr;
        v.len = o->via.str.size;
        break;
    case MSGPACK_OBJECT_BIN:
        v.kind = AVJ_BYTES;
        v.text = o->via.bin.ptr;
        v.len = o->via.bin.size;
        break;
    case MSGPACK_OBJECT_EXT:
        v.kind = AVJ_BYTES;
        v.text = o->via.ext.ptr;
        v.len = o->via.ext.size;
        break;
    case MSGPACK_OBJECT_ARRAY:
        v.kind = AVJ_LIST;
        v.len = o->via.array.size;
        break;
    case MSGPACK_OBJECT_MAP:
        v.kind = AVJ_MAP;
        v.len = o->via.map.size;
        break;
    case MSGPACK_OBJECT_NIL:
    default:
        v.kind = AVJ_NIL;
        break;
    }
    return v;
}

enum avj_status avj_tree_parse(const void *data, size_t len, struct avj_tree **out)
{
    *out = NULL;
    /* msgpack-c trusts lengths. */
    struct avj_raw raw = {data, (const uint8_t *)data + len};
    if (!avj_raw_skip(&raw, 0) || raw.at != raw.end)
        return AVJ_EFORMAT;
    struct avj_tree *tree = malloc(sizeof(*tree));
    if (!tree)
        return AVJ_ENOMEM;
    msgpack_unpacked_init(&tree->unpacked);
    size_t offset = 0;
    msgpack_unpack_return r = msgpack_unpack_next(&tree->unpacked, data, len, &offset);
    if (r != MSGPACK_UNPACK_SUCCESS) {
        avj_tree_free(tree);
        return r == MSGPACK_UNPACK_NOMEM_ERROR ? AVJ_ENOMEM : AVJ_EFORMAT;
    }
    tree->root = from_object(&tree->unpacked.data);
    *out = tree;
    return AVJ_OK;
}

struct avj_value avj_tree_root(const struct avj_tree *tree)
{
    return tree->root;
}

void avj_tree_free(struct avj_tree *tree)
{
    if (!tree)
        return;
    msgpack_unpacked_destroy(&tree->unpacked);
    free(tree);
}

struct avj_value avj_value_item(struct avj_value list, size_t i)
{
    const msgpack_object *o = list.node;
    return from_object(&o->via.array.ptr[i]);
}

void avj_value_pair(struct avj_value map, size_t i, struct avj_value *key, struct avj_value *value)
{
    const msgpack_object *o = map.node;
    *key = from_object(&o->via.map.ptr[i].key);
    *value = from_object(&o->via.map.ptr[i].val);
}

bool avj_value_text_is(struct avj_value value, const char *text)
{
    return value.kind == AVJ_TEXT && value.len == strlen(text) &&
           memcmp(value.text, text, value.len) == 0;
}

bool avj_value_get(struct avj_value map, const char *key, struct avj_value *out)
{
    if (map.kind == AVJ_MAP) {
        for (size_t i = 0; i < map.len; i++) {
            struct avj_value k;
            avj_value_pair(map, i, &k, out);
            if (avj_value_text_is(k, key))
                return true;
        }
    }
    *out = (struct avj_value){.kind = AVJ_NIL};
    return false;
}

struct avj_slice avj_value_get_text(struct avj_value map, const char *key)
{
    struct avj_value v;
    struct avj_slice none = {NULL, 0};
    if (!avj_value_get(map, key, &v) || v.kind != AVJ_TEXT)
        return none;
    return (struct avj_slice){v.text, v.len};
}

int64_t avj_value_get_int(struct avj_value map, const char *key, int64_t otherwise)
{
    struct avj_value v;
    return avj_value_get(map, key, &v) && v.kind == AVJ_INT ? v.integer : otherwise;
}

bool avj_value_get_bool(struct avj_value map, const char *key, bool otherwise)
{
    struct avj_value v;
    return avj_value_get(map, key, &v) && v.kind == AVJ_BOOL ? v.boolean : otherwise;
}

static bool equal_at(struct avj_value a, struct avj_value b, int depth);

static bool maps_equal(struct avj_value a, struct avj_value b, int depth)
{
    for (size_t i = 0; i < a.len; i++) {
        struct avj_value ka, va, kb, vb;
        avj_value_pair(a, i, &ka, &va);
        /* Canonical maps have equal keys at equal places. */
        avj_value_pair(b, i, &kb, &vb);
        for (size_t j = 0; !equal_at(ka, kb, depth) && j < b.len; j++)
            avj_value_pair(b, j, &kb, &vb);
        if (!equal_at(ka, kb, depth) || !equal_at(va, vb, depth))
            return false;
    }
    return true;
}

static bool equal_at(struct avj_value a, struct avj_value b, int depth)
{
    if (a.kind != b.kind || depth > AVJ_VALUE_DEPTH_MAX)
        return false;
    switch (a.kind) {
    case AVJ_NIL:
        return true;
    case AVJ_BOOL:
        return a.boolean == b.boolean;
    case AVJ_INT:
        return a.integer == b.integer;
    case AVJ_REAL:
        return memcmp(&a.real, &b.real, sizeof(a.real)) == 0;
    case AVJ_TEXT:
    case AVJ_BYTES:
        return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
    case AVJ_LIST:
        if (a.len != b.len)
            return false;
        for (size_t i = 0; i < a.len; i++)
            if (!equal_at(avj_value_item(a, i), avj_value_item(b, i), depth + 1))
                return false;
        return true;
    case AVJ_MAP:
        return a.len == b.len && maps_equal(a, b, depth + 1);
    }
    return false;
}

bool avj_value_equal(struct avj_value a, struct avj_value b)
{
    return equal_at(a, b, 0);
}

struct avj_slice avj_packed_text(const void *data, size_t len, const char *key)
{
    struct avj_slice none = {NULL, 0}, name, value;
    size_t pairs, key_len = strlen(key);
    if (len == 0)
        return none;
    struct avj_raw raw = {data, (const uint8_t *)data + len};
    if (!avj_raw_map(&raw, &pairs))
        return none;
    for (size_t i = 0; i < pairs; i++) {
        bool wanted = avj_raw_text(&raw, &name);
        if (!wanted && !avj_raw_skip(&raw, 0))
            return none;
        wanted = wanted && name.len == key_len && memcmp(name.data, key, key_len) == 0;
        if (wanted)
            return avj_raw_text(&raw, &value) ? value : none;
        if (!avj_raw_skip(&raw, 0))
            return none;
    }
    return none;
}

/* ---- building ---- */

void avj_pack_release(struct avj_pack *pack)
{
    free(pack->data);
    *pack = (struct avj_pack){0};
}

void avj_pack_reset(struct avj_pack *pack)
{
    pack->len = 0;
    pack->failed = false;
}

void avj_pack_reserve(struct avj_pack *pack, size_t len)
{
    if (pack->failed || len <= pack->cap - pack->len)
        return;
    uint8_t *grown = realloc(pack->data, pack->len + len);
    if (!grown)
        return; /* it is tried again when it is needed */
    pack->data = grown;
    pack->cap = pack->len + len;
}

void avj_pack_raw(struct avj_pack *pack, const void *data, size_t len)
{
    if (pack->failed || len == 0)
        return;
    if (len > pack->cap - pack->len) {
        size_t cap = pack->cap ? pack->cap : 256;
        while (cap - pack->len < len)
            cap *= 2;
        uint8_t *grown = realloc(pack->data, cap);
        if (!grown) {
            pack->failed = true;
            return;
        }
        pack->data = grown;
        pack->cap = cap;
    }
    memcpy(pack->data + pack->len, data, len);
    pack->len += len;
}

static int write_bytes(void *data, const char *bytes, size_t len)
{
    avj_pack_raw(data, bytes, len);
    return 0; /* a failure is remembered in the pack */
}

static msgpack_packer packer_for(struct avj_pack *pack)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, pack, write_bytes);
    return packer;
}

void avj_pack_nil(struct avj_pack *pack)
{
    msgpack_packer p = packer_for(pack);
    msgpack_pack_nil(&p);
}

void avj_pack_bool(struct avj_pack *pack, bool value)
{
    msgpack_packer p = packer_for(pack);
    if (value)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
}

void avj_pack_int(struct avj_pack *pack, int64_t value)
{
    msgpack_packer p = packer_for(pack);
    msgpack_pack_int64(&p, value);
}

void avj_pack_real(struct avj_pack *pack, double value)
{
    msgpack_packer p = packer_for(pack);
    msgpack_pack_double(&p, value);
}

void avj_pack_text(struct avj_pack *pack, const char *text, size_t len)
{
    msgpack_packer p = packer_for(pack);
    msgpack_pack_str(&p, len);
    avj_pack_raw(pack, text, len);
}

void avj_pack_cstr(struct avj_pack *pack, const char *text)
{
    if (text)
        avj_pack_text(pack, text, strlen(text));
    else
        avj_pack_nil(pack);
}

void avj_pack_bytes(struct avj_pack *pack, const void *data, size_t len)
{
    msgpack_packer p = packer_for(pack);
    msgpack_pack_bin(&p, len);
    avj_pack_raw(pack, data, len);
}

void avj_pack_list(struct avj_pack *pack, size_t items)
{
    msgpack_packer p = packer_for(pack);
    msgpack_pack_array(&p, items);
}

void avj_pack_map(struct avj_pack *pack, size_t pairs)
{
    msgpack_packer p = packer_for(pack);
    msgpack_pack_map(&p, pairs);
}

void avj_pack_value(struct avj_pack *pack, struct avj_value value)
{
    if (!value.node) {
        avj_pack_nil(pack);
        return;
    }
    msgpack_packer p = packer_for(pack);
    msgpack_pack_object(&p, *(const msgpack_object *)value.node);
}
