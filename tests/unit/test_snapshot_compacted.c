/*
 * A snapshot that ends in a record of which compaction leaves a stub: it can not be told any more
 * whether it is of this log.  Nothing is wrong with it, and nothing to be looked into is left of
 * it.
 */
#include "replay/history.h"
#include "replay/sync.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"

#include <unistd.h>

static struct avj_store *open_store(const char *dir)
{
    struct avj_store_options options = {.journal = {.no_background = true}, .anonymous = true};
    struct avj_store *store = NULL;
    struct avj_error err = {0};

    assert_ok(avj_store_open(dir, &options, &store, &err), err);
    return store;
}

/* All that waits is acknowledged; the ack is the newest record. */
static void acknowledge(struct avj_store *store, const char *version)
{
    const struct avj_push_op *ops;
    struct avj_error err = {0};
    struct avj_doc doc;
    size_t count;

    assert_ok(avj_outbox_next(store, 8, NULL, NULL, &ops, &count, &err), err);
    assert_int_equal(count, 1);
    assert_int_equal(avj_store_get(store, ops->entity, ops->id, &doc), AVJ_OK);
    struct avj_outcome outcome = {.op = ops,
                                  .acknowledged = true,
                                  .status = 200,
                                  .row = {.entity = ops->entity,
                                          .id = ops->id,
                                          .remote_id = ops->remote_id,
                                          .version = version,
                                          .created = version,
                                          .fields = doc.fields}};
    assert_ok(avj_sync_settle(store, &outcome, 1, &err), err);
}

static void compact(struct avj_store *store)
{
    struct avj_error err = {0};
    struct avj_compacted_history done;

    assert_ok(avj_store_keep(store, &(struct avj_keep){.limited = true}, &err), err);
    assert_ok(avj_journal_rotate(avj_store_journal(store), &err), err);
    assert_ok(avj_journal_maintain(avj_store_journal(store), NULL, NULL, &err), err);
    assert_ok(avj_store_compact(store, NULL, &done, &err), err);
    assert_true(done.records >= 3);
}

static void a_snapshot_that_ends_in_a_stub_goes(void **state)
{
    char *folder = test_dir_new(), *dir = test_path(folder, "j");
    char id[AVJ_ID_TEXT];
    struct avj_error err = {0};
    struct avj_snapshot_info info;

    (void)state;
    assert_ok(avj_store_create(dir, NULL, NULL, &err), err);
    struct avj_store *store = open_store(dir);
    assert_ok(avj_sync_login(store, "user", "user@example.org", &err), err);
    assert_ok(avj_thread_new(store, "A title of some length, for it to go", id, &err), err);
    acknowledge(store, "2026-11-22T18:00:01.000+00:00");
    assert_ok(avj_store_snapshot(store, &info, &err), err);
    char *snapshot = test_path(dir, "snapshots/%016llx.snap", (unsigned long long)info.seq);
    char *bad = test_path(dir, "snapshots/%016llx.bad", (unsigned long long)info.seq);
    assert_int_equal(access(snapshot, F_OK), 0);
    assert_ok(avj_thread_rename(store, id, "Another title", &err), err);
    acknowledge(store, "2026-11-22T18:00:02.000+00:00");
    compact(store);
    avj_store_close(store);
    store = open_store(dir);
    struct avj_doc doc;
    assert_int_equal(avj_store_get(store, AVJ_THREAD, id, &doc), AVJ_OK);
    assert_int_not_equal(access(snapshot, F_OK), 0);
    assert_int_not_equal(access(bad, F_OK), 0);
    avj_store_close(store);
    free(snapshot);
    free(bad);
    free(dir);
    test_dir_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_that_ends_in_a_stub_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
