/*
 * The index: arrays in chunks, ids of every kind and length, found again among those that a
 * snapshot brought along and those that were added since, and their order.
 */
#include "replay/slot.h"
#include "tests/support/cases.h"
#include "tests/support/rng.h"

/* Longest id that a slot holds. */
#define LONGEST 4096

/* ---- chunks ---- */

static void items_stay_where_they_are(void **state)
{
    (void)state;
    struct avj_chunks c;
    size_t count = 3 * AVJ_CHUNK_ITEMS + 1;
    uint64_t **at = calloc(count, sizeof(*at));
    assert_non_null(at);
    avj_chunks_init(&c, sizeof(uint64_t));
    for (size_t i = 0; i < count; i++) {
        at[i] = avj_chunks_add(&c);
        assert_non_null(at[i]);
        assert_int_equal(*at[i], 0);
        *at[i] = i * i;
    }
    assert_int_equal(c.count, count);
    assert_int_equal(c.chunk_count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(avj_chunks_at(&c, i), at[i]);
        assert_int_equal(*at[i], i * i);
    }
    assert_true(avj_chunks_memory(&c) >= 4 * AVJ_CHUNK_ITEMS * sizeof(uint64_t));
    avj_chunks_release(&c);
    assert_int_equal(c.count, 0);
    free(at);
}

static void adopted_chunks_are_not_ours_to_free(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, AVJ_CHUNK_ITEMS - 1, AVJ_CHUNK_ITEMS,
                                    AVJ_CHUNK_ITEMS + 1};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct avj_chunks c;
        avj_chunks_init(&c, sizeof(uint32_t));
        /* Not a byte more than they take: a sanitizer sees who reads on. */
        uint32_t *items = malloc(counts[i] * sizeof(*items) + 1);
        assert_non_null(items);
        for (uint32_t n = 0; n < counts[i]; n++)
            items[n] = n;
        assert_true(avj_chunks_adopt(&c, items, counts[i]));
        assert_int_equal(c.mapped, counts[i] / AVJ_CHUNK_ITEMS);
        assert_int_equal(avj_chunks_memory(&c),
                         c.chunk_cap * sizeof(*c.chunks) +
                             (counts[i] % AVJ_CHUNK_ITEMS ? sizeof(*items) * AVJ_CHUNK_ITEMS : 0));
        for (uint32_t n = 0; n < AVJ_CHUNK_ITEMS + 5; n++) {
            uint32_t *added = avj_chunks_add(&c);
            assert_non_null(added);
            assert_int_equal(*added, 0);
            *added = (uint32_t)c.count - 1;
        }
        for (uint32_t n = 0; n < c.count; n++)
            assert_int_equal(*(uint32_t *)avj_chunks_at(&c, n), n);
        avj_chunks_release(&c);
        free(items);
    }
}

/* ---- ids ---- */

struct ids {
    struct test_rng rng;
    char **texts; /* of slot i + 1 */
    enum avj_entity *entities;
    size_t count;
};

/* Ids that are nearly alike are looked for most. */
static void make_id(struct ids *ids, char out[LONGEST + 1])
{
    unsigned a = (unsigned)test_rng_below(&ids->rng, 3000);
    size_t len;
    switch (test_rng_below(&ids->rng, 8)) {
    case 0:
        snprintf(out, LONGEST, "%08X-1111-4111-8111-11111111111A", a);
        return;
    case 1: /* a dash too early, and a letter too late */
        snprintf(out, LONGEST, "%07x-11111-4111-8111-11111111111a", a);
        return;
    case 2:
        snprintf(out, LONGEST, "%08x-1111-4111-8111-11111111111g", a);
        return;
    case 3:
        snprintf(out, LONGEST, "thread_%u", a);
        return;
    case 4:
        len = test_rng_below(&ids->rng, 3) ? 1 + test_rng_below(&ids->rng, 60) : LONGEST - a % 9;
        memset(out, 'a' + (int)(a % 3), len);
        out[len] = 0;
        return;
    default:
        snprintf(out, LONGEST, "%08x-1111-4111-8111-%012x", a, a % 7);
    }
}

static void ids_begin(struct ids *ids, size_t cap)
{
    test_rng_init(&ids->rng, test_rng_seed("ids"));
    ids->texts = calloc(cap, sizeof(*ids->texts));
    ids->entities = calloc(cap, sizeof(*ids->entities));
    ids->count = 0;
    assert_true(ids->texts && ids->entities);
}

static void ids_end(struct ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free(ids->texts[i]);
    free(ids->texts);
    free(ids->entities);
}

static uint32_t naive_find(const struct ids *ids, enum avj_entity entity, const char *id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (ids->entities[i] == entity && strcmp(ids->texts[i], id) == 0)
            return (uint32_t)(i + 1);
    return 0;
}

/* The text is not NUL-terminated where it comes from. */
static uint32_t find(const struct avj_slots *s, enum avj_entity entity, const char *id)
{
    size_t len = strlen(id);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, id, len);
    uint32_t number = avj_slots_find(s, entity, copy, len);
    free(copy);
    return number;
}

static void add_ids(struct ids *ids, struct avj_slots *s, size_t count)
{
    char id[LONGEST + 1];
    for (size_t i = 0; i < count; i++) {
        bool added;
        enum avj_entity entity = (enum avj_entity)test_rng_below(&ids->rng, AVJ_ENTITIES);
        make_id(ids, id);
        uint32_t known = naive_find(ids, entity, id);
        assert_int_equal(find(s, entity, id), known);
        uint32_t number = avj_slots_need(s, entity, id, strlen(id), &added);
        assert_int_equal(added, !known);
        assert_int_equal(number, known ? known : ids->count + 1);
        if (known)
            continue;
        ids->texts[ids->count] = strdup(id);
        assert_non_null(ids->texts[ids->count]);
        ids->entities[ids->count++] = entity;
    }
    assert_int_equal(avj_slots_last(s), ids->count);
}

static void check_all(const struct ids *ids, const struct avj_slots *s)
{
    for (uint32_t n = 1; n <= ids->count; n++) {
        char buffer[AVJ_UUID_TEXT];
        const struct avj_slot *slot = avj_slot_at(s, n);
        assert_string_equal(avj_slot_id(s, slot, buffer), ids->texts[n - 1]);
        assert_int_equal(avj_slot_id_len(slot), strlen(ids->texts[n - 1]));
        assert_int_equal(avj_slot_entity(slot), ids->entities[n - 1]);
        assert_int_equal(find(s, ids->entities[n - 1], ids->texts[n - 1]), n);
    }
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void check_order(struct ids *ids, const struct avj_slots *s)
{
    for (int i = 0; i < 20000; i++) {
        uint32_t a = 1 + (uint32_t)test_rng_below(&ids->rng, ids->count);
        uint32_t b = 1 + (uint32_t)test_rng_below(&ids->rng, ids->count);
        int order = avj_slot_compare_ids(s, avj_slot_at(s, a), avj_slot_at(s, b));
        assert_int_equal(sign(order), sign(strcmp(ids->texts[a - 1], ids->texts[b - 1])));
    }
}

static void every_id_is_found_again(void **state)
{
    (void)state;
    struct ids ids;
    struct avj_slots s;
    ids_begin(&ids, 12000);
    avj_slots_init(&s);
    add_ids(&ids, &s, 12000);
    assert_true(ids.count > AVJ_CHUNK_ITEMS && s.texts.block_count > 2);
    check_all(&ids, &s);
    check_order(&ids, &s);
    assert_true(avj_slots_memory(&s) > ids.count * sizeof(struct avj_slot));
    avj_slots_release(&s);
    ids_end(&ids);
}

/* As snapshots do it: arrays and texts as they lie, and a table for what is there. */
struct brought {
    struct avj_slot *slots;
    uint8_t *texts;
    uint32_t *base;
};

static void bring(const struct avj_slots *from, struct avj_slots *to, struct brought *b,
                  uint32_t spare)
{
    uint32_t last = avj_slots_last(from), cap = last + 1 + spare;
    size_t blocks = from->texts.mapped_len / AVJ_TEXTS_BLOCK + from->texts.block_count;
    b->slots = calloc(from->slots.count, sizeof(*b->slots));
    b->texts = calloc(blocks ? blocks : 1, AVJ_TEXTS_BLOCK);
    b->base = calloc(cap, sizeof(*b->base));
    assert_true(b->slots && b->texts && b->base);
    for (size_t i = 0; i < from->slots.chunk_count; i++)
        memcpy(b->slots + i * AVJ_CHUNK_ITEMS, from->slots.chunks[i],
               avj_chunks_bytes(&from->slots, i));
    if (from->texts.mapped_len)
        memcpy(b->texts, from->texts.mapped, from->texts.mapped_len);
    for (size_t i = 0; i < from->texts.block_count; i++)
        memcpy(b->texts + from->texts.mapped_len + i * AVJ_TEXTS_BLOCK, from->texts.blocks[i],
               AVJ_TEXTS_BLOCK);
    avj_slots_fill_base(from, b->base, cap);
    avj_slots_init(to);
    assert_true(avj_chunks_adopt(&to->slots, b->slots, from->slots.count));
    assert_true(avj_texts_adopt(&to->texts, b->texts, from->texts.used));
    to->base = b->base;
    to->base_cap = cap;
    to->base_last = last;
}

static void what_was_brought_along_is_found_too(void **state)
{
    (void)state;
    struct ids ids;
    struct avj_slots s[4];
    struct brought b[4];
    ids_begin(&ids, 16000);
    avj_slots_init(&s[0]);
    add_ids(&ids, &s[0], 4000);
    for (int generation = 1; generation < 4; generation++) {
        /* With one place to spare, and with many. */
        bring(&s[generation - 1], &s[generation], &b[generation], generation == 1 ? 0 : 5000);
        check_all(&ids, &s[generation]);
        add_ids(&ids, &s[generation], 4000);
        check_all(&ids, &s[generation]);
        check_order(&ids, &s[generation]);
    }
    for (int generation = 0; generation < 4; generation++) {
        avj_slots_release(&s[generation]);
        if (generation) {
            free(b[generation].slots);
            free(b[generation].texts);
            free(b[generation].base);
        }
    }
    ids_end(&ids);
}

/* Each id is a little longer than the room that is left in its block, or fills it to the byte. */
static void texts_do_not_cross_blocks(void **state)
{
    (void)state;
    struct avj_slots s;
    char id[LONGEST + 1];
    bool added;
    avj_slots_init(&s);
    for (uint32_t n = 1; n < 200; n++) {
        size_t room = AVJ_TEXTS_BLOCK - s.texts.used % AVJ_TEXTS_BLOCK;
        size_t len = LONGEST - n % 1000;
        if (room <= LONGEST && room > 8) /* with its NUL, or just without */
            len = room - n % 2;
        memset(id, 'x', sizeof(id));
        snprintf(id, sizeof(id), "%06u", n);
        id[6] = 'x';
        id[len] = 0;
        assert_int_equal(avj_slots_need(&s, AVJ_MESSAGE, id, len, &added), n);
        char buffer[AVJ_UUID_TEXT];
        const char *text = avj_slot_id(&s, avj_slot_at(&s, n), buffer);
        assert_string_equal(text, id);
        bool inside = false;
        for (size_t i = 0; i < s.texts.block_count; i++)
            inside = inside || ((const uint8_t *)text >= s.texts.blocks[i] &&
                                (const uint8_t *)text + len < s.texts.blocks[i] + AVJ_TEXTS_BLOCK);
        assert_true(inside);
    }
    avj_slots_release(&s);
}

static void too_long_an_id_has_no_slot(void **state)
{
    (void)state;
    struct avj_slots s;
    char id[LONGEST + 1];
    bool added;
    memset(id, 'x', sizeof(id));
    avj_slots_init(&s);
    assert_int_equal(avj_slots_find(&s, AVJ_MESSAGE, id, sizeof(id)), 0);
    assert_int_equal(avj_slots_need(&s, AVJ_MESSAGE, id, LONGEST + 1, &added), 0);
    assert_int_equal(avj_slots_last(&s), 0);
    assert_int_equal(avj_slots_need(&s, AVJ_MESSAGE, id, LONGEST, &added), 1);
    avj_slots_release(&s);
}

static void a_kind_has_ids_of_its_own(void **state)
{
    (void)state;
    static const char *const ids[] = {"11111111-2222-4333-8444-555555555555", "x", ""};
    struct avj_slots s;
    bool added;
    avj_slots_init(&s);
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t e = 0; e < AVJ_ENTITIES; e++) {
            assert_int_equal(avj_slots_find(&s, (enum avj_entity)e, ids[i], strlen(ids[i])), 0);
            assert_int_equal(avj_slots_need(&s, (enum avj_entity)e, ids[i], strlen(ids[i]), &added),
                             AVJ_ENTITIES * i + e + 1);
        }
    avj_slots_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_stay_where_they_are),
        cmocka_unit_test(adopted_chunks_are_not_ours_to_free),
        cmocka_unit_test(every_id_is_found_again),
        cmocka_unit_test(what_was_brought_along_is_found_too),
        cmocka_unit_test(texts_do_not_cross_blocks),
        cmocka_unit_test(too_long_an_id_has_no_slot),
        cmocka_unit_test(a_kind_has_ids_of_its_own),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
