/* Reading one text out of packed bytes, without a tree: what is there, and what is not quite. */
#include "replay/value.h"
#include "tests/support/cases.h"

static void find(struct avj_pack *pack, const char *key, const char *wanted)
{
    assert_false(pack->failed);
    struct avj_slice text = avj_packed_text(pack->data, pack->len, key);
    if (!wanted) {
        assert_null(text.data);
        assert_int_equal(text.len, 0);
        return;
    }
    assert_non_null(text.data);
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.data, wanted, text.len);
}

/* A text under every other kind of value, and long enough for each form of its header. */
static void pack_all(struct avj_pack *pack, size_t len, char *text)
{
    memset(text, 'x', len);
    text[len] = 0;
    avj_pack_map(pack, 6);
    avj_pack_cstr(pack, "nothing");
    avj_pack_nil(pack);
    avj_pack_cstr(pack, "list");
    avj_pack_list(pack, 2);
    avj_pack_cstr(pack, "text");
    avj_pack_cstr(pack, "no, that is an item");
    avj_pack_int(pack, 7);
    avj_pack_cstr(pack, "under a number");
    avj_pack_cstr(pack, "bytes");
    avj_pack_bytes(pack, "abc", 3);
    avj_pack_cstr(pack, "text");
    avj_pack_text(pack, text, len);
    avj_pack_cstr(pack, "empty");
    avj_pack_text(pack, "", 0);
}

static void test_a_text_is_found_whatever_its_length(void **state)
{
    static const size_t lengths[] = {1, 31, 32, 255, 256, 65535, 65536};
    static char text[65537];
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct avj_pack pack = {0};
        pack_all(&pack, lengths[i], text);
        find(&pack, "text", text);
        find(&pack, "empty", "");
        avj_pack_release(&pack);
    }
}

static void test_what_is_no_text_or_not_there_is_not_found(void **state)
{
    struct avj_pack pack = {0};
    char text[8];
    (void)state;
    pack_all(&pack, 5, text);
    find(&pack, "bytes", NULL);
    find(&pack, "nothing", NULL);
    find(&pack, "list", NULL);
    find(&pack, "tex", NULL);
    find(&pack, "text ", NULL);
    find(&pack, "", NULL);
    avj_pack_release(&pack);
    avj_pack_cstr(&pack, "text");
    find(&pack, "text", NULL);
    avj_pack_release(&pack);
    find(&pack, "text", NULL);
}

static void test_a_map_that_was_cut_off_gives_no_text_beyond_its_end(void **state)
{
    struct avj_pack pack = {0};
    char text[8];
    (void)state;
    pack_all(&pack, 5, text);
    for (size_t len = 0; len < pack.len; len++) {
        uint8_t *cut = malloc(len ? len : 1); /* its end is where a sanitizer looks */
        assert_non_null(cut);
        memcpy(cut, pack.data, len);
        struct avj_slice found = avj_packed_text(cut, len, "text");
        assert_true(!found.data || found.len == 5);
        free(cut);
    }
    avj_pack_release(&pack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_found_whatever_its_length),
        cmocka_unit_test(test_what_is_no_text_or_not_there_is_not_found),
        cmocka_unit_test(test_a_map_that_was_cut_off_gives_no_text_beyond_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
