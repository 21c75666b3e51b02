/*
 * The outbox of a view that came out of a snapshot: what the snapshot brought along, what was added
 * since, and what of both is settled, are in the end what replaying everything gives.
 */
#include "tests/support/cases.h"
#include "tests/support/history_store.h"
#include "tests/support/mem_io.h"
#include "tests/support/rng.h"

#define JOURNAL "j"

/* Adds entries until there are `more` times as many as the snapshot has, looking at some points. */
static void go_on(struct history_store *s, struct test_rng *rng, size_t more)
{
    size_t all = s->records.count * (1 + more);
    bool taken = false;
    while (s->records.count < all) {
        history_store_add(s, 1 + test_rng_below(rng, 60), AVJ_RELAXED);
        if (test_rng_below(rng, 2) == 0)
            avj_outbox_trim(s->store->view);
        assert_true(history_store_shows(s, s->store, s->records.count, "outbox"));
        taken = taken || !s->store->view->outbox_brought_count;
    }
    if (more > 3)
        assert_true(taken); /* or trimmed away */
}

static void what_was_brought_along_and_added_is_what_replay_gives(void **state)
{
    static const struct {
        size_t before, more;
    } rows[] = {{0, 0}, {30, 8}, {200, 4}, {600, 2}, {1000, 1}};
    uint64_t seed = test_rng_seed("histories");
    size_t brought = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mem_io *mem = mem_io_new(seed + i);
        struct history_store s;
        struct test_rng rng;
        test_rng_init(&rng, seed + i);
        history_store_begin(&s, mem_io_table(mem), JOURNAL, seed + i);
        history_store_add(&s, rows[i].before, AVJ_RELAXED);
        (void)history_store_snapshot(&s);
        history_store_close(&s);
        history_store_open(&s);
        assert_true(s.store->snapshot_seq > 0);
        brought += s.store->view->outbox_brought_count;
        go_on(&s, &rng, rows[i].more);
        /* Once more, with what was settled left out of the file. */
        (void)history_store_snapshot(&s);
        history_store_close(&s);
        history_store_open(&s);
        assert_true(history_store_shows(&s, s.store, s.records.count, "opened again"));
        history_store_end(&s);
        mem_io_free(mem);
    }
    assert_true(brought > 20);
}

/* As when a million changes are sent: in front there is nothing to step over. */
static void what_is_settled_in_front_is_let_go(void **state)
{
    struct avj_outbox_entry brought[] = {{1, 0, 1}, {2, 0, 1}, {3, 0, 2}}, own[] = {{4, 0, 1}};
    struct avj_source none = {0};
    struct avj_view *view = avj_view_new(&none);
    bool added;
    (void)state;
    assert_non_null(view);
    for (uint32_t i = 1; i <= 2; i++)
        assert_int_equal(avj_slots_need(&view->slots, AVJ_MESSAGE, i == 1 ? "a" : "b", 1, &added),
                         i);
    view->outbox_brought = brought;
    view->outbox_brought_count = 3;
    view->outbox = malloc(sizeof(own));
    assert_non_null(view->outbox);
    memcpy(view->outbox, own, sizeof(own));
    view->outbox_end = view->outbox_cap = 1;
    avj_view_slot(view, 2)->flags |= AVJ_SLOT_PENDING;
    avj_slot_set_body(avj_view_slot(view, 2), 3);
    avj_outbox_trim(view);
    assert_ptr_equal(view->outbox_brought, &brought[2]);
    assert_int_equal(view->outbox_brought_count, 1);
    assert_int_equal(view->outbox_end - view->outbox_begin, 1);
    avj_view_slot(view, 2)->flags &= (uint16_t)~AVJ_SLOT_PENDING;
    avj_view_slot(view, 1)->flags |= AVJ_SLOT_PENDING;
    avj_slot_set_body(avj_view_slot(view, 1), 4);
    avj_outbox_trim(view);
    assert_int_equal(view->outbox_brought_count, 0);
    size_t at = 0;
    assert_int_equal(avj_outbox_each(view, &at), 1);
    assert_int_equal(avj_outbox_each(view, &at), 0);
    avj_view_slot(view, 1)->flags &= (uint16_t)~AVJ_SLOT_PENDING;
    avj_outbox_trim(view);
    assert_int_equal(view->outbox_end - view->outbox_begin, 0);
    avj_view_free(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_brought_along_and_added_is_what_replay_gives),
        cmocka_unit_test(what_is_settled_in_front_is_let_go),
    };
    return cmocka_run_group_tests_name("the outbox out of a snapshot", tests, NULL, NULL);
}
