/*
 * Golden journals, valid and invalid, of every version that there was: they are read for ever just
 * as they were read when they were made (the text beside each says how), by cursor and by scan.
 * Those that are sound can be appended to; of the others no byte is changed by trying.
 */
#include "tests/golden/describe.h"

#include "tests/support/journal_case.h"

#include <dirent.h>

static char *golden_folder(void)
{
    const char *source = getenv("AVJ_SOURCE");

    return test_path(source ? source : ".", "tests/golden/journals");
}

static bool has_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);

    return at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void must_read_as(const char *dir, const char *expected, const char *name)
{
    char *got = golden_describe(avj_io_posix(), dir);

    if (strcmp(got, expected) != 0)
        fail_msg("%s reads differently now.  Wanted:\n%sgot:\n%s", name, expected, got);
    free(got);
}

static enum avj_status append_one(const char *dir, struct avj_error *err)
{
    static const struct avj_slice record = {"behind everything", 17};
    struct avj_journal *journal = NULL;
    enum avj_status status = avj_journal_open(dir, NULL, &journal, err);

    if (status == AVJ_OK)
        status = avj_journal_append(journal, &record, 1, AVJ_DURABLE, NULL, err);
    avj_journal_close(journal);
    return status;
}

/* What was read before comes first, then the new record. */
static void must_go_on(const char *dir, const char *expected)
{
    size_t before = (size_t)(strstr(expected, "read AVJ_END") - expected);
    char *got = golden_describe(avj_io_posix(), dir), line[80];

    assert_memory_equal(got, expected, before);
    snprintf(line, sizeof line, " 17 %016llx\nread AVJ_END\n",
             (unsigned long long)avj_hash64("behind everything", 17));
    assert_contains(got + before, line);
    free(got);
}

static void one_golden(void **state)
{
    const char *name = *state;
    char *folder = golden_folder(), *scratch = test_dir_new();
    char *from = test_path(folder, "%s", name), *text = test_path(folder, "%s.txt", name);
    char *dir = test_path(scratch, "j");
    struct avj_error err = {0};
    size_t len;
    char *file = (char *)test_read_file(text, &len), *expected = strchr(file, '\n') + 1;
    enum avj_status status;

    print_message("%.*s\n", (int)(expected - file - 1), file);
    test_copy_tree(from, dir);
    must_read_as(dir, expected, name);
    status = append_one(dir, &err);
    if (status == AVJ_OK && has_line(expected, "read AVJ_END"))
        must_go_on(dir, expected);
    else if (status != AVJ_OK)
        must_read_as(dir, expected, name);
    if (status != AVJ_OK)
        assert_true(!has_line(expected, "read AVJ_END") || status == AVJ_EVERSION);
    free(file);
    free(from);
    free(text);
    free(dir);
    test_dir_free(scratch);
    free(folder);
}

static int is_text(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

int main(void)
{
    char *folder = golden_folder();
    struct dirent **names;
    int count = scandir(folder, &names, is_text, alphasort), failed;
    struct CMUnitTest *tests = calloc(count > 0 ? (size_t)count : 1, sizeof *tests);

    if (count <= 0 || !tests) {
        fprintf(stderr, "%s: no golden journals\n", folder);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        names[i]->d_name[strlen(names[i]->d_name) - 4] = 0; /* the journal's folder */
        tests[i] = (struct CMUnitTest){
            .name = names[i]->d_name, .test_func = one_golden, .initial_state = names[i]->d_name};
    }
    failed = _cmocka_run_group_tests("golden journals", tests, (size_t)count, NULL, NULL);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    free(tests);
    free(folder);
    return failed;
}
