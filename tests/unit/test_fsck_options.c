/* The command line of avchat-fsck: what each form of it means, and what is refused with which
 * words. */
#include "tests/support/cases.h"
#include "tests/support/files.h"

#include "fsck/fsck_options.h"

#define WORDS_MAX 8

struct options_case {
    const char *sentence;
    const char *words[WORDS_MAX]; /* behind the program's name */
    enum fsck_command command;
    const char *complaint; /* part of it */
    const char *path, *audit_id, *salvage;
    bool json, verbose, audit, deep, repair, dry_run;
    int64_t max_duration_ms;
};

static const struct options_case cases[] = {
    {"a folder is checked", {"dir"}, FSCK_DO_CHECK, .path = "dir"},
    {"options may stand behind it", {"dir", "--json"}, FSCK_DO_CHECK, .path = "dir", .json = true},
    {"options may be shortened", {"--verb", "dir"}, FSCK_DO_CHECK, .path = "dir", .verbose = true},
    {"every message is audited", {"--audit", "dir"}, FSCK_DO_CHECK, .path = "dir", .audit = true},
    {"one message is audited",
     {"--audit", "m1", "dir"},
     FSCK_DO_CHECK,
     .path = "dir",
     .audit = true,
     .audit_id = "m1"},
    {"one message is audited, with an equals sign",
     {"--audit=m1", "dir"},
     FSCK_DO_CHECK,
     .path = "dir",
     .audit = true,
     .audit_id = "m1"},
    {"a deep check is one option", {"--deep", "dir"}, FSCK_DO_CHECK, .path = "dir", .deep = true},
    {"seconds may have a fraction",
     {"--max-duration", "1.5", "dir"},
     FSCK_DO_CHECK,
     .path = "dir",
     .max_duration_ms = 1500},
    {"a very short time is not no limit",
     {"--max-duration=0.0001", "dir"},
     FSCK_DO_CHECK,
     .path = "dir",
     .max_duration_ms = 1},
    {"a folder may look like an option", {"--", "--json"}, FSCK_DO_CHECK, .path = "--json"},
    {"help is given without a folder", {"--help"}, FSCK_DO_HELP, .complaint = NULL},
    {"the version is given without a folder", {"--version"}, FSCK_DO_VERSION, .complaint = NULL},
    {"no folder is refused", {NULL}, FSCK_DO_COMPLAIN, .complaint = "name the folder"},
    {"two folders are refused", {"a", "b"}, FSCK_DO_COMPLAIN, .complaint = "\"b\" is too many"},
    {"an empty folder name is refused", {""}, FSCK_DO_COMPLAIN, .complaint = "empty"},
    {"an empty message id is refused",
     {"--audit=", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "id is empty"},
    {"three words for an audit are refused",
     {"--audit", "m", "a", "b"},
     FSCK_DO_COMPLAIN,
     .complaint = "many"},
    {"an unknown option is named", {"--bogus", "d"}, FSCK_DO_COMPLAIN, .complaint = "\"--bogus\""},
    {"an unknown short option is named", {"-x", "d"}, FSCK_DO_COMPLAIN, .complaint = "\"-x\""},
    {"a missing value is asked for",
     {"--max-duration"},
     FSCK_DO_COMPLAIN,
     .complaint = "needs a value"},
    {"a value that is not taken is refused",
     {"--json=yes", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "--json=yes"},
    {"no number is refused",
     {"--max-duration", "soon", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "\"soon\""},
    {"zero seconds are refused",
     {"--max-duration", "0", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "above 0"},
    {"negative seconds are refused",
     {"--max-duration=-1", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "above 0"},
    {"infinite seconds are refused",
     {"--max-duration=inf", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "above 0"},
    {"no-number seconds are refused",
     {"--max-duration=nan", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "above 0"},
    {"seconds with a unit are refused",
     {"--max-duration=5s", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "\"5s\""},
    {"a repair", {"--repair", "d"}, FSCK_DO_CHECK, .path = "d", .repair = true},
    {"a repair may be tried",
     {"d", "--dry-run", "--repair"},
     FSCK_DO_CHECK,
     .path = "d",
     .repair = true,
     .dry_run = true},
    {"a trial without a repair is refused",
     {"--dry-run", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "goes with --repair"},
    {"a repair does not audit",
     {"--repair", "--audit", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "--repair goes without"},
    {"a repair is not cut short",
     {"--repair", "--max-duration=1", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "--repair goes without"},
    {"a salvage", {"--salvage", "to", "d"}, FSCK_DO_CHECK, .path = "d", .salvage = "to"},
    {"a salvage, with an equals sign",
     {"--salvage=to", "d"},
     FSCK_DO_CHECK,
     .path = "d",
     .salvage = "to"},
    {"a salvage needs a folder to write to",
     {"d", "--salvage"},
     FSCK_DO_COMPLAIN,
     .complaint = "needs a value"},
    {"a salvage repairs nothing",
     {"--repair", "--salvage", "to", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "goes without"},
    {"a salvage does not audit",
     {"--salvage", "to", "--audit", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "--salvage goes without"},
    {"a report needs the audit's numbers",
     {"--report", "f.html", "d"},
     FSCK_DO_CHECK,
     .path = "d",
     .audit = true},
    {"a message is audited by name",
     {"--audit", "--message", "m1", "d"},
     FSCK_DO_CHECK,
     .path = "d",
     .audit = true,
     .audit_id = "m1"},
    {"a thread is audited by name",
     {"--audit", "--thread", "t1", "d"},
     FSCK_DO_CHECK,
     .path = "d",
     .audit = true,
     .audit_id = "t1"},
    {"an audit begins at a time",
     {"--audit", "--since", "2026-01-02", "d"},
     FSCK_DO_CHECK,
     .path = "d",
     .audit = true},
    {"a time that is none is refused",
     {"--audit", "--since", "yesterday", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "--since takes a time"},
    {"a thread without an audit is refused",
     {"--thread", "t1", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "belong to --audit"},
    {"two ids are refused",
     {"--audit", "--thread", "t1", "--message", "m1", "d"},
     FSCK_DO_COMPLAIN,
     .complaint = "one id at a time"},
};

static void parse(const struct options_case *c, struct fsck_command_line *line)
{
    char program[] = "avchat-fsck", copies[WORDS_MAX][64];
    char *argv[WORDS_MAX + 2] = {program};
    int argc = 1;

    for (; argc <= WORDS_MAX && c->words[argc - 1]; argc++) {
        snprintf(copies[argc - 1], sizeof copies[0], "%s", c->words[argc - 1]);
        argv[argc] = copies[argc - 1];
    }
    fsck_options_parse(argc, argv, line);
    /* The strings are those of `copies`: those that are compared behind this are the table's. */
    for (int i = 0; i < argc - 1; i++) {
        if (line->path == copies[i])
            line->path = c->words[i];
        if (line->salvage == copies[i])
            line->salvage = c->words[i];
        if (line->salvage == copies[i] + strlen("--salvage="))
            line->salvage = c->words[i] + strlen("--salvage=");
        if (line->options.audit_id == copies[i])
            line->options.audit_id = c->words[i];
        if (line->report == copies[i])
            line->report = c->words[i];
        if (line->options.audit_id == copies[i] + strlen("--audit="))
            line->options.audit_id = c->words[i] + strlen("--audit=");
    }
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void every_form_means_what_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct options_case *c = &cases[i];
        struct fsck_command_line line;
        parse(c, &line);
        bool good = line.command == c->command;
        if (good && c->command == FSCK_DO_COMPLAIN)
            good = strstr(line.complaint, c->complaint) && !strchr(line.complaint, '\n');
        if (good && c->command == FSCK_DO_CHECK)
            good = same(line.path, c->path) && same(line.salvage, c->salvage) &&
                   same(line.options.audit_id, c->audit_id) && line.json == c->json &&
                   line.verbose == c->verbose && line.options.audit == c->audit &&
                   line.options.deep == c->deep &&
                   line.options.max_duration_ms == c->max_duration_ms;
        if (!good)
            print_error("%s: got command %d, \"%s\"\n", c->sentence, (int)line.command,
                        line.complaint);
        assert_true(good);
    }
}

static void help_lists_what_there_is_and_nothing_else(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    fsck_options_help(out);
    fclose(out);
    for (size_t i = 0; i < 11; i++) {
        static const char *const there[] = {"--json",
                                            "--deep",
                                            "--audit [MESSAGE-ID]",
                                            "--max-duration",
                                            "--verbose",
                                            "--help",
                                            "--version",
                                            "--repair",
                                            "--dry-run",
                                            "--salvage OUTDIR",
                                            "--report FILE.html"};
        assert_contains(text, there[i]);
    }
    free(text);
}

/* Both ways: what one has, the other has. */
static void the_manual_has_the_options_that_help_has(void **state)
{
    (void)state;
    char *text = NULL, name[40], wanted[64];
    size_t len;
    const char *source = getenv("AVJ_SOURCE");
    char *path = test_path(source ? source : ".", "fsck/avchat-fsck.8");
    uint8_t *bytes = test_read_file(path, &len);
    char *manual = calloc(1, len + 1);

    memcpy(manual, bytes, len);
    FILE *out = open_memstream(&text, &len);
    fsck_options_help(out);
    fclose(out);
    for (const char *at = text; (at = strstr(at, "\n  --")); at++) {
        assert_int_equal(sscanf(at, "\n  --%39[a-z-]", name), 1);
        snprintf(wanted, sizeof wanted, "\n.It Fl \\-%s", name);
        if (!strstr(manual, wanted))
            fail_msg("the manual has no --%s", name);
    }
    for (const char *at = manual; (at = strstr(at, "\n.It Fl \\-")); at++) {
        assert_int_equal(sscanf(at, "\n.It Fl \\-%39[a-z-]", name), 1);
        snprintf(wanted, sizeof wanted, "\n  --%s", name);
        if (!strstr(text, wanted))
            fail_msg("--help has no --%s", name);
    }
    free(text);
    free(manual);
    free(bytes);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_means_what_it_should),
        cmocka_unit_test(help_lists_what_there_is_and_nothing_else),
        cmocka_unit_test(the_manual_has_the_options_that_help_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
