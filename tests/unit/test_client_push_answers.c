/*
 * Push: what the journal says of attempts that did not go through.  Every case has a thread and a
 * message to send, meets its faults, and must leave these `push` entries that are answers.
 */
#include "tests/support/push_rig.h"

#include "replay/entry.h"

#define TOLD_MAX 16

struct told {
    size_t count;
    struct one {
        char step[16], attempt[24], via[16];
        int64_t status, in_a_row, wait_ms;
        size_t documents;
    } answers[TOLD_MAX];
    char announced[TOLD_MAX][24]; /* attempts */
    size_t attempts;
};

static void copy(char *to, size_t size, struct avj_slice text)
{
    snprintf(to, size, "%.*s", (int)text.len, text.data ? (const char *)text.data : "");
}

static void take(struct told *told, const struct avj_entry *entry)
{
    struct avj_value root = entry->root, op, list;
    assert_in_range(told->count, 0, TOLD_MAX - 1);
    assert_true(avj_value_get(root, "d", &list) && list.kind == AVJ_LIST);
    if (!avj_value_get(root, "o", &op)) {
        copy(told->announced[told->attempts++], 24, avj_value_get_text(root, "a"));
        return;
    }
    struct one *one = &told->answers[told->count++];
    copy(one->step, sizeof one->step, avj_value_get_text(root, "y"));
    copy(one->attempt, sizeof one->attempt, avj_value_get_text(root, "a"));
    copy(one->via, sizeof one->via, avj_value_get_text(root, "v"));
    one->status = avj_value_get_int(root, "x", -1);
    one->in_a_row = avj_value_get_int(root, "n", 1);
    one->wait_ms = avj_value_get_int(root, "w", 0);
    one->documents = list.len;
}

static void read_answers(struct rig *rig, struct told *told)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_entry entry;

    memset(told, 0, sizeof *told);
    assert_ok(avj_cursor_open(avj_store_journal(rig->client.store), 1, &cursor, &rig->err),
              rig->err);
    while (avj_cursor_next(cursor, &record, &rig->err) == AVJ_OK) {
        assert_ok(avj_entry_decode(record.data, record.len, &entry, &rig->err), rig->err);
        if (entry.type == AVJ_E_PUSH)
            take(told, &entry);
        avj_entry_release(&entry);
    }
    avj_cursor_close(cursor);
}

struct row {
    const char *name;
    struct fake_fault fault;
    int version; /* 0: one with transactions */
    const char *step;
    int64_t status;
    bool waits;
    size_t documents, entries;
    unsigned last_in_a_row;
};

static const struct row rows[] = {
    {"a rate limit is told with how long it lasts",
     {.kind = FAKE_REFUSE, .match = "POST /databases/transactions", .status = 429, .type = "rate"},
     0,
     "begin",
     429,
     true,
     0,
     1,
     1},
    {"a server's failure is told with its status",
     {.kind = FAKE_REFUSE, .match = "/operations", .status = 503, .type = "down"},
     0,
     "stage",
     503,
     false,
     0,
     1,
     1},
    {"an answer that does not come is status 0",
     {.kind = FAKE_DOWN, .match = "PATCH /databases/transactions"},
     0,
     "commit",
     0,
     false,
     0,
     1,
     1},
    {"one document at a time, the answer names it",
     {.kind = FAKE_REFUSE,
      .match = "POST /databases/main/collections/threads",
      .status = 429,
      .type = "rate"},
     1007,
     "write",
     429,
     true,
     1,
     1,
     1},
    {"of ten equal answers the 1st, 2nd, 4th and 8th are told",
     {.kind = FAKE_DOWN, .match = "POST /databases/transactions", .times = 10},
     0,
     "begin",
     0,
     false,
     0,
     4,
     8},
};

static void check_row(const struct row *row)
{
    struct rig rig = {.waited = 0};
    struct told told;

    print_message("  %s\n", row->name);
    client_store_open(&rig.client);
    fake_init(&rig.fake);
    if (row->version)
        rig.client.aw.version = row->version;
    a_thread_and_a_message(&rig);
    fault(&rig, row->fault);
    new_push(&rig, 0);
    assert_ok(run(&rig), rig.err);
    both_up_once(&rig);
    read_answers(&rig, &told);
    assert_int_equal(told.count, row->entries);
    for (size_t i = 0; i < told.count; i++) {
        assert_string_equal(told.answers[i].step, row->step);
        assert_int_equal(told.answers[i].status, row->status);
        assert_int_equal(told.answers[i].wait_ms > 0, row->waits);
        assert_int_equal(told.answers[i].documents, row->documents);
        assert_string_equal(told.answers[i].attempt, told.announced[0]);
        assert_string_equal(told.answers[i].via, row->version ? "single" : "transaction");
    }
    assert_int_equal(told.answers[told.count - 1].in_a_row, row->last_in_a_row);
    avj_push_free(rig.push);
    fake_release(&rig.fake);
    client_store_close(&rig.client);
}

static void each_failed_answer_is_an_entry_of_its_attempt(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
}

static void an_attempt_that_goes_through_needs_no_entry_but_its_acknowledgements(void **state)
{
    (void)state;
    struct rig rig = {.waited = 0};
    struct told told;

    client_store_open(&rig.client);
    fake_init(&rig.fake);
    synced_then_edited(&rig);
    new_push(&rig, 0);
    assert_ok(run(&rig), rig.err);
    read_answers(&rig, &told);
    assert_int_equal(told.attempts, 2);
    assert_int_equal(told.count, 0);
    avj_push_free(rig.push);
    fake_release(&rig.fake);
    client_store_close(&rig.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failed_answer_is_an_entry_of_its_attempt),
        cmocka_unit_test(an_attempt_that_goes_through_needs_no_entry_but_its_acknowledgements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
