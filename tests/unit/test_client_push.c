/*
 * Push, against a server in memory: what came back, what is done next, and what stands on both
 * sides in the end. Every case ends with the same question: is each change upstream exactly once,
 * and nothing lost here?
 */
#include "tests/support/push_rig.h"

/* ---- the straight way ---- */

static void verify_requests(struct rig *rig)
{
    static const char *const wanted[] = {
        "POST /databases/transactions",
        "POST /databases/transactions/tx1/operations",
        "PATCH /databases/transactions/tx1",
        "GET /databases/main/collections/threads/documents",
        "GET /databases/main/collections/messages/documents",
    };
    both_up_once(rig);
    assert_int_equal(json_array_size(rig->fake.log), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(json_string_value(json_array_get(rig->fake.log, i)), wanted[i]);
    assert_string_equal(attribute(rig, AVJ_MESSAGE, "messageId", "m1", "userId"), "alice");
    assert_string_equal(attribute(rig, AVJ_MESSAGE, "messageId", "m1", "threadId"), "t1");
}

static void verify_edit(struct rig *rig)
{
    assert_string_equal(upstream(rig, "m1"), "edited here");
    assert_int_equal(client_status(&rig->client).pending, 0);
    /* what it was made on, begin, stage, the versions again, commit, read back */
    assert_int_equal(json_array_size(rig->fake.log), 6);
}

static void made_and_deleted(struct rig *rig)
{
    client_thread(&rig->client, "t1");
    client_mutate(&rig->client, AVJ_DELETE, AVJ_THREAD, "t1", NULL);
}

static void verify_no_requests(struct rig *rig)
{
    assert_int_equal(json_array_size(rig->fake.log), 0);
    assert_int_equal(client_status(&rig->client).pending, 0);
}

static void a_thread_with(struct rig *rig, int messages)
{
    char id[32];
    client_thread(&rig->client, "t1");
    for (int i = 0; i < messages; i++) {
        snprintf(id, sizeof id, "m%d", i);
        client_message(&rig->client, id, "t1", "one of many");
    }
}

static void many_messages(struct rig *rig)
{
    a_thread_with(rig, 450);
}

/* The first batch of messages is held up; the thread's delete, in the second, must not overtake it.
 */
static void a_long_thread_deleted(struct rig *rig)
{
    a_thread_with(rig, 150);
    new_push(rig, 0);
    assert_ok(run(rig), rig->err);
    assert_ok(avj_thread_delete(rig->client.store, "t1", &rig->err), rig->err);
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "PATCH /databases/transactions",
                                   .status = 500,
                                   .type = "general_unknown"});
}

static void verify_thread_went_last(struct rig *rig)
{
    verify_nothing_upstream(rig);
    assert_int_equal(rig->fake.orphans, 0);
}

static void verify_many(struct rig *rig)
{
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 450);
    assert_int_equal(fake_count(&rig->fake, AVJ_THREAD), 1);
    assert_int_equal(rig->fake.made, 5);
    assert_int_equal(rig->fake.orphans, 0);
}

/* ---- answers that do not come ---- */

static void lost_begin(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_LOST, .match = "POST /databases/transactions"});
}

static void lost_stage(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_LOST, .match = "/operations"});
}

static void lost_commit(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_LOST, .match = "PATCH /databases/transactions"});
}

/* As long as the rollback is not answered, the commit could still be on its way. */
static void lost_commit_and_rollback(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){
                   .kind = FAKE_DOWN, .match = "PATCH /databases/transactions", .times = 3});
}

static void verify_rollback_insisted(struct rig *rig)
{
    both_up_once(rig);
    assert_int_equal(fake_asked(&rig->fake, "PATCH /databases/transactions/tx1"), 4);
}

static void verify_not_written_again(struct rig *rig)
{
    both_up_once(rig);
    assert_int_equal(rig->fake.made, 1);
}

static void commit_never_arrived(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_DOWN, .match = "PATCH /databases/transactions"});
}

static void lost_read_back(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){
                   .kind = FAKE_LOST, .match = "collections/messages/documents", .times = 3});
}

static void lost_commit_of_an_edit(struct rig *rig)
{
    synced_then_edited(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_LOST, .match = "PATCH /databases/transactions"});
}

static void lost_commit_of_deletes(struct rig *rig)
{
    deleted_thread(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_LOST, .match = "PATCH /databases/transactions"});
}

static void server_errors_for_a_while(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "/databases/transactions",
                                   .times = 7,
                                   .status = 500,
                                   .type = "general_unknown"});
}

static void verify_waited(struct rig *rig)
{
    both_up_once(rig);
    assert_true(rig->waited > 0);
}

static void server_down(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_DOWN, .match = "/", .times = 1000});
}

static void verify_pending(struct rig *rig)
{
    assert_int_equal(client_status(&rig->client).pending, 2);
    assert_int_equal(client_status(&rig->client).parked, 0);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 0);
}

static void verify_four_tries(struct rig *rig)
{
    verify_pending(rig);
    assert_int_equal(json_array_size(rig->fake.log), 4);
}

/* The process dies right after the commit; the next one finds its work done. */
static void killed_after_commit(struct rig *rig)
{
    a_thread_and_a_message(rig);
    new_push(rig, 0);
    assert_int_equal(fake_push(&rig->fake, rig->push, 3, NULL, &rig->err), AVJ_ETIMEOUT);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 1);
    avj_push_free(rig->push);
    rig->push = NULL;
    client_store_reopen(&rig->client);
}

static void killed_after_commit_then_edited(struct rig *rig)
{
    killed_after_commit(rig);
    client_edit(&rig->client, "m1", "edited here");
}

static void killed_after_commit_then_edited_elsewhere(struct rig *rig)
{
    killed_after_commit(rig);
    rig->fake.now_ms += 120000; /* later than the edit here */
    fake_put(&rig->fake, AVJ_MESSAGE, message_row(&rig->fake, 0),
             json_pack("{s:s}", "content", "edited elsewhere"));
}

static void verify_theirs(struct rig *rig)
{
    assert_string_equal(upstream(rig, "m1"), "edited elsewhere");
    assert_here(rig, "m1", "edited elsewhere");
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 1);
    assert_int_equal(client_status(&rig->client).pending, 0);
}

/* ---- others write too ---- */

static void edited_elsewhere_before(struct rig *rig)
{
    synced_then_edited(rig);
    edit_elsewhere(&rig->fake);
}

static void edited_elsewhere_at(struct rig *rig, const char *match)
{
    synced_then_edited(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_BEFORE, .match = match, .before = edit_elsewhere});
}

static void edited_elsewhere_at_stage(struct rig *rig)
{
    edited_elsewhere_at(rig, "/operations");
}

static void edited_elsewhere_at_commit(struct rig *rig)
{
    edited_elsewhere_at(rig, "PATCH /databases/transactions");
}

static void delete_elsewhere(struct fake *fake)
{
    fake_drop(fake, AVJ_MESSAGE, message_row(fake, 0));
}

static void deleted_elsewhere(struct rig *rig)
{
    synced_then_edited(rig);
    delete_elsewhere(&rig->fake);
}

static void deleted_elsewhere_at_commit(struct rig *rig)
{
    synced_then_edited(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_BEFORE,
                                   .match = "PATCH /databases/transactions",
                                   .before = delete_elsewhere});
}

static void verify_delete_won(struct rig *rig)
{
    struct avj_store_status status = client_status(&rig->client);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 0);
    assert_int_equal(status.pending, 0);
    assert_int_equal(status.conflicts, 1);
    assert_here(rig, "m1", "(no document)");
}

static void deleted_in_both_places(struct rig *rig)
{
    deleted_thread(rig);
    delete_elsewhere(&rig->fake);
}

/* The row is there all along: only to a guest it looks gone. */
static void expired_while_editing(struct rig *rig)
{
    synced_then_edited(rig);
    rig->fake.guest = true;
}

static void verify_edit_kept(struct rig *rig)
{
    assert_here(rig, "m1", "edited here");
    assert_int_equal(client_status(&rig->client).pending, 1);
    assert_int_equal(client_status(&rig->client).parked, 0);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 1);
}

static void conflicts_for_ever(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "PATCH /databases/transactions",
                                   .times = 1000,
                                   .status = 409,
                                   .type = "transaction_conflict"});
}

static void verify_singles(struct rig *rig)
{
    both_up_once(rig);
    assert_int_equal(fake_asked(&rig->fake, "POST /databases/main/collections/"), 2);
    assert_int_equal(rig->fake.made, 3);
}

static void taken_by_another_user(struct rig *rig)
{
    a_thread_and_a_message(rig);
    new_push(rig, 0);
    assert_ok(run(rig), rig->err);
    json_object_set_new(json_array_get(rig->fake.rows[AVJ_MESSAGE], 0), "userId",
                        json_string("mallory"));
    client_edit(&rig->client, "m1", "edited here");
}

static void verify_parked(struct rig *rig)
{
    assert_int_equal(client_status(&rig->client).parked, 1);
}

/* ---- refusals ---- */

static void no_model(struct rig *rig)
{
    rig->fake.missing = "model";
    client_thread(&rig->client, "t1");
    client_message(&rig->client, "m1", "t1", "hello");
    client_mutate(&rig->client, AVJ_UPDATE, AVJ_MESSAGE, "m1", json_pack("{s:s}", "model", "m-9"));
}

static void verify_model_kept(struct rig *rig)
{
    both_up_once(rig);
    char *model = client_text(&rig->client, AVJ_MESSAGE, "m1", "model");
    assert_string_equal(model ? model : "(none)", "m-9");
    free(model);
    assert_string_equal(avj_sync_learned(rig->client.store, AVJ_MESSAGE, "model"), "missing");
    assert_int_equal(rig->fake.made, 2);
}

static void native_array(struct rig *rig)
{
    rig->fake.array = "webSearchResults";
    client_thread(&rig->client, "t1");
    client_message(&rig->client, "m1", "t1", "hello");
    client_mutate(&rig->client, AVJ_UPDATE, AVJ_MESSAGE, "m1",
                  json_pack("{s:[{s:s}]}", "webSearchResults", "url", "http://a"));
}

static void verify_array(struct rig *rig)
{
    both_up_once(rig);
    json_t *row = fake_find(&rig->fake, AVJ_MESSAGE, "messageId", "m1");
    json_t *list = json_object_get(row, "webSearchResults");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "{\"url\":\"http://a\"}");
    assert_string_equal(avj_sync_learned(rig->client.store, AVJ_MESSAGE, "webSearchResults"),
                        "array");
}

static void verify_only_the_bad_one_parked(struct rig *rig)
{
    struct avj_store_status status = client_status(&rig->client);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 39);
    assert_int_equal(status.parked, 1);
    assert_int_equal(status.pending, 1);
    assert_string_equal(upstream(rig, "m23"), "(no row)");
    /* Found by halving: one single write, not forty. */
    assert_int_equal(fake_asked(&rig->fake, "POST /databases/main/collections/messages"), 1);
}

static void one_crashes_the_server(struct rig *rig)
{
    one_bad_among_forty(rig);
    rig->fake.poison = NULL;
    rig->fake.crash = "far too long";
}

static void verify_only_that_one_waits(struct rig *rig)
{
    struct avj_store_status status = client_status(&rig->client);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 39);
    assert_int_equal(status.parked, 0);
    assert_int_equal(status.pending, 1);
    assert_string_equal(upstream(rig, "m23"), "(no row)");
}

static void no_summaries(struct rig *rig)
{
    rig->fake.no_summaries = true;
    a_thread_and_a_message(rig);
    client_mutate(&rig->client, AVJ_CREATE, AVJ_SUMMARY, "s1",
                  json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", "s1", "threadId", "t1", "messageId",
                            "m1", "content", "short", "createdAt",
                            "2026-11-22T12:00:00.000+00:00"));
}

static void verify_summary_parked(struct rig *rig)
{
    struct avj_push_stats stats;
    avj_push_stats(rig->push, &stats);
    assert_contains(stats.note, "\"summaries\"");
    assert_int_equal(client_status(&rig->client).parked, 1);
    assert_string_equal(upstream(rig, "m1"), "hello");
}

static void no_permission(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "PATCH /databases/transactions",
                                   .times = 1000,
                                   .status = 401,
                                   .type = "user_unauthorized"});
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "POST /databases/main/collections/messages",
                                   .times = 1000,
                                   .status = 401,
                                   .type = "user_unauthorized"});
}

static void verify_message_parked(struct rig *rig)
{
    assert_int_equal(fake_count(&rig->fake, AVJ_THREAD), 1);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 0);
    assert_int_equal(client_status(&rig->client).parked, 1);
}

static void session_ended(struct rig *rig)
{
    a_thread_and_a_message(rig);
    rig->fake.guest = true;
}

static void expire(struct fake *fake)
{
    fake->guest = true;
}

static void session_ends_at_commit(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_BEFORE,
                                   .match = "PATCH /databases/transactions",
                                   .before = expire});
}

static void rate_limited(struct rig *rig)
{
    char *headers = malloc(64); /* as long as the test runs */
    a_thread_and_a_message(rig);
    snprintf(headers, 64, "X-RateLimit-Reset: %lld\r\n", (long long)(rig->fake.now_ms / 1000 + 42));
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "POST /databases/transactions",
                                   .status = 429,
                                   .type = "general_rate_limit_exceeded",
                                   .headers = headers});
}

static void verify_waited_for_the_window(struct rig *rig)
{
    both_up_once(rig);
    assert_in_range(rig->waited, 41000, 43000);
    free((char *)(uintptr_t)rig->fake.faults[0].headers);
}

static void transaction_expired(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "/operations",
                                   .status = 500,
                                   .type = "transaction_expired"});
}

static void no_transactions(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "POST /databases/transactions",
                                   .times = 1000,
                                   .status = 404,
                                   .type = "general_route_not_found"});
}

static void no_database(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_REFUSE,
                                   .match = "POST /databases/",
                                   .times = 1000,
                                   .status = 404,
                                   .type = "database_not_found",
                                   .message = "Database not found"});
}

static const struct scenario scenarios[] = {
    {"a thread and its message go up in one transaction and are read back", a_thread_and_a_message,
     AVJ_OK, 2, 0, verify_requests, 0, 0},
    {"an edit is compared with the row it was made on, twice", synced_then_edited, AVJ_OK, 1, 0,
     verify_edit, 0, 0},
    {"what was made and deleted offline needs no request", made_and_deleted, AVJ_OK, 0, 0,
     verify_no_requests, 0, 0},
    {"450 messages go up in five transactions, their thread first", many_messages, AVJ_OK, 451, 0,
     verify_many, 0, 0},
    {"a deleted thread goes with its messages", deleted_thread, AVJ_OK, 2, 0,
     verify_nothing_upstream, 0, 0},

    {"a long thread's messages are gone before the thread is", a_long_thread_deleted, AVJ_OK, 151,
     0, verify_thread_went_last, 0, 0},
    {"begin: the answer is lost", lost_begin, AVJ_OK, 2, 0, both_up_once, 0, 0},
    {"stage: the answer is lost, nothing is written twice", lost_stage, AVJ_OK, 2, 0, both_up_once,
     0, 0},
    {"commit: the answer is lost, the rows are read and not written again", lost_commit, AVJ_OK, 2,
     0, verify_not_written_again, 0, 0},
    {"neither commit nor rollback are answered: the rollback is asked for until it is",
     lost_commit_and_rollback, AVJ_OK, 2, 0, verify_rollback_insisted, 0, 0},
    {"commit: the request never arrived, it is made again", commit_never_arrived, AVJ_OK, 2, 0,
     both_up_once, 0, 0},
    {"reading back fails three times", lost_read_back, AVJ_OK, 2, 0, both_up_once, 0, 0},
    {"commit of an edit: the answer is lost", lost_commit_of_an_edit, AVJ_OK, 1, 0,
     verify_edited_once, 0, 0},
    {"commit of deletes: the answer is lost", lost_commit_of_deletes, AVJ_OK, 2, 0,
     verify_nothing_upstream, 0, 0},
    {"the server fails for a while: wait, and try again", server_errors_for_a_while, AVJ_OK, 2, 0,
     verify_waited, 0, 0},
    {"the server is down: a single run gives up after its tries", server_down, AVJ_ENET, 0, 0,
     verify_four_tries, 4, 0},
    {"killed after the commit: the next run finds the rows and settles", killed_after_commit,
     AVJ_OK, 2, 0, verify_not_written_again, 0, 0},
    {"killed after the commit, edited since: the edit goes up as an update",
     killed_after_commit_then_edited, AVJ_OK, 2, 0, verify_edited_once, 0, 0},
    {"killed after the commit, edited elsewhere since: their edit stands",
     killed_after_commit_then_edited_elsewhere, AVJ_OK, 1, 0, verify_theirs, 0, 0},

    {"another device edited the row before", edited_elsewhere_before, AVJ_OK, 1, 0, verify_merged,
     0, 0},
    {"another device edits the row between the check and the stage", edited_elsewhere_at_stage,
     AVJ_OK, 1, 0, verify_merged, 0, 0},
    {"another device edits the row before the commit", edited_elsewhere_at_commit, AVJ_OK, 1, 0,
     verify_merged, 0, 0},
    {"another device deleted the row that is edited here", deleted_elsewhere, AVJ_OK, 0, 0,
     verify_delete_won, 0, 0},
    {"another device deletes the row before the commit", deleted_elsewhere_at_commit, AVJ_OK, 0, 0,
     verify_delete_won, 0, 0},
    {"a row that is gone already counts as deleted", deleted_in_both_places, AVJ_OK, 2, 0,
     verify_nothing_upstream, 0, 0},
    {"to a guest every row is gone: that is believed only after asking", expired_while_editing,
     AVJ_EAUTH, 0, 0, verify_edit_kept, 0, 0},
    {"conflicts without end: after three rounds one document at a time", conflicts_for_ever, AVJ_OK,
     2, 0, verify_singles, 0, 0},
    {"the row belongs to another user: parked", taken_by_another_user, AVJ_OK, 0, 1, verify_parked,
     0, 0},

    {"the server has no such attribute: learned, left out, kept here", no_model, AVJ_OK, 2, 0,
     verify_model_kept, 0, 0},
    {"the server has a native array: learned, written as one", native_array, AVJ_OK, 2, 0,
     verify_array, 0, 0},
    {"one bad document among forty is found and parked, the others go up", one_bad_among_forty,
     AVJ_OK, 40, 1, verify_only_the_bad_one_parked, 0, 0},
    {"the server fails on one document among forty: the others go up, it stays pending",
     one_crashes_the_server, AVJ_ENET, 40, 0, verify_only_that_one_waits, 5, 0},
    {"an optional collection is missing: parked, with its name", no_summaries, AVJ_OK, 2, 1,
     verify_summary_parked, 0, 0},
    {"401 with a good session is a permission: parked", no_permission, AVJ_OK, 1, 1,
     verify_message_parked, 0, 0},
    {"401 without a session stops the run and rejects nothing", session_ended, AVJ_EAUTH, 0, 0,
     verify_pending, 0, 0},
    {"the session ends at the commit: stop, reject nothing", session_ends_at_commit, AVJ_EAUTH, 0,
     0, verify_pending, 0, 0},
    {"429 waits for the window to end", rate_limited, AVJ_OK, 2, 0, verify_waited_for_the_window, 0,
     0},
    {"an expired transaction is begun anew", transaction_expired, AVJ_OK, 2, 0, both_up_once, 0, 0},
    {"a server without the transaction routes gets single writes", no_transactions, AVJ_OK, 2, 0,
     both_up_once, 0, 0},
    {"the database does not exist: end, saying so", no_database, AVJ_EREJECTED, 0, 0,
     verify_pending, 0, 0},
};

/* Every request in turn loses its answer, or never arrives: the end is always the same. */
static void any_one_answer_may_be_lost(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned at = 0; at < 16; at++) {
            struct rig rig = {.push = NULL};
            fake_init(&rig.fake);
            client_store_open(&rig.client);
            synced(&rig);
            client_edit(&rig.client, "m1", "edited here");
            client_message(&rig.client, "m2", "t1", "second");
            client_thread(&rig.client, "t2");
            fault(&rig, (struct fake_fault){
                            .kind = kind ? FAKE_DOWN : FAKE_LOST, .match = "/", .skip = at});
            new_push(&rig, 0);
            assert_ok(run(&rig), rig.err);
            assert_int_equal(fake_count(&rig.fake, AVJ_MESSAGE), 2);
            assert_int_equal(fake_count(&rig.fake, AVJ_THREAD), 2);
            assert_string_equal(upstream(&rig, "m1"), "edited here");
            assert_string_equal(upstream(&rig, "m2"), "second");
            assert_int_equal(client_status(&rig.client).pending, 0);
            assert_int_equal(client_status(&rig.client).conflicts, 0);
            avj_push_free(rig.push);
            client_store_close(&rig.client);
            fake_release(&rig.fake);
        }
}

/* Killed after every request in turn, and started again. */
static void killed_anywhere_nothing_is_lost_or_doubled(void **state)
{
    (void)state;
    for (unsigned steps = 1; steps < 12; steps++) {
        struct rig rig = {.push = NULL};
        fake_init(&rig.fake);
        client_store_open(&rig.client);
        synced(&rig);
        client_edit(&rig.client, "m1", "edited here");
        client_message(&rig.client, "m2", "t1", "second");
        new_push(&rig, 0);
        (void)fake_push(&rig.fake, rig.push, steps, NULL, &rig.err);
        avj_push_free(rig.push);
        rig.push = NULL;
        client_store_reopen(&rig.client);
        new_push(&rig, 0);
        assert_ok(run(&rig), rig.err);
        assert_int_equal(fake_count(&rig.fake, AVJ_MESSAGE), 2);
        assert_string_equal(upstream(&rig, "m1"), "edited here");
        assert_string_equal(upstream(&rig, "m2"), "second");
        assert_int_equal(client_status(&rig.client).pending, 0);
        avj_push_free(rig.push);
        client_store_close(&rig.client);
        fake_release(&rig.fake);
    }
}

static void a_row_on_its_way_is_in_flight(void **state)
{
    (void)state;
    struct rig rig = {.push = NULL};
    struct avj_call call;
    fake_init(&rig.fake);
    client_store_open(&rig.client);
    synced(&rig);
    client_edit(&rig.client, "m1", "edited here");
    new_push(&rig, 0);
    const char *id = message_row(&rig.fake, 0);
    assert_false(avj_push_in_flight(rig.push, AVJ_MESSAGE, id));
    assert_int_equal(avj_push_next(rig.push, 1, &call, &rig.err), AVJ_OK);
    avj_http_request_release(&call.request);
    assert_true(avj_push_in_flight(rig.push, AVJ_MESSAGE, id));
    assert_false(avj_push_in_flight(rig.push, AVJ_THREAD, id));
    avj_push_free(rig.push);
    client_store_close(&rig.client);
    fake_release(&rig.fake);
}

int main(void)
{
    enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };
    struct CMUnitTest tests[SCENARIOS + 3];
    scenario_tests(scenarios, SCENARIOS, tests);
    tests[SCENARIOS] = (struct CMUnitTest)cmocka_unit_test(any_one_answer_may_be_lost);
    tests[SCENARIOS + 1] =
        (struct CMUnitTest)cmocka_unit_test(killed_anywhere_nothing_is_lost_or_doubled);
    tests[SCENARIOS + 2] = (struct CMUnitTest)cmocka_unit_test(a_row_on_its_way_is_in_flight);
    return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
