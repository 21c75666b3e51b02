/* JSON to values and fields, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static json_t *loaded(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    if (!json)
        fail_msg("the test's own JSON is broken: %s", text);
    return json;
}

static void packed_values_come_back_as_the_same_json(void **state)
{
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "0.5",
        "1e300",
        "\"\"",
        "\"\\u0000 inside\"",
        "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x92\xac\"",
        "[]",
        "[1, 2.0, \"three\", null, [[]]]",
        "{}",
        "{\"b\": 1, \"a\": {\"deep\": [true]}, \"\": null}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct avj_pack pack = {0};
        struct avj_tree *tree;
        json_t *before = loaded(texts[i]);
        avj_json_pack(&pack, before);
        assert_false(pack.failed);
        assert_int_equal(avj_tree_parse(pack.data, pack.len, &tree), AVJ_OK);
        json_t *after = avj_json_from_value(avj_tree_root(tree));
        if (!json_equal(before, after))
            fail_msg("%s came back different", texts[i]);
        json_decref(before);
        json_decref(after);
        avj_tree_free(tree);
        avj_pack_release(&pack);
    }
}

static void whole_numbers_and_reals_keep_their_kind(void **state)
{
    struct avj_pack pack = {0};
    struct avj_tree *tree;
    json_t *before = loaded("[1, 1.0]");

    (void)state;
    avj_json_pack(&pack, before);
    assert_int_equal(avj_tree_parse(pack.data, pack.len, &tree), AVJ_OK);
    json_t *after = avj_json_from_value(avj_tree_root(tree));
    assert_true(json_is_integer(json_array_get(after, 0)));
    assert_true(json_is_real(json_array_get(after, 1)));
    json_decref(before);
    json_decref(after);
    avj_tree_free(tree);
    avj_pack_release(&pack);
}

static void what_json_cannot_spell_becomes_null(void **state)
{
    const struct avj_value values[] = {
        {.kind = AVJ_BYTES, .text = "ab", .len = 2},
        {.kind = AVJ_TEXT, .text = "\xff\xfe", .len = 2},
        {.kind = AVJ_TEXT, .text = "cut \xc3", .len = 5},
        {.kind = AVJ_REAL, .real = NAN},
        {.kind = AVJ_REAL, .real = INFINITY},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        json_t *json = avj_json_from_value(values[i]);
        assert_non_null(json);
        assert_true(json_is_null(json));
        json_decref(json);
    }
}

static void keys_that_json_cannot_spell_are_left_out_or_spelled(void **state)
{
    struct avj_pack pack = {0};
    struct avj_tree *tree;

    (void)state;
    avj_pack_map(&pack, 3);
    avj_pack_int(&pack, 7);
    avj_pack_cstr(&pack, "number");
    avj_pack_text(&pack, "\xff", 1);
    avj_pack_cstr(&pack, "no UTF-8");
    avj_pack_cstr(&pack, "plain");
    avj_pack_bool(&pack, true);
    assert_int_equal(avj_tree_parse(pack.data, pack.len, &tree), AVJ_OK);
    json_t *json = avj_json_from_value(avj_tree_root(tree));
    assert_int_equal(json_object_size(json), 2);
    assert_string_equal(json_string_value(json_object_get(json, "7")), "number");
    assert_true(json_is_true(json_object_get(json, "plain")));
    json_decref(json);
    avj_tree_free(tree);
    avj_pack_release(&pack);
}

static void no_fields_are_an_empty_object(void **state)
{
    (void)state;
    json_t *json = avj_json_from_fields((struct avj_fields){NULL, 0});
    assert_true(json_is_object(json));
    assert_int_equal(json_object_size(json), 0);
    json_decref(json);
}

/* Fields of `line` and back, as text in the order they came. */
static char *through_fields(enum avj_entity entity, const char *line)
{
    struct avj_pack pack = {0};
    struct avj_error err = {0};
    json_t *object = loaded(line);

    assert_int_equal(avj_json_to_fields(entity, object, &pack, &err), AVJ_OK);
    json_t *back = avj_json_from_fields((struct avj_fields){pack.data, pack.len});
    char *text = json_dumps(back, 0);
    json_decref(object);
    json_decref(back);
    avj_pack_release(&pack);
    return text;
}

static void fields_come_in_schema_order_whatever_the_line_has(void **state)
{
    static const struct {
        enum avj_entity entity;
        const char *line, *fields;
    } cases[] = {
        {AVJ_THREAD, "{\"title\": \"t\", \"kind\": \"thread\", \"id\": \"a\"}",
         "{\"id\": \"a\", \"title\": \"t\"}"},
        {AVJ_MESSAGE,
         "{\"content\": \"c\", \"role\": \"user\", \"id\": \"m\", \"threadId\": \"t\"}",
         "{\"id\": \"m\", \"threadId\": \"t\", \"role\": \"user\", \"content\": \"c\"}"},
        /* names the schema does not know stand behind, in byte order, and are kept whole */
        {AVJ_THREAD, "{\"zeta\": [1, {\"x\": null}], \"alpha\": 2.5, \"id\": \"a\"}",
         "{\"id\": \"a\", \"alpha\": 2.5, \"zeta\": [1, {\"x\": null}]}"},
        /* null is absent, for known and for unknown names */
        {AVJ_THREAD, "{\"id\": \"a\", \"tags\": null, \"other\": null}", "{\"id\": \"a\"}"},
        {AVJ_THREAD, "{}", "{}"},
        {AVJ_MESSAGE, "{\"attachments\": [{\"size\": 3}], \"webSearchResults\": \"text\"}",
         "{\"webSearchResults\": \"text\", \"attachments\": [{\"size\": 3}]}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = through_fields(cases[i].entity, cases[i].line);
        assert_string_equal(text, cases[i].fields);
        free(text);
    }
}

static void a_field_of_the_wrong_type_is_refused_by_name(void **state)
{
    static const struct {
        enum avj_entity entity;
        const char *line, *names;
    } cases[] = {
        {AVJ_THREAD, "{\"id\": 1}", "id"},
        {AVJ_THREAD, "{\"title\": [\"t\"]}", "title"},
        {AVJ_THREAD, "{\"isPinned\": \"yes\"}", "isPinned"},
        {AVJ_THREAD, "{\"isPinned\": 1}", "isPinned"},
        {AVJ_THREAD, "{\"tags\": \"one\"}", "tags"},
        {AVJ_THREAD, "{\"tags\": [\"one\", 2]}", "tags"},
        {AVJ_THREAD, "{\"createdAt\": 1700000000000}", "createdAt"},
        {AVJ_PROJECT, "{\"colorIndex\": 1.5}", "colorIndex"},
        {AVJ_MESSAGE, "{\"content\": {}}", "content"},
        {AVJ_MESSAGE, "[]", "object"},
        {AVJ_MESSAGE, "\"text\"", "object"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct avj_pack pack = {0};
        struct avj_error err = {0};
        json_t *object = loaded(cases[i].line);
        assert_int_equal(avj_json_to_fields(cases[i].entity, object, &pack, &err), AVJ_EFORMAT);
        if (!strstr(err.message, cases[i].names))
            fail_msg("%s: '%s' does not name %s", cases[i].line, err.message, cases[i].names);
        assert_int_equal(avj_json_to_fields(cases[i].entity, object, &pack, NULL), AVJ_EFORMAT);
        json_decref(object);
        avj_pack_release(&pack);
    }
}

/* {"id": "a", "deep": [[[...]]]} with that many lists. */
static json_t *nested(int levels)
{
    json_t *inner = json_integer(1);

    while (levels-- > 0)
        inner = json_pack("[o]", inner);
    return json_pack("{s:s, s:o}", "id", "a", "deep", inner);
}

static void nesting_is_taken_as_deep_as_an_entry_can_hold_it(void **state)
{
    struct avj_pack pack = {0};
    struct avj_error err = {0};
    int taken = 0;

    (void)state;
    for (int levels = 0; levels < 200; levels++) {
        json_t *object = nested(levels);
        enum avj_status status = avj_json_to_fields(AVJ_THREAD, object, &pack, &err);
        json_decref(object);
        avj_pack_reset(&pack);
        if (status == AVJ_OK) {
            assert_int_equal(taken, levels);
            taken++;
            continue;
        }
        assert_int_equal(status, AVJ_EFORMAT);
        assert_non_null(strstr(err.message, "deep"));
    }
    assert_true(taken > 16 && taken < AVJ_VALUE_DEPTH_MAX);
    avj_pack_release(&pack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_values_come_back_as_the_same_json),
        cmocka_unit_test(whole_numbers_and_reals_keep_their_kind),
        cmocka_unit_test(what_json_cannot_spell_becomes_null),
        cmocka_unit_test(keys_that_json_cannot_spell_are_left_out_or_spelled),
        cmocka_unit_test(no_fields_are_an_empty_object),
        cmocka_unit_test(fields_come_in_schema_order_whatever_the_line_has),
        cmocka_unit_test(a_field_of_the_wrong_type_is_refused_by_name),
        cmocka_unit_test(nesting_is_taken_as_deep_as_an_entry_can_hold_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
