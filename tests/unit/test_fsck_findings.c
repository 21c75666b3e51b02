/* The table of findings and the list of one run. */
#include "tests/support/cases.h"
#include "tests/support/files.h"

#include "fsck/fsck_findings.h"

static void every_kind_is_complete_and_its_id_is_its_own(void **state)
{
    (void)state;
    for (int code = 0; code < FSCK_CODES; code++) {
        const struct fsck_kind *kind = fsck_kind((enum fsck_code)code);
        unsigned number;
        char rest;
        assert_non_null(kind->id);
        assert_int_equal(strlen(kind->id), 8);
        assert_int_equal(sscanf(kind->id, "AVJ-F%u%c", &number, &rest), 1);
        assert_true(strlen(kind->title) > 5);
        assert_true(strlen(kind->meaning) > 10);
        assert_true(strlen(kind->next) > 10);
        for (int other = 0; other < code; other++)
            assert_string_not_equal(kind->id, fsck_kind((enum fsck_code)other)->id);
    }
}

/* Scripts rely on them: a change of this table breaks somebody. */
static void ids_that_were_given_stay(void **state)
{
    (void)state;
    static const struct {
        enum fsck_code code;
        const char *id;
    } given[] = {
        {FSCK_NO_SEGMENTS, "AVJ-F001"},
        {FSCK_SEGMENT_MISSING, "AVJ-F002"},
        {FSCK_UNREADABLE, "AVJ-F003"},
        {FSCK_NO_ACCESS, "AVJ-F004"},
        {FSCK_LEFTOVER, "AVJ-F005"},
        {FSCK_STRANGE_NAME, "AVJ-F006"},
        {FSCK_NO_LOCK, "AVJ-F007"},
        {FSCK_NO_WITNESS, "AVJ-F008"},
        {FSCK_SESSION_MODE, "AVJ-F009"},
        {FSCK_SEGMENT_HEADER, "AVJ-F010"},
        {FSCK_FRAME_HEADER, "AVJ-F011"},
        {FSCK_PAYLOAD, "AVJ-F012"},
        {FSCK_TRAILER, "AVJ-F013"},
        {FSCK_PADDING, "AVJ-F014"},
        {FSCK_DICTIONARY, "AVJ-F019"},
        {FSCK_INDEX, "AVJ-F028"},
        {FSCK_CONTENT, "AVJ-F029"},
        {FSCK_TRUNCATED, "AVJ-F015"},
        {FSCK_DECOMPRESS, "AVJ-F016"},
        {FSCK_UNSYNCED_TAIL, "AVJ-F017"},
        {FSCK_SET_ASIDE, "AVJ-F018"},
        {FSCK_FOREIGN, "AVJ-F020"},
        {FSCK_MISPLACED, "AVJ-F021"},
        {FSCK_PREDECESSOR, "AVJ-F022"},
        {FSCK_SHORT, "AVJ-F023"},
        {FSCK_CHAIN_BROKEN, "AVJ-F024"},
        {FSCK_SEQUENCE, "AVJ-F025"},
        {FSCK_MISSING_DURABLE, "AVJ-F026"},
        {FSCK_WITNESS_DIFFERS, "AVJ-F027"},
        {FSCK_NOT_AN_ENTRY, "AVJ-F030"},
        {FSCK_UNKNOWN_TYPES, "AVJ-F031"},
        {FSCK_NOT_FOLDED, "AVJ-F040"},
        {FSCK_FOLD_STOPPED, "AVJ-F041"},
        {FSCK_UNMATCHED_ACKS, "AVJ-F042"},
        {FSCK_NO_THREAD, "AVJ-F043"},
        {FSCK_NOT_FETCHED, "AVJ-F044"},
        {FSCK_SNAPSHOT_DAMAGED, "AVJ-F045"},
        {FSCK_SNAPSHOT_STALE, "AVJ-F046"},
        {FSCK_SNAPSHOT_DIFFERS, "AVJ-F047"},
        {FSCK_SNAPSHOT_LEFTOVER, "AVJ-F048"},
        {FSCK_SNAPSHOT_OTHER, "AVJ-F049"},
        {FSCK_UNFINISHED, "AVJ-F050"},
        {FSCK_MORE, "AVJ-F051"},
        {FSCK_LATER, "AVJ-F052"},
        {FSCK_CLOCK_BACK, "AVJ-F053"},
        {FSCK_INTERRUPTED, "AVJ-F054"},
        {FSCK_SHARED_ROW, "AVJ-F055"},
    };

    assert_int_equal(sizeof given / sizeof given[0], FSCK_CODES);
    for (size_t i = 0; i < FSCK_CODES; i++)
        assert_string_equal(fsck_kind(given[i].code)->id, given[i].id);
}

/* The page as it is read: no markup, one space between words. */
static void words_of(char *text)
{
    char *to = text;
    bool begun = false;

    for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
        end = strchr(line, '\n') ? strchr(line, '\n') : line + strlen(line);
        if (line[0] == '.' && strncmp(line, ".It AVJ-", 8) != 0)
            continue;
        if (begun)
            *to++ = ' ';
        begun = true;
        for (const char *at = line; at < end; at++)
            if (*at != '\\' && (*at != ' ' || at[1] != ' '))
                *to++ = *at;
    }
    *to = 0;
}

static void one_space(const char *text, char *out)
{
    for (; *text; text++)
        if (text[0] != ' ' || text[1] != ' ')
            *out++ = *text;
    *out = 0;
}

static void the_manual_says_of_each_what_it_means_and_what_to_do(void **state)
{
    (void)state;
    const char *source = getenv("AVJ_SOURCE");
    if (!source)
        skip();
    char *path = test_path(source, "fsck/avchat-fsck.8"), line[1200], meaning[512], next[512];
    size_t len;
    uint8_t *bytes = test_read_file(path, &len);
    char *manual = calloc(1, len + 1);

    memcpy(manual, bytes, len);
    words_of(manual);
    for (int code = 0; code < FSCK_CODES; code++) {
        const struct fsck_kind *kind = fsck_kind((enum fsck_code)code);
        one_space(kind->meaning, meaning);
        one_space(kind->next, next);
        snprintf(line, sizeof line, ".It %s %s (%s) %s Next: %s ", kind->id, kind->title,
                 fsck_severity_name(kind->severity), meaning, next);
        assert_contains(manual, line);
    }
    free(manual);
    free(bytes);
    free(path);
}

static void the_manual_tells_of_no_finding_that_there_is_not(void **state)
{
    (void)state;
    const char *source = getenv("AVJ_SOURCE");
    if (!source)
        skip();
    char *path = test_path(source, "fsck/avchat-fsck.8");
    size_t len, count = 0;
    uint8_t *bytes = test_read_file(path, &len);
    char *manual = calloc(1, len + 1);

    memcpy(manual, bytes, len);
    for (const char *at = manual; (at = strstr(at, "\n.It AVJ-")); at++)
        count++;
    assert_int_equal(count, FSCK_CODES);
    free(manual);
    free(bytes);
    free(path);
}

/* A step that names a command names one with options that there are. */
static void what_to_do_next_is_there_to_be_done(void **state)
{
    (void)state;
    static const char *const commands[] = {
        "avchat-fsck --repair", "avchat-fsck --salvage OUTDIR",
        "avchat-fsck --audit",  "avchat sync",
        "avchat login",         "avchat logout",
        "avchat conflicts",     "avchat stream --resume",
        "avchat stream --finish",
    };

    for (int code = 0; code < FSCK_CODES; code++) {
        const char *next = fsck_kind((enum fsck_code)code)->next;
        for (const char *at = next; (at = strstr(at, "avchat")); at++) {
            bool known = false;
            for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
                known = known || strncmp(at, commands[i], strlen(commands[i])) == 0;
            /* "with the newer avchat-fsck" speaks of the program. */
            if (!known && strncmp(at, "avchat-fsck to ", 15) != 0)
                fail_msg("%s: what is \"%.30s\"?", fsck_kind((enum fsck_code)code)->id, at);
        }
    }
}

static void what_is_too_much_is_counted_and_told(void **state)
{
    (void)state;
    struct fsck_findings list = {0};

    for (int i = 0; i < FSCK_FINDINGS_PER_KIND; i++)
        assert_non_null(fsck_findings_add(&list, FSCK_PAYLOAD));
    for (int i = 0; i < 7; i++)
        assert_null(fsck_findings_add(&list, FSCK_PAYLOAD));
    assert_non_null(fsck_findings_add(&list, FSCK_TRAILER));
    assert_int_equal(list.by_severity[FSCK_DAMAGED], FSCK_FINDINGS_PER_KIND + 8);
    fsck_findings_close(&list);
    assert_int_equal(list.count, FSCK_FINDINGS_PER_KIND + 2);
    assert_int_equal(list.items[list.count - 1]->code, FSCK_MORE);
    assert_int_equal(list.items[list.count - 1]->count, 7);
    assert_contains(list.items[list.count - 1]->detail, "AVJ-F012");
    assert_false(list.failed);
    fsck_findings_release(&list);
}

static void joined_lists_are_one(void **state)
{
    (void)state;
    struct fsck_findings list = {0}, other = {0};

    fsck_findings_add(&list, FSCK_PAYLOAD);
    struct fsck_finding *finding = fsck_findings_add(&other, FSCK_NOT_FETCHED);
    fsck_ids_add(&finding->messages, "m", 1);
    for (int i = 0; i <= FSCK_FINDINGS_PER_KIND; i++)
        fsck_findings_add(&other, FSCK_NO_THREAD);
    fsck_findings_join(&list, &other);
    assert_int_equal(other.count, 0);
    assert_int_equal(list.count, 2 + FSCK_FINDINGS_PER_KIND);
    assert_int_equal(list.by_code[FSCK_NO_THREAD], FSCK_FINDINGS_PER_KIND + 1);
    assert_int_equal(list.by_severity[FSCK_DAMAGED], 2);
    assert_int_equal(list.items[0]->code, FSCK_PAYLOAD);
    assert_int_equal(list.items[1]->code, FSCK_NOT_FETCHED);
    assert_string_equal(list.items[1]->messages.ids[0], "m");
    fsck_findings_release(&list);
    fsck_findings_release(&other);
}

static void an_id_is_listed_once_and_the_list_is_bounded(void **state)
{
    (void)state;
    struct fsck_findings list = {0};
    struct fsck_ids *ids = &fsck_findings_add(&list, FSCK_PAYLOAD)->messages;
    char id[16];

    fsck_ids_add(ids, "a", 1);
    fsck_ids_add(ids, "ab", 2);
    fsck_ids_add(ids, "a", 1);
    assert_int_equal(ids->count, 2);
    for (int i = 0; i < FSCK_IDS_MAX; i++)
        fsck_ids_add(ids, id, (size_t)snprintf(id, sizeof id, "n%d", i));
    assert_int_equal(ids->count, FSCK_IDS_MAX);
    assert_true(ids->more);
    fsck_findings_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_complete_and_its_id_is_its_own),
        cmocka_unit_test(ids_that_were_given_stay),
        cmocka_unit_test(the_manual_says_of_each_what_it_means_and_what_to_do),
        cmocka_unit_test(the_manual_tells_of_no_finding_that_there_is_not),
        cmocka_unit_test(what_to_do_next_is_there_to_be_done),
        cmocka_unit_test(what_is_too_much_is_counted_and_told),
        cmocka_unit_test(joined_lists_are_one),
        cmocka_unit_test(an_id_is_listed_once_and_the_list_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
