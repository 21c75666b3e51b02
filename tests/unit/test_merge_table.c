/*
 * MERGE.md's tables, a case for each row and more: what is known and pending, what arrives; then
 * what is base, what is visible, and which entries a store has written, all in one frame.  Each is
 * seen twice, the second time by a store that replays the log.
 */
#include "replay/sync.h"
#include "tests/support/files.h"
#include "tests/support/mem_io.h"
#include "tests/unit/test_merge_table.h"

#define CASES   (sizeof(merge_cases) / sizeof(merge_cases[0]))
#define ROW_MAX 100

/* ---- a store for each case ---- */

struct rig {
    struct mem_io *mem;
    struct avj_store_options options;
    struct avj_store *store;
    struct avj_error err;
};

static void rig_open(struct rig *rig)
{
    assert_ok(avj_store_open("j", &rig->options, &rig->store, &rig->err), rig->err);
}

static void append(struct rig *rig, const char *entry)
{
    json_t *json = merge_parse(entry);
    struct avj_pack pack = {0};
    avj_json_pack(&pack, json);
    struct avj_slice slice = {pack.data, pack.len};
    assert_ok(avj_store_append(rig->store, &slice, 1, AVJ_DURABLE, NULL, &rig->err), rig->err);
    avj_pack_release(&pack);
    json_decref(json);
}

static void rig_begin(struct rig *rig, const struct table_case *c)
{
    *rig = (struct rig){.mem = mem_io_new(1)};
    rig->options.journal.io = mem_io_table(rig->mem);
    rig->options.anonymous = true;
    assert_ok(avj_store_create("j", NULL, &rig->options, &rig->err), rig->err);
    rig_open(rig);
    for (size_t i = 0; c && i < BEFORE_MAX && c->before[i]; i++)
        append(rig, c->before[i]);
}

static void rig_end(struct rig *rig)
{
    avj_store_close(rig->store);
    mem_io_free(rig->mem);
}

/* ---- what arrives, by the way it takes ---- */

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static enum avj_entity entity_of(const json_t *json)
{
    const char *kind = text_of(json, "e");
    return avj_entity_from_kind(kind, strlen(kind));
}

static void arrive_row(struct rig *rig, const json_t *json)
{
    struct avj_pack fields = {0};
    struct avj_row row = {.entity = entity_of(json),
                          .id = text_of(json, "i"),
                          .remote_id = text_of(json, "r"),
                          .version = text_of(json, "v"),
                          .deleted = !json_object_get(json, "f")};
    if (!row.deleted)
        avj_json_pack(&fields, json_object_get(json, "f"));
    row.fields = (struct avj_fields){fields.data, fields.len};
    assert_ok(avj_sync_remote(rig->store, &row, 1, "realtime", AVJ_DURABLE, NULL, &rig->err),
              rig->err);
    avj_pack_release(&fields);
}

static void arrive_answer(struct rig *rig, const json_t *json, bool done)
{
    struct avj_pack fields = {0};
    struct avj_push_op op = {.kind =
                                 (enum avj_push_kind)json_integer_value(json_object_get(json, "o")),
                             .entity = entity_of(json),
                             .id = text_of(json, "i"),
                             .upto_seq = (uint64_t)json_integer_value(json_object_get(json, "s")),
                             .base_version = text_of(json, "b")};
    const char *kept[4] = {NULL};
    struct avj_outcome o = {.op = &op, .acknowledged = done, .status = done ? 200 : 400};
    snprintf(op.remote_id, sizeof(op.remote_id), "r");
    o.row = (struct avj_row){.entity = op.entity,
                             .id = op.id,
                             .remote_id = "r",
                             .version = text_of(json, "v"),
                             .deleted = !json_object_get(json, "f")};
    for (size_t i = 0; i < json_array_size(json_object_get(json, "k")); i++)
        kept[o.kept_count++] = json_string_value(json_array_get(json_object_get(json, "k"), i));
    o.kept = kept;
    o.error_type = "bad";
    o.error_message = "no";
    if (!o.row.deleted)
        avj_json_pack(&fields, json_object_get(json, "f"));
    o.row.fields = (struct avj_fields){fields.data, fields.len};
    assert_ok(avj_sync_settle(rig->store, &o, 1, &rig->err), rig->err);
    avj_pack_release(&fields);
}

static void arrive_edit(struct rig *rig, const json_t *json)
{
    struct avj_pack fields = {0};
    avj_json_pack(&fields, json_object_get(json, "f"));
    struct avj_mutation m = {.op = AVJ_UPDATE,
                             .entity = entity_of(json),
                             .id = text_of(json, "i"),
                             .fields = {fields.data, fields.len}};
    assert_ok(avj_store_mutate(rig->store, &m, 1, AVJ_DURABLE, NULL, &rig->err), rig->err);
    avj_pack_release(&fields);
}

static void arrive(struct rig *rig, const char *entry)
{
    json_t *json = merge_parse(entry);
    const char *type = text_of(json, "t"), *kind = text_of(json, "e");
    if (!kind || avj_entity_from_kind(kind, strlen(kind)) == AVJ_ENTITIES ||
        strcmp(type, "hologram") == 0 || strcmp(type, "stream") == 0)
        append(rig, entry);
    else if (strcmp(type, "remote") == 0)
        arrive_row(rig, json);
    else if (strcmp(type, "ack") == 0 || strcmp(type, "reject") == 0)
        arrive_answer(rig, json, strcmp(type, "ack") == 0);
    else if (strcmp(type, "local") == 0)
        arrive_edit(rig, json);
    else if (strcmp(type, "retry") == 0)
        assert_ok(avj_sync_retry(rig->store, AVJ_MESSAGE, "m", &rig->err), rig->err);
    else
        assert_ok(avj_sync_drop(rig->store, AVJ_MESSAGE, "m", &rig->err), rig->err);
    json_decref(json);
}

/* ---- what came of it ---- */

static size_t describe_conflict(const struct avj_entry *e, char *out, size_t size)
{
    struct avj_value fields, won;
    (void)avj_value_get(e->root, "f", &fields);
    (void)avj_value_get(e->root, "w", &won);
    json_t *json = avj_json_from_value(fields);
    char *text = json_dumps(json, JSON_COMPACT);
    for (char *c = text; *c; c++)
        *c = *c == '"' ? '\'' : *c;
    int len = snprintf(out, size, " lost %s %s",
                       avj_value_text_is(won, "elsewhere") ? "here" : "there", text);
    free(text);
    json_decref(json);
    return (size_t)len;
}

/* The entries from `from` on, which must be in one frame. */
static void describe_written(struct rig *rig, uint64_t from, char *out, size_t size)
{
    struct avj_cursor *cursor;
    struct avj_record record, first = {.seq = 0};
    size_t len = 0;
    out[0] = 0;
    assert_ok(avj_cursor_open(avj_store_journal(rig->store), from, &cursor, &rig->err), rig->err);
    while (avj_cursor_next(cursor, &record, &rig->err) == AVJ_OK) {
        struct avj_entry e;
        assert_ok(avj_entry_decode(record.data, record.len, &e, &rig->err), rig->err);
        len += (size_t)snprintf(out + len, size - len, "%s%s", len ? "; " : "",
                                avj_entry_type_name(e.type));
        if (e.type == AVJ_E_CONFLICT)
            len += describe_conflict(&e, out + len, size - len);
        if (!first.seq)
            first = record;
        assert_int_equal(record.segment, first.segment);
        assert_int_equal(record.offset, first.offset);
        avj_entry_release(&e);
    }
    avj_cursor_close(cursor);
}

static void check_shown(struct rig *rig, const struct table_case *c, enum avj_entity entity,
                        const char *id)
{
    struct avj_doc doc;
    enum avj_status status = avj_store_get(rig->store, entity, id, &doc);
    assert_int_equal(status, c->visible ? AVJ_OK : AVJ_ENOTFOUND);
    if (!c->visible)
        return;
    json_t *want = merge_parse(c->visible), *got = avj_json_from_fields(doc.fields);
    char *want_text = json_dumps(want, JSON_COMPACT), *got_text = json_dumps(got, JSON_COMPACT);
    assert_string_equal(got_text, want_text); /* the order of fields too */
    free(want_text);
    free(got_text);
    json_decref(want);
    json_decref(got);
    assert_string_equal(doc.version ? doc.version : "none", c->base ? c->base : "none");
    assert_int_equal(doc.pending, c->pending);
    assert_int_equal(doc.parked, c->parked);
}

struct newest {
    char version[AVJ_REMOTE_ID_TEXT];
};

static bool note_newest(void *arg, const char *id, const char *remote_id, const char *version)
{
    struct newest *newest = arg;
    (void)id, (void)remote_id;
    if (strcmp(version, newest->version) > 0)
        snprintf(newest->version, sizeof(newest->version), "%s", version);
    return true;
}

/* Base and pending of what is not visible too. */
static void check_state(struct rig *rig, const struct table_case *c)
{
    struct avj_store_status status;
    json_t *json = merge_parse(c->arrives);
    const char *kind = text_of(json, "e");
    bool thread = kind && strcmp(kind, "thread") == 0;
    struct newest newest = {""};
    check_shown(rig, c, thread ? AVJ_THREAD : AVJ_MESSAGE, thread ? "t" : "m");
    avj_sync_known_rows(rig->store, thread ? AVJ_THREAD : AVJ_MESSAGE, note_newest, &newest);
    assert_string_equal(newest.version, c->base ? c->base : "");
    assert_ok(avj_store_status(rig->store, &status, &rig->err), rig->err);
    assert_int_equal(status.pending, c->pending);
    assert_int_equal(status.parked, c->parked);
    assert_int_equal(status.unknown_entries, c->row == 16);
    json_decref(json);
}

static void every_row_of_the_table_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        const struct table_case *c = &merge_cases[i];
        struct rig rig;
        struct avj_journal_info info;
        char written[512];
        print_message("  row %d, with %s\n", c->row, c->arrives);
        rig_begin(&rig, c);
        assert_ok(avj_journal_info(avj_store_journal(rig.store), &info, &rig.err), rig.err);
        arrive(&rig, c->arrives);
        describe_written(&rig, info.next_seq, written, sizeof(written));
        assert_string_equal(written, c->written);
        check_state(&rig, c);
        avj_store_close(rig.store);
        rig_open(&rig);
        check_state(&rig, c);
        rig_end(&rig);
    }
}

/* Row 14. */
static void a_message_is_listed_once_its_thread_comes(void **state)
{
    (void)state;
    struct rig rig;
    const struct avj_doc *docs;
    size_t count;
    rig_begin(&rig, NULL);
    arrive(&rig, MESSAGE("r", V("3"), "'threadId':'t'"));
    assert_status(AVJ_ENOTFOUND,
                  avj_store_messages(rig.store, "t", NULL, 0, &docs, &count, &rig.err), rig.err);
    arrive(&rig, THREAD_TIMES(V("4"), V("1")));
    assert_ok(avj_store_messages(rig.store, "t", NULL, 0, &docs, &count, &rig.err), rig.err);
    assert_int_equal(count, 1);
    assert_string_equal(docs[0].id, "m");
    rig_end(&rig);
}

/* ---- the document ---- */

static void rows_of_the_document(bool rows[ROW_MAX])
{
    char *path = test_path(getenv("AVJ_SOURCE") ? getenv("AVJ_SOURCE") : ".", "replay/MERGE.md");
    size_t len;
    char *text = (char *)test_read_file(path, &len);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        int row;
        line += *line == '\n';
        if (sscanf(line, "| %d |", &row) == 1 && row > 0 && row < ROW_MAX)
            rows[row] = true;
    }
    free(text);
    free(path);
}

static void the_document_and_the_cases_have_the_same_rows(void **state)
{
    (void)state;
    bool told[ROW_MAX] = {false}, tested[ROW_MAX] = {false};
    rows_of_the_document(told);
    for (size_t i = 0; i < CASES; i++)
        tested[merge_cases[i].row] = true;
    for (int row = 0; row < ROW_MAX; row++) {
        if (told[row] != tested[row])
            print_error("row %d is only in %s\n", row, told[row] ? "MERGE.md" : "this test");
        assert_int_equal(told[row], tested[row]);
    }
    assert_true(told[1]); /* it was found and read */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_holds),
        cmocka_unit_test(a_message_is_listed_once_its_thread_comes),
        cmocka_unit_test(the_document_and_the_cases_have_the_same_rows),
    };
    return cmocka_run_group_tests_name("MERGE.md", tests, NULL, NULL);
}
