/* The sync audit, from hand-made entries with known times; and both outputs of a run that audits.
 */
#include "tests/support/cases.h"
#include "tests/support/files.h"

#include "fsck/fsck_audit.h"
#include "fsck/fsck_output.h"
#include "replay/store.h"

#include <jansson.h>

#define START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

/* ---- entries ---- */

struct log {
    struct fsck_audit *audit;
    struct avj_pack pack;
    uint64_t seq;
};

static uint64_t stamp(int64_t after_ms)
{
    return (uint64_t)(START_MS + after_ms) << 16;
}

static void begin(struct log *log, enum avj_entry_type type, int64_t after_ms, const char *id,
                  size_t pairs)
{
    avj_pack_reset(&log->pack);
    avj_entry_begin(&log->pack, type, stamp(after_ms), "here", id ? AVJ_MESSAGE : AVJ_ENTITIES, id,
                    pairs);
}

static void text(struct log *log, const char *key, const char *value)
{
    avj_pack_cstr(&log->pack, key);
    avj_pack_cstr(&log->pack, value);
}

static void integer(struct log *log, const char *key, int64_t value)
{
    avj_pack_cstr(&log->pack, key);
    avj_pack_int(&log->pack, value);
}

static uint64_t end(struct log *log)
{
    static const struct fsck_audit_at at = {.pending = UINT64_MAX};

    assert_false(log->pack.failed);
    assert_int_equal(fsck_audit_record(log->audit, ++log->seq, &at, log->pack.data, log->pack.len),
                     AVJ_OK);
    return log->seq;
}

static uint64_t local(struct log *log, int64_t after_ms, const char *id, const char *op)
{
    begin(log, AVJ_E_LOCAL, after_ms, id, 2);
    text(log, "o", op);
    avj_pack_cstr(&log->pack, "f");
    avj_pack_map(&log->pack, 1);
    text(log, "threadId", "thread-1");
    return end(log);
}

static void push(struct log *log, int64_t after_ms, const char *id, uint64_t upto)
{
    begin(log, AVJ_E_PUSH, after_ms, NULL, 3);
    text(log, "a", "attempt-7");
    text(log, "v", "transaction");
    avj_pack_cstr(&log->pack, "d");
    avj_pack_list(&log->pack, 1);
    avj_pack_list(&log->pack, 5);
    avj_pack_cstr(&log->pack, "message");
    avj_pack_cstr(&log->pack, id);
    avj_pack_cstr(&log->pack, "row");
    avj_pack_int(&log->pack, (int64_t)upto);
    avj_pack_cstr(&log->pack, "create");
    end(log);
}

static void ack(struct log *log, int64_t after_ms, const char *id, uint64_t upto, int status)
{
    begin(log, AVJ_E_ACK, after_ms, id, 3);
    text(log, "v", "2026-01-01T00:00:09.000+00:00");
    integer(log, "s", (int64_t)upto);
    integer(log, "x", status);
    end(log);
}

static void reject(struct log *log, const char *id, uint64_t upto)
{
    begin(log, AVJ_E_REJECT, 0, id, 4);
    integer(log, "s", (int64_t)upto);
    integer(log, "x", 400);
    text(log, "y", "document_invalid_structure");
    text(log, "m", "too long");
    end(log);
}

static void gap(struct log *log, int64_t after_ms, const char *op)
{
    begin(log, AVJ_E_GAP, after_ms, NULL, 2);
    text(log, "o", op);
    text(log, "m", "socket lost");
    end(log);
}

/* ---- what is told ---- */

struct told {
    unsigned documents;
    char first_id[64];
    struct fsck_event events[16]; /* of the first document; strings are not kept */
    char version[64], note[128];  /* of its last event */
    size_t count;
    struct fsck_audit_summary summary;
    struct fsck_audit_gap gap;
};

static void see_document(void *arg, const struct fsck_audit_document *document)
{
    struct told *told = arg;

    if (told->documents++)
        return;
    snprintf(told->first_id, sizeof told->first_id, "%s", document->id);
    for (size_t i = 0; i < document->count && i < 16; i++)
        told->events[told->count++] = document->events[i];
    const struct fsck_event *last = &document->events[document->count - 1];
    snprintf(told->version, sizeof told->version, "%s", last->version ? last->version : "");
    snprintf(told->note, sizeof told->note, "%s", last->note ? last->note : "");
}

static void see_summary(void *arg, const struct fsck_audit_summary *summary)
{
    struct told *told = arg;

    told->summary = *summary;
    if (summary->gap_count)
        told->gap = summary->gaps[0];
}

static struct told said; /* by the audit at hand */

static struct log new_log(const char *id)
{
    memset(&said, 0, sizeof said);
    struct log log = {
        .audit = fsck_audit_new(&(struct fsck_audit_with){.of = id ? FSCK_OF_ID : FSCK_OF_ALL,
                                                          .id = id,
                                                          .document = see_document,
                                                          .arg = &said})};

    assert_non_null(log.audit);
    return log;
}

static void finish(struct log *log, struct told *told)
{
    see_summary(&said, fsck_audit_finish(log->audit));
    *told = said;
    fsck_audit_free(log->audit);
    avj_pack_release(&log->pack);
}

static void a_message_is_followed_from_its_making_to_its_acknowledgement(void **state)
{
    (void)state;
    struct log log = new_log(NULL);
    struct told told;

    uint64_t made = local(&log, 0, "m1", "create");
    uint64_t edited = local(&log, 400, "m1", "update");
    push(&log, 500, "m1", edited);
    ack(&log, 1000, "m1", edited, 201);
    finish(&log, &told);
    assert_int_equal(told.documents, 1);
    assert_string_equal(told.first_id, "m1");
    assert_int_equal(told.count, 4);
    assert_int_equal(told.events[0].kind, FSCK_EV_CREATED);
    assert_int_equal(told.events[0].seq, made);
    assert_int_equal(told.events[0].at_ms, START_MS);
    assert_int_equal(told.events[0].waited_ms, 1000);
    assert_int_equal(told.events[1].kind, FSCK_EV_EDITED);
    assert_int_equal(told.events[1].waited_ms, 600);
    assert_int_equal(told.events[2].kind, FSCK_EV_PUSHED);
    assert_int_equal(told.events[2].upto, edited);
    assert_int_equal(told.events[3].kind, FSCK_EV_ACKNOWLEDGED);
    assert_int_equal(told.events[3].status, 201);
    assert_string_equal(told.version, "2026-01-01T00:00:09.000+00:00");
    assert_int_equal(told.summary.changes, 2);
    assert_int_equal(told.summary.acknowledged, 2);
    assert_int_equal(told.summary.attempts, 1);
    assert_int_equal(told.summary.pending, 0);
    assert_int_equal(told.summary.depth_max, 2);
    assert_int_equal(told.summary.depth_max_ms, START_MS + 400);
}

/* An acknowledgement covers what it names; what came later still waits. */
static void a_change_behind_the_acknowledged_one_still_waits(void **state)
{
    (void)state;
    struct log log = new_log(NULL);
    struct told told;

    uint64_t made = local(&log, 0, "m1", "create");
    push(&log, 10, "m1", made);
    local(&log, 20, "m1", "update");
    ack(&log, 30, "m1", made, 201);
    finish(&log, &told);
    assert_int_equal(told.summary.acknowledged, 1);
    assert_int_equal(told.summary.pending, 1);
    assert_int_equal(told.events[0].waited_ms, 30);
    assert_int_equal(told.events[2].waited_ms, -1);
}

static void what_never_left_is_settled_but_not_timed(void **state)
{
    (void)state;
    struct log log = new_log(NULL);
    struct told told;

    local(&log, 0, "m1", "create");
    uint64_t deleted = local(&log, 5, "m1", "delete");
    ack(&log, 9, "m1", deleted, 0);
    finish(&log, &told);
    assert_int_equal(told.events[2].kind, FSCK_EV_ELIDED);
    assert_int_equal(told.summary.acknowledged, 0);
    assert_int_equal(told.summary.pending, 0);
    assert_int_equal(told.summary.waits.p50_ms, -1);
}

static void a_rejected_change_waits_with_its_reason(void **state)
{
    (void)state;
    struct log log = new_log(NULL);
    struct told told;

    uint64_t made = local(&log, 0, "m1", "create");
    reject(&log, "m1", made);
    finish(&log, &told);
    assert_int_equal(told.summary.rejected, 1);
    assert_int_equal(told.summary.pending, 1);
    assert_string_equal(told.note, "document_invalid_structure: too long");
}

static void the_times_are_nearest_ranks(void **state)
{
    (void)state;
    struct log log = new_log(NULL);
    struct told told;
    char id[16];

    /* Waits of 1 .. 100 ms, in an order that is not theirs. */
    for (int i = 0; i < 100; i++) {
        int wait = (i * 37) % 100 + 1;
        snprintf(id, sizeof id, "m%d", i);
        uint64_t made = local(&log, 1000 * i, id, "create");
        ack(&log, 1000 * i + wait, id, made, 201);
    }
    finish(&log, &told);
    assert_int_equal(told.documents, 100);
    assert_int_equal(told.summary.waits.p50_ms, 50);
    assert_int_equal(told.summary.waits.p95_ms, 95);
    assert_int_equal(told.summary.waits.max_ms, 100);
    assert_int_equal(told.summary.depth_max, 1);
}

static void the_outbox_curve_is_bounded_and_keeps_its_shape(void **state)
{
    (void)state;
    struct log log = new_log(NULL);
    struct told told;
    char id[16];

    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "m%d", i);
        local(&log, i, id, "create");
    }
    see_summary(&said, fsck_audit_finish(log.audit));
    told = said;
    assert_int_equal(told.summary.depth_max, 5000);
    assert_in_range(told.summary.depth->count, FSCK_POINTS_MAX / 2, FSCK_POINTS_MAX);
    for (size_t i = 1; i < told.summary.depth->count; i++)
        assert_true(told.summary.depth->points[i].value > told.summary.depth->points[i - 1].value);
    fsck_audit_free(log.audit);
    avj_pack_release(&log.pack);
}

static void a_gap_lasts_from_its_first_opening_to_its_closing(void **state)
{
    (void)state;
    struct log log = new_log(NULL);
    struct told told;

    gap(&log, 0, "open");
    gap(&log, 50, "open");
    gap(&log, 90, "close");
    gap(&log, 200, "open");
    see_summary(&said, fsck_audit_finish(log.audit));
    told = said;
    assert_int_equal(told.summary.gap_count, 2);
    assert_int_equal(told.gap.opened_seq, 1);
    assert_int_equal(told.gap.closed_seq, 3);
    assert_int_equal(told.gap.closed_ms - told.gap.opened_ms, 90);
    assert_string_equal(told.gap.why, "socket lost");
    assert_int_equal(told.summary.gaps[1].closed_seq, 0);
    fsck_audit_free(log.audit);
    avj_pack_release(&log.pack);
}

static void one_message_is_told_alone(void **state)
{
    (void)state;
    struct log log = new_log("m2");
    struct told told;

    local(&log, 0, "m1", "create");
    local(&log, 1, "m2", "create");
    local(&log, 2, "m22", "create");
    finish(&log, &told);
    assert_int_equal(told.documents, 1);
    assert_string_equal(told.first_id, "m2");
    assert_int_equal(told.summary.changes, 3); /* the numbers are those of the log */
}

/* ---- outputs ---- */

static char *run_and_write(const char *dir, bool json, struct fsck_options options)
{
    char *written = NULL;
    size_t len;
    struct avj_error err = {0};
    struct fsck_output output = {.out = open_memstream(&written, &len),
                                 .verbose = true,
                                 .err = &err,
                                 .of = options.audit_of};
    struct fsck_sink sink;

    assert_non_null(output.out);
    if (json)
        fsck_json_sink(&output, &sink);
    else
        fsck_text_sink(&output, &sink);
    (void)fsck_run(dir, &options, &sink, &err);
    fclose(output.out);
    return written;
}

static void make_chat(const char *dir, char message[AVJ_ID_TEXT])
{
    struct avj_store *store = NULL;
    struct avj_error err = {0};
    char thread[AVJ_ID_TEXT];

    assert_ok(avj_store_create(dir, NULL, NULL, &err), err);
    assert_ok(avj_store_open(dir, NULL, &store, &err), err);
    assert_ok(avj_thread_new(store, "A \"quoted\" title", thread, &err), err);
    assert_ok(avj_message_send(store, thread, "user", "hello", 5, message, &err), err);
    assert_ok(avj_message_edit(store, message, "hello!", 6, &err), err);
    avj_store_close(store);
}

static void every_json_line_is_json_and_the_last_the_summary(void **state)
{
    (void)state;
    static const char *const keys[] = {"ok",      "segments",   "frames",
                                       "records", "bytes",      "lostRecords",
                                       "pending", "viewDigest", "unsyncedTailBytes"};
    char *folder = test_dir_new(), *dir = test_path(folder, "j"), message[AVJ_ID_TEXT];

    make_chat(dir, message);
    char *written = run_and_write(dir, true, (struct fsck_options){.audit = true});
    unsigned lines = 0;
    json_t *line = NULL;
    for (char *rest = written, *one; (one = strsep(&rest, "\n")) && *one; lines++) {
        json_decref(line);
        line = json_loads(one, 0, NULL);
        assert_non_null(line);
        if (lines == 0) {
            json_t *audit = json_object_get(line, "audit");
            assert_string_equal(json_string_value(json_object_get(audit, "id")), message);
            assert_int_equal(json_array_size(json_object_get(audit, "events")), 2);
        }
    }
    assert_int_equal(lines, 3); /* one message, the audit's summary, the summary */
    json_t *summary = json_object_get(line, "summary");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_non_null(json_object_get(summary, keys[i]));
    assert_true(json_is_true(json_object_get(summary, "ok")));
    json_decref(line);
    free(written);
    free(dir);
    test_dir_free(folder);
}

static void a_folder_that_is_no_journal_has_a_summary_too(void **state)
{
    (void)state;
    char *folder = test_dir_new();
    char *written = run_and_write(folder, true, (struct fsck_options){0});
    json_t *line = json_loads(written, 0, NULL);

    assert_non_null(line);
    json_t *summary = json_object_get(line, "summary");
    assert_true(json_is_false(json_object_get(summary, "ok")));
    assert_contains(json_string_value(json_object_get(summary, "error")), "not a journal");
    json_decref(line);
    free(written);
    test_dir_free(folder);
}

static void text_is_calm_when_all_is_well(void **state)
{
    (void)state;
    char *folder = test_dir_new(), *dir = test_path(folder, "j"), message[AVJ_ID_TEXT];

    make_chat(dir, message);
    char *written = run_and_write(
        dir, false,
        (struct fsck_options){.audit = true, .audit_of = FSCK_OF_ID, .audit_id = message});
    assert_contains(written, "clean: 1 segment, ");
    assert_contains(written, "wait to be sent");
    assert_contains(written, message);
    assert_null(strstr(written, "DAMAGED"));
    free(written);
    written = run_and_write(
        dir, false,
        (struct fsck_options){.audit = true, .audit_of = FSCK_OF_ID, .audit_id = "none"});
    assert_contains(written, "no document has that id");
    free(written);
    free(dir);
    test_dir_free(folder);
}

static void text_from_the_journal_cannot_command_a_terminal(void **state)
{
    (void)state;
    char *written = NULL;
    size_t len;
    struct fsck_output output = {.out = open_memstream(&written, &len)};
    struct fsck_sink sink;
    struct fsck_finding finding = {.code = FSCK_NOT_AN_ENTRY, .detail = "\x1b[2Jgone\r\n"};

    fsck_text_sink(&output, &sink);
    sink.finding(sink.arg, &finding);
    fclose(output.out);
    assert_null(strchr(written, 0x1b));
    assert_null(strchr(written, '\r'));
    assert_contains(written, "?[2Jgone??");
    free(written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_followed_from_its_making_to_its_acknowledgement),
        cmocka_unit_test(a_change_behind_the_acknowledged_one_still_waits),
        cmocka_unit_test(what_never_left_is_settled_but_not_timed),
        cmocka_unit_test(a_rejected_change_waits_with_its_reason),
        cmocka_unit_test(the_times_are_nearest_ranks),
        cmocka_unit_test(the_outbox_curve_is_bounded_and_keeps_its_shape),
        cmocka_unit_test(a_gap_lasts_from_its_first_opening_to_its_closing),
        cmocka_unit_test(one_message_is_told_alone),
        cmocka_unit_test(every_json_line_is_json_and_the_last_the_summary),
        cmocka_unit_test(a_folder_that_is_no_journal_has_a_summary_too),
        cmocka_unit_test(text_is_calm_when_all_is_well),
        cmocka_unit_test(text_from_the_journal_cannot_command_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
