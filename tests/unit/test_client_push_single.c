/* Push to servers without transactions: one document at a time, compared and set, within the rate
 * limit. */
#include "tests/support/push_rig.h"

static void verify_no_transaction(struct rig *rig)
{
    both_up_once(rig);
    assert_int_equal(fake_asked(&rig->fake, "POST /databases/transactions"), 0);
}

static void single_lost(struct rig *rig)
{
    a_thread_and_a_message(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_LOST, .match = "POST /databases/main"});
}

static void old_edit_meets_edit(struct rig *rig)
{
    synced_then_edited(rig);
    fault(rig, (struct fake_fault){.kind = FAKE_BEFORE,
                                   .match = "PATCH /databases/main",
                                   .before = edit_elsewhere});
}

static void nothing(struct fake *fake)
{
    (void)fake;
}

static void old_window_spent(struct rig *rig)
{
    char *headers = malloc(96);
    a_thread_and_a_message(rig);
    snprintf(headers, 96, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: %lld\r\n",
             (long long)(rig->fake.now_ms / 1000 + 30));
    fault(rig, (struct fake_fault){.kind = FAKE_BEFORE,
                                   .match = "POST /databases/main/collections/threads",
                                   .headers = headers,
                                   .before = nothing});
}

static void verify_window_respected(struct rig *rig)
{
    both_up_once(rig);
    assert_in_range(rig->waited, 28000, 31000);
    free((char *)(uintptr_t)rig->fake.faults[0].headers);
}

static void verify_old_bad_parked(struct rig *rig)
{
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 39);
    assert_int_equal(client_status(&rig->client).parked, 1);
}

static void session_ended(struct rig *rig)
{
    a_thread_and_a_message(rig);
    rig->fake.guest = true;
}

static void verify_nothing_parked(struct rig *rig)
{
    assert_int_equal(client_status(&rig->client).pending, 2);
    assert_int_equal(client_status(&rig->client).parked, 0);
}

static const struct scenario scenarios[] = {
    {"1.7: 401 without a session stops the run and rejects nothing", session_ended, AVJ_EAUTH, 0, 0,
     verify_nothing_parked, 0, 1007},
    {"1.7: documents go up one by one", a_thread_and_a_message, AVJ_OK, 2, 0, verify_no_transaction,
     0, 1007},
    {"1.7: a create whose answer is lost is found again", single_lost, AVJ_OK, 2, 0,
     verify_no_transaction, 0, 1007},
    {"1.7: an edit that meets another is refused by the server and merged", old_edit_meets_edit,
     AVJ_OK, 1, 0, verify_merged, 0, 1007},
    {"1.7: the window's last request was spent: the next create waits", old_window_spent, AVJ_OK, 2,
     0, verify_window_respected, 0, 1007},
    {"1.7: a refused document is parked, the others go up", one_bad_among_forty, AVJ_OK, 40, 1,
     verify_old_bad_parked, 0, 1007},
    {"1.7: deletes", deleted_thread, AVJ_OK, 2, 0, verify_nothing_upstream, 0, 1007},
};

/* Every request in turn loses its answer, or never arrives: the end is always the same. */
static void any_one_answer_may_be_lost(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned at = 0; at < 12; at++) {
            struct rig rig = {.push = NULL};
            fake_init(&rig.fake);
            client_store_open(&rig.client);
            rig.client.aw.version = 1007;
            synced_then_edited(&rig);
            client_message(&rig.client, "m2", "t1", "second");
            fault(&rig, (struct fake_fault){
                            .kind = kind ? FAKE_DOWN : FAKE_LOST, .match = "/", .skip = at});
            new_push(&rig, 0);
            assert_ok(run(&rig), rig.err);
            assert_int_equal(fake_count(&rig.fake, AVJ_MESSAGE), 2);
            assert_string_equal(upstream(&rig, "m1"), "edited here");
            assert_string_equal(upstream(&rig, "m2"), "second");
            assert_int_equal(client_status(&rig.client).pending, 0);
            assert_int_equal(client_status(&rig.client).conflicts, 0);
            avj_push_free(rig.push);
            client_store_close(&rig.client);
            fake_release(&rig.fake);
        }
}

int main(void)
{
    enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };
    struct CMUnitTest tests[SCENARIOS + 1];
    scenario_tests(scenarios, SCENARIOS, tests);
    tests[SCENARIOS] = (struct CMUnitTest)cmocka_unit_test(any_one_answer_may_be_lost);
    return cmocka_run_group_tests_name("push, one at a time", tests, NULL, NULL);
}
