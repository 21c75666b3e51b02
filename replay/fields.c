/* Canonical maps: see fields.h. */
#include "replay/fields.h"
#include "replay/glance.h"
#include "replay/raw.h"

#include <stdlib.h>
#include <string.h>

struct pair {
    struct avj_value key, value;
    size_t rank; /* schema position */
    size_t turn; /* later ones win */
};

struct pairs {
    struct pair *items;
    size_t count, cap;
    struct pair few[24];
};

static bool pairs_reserve(struct pairs *p, size_t count)
{
    p->items = p->few;
    p->cap = sizeof(p->few) / sizeof(p->few[0]);
    if (count <= p->cap)
        return true;
    p->items = malloc(count * sizeof(*p->items));
    p->cap = count;
    return p->items != NULL;
}

static void pairs_release(struct pairs *p)
{
    if (p->items != p->few)
        free(p->items);
}

static bool pairs_add_map(struct pairs *p, enum avj_entity entity, struct avj_value map)
{
    for (size_t i = 0; i < map.len; i++) {
        struct pair *pair = &p->items[p->count];
        avj_value_pair(map, i, &pair->key, &pair->value);
        if (pair->key.kind != AVJ_TEXT)
            return false;
        pair->rank = avj_field_rank(entity, pair->key.text, pair->key.len);
        pair->turn = p->count++;
    }
    return true;
}

static int compare_keys(const struct pair *x, const struct pair *y)
{
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    size_t common = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = memcmp(x->key.text, y->key.text, common);
    if (order)
        return order;
    return x->key.len < y->key.len ? -1 : x->key.len > y->key.len;
}

static int compare(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = compare_keys(x, y);
    if (order)
        return order;
    return x->turn < y->turn ? -1 : 1;
}

/* Sorts, keeps the last of equal keys, and writes. */
static void write_sorted(struct pairs *p, bool drop_nil, struct avj_pack *out)
{
    qsort(p->items, p->count, sizeof(*p->items), compare);
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (i + 1 < p->count && compare_keys(&p->items[i], &p->items[i + 1]) == 0)
            continue;
        if (drop_nil && p->items[i].value.kind == AVJ_NIL)
            continue;
        p->items[kept++] = p->items[i];
    }
    avj_pack_map(out, kept);
    for (size_t i = 0; i < kept; i++) {
        avj_pack_text(out, p->items[i].key.text, p->items[i].key.len);
        avj_pack_value(out, p->items[i].value);
    }
}

static enum avj_status combine(enum avj_entity entity, struct avj_value first,
                               struct avj_value second, bool drop_nil, struct avj_pack *out)
{
    struct pairs p = {.count = 0};
    if (!pairs_reserve(&p, first.len + second.len))
        return AVJ_ENOMEM;
    enum avj_status status = AVJ_OK;
    if (pairs_add_map(&p, entity, first) && pairs_add_map(&p, entity, second))
        write_sorted(&p, drop_nil, out);
    else
        status = AVJ_EFORMAT;
    pairs_release(&p);
    return status == AVJ_OK && out->failed ? AVJ_ENOMEM : status;
}

enum avj_status avj_fields_canonical(enum avj_entity entity, struct avj_value map, bool drop_nil,
                                     struct avj_pack *out)
{
    if (map.kind != AVJ_MAP)
        return AVJ_EFORMAT;
    return combine(entity, map, (struct avj_value){.kind = AVJ_MAP}, drop_nil, out);
}

/* The tree of a fields string; an empty string is an empty map (no tree). */
static enum avj_status parse(struct avj_fields fields, struct avj_tree **tree,
                             struct avj_value *root)
{
    *tree = NULL;
    *root = (struct avj_value){.kind = AVJ_MAP};
    if (fields.len == 0)
        return AVJ_OK;
    enum avj_status status = avj_tree_parse(fields.data, fields.len, tree);
    if (status == AVJ_OK)
        *root = avj_tree_root(*tree);
    if (status == AVJ_OK && root->kind != AVJ_MAP)
        status = AVJ_EFORMAT;
    return status;
}

/* ---- merging without trees ---- */

/* A map in canonical form, pair by pair. */
struct plain {
    struct avj_raw raw;
    size_t left; /* pairs, the one at hand included */
    struct pair key;
    const uint8_t *from, *value, *to; /* the pair at hand */
};

static void plain_next(struct plain *p, enum avj_entity entity)
{
    struct avj_slice key = {NULL, 0};
    if (!p->left)
        return;
    p->from = p->raw.at;
    (void)avj_raw_text(&p->raw, &key);
    p->value = p->raw.at;
    (void)avj_raw_skip(&p->raw, 0);
    p->to = p->raw.at;
    p->key.key = (struct avj_value){.kind = AVJ_TEXT, .text = key.data, .len = key.len};
    p->key.rank = avj_field_rank(entity, key.data, key.len);
}

static void plain_begin(struct plain *p, enum avj_entity entity, struct avj_fields fields)
{
    p->raw = (struct avj_raw){NULL, NULL};
    p->left = 0;
    if (fields.len) {
        p->raw = (struct avj_raw){fields.data, fields.data + fields.len};
        (void)avj_raw_map(&p->raw, &p->left);
    }
    plain_next(p, entity);
}

static void plain_step(struct plain *p, enum avj_entity entity)
{
    p->left--;
    plain_next(p, entity);
}

static void plain_put(const struct plain *p, bool drop_nil, struct avj_pack *body, size_t *count)
{
    if (drop_nil && *p->value == 0xc0)
        return;
    avj_pack_raw(body, p->from, (size_t)(p->to - p->from));
    (*count)++;
}

/* Pairs stand behind one byte that was left for it.  False: out of memory. */
static bool put_header(struct avj_pack *out, size_t begin, size_t count)
{
    if (out->failed)
        return false;
    if (count < 16) {
        out->data[begin] = (uint8_t)(0x80 | count);
        return true;
    }
    struct avj_pack body = {0};
    avj_pack_raw(&body, out->data + begin + 1, out->len - begin - 1);
    out->len = begin;
    avj_pack_map(out, count);
    avj_pack_raw(out, body.data, body.len);
    bool ok = !body.failed && !out->failed;
    avj_pack_release(&body);
    return ok;
}

/* Both maps are canonical: one pass over both. */
static enum avj_status merge_plain(enum avj_entity entity, struct avj_fields base,
                                   struct avj_fields patch, bool drop_nil, struct avj_pack *out)
{
    struct plain b, p;
    size_t count = 0, begin = out->len;
    avj_pack_reserve(out, base.len + patch.len + 1);
    avj_pack_raw(out, "", 1); /* room for the header of a small map */
    plain_begin(&b, entity, base);
    plain_begin(&p, entity, patch);
    while (b.left || p.left) {
        int order = !b.left ? 1 : !p.left ? -1 : compare_keys(&b.key, &p.key);
        if (order < 0) {
            plain_put(&b, drop_nil, out, &count);
            plain_step(&b, entity);
            continue;
        }
        plain_put(&p, drop_nil, out, &count);
        plain_step(&p, entity);
        if (order == 0)
            plain_step(&b, entity);
    }
    return put_header(out, begin, count) ? AVJ_OK : AVJ_ENOMEM;
}

static bool is_plain(enum avj_entity entity, struct avj_fields fields)
{
    struct avj_facts facts;
    return fields.len == 0 || avj_fields_plain(entity, fields, false, &facts);
}

enum avj_status avj_fields_merge(enum avj_entity entity, struct avj_fields base,
                                 struct avj_fields patch, bool drop_nil, struct avj_pack *out)
{
    struct avj_tree *base_tree, *patch_tree = NULL;
    struct avj_value base_root, patch_root;
    if (is_plain(entity, base) && is_plain(entity, patch))
        return merge_plain(entity, base, patch, drop_nil, out);
    enum avj_status status = parse(base, &base_tree, &base_root);
    if (status == AVJ_OK)
        status = parse(patch, &patch_tree, &patch_root);
    if (status == AVJ_OK)
        status = combine(entity, base_root, patch_root, drop_nil, out);
    avj_tree_free(base_tree);
    avj_tree_free(patch_tree);
    return status;
}

enum avj_status avj_fields_filter(struct avj_fields fields,
                                  bool (*keep)(void *arg, struct avj_value name,
                                               struct avj_value value),
                                  void *arg, struct avj_pack *out)
{
    struct avj_tree *tree;
    struct avj_value root;
    enum avj_status status = parse(fields, &tree, &root);
    size_t kept = 0;
    struct avj_pack body = {0};
    for (size_t i = 0; status == AVJ_OK && i < root.len; i++) {
        struct avj_value key, value;
        avj_value_pair(root, i, &key, &value);
        if (!keep(arg, key, value))
            continue;
        avj_pack_value(&body, key);
        avj_pack_value(&body, value);
        kept++;
    }
    if (status == AVJ_OK) {
        avj_pack_map(out, kept);
        avj_pack_raw(out, body.data, body.len);
    }
    avj_tree_free(tree);
    bool failed = body.failed || out->failed;
    avj_pack_release(&body);
    return status == AVJ_OK && failed ? AVJ_ENOMEM : status;
}
