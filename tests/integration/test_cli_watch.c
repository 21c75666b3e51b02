/*
 * avchat watch, run beside a store that changes: what its lines say, and how it ends.  Its lines
 * are waited for, nothing else.
 */
#include "replay/sync.h"
#include "tests/support/files.h"
#include "tests/support/process_case.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000

struct watching {
    char *folder, *dir, *avchat;
    struct avj_store *store;
    char thread[AVJ_ID_TEXT], message[AVJ_ID_TEXT];
    struct process process;
    char *text; /* of its stdout, as far as it was read */
    size_t len, cap;
    size_t at; /* behind what was waited for */
};

static struct avj_error err;

static int begin(void **state)
{
    struct watching *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->folder = test_dir_new();
    w->dir = test_path(w->folder, "journal");
    w->avchat = test_path(getenv("AVJ_BIN"), "avchat");
    assert_ok(avj_store_create(w->dir, NULL, NULL, &err), err);
    assert_ok(avj_store_open(w->dir, NULL, &w->store, &err), err);
    assert_ok(avj_thread_new(w->store, "Rome", w->thread, &err), err);
    assert_ok(avj_message_send(w->store, w->thread, "user", "hi", 2, w->message, &err), err);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct watching *w = *state;
    process_kill_all();
    avj_store_close(w->store);
    test_dir_free(w->folder);
    free(w->dir);
    free(w->avchat);
    free(w->text);
    free(w);
    return 0;
}

/* ---- what it prints ---- */

static void read_more(struct watching *w)
{
    struct pollfd poll_fd = {.fd = w->process.out, .events = POLLIN};
    if (w->cap - w->len < 4096) {
        w->cap += 65536;
        w->text = realloc(w->text, w->cap);
        assert_non_null(w->text);
    }
    if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
        fail_msg("it said nothing more; so far:\n%.*s", (int)w->len, w->text ? w->text : "");
    ssize_t got = read(w->process.out, w->text + w->len, w->cap - w->len - 1);
    if (got <= 0)
        fail_msg("it ended; it had said:\n%.*s", (int)w->len, w->text);
    w->len += (size_t)got;
    w->text[w->len] = 0;
}

/* Its next line, copied into `line`. */
static const char *next_line(struct watching *w)
{
    static char line[8192];
    const char *newline;
    while (w->len == w->at || !(newline = memchr(w->text + w->at, '\n', w->len - w->at)))
        read_more(w);
    size_t len = (size_t)(newline - (w->text + w->at));
    assert_true(len < sizeof(line));
    memcpy(line, w->text + w->at, len);
    line[len] = 0;
    w->at += len + 1;
    return line;
}

static void expect(struct watching *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Its next line contains this; `format` may end in "..." and a second part, so that both must be
 * there in this order. */
static void expect(struct watching *w, const char *format, ...)
{
    char wanted[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(wanted, sizeof(wanted), format, args);
    va_end(args);
    const char *line = next_line(w);
    char *dots = strstr(wanted, "...");
    if (dots)
        *dots = 0;
    assert_contains(line, wanted);
    if (dots)
        assert_contains(strstr(line, wanted), dots + 3);
}

/* Starts it; with --json it is known to watch then. */
static void start(struct watching *w, bool json, const char *thread)
{
    char *argv[8] = {w->avchat, (char *)"-C", w->dir};
    size_t n = 3;
    if (json)
        argv[n++] = (char *)"--json";
    argv[n++] = (char *)"watch";
    argv[n] = (char *)(uintptr_t)thread;
    w->process = process_start(argv, NULL, 0);
    if (json)
        expect(w, "{\"watching\": ");
}

static int finish(struct watching *w)
{
    int status;
    char *rest = process_finish(&w->process, &status, NULL);
    assert_string_equal(rest, "");
    free(rest);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- what happens ---- */

static void pack_text(struct avj_pack *p, const char *name, const char *text)
{
    avj_pack_cstr(p, name);
    avj_pack_cstr(p, text);
}

static void arrive(struct watching *w, const char *id, const char *text, const char *version,
                   bool deleted)
{
    struct avj_pack p = {0};
    avj_pack_map(&p, 5);
    pack_text(&p, "id", id);
    pack_text(&p, "threadId", w->thread);
    pack_text(&p, "role", "assistant");
    pack_text(&p, "content", text);
    pack_text(&p, "createdAt", "2026-11-22T18:00:00.000Z");
    struct avj_row row = {.entity = AVJ_MESSAGE,
                          .id = id,
                          .remote_id = id,
                          .version = version,
                          .deleted = deleted,
                          .fields = {p.data, p.len}};
    assert_ok(avj_sync_remote(w->store, &row, 1, "realtime", AVJ_DURABLE, NULL, &err), err);
    avj_pack_release(&p);
}

static void settle_first(struct watching *w, bool acknowledged)
{
    const struct avj_push_op *ops;
    size_t count;
    assert_ok(avj_outbox_next(w->store, 1, NULL, NULL, &ops, &count, &err), err);
    assert_int_equal(count, 1);
    struct avj_outcome outcome = {.op = ops,
                                  .acknowledged = acknowledged,
                                  .status = acknowledged ? 201 : 400,
                                  .error_type = "document_invalid_structure",
                                  .error_message = "title is too long"};
    outcome.row = (struct avj_row){.entity = ops->entity,
                                   .id = ops->id,
                                   .remote_id = ops->remote_id,
                                   .version = "2026-11-22T18:00:00.000+00:00",
                                   .created = "2026-11-22T18:00:00.000+00:00",
                                   .fields = ops->fields};
    assert_ok(avj_sync_settle(w->store, &outcome, 1, &err), err);
}

static void rename_thread(struct watching *w, const char *title)
{
    assert_ok(avj_thread_rename(w->store, w->thread, title, &err), err);
}

/* ---- the lines ---- */

static void a_line_tells_what_happened_to_what_where_and_the_text(void **state)
{
    struct watching *w = *state;
    char id[AVJ_ID_TEXT];
    start(w, true, NULL);
    assert_ok(avj_message_send(w->store, w->thread, "user", "hello", 5, id, &err), err);
    expect(w,
           "{\"event\": \"created\", \"kind\": \"message\", \"id\": \"%s\", \"threadId\": "
           "\"%s\"...\"content\": \"hello\"",
           id, w->thread);
    expect(w,
           "{\"event\": \"changed\", \"kind\": \"thread\", \"id\": \"%s\"...\"origin\": "
           "\"local\", \"seq\": ",
           w->thread);
    assert_ok(avj_message_edit(w->store, id, "other", 5, &err), err);
    expect(w, "{\"event\": \"changed\", \"kind\": \"message\"...\"content\": \"other\"");
    assert_ok(avj_message_delete(w->store, id, &err), err);
    expect(w,
           "{\"event\": \"deleted\", \"kind\": \"message\", \"id\": \"%s\", \"threadId\": "
           "\"%s\", \"origin\": \"local\"",
           id, w->thread);
    kill(w->process.pid, SIGINT);
    assert_int_equal(finish(w), 0);
}

static void what_other_devices_do_is_remote(void **state)
{
    struct watching *w = *state;
    start(w, true, NULL);
    arrive(w, "m1", "an answer", "2026-11-22T18:00:01.000+00:00", false);
    expect(w, "{\"event\": \"created\", \"kind\": \"message\", \"id\": \"m1\"...\"pending\": "
              "false, \"parked\": false, \"origin\": \"remote\"");
    arrive(w, "m1", "an answer, changed", "2026-11-22T18:00:02.000+00:00", false);
    expect(w, "{\"event\": \"changed\", \"kind\": \"message\", \"id\": \"m1\"...\"origin\": "
              "\"remote\"");
    arrive(w, "m1", "", "2026-11-22T18:00:03.000+00:00", true);
    expect(w, "{\"event\": \"deleted\", \"kind\": \"message\", \"id\": \"m1\"...\"origin\": "
              "\"remote\"");
    kill(w->process.pid, SIGTERM);
    assert_int_equal(finish(w), 0);
}

static void an_acknowledgement_is_not_shown_and_a_refusal_is_with_its_reason(void **state)
{
    struct watching *w = *state;
    start(w, true, NULL);
    settle_first(w, true); /* the thread, as it was */
    settle_first(w, false);
    expect(w,
           "{\"event\": \"parked\", \"kind\": \"message\", \"id\": \"%s\"...\"status\": 400, "
           "\"message\": \"title is too long\"",
           w->message);
    kill(w->process.pid, SIGTERM);
    assert_int_equal(finish(w), 0);
}

static void of_a_thread_only_that_is_shown(void **state)
{
    struct watching *w = *state;
    char other[AVJ_ID_TEXT];
    assert_ok(avj_thread_new(w->store, "other", other, &err), err);
    start(w, true, w->thread);
    assert_ok(avj_message_send(w->store, other, "user", "not this", 8, NULL, &err), err);
    assert_ok(avj_thread_rename(w->store, other, "nor this", &err), err);
    rename_thread(w, "this");
    expect(w, "{\"event\": \"changed\", \"kind\": \"thread\", \"id\": \"%s\"...\"title\": \"this\"",
           w->thread);
    assert_ok(avj_thread_delete(w->store, w->thread, &err), err);
    expect(w, "{\"event\": \"deleted\", \"kind\": \"message\", \"id\": \"%s\"", w->message);
    expect(w, "{\"event\": \"deleted\", \"kind\": \"thread\", \"id\": \"%s\"", w->thread);
    kill(w->process.pid, SIGTERM);
    assert_int_equal(finish(w), 0);
}

/* Without --json nothing says when it watches: titles are changed until one is shown. */
static void wait_until_it_watches(struct watching *w)
{
    struct pollfd poll_fd = {.fd = w->process.out, .events = POLLIN};
    for (unsigned i = 0; poll(&poll_fd, 1, 1) == 0; i++) {
        char title[32];
        assert_true(i < PATIENCE_MS);
        snprintf(title, sizeof(title), "title %u", i);
        rename_thread(w, title);
    }
    rename_thread(w, "it watches");
    while (!strstr(next_line(w), "it watches"))
        continue;
}

static void into_a_pipe_the_fields_stand_between_tabs(void **state)
{
    struct watching *w = *state;
    char id[AVJ_ID_TEXT];
    start(w, false, NULL);
    wait_until_it_watches(w);
    assert_ok(avj_message_send(w->store, w->thread, "user", "one\ttwo\n", 8, id, &err), err);
    expect(w, "created\tmessage\t%s\tlocal\t%s\tuser\tone\\ttwo\\n", id, w->thread);
    /* that the thread was raised by it goes without saying */
    rename_thread(w, "Rome again");
    expect(w, "changed\tthread\t%s\tlocal\t%s\t\tRome again", w->thread, w->thread);
    assert_ok(avj_message_delete(w->store, id, &err), err);
    expect(w, "deleted\tmessage\t%s\tlocal\t%s\t\t", id, w->thread);
    kill(w->process.pid, SIGINT);
    assert_int_equal(finish(w), 0);
}

/* ---- many at once, and the end ---- */

static void of_many_changes_at_once_every_document_is_shown_as_it_is_in_the_end(void **state)
{
    enum { MESSAGES = 500 };
    struct watching *w = *state;
    char ids[MESSAGES][AVJ_ID_TEXT];
    start(w, true, NULL);
    process_stop(&w->process);
    for (size_t i = 0; i < MESSAGES; i++)
        assert_ok(avj_message_send(w->store, w->thread, "user", "x", 1, ids[i], &err), err);
    for (size_t i = 0; i < MESSAGES; i++)
        assert_ok(avj_message_edit(w->store, ids[i], "y", 1, &err), err);
    process_continue(&w->process);
    size_t threads = 0, shown = 0;
    while (shown < MESSAGES) {
        const char *line = next_line(w);
        if (strstr(line, "\"kind\": \"thread\"")) {
            threads++;
            continue;
        }
        assert_contains(line, ids[shown]);
        assert_contains(line, "\"event\": \"created\"");
        assert_contains(line, "\"content\": \"y\"");
        shown++;
    }
    assert_int_equal(threads, 1);
    kill(w->process.pid, SIGTERM);
    assert_int_equal(finish(w), 0);
}

static void it_ends_when_nobody_reads_on(void **state)
{
    struct watching *w = *state;
    int status;
    start(w, true, NULL);
    close(w->process.out); /* no change is needed for it to notice */
    assert_int_equal(waitpid(w->process.pid, &status, 0), w->process.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void an_unknown_thread_is_said_at_once(void **state)
{
    struct watching *w = *state;
    char *argv[] = {w->avchat, (char *)"-C", w->dir, (char *)"watch", (char *)"nowhere", NULL};
    w->process = process_start(argv, NULL, 1);
    assert_int_equal(finish(w), 1);
}

#define WATCH_CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCH_CASE(a_line_tells_what_happened_to_what_where_and_the_text),
        WATCH_CASE(what_other_devices_do_is_remote),
        WATCH_CASE(an_acknowledgement_is_not_shown_and_a_refusal_is_with_its_reason),
        WATCH_CASE(of_a_thread_only_that_is_shown),
        WATCH_CASE(into_a_pipe_the_fields_stand_between_tabs),
        WATCH_CASE(of_many_changes_at_once_every_document_is_shown_as_it_is_in_the_end),
        WATCH_CASE(it_ends_when_nobody_reads_on),
        WATCH_CASE(an_unknown_thread_is_said_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
