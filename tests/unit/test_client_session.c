/* DIR/session.json. */
#include "tests/support/cases.h"

#include "net/client_session.h"
#include "tests/support/files.h"

#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    *state = test_dir_new();
    return 0;
}

static int teardown(void **state)
{
    test_dir_free(*state);
    return 0;
}

static const struct avj_session alice = {.endpoint = (char *)(uintptr_t) "http://h/v1",
                                         .project = (char *)(uintptr_t) "p",
                                         .user = (char *)(uintptr_t) "alice",
                                         .email = (char *)(uintptr_t) "alice@localhost",
                                         .secret = (char *)(uintptr_t) "the-secret"};

static void a_session_comes_back_as_it_was_kept(void **state)
{
    struct avj_error err;
    struct avj_session got;
    assert_ok(avj_session_save(*state, &alice, &err), err);
    assert_ok(avj_session_load(*state, &got, &err), err);
    assert_string_equal(got.endpoint, alice.endpoint);
    assert_string_equal(got.project, alice.project);
    assert_string_equal(got.user, alice.user);
    assert_string_equal(got.email, alice.email);
    assert_string_equal(got.secret, alice.secret);
    avj_session_release(&got);
}

static void only_its_owner_can_read_it_whatever_was_there_before(void **state)
{
    struct avj_error err;
    struct stat info;
    char *path = test_path(*state, "session.json"), *temp = test_path(*state, "session.json.tmp");
    test_write_file(path, "{}", 2);
    test_write_file(temp, "{}", 2);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(temp, 0666), 0);
    assert_ok(avj_session_save(*state, &alice, &err), err);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_false(test_exists(temp));
    free(path);
    free(temp);
}

static void a_damaged_file_asks_for_a_login(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "{\"endpoint\":\"e\",\"project\":\"p\",\"userId\":\"u\",\"email\":\"m\"}",
        "{\"endpoint\":\"e\",\"project\":\"p\",\"userId\":\"u\",\"email\":\"m\",\"secret\":7}",
        ("{\"endpoint\":\"e\",\"project\":\"p\",\"userId\":\"u\",\"email\":\"m\",\"secret\":"
         "\"a\\r\\nX: y\"}"),
    };
    struct avj_error err;
    struct avj_session got;
    char *path = test_path(*state, "session.json");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        test_write_file(path, texts[i], strlen(texts[i]));
        assert_status(AVJ_EFORMAT, avj_session_load(*state, &got, &err), err);
        assert_null(strstr(err.message, "X: y"));
    }
    free(path);
}

static void without_a_file_nobody_is_signed_in(void **state)
{
    struct avj_error err;
    struct avj_session got;
    assert_status(AVJ_ENOTFOUND, avj_session_load(*state, &got, &err), err);
    assert_ok(avj_session_remove(*state, &err), err);
    assert_ok(avj_session_save(*state, &alice, &err), err);
    assert_ok(avj_session_remove(*state, &err), err);
    assert_status(AVJ_ENOTFOUND, avj_session_load(*state, &got, &err), err);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_session_comes_back_as_it_was_kept),
        CASE(only_its_owner_can_read_it_whatever_was_there_before),
        CASE(a_damaged_file_asks_for_a_login),
        CASE(without_a_file_nobody_is_signed_in),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
