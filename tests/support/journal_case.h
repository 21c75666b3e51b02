/*
 * A folder with a journal in it, for cmocka tests of the journal: set-up and tear-down, and opening
 * that must succeed.
 */
#ifndef TEST_JOURNAL_CASE_H
#define TEST_JOURNAL_CASE_H

#include "tests/support/cases.h"
#include "tests/support/files.h"
#include "tests/support/numbered.h"

struct journal_case {
    char *folder; /* of everything the test makes */
    char *dir;    /* the journal: "FOLDER/j" */
};

/* An empty folder and no journal yet. */
static inline int journal_case_setup(void **state)
{
    struct journal_case *c = calloc(1, sizeof *c);

    if (!c)
        return -1;
    c->folder = test_dir_new();
    c->dir = test_path(c->folder, "j");
    *state = c;
    return 0;
}

static inline int journal_case_teardown(void **state)
{
    struct journal_case *c = *state;

    free(c->dir);
    test_dir_free(c->folder);
    free(c);
    return 0;
}

#define JOURNAL_CASE(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, journal_case_setup, journal_case_teardown)

static inline void create_journal(const char *dir, const struct avj_journal_options *options)
{
    struct avj_error err = {0};

    assert_ok(avj_journal_create(dir, options, &err), err);
}

static inline struct avj_journal *open_journal(const char *dir,
                                               const struct avj_journal_options *options)
{
    struct avj_journal *journal = NULL;
    struct avj_error err = {0};

    assert_ok(avj_journal_open(dir, options, &journal, &err), err);
    assert_non_null(journal);
    return journal;
}

/* Appends numbered records from..from+count-1, which must get just those sequence numbers. */
static inline void append_numbered(struct avj_journal *journal, uint64_t from, size_t count,
                                   enum avj_durability durability)
{
    struct avj_error err = {0};
    uint64_t seq = 0;

    assert_ok(numbered_append(journal, from, count, durability, &seq, &err), err);
    assert_int_equal(seq, from);
}

/* Exactly the numbered records 1..last are there. */
static inline void assert_numbered(struct avj_journal *journal, uint64_t last)
{
    struct avj_error err = {0};
    uint64_t seen = 0;

    assert_status(AVJ_END, numbered_verify(journal, &seen, &err), err);
    assert_int_equal(seen, last);
}

static inline struct avj_journal_info journal_info(struct avj_journal *journal)
{
    struct avj_journal_info info = {0};
    struct avj_error err = {0};

    assert_ok(avj_journal_info(journal, &info, &err), err);
    return info;
}

static inline size_t count_segments(const char *dir)
{
    char *folder = test_path(dir, "segments");
    size_t count = test_count_names(folder, ".seg");

    free(folder);
    return count;
}

/* The path of the newest segment; the caller frees. */
static inline char *last_segment(const char *dir)
{
    char *folder = test_path(dir, "segments"), *path = test_last_name(folder, ".seg");

    free(folder);
    assert_non_null(path);
    return path;
}

#endif
