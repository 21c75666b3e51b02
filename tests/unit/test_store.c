/* The store: the operations of the data model, what they leave in the outbox, and what the sync
 * layer journals. */
#include "replay/clock.h"
#include "replay/store_private.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"

struct fixture {
    char *dir, *path;
    struct avj_store *store;
};

static struct avj_error err;

static int setup(void **state)
{
    static struct fixture f;
    f.dir = test_dir_new();
    f.path = test_path(f.dir, "journal");
    if (avj_store_create(f.path, NULL, NULL, &err) != AVJ_OK ||
        avj_store_open(f.path, NULL, &f.store, &err) != AVJ_OK)
        return -1;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    avj_store_close(f->store);
    free(f->path);
    test_dir_free(f->dir);
    return 0;
}

static struct avj_store_status status_of(struct avj_store *store)
{
    struct avj_store_status status;
    assert_ok(avj_store_status(store, &status, &err), err);
    return status;
}

static void new_thread(struct avj_store *store, const char *title, char id[AVJ_ID_TEXT])
{
    assert_ok(avj_thread_new(store, title, id, &err), err);
}

static void say(struct avj_store *store, const char *thread, const char *text, char id[AVJ_ID_TEXT])
{
    assert_ok(avj_message_send(store, thread, "user", text, strlen(text), id, &err), err);
}

static char *text_of(struct avj_store *store, enum avj_entity entity, const char *id,
                     const char *field)
{
    struct avj_doc doc;
    static char text[256];
    if (avj_store_get(store, entity, id, &doc) != AVJ_OK)
        return NULL;
    struct avj_tree *tree;
    struct avj_value v;
    bool found = avj_fields_get(doc.fields, field, &tree, &v) && v.kind == AVJ_TEXT;
    if (found)
        snprintf(text, sizeof(text), "%.*s", (int)v.len, v.text);
    avj_tree_free(tree);
    return found ? text : NULL;
}

static size_t messages_of(struct avj_store *store, const char *thread, const struct avj_doc **docs)
{
    size_t count;
    assert_ok(avj_store_messages(store, thread, NULL, 0, docs, &count, &err), err);
    return count;
}

/* ---- operations ---- */

static void a_new_thread_has_the_default_title(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT];
    new_thread(f->store, NULL, t);
    assert_string_equal(text_of(f->store, AVJ_THREAD, t, "title"), "New Chat");
}

static void messages_keep_the_order_they_were_sent_in(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], ids[50][AVJ_ID_TEXT];
    new_thread(f->store, "order", t);
    for (int i = 0; i < 50; i++)
        say(f->store, t, "x", ids[i]); /* many of them in one millisecond */
    const struct avj_doc *docs;
    assert_int_equal(messages_of(f->store, t, &docs), 50);
    for (int i = 0; i < 50; i++)
        assert_string_equal(docs[i].id, ids[i]);
}

static void pages_go_back_from_a_message(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], ids[10][AVJ_ID_TEXT];
    new_thread(f->store, "pages", t);
    for (int i = 0; i < 10; i++)
        say(f->store, t, "x", ids[i]);
    const struct avj_doc *docs;
    size_t count;
    assert_ok(avj_store_messages(f->store, t, NULL, 3, &docs, &count, &err), err);
    assert_int_equal(count, 3);
    assert_string_equal(docs[0].id, ids[7]);
    assert_ok(avj_store_messages(f->store, t, ids[7], 3, &docs, &count, &err), err);
    assert_int_equal(count, 3);
    assert_string_equal(docs[0].id, ids[4]);
    assert_status(AVJ_ENOTFOUND, avj_store_messages(f->store, t, "nope", 3, &docs, &count, &err),
                  err);
}

/* Two genuine repeats are two messages. */
static void the_same_text_twice_is_two_messages(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], a[AVJ_ID_TEXT], b[AVJ_ID_TEXT];
    new_thread(f->store, "repeat", t);
    say(f->store, t, "again", a);
    say(f->store, t, "again", b);
    assert_string_not_equal(a, b);
    const struct avj_doc *docs;
    assert_int_equal(messages_of(f->store, t, &docs), 2);
}

static void sending_raises_the_threads_last_message_time(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    new_thread(f->store, "time", t);
    struct avj_doc before, after, message;
    assert_int_equal(avj_store_get(f->store, AVJ_THREAD, t, &before), AVJ_OK);
    for (int i = 0; i < 3; i++)
        say(f->store, t, "x", m);
    assert_int_equal(avj_store_get(f->store, AVJ_THREAD, t, &after), AVJ_OK);
    assert_int_equal(avj_store_get(f->store, AVJ_MESSAGE, m, &message), AVJ_OK);
    assert_true(after.last_message_ms >= before.last_message_ms);
    assert_int_equal(after.last_message_ms, message.created_ms);
    assert_int_equal(after.messages, 3);
}

static void threads_are_listed_pinned_first_then_by_last_message(void **state)
{
    struct fixture *f = *state;
    char t[3][AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    for (int i = 0; i < 3; i++) {
        new_thread(f->store, "t", t[i]);
        for (int k = 0; k < 2 + i; k++)
            say(f->store, t[i], "x", m);
    }
    for (int k = 0; k < 9; k++)
        say(f->store, t[1], "x", m); /* its messages are pushed behind the others' */
    struct avj_pack pin = {0};
    avj_pack_map(&pin, 1);
    avj_pack_cstr(&pin, "isPinned");
    avj_pack_bool(&pin, true);
    struct avj_mutation mutation = {AVJ_UPDATE, AVJ_THREAD, t[0], {pin.data, pin.len}};
    assert_ok(avj_store_mutate(f->store, &mutation, 1, AVJ_DURABLE, NULL, &err), err);
    avj_pack_release(&pin);
    const struct avj_doc *docs;
    size_t count;
    assert_ok(avj_store_list(f->store, AVJ_THREAD, &docs, &count, &err), err);
    assert_int_equal(count, 3);
    assert_string_equal(docs[0].id, t[0]);
    assert_true(docs[1].last_message_ms >= docs[2].last_message_ms);
}

static void deleting_a_thread_deletes_its_messages_in_one_frame(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], other[AVJ_ID_TEXT], m[AVJ_ID_TEXT], stays[AVJ_ID_TEXT];
    new_thread(f->store, "gone", t);
    new_thread(f->store, "stays", other);
    for (int i = 0; i < 60; i++)
        say(f->store, t, "x", m);
    say(f->store, other, "x", stays);
    assert_ok(avj_thread_delete(f->store, t, &err), err);
    struct avj_doc doc;
    assert_int_equal(avj_store_get(f->store, AVJ_THREAD, t, &doc), AVJ_ENOTFOUND);
    assert_int_equal(avj_store_get(f->store, AVJ_MESSAGE, m, &doc), AVJ_ENOTFOUND);
    assert_int_equal(avj_store_get(f->store, AVJ_MESSAGE, stays, &doc), AVJ_OK);
    assert_status(AVJ_ENOTFOUND, avj_thread_delete(f->store, t, &err), err);
}

static void trimming_takes_a_message_and_what_follows(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], ids[6][AVJ_ID_TEXT];
    new_thread(f->store, "trim", t);
    for (int i = 0; i < 6; i++)
        say(f->store, t, "x", ids[i]);
    size_t deleted;
    assert_ok(avj_thread_trim(f->store, t, ids[4], &deleted, &err), err);
    assert_int_equal(deleted, 2);
    const struct avj_doc *docs;
    assert_int_equal(messages_of(f->store, t, &docs), 4);
    assert_string_equal(docs[3].id, ids[3]);
}

static void branching_copies_up_to_a_message(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], b[AVJ_ID_TEXT], ids[4][AVJ_ID_TEXT];
    const char *texts[] = {"one", "two", "three", "four"};
    new_thread(f->store, "trunk", t);
    for (int i = 0; i < 4; i++)
        say(f->store, t, texts[i], ids[i]);
    assert_ok(avj_thread_branch(f->store, t, ids[2], b, &err), err);
    const struct avj_doc *docs;
    assert_int_equal(messages_of(f->store, b, &docs), 3);
    char id[AVJ_ID_TEXT];
    snprintf(id, sizeof(id), "%s", docs[2].id);
    assert_string_equal(text_of(f->store, AVJ_MESSAGE, id, "content"), "three");
    assert_string_equal(text_of(f->store, AVJ_MESSAGE, id, "threadId"), b);
    assert_string_not_equal(id, ids[2]);
    assert_int_equal(messages_of(f->store, t, &docs), 4);
}

static void what_does_not_fit_the_schema_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct avj_pack fields = {0};
    avj_pack_map(&fields, 5);
    const char *texts[] = {"id",   "m",         "threadId",  "t",      "role",
                           "user", "createdAt", "yesterday", "content"};
    for (size_t i = 0; i < 9; i++)
        avj_pack_cstr(&fields, texts[i]);
    avj_pack_cstr(&fields, "hello");
    struct avj_mutation m = {AVJ_CREATE, AVJ_MESSAGE, "m", {fields.data, fields.len}};
    assert_status(AVJ_EFORMAT, avj_store_mutate(f->store, &m, 1, AVJ_DURABLE, NULL, &err), err);
    assert_contains(err.message, "createdAt must be a time");
    avj_pack_release(&fields);
    avj_pack_map(&fields, 1);
    avj_pack_cstr(&fields, "id");
    avj_pack_cstr(&fields, "m");
    m.fields = (struct avj_fields){fields.data, fields.len};
    assert_status(AVJ_EFORMAT, avj_store_mutate(f->store, &m, 1, AVJ_DURABLE, NULL, &err), err);
    assert_contains(err.message, "threadId is missing");
    avj_pack_release(&fields);
    assert_int_equal(status_of(f->store).records, 1); /* init, nothing else */
}

static void a_view_replayed_from_the_log_is_the_same(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    new_thread(f->store, "replay", t);
    for (int i = 0; i < 20; i++)
        say(f->store, t, "text", m);
    assert_ok(avj_message_edit(f->store, m, "edited", 6, &err), err);
    struct avj_store_status before = status_of(f->store);
    avj_store_close(f->store);
    assert_ok(avj_store_open(f->path, NULL, &f->store, &err), err);
    struct avj_store_status after = status_of(f->store);
    assert_memory_equal(before.digest, after.digest, 16);
    assert_int_equal(before.pending, after.pending);
    assert_string_equal(text_of(f->store, AVJ_MESSAGE, m, "content"), "edited");
}

static void two_stores_of_one_journal_see_each_other(void **state)
{
    struct fixture *f = *state;
    struct avj_store *second;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    assert_ok(avj_store_open(f->path, NULL, &second, &err), err);
    new_thread(f->store, "shared", t);
    say(second, t, "from the second", m); /* mutate looks at what the first did */
    bool changed;
    assert_ok(avj_store_refresh(f->store, &changed, &err), err);
    assert_true(changed);
    assert_string_equal(text_of(f->store, AVJ_MESSAGE, m, "content"), "from the second");
    assert_memory_equal(status_of(f->store).digest, status_of(second).digest, 16);
    avj_store_close(second);
}

/* ---- the outbox ---- */

static size_t outbox(struct avj_store *store, const struct avj_push_op **ops)
{
    size_t count;
    assert_ok(avj_outbox_next(store, 1000, NULL, NULL, ops, &count, &err), err);
    return count;
}

/* Acknowledges everything in the outbox as a server would. */
static void acknowledge_all(struct avj_store *store, const char *version)
{
    const struct avj_push_op *ops;
    size_t count = outbox(store, &ops);
    struct avj_outcome *outcomes = calloc(count + 1, sizeof(*outcomes));
    assert_non_null(outcomes);
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = (struct avj_outcome){.op = &ops[i], .acknowledged = true, .status = 201};
        outcomes[i].row = (struct avj_row){.entity = ops[i].entity,
                                           .id = ops[i].id,
                                           .remote_id = ops[i].remote_id,
                                           .version = version,
                                           .created = version,
                                           .fields = ops[i].fields};
    }
    assert_ok(avj_sync_settle(store, outcomes, count, &err), err);
    free(outcomes);
}

static void a_create_and_its_edits_are_one_create(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    new_thread(f->store, "a", t);
    say(f->store, t, "one", m);
    assert_ok(avj_message_edit(f->store, m, "two", 3, &err), err);
    assert_ok(avj_thread_rename(f->store, t, "b", &err), err);
    const struct avj_push_op *ops;
    assert_int_equal(outbox(f->store, &ops), 2);
    assert_int_equal(ops[0].entity, AVJ_THREAD); /* a thread before its messages */
    assert_int_equal(ops[0].kind, AVJ_PUSH_CREATE);
    assert_int_equal(ops[1].kind, AVJ_PUSH_CREATE);
    struct avj_tree *tree;
    struct avj_value v;
    assert_true(avj_fields_get(ops[1].fields, "content", &tree, &v));
    assert_true(avj_value_text_is(v, "two"));
    avj_tree_free(tree);
}

static void made_and_deleted_before_it_left_is_nothing(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    new_thread(f->store, "a", t);
    say(f->store, t, "one", m);
    assert_ok(avj_message_delete(f->store, m, &err), err);
    const struct avj_push_op *ops;
    assert_int_equal(outbox(f->store, &ops), 2);
    assert_int_equal(ops[1].kind, AVJ_PUSH_ELIDE);
    acknowledge_all(f->store, "2026-11-22T18:00:00.000+00:00");
    assert_int_equal(status_of(f->store).pending, 0);
}

static void an_attempted_create_that_was_deleted_is_deleted_upstream(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    new_thread(f->store, "a", t);
    say(f->store, t, "one", m);
    const struct avj_push_op *ops;
    size_t count = outbox(f->store, &ops);
    assert_ok(avj_sync_push(f->store, ops, count, "attempt", "single", &err), err);
    assert_ok(avj_message_delete(f->store, m, &err), err);
    assert_int_equal(outbox(f->store, &ops), 2);
    assert_true(ops[0].attempted);
    assert_int_equal(ops[1].kind, AVJ_PUSH_DELETE);
}

static void the_same_document_gets_the_same_remote_id_at_every_try(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT];
    new_thread(f->store, "a", t);
    const struct avj_push_op *ops;
    outbox(f->store, &ops);
    char first[AVJ_REMOTE_ID_TEXT];
    snprintf(first, sizeof(first), "%s", ops[0].remote_id);
    avj_store_close(f->store);
    assert_ok(avj_store_open(f->path, NULL, &f->store, &err), err);
    outbox(f->store, &ops);
    assert_string_equal(ops[0].remote_id, first);
    assert_true(strlen(first) <= 36);
}

static void only_changed_fields_are_sent_and_cleared_ones_as_nil(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT];
    new_thread(f->store, "a", t);
    acknowledge_all(f->store, "2026-11-22T18:00:00.000+00:00");
    struct avj_pack patch = {0};
    avj_pack_map(&patch, 2);
    avj_pack_cstr(&patch, "title");
    avj_pack_cstr(&patch, "b");
    avj_pack_cstr(&patch, "isPinned");
    avj_pack_nil(&patch);
    struct avj_mutation m = {AVJ_UPDATE, AVJ_THREAD, t, {patch.data, patch.len}};
    assert_ok(avj_store_mutate(f->store, &m, 1, AVJ_DURABLE, NULL, &err), err);
    const struct avj_push_op *ops;
    assert_int_equal(outbox(f->store, &ops), 1);
    assert_int_equal(ops[0].kind, AVJ_PUSH_UPDATE);
    struct avj_tree *tree;
    assert_int_equal(avj_tree_parse(ops[0].fields.data, ops[0].fields.len, &tree), AVJ_OK);
    struct avj_value v, root = avj_tree_root(tree);
    assert_int_equal(root.len, 2);
    assert_true(avj_value_get(root, "isPinned", &v) && v.kind == AVJ_NIL);
    avj_tree_free(tree);
    avj_pack_release(&patch);
}

static void an_edit_taken_back_sends_nothing(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    new_thread(f->store, "a", t);
    say(f->store, t, "one", m);
    acknowledge_all(f->store, "2026-11-22T18:00:00.000+00:00");
    assert_ok(avj_message_edit(f->store, m, "two", 3, &err), err);
    assert_ok(avj_message_edit(f->store, m, "one", 3, &err), err);
    const struct avj_push_op *ops;
    assert_int_equal(outbox(f->store, &ops), 1);
    assert_int_equal(ops[0].kind, AVJ_PUSH_ELIDE);
}

static void a_parked_thread_holds_up_its_messages_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], other[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    new_thread(f->store, "a", t);
    say(f->store, t, "x", m);
    new_thread(f->store, "b", other);
    say(f->store, other, "x", m);
    const struct avj_push_op *ops;
    assert_int_equal(outbox(f->store, &ops), 4);
    struct avj_outcome no = {
        .op = &ops[0], .status = 400, .error_type = "bad", .error_message = "no"};
    assert_ok(avj_sync_settle(f->store, &no, 1, &err), err);
    assert_int_equal(outbox(f->store, &ops), 2);
    assert_string_equal(ops[0].id, other);
    const struct avj_doc *docs;
    size_t count;
    assert_ok(avj_store_parked(f->store, &docs, &count, &err), err);
    assert_int_equal(count, 1);
    assert_int_equal(docs[0].reject_status, 400);
    assert_string_equal(docs[0].reject_message, "no");
    assert_ok(avj_sync_retry(f->store, AVJ_THREAD, t, &err), err);
    assert_int_equal(outbox(f->store, &ops), 4);
}

static void a_threads_delete_goes_behind_those_of_its_messages(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    new_thread(f->store, "a", t);
    say(f->store, t, "x", m);
    say(f->store, t, "y", m);
    acknowledge_all(f->store, "2026-11-22T18:00:00.000+00:00");
    assert_ok(avj_thread_rename(f->store, t, "b", &err),
              err); /* its first pending mutation is early */
    assert_ok(avj_thread_delete(f->store, t, &err), err);
    const struct avj_push_op *ops;
    assert_int_equal(outbox(f->store, &ops), 3);
    assert_int_equal(ops[2].entity, AVJ_THREAD);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ops[i].kind, AVJ_PUSH_DELETE);
    acknowledge_all(f->store, "2026-11-22T18:00:01.000+00:00");
    assert_int_equal(status_of(f->store).pending, 0);
}

static void both_rows_of_a_document_are_deleted(void **state)
{
    struct fixture *f = *state;
    struct avj_pack fields = {0};
    avj_pack_map(&fields, 1);
    avj_pack_cstr(&fields, "id");
    avj_pack_cstr(&fields, "m");
    struct avj_row rows[2];
    for (size_t i = 0; i < 2; i++)
        rows[i] = (struct avj_row){.entity = AVJ_MESSAGE,
                                   .id = "m",
                                   .remote_id = i ? "row1" : "row0",
                                   .version = "2026-11-22T18:00:00.000+00:00",
                                   .fields = {fields.data, fields.len}};
    size_t applied;
    assert_ok(avj_sync_remote(f->store, rows, 2, "pull", AVJ_DURABLE, &applied, &err), err);
    assert_int_equal(applied, 2);
    assert_ok(avj_message_delete(f->store, "m", &err), err);
    const struct avj_push_op *ops;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(outbox(f->store, &ops), 1);
        assert_int_equal(ops[0].kind, AVJ_PUSH_DELETE);
        assert_string_equal(ops[0].remote_id, i ? "row0" : "row1");
        acknowledge_all(f->store, "");
    }
    assert_int_equal(outbox(f->store, &ops), 0);
    avj_pack_release(&fields);
}

/* ---- server states ---- */

static void remote_content(struct avj_store *store, const char *id, const char *remote_id,
                           const char *content, const char *version, size_t *applied)
{
    struct avj_pack fields = {0};
    avj_pack_map(&fields, 2);
    avj_pack_cstr(&fields, "content");
    avj_pack_cstr(&fields, content);
    avj_pack_cstr(&fields, "id");
    avj_pack_cstr(&fields, id);
    struct avj_row row = {.entity = AVJ_MESSAGE,
                          .id = id,
                          .remote_id = remote_id,
                          .version = version,
                          .fields = {fields.data, fields.len}};
    assert_ok(avj_sync_remote(store, &row, 1, "realtime", AVJ_DURABLE, applied, &err), err);
    avj_pack_release(&fields);
}

static void what_says_nothing_new_is_not_journaled(void **state)
{
    struct fixture *f = *state;
    size_t applied;
    remote_content(f->store, "m", "r", "a", "2026-11-22T18:00:05.000+00:00", &applied);
    assert_int_equal(applied, 1);
    remote_content(f->store, "m", "r", "a", "2026-11-22T18:00:05.000+00:00", &applied);
    assert_int_equal(applied, 0);
    remote_content(f->store, "m", "r", "old", "2026-11-22T18:00:04.000+00:00", &applied);
    assert_int_equal(applied, 0);
    assert_string_equal(avj_sync_local_id(f->store, AVJ_MESSAGE, "r"), "m");
}

static void the_loser_of_a_conflict_is_kept(void **state)
{
    struct fixture *f = *state;
    size_t applied;
    remote_content(f->store, "m", "r", "a", "2026-11-22T18:00:05.000+00:00", &applied);
    assert_ok(avj_message_edit(f->store, "m", "mine", 4, &err), err);
    remote_content(f->store, "m", "r", "theirs", "2099-01-01T00:00:00.000+00:00", &applied);
    assert_string_equal(text_of(f->store, AVJ_MESSAGE, "m", "content"), "theirs");
    struct avj_store_status status = status_of(f->store);
    assert_int_equal(status.conflicts, 1);
    assert_int_equal(status.pending, 0);
    /* its text is in the log */
    struct avj_cursor *cursor;
    struct avj_record record;
    bool found = false;
    assert_ok(avj_cursor_open(avj_store_journal(f->store), 0, &cursor, &err), err);
    while (avj_cursor_next(cursor, &record, &err) == AVJ_OK) {
        struct avj_entry e;
        struct avj_value fields;
        assert_ok(avj_entry_decode(record.data, record.len, &e, &err), err);
        if (e.type == AVJ_E_CONFLICT && avj_value_get(e.root, "f", &fields)) {
            struct avj_slice lost = avj_value_get_text(fields, "content");
            found = lost.len == 4 && memcmp(lost.data, "mine", 4) == 0;
        }
        avj_entry_release(&e);
    }
    avj_cursor_close(cursor);
    assert_true(found);
}

static void a_journal_has_one_user(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT];
    new_thread(f->store, "made as a guest", t);
    assert_null(avj_store_user(f->store));
    assert_ok(avj_sync_login(f->store, "alice", "alice@localhost.test", &err), err);
    assert_string_equal(avj_store_user(f->store), "alice");
    assert_string_equal(text_of(f->store, AVJ_THREAD, t, "title"), "made as a guest");
    assert_ok(avj_sync_login(f->store, NULL, NULL, &err), err);
    assert_status(AVJ_EREFUSED, avj_sync_login(f->store, "bob", "bob@localhost.test", &err), err);
    assert_ok(avj_sync_login(f->store, "alice", "alice@localhost.test", &err), err);
}

static void a_guests_journal_is_connected_once(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT];
    new_thread(f->store, "made as a guest", t);
    assert_null(avj_store_upstream(f->store)->endpoint);
    struct avj_upstream upstream = {
        .endpoint = "http://localhost/v1", .project = "p", .database = "d"};
    assert_ok(avj_store_connect(f->store, &upstream, &err), err);
    assert_string_equal(avj_store_upstream(f->store)->endpoint, "http://localhost/v1");
    assert_string_equal(avj_store_upstream(f->store)->collections[AVJ_MESSAGE], "messages");
    assert_status(AVJ_EEXIST, avj_store_connect(f->store, &upstream, &err), err);
    avj_store_close(f->store);
    assert_ok(avj_store_open(f->path, NULL, &f->store, &err), err);
    assert_string_equal(avj_store_upstream(f->store)->project, "p");
    assert_string_equal(text_of(f->store, AVJ_THREAD, t, "title"), "made as a guest");
}

/* A field that the deployment lacks stays visible and does not keep replicas apart. */
static void what_the_deployment_lacks_is_kept_back(void **state)
{
    struct fixture *f = *state;
    struct avj_pack fields = {0};
    avj_pack_map(&fields, 6);
    const char *texts[] = {"id",    "m",    "threadId",  "t",
                           "role",  "user", "content",   "x",
                           "model", "gpt",  "createdAt", "2026-11-22T18:00:00.000Z"};
    for (size_t i = 0; i < 12; i++)
        avj_pack_cstr(&fields, texts[i]);
    struct avj_mutation m = {AVJ_CREATE, AVJ_MESSAGE, "m", {fields.data, fields.len}};
    assert_ok(avj_store_mutate(f->store, &m, 1, AVJ_DURABLE, NULL, &err), err);
    assert_ok(avj_sync_learn(f->store, AVJ_MESSAGE, "model", "missing", &err), err);
    assert_string_equal(avj_sync_learned(f->store, AVJ_MESSAGE, "model"), "missing");
    const struct avj_push_op *ops;
    assert_int_equal(outbox(f->store, &ops), 1);
    struct avj_pack row = {0};
    avj_pack_map(&row, 2);
    for (size_t i = 0; i < 4; i++)
        avj_pack_cstr(&row, i < 2 ? texts[i] : texts[i + 4]);
    const char *kept[] = {"model"};
    struct avj_outcome ok = {
        .op = &ops[0], .acknowledged = true, .status = 201, .kept = kept, .kept_count = 1};
    ok.row = (struct avj_row){.entity = AVJ_MESSAGE,
                              .id = "m",
                              .remote_id = ops[0].remote_id,
                              .version = "2026-11-22T18:00:01.000+00:00",
                              .fields = {row.data, row.len}};
    assert_ok(avj_sync_settle(f->store, &ok, 1, &err), err);
    assert_string_equal(text_of(f->store, AVJ_MESSAGE, "m", "model"), "gpt");
    /* The digest is that of a view that knows the row alone. */
    struct avj_view *fresh = avj_view_new(NULL);
    struct avj_pack entry = {0};
    avj_entry_begin(&entry, AVJ_E_REMOTE, 1, NULL, AVJ_MESSAGE, "m", 2);
    avj_pack_cstr(&entry, "r");
    avj_pack_cstr(&entry, "other");
    avj_pack_cstr(&entry, "f");
    avj_pack_raw(&entry, row.data, row.len);
    assert_ok(avj_view_apply(fresh, 1, entry.data, entry.len, &err), err);
    struct avj_store_status status;
    uint8_t digest[16];
    assert_ok(avj_store_status(f->store, &status, &err), err);
    avj_view_digest(fresh, digest);
    assert_memory_equal(status.digest, digest, 16);
    avj_view_free(fresh);
    avj_pack_release(&entry);
    avj_pack_release(&fields);
    avj_pack_release(&row);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_thread_has_the_default_title),
        CASE(messages_keep_the_order_they_were_sent_in),
        CASE(pages_go_back_from_a_message),
        CASE(the_same_text_twice_is_two_messages),
        CASE(sending_raises_the_threads_last_message_time),
        CASE(threads_are_listed_pinned_first_then_by_last_message),
        CASE(deleting_a_thread_deletes_its_messages_in_one_frame),
        CASE(trimming_takes_a_message_and_what_follows),
        CASE(branching_copies_up_to_a_message),
        CASE(what_does_not_fit_the_schema_is_refused_by_name),
        CASE(a_view_replayed_from_the_log_is_the_same),
        CASE(two_stores_of_one_journal_see_each_other),
        CASE(a_create_and_its_edits_are_one_create),
        CASE(made_and_deleted_before_it_left_is_nothing),
        CASE(an_attempted_create_that_was_deleted_is_deleted_upstream),
        CASE(the_same_document_gets_the_same_remote_id_at_every_try),
        CASE(only_changed_fields_are_sent_and_cleared_ones_as_nil),
        CASE(an_edit_taken_back_sends_nothing),
        CASE(a_parked_thread_holds_up_its_messages_and_nothing_else),
        CASE(a_threads_delete_goes_behind_those_of_its_messages),
        CASE(both_rows_of_a_document_are_deleted),
        CASE(what_says_nothing_new_is_not_journaled),
        CASE(the_loser_of_a_conflict_is_kept),
        CASE(a_journal_has_one_user),
        CASE(a_guests_journal_is_connected_once),
        CASE(what_the_deployment_lacks_is_kept_back),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
