/*
 * The report, of a made-up week: two devices, days offline, a rate limit, a conflict, and damage in
 * the middle of the log.  AVJ_KEEP_REPORT=FILE keeps the page, to be looked at.
 */
#include "tests/support/cases.h"
#include "tests/support/files.h"

#include "fsck/fsck_output.h"
#include "fsck/fsck_report.h"
#include "replay/clock.h"
#include "replay/store.h"

#include <jansson.h>

#define HOUR INT64_C(3600000)

/* ---- a week ---- */

struct week {
    struct avj_journal *journal;
    struct avj_pack pack;
    int64_t now_ms;
    uint64_t seq;
    const char *session;
};

static void begin(struct week *w, enum avj_entry_type type, enum avj_entity entity, const char *id,
                  size_t pairs)
{
    w->now_ms += 1500;
    avj_pack_reset(&w->pack);
    avj_entry_begin(&w->pack, type, (uint64_t)w->now_ms << 16, w->session, entity, id, pairs);
}

static void text(struct week *w, const char *key, const char *value)
{
    avj_pack_cstr(&w->pack, key);
    avj_pack_cstr(&w->pack, value);
}

static void integer(struct week *w, const char *key, int64_t value)
{
    avj_pack_cstr(&w->pack, key);
    avj_pack_int(&w->pack, value);
}

static uint64_t end(struct week *w)
{
    struct avj_slice record = {w->pack.data, w->pack.len};
    struct avj_error err = {0};

    assert_false(w->pack.failed);
    assert_ok(avj_journal_append(w->journal, &record, 1, AVJ_DURABLE, &w->seq, &err), err);
    return w->seq;
}

static void fields(struct week *w, const char *id, const char *content)
{
    avj_pack_cstr(&w->pack, "f");
    avj_pack_map(&w->pack, 5);
    text(w, "id", id);
    text(w, "threadId", "thread-1");
    text(w, "content", content);
    text(w, "role", "user");
    text(w, "createdAt", "2026-01-05T00:00:00.000+00:00");
}

static uint64_t change(struct week *w, const char *id, const char *op)
{
    begin(w, AVJ_E_LOCAL, AVJ_MESSAGE, id, 2);
    text(w, "o", op);
    fields(w, id, "</style><script>alert(1)</script> & \"more\"");
    return end(w);
}

static void state(struct week *w, enum avj_entry_type type, const char *id, uint64_t upto)
{
    char version[AVJ_TIME_TEXT];

    avj_time_format(w->now_ms, version);
    begin(w, type, AVJ_MESSAGE, id, type == AVJ_E_ACK ? 6 : 4);
    text(w, "r", id);
    text(w, "v", version);
    text(w, "c", version);
    if (type == AVJ_E_ACK) {
        integer(w, "s", (int64_t)upto);
        integer(w, "x", 201);
    }
    fields(w, id, "as the server has it");
    end(w);
}

static void push(struct week *w, const char *id, uint64_t upto, int64_t failed)
{
    begin(w, AVJ_E_PUSH, AVJ_ENTITIES, NULL, failed < 0 ? 3 : 7);
    text(w, "a", "attempt");
    text(w, "v", "transaction");
    if (failed >= 0) {
        text(w, "o", "answer");
        integer(w, "x", failed);
        text(w, "y", "commit");
        integer(w, "w", 30000);
    }
    avj_pack_cstr(&w->pack, "d");
    avj_pack_list(&w->pack, failed < 0);
    if (failed < 0) {
        avj_pack_list(&w->pack, 5);
        avj_pack_cstr(&w->pack, "message");
        avj_pack_cstr(&w->pack, id);
        avj_pack_cstr(&w->pack, id);
        avj_pack_int(&w->pack, (int64_t)upto);
        avj_pack_cstr(&w->pack, "create");
    }
    end(w);
}

static void gap(struct week *w, const char *op)
{
    begin(w, AVJ_E_GAP, AVJ_ENTITIES, NULL, 2);
    text(w, "o", op);
    text(w, "m", "the socket <closed>");
    end(w);
}

static void a_day(struct week *w, int day, bool offline)
{
    char ids[24][32];
    uint64_t seqs[24];

    w->session = day % 2 ? "<laptop>" : "desk&top";
    if (offline)
        gap(w, "open");
    for (int i = 0; i < 24; i++) {
        snprintf(ids[i], sizeof ids[i], "m-%d-%d", day, i);
        seqs[i] = change(w, ids[i], "create");
        w->now_ms += HOUR / (i % 5 + 2);
        if (!offline) {
            push(w, ids[i], seqs[i], -1);
            if (i == 7)
                push(w, ids[i], seqs[i], i % 2 ? 429 : 503);
            w->now_ms += INT64_C(37) << (i % 12);
            state(w, AVJ_E_ACK, ids[i], seqs[i]);
        }
        if (i % 6 == 0 && !offline)
            state(w, AVJ_E_REMOTE, "from-elsewhere", 0);
    }
    w->now_ms += 9 * HOUR;
    for (int i = 0; offline && i < 24; i++)
        state(w, AVJ_E_ACK, ids[i], seqs[i]);
    if (offline)
        gap(w, "close");
}

static void make_week(const char *dir)
{
    struct week w = {.now_ms = INT64_C(1767600000000), .session = "desk&top"};
    struct avj_error err = {0};

    assert_ok(avj_journal_create(dir, NULL, &err), err);
    assert_ok(avj_journal_open(dir, NULL, &w.journal, &err), err);
    for (int day = 0; day < 7; day++)
        a_day(&w, day, day == 2 || day == 5);
    change(&w, "m-0-0", "update");
    change(&w, "m-0-1", "update");
    avj_journal_close(w.journal);
    avj_pack_release(&w.pack);
}

static void damage(const char *dir)
{
    char *path = test_path(dir, "segments/%016x.seg", 1);
    FILE *file = fopen(path, "r+b");

    assert_non_null(file);
    assert_int_equal(fseek(file, (long)test_file_size(path) / 2, SEEK_SET), 0);
    fputs("rot", file);
    fclose(file);
    free(path);
}

/* ---- what is written ---- */

struct case_ {
    char *folder, *dir, *page, *html, *json;
    int code;
};

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *all = calloc(1, 4 * 1024 * 1024);

    assert_non_null(file);
    assert_true(fread(all, 1, 4 * 1024 * 1024 - 1, file) > 0);
    fclose(file);
    return all;
}

static void report(struct case_ *c)
{
    size_t len;
    struct avj_error err = {0};
    struct fsck_report made;
    struct fsck_output output = {.of = FSCK_OF_NONE};
    struct fsck_sink inner, sink;
    struct fsck_options options = {.audit = true, .audit_of = FSCK_OF_NONE};

    output.out = open_memstream(&c->json, &len);
    fsck_json_sink(&output, &inner);
    fsck_report_begin(&made, c->page, &inner, &sink);
    c->code = fsck_run(c->dir, &options, &sink, &err);
    assert_ok(made.err.status, made.err);
    fsck_report_release(&made);
    fclose(output.out);
    c->html = slurp(c->page);
}

static int setup(void **state_)
{
    struct case_ *c = calloc(1, sizeof *c);

    c->folder = test_dir_new();
    c->dir = test_path(c->folder, "a <journal> & more");
    c->page = test_path(c->folder, "report.html");
    make_week(c->dir);
    *state_ = c;
    return 0;
}

static int teardown(void **state_)
{
    struct case_ *c = *state_;

    free(c->html);
    free(c->json);
    free(c->page);
    free(c->dir);
    test_dir_free(c->folder);
    free(c);
    return 0;
}

/* Tags are balanced, attributes quoted, and & begins an entity: what XML asks for, as far as the
 * page uses it. */
static void assert_well_formed(const char *html)
{
    char open[64][16];
    size_t depth = 0;
    const char *p = strstr(html, "<html");

    assert_non_null(p);
    for (; *p; p++) {
        if (*p == '&')
            assert_true(strcspn(p, "; <") < 8 && p[strcspn(p, "; <")] == ';');
        if (*p != '<')
            continue;
        bool closes = p[1] == '/';
        const char *name = p + 1 + closes, *stop = strchr(p, '>');
        size_t len = strcspn(name, " />\n");
        assert_non_null(stop);
        assert_true(len > 0 && len < 16);
        if (closes) {
            assert_true(depth > 0 && strncmp(open[--depth], name, len) == 0);
            assert_int_equal(strlen(open[depth]), len);
        } else if (stop[-1] != '/') {
            assert_in_range(depth, 0, 63);
            snprintf(open[depth++], 16, "%.*s", (int)len, name);
        }
        p = stop;
    }
    assert_int_equal(depth, 0);
}

static void keep(const struct case_ *c)
{
    const char *to = getenv("AVJ_KEEP_REPORT");
    FILE *file = to ? fopen(to, "wb") : NULL;

    if (!file)
        return;
    fputs(c->html, file);
    fclose(file);
}

static void the_page_is_well_formed_and_needs_nothing_else(void **state_)
{
    struct case_ *c = *state_;

    damage(c->dir);
    report(c);
    keep(c);
    assert_well_formed(c->html);
    assert_null(strstr(c->html, "http"));
    assert_null(strstr(c->html, "<script"));
    assert_null(strstr(c->html, "src="));
    assert_null(strstr(c->html, "url("));
    assert_null(strstr(c->html, "<laptop>"));
    assert_contains(c->html, "&lt;laptop&gt;");
    assert_contains(c->html, "a &lt;journal&gt; &amp; more");
    assert_true(strlen(c->html) < 100000);
}

/* The value of <data id="n-NAME" value="...">. */
static int64_t number_in(const char *html, const char *name)
{
    char wanted[64];

    snprintf(wanted, sizeof wanted, "<data id=\"n-%s\" value=\"", name);
    const char *at = strstr(html, wanted);
    if (!at)
        fail_msg("the page has no number %s", name);
    return strtoll(at + strlen(wanted), NULL, 10);
}

static json_t *line_with(const char *lines, const char *key)
{
    char *copy = strdup(lines);
    json_t *found = NULL;

    for (char *rest = copy, *one; !found && (one = strsep(&rest, "\n")) && *one;) {
        json_t *line = json_loads(one, 0, NULL);
        assert_non_null(line);
        found = json_incref(json_object_get(line, key));
        json_decref(line);
    }
    free(copy);
    assert_non_null(found);
    return found;
}

static void the_numbers_are_those_of_the_json(void **state_)
{
    struct case_ *c = *state_;
    static const char *const sums[] = {"records", "segments",    "bytes",   "pending",
                                       "damages", "lostRecords", "warnings"};
    static const char *const audits[] = {"changes",   "acknowledged", "attempts",   "remote",
                                         "conflicts", "rejected",     "rateLimits", "offlineMs"};

    report(c);
    json_t *summary = line_with(c->json, "summary"), *audit = line_with(c->json, "auditSummary");
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        assert_int_equal(number_in(c->html, sums[i]),
                         json_integer_value(json_object_get(summary, sums[i])));
    for (size_t i = 0; i < sizeof audits / sizeof audits[0]; i++)
        assert_int_equal(number_in(c->html, audits[i]),
                         json_integer_value(json_object_get(audit, audits[i])));
    json_t *ack = json_object_get(audit, "timeToAckMs");
    assert_int_equal(number_in(c->html, "ackP50"), json_integer_value(json_object_get(ack, "p50")));
    assert_int_equal(number_in(c->html, "ackMax"), json_integer_value(json_object_get(ack, "max")));
    /* And they are what the week was like. */
    assert_int_equal(number_in(c->html, "changes"), 7 * 24 + 2);
    assert_int_equal(number_in(c->html, "acknowledged"), 7 * 24);
    assert_int_equal(number_in(c->html, "rateLimits"), 5);
    assert_int_equal(json_array_size(json_object_get(audit, "sessions")), 2);
    assert_true(json_array_size(json_object_get(audit, "offline")) >= 2);
    json_decref(summary);
    json_decref(audit);
}

static void every_finding_is_on_the_page(void **state_)
{
    struct case_ *c = *state_;
    unsigned findings = 0;

    damage(c->dir);
    report(c);
    for (char *rest = c->json, *one; (one = strsep(&rest, "\n")) && *one;) {
        json_t *line = json_loads(one, 0, NULL);
        const char *id = json_string_value(json_object_get(line, "id"));
        if (id) {
            assert_contains(c->html, id);
            findings++;
        }
        json_decref(line);
    }
    assert_true(findings > 0);
    assert_true(c->code & FSCK_DAMAGE);
}

static void a_page_that_can_not_be_written_leaves_the_old_one(void **state_)
{
    struct case_ *c = *state_;
    struct fsck_report made;
    struct fsck_sink inner = {0}, sink;
    struct avj_error err = {0};
    char *nowhere = test_path(c->folder, "no/such/folder/report.html");

    fsck_report_begin(&made, nowhere, &inner, &sink);
    (void)fsck_run(c->dir, &(struct fsck_options){.audit = true, .audit_of = FSCK_OF_NONE}, &sink,
                   &err);
    assert_int_not_equal(made.err.status, AVJ_OK);
    assert_contains(made.err.message, "no/such/folder");
    fsck_report_release(&made);
    free(nowhere);
}

static void a_folder_that_is_no_journal_makes_a_page_that_says_so(void **state_)
{
    struct case_ *c = *state_;

    free(c->dir);
    c->dir = strdup(c->folder);
    report(c);
    assert_well_formed(c->html);
    assert_contains(c->html, "Not checked to the end");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_page_is_well_formed_and_needs_nothing_else),
        CASE(the_numbers_are_those_of_the_json),
        CASE(every_finding_is_on_the_page),
        CASE(a_page_that_can_not_be_written_leaves_the_old_one),
        CASE(a_folder_that_is_no_journal_makes_a_page_that_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
