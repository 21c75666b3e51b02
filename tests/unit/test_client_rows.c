/* Rows and fields: what a server row becomes here, and what is written of our fields. */
#include "tests/support/cases.h"

#include "net/client_rows.h"
#include "net/json.h"

static json_t *loaded(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
    if (!json)
        fail_msg("the test's own JSON is broken: %s: %s", error.text, text);
    return json;
}

static void assert_json(const char *name, json_t *got, const char *wanted)
{
    json_t *json = loaded(wanted);
    char *text = json_dumps(got, JSON_COMPACT);
    if (!json_equal(got, json))
        fail_msg("%s:\n  wanted %s\n  got    %s", name, wanted, text);
    free(text);
    json_decref(json);
}

#define SYSTEM                                                                                     \
    "\"$id\":\"r1\",\"$createdAt\":\"2026-11-22T18:09:32.548+00:00\",\"$updatedAt\":\"2026-11-22T" \
    "18:09:33.000+00:00\",\"$sequence\":9101,\"$permissions\":[\"read(\\\"user:alice\\\")\"],"     \
    "\"$databaseId\":\"main\",\"$collectionId\":\"messages\",\"userId\":\"alice\","

struct read_case {
    const char *name;
    enum avj_entity entity;
    const char *row, *fields;
};

static const struct read_case reads[] = {
    {"system fields, userId and nulls are no fields", AVJ_MESSAGE,
     "{" SYSTEM "\"messageId\":\"m1\",\"content\":\"hello\",\"webSearchResults\":null}",
     "{\"id\":\"m1\",\"content\":\"hello\"}"},
    {"remote names become local ones", AVJ_THREAD,
     "{" SYSTEM "\"threadId\":\"t1\",\"title\":\"T\",\"createdAt\":\"2026-11-22T12:00:00.000+00:"
     "00\",\"isPinned\":true,\"tags\":[\"a\",\"b\"]}",
     "{\"id\":\"t1\",\"title\":\"T\",\"createdAt\":\"2026-11-22T12:00:00.000+00:00\",\"isPinned\":"
     "true,\"tags\":[\"a\",\"b\"]}"},
    {"a thread without a createdAt of its own has the system's", AVJ_THREAD,
     "{" SYSTEM "\"threadId\":\"t1\",\"createdAt\":null}",
     "{\"id\":\"t1\",\"createdAt\":\"2026-11-22T18:09:32.548+00:00\"}"},
    {"a message without one has none", AVJ_MESSAGE, "{" SYSTEM "\"messageId\":\"m1\"}",
     "{\"id\":\"m1\"}"},
    {"attributes that we do not know are kept", AVJ_MESSAGE,
     "{" SYSTEM "\"messageId\":\"m1\",\"mood\":\"fine\",\"weights\":[1,2.5]}",
     "{\"id\":\"m1\",\"mood\":\"fine\",\"weights\":[1,2.5]}"},
    {"one that would pass for a local name is not", AVJ_MESSAGE,
     "{" SYSTEM "\"messageId\":\"m1\",\"id\":\"evil\"}", "{\"id\":\"m1\"}"},
    {"attachments are a list in a JSON text", AVJ_MESSAGE,
     "{" SYSTEM "\"messageId\":\"m1\",\"attachments\":\"[{\\\"id\\\":\\\"a\\\",\\\"size\\\":3}]\"}",
     "{\"id\":\"m1\",\"attachments\":[{\"id\":\"a\",\"size\":3}]}"},
    {"a text that is no JSON stays a text", AVJ_MESSAGE,
     "{" SYSTEM "\"messageId\":\"m1\",\"attachments\":\"[{oops\"}",
     "{\"id\":\"m1\",\"attachments\":\"[{oops\"}"},
    {"search results as a JSON text", AVJ_MESSAGE,
     "{" SYSTEM "\"messageId\":\"m1\",\"webSearchResults\":\"[\\\"http://a\\\"]\"}",
     "{\"id\":\"m1\",\"webSearchResults\":[\"http://a\"]}"},
    {"search results as a native array of texts and of JSON texts", AVJ_MESSAGE,
     "{" SYSTEM
     "\"messageId\":\"m1\",\"webSearchResults\":[\"http://a\",\"{\\\"url\\\":\\\"b\\\"}\""
     ",\"{oops\"]}",
     "{\"id\":\"m1\",\"webSearchResults\":[\"http://a\",{\"url\":\"b\"},\"{oops\"]}"},
    {"a row without its id attribute goes by its $id", AVJ_MESSAGE, "{" SYSTEM "\"content\":\"x\"}",
     "{\"id\":\"r1\",\"content\":\"x\"}"},
};

static void a_row_becomes_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        struct avj_row_copy copy;
        struct avj_error err = {.status = AVJ_OK};
        json_t *row = loaded(reads[i].row);
        assert_ok(avj_row_read(reads[i].entity, row, "alice", &copy, &err), err);
        assert_string_equal(copy.row.remote_id, "r1");
        assert_string_equal(copy.row.version, "2026-11-22T18:09:33.000+00:00");
        assert_string_equal(copy.row.created, "2026-11-22T18:09:32.548+00:00");
        json_t *fields = avj_json_from_fields(copy.row.fields);
        assert_json(reads[i].name, fields, reads[i].fields);
        assert_string_equal(copy.row.id, json_string_value(json_object_get(fields, "id")));
        json_decref(fields);
        avj_row_copy_release(&copy);
        json_decref(row);
    }
}

static char *deep_text(size_t depth)
{
    char *text = malloc(2 * depth + 1);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    return text;
}

/* A hostile text must not become a document that nobody can parse. */
static void json_that_is_nested_too_deep_stays_a_text(void **state)
{
    (void)state;
    struct avj_row_copy copy;
    struct avj_error err = {.status = AVJ_OK};
    char *deep = deep_text(200);
    json_t *row = loaded("{" SYSTEM "\"messageId\":\"m1\"}");
    json_object_set_new(row, "attachments", json_string(deep));
    assert_ok(avj_row_read(AVJ_MESSAGE, row, "alice", &copy, &err), err);
    json_t *fields = avj_json_from_fields(copy.row.fields);
    assert_string_equal(json_string_value(json_object_get(fields, "attachments")), deep);
    json_decref(fields);
    avj_row_copy_release(&copy);
    json_decref(row);
    free(deep);
}

struct refused_case {
    const char *name, *row;
    enum avj_status status;
};

static const struct refused_case refused[] = {
    {"another user's", "{\"$id\":\"r\",\"$updatedAt\":\"t\",\"userId\":\"bob\"}", AVJ_ENOTFOUND},
    {"nobody's", "{\"$id\":\"r\",\"$updatedAt\":\"t\"}", AVJ_ENOTFOUND},
    {"without an id", "{\"$updatedAt\":\"t\",\"userId\":\"alice\"}", AVJ_EFORMAT},
    {"without a version", "{\"$id\":\"r\",\"userId\":\"alice\"}", AVJ_EFORMAT},
    {"with an id longer than any",
     "{\"$id\":\"0123456789012345678901234567890123456\",\"$updatedAt\":\"t\",\"userId\":"
     "\"alice\"}",
     AVJ_EFORMAT},
    {"no object", "[]", AVJ_EFORMAT},
};

static void some_rows_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct avj_row_copy copy;
        struct avj_error err = {.status = AVJ_OK};
        json_t *row = loaded(refused[i].row);
        assert_status(refused[i].status, avj_row_read(AVJ_MESSAGE, row, "alice", &copy, &err), err);
        json_decref(row);
    }
}

/* ---- writing ---- */

/* Lessons of the form "field=what field=what". */
static const char *learned(const void *arg, enum avj_entity entity, const char *field)
{
    static const char *const lessons[] = {"missing", "array", "text"};
    (void)entity;
    for (size_t i = 0; arg && i < sizeof lessons / sizeof *lessons; i++) {
        char wanted[96];
        snprintf(wanted, sizeof wanted, "%s=%s", field, lessons[i]);
        if (strstr(arg, wanted))
            return lessons[i];
    }
    return NULL;
}

struct write_case {
    const char *name;
    enum avj_entity entity;
    bool create;
    const char *lessons, *fields, *data, *omitted;
};

static const struct write_case writes[] = {
    {"a create has the user and no nulls", AVJ_MESSAGE, true, NULL,
     "{\"id\":\"m1\",\"content\":\"x\",\"model\":null}",
     "{\"messageId\":\"m1\",\"content\":\"x\",\"userId\":\"alice\"}", "[]"},
    {"an update has nulls, and neither the user nor the id", AVJ_MESSAGE, false, NULL,
     "{\"id\":\"m1\",\"content\":\"x\",\"model\":null}", "{\"content\":\"x\",\"model\":null}",
     "[]"},
    {"lists become JSON texts", AVJ_MESSAGE, false, NULL,
     "{\"attachments\":[{\"size\":3}],\"webSearchResults\":[\"a\"],\"webSearchImgs\":[\"b\"]}",
     "{\"attachments\":\"[{\\\"size\\\":3}]\",\"webSearchResults\":\"[\\\"a\\\"]\","
     "\"webSearchImgs\":[\"b\"]}",
     "[]"},
    {"or a native array, where the deployment has that", AVJ_MESSAGE, false,
     "webSearchResults=array", "{\"webSearchResults\":[\"a\",{\"url\":\"b\"}]}",
     "{\"webSearchResults\":[\"a\",\"{\\\"url\\\":\\\"b\\\"}\"]}", "[]"},
    {"clearing a list writes null, not a text of null", AVJ_MESSAGE, false, NULL,
     "{\"attachments\":null}", "{\"attachments\":null}", "[]"},
    {"what the deployment lacks is left out and named", AVJ_MESSAGE, true, "model=missing",
     "{\"id\":\"m1\",\"model\":\"m\",\"parts\":[1]}",
     "{\"messageId\":\"m1\",\"parts\":[1],\"userId\":\"alice\"}", "[\"model\"]"},
    {"unknown fields can lack too", AVJ_MESSAGE, true, "parts=missing",
     "{\"id\":\"m1\",\"parts\":[1]}", "{\"messageId\":\"m1\",\"userId\":\"alice\"}", "[\"parts\"]"},
    {"a creation time that is the server's is not kept back", AVJ_THREAD, true, "createdAt=missing",
     "{\"id\":\"t1\",\"createdAt\":\"2026-11-22T12:00:00.000+00:00\"}",
     "{\"threadId\":\"t1\",\"userId\":\"alice\"}", "[]"},
    {"names that are the server's are never written", AVJ_THREAD, true, NULL,
     "{\"id\":\"t1\",\"$permissions\":[],\"userId\":\"bob\",\"threadId\":\"t2\"}",
     "{\"threadId\":\"t1\",\"userId\":\"alice\"}", "[]"},
    {"no fields at all", AVJ_THREAD, false, NULL, "{}", "{}", "[]"},
};

static struct avj_pack packed(const char *text)
{
    struct avj_pack pack = {.len = 0};
    json_t *json = loaded(text);
    avj_json_pack(&pack, json);
    json_decref(json);
    return pack;
}

static void fields_become_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        const struct write_case *c = &writes[i];
        struct avj_lessons lessons = {.learned = learned, .arg = c->lessons};
        struct avj_pack pack = packed(c->fields);
        json_t *data, *omitted;
        assert_int_equal(avj_row_write(c->entity, (struct avj_fields){pack.data, pack.len},
                                       c->create, "alice", &lessons, &data, &omitted),
                         AVJ_OK);
        assert_json(c->name, data, c->data);
        assert_json(c->name, omitted, c->omitted);
        json_decref(data);
        json_decref(omitted);
        avj_pack_release(&pack);
    }
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    static const char fields[] =
        "{\"id\":\"m1\",\"threadId\":\"t1\",\"role\":\"user\",\"content\":\"gr\xc3\xbc\xc3\x9f\","
        "\"createdAt\":\"2026-11-22T12:00:00.000+00:00\",\"model\":\"x\",\"webSearchResults\":[{"
        "\"url\":\"a\"},\"b\"],\"webSearchImgs\":[\"i\"],\"attachments\":[{\"id\":\"f\",\"size\":1."
        "5}],\"isPlan\":false,\"mood\":{\"deep\":[null,1]}}";
    static const char *const lessons[] = {NULL, "webSearchResults=array"};
    for (size_t i = 0; i < 2; i++) {
        struct avj_lessons known = {.learned = learned, .arg = lessons[i]};
        struct avj_pack pack = packed(fields);
        struct avj_row_copy copy;
        struct avj_error err = {.status = AVJ_OK};
        json_t *data, *omitted;
        assert_int_equal(avj_row_write(AVJ_MESSAGE, (struct avj_fields){pack.data, pack.len}, true,
                                       "alice", &known, &data, &omitted),
                         AVJ_OK);
        json_object_set_new(data, "$id", json_string("r1"));
        json_object_set_new(data, "$updatedAt", json_string("t"));
        assert_ok(avj_row_read(AVJ_MESSAGE, data, "alice", &copy, &err), err);
        json_t *got = avj_json_from_fields(copy.row.fields);
        assert_json("round trip", got, fields);
        json_decref(got);
        avj_row_copy_release(&copy);
        json_decref(data);
        json_decref(omitted);
        avj_pack_release(&pack);
    }
}

/* ---- comparing ---- */

struct diff_case {
    const char *name;
    enum avj_entity entity;
    const char *lessons, *want, *have, *patch; /* patch NULL: nothing differs */
};

static const struct diff_case diffs[] = {
    {"the same", AVJ_MESSAGE, NULL, "{\"id\":\"m\",\"content\":\"x\"}",
     "{\"id\":\"m\",\"content\":\"x\",\"mood\":\"server's own\"}", NULL},
    {"another text", AVJ_MESSAGE, NULL, "{\"content\":\"x\",\"role\":\"user\"}",
     "{\"content\":\"y\",\"role\":\"user\"}", "{\"content\":\"x\"}"},
    {"cleared here", AVJ_MESSAGE, NULL, "{\"model\":null}", "{\"model\":\"m\"}",
     "{\"model\":null}"},
    {"cleared on both sides", AVJ_MESSAGE, NULL, "{\"model\":null}", "{}", NULL},
    {"an empty list is none", AVJ_THREAD, NULL, "{\"tags\":[]}", "{}", NULL},
    {"times in another spelling", AVJ_MESSAGE, NULL, "{\"createdAt\":\"2026-11-22T12:00:00Z\"}",
     "{\"createdAt\":\"2026-11-22T12:00:00.000+00:00\"}", NULL},
    {"a time that only rises, and has risen", AVJ_THREAD, NULL,
     "{\"lastMessageAt\":\"2026-11-22T12:00:00.000+00:00\"}",
     "{\"lastMessageAt\":\"2026-11-22T13:00:00.000+00:00\"}", NULL},
    {"and that must rise", AVJ_THREAD, NULL,
     "{\"lastMessageAt\":\"2026-11-22T13:00:00.000+00:00\"}",
     "{\"lastMessageAt\":\"2026-11-22T12:00:00.000+00:00\"}",
     "{\"lastMessageAt\":\"2026-11-22T13:00:00.000+00:00\"}"},
    {"what the deployment lacks", AVJ_MESSAGE, "model=missing", "{\"model\":\"m\"}", "{}", NULL},
    {"the creation time of a thread", AVJ_THREAD, NULL,
     "{\"createdAt\":\"2026-11-22T12:00:00.000+00:00\"}",
     "{\"createdAt\":\"2026-11-22T18:00:00.000+00:00\"}", NULL},
};

static void a_difference_is_what_a_write_would_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof diffs / sizeof *diffs; i++) {
        const struct diff_case *c = &diffs[i];
        struct avj_lessons lessons = {.learned = learned, .arg = c->lessons};
        struct avj_pack want = packed(c->want), have = packed(c->have), patch = {.len = 0};
        bool differ;
        assert_int_equal(avj_row_diff(c->entity, (struct avj_fields){want.data, want.len},
                                      (struct avj_fields){have.data, have.len}, &lessons, &patch,
                                      &differ),
                         AVJ_OK);
        json_t *got = avj_json_from_fields((struct avj_fields){patch.data, patch.len});
        assert_json(c->name, got, c->patch ? c->patch : "{}");
        assert_int_equal(differ, c->patch != NULL);
        json_decref(got);
        avj_pack_release(&want);
        avj_pack_release(&have);
        avj_pack_release(&patch);
    }
}

static void only_optional_fields_may_be_left_out(void **state)
{
    (void)state;
    char buffer[80];
    struct avj_pack pack = packed("{\"id\":\"m\",\"parts\":[1]}");
    struct avj_fields fields = {pack.data, pack.len};
    assert_string_equal(avj_row_optional(AVJ_MESSAGE, "model", fields, buffer), "model");
    assert_string_equal(avj_row_optional(AVJ_THREAD, "createdAt", fields, buffer), "createdAt");
    assert_string_equal(avj_row_optional(AVJ_MESSAGE, "parts", fields, buffer), "parts");
    assert_null(avj_row_optional(AVJ_MESSAGE, "content", fields, buffer));
    assert_null(avj_row_optional(AVJ_MESSAGE, "messageId", fields, buffer));
    assert_null(avj_row_optional(AVJ_MESSAGE, "userId", fields, buffer));
    assert_null(avj_row_optional(AVJ_MESSAGE, "never heard of", fields, buffer));
    avj_pack_release(&pack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_becomes_fields),
        cmocka_unit_test(json_that_is_nested_too_deep_stays_a_text),
        cmocka_unit_test(some_rows_are_refused),
        cmocka_unit_test(fields_become_data),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(a_difference_is_what_a_write_would_change),
        cmocka_unit_test(only_optional_fields_may_be_left_out),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
