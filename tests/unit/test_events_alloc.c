/* Out of memory, at every allocation in turn: a subscription is had or is not, and a change that
 * can not be noted under its thread is told all the same. */
#include "replay/bursts.h"
#include "replay/store_private.h"
#include "tests/support/alloc_wrap.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"

#define THREADS 200

static struct avj_error err;

static void a_subscription_that_has_no_memory_is_refused_whole(void **state)
{
    (void)state;
    char *dir = test_dir_new(), *path = test_path(dir, "journal");
    struct avj_store *store;
    struct avj_store_options options = {.journal.no_background = true};
    assert_ok(avj_store_create(path, NULL, &options, &err), err);
    assert_ok(avj_store_open(path, &options, &store, &err), err);
    uint64_t refused = 0;
    enum avj_status status;
    do {
        struct avj_events *events = (void *)path;
        alloc_wrap_plan(refused + 1, false);
        status = avj_events_open(store, &(struct avj_events_options){.thread = "t"}, &events, &err);
        struct alloc_wrap_seen seen = alloc_wrap_seen();
        alloc_wrap_plan(0, false);
        if (status == AVJ_OK) {
            assert_int_equal(seen.failed, 0);
            avj_events_close(events);
        } else {
            assert_status(AVJ_ENOMEM, status, err);
            assert_int_equal(seen.kept, 0);
            assert_null(events);
            refused++;
        }
        assert_null(store->watchers);
    } while (status != AVJ_OK);
    assert_true(refused > AVJ_EVENT_KINDS);
    avj_store_close(store);
    free(path);
    test_dir_free(dir);
}

/* A change in each of many threads; false: no allocation failed. */
static bool change_many(struct avj_bursts *b, uint64_t nth, bool for_ever)
{
    alloc_wrap_plan(nth, for_ever);
    for (uint64_t i = 0; i < THREADS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%u", (unsigned)i);
        struct avj_change change = {.seq = i + 1, .entity = AVJ_MESSAGE};
        avj_bursts_add(b, AVJ_EVENT_MESSAGES, name, &change, false, 0);
    }
    bool failed = alloc_wrap_seen().failed > 0;
    alloc_wrap_plan(0, false);
    return failed;
}

/* Every change is in just one event; how many threads were not told apart? */
static uint64_t count_lost(struct avj_bursts *b)
{
    struct avj_event event;
    uint64_t changes = 0, together = 0;
    while (avj_bursts_next(b, 1000, &event)) {
        changes += event.changes;
        if (!event.thread)
            together += event.changes;
        else
            assert_int_equal(strtol(event.thread, NULL, 10) + 1, event.first_seq);
    }
    assert_int_equal(changes, THREADS);
    return together;
}

static void a_change_that_can_not_be_noted_is_told_without_its_thread(void **state)
{
    (void)state;
    struct avj_bursts b;
    uint64_t nth = 0, lost = 0;
    bool failed;
    do {
        assert_ok(avj_bursts_init(&b, 30, NULL), err);
        failed = change_many(&b, ++nth, false);
        uint64_t together = count_lost(&b);
        assert_true(together <= 1);
        lost += together;
        avj_bursts_release(&b);
    } while (failed);
    assert_int_equal(lost, THREADS); /* the other failures were of tables that stay small then */
    assert_true(nth > THREADS + 1);
    assert_ok(avj_bursts_init(&b, 30, NULL), err);
    assert_true(change_many(&b, 11, true));
    assert_int_equal(count_lost(&b), THREADS - 10);
    avj_bursts_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscription_that_has_no_memory_is_refused_whole),
        cmocka_unit_test(a_change_that_can_not_be_noted_is_told_without_its_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
