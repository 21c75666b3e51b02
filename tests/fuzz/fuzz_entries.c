/*
 * The bytes are entries, each behind its length of two bytes.  What is read of them at a glance
 * must be what the tree gives, and a view that folds them fast must show what one shows that folds
 * them slowly.
 */
#include "replay/glance.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/described.h"

#include <string.h>

#define ENTRIES_MAX 64

static bool same_text(struct avj_slice a, struct avj_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void check_document(const struct avj_glance *g, const struct avj_entry *e)
{
    struct avj_value v;
    struct avj_tree *tree;

    fuzz_require(g->type == e->type && g->entity == e->entity, "another type or kind");
    fuzz_require(same_text(g->id, e->id), "another id");
    fuzz_require(g->upto == avj_value_get_int(e->root, "s", -1), "another s");
    fuzz_require(g->status == avj_value_get_int(e->root, "x", -1), "another x");
    fuzz_require(same_text(g->row, avj_value_get_text(e->root, "r")), "another r");
    fuzz_require(same_text(g->version, avj_value_get_text(e->root, "v")), "another v");
    bool map = avj_value_get(e->root, "f", &v) && v.kind == AVJ_MAP;
    fuzz_require((g->f.len != 0) == map, "fields or none");
    if (!map)
        return;
    fuzz_require(avj_tree_parse(g->f.data, g->f.len, &tree) == AVJ_OK, "fields");
    fuzz_require(avj_value_equal(avj_tree_root(tree), v), "other fields");
    avj_tree_free(tree);
}

static void check_glance(const uint8_t *data, size_t len)
{
    struct avj_glance g;
    struct avj_entry e;
    enum avj_status status = avj_entry_decode(data, len, &e, NULL);

    if (!avj_glance(data, len, &g)) {
        if (status == AVJ_OK)
            avj_entry_release(&e);
        return;
    }
    fuzz_require(status == AVJ_OK || !g.has_document, "a document of no entry");
    if (status != AVJ_OK)
        return;
    fuzz_require(g.hlc == e.hlc && g.has_document == e.has_document, "another stamp");
    if (g.has_document)
        check_document(&g, &e);
    avj_entry_release(&e);
}

/* Copied to memory of just that size: a read behind it is seen. */
static void fold(struct avj_view *fast, struct avj_view *slow, uint64_t seq, const uint8_t *data,
                 size_t len)
{
    struct avj_error a = {0}, b = {0};
    uint8_t *entry = malloc(len ? len : 1);

    fuzz_require(entry, "out of memory");
    memcpy(entry, data, len);
    check_glance(entry, len);
    enum avj_status first = avj_view_apply(fast, seq, entry, len, &a);
    enum avj_status second = avj_view_apply(slow, seq, entry, len, &b);
    fuzz_require(first == second && strcmp(a.message, b.message) == 0, "%s; %s", a.message,
                 b.message);
    fuzz_require(first == AVJ_OK || first == AVJ_EFORMAT, "%s", a.message);
    free(entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, size};
    struct avj_view *fast, *slow;

    fuzz_begin();
    fast = avj_view_new(NULL);
    slow = avj_view_new(NULL);
    fuzz_require(fast && slow, "out of memory");
    slow->slow = true;
    for (uint64_t seq = 1; in.len > 0 && seq <= ENTRIES_MAX; seq++) {
        size_t len = fuzz_number(&in, 2);
        if (len > in.len)
            len = in.len;
        fold(fast, slow, seq, in.data, len);
        in.data += len;
        in.len -= len;
    }
    fuzz_require(described_same(fast, slow, false, "fast and slow"), "see above");
    fuzz_require(described_same(fast, slow, true, "fast and slow"), "see above");
    avj_view_free(fast);
    avj_view_free(slow);
    fuzz_end(size);
    return 0;
}
