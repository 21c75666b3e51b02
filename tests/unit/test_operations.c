/* The operations of the data model: what each leaves in the documents, and that it is one frame. */
#include "replay/clock.h"
#include "replay/store.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"

struct fixture {
    char *dir, *path;
    struct avj_store *store;
    char thread[AVJ_ID_TEXT]; /* one with three messages */
    char messages[3][AVJ_ID_TEXT];
};

static struct avj_error err;

static int setup(void **state)
{
    static struct fixture f;
    f.dir = test_dir_new();
    f.path = test_path(f.dir, "journal");
    if (avj_store_create(f.path, NULL, NULL, &err) != AVJ_OK ||
        avj_store_open(f.path, NULL, &f.store, &err) != AVJ_OK ||
        avj_thread_new(f.store, "A thread", f.thread, &err) != AVJ_OK)
        return -1;
    for (int i = 0; i < 3; i++)
        if (avj_message_send(f.store, f.thread, "user", "text", 4, f.messages[i], &err) != AVJ_OK)
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

/* A field in a notation of its own: text as it is, true, false, 7, [a,b], or "-" where it is not
 * there; "gone" where the document is not. */
static const char *field(struct fixture *f, enum avj_entity entity, const char *id,
                         const char *name)
{
    static char out[400];
    struct avj_doc doc;
    struct avj_tree *tree;
    struct avj_value v;
    if (avj_store_get(f->store, entity, id, &doc) != AVJ_OK)
        return "gone";
    assert_int_equal(avj_tree_parse(doc.fields.data, doc.fields.len, &tree), AVJ_OK);
    if (!avj_value_get(avj_tree_root(tree), name, &v) || v.kind == AVJ_NIL)
        snprintf(out, sizeof(out), "-");
    else if (v.kind == AVJ_BOOL)
        snprintf(out, sizeof(out), v.boolean ? "true" : "false");
    else if (v.kind == AVJ_INT)
        snprintf(out, sizeof(out), "%lld", (long long)v.integer);
    else if (v.kind == AVJ_TEXT)
        snprintf(out, sizeof(out), "%.*s", (int)v.len, v.text);
    else {
        size_t used = (size_t)snprintf(out, sizeof(out), "[");
        for (size_t i = 0; i < v.len; i++) {
            struct avj_value item = avj_value_item(v, i);
            used += (size_t)snprintf(out + used, sizeof(out) - used, "%s%.*s", i ? "," : "",
                                     (int)item.len, item.text);
        }
        snprintf(out + used, sizeof(out) - used, "]");
    }
    avj_tree_free(tree);
    return out;
}

static const char *thread_field(struct fixture *f, const char *name)
{
    return field(f, AVJ_THREAD, f->thread, name);
}

static size_t visible(struct fixture *f, enum avj_entity entity)
{
    struct avj_store_status status;
    assert_ok(avj_store_status(f->store, &status, &err), err);
    return (size_t)status.visible[entity];
}

/* Frames in the journal, by where its records stand. */
static size_t frames(struct fixture *f)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    uint64_t segment = 0, offset = 0;
    size_t count = 0;
    assert_ok(avj_cursor_open(avj_store_journal(f->store), 0, &cursor, &err), err);
    while (avj_cursor_next(cursor, &record, &err) == AVJ_OK) {
        count += record.segment != segment || record.offset != offset;
        segment = record.segment;
        offset = record.offset;
    }
    avj_cursor_close(cursor);
    return count;
}

/* The newest entry with this id, which must be there. */
static uint64_t entry_of(struct fixture *f, const char *id)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_entry entry;
    uint64_t found = 0;
    assert_ok(avj_cursor_open(avj_store_journal(f->store), 0, &cursor, &err), err);
    while (avj_cursor_next(cursor, &record, &err) == AVJ_OK) {
        assert_ok(avj_entry_decode(record.data, record.len, &entry, &err), err);
        if (entry.id.len == strlen(id) && memcmp(entry.id.data, id, entry.id.len) == 0)
            found = record.seq;
        avj_entry_release(&entry);
    }
    avj_cursor_close(cursor);
    assert_int_not_equal(found, 0);
    return found;
}

static void set_fields(struct fixture *f, enum avj_op op, enum avj_entity entity, const char *id,
                       const char *const *texts, size_t count)
{
    struct avj_pack pack = {0};
    avj_pack_map(&pack, count / 2);
    for (size_t i = 0; i < count; i++)
        avj_pack_cstr(&pack, texts[i]);
    struct avj_mutation m = {op, entity, id, {pack.data, pack.len}};
    assert_ok(avj_store_mutate(f->store, &m, 1, AVJ_DURABLE, NULL, &err), err);
    avj_pack_release(&pack);
}

#define SET(f, op, entity, id, ...)                                                                \
    set_fields((f), (op), (entity), (id), (const char *const[]){__VA_ARGS__},                      \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void new_project(struct fixture *f, const char *name, char id[AVJ_ID_TEXT])
{
    struct avj_project_edit edit = {.name = name};
    assert_ok(avj_project_new(f->store, &edit, id, &err), err);
}

/* ---- threads ---- */

static void pinning_is_undone_by_unpinning(void **state)
{
    struct fixture *f = *state;
    assert_ok(avj_thread_pin(f->store, f->thread, true, &err), err);
    assert_string_equal(thread_field(f, "isPinned"), "true");
    assert_ok(avj_thread_pin(f->store, f->thread, false, &err), err);
    assert_string_equal(thread_field(f, "isPinned"), "false");
}

static void tags_are_added_removed_and_set(void **state)
{
    static const struct {
        const char *what;
        enum avj_tagging how;
        const char *tags[4];
        size_t count;
        const char *then;
    } steps[] = {
        {"a tag is added", AVJ_TAGS_ADD, {"red"}, 1, "[red]"},
        {"others stand behind it", AVJ_TAGS_ADD, {"green", "blue"}, 2, "[red,green,blue]"},
        {"one that is there keeps its place", AVJ_TAGS_ADD, {"red"}, 1, "[red,green,blue]"},
        {"one named twice is one", AVJ_TAGS_ADD, {"x", "x"}, 2, "[red,green,blue,x]"},
        {"tags are taken off", AVJ_TAGS_REMOVE, {"x", "red"}, 2, "[green,blue]"},
        {"one that is not there is no error", AVJ_TAGS_REMOVE, {"none"}, 1, "[green,blue]"},
        {"setting replaces all", AVJ_TAGS_SET, {"blue", "new", "blue"}, 3, "[blue,new]"},
        {"setting none clears", AVJ_TAGS_SET, {NULL}, 0, "[]"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        print_message("  %s\n", steps[i].what);
        assert_ok(
            avj_thread_tag(f->store, f->thread, steps[i].how, steps[i].tags, steps[i].count, &err),
            err);
        assert_string_equal(thread_field(f, "tags"), steps[i].then);
    }
}

static void sharing_again_keeps_the_share_id(void **state)
{
    struct fixture *f = *state;
    char first[AVJ_SHARE_TEXT], again[AVJ_SHARE_TEXT], when[64];
    assert_ok(avj_thread_share(f->store, f->thread, first, &err), err);
    assert_string_equal(thread_field(f, "isShared"), "true");
    assert_string_equal(thread_field(f, "shareId"), first);
    snprintf(when, sizeof(when), "%s", thread_field(f, "sharedAt"));
    assert_ok(avj_thread_share(f->store, f->thread, again, &err), err);
    assert_string_equal(first, again);
    assert_string_equal(thread_field(f, "sharedAt"), when);
}

static void sharing_after_unsharing_makes_another_share_id(void **state)
{
    struct fixture *f = *state;
    char first[AVJ_SHARE_TEXT], second[AVJ_SHARE_TEXT];
    assert_ok(avj_thread_share(f->store, f->thread, first, &err), err);
    assert_ok(avj_thread_unshare(f->store, f->thread, &err), err);
    assert_string_equal(thread_field(f, "isShared"), "false");
    assert_string_equal(thread_field(f, "shareId"), "-");
    assert_string_equal(thread_field(f, "sharedAt"), "-");
    assert_ok(avj_thread_share(f->store, f->thread, second, &err), err);
    assert_string_not_equal(first, second);
}

static void a_share_id_of_another_client_is_kept(void **state)
{
    struct fixture *f = *state;
    char id[AVJ_SHARE_TEXT];
    assert_ok(avj_thread_share(f->store, f->thread, NULL, &err), err);
    SET(f, AVJ_UPDATE, AVJ_THREAD, f->thread, "shareId", "share_1764000000000_k3v9");
    assert_ok(avj_thread_share(f->store, f->thread, id, &err), err);
    assert_string_equal(id, "share_1764000000000_k3v9");
}

static void a_thread_moves_into_a_project_and_out(void **state)
{
    struct fixture *f = *state;
    char p[AVJ_ID_TEXT];
    new_project(f, "Garden", p);
    assert_ok(avj_thread_move(f->store, f->thread, p, &err), err);
    assert_string_equal(thread_field(f, "projectId"), p);
    assert_status(AVJ_ENOTFOUND, avj_thread_move(f->store, f->thread, "nowhere", &err), err);
    assert_contains(err.message, "no project nowhere");
    assert_string_equal(thread_field(f, "projectId"), p);
    assert_ok(avj_thread_move(f->store, f->thread, NULL, &err), err);
    assert_string_equal(thread_field(f, "projectId"), "-");
}

/* The clock of another client may be ahead. */
static void updatedAt_is_raised_and_never_lowered(void **state)
{
    struct fixture *f = *state;
    const char *future = "2999-01-01T00:00:00.000+00:00";
    char before[64];
    SET(f, AVJ_UPDATE, AVJ_THREAD, f->thread, "updatedAt", "2020-01-01T00:00:00.000+00:00");
    snprintf(before, sizeof(before), "%s", thread_field(f, "updatedAt"));
    assert_ok(avj_thread_rename(f->store, f->thread, "b", &err), err);
    assert_true(strcmp(thread_field(f, "updatedAt"), before) > 0);
    SET(f, AVJ_UPDATE, AVJ_THREAD, f->thread, "updatedAt", future);
    assert_ok(avj_thread_rename(f->store, f->thread, "c", &err), err);
    assert_string_equal(thread_field(f, "updatedAt"), future);
    assert_ok(avj_message_send(f->store, f->thread, "user", "x", 1, NULL, &err), err);
    assert_string_equal(thread_field(f, "updatedAt"), future);
}

static void every_operation_on_a_thread_that_is_not_there_names_it(void **state)
{
    struct fixture *f = *state;
    struct avj_store *s = f->store;
    const char *tag = "t";
    assert_status(AVJ_ENOTFOUND, avj_thread_rename(s, "none", "x", &err), err);
    assert_string_equal(err.message, "no thread none");
    assert_status(AVJ_ENOTFOUND, avj_thread_pin(s, "none", true, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_thread_tag(s, "none", AVJ_TAGS_ADD, &tag, 1, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_thread_share(s, "none", NULL, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_thread_unshare(s, "none", &err), err);
    assert_status(AVJ_ENOTFOUND, avj_thread_move(s, "none", NULL, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_thread_delete(s, "none", &err), err);
    assert_status(AVJ_ENOTFOUND, avj_thread_branch(s, "none", f->messages[0], NULL, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_thread_trim(s, "none", f->messages[0], NULL, &err), err);
    assert_string_equal(err.message, "no thread none");
    assert_int_equal(frames(f), 5); /* init, the thread, three messages: nothing was written */
}

/* ---- threads with what is in them ---- */

static void deleting_a_thread_is_one_frame_with_its_messages_and_summaries(void **state)
{
    struct fixture *f = *state;
    char other[AVJ_ID_TEXT], stays[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    for (int i = 0; i < 600; i++) /* several pages */
        assert_ok(avj_message_send(f->store, f->thread, "user", "x", 1, NULL, &err), err);
    assert_ok(avj_summary_add(f->store, f->thread, f->messages[1], "s", 1, NULL, &err), err);
    assert_ok(avj_thread_new(f->store, "other", other, &err), err);
    assert_ok(avj_message_send(f->store, other, "user", "x", 1, m, &err), err);
    assert_ok(avj_summary_add(f->store, other, m, "s", 1, stays, &err), err);
    size_t before = frames(f);
    assert_ok(avj_thread_delete(f->store, f->thread, &err), err);
    assert_int_equal(frames(f), before + 1);
    assert_int_equal(visible(f, AVJ_THREAD), 1);
    assert_int_equal(visible(f, AVJ_MESSAGE), 1);
    assert_int_equal(visible(f, AVJ_SUMMARY), 1);
    assert_string_equal(field(f, AVJ_SUMMARY, stays, "threadId"), other);
}

static void trimming_takes_all_of_the_same_moment(void **state)
{
    struct fixture *f = *state;
    size_t deleted;
    SET(f, AVJ_UPDATE, AVJ_MESSAGE, f->messages[0], "createdAt", "2026-01-01T00:00:00.000+00:00");
    SET(f, AVJ_UPDATE, AVJ_MESSAGE, f->messages[1], "createdAt", "2026-01-01T00:00:01.000+00:00");
    SET(f, AVJ_UPDATE, AVJ_MESSAGE, f->messages[2], "createdAt", "2026-01-01T00:00:01.000+00:00");
    assert_ok(avj_thread_trim(f->store, f->thread, f->messages[2], &deleted, &err), err);
    assert_int_equal(deleted, 2);
    assert_string_equal(field(f, AVJ_MESSAGE, f->messages[0], "content"), "text");
    assert_string_equal(field(f, AVJ_MESSAGE, f->messages[1], "content"), "gone");
}

static void trimming_from_a_message_of_another_thread_is_refused(void **state)
{
    struct fixture *f = *state;
    char other[AVJ_ID_TEXT];
    assert_ok(avj_thread_new(f->store, "other", other, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_thread_trim(f->store, other, f->messages[0], NULL, &err), err);
    assert_contains(err.message, "in thread");
    assert_int_equal(visible(f, AVJ_MESSAGE), 3);
}

/* Messages of one moment are ordered by id; the copies have new ones. */
static void a_branch_keeps_the_order_of_messages_of_one_moment(void **state)
{
    struct fixture *f = *state;
    char branch[AVJ_ID_TEXT];
    for (int i = 0; i < 40; i++) {
        char id[16], text[16];
        snprintf(id, sizeof(id), "m%02d", i);
        snprintf(text, sizeof(text), "text %02d", i);
        SET(f, AVJ_CREATE, AVJ_MESSAGE, id, "id", id, "threadId", f->thread, "role", "user",
            "content", text, "createdAt", "2999-01-01T00:00:00.000+00:00");
    }
    assert_ok(avj_thread_branch(f->store, f->thread, "m38", branch, &err), err);
    const struct avj_doc *docs;
    size_t count;
    char ids[64][AVJ_ID_TEXT];
    assert_ok(avj_store_messages(f->store, branch, NULL, 0, &docs, &count, &err), err);
    assert_int_equal(count, 3 + 39);
    for (size_t i = 0; i < count; i++)
        snprintf(ids[i], sizeof(ids[i]), "%s", docs[i].id);
    for (int i = 0; i < 39; i++) {
        char text[16];
        snprintf(text, sizeof(text), "text %02d", i);
        assert_string_equal(field(f, AVJ_MESSAGE, ids[3 + i], "content"), text);
    }
}

static void a_branch_is_a_new_thread_neither_pinned_nor_shared(void **state)
{
    struct fixture *f = *state;
    char branch[AVJ_ID_TEXT], project[AVJ_ID_TEXT];
    const char *tag = "kept";
    new_project(f, "Kept", project);
    assert_ok(avj_thread_pin(f->store, f->thread, true, &err), err);
    assert_ok(avj_thread_share(f->store, f->thread, NULL, &err), err);
    assert_ok(avj_thread_tag(f->store, f->thread, AVJ_TAGS_ADD, &tag, 1, &err), err);
    assert_ok(avj_thread_move(f->store, f->thread, project, &err), err);
    size_t before = frames(f);
    assert_ok(avj_thread_branch(f->store, f->thread, f->messages[1], branch, &err), err);
    assert_int_equal(frames(f), before + 1);
    uint64_t made = entry_of(f, branch);
    const struct avj_doc *docs;
    size_t count;
    assert_ok(avj_store_messages(f->store, branch, NULL, 0, &docs, &count, &err), err);
    for (size_t i = 0; i < count; i++) /* they follow the thread in the log, in their order */
        assert_int_equal(entry_of(f, docs[i].id), made + 1 + i);
    const char *const fields[][2] = {
        {"title", "A thread"}, {"tags", "[kept]"}, {"isBranched", "true"}, {"isPinned", "false"},
        {"isShared", "-"},     {"shareId", "-"},   {"sharedAt", "-"},      {"projectId", project},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        assert_string_equal(field(f, AVJ_THREAD, branch, fields[i][0]), fields[i][1]);
    struct avj_doc doc;
    assert_int_equal(avj_store_get(f->store, AVJ_THREAD, branch, &doc), AVJ_OK);
    assert_int_equal(doc.messages, 2);
}

struct seen {
    char text[400];
};

static bool note_id(void *arg, const char *id)
{
    struct seen *s = arg;
    size_t used = strlen(s->text);
    snprintf(s->text + used, sizeof(s->text) - used, "%s%s", used ? " " : "", id);
    return strcmp(id, "ab-stop") != 0;
}

static void ids_are_found_by_how_they_begin(void **state)
{
    static const struct {
        const char *prefix, *found;
    } rows[] = {
        {"ab", "ab-1 ab-2 ab-stop"}, /* the callback ends it there */
        {"ab-1", "ab-1"},
        {"ac", "ac"},
        {"acx", ""},
        {"gone", ""}, /* deleted */
    };
    struct fixture *f = *state;
    const char *ids[] = {"ab-1", "ab-2", "ac", "ab-stop", "ab-3", "gone"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
        SET(f, AVJ_CREATE, AVJ_PROJECT, ids[i], "id", ids[i], "name", "p", "createdAt",
            "2026-01-01T00:00:00.000+00:00");
    assert_ok(avj_project_delete(f->store, "gone", NULL, &err), err);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct seen seen = {.text = ""};
        avj_store_ids(f->store, AVJ_PROJECT, rows[i].prefix, note_id, &seen);
        assert_string_equal(seen.text, rows[i].found);
    }
    struct seen seen = {.text = ""};
    avj_store_ids(f->store, AVJ_THREAD, f->thread, note_id, &seen);
    assert_string_equal(seen.text, f->thread);
}

/* ---- messages and summaries ---- */

static void a_message_can_carry_more_fields_but_not_other_ones_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct avj_pack more = {0};
    char id[AVJ_ID_TEXT];
    avj_pack_map(&more, 2);
    const char *texts[] = {"model", "large", "role", "data"};
    for (size_t i = 0; i < 4; i++)
        avj_pack_cstr(&more, texts[i]);
    struct avj_fields fields = {more.data, more.len};
    assert_ok(avj_message_send_with(f->store, f->thread, "assistant", "hi", 2, fields, id, &err),
              err);
    avj_pack_release(&more);
    assert_string_equal(field(f, AVJ_MESSAGE, id, "model"), "large");
    assert_string_equal(field(f, AVJ_MESSAGE, id, "role"), "assistant");
    assert_string_equal(field(f, AVJ_MESSAGE, id, "content"), "hi");
}

static void a_summary_belongs_to_a_message_of_its_thread(void **state)
{
    struct fixture *f = *state;
    char s[AVJ_ID_TEXT], other[AVJ_ID_TEXT];
    assert_ok(avj_summary_add(f->store, f->thread, f->messages[1], "so far", 6, s, &err), err);
    assert_string_equal(field(f, AVJ_SUMMARY, s, "content"), "so far");
    assert_string_equal(field(f, AVJ_SUMMARY, s, "messageId"), f->messages[1]);
    assert_ok(avj_thread_new(f->store, "other", other, &err), err);
    assert_status(AVJ_ENOTFOUND,
                  avj_summary_add(f->store, other, f->messages[1], "x", 1, NULL, &err), err);
}

/* ---- projects ---- */

static void a_project_is_made_and_edited_field_by_field(void **state)
{
    struct fixture *f = *state;
    char p[AVJ_ID_TEXT];
    struct avj_project_edit made = {.name = "Garden", .prompt = "Be green.", .colored = true};
    made.color = 3;
    assert_ok(avj_project_new(f->store, &made, p, &err), err);
    assert_string_equal(field(f, AVJ_PROJECT, p, "colorIndex"), "3");
    assert_string_equal(field(f, AVJ_PROJECT, p, "description"), "-");
    struct avj_project_edit edit = {.description = "Vegetables", .prompt = ""};
    assert_ok(avj_project_edit(f->store, p, &edit, &err), err);
    assert_string_equal(field(f, AVJ_PROJECT, p, "name"), "Garden");
    assert_string_equal(field(f, AVJ_PROJECT, p, "description"), "Vegetables");
    assert_string_equal(field(f, AVJ_PROJECT, p, "prompt"), "-");
    assert_string_equal(field(f, AVJ_PROJECT, p, "colorIndex"), "3");
    struct avj_project_edit nameless = {.name = ""};
    assert_status(AVJ_EINVAL, avj_project_edit(f->store, p, &nameless, &err), err);
    assert_status(AVJ_EINVAL, avj_project_new(f->store, &nameless, NULL, &err), err);
}

/* Two threads in a project, one in another, one in none. */
static void fill_project(struct fixture *f, char p[AVJ_ID_TEXT], char second[AVJ_ID_TEXT])
{
    new_project(f, "Goes", p);
    SET(f, AVJ_CREATE, AVJ_THREAD, "elsewhere", "id", "elsewhere", "title", "t", "createdAt",
        "2026-01-01T00:00:00.000+00:00", "projectId", "another");
    assert_ok(avj_thread_new(f->store, "second", second, &err), err);
    assert_ok(avj_thread_new(f->store, "free", NULL, &err), err);
    assert_ok(avj_thread_move(f->store, f->thread, p, &err), err);
    assert_ok(avj_thread_move(f->store, second, p, &err), err);
}

static void the_threads_of_a_deleted_project_stay_in_none(void **state)
{
    struct fixture *f = *state;
    char p[AVJ_ID_TEXT], second[AVJ_ID_TEXT];
    fill_project(f, p, second);
    size_t before = frames(f);
    assert_ok(avj_project_delete(f->store, p, NULL, &err), err);
    assert_int_equal(frames(f), before + 1);
    assert_int_equal(visible(f, AVJ_PROJECT), 0);
    assert_int_equal(visible(f, AVJ_THREAD), 4);
    assert_string_equal(field(f, AVJ_THREAD, "elsewhere", "projectId"), "another");
    assert_string_equal(thread_field(f, "projectId"), "-");
    assert_string_equal(field(f, AVJ_THREAD, second, "projectId"), "-");
    assert_status(AVJ_ENOTFOUND, avj_project_delete(f->store, p, NULL, &err), err);
}

static void the_threads_of_a_deleted_project_can_go_to_another(void **state)
{
    struct fixture *f = *state;
    char p[AVJ_ID_TEXT], second[AVJ_ID_TEXT], heir[AVJ_ID_TEXT];
    fill_project(f, p, second);
    new_project(f, "Heir", heir);
    assert_status(AVJ_EINVAL, avj_project_delete(f->store, p, p, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_project_delete(f->store, p, "nobody", &err), err);
    assert_ok(avj_project_delete(f->store, p, heir, &err), err);
    assert_string_equal(thread_field(f, "projectId"), heir);
    assert_string_equal(field(f, AVJ_THREAD, second, "projectId"), heir);
}

static void a_project_can_be_deleted_with_its_threads(void **state)
{
    struct fixture *f = *state;
    char p[AVJ_ID_TEXT], second[AVJ_ID_TEXT];
    fill_project(f, p, second);
    assert_ok(avj_summary_add(f->store, f->thread, f->messages[0], "s", 1, NULL, &err), err);
    size_t before = frames(f);
    assert_ok(avj_project_delete_all(f->store, p, &err), err);
    assert_int_equal(frames(f), before + 1);
    assert_int_equal(visible(f, AVJ_THREAD), 2);
    assert_string_equal(field(f, AVJ_THREAD, "elsewhere", "projectId"), "another");
    assert_int_equal(visible(f, AVJ_MESSAGE), 0);
    assert_int_equal(visible(f, AVJ_SUMMARY), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(pinning_is_undone_by_unpinning),
        CASE(tags_are_added_removed_and_set),
        CASE(sharing_again_keeps_the_share_id),
        CASE(sharing_after_unsharing_makes_another_share_id),
        CASE(a_share_id_of_another_client_is_kept),
        CASE(a_thread_moves_into_a_project_and_out),
        CASE(updatedAt_is_raised_and_never_lowered),
        CASE(every_operation_on_a_thread_that_is_not_there_names_it),
        CASE(deleting_a_thread_is_one_frame_with_its_messages_and_summaries),
        CASE(trimming_takes_all_of_the_same_moment),
        CASE(trimming_from_a_message_of_another_thread_is_refused),
        CASE(a_branch_keeps_the_order_of_messages_of_one_moment),
        CASE(a_branch_is_a_new_thread_neither_pinned_nor_shared),
        CASE(ids_are_found_by_how_they_begin),
        CASE(a_message_can_carry_more_fields_but_not_other_ones_of_its_own),
        CASE(a_summary_belongs_to_a_message_of_its_thread),
        CASE(a_project_is_made_and_edited_field_by_field),
        CASE(the_threads_of_a_deleted_project_stay_in_none),
        CASE(the_threads_of_a_deleted_project_can_go_to_another),
        CASE(a_project_can_be_deleted_with_its_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
