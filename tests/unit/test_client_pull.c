/* Pull, against a server in memory: nothing is missed, nothing is erased by mistake. */
#include "tests/support/cases.h"

#include "replay/clock.h"
#include "tests/support/client_fake.h"
#include "tests/support/client_store.h"

struct rig {
    struct client_store client;
    struct fake fake;
    struct avj_pull *pull;
    struct avj_pull_stats stats;
    int64_t waited;
    struct avj_error err;
    char swept[40];
    struct avj_pull_options options;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    fake_init(&rig->fake);
    client_store_open(&rig->client);
    rig->options = (struct avj_pull_options){
        .store = rig->client.store, .aw = &rig->client.aw, .seed = 3, .tries_max = 4};
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    avj_pull_free(rig->pull);
    client_store_close(&rig->client);
    fake_release(&rig->fake);
    free(rig);
    return 0;
}

/* One sweep, from where the last one ended. */
static enum avj_status sweep(struct rig *rig)
{
    struct avj_store_status status = client_status(&rig->client);
    snprintf(rig->swept, sizeof rig->swept, "%s", status.swept ? status.swept : "");
    rig->options.since = status.swept ? rig->swept : NULL;
    avj_pull_free(rig->pull);
    assert_int_equal(avj_pull_new(&rig->options, &rig->pull), AVJ_OK);
    enum avj_status result = fake_pull(&rig->fake, rig->pull, 3000, &rig->waited, &rig->err);
    avj_pull_stats(rig->pull, &rig->stats);
    return result;
}

static void put_message(struct rig *rig, int i)
{
    char row[32], id[32];
    snprintf(row, sizeof row, "row%d", i);
    snprintf(id, sizeof id, "m%d", i);
    fake_put(&rig->fake, AVJ_MESSAGE, row,
             json_pack("{s:s, s:s, s:s, s:s, s:s}", "messageId", id, "threadId", "t1", "content",
                       "hello", "role", "user", "createdAt", "2026-11-22T12:00:00.000+00:00"));
}

static void put_messages(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++)
        put_message(rig, i);
}

static size_t known(struct rig *rig)
{
    const struct avj_doc *docs;
    size_t count;
    assert_ok(avj_store_list(rig->client.store, AVJ_MESSAGE, &docs, &count, &rig->err), rig->err);
    return count;
}

static void later(struct rig *rig)
{
    rig->fake.now_ms += 3600000; /* past the overlap of the windows */
    json_array_clear(rig->fake.log);
}

static void fail_at(struct rig *rig, const char *match, int status, const char *type)
{
    rig->fake.faults[0] = (struct fake_fault){
        .kind = FAKE_REFUSE, .match = match, .times = 1000, .status = status, .type = type};
}

/* ---- what is found ---- */

static void the_first_sweep_takes_every_row_and_closes_the_gap(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 1203);
    assert_ok(avj_sync_gap(rig->client.store, true, "test", NULL, &rig->err), rig->err);
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 1203);
    assert_int_equal(rig->stats.pulled, 1203);
    assert_false(client_status(&rig->client).gap_open);
    assert_non_null(client_status(&rig->client).swept);
}

static void a_second_sweep_reads_versions_and_journals_nothing(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 60);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(rig->stats.pulled, 0);
    assert_int_equal(known(rig), 60);
}

static void what_changed_and_what_is_new_is_found(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 60);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    fake_put(&rig->fake, AVJ_MESSAGE, "row7", json_pack("{s:s}", "content", "changed"));
    put_message(rig, 60);
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(rig->stats.pulled, 2);
    char *text = client_text(&rig->client, AVJ_MESSAGE, "m7", "content");
    assert_string_equal(text, "changed");
    free(text);
}

/* Its $updatedAt was taken long before its commit: only the list of versions shows it. */
static void a_row_behind_the_watermark_is_found(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 30);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    put_message(rig, 30);
    json_object_set_new(fake_row(&rig->fake, AVJ_MESSAGE, "row30"), "$updatedAt",
                        json_string("2020-01-01T00:00:00.000+00:00"));
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 31);
}

static void a_quick_sweep_looks_only_for_changes(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 30);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    fake_put(&rig->fake, AVJ_MESSAGE, "row7", json_pack("{s:s}", "content", "changed"));
    fake_drop(&rig->fake, AVJ_MESSAGE, "row8");
    rig->options.quick = true;
    uint64_t records = client_status(&rig->client).records;
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(rig->stats.pulled, 1);
    assert_int_equal(known(rig), 30);
    assert_int_equal(client_status(&rig->client).records, records + 1); /* no word about gaps */
}

/* A commit that took its time: the row shows up behind the end of the sweep before. */
static void a_quick_sweep_overlaps_the_one_before(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 30);
    assert_ok(sweep(rig), rig->err);
    put_message(rig, 30);
    json_t *late = fake_row(&rig->fake, AVJ_MESSAGE, "row30");
    char text[AVJ_TIME_TEXT];
    avj_time_format(rig->fake.now_ms - 30000, text);
    json_object_set_new(late, "$updatedAt", json_string(text));
    rig->options.quick = true;
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 31);
}

static void a_row_of_another_user_never_enters(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 2);
    json_object_set_new(fake_row(&rig->fake, AVJ_MESSAGE, "row1"), "userId",
                        json_string("mallory"));
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 1);
}

static void two_rows_of_one_document_are_one_document(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 1);
    fake_put(&rig->fake, AVJ_MESSAGE, "again",
             json_pack("{s:s, s:s, s:s, s:s, s:s}", "messageId", "m0", "threadId", "t1", "content",
                       "hello", "role", "user", "createdAt", "2026-11-22T12:00:00.000+00:00"));
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 1);
}

/* ---- what is gone ---- */

static void a_row_that_is_gone_is_deleted_here(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 60);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    fake_drop(&rig->fake, AVJ_MESSAGE, "row3");
    fake_drop(&rig->fake, AVJ_MESSAGE, "row59");
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(rig->stats.deletions, 2);
    assert_int_equal(known(rig), 58);
}

static void expire(struct fake *fake)
{
    fake->guest = true;
}

/* The session ends in the middle of the sweep: every page is empty from there on. */
static void a_guest_sees_nothing_and_nothing_is_deleted(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 10);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    assert_ok(avj_sync_gap(rig->client.store, true, "test", NULL, &rig->err), rig->err);
    rig->fake.faults[0] =
        (struct fake_fault){.kind = FAKE_BEFORE, .match = "collections/threads", .before = expire};
    assert_status(AVJ_EAUTH, sweep(rig), rig->err);
    assert_int_equal(known(rig), 10);
    assert_true(client_status(&rig->client).gap_open);
}

static void the_session_ends_before_the_absent_rows_are_verified(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 10);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    fake_drop(&rig->fake, AVJ_MESSAGE, "row3");
    rig->fake.faults[0] = (struct fake_fault){
        .kind = FAKE_BEFORE, .match = "GET /account", .skip = 2, .before = expire};
    assert_status(AVJ_EAUTH, sweep(rig), rig->err);
    assert_int_equal(known(rig), 10);
}

static void too_many_deletions_are_refused_and_named(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 100);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    json_array_clear(rig->fake.rows[AVJ_MESSAGE]);
    assert_status(AVJ_EREFUSED, sweep(rig), rig->err);
    assert_contains(rig->err.message, "100 of 100");
    assert_contains(rig->err.message, "--accept-deletions");
    assert_int_equal(known(rig), 100);
    rig->options.accept_deletions = true;
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 0);
}

static void a_few_deletions_of_few_rows_need_no_asking(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 15);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    json_array_clear(rig->fake.rows[AVJ_MESSAGE]);
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 0);
}

static bool row3_is_busy(const void *arg, enum avj_entity entity, const char *remote_id)
{
    (void)arg;
    return entity == AVJ_MESSAGE && strcmp(remote_id, "row3") == 0;
}

static void a_row_that_is_being_pushed_is_left_alone(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 10);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    fake_drop(&rig->fake, AVJ_MESSAGE, "row3");
    rig->options.busy = row3_is_busy;
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 10);
}

static void a_dry_run_counts_and_writes_nothing(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 30);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    put_message(rig, 30);
    fake_drop(&rig->fake, AVJ_MESSAGE, "row3");
    rig->options.dry_run = true;
    uint64_t records = client_status(&rig->client).records;
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(rig->stats.pulled, 2);
    assert_int_equal(rig->stats.deletions, 1);
    assert_int_equal(client_status(&rig->client).records, records);
}

/* ---- pages ---- */

static void drop_the_cursor(struct fake *fake)
{
    fake_drop(fake, AVJ_MESSAGE, "row499");
}

static void a_cursor_that_is_deleted_restarts_the_collection(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 1200);
    rig->fake.faults[0] = (struct fake_fault){
        .kind = FAKE_BEFORE, .match = "collections/messages", .skip = 1, .before = drop_the_cursor};
    assert_ok(sweep(rig), rig->err);
    assert_true(known(rig) == 1199 || known(rig) == 1200);
    later(rig);
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 1199);
}

static void cursors_that_always_vanish_end_the_sweep(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 600);
    rig->fake.faults[0] = (struct fake_fault){.kind = FAKE_REFUSE,
                                              .match = "collections/messages",
                                              .skip = 1,
                                              .times = 1000,
                                              .status = 400,
                                              .type = "general_cursor_not_found"};
    assert_status(AVJ_EPROTO, sweep(rig), rig->err);
    assert_true(json_array_size(rig->fake.log) < 20);
}

static void a_lost_page_is_asked_for_again(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 600);
    rig->fake.faults[0] = (struct fake_fault){
        .kind = FAKE_LOST, .match = "collections/messages", .skip = 1, .times = 2};
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 600);
    assert_true(rig->waited > 0);
}

/* ---- failures ---- */

static void an_unreachable_server_ends_a_single_run(void **state)
{
    struct rig *rig = *state;
    rig->fake.faults[0] = (struct fake_fault){.kind = FAKE_DOWN, .match = "/", .times = 1000};
    assert_status(AVJ_ENET, sweep(rig), rig->err);
    assert_int_equal(json_array_size(rig->fake.log), 4);
}

static void a_failing_list_deletes_nothing(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 10);
    assert_ok(sweep(rig), rig->err);
    later(rig);
    fail_at(rig, "collections/messages", 500, "general_unknown");
    assert_status(AVJ_ENET, sweep(rig), rig->err);
    assert_int_equal(known(rig), 10);
}

static void a_missing_optional_collection_is_left_out(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 10);
    rig->fake.no_summaries = true;
    assert_ok(sweep(rig), rig->err);
    assert_int_equal(known(rig), 10);
    assert_contains(rig->stats.note, "summaries");
}

static void a_missing_needed_collection_is_named(void **state)
{
    struct rig *rig = *state;
    fail_at(rig, "collections/messages", 404, "collection_not_found");
    assert_status(AVJ_EREJECTED, sweep(rig), rig->err);
    assert_contains(rig->err.message, "\"messages\"");
}

static void a_missing_project_ends_the_run(void **state)
{
    struct rig *rig = *state;
    fail_at(rig, "GET /account", 404, "project_not_found");
    assert_status(AVJ_EREJECTED, sweep(rig), rig->err);
}

static void a_collection_that_may_not_be_read_is_named(void **state)
{
    struct rig *rig = *state;
    fail_at(rig, "collections/threads", 401, "user_unauthorized");
    assert_status(AVJ_EREJECTED, sweep(rig), rig->err);
    assert_contains(rig->err.message, "\"threads\"");
}

static void a_session_of_another_user_is_refused(void **state)
{
    struct rig *rig = *state;
    put_messages(rig, 3);
    rig->fake.user = "mallory";
    assert_status(AVJ_EAUTH, sweep(rig), rig->err);
    assert_int_equal(known(rig), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_sweep_takes_every_row_and_closes_the_gap),
        CASE(a_second_sweep_reads_versions_and_journals_nothing),
        CASE(what_changed_and_what_is_new_is_found),
        CASE(a_row_behind_the_watermark_is_found),
        CASE(a_quick_sweep_looks_only_for_changes),
        CASE(a_quick_sweep_overlaps_the_one_before),
        CASE(a_row_of_another_user_never_enters),
        CASE(two_rows_of_one_document_are_one_document),
        CASE(a_row_that_is_gone_is_deleted_here),
        CASE(a_guest_sees_nothing_and_nothing_is_deleted),
        CASE(the_session_ends_before_the_absent_rows_are_verified),
        CASE(too_many_deletions_are_refused_and_named),
        CASE(a_few_deletions_of_few_rows_need_no_asking),
        CASE(a_row_that_is_being_pushed_is_left_alone),
        CASE(a_dry_run_counts_and_writes_nothing),
        CASE(a_cursor_that_is_deleted_restarts_the_collection),
        CASE(cursors_that_always_vanish_end_the_sweep),
        CASE(a_lost_page_is_asked_for_again),
        CASE(an_unreachable_server_ends_a_single_run),
        CASE(a_failing_list_deletes_nothing),
        CASE(a_missing_optional_collection_is_left_out),
        CASE(a_missing_needed_collection_is_named),
        CASE(a_missing_project_ends_the_run),
        CASE(a_collection_that_may_not_be_read_is_named),
        CASE(a_session_of_another_user_is_refused),
    };
    return cmocka_run_group_tests_name("pull", tests, NULL, NULL);
}
