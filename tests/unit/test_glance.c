/*
 * Entries and fields at a glance are what the tree gives, byte for byte, whenever they are taken at
 * all; and what this program writes is taken.
 */
#include "replay/glance.h"
#include "replay/clock.h"
#include "tests/support/cases.h"
#include "tests/support/history.h"
#include "tests/support/history_values.h"

#define HISTORIES 300
#define ENTRIES   60

/* ---- entries ---- */

static bool same_text(struct avj_slice a, struct avj_slice b)
{
    return a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}

static enum avj_op op_of(struct avj_value root)
{
    struct avj_value v;
    (void)avj_value_get(root, "o", &v);
    for (int op = 0; op < AVJ_OPS; op++)
        if (avj_value_text_is(v, avj_op_name((enum avj_op)op)))
            return (enum avj_op)op;
    return AVJ_OPS;
}

static void check_fields(const struct avj_glance *g, const struct avj_entry *e)
{
    struct avj_value f;
    struct avj_tree *tree;
    bool map = avj_value_get(e->root, "f", &f) && f.kind == AVJ_MAP;
    assert_int_equal(g->f.len != 0, map);
    if (!map)
        return;
    assert_int_equal(avj_tree_parse(g->f.data, g->f.len, &tree), AVJ_OK);
    assert_true(avj_value_equal(avj_tree_root(tree), f));
    avj_tree_free(tree);
}

static void check_document(const struct avj_glance *g, const struct avj_entry *e)
{
    struct avj_value v;
    assert_int_equal(g->entity, e->entity);
    assert_true(same_text(g->id, e->id));
    assert_int_equal(g->op, op_of(e->root));
    check_fields(g, e);
    assert_int_equal(g->upto, avj_value_get_int(e->root, "s", -1));
    assert_int_equal(g->status, avj_value_get_int(e->root, "x", -1));
    assert_true(same_text(g->row, avj_value_get_text(e->root, "r")));
    assert_true(same_text(g->version, avj_value_get_text(e->root, "v")));
    bool list = avj_value_get(e->root, "k", &v) && v.kind == AVJ_LIST;
    assert_int_equal(g->kept, list ? v.len : 0);
    assert_int_equal(g->conflict, avj_value_get(e->root, "c", &v) && v.kind == AVJ_INT);
}

/* A copy of just that size: a read behind it is seen.  True: it was taken. */
static bool check_entry(const void *data, size_t len)
{
    struct avj_glance g;
    struct avj_entry e;
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    bool taken = avj_glance(copy, len, &g);
    enum avj_status status = avj_entry_decode(copy, len, &e, NULL);
    /* What names no document is told by the decoder only; nothing is folded at a glance then. */
    assert_true(!taken || status == AVJ_OK || !g.has_document);
    if (taken && status == AVJ_OK) {
        assert_int_equal(g.hlc, e.hlc);
        assert_int_equal(g.has_document, e.has_document);
        if (g.has_document) {
            assert_int_equal(g.type, e.type);
            check_document(&g, &e);
        }
    }
    if (status == AVJ_OK)
        avj_entry_release(&e);
    free(copy);
    return taken;
}

static void damage(struct test_rng *rng, struct avj_pack *entry)
{
    switch (test_rng_below(rng, 3)) {
    case 0:
        entry->data[test_rng_below(rng, entry->len)] = (uint8_t)test_rng_below(rng, 256);
        return;
    case 1:
        entry->len = test_rng_below(rng, entry->len);
        return;
    default: /* a key becomes another one */
        for (size_t i = 0; i + 1 < entry->len; i++)
            if (entry->data[i] == 0xa1 && test_rng_below(rng, 4) == 0)
                entry->data[i + 1] = (uint8_t)('a' + test_rng_below(rng, 26));
    }
}

static void entries_at_a_glance(void **state)
{
    (void)state;
    uint64_t seed = test_rng_seed("histories");
    struct avj_pack entry = {0};
    size_t taken = 0, all = 0;
    for (uint64_t i = 0; i < HISTORIES; i++) {
        struct history h;
        history_init(&h, seed + i);
        for (int n = 0; n < ENTRIES; n++) {
            history_next(&h, &entry);
            taken += check_entry(entry.data, entry.len);
            damage(&h.rng, &entry);
            taken += check_entry(entry.data, entry.len);
            all += 2;
        }
    }
    avj_pack_release(&entry);
    assert_true(taken > all / 4 && taken < all);
}

static bool is_known(const struct avj_pack *entry)
{
    struct avj_entry e;
    if (avj_entry_decode(entry->data, entry->len, &e, NULL) != AVJ_OK)
        return false;
    bool known = avj_value_text_is(
        (struct avj_value){.kind = AVJ_TEXT, .text = e.type_name.data, .len = e.type_name.len},
        avj_entry_type_name(e.type));
    avj_entry_release(&e);
    return known;
}

static void what_is_written_here_is_taken(void **state)
{
    (void)state;
    uint64_t seed = test_rng_seed("histories");
    struct avj_pack entry = {0};
    for (uint64_t i = 0; i < HISTORIES; i++) {
        struct history h;
        history_init(&h, seed + i);
        h.odd = h.broken = 0;
        for (int n = 0; n < ENTRIES; n++) {
            history_next(&h, &entry);
            if (is_known(&entry) && !check_entry(entry.data, entry.len))
                fail_msg("entry %llu of AVJ_TEST_SEED=%llu", (unsigned long long)h.seq,
                         (unsigned long long)(seed + i));
        }
    }
    avj_pack_release(&entry);
}

/* Each is something that the other reader reads, or refuses, in its own way. */
static void what_is_left_to_the_other_reader(void **state)
{
    (void)state;
    static const struct {
        const char *sentence, *bytes;
        size_t len;
    } rows[] = {
        {"nothing", "", 0},
        {"no map", "\xa1t", 2},
        {"no type", "\x80", 1},
        {"a type that is not known", "\x81\xa1t\xa1z", 5},
        {"a type that is no text", "\x81\xa1t\x01", 4},
        {"a key twice", "\x82\xa1t\xa3gap\xa1t\xa3gap", 13},
        {"a stamp below zero", "\x82\xa1t\xa3gap\xa1h\xff", 10},
        {"a stamp written wide", "\x82\xa1t\xa3gap\xa1h\xcc\x05", 11},
        {"a key written wide", "\x81\xd9\x01t\xa3gap", 8},
        {"a map written wide", "\xde\x00\x01\xa1t\xa3gap", 9},
        {"something behind it", "\x81\xa1t\xa3gap\xc0", 8},
        {"what was kept back, in a list written wide",
         "\x82\xa1t\xa3"
         "ack\xa1k\xdc\x00\x00",
         12},
        {"a conflict's number written wide",
         "\x82\xa1t\xa5local\xa1"
         "c\xcc\x05",
         13},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (check_entry(rows[i].bytes, rows[i].len))
            fail_msg("%s is taken", rows[i].sentence);
    assert_true(check_entry("\x82\xa1t\xa3gap\xa1h\x05", 10));
}

/* ---- fields ---- */

static int64_t time_under(struct avj_value map, const char *key)
{
    struct avj_slice text = avj_value_get_text(map, key);
    int64_t ms = 0;
    if (text.data)
        (void)avj_time_parse(text.data, text.len, &ms);
    return ms;
}

static void check_facts(enum avj_entity entity, struct avj_fields fields,
                        const struct avj_facts *facts)
{
    struct avj_tree *tree;
    assert_int_equal(avj_tree_parse(fields.data, fields.len, &tree), AVJ_OK);
    struct avj_value root = avj_tree_root(tree);
    struct avj_slice thread = {NULL, 0};
    if (entity == AVJ_MESSAGE || entity == AVJ_SUMMARY)
        thread = avj_value_get_text(root, "threadId");
    assert_int_equal(facts->thread.data == NULL, thread.data == NULL);
    assert_true(same_text(facts->thread, thread));
    assert_int_equal(facts->created_ms, time_under(root, "createdAt"));
    assert_int_equal(facts->last_message_ms,
                     entity == AVJ_THREAD ? time_under(root, "lastMessageAt") : 0);
    assert_int_equal(facts->pinned,
                     entity == AVJ_THREAD && avj_value_get_bool(root, "isPinned", false));
    avj_tree_free(tree);
}

/* True: it was taken. */
static bool check_map(enum avj_entity entity, const struct avj_pack *map, bool drop_nil)
{
    struct avj_facts facts;
    struct avj_tree *tree;
    struct avj_pack canonical = {0};
    struct avj_fields fields = {map->data, map->len};
    assert_int_equal(avj_tree_parse(map->data, map->len, &tree), AVJ_OK);
    assert_int_equal(avj_fields_canonical(entity, avj_tree_root(tree), drop_nil, &canonical),
                     AVJ_OK);
    avj_tree_free(tree);
    bool same = canonical.len == map->len && memcmp(canonical.data, map->data, map->len) == 0;
    bool taken = avj_fields_plain(entity, fields, drop_nil, &facts);
    assert_true(same || !taken);
    if (taken)
        check_facts(entity, fields, &facts);
    /* Bytes, which fields have no use for, are left to the other reader. */
    if (same && !taken)
        assert_non_null(memchr(map->data, 0xc4, map->len));
    avj_pack_release(&canonical);
    return taken;
}

static void maps_are_plain_or_are_not(void **state)
{
    (void)state;
    struct history h;
    struct avj_pack map = {0}, loose = {0};
    size_t taken = 0, all = 60000;
    history_init(&h, test_rng_seed("maps"));
    for (size_t i = 0; i < all; i++) {
        const struct history_doc *doc = &h.docs[test_rng_below(&h.rng, HISTORY_DOCS)];
        int choices[HISTORY_FIELDS] = {0};
        for (size_t f = 0; f < history_field_count(doc->entity); f++)
            if (test_rng_below(&h.rng, 3))
                choices[f] = history_choose(&h, doc->entity, f);
        if (test_rng_below(&h.rng, 4) == 0)
            choices[test_rng_below(&h.rng, history_field_count(doc->entity))] = -1;
        avj_pack_reset(&map);
        avj_pack_reset(&loose);
        history_pack_fields(&h, doc, choices, i % 3 == 0, &map);
        if (i % 5 == 0)
            history_loosen(&h.rng, map.data, map.len, &loose);
        taken += check_map(doc->entity, i % 5 ? &map : &loose, i % 2);
    }
    avj_pack_release(&map);
    avj_pack_release(&loose);
    assert_true(taken > all / 4 && taken < all);
}

/* What a tree refuses as nested too deep must not be folded without one. */
static void fields_nest_no_deeper_than_a_tree_allows(void **state)
{
    (void)state;
    bool taken = true;
    for (size_t depth = 1; depth < AVJ_VALUE_DEPTH_MAX + 4; depth++) {
        struct avj_pack entry = {0};
        avj_entry_begin(&entry, AVJ_E_LOCAL, 7, NULL, AVJ_MESSAGE, "m", 2);
        avj_pack_cstr(&entry, "o");
        avj_pack_cstr(&entry, "create");
        avj_pack_cstr(&entry, "f");
        avj_pack_map(&entry, 1);
        avj_pack_cstr(&entry, "nested");
        for (size_t i = 0; i < depth; i++)
            avj_pack_list(&entry, 1);
        avj_pack_int(&entry, 1);
        bool now = check_entry(entry.data, entry.len);
        assert_true(taken || !now);
        taken = now;
        avj_pack_release(&entry);
    }
    assert_false(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_at_a_glance),
        cmocka_unit_test(what_is_written_here_is_taken),
        cmocka_unit_test(what_is_left_to_the_other_reader),
        cmocka_unit_test(maps_are_plain_or_are_not),
        cmocka_unit_test(fields_nest_no_deeper_than_a_tree_allows),
    };
    return cmocka_run_group_tests_name("at a glance", tests, NULL, NULL);
}
