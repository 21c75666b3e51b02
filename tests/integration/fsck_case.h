/*
 * A small journal of several segments to be damaged, and what a check of it says.
 */
#ifndef FSCK_CASE_H
#define FSCK_CASE_H

#include "tests/support/cases.h"
#include "tests/support/files.h"

#include "fsck/fsck.h"
#include "journal/bytes.h"
#include "replay/store.h"

#define HEADER   4096u
#define SEGMENTS 4u

/* ---- what a run said ---- */

struct seen {
    unsigned by_code[FSCK_CODES];
    unsigned findings;
    struct fsck_finding first[FSCK_CODES]; /* ids are not kept */
    char threads[8][64];                   /* of any finding */
    size_t thread_count;
    struct fsck_summary summary;
    unsigned summaries;
    struct avj_error err;
    int code;
};

static inline void see_finding(void *arg, const struct fsck_finding *finding)
{
    struct seen *seen = arg;

    if (seen->by_code[finding->code]++ == 0)
        seen->first[finding->code] = *finding;
    seen->findings++;
    for (size_t i = 0; i < finding->threads.count && seen->thread_count < 8; i++)
        snprintf(seen->threads[seen->thread_count++], 64, "%s", finding->threads.ids[i]);
}

static inline void see_summary(void *arg, const struct fsck_summary *summary)
{
    struct seen *seen = arg;

    seen->summary = *summary;
    seen->summaries++;
}

static inline void check_with(const char *dir, const struct fsck_options *options,
                              struct seen *seen)
{
    struct fsck_sink sink = {.arg = seen, .finding = see_finding, .summary = see_summary};

    memset(seen, 0, sizeof *seen);
    seen->code = fsck_run(dir, options, &sink, &seen->err);
    assert_int_equal(seen->summaries, 1);
    assert_int_equal(seen->code, seen->summary.exit_code);
}

static inline void check(const char *dir, struct seen *seen)
{
    check_with(dir, NULL, seen);
}

static inline void print_seen(const struct seen *seen)
{
    for (int code = 0; code < FSCK_CODES; code++)
        if (seen->by_code[code])
            print_message("  %s %s: segment %llu offset %llu length %llu, records %llu..%llu %s\n",
                          fsck_kind((enum fsck_code)code)->id,
                          fsck_kind((enum fsck_code)code)->title,
                          (unsigned long long)seen->first[code].segment,
                          (unsigned long long)seen->first[code].offset,
                          (unsigned long long)seen->first[code].length,
                          (unsigned long long)seen->first[code].first_seq,
                          (unsigned long long)seen->first[code].last_seq, seen->first[code].detail);
    print_message("  exit %d, lost %llu, %s\n", seen->code,
                  (unsigned long long)seen->summary.lost_records, seen->err.message);
}

/* ---- journals ---- */

struct fixture {
    char *folder;
    char *dir;
    uint64_t records;
};

static inline char *segment_path(const char *dir, uint64_t number)
{
    return test_path(dir, "segments/%016llx.seg", (unsigned long long)number);
}

/* Journals that were forked write other records of the same length. */
static bool forked;

static inline void add_local(struct avj_pack *pack, uint64_t number)
{
    char id[48], text[200];

    snprintf(id, sizeof id, "message-%llu", (unsigned long long)number);
    snprintf(text, sizeof text, "record %llu says something that does not matter %s",
             (unsigned long long)number, forked ? "here" : "much");
    avj_pack_reset(pack);
    avj_entry_begin(pack, AVJ_E_LOCAL, (uint64_t)1 << 40 | number << 16, "session-a", AVJ_MESSAGE,
                    id, 3);
    avj_pack_cstr(pack, "o");
    avj_pack_cstr(pack, "create");
    avj_pack_cstr(pack, "f");
    avj_pack_map(pack, 5);
    avj_pack_cstr(pack, "id");
    avj_pack_cstr(pack, id);
    avj_pack_cstr(pack, "threadId");
    avj_pack_cstr(pack, "thread-1");
    avj_pack_cstr(pack, "content");
    avj_pack_cstr(pack, text);
    avj_pack_cstr(pack, "role");
    avj_pack_cstr(pack, "user");
    avj_pack_cstr(pack, "createdAt");
    avj_pack_cstr(pack, "2026-01-01T00:00:00.000Z");
    avj_pack_cstr(pack, "u");
    avj_pack_nil(pack);
}

static inline void add_thread(struct avj_pack *pack)
{
    avj_pack_reset(pack);
    avj_entry_begin(pack, AVJ_E_LOCAL, (uint64_t)1 << 40, "session-a", AVJ_THREAD, "thread-1", 3);
    avj_pack_cstr(pack, "o");
    avj_pack_cstr(pack, "create");
    avj_pack_cstr(pack, "f");
    avj_pack_map(pack, 4);
    avj_pack_cstr(pack, "id");
    avj_pack_cstr(pack, "thread-1");
    avj_pack_cstr(pack, "title");
    avj_pack_cstr(pack, "A thread");
    avj_pack_cstr(pack, "createdAt");
    avj_pack_cstr(pack, "2026-01-01T00:00:00.000Z");
    avj_pack_cstr(pack, "updatedAt");
    avj_pack_cstr(pack, "2026-01-01T00:00:00.000Z");
    avj_pack_cstr(pack, "u");
    avj_pack_nil(pack);
}

static inline void append(struct avj_journal *journal, uint64_t number,
                          enum avj_durability durability)
{
    struct avj_pack pack = {0};
    struct avj_error err = {0};

    if (number == 1)
        add_thread(&pack);
    else
        add_local(&pack, number);
    assert_false(pack.failed);
    struct avj_slice record = {pack.data, pack.len};
    uint64_t seq;
    assert_ok(avj_journal_append(journal, &record, 1, durability, &seq, &err), err);
    assert_int_equal(seq, number);
    avj_pack_release(&pack);
}

static inline struct avj_journal *open_it(const char *dir)
{
    struct avj_journal *journal = NULL;
    struct avj_error err = {0};

    assert_ok(avj_journal_open(dir, NULL, &journal, &err), err);
    return journal;
}

/* Three records more. */
static inline void fill(const char *dir, uint64_t *number)
{
    struct avj_journal *journal = open_it(dir);

    for (int i = 0; i < 3; i++)
        append(journal, (*number)++, AVJ_DURABLE);
    avj_journal_close(journal);
}

/* A torn append makes the next one begin a segment; its remains are cut off again, so that the
 * files look like any others. */
static inline void begin_segment(const char *dir, uint64_t last, uint64_t *number)
{
    char *path = segment_path(dir, last);
    uint64_t end = test_file_size(path);

    test_append_file(path, "torn", 4);
    struct avj_journal *journal = open_it(dir);
    append(journal, (*number)++, AVJ_DURABLE);
    avj_journal_close(journal);
    test_truncate_file(path, end);
    free(path);
}

/* A journal of `segments` segments of a few hundred bytes: three records in the first, four in the
 * others. */
static inline uint64_t build(const char *dir, unsigned segments)
{
    struct avj_error err = {0};
    uint64_t number = 1;

    assert_ok(avj_journal_create(dir, NULL, &err), err);
    for (unsigned s = 1; s <= segments; s++) {
        fill(dir, &number);
        if (s < segments)
            begin_segment(dir, s, &number);
    }
    return number;
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->folder = test_dir_new();
    f->dir = test_path(f->folder, "j");
    f->records = build(f->dir, SEGMENTS) - 1;
    *state = f;
    return 0;
}

static inline int setup_empty(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->folder = test_dir_new();
    f->dir = test_path(f->folder, "j");
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    free(f->dir);
    test_dir_free(f->folder);
    free(f);
    return 0;
}

#define WHOLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define EMPTY(test) cmocka_unit_test_setup_teardown(test, setup_empty, teardown)

#endif
