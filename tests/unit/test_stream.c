/* Streaming answers: what the one who writes one, the others, and the log have of it. */
#include "replay/avchat.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/rng.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char *dir, *path;
    struct avj_store *store, *other; /* two sessions */
    char thread[AVJ_ID_TEXT];
    struct avj_stream *stream;
};

static struct avj_error err;
static const struct avj_store_options quiet = {.journal.no_background = true};

static struct avj_store *open_store(const char *path, const struct avj_store_options *options)
{
    struct avj_store *store;
    assert_ok(avj_store_open(path, options, &store, &err), err);
    return store;
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.dir = test_dir_new()};
    f.path = test_path(f.dir, "journal");
    assert_ok(avj_store_create(f.path, NULL, &quiet, &err), err);
    f.store = open_store(f.path, &quiet);
    f.other = open_store(f.path, &quiet);
    assert_ok(avj_thread_new(f.store, "T", f.thread, &err), err);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    avj_stream_close(f->stream);
    avj_store_close(f->store);
    avj_store_close(f->other);
    free(f->path);
    test_dir_free(f->dir);
    return 0;
}

static void begin(struct fixture *f)
{
    assert_ok(avj_stream_begin(f->store, f->thread, NULL, &f->stream, &err), err);
}

static void say(struct avj_stream *stream, const char *text)
{
    assert_ok(avj_stream_append(stream, text, strlen(text), &err), err);
}

static void finish_own(struct fixture *f)
{
    assert_ok(avj_stream_end(f->stream, &err), err);
    avj_stream_close(f->stream);
    f->stream = NULL;
}

/* The message as that store has it, as "[streams|stopped] text". */
static const char *seen(struct avj_store *store, const char *message)
{
    static char text[512];
    static const char *const marks[] = {"", "[streams] ", "[stopped] "};
    struct avj_doc doc;
    assert_ok(avj_store_refresh(store, NULL, &err), err);
    enum avj_status status = avj_store_get(store, AVJ_MESSAGE, message, &doc);
    if (status == AVJ_ENOTFOUND)
        return "nothing";
    assert_int_equal(status, AVJ_OK);
    struct avj_slice content = avj_packed_text(doc.fields.data, doc.fields.len, "content");
    snprintf(text, sizeof(text), "%s%.*s", marks[doc.streaming], (int)content.len,
             (const char *)content.data);
    return text;
}

/* A copy: the stream may be closed before it is looked at. */
static const char *message_of(const struct avj_stream *stream)
{
    static char id[AVJ_ID_TEXT];
    snprintf(id, sizeof(id), "%s", avj_stream_message(stream));
    return id;
}

static uint64_t records_of(struct avj_store *store)
{
    struct avj_store_status status;
    assert_ok(avj_store_status(store, &status, &err), err);
    return status.records;
}

static void assert_replays(struct fixture *f, const char *message, const char *wanted)
{
    struct avj_store_options options = quiet;
    options.read_only = options.no_snapshots = true;
    struct avj_store *again = open_store(f->path, &options);
    assert_string_equal(seen(again, message), wanted);
    avj_store_close(again);
}

/* ---- growing ---- */

static void every_session_sees_the_text_so_far_and_then_the_whole(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    assert_string_equal(seen(f->other, m), "[streams] ");
    say(f->stream, "Hello");
    assert_string_equal(seen(f->store, m), "[streams] Hello");
    say(f->stream, ", world");
    assert_string_equal(seen(f->other, m), "[streams] Hello, world");
    assert_replays(f, m, "[streams] Hello, world");
    finish_own(f);
    assert_string_equal(seen(f->other, m), "Hello, world");
    assert_string_equal(seen(f->store, m), "Hello, world");
    assert_replays(f, m, "Hello, world");
}

static void an_answer_that_says_nothing_is_empty(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    finish_own(f);
    assert_string_equal(seen(f->other, m), "");
}

static void id_role_and_more_fields_are_as_they_are_asked_for(void **state)
{
    struct fixture *f = *state;
    struct avj_pack more = {0};
    struct avj_doc doc;
    avj_pack_map(&more, 1);
    avj_pack_cstr(&more, "model");
    avj_pack_cstr(&more, "gpt");
    struct avj_stream_options options = {
        .id = "mine", .role = "system", .more = {more.data, more.len}};
    assert_ok(avj_stream_begin(f->store, f->thread, &options, &f->stream, &err), err);
    assert_string_equal(avj_stream_message(f->stream), "mine");
    struct avj_stream *twice;
    assert_status(AVJ_EEXIST, avj_stream_begin(f->store, f->thread, &options, &twice, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_stream_begin(f->store, "none", NULL, &twice, &err), err);
    assert_ok(avj_store_get(f->store, AVJ_MESSAGE, "mine", &doc), err);
    struct avj_slice model = avj_packed_text(doc.fields.data, doc.fields.len, "model");
    struct avj_slice role = avj_packed_text(doc.fields.data, doc.fields.len, "role");
    assert_memory_equal(model.data, "gpt", 3);
    assert_memory_equal(role.data, "system", 6);
    avj_pack_release(&more);
}

static void two_streams_of_one_thread_do_not_mix(void **state)
{
    struct fixture *f = *state;
    struct avj_stream *second;
    begin(f);
    assert_ok(avj_stream_begin(f->other, f->thread, NULL, &second, &err), err);
    for (int i = 0; i < 5; i++) {
        say(f->stream, "a");
        say(second, "b");
    }
    assert_string_equal(seen(f->other, avj_stream_message(f->stream)), "[streams] aaaaa");
    assert_string_equal(seen(f->store, avj_stream_message(second)), "[streams] bbbbb");
    const struct avj_stream_info *streams;
    size_t count;
    assert_ok(avj_store_streams(f->store, &streams, &count, &err), err);
    assert_int_equal(count, 2);
    assert_true(streams[0].own && !streams[1].own && !streams[1].interrupted);
    assert_string_equal(streams[1].thread, f->thread);
    assert_int_equal(streams[1].bytes, 5);
    assert_ok(avj_stream_end(second, &err), err);
    avj_stream_close(second);
    finish_own(f);
    assert_ok(avj_store_streams(f->store, &streams, &count, &err), err);
    assert_int_equal(count, 0);
}

static void many_threads_grow_at_once(void **state)
{
    enum { MANY = 200 };
    struct fixture *f = *state;
    struct avj_stream *all[MANY];
    char wanted[64], thread[AVJ_ID_TEXT];
    for (int i = 0; i < MANY; i++) {
        assert_ok(avj_thread_new(f->store, "one of many", thread, &err), err);
        assert_ok(avj_stream_begin(f->store, thread, NULL, &all[i], &err), err);
    }
    for (int i = MANY; i-- > 0;)
        for (int k = 0; k < 3; k++) {
            snprintf(wanted, sizeof(wanted), "%d,", i);
            say(all[i], wanted);
        }
    for (int i = 0; i < MANY; i++) {
        snprintf(wanted, sizeof(wanted), "[streams] %d,%d,%d,", i, i, i);
        assert_string_equal(seen(f->other, avj_stream_message(all[i])), wanted);
        assert_ok(avj_stream_end(all[i], &err), err);
        assert_string_equal(seen(f->other, avj_stream_message(all[i])), wanted + 10);
        avj_stream_close(all[i]);
    }
}

/* ---- UTF-8 ---- */

static void a_character_that_is_cut_waits_for_its_rest(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream), *text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z";
    for (size_t i = 0; text[i]; i++)
        assert_ok(avj_stream_append(f->stream, text + i, 1, &err), err);
    assert_string_equal(seen(f->other, m) + 10, text);
    assert_ok(avj_stream_append(f->stream, "\xe2\x82", 2, &err), err);
    assert_string_equal(seen(f->other, m) + 10, text);
    finish_own(f);
    assert_string_equal(seen(f->other, m), "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z\xef\xbf\xbd");
}

static void bytes_that_are_no_utf8_are_refused_and_cost_nothing(void **state)
{
    static const char *const bad[] = {"ok\xff",           "\xc0\x80", "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80", "\x80",     "\xe2\x28\xa1"};
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "good ");
    uint64_t before = records_of(f->store);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_status(AVJ_EINVAL, avj_stream_append(f->stream, bad[i], strlen(bad[i]), &err), err);
    assert_int_equal(records_of(f->store), before);
    say(f->stream, "still");
    assert_string_equal(seen(f->other, m), "[streams] good still");
}

/* ---- cost ---- */

static void an_answer_of_100000_tokens_costs_as_much_as_its_tokens(void **state)
{
    enum { TOKENS = 100000 };
    struct fixture *f = *state;
    struct avj_journal_info before, after;
    begin(f);
    const char *m = message_of(f->stream);
    uint64_t records = records_of(f->store);
    assert_ok(avj_journal_info(avj_store_journal(f->store), &before, &err), err);
    for (int i = 0; i < TOKENS; i++)
        say(f->stream, " token");
    assert_int_equal(records_of(f->store) - records, TOKENS);
    finish_own(f);
    assert_int_equal(records_of(f->store) - records, TOKENS + 2);
    assert_ok(avj_journal_info(avj_store_journal(f->store), &after, &err), err);
    assert_true(after.bytes - before.bytes < (uint64_t)TOKENS * 256);
    struct avj_doc doc;
    assert_ok(avj_store_refresh(f->other, NULL, &err), err);
    assert_ok(avj_store_get(f->other, AVJ_MESSAGE, m, &doc), err);
    assert_int_equal(avj_packed_text(doc.fields.data, doc.fields.len, "content").len, TOKENS * 6);
}

static void an_answer_of_the_greatest_size_ends_and_a_byte_more_is_refused(void **state)
{
    struct fixture *f = *state;
    struct avj_doc doc;
    size_t part = AVJ_STREAM_MAX / 4;
    char *text = malloc(part);
    assert_non_null(text);
    memset(text, 'x', part);
    begin(f);
    const char *m = message_of(f->stream);
    for (int i = 0; i < 4; i++)
        assert_ok(avj_stream_append(f->stream, text, part, &err), err);
    assert_status(AVJ_ETOOBIG, avj_stream_append(f->stream, "y", 1, &err), err);
    assert_contains(err.message, "14680064 bytes");
    finish_own(f);
    free(text);
    assert_ok(avj_store_refresh(f->other, NULL, &err), err);
    assert_ok(avj_store_get(f->other, AVJ_MESSAGE, m, &doc), err);
    assert_int_equal(avj_packed_text(doc.fields.data, doc.fields.len, "content").len,
                     AVJ_STREAM_MAX);
}

/* ---- interrupted ---- */

static void what_is_aborted_is_kept_and_can_be_gone_on_with_elsewhere(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "half an ");
    assert_ok(avj_stream_abort(f->stream, false, &err), err);
    assert_string_equal(seen(f->other, m), "[stopped] half an ");
    assert_status(AVJ_EINVAL, avj_stream_append(f->stream, "x", 1, &err), err);
    struct avj_stream *rest;
    assert_ok(avj_stream_resume(f->other, m, NULL, &rest, &err), err);
    assert_string_equal(seen(f->store, m), "[streams] half an ");
    say(rest, "answer");
    assert_ok(avj_stream_end(rest, &err), err);
    avj_stream_close(rest);
    assert_string_equal(seen(f->store, m), "half an answer");
    assert_replays(f, m, "half an answer");
}

static void what_is_aborted_and_discarded_is_gone(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "never mind");
    assert_ok(avj_stream_abort(f->stream, true, &err), err);
    assert_string_equal(seen(f->other, m), "nothing");
}

static void a_stream_that_is_just_closed_is_interrupted(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "well");
    avj_stream_close(f->stream);
    f->stream = NULL;
    assert_string_equal(seen(f->other, m), "[stopped] well");
    assert_ok(avj_stream_finish(f->other, m, &err), err);
    assert_string_equal(seen(f->store, m), "well");
}

static void what_is_being_written_or_was_never_streamed_can_not_be_taken(void **state)
{
    struct fixture *f = *state;
    struct avj_stream *s;
    char plain[AVJ_ID_TEXT];
    begin(f);
    const char *m = message_of(f->stream);
    assert_status(AVJ_EREFUSED, avj_stream_resume(f->other, m, NULL, &s, &err), err);
    assert_contains(err.message, "is being streamed");
    assert_status(AVJ_EREFUSED, avj_stream_finish(f->other, m, &err), err);
    assert_ok(avj_message_send(f->store, f->thread, "user", "plain", 5, plain, &err), err);
    assert_status(AVJ_EREFUSED, avj_stream_finish(f->other, plain, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_stream_finish(f->other, "none", &err), err);
}

struct writer {
    const char *path, *thread;
};

/* Writes an answer until it is killed. */
static int write_for_ever(void *arg, int out)
{
    const struct writer *w = arg;
    struct avj_store *store;
    struct avj_stream *stream;
    if (avj_store_open(w->path, &quiet, &store, NULL) != AVJ_OK ||
        avj_stream_begin(store, w->thread, NULL, &stream, NULL) != AVJ_OK)
        return 1;
    for (int i = 0; i < 1000; i++)
        if (avj_stream_append(stream, "token ", 6, NULL) != AVJ_OK)
            return 1;
    if (write(out, avj_stream_message(stream), 36) != 36)
        return 1;
    for (;;)
        pause();
}

static void a_killed_writer_leaves_all_it_appended_interrupted(void **state)
{
    struct fixture *f = *state;
    struct writer w = {f->path, f->thread};
    struct process p = process_fork(write_for_ever, &w);
    char m[AVJ_ID_TEXT] = "";
    int status;
    assert_int_equal(read(p.out, m, 36), 36);
    assert_memory_equal(seen(f->store, m), "[streams] token token", 21);
    assert_int_equal(kill(p.pid, SIGKILL), 0);
    free(process_finish(&p, &status, NULL));
    assert_true(WIFSIGNALED(status));
    assert_memory_equal(seen(f->store, m), "[stopped] token token", 21);
    struct avj_slice text;
    assert_ok(avj_stream_text(f->store, m, 5990, &text), err);
    assert_int_equal(text.len, 10);
    assert_ok(avj_stream_resume(f->other, m, NULL, &f->stream, &err), err);
    say(f->stream, "end");
    finish_own(f);
    struct avj_doc doc;
    assert_ok(avj_store_refresh(f->store, NULL, &err), err);
    assert_ok(avj_store_get(f->store, AVJ_MESSAGE, m, &doc), err);
    assert_int_equal(avj_packed_text(doc.fields.data, doc.fields.len, "content").len, 6003);
}

/* ---- edits and deletions meanwhile ---- */

static void an_edit_is_refused_while_it_grows_and_ends_what_is_interrupted(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "so far");
    assert_status(AVJ_EREFUSED, avj_message_edit(f->other, m, "no", 2, &err), err);
    assert_contains(err.message, "is being streamed");
    assert_status(AVJ_EREFUSED, avj_message_edit(f->store, m, "no", 2, &err), err);
    assert_ok(avj_stream_abort(f->stream, false, &err), err);
    assert_ok(avj_message_edit(f->other, m, "edited", 6, &err), err);
    assert_string_equal(seen(f->store, m), "edited");
    assert_status(AVJ_EREFUSED, avj_stream_finish(f->store, m, &err), err);
}

static void the_writer_is_told_that_its_message_was_deleted(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "so far");
    assert_ok(avj_message_delete(f->other, m, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_stream_append(f->stream, "x", 1, &err), err);
    assert_contains(err.message, "was deleted");
    assert_string_equal(seen(f->other, m), "nothing");
    assert_replays(f, m, "nothing");
}

static void the_writer_is_told_that_its_thread_was_deleted(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    assert_ok(avj_thread_delete(f->other, f->thread, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_stream_end(f->stream, &err), err);
    assert_replays(f, m, "nothing");
}

static void arrive(struct avj_store *store, enum avj_entity entity, const char *id)
{
    struct avj_row row = {.entity = entity,
                          .id = id,
                          .remote_id = "elsewhere",
                          .version = "2030-01-01T00:00:00.000+00:00",
                          .deleted = true};
    assert_ok(avj_sync_remote(store, &row, 1, "realtime", AVJ_DURABLE, NULL, &err), err);
}

static void a_deletion_from_elsewhere_ends_the_stream(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "so far");
    arrive(f->other, AVJ_THREAD, f->thread);
    say(f->stream, ", and on"); /* the thread goes, its messages are kept */
    assert_string_equal(seen(f->other, m), "[streams] so far, and on");
    finish_own(f);
    assert_string_equal(seen(f->other, m), "so far, and on");
}

static void a_claim_meanwhile_changes_nothing(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "guest");
    struct avj_pack login = {0};
    avj_entry_begin(&login, AVJ_E_SESSION, avj_store_stamp(f->other), avj_store_session(f->other),
                    AVJ_ENTITIES, NULL, 2);
    avj_pack_cstr(&login, "o");
    avj_pack_cstr(&login, "login");
    avj_pack_cstr(&login, "u");
    avj_pack_cstr(&login, "user");
    struct avj_slice entry = {login.data, login.len};
    assert_ok(avj_store_append(f->other, &entry, 1, AVJ_DURABLE, NULL, &err), err);
    avj_pack_release(&login);
    say(f->stream, " and user");
    finish_own(f);
    assert_string_equal(seen(f->other, m), "guest and user");
    assert_string_equal(avj_store_user(f->store), "user");
}

/* ---- sync ---- */

static void what_is_sent_is_not_the_text_unless_a_checkpoint_says_so(void **state)
{
    struct fixture *f = *state;
    const struct avj_push_op *ops;
    size_t count;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "so far");
    for (int round = 0; round < 2; round++) {
        assert_ok(avj_outbox_next(f->store, 10, NULL, NULL, &ops, &count, &err), err);
        size_t at = 0;
        while (at < count && strcmp(ops[at].id, m) != 0)
            at++;
        assert_true(at < count);
        struct avj_slice text = avj_packed_text(ops[at].fields.data, ops[at].fields.len, "content");
        assert_int_equal(text.len, round ? 6 : 0);
        if (!round) {
            assert_ok(avj_stream_checkpoint(f->other, m, &err), err);
            assert_ok(avj_store_refresh(f->store, NULL, &err), err);
        }
    }
    say(f->stream, " and on");
    assert_string_equal(seen(f->other, m), "[streams] so far and on");
    finish_own(f);
    assert_string_equal(seen(f->other, m), "so far and on");
    assert_status(AVJ_ENOTFOUND, avj_stream_checkpoint(f->other, m, &err), err);
}

/* ---- the past, snapshots, compaction, search ---- */

static void the_past_shows_the_text_as_it_was(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const char *m = message_of(f->stream);
    say(f->stream, "one ");
    uint64_t then = records_of(f->store);
    say(f->stream, "two");
    finish_own(f);
    struct avj_store_options options = quiet;
    options.at_seq = then;
    struct avj_store *past = open_store(f->path, &options);
    assert_string_equal(seen(past, m), "[streams] one ");
    avj_store_close(past);
}

static void chunks_of_what_has_ended_are_compacted_away_and_others_stay(void **state)
{
    struct fixture *f = *state;
    struct avj_compacted_history done;
    begin(f);
    for (int i = 0; i < 50; i++)
        say(f->stream, "ended ");
    finish_own(f);
    begin(f);
    const char *m = message_of(f->stream);
    for (int i = 0; i < 5; i++)
        say(f->stream, "kept ");
    assert_ok(avj_stream_abort(f->stream, false, &err), err);
    assert_ok(avj_journal_rotate(avj_store_journal(f->store), &err), err);
    assert_ok(avj_journal_maintain(avj_store_journal(f->store), NULL, NULL, &err), err);
    assert_ok(avj_store_compact(f->store, NULL, &done, &err), err);
    assert_int_equal(done.records, 50);
    assert_replays(f, m, "[stopped] kept kept kept kept kept ");
}

static void a_growing_text_is_found(void **state)
{
    struct fixture *f = *state;
    static const char *const words[] = {"needle", NULL};
    const struct avj_hit *hits;
    size_t count;
    begin(f);
    say(f->stream, "a nee");
    say(f->stream, "dle in hay");
    assert_ok(avj_store_search(f->store, words, NULL, &hits, &count, &err), err);
    assert_int_equal(count, 1);
}

/* What two stores show of all messages and streams must be the same. */
static bool note_all(void *arg, const struct avj_doc *doc)
{
    struct avj_pack *out = arg;
    avj_pack_cstr(out, doc->id);
    avj_pack_bytes(out, doc->fields.data, doc->fields.len);
    avj_pack_int(out, doc->streaming);
    return true;
}

static void assert_same(struct avj_store *a, struct avj_store *b)
{
    struct avj_pack x = {0}, y = {0};
    struct avj_store_status s, t;
    assert_ok(avj_store_walk(a, AVJ_MESSAGE, note_all, &x, &err), err);
    assert_ok(avj_store_walk(b, AVJ_MESSAGE, note_all, &y, &err), err);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    assert_ok(avj_store_status(a, &s, &err), err);
    assert_ok(avj_store_status(b, &t, &err), err);
    assert_memory_equal(s.digest, t.digest, 16);
    avj_pack_release(&x);
    avj_pack_release(&y);
}

enum { GROWING = 6 };

/* One thing that happens to one of the streams. */
/* It was done, or the message had been deleted meanwhile. */
static void assert_one_of(enum avj_status status, enum avj_status other)
{
    if (status != AVJ_OK)
        assert_status(other, status, err);
}

static void happen(struct fixture *f, struct test_rng *rng, struct avj_stream **streams)
{
    struct avj_stream **s = &streams[test_rng_below(rng, GROWING)];
    struct avj_store *store = test_rng_below(rng, 2) ? f->store : f->other;
    uint64_t what = test_rng_below(rng, 20);
    char m[AVJ_ID_TEXT];
    if (!*s) {
        assert_ok(avj_stream_begin(store, f->thread, NULL, s, &err), err);
        return;
    }
    snprintf(m, sizeof(m), "%s", avj_stream_message(*s));
    if (what < 14) {
        enum avj_status status =
            avj_stream_append(*s, "some words ", test_rng_below(rng, 11), &err);
        assert_true(status == AVJ_OK || status == AVJ_ENOTFOUND);
        return;
    }
    if (what == 14)
        assert_one_of(avj_message_delete(store, m, &err), AVJ_ENOTFOUND);
    if (what == 15)
        assert_one_of(avj_stream_checkpoint(store, m, &err), AVJ_ENOTFOUND);
    if (what > 15) {
        if (what < 18)
            assert_one_of(avj_stream_end(*s, &err), AVJ_ENOTFOUND);
        avj_stream_close(*s);
        *s = NULL;
    }
    if (what == 19 && avj_stream_resume(store, m, NULL, s, &err) != AVJ_OK)
        *s = NULL;
}

static void a_snapshot_and_its_tail_are_what_the_log_is(void **state)
{
    struct fixture *f = *state;
    struct test_rng rng;
    uint64_t seed = test_rng_seed("streams");
    struct avj_store_options from_nothing = quiet;
    from_nothing.read_only = from_nothing.no_snapshots = true;
    for (uint64_t round = 0; round < 20; round++) {
        struct avj_stream *streams[GROWING] = {NULL};
        test_rng_init(&rng, seed + round);
        for (int i = 0; i < 60; i++) {
            happen(f, &rng, streams);
            if (i % 20 == 10)
                assert_ok(avj_store_snapshot(f->store, NULL, &err), err);
        }
        struct avj_store_options reading = {.journal.no_background = true, .read_only = true};
        struct avj_store *mapped = open_store(f->path, &reading);
        struct avj_store *replayed = open_store(f->path, &from_nothing);
        struct avj_store_status status;
        assert_ok(avj_store_status(mapped, &status, &err), err);
        assert_true(status.snapshot_seq > 0);
        assert_same(mapped, replayed);
        assert_ok(avj_store_refresh(f->other, NULL, &err), err);
        assert_same(mapped, f->other);
        avj_store_close(mapped);
        avj_store_close(replayed);
        for (int i = 0; i < GROWING; i++)
            avj_stream_close(streams[i]);
    }
}

/* ---- events ---- */

struct told {
    char text[1024];
};

static void note_stream(void *arg, const struct avj_change *c)
{
    struct told *told = arg;
    size_t len = strlen(told->text);
    if (c->type == AVJ_E_STREAM)
        snprintf(told->text + len, sizeof(told->text) - len, "%s%s@%d:%.*s;",
                 c->stream.own ? "own " : "", avj_stream_op_name(c->stream.op),
                 (int)c->stream.offset, (int)c->stream.delta.len,
                 c->stream.delta.len ? (const char *)c->stream.delta.data : "");
}

static int stream_events(struct avj_events *events)
{
    struct avj_event event;
    enum avj_status status;
    int count = 0;
    while ((status = avj_events_next(events, &event, &err)) == AVJ_OK)
        count += event.kind == AVJ_EVENT_STREAM;
    assert_int_equal(status, AVJ_END);
    return count;
}

static void others_hear_each_delta_with_its_place_and_the_writer_hears_no_event(void **state)
{
    struct fixture *f = *state;
    struct told here = {""}, there = {""};
    struct avj_events_options options = {.on_change = note_stream, .on_change_arg = &here};
    struct avj_events *own, *others;
    assert_ok(avj_events_open(f->store, &options, &own, &err), err);
    options.on_change_arg = &there;
    assert_ok(avj_events_open(f->other, &options, &others, &err), err);
    begin(f);
    say(f->stream, "ab");
    say(f->stream, "cd");
    assert_int_equal(stream_events(others), 1);
    finish_own(f);
    assert_int_equal(stream_events(others), 1);
    assert_string_equal(there.text, "begin@0:;append@0:ab;append@2:cd;end@4:;");
    assert_int_equal(stream_events(own), 0);
    assert_string_equal(here.text, "own begin@0:;own append@0:ab;own append@2:cd;own end@4:;");
    avj_events_close(own);
    avj_events_close(others);
}

#define STREAM_CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_CASE(every_session_sees_the_text_so_far_and_then_the_whole),
        STREAM_CASE(an_answer_that_says_nothing_is_empty),
        STREAM_CASE(id_role_and_more_fields_are_as_they_are_asked_for),
        STREAM_CASE(two_streams_of_one_thread_do_not_mix),
        STREAM_CASE(many_threads_grow_at_once),
        STREAM_CASE(a_character_that_is_cut_waits_for_its_rest),
        STREAM_CASE(bytes_that_are_no_utf8_are_refused_and_cost_nothing),
        STREAM_CASE(an_answer_of_100000_tokens_costs_as_much_as_its_tokens),
        STREAM_CASE(an_answer_of_the_greatest_size_ends_and_a_byte_more_is_refused),
        STREAM_CASE(what_is_aborted_is_kept_and_can_be_gone_on_with_elsewhere),
        STREAM_CASE(what_is_aborted_and_discarded_is_gone),
        STREAM_CASE(a_stream_that_is_just_closed_is_interrupted),
        STREAM_CASE(what_is_being_written_or_was_never_streamed_can_not_be_taken),
        STREAM_CASE(a_killed_writer_leaves_all_it_appended_interrupted),
        STREAM_CASE(an_edit_is_refused_while_it_grows_and_ends_what_is_interrupted),
        STREAM_CASE(the_writer_is_told_that_its_message_was_deleted),
        STREAM_CASE(the_writer_is_told_that_its_thread_was_deleted),
        STREAM_CASE(a_deletion_from_elsewhere_ends_the_stream),
        STREAM_CASE(a_claim_meanwhile_changes_nothing),
        STREAM_CASE(what_is_sent_is_not_the_text_unless_a_checkpoint_says_so),
        STREAM_CASE(the_past_shows_the_text_as_it_was),
        STREAM_CASE(chunks_of_what_has_ended_are_compacted_away_and_others_stay),
        STREAM_CASE(a_growing_text_is_found),
        STREAM_CASE(a_snapshot_and_its_tail_are_what_the_log_is),
        STREAM_CASE(others_hear_each_delta_with_its_place_and_the_writer_hears_no_event),
    };
    return cmocka_run_group_tests_name("streaming answers", tests, NULL, NULL);
}
