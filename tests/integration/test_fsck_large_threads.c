/*
 * The checker and a log that is longer than what it keeps in memory: read by one thread, folded by
 * another, and what entries change is read back from the files.
 */
#include "tests/integration/fsck_case.h"

#include "journal/maintain.h"
#include "tests/support/rng.h"

#include <errno.h>
#include <pthread.h>

#define MESSAGES  800u  /* of 12 KB: more than is kept of what was folded last */
#define LATER     1200u /* of them behind the edits: more than half of the segments */
#define EDITS     20u
#define TEXT      12000u
#define PER_FRAME 20u

/* Stamps go on behind those of the edits. */
static uint64_t stamps_from;

/* What does not compress, so that there are several segments. */
static void add_large(struct avj_pack *pack, struct test_rng *rng, uint64_t number)
{
    static char text[TEXT];
    char id[48];

    for (size_t i = 0; i < TEXT; i++)
        text[i] = (char)(' ' + test_rng_below(rng, 95));
    snprintf(id, sizeof id, "message-%llu", (unsigned long long)number);
    avj_entry_begin(pack, AVJ_E_LOCAL, stamps_from + (number << 16), "session-a", AVJ_MESSAGE, id,
                    2);
    avj_pack_cstr(pack, "o");
    avj_pack_cstr(pack, "create");
    avj_pack_cstr(pack, "f");
    avj_pack_map(pack, 4);
    avj_pack_cstr(pack, "threadId");
    avj_pack_cstr(pack, "thread-1");
    avj_pack_cstr(pack, "content");
    avj_pack_text(pack, text, TEXT);
    avj_pack_cstr(pack, "role");
    avj_pack_cstr(pack, "user");
    avj_pack_cstr(pack, "createdAt");
    avj_pack_cstr(pack, "2026-01-01T00:00:00.000+00:00");
}

static void append_frame(struct avj_journal *journal, struct test_rng *rng, uint64_t *number)
{
    struct avj_pack packs[PER_FRAME] = {{0}};
    struct avj_slice records[PER_FRAME];
    struct avj_error err = {0};

    for (unsigned i = 0; i < PER_FRAME; i++) {
        add_large(&packs[i], rng, (*number)++);
        records[i] = (struct avj_slice){packs[i].data, packs[i].len};
    }
    assert_ok(avj_journal_append(journal, records, PER_FRAME, AVJ_RELAXED, NULL, &err), err);
    for (unsigned i = 0; i < PER_FRAME; i++)
        avj_pack_release(&packs[i]);
}

static void append_messages(const char *dir, struct test_rng *rng, uint64_t *number, unsigned count)
{
    struct avj_journal_options options = {.segment_target = 1024 * 1024};
    struct avj_journal *journal;
    struct avj_error err = {0};

    assert_ok(avj_journal_open(dir, &options, &journal, &err), err);
    for (unsigned i = 0; i < count; i += PER_FRAME)
        append_frame(journal, rng, number);
    avj_journal_close(journal);
}

static void edit_one(struct avj_store *store, unsigned number)
{
    struct avj_error err = {0};
    char id[48];

    snprintf(id, sizeof id, "message-%u", number);
    assert_ok(avj_message_edit(store, id, "short", 5, &err), err);
}

/* Those that were written first, and last. */
static void edit_some(const char *dir)
{
    struct avj_store_options options = {.journal = {.no_background = true}, .anonymous = true};
    struct avj_store *store;
    struct avj_error err = {0};

    assert_ok(avj_store_open(dir, &options, &store, &err), err);
    for (unsigned i = 0; i < EDITS; i++) {
        edit_one(store, 2 + 10 * i);
        edit_one(store, MESSAGES - 10 * i);
        if (i == EDITS / 2)
            assert_ok(avj_store_snapshot(store, NULL, &err), err);
    }
    avj_store_close(store);
}

struct large {
    char *folder, *dir;
    struct avj_store_status status;
};

static int setup_large(void **state)
{
    struct large *l = calloc(1, sizeof *l);
    struct avj_store_options options = {.read_only = true, .no_snapshots = true};
    struct avj_store *store;
    struct avj_error err = {0};
    struct test_rng rng;
    uint64_t number = 1;

    test_rng_init(&rng, 7);
    l->folder = test_dir_new();
    l->dir = test_path(l->folder, "j");
    assert_ok(avj_journal_create(l->dir, NULL, &err), err);
    struct avj_journal *journal = open_it(l->dir);
    append(journal, number++, AVJ_RELAXED);
    avj_journal_close(journal);
    stamps_from = (uint64_t)1 << 40;
    append_messages(l->dir, &rng, &number, MESSAGES);
    edit_some(l->dir);
    stamps_from = (uint64_t)avj_io_posix()->now_ms(NULL) << 16;
    append_messages(l->dir, &rng, &number, LATER);
    assert_ok(avj_store_open(l->dir, &options, &store, &err), err);
    assert_ok(avj_store_status(store, &l->status, &err), err);
    avj_store_close(store);
    *state = l;
    return 0;
}

static int teardown_large(void **state)
{
    struct large *l = *state;

    free(l->dir);
    test_dir_free(l->folder);
    free(l);
    return 0;
}

static void it_gives_what_the_store_shows(void **state)
{
    struct large *l = *state;
    struct seen seen;

    check(l->dir, &seen);
    if (seen.findings)
        print_seen(&seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_int_equal(seen.findings, 0);
    assert_true(seen.summary.fold_complete);
    assert_true(seen.summary.segments > 3);
    assert_int_equal(seen.summary.records, l->status.records);
    assert_int_equal(seen.summary.pending, l->status.pending);
    assert_memory_equal(seen.summary.view_digest, l->status.digest, 16);
}

static void its_snapshot_is_proven_in_full(void **state)
{
    struct large *l = *state;
    struct seen seen;

    check_with(l->dir, &(struct fsck_options){.deep = true}, &seen);
    if (seen.findings)
        print_seen(&seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_int_equal(seen.findings, 0);
    assert_memory_equal(seen.summary.view_digest, l->status.digest, 16);
}

/* The file system in which one segment can be read by the thread that checks it, not by the one
 * that needs a record of it again. */
static char once[4200];
static pthread_t checks;
static unsigned refused; /* changed by that other thread only */

static int open_for_one(void *ctx, const char *path, unsigned flags)
{
    (void)ctx;
    if (strcmp(path, once) == 0 && !pthread_equal(pthread_self(), checks)) {
        refused++;
        return -EIO;
    }
    return avj_io_posix()->open(NULL, path, flags);
}

static void check_reading_once(const char *dir, const char *segment, struct seen *seen)
{
    struct avj_io io = *avj_io_posix();

    snprintf(once, sizeof once, "%s", segment);
    checks = pthread_self();
    refused = 0;
    io.open = open_for_one;
    check_with(dir, &(struct fsck_options){.io = &io}, seen);
}

/* The one in the middle: that is where a search begins. */
static void a_bad_header_further_on_hides_no_record_before_it(void **state)
{
    struct large *l = *state;
    char *middle = segment_path(l->dir, l->status.segments / 2 + 1);
    struct seen seen;

    test_flip(middle, 100, 1);
    check_reading_once(l->dir, middle, &seen);
    test_flip(middle, 100, 1);
    assert_int_equal(refused, 0); /* it was not asked either */
    assert_int_equal(seen.code, FSCK_DAMAGE);
    assert_int_equal(seen.by_code[FSCK_SEGMENT_HEADER], 1);
    assert_int_equal(seen.by_code[FSCK_NOT_FETCHED], 0);
    assert_true(seen.summary.folded_to > 1 + MESSAGES + 2 * EDITS);
    assert_int_equal(seen.summary.pending, seen.summary.folded_to);
    free(middle);
}

static void a_record_that_is_gone_when_it_is_needed_is_a_finding(void **state)
{
    struct large *l = *state;
    char *first = segment_path(l->dir, 1);
    struct seen seen;

    check_reading_once(l->dir, first, &seen);
    assert_true(refused > 0);
    const struct fsck_finding *finding = &seen.first[FSCK_NOT_FETCHED];
    if (seen.by_code[FSCK_NOT_FETCHED] != 1)
        print_seen(&seen);
    assert_int_equal(seen.by_code[FSCK_NOT_FETCHED], 1);
    assert_int_equal(seen.code, FSCK_DAMAGE);
    assert_int_equal(finding->first_seq, 1 + MESSAGES + 1); /* the first edit */
    assert_int_equal(finding->messages.count, 1);
    assert_true(seen.summary.complete);
    assert_false(seen.summary.fold_complete);
    assert_int_equal(seen.summary.folded_to, 1 + MESSAGES);
    assert_int_equal(seen.summary.records, l->status.records);
    assert_int_equal(seen.summary.lost_records, 0);
    free(first);
}

/* The last test: it changes the journal. */
static void an_index_that_is_gone_hides_no_record(void **state)
{
    struct large *l = *state;
    struct avj_journal *journal = open_it(l->dir);
    struct avj_segment_header header;
    struct avj_error err = {0};
    char *first = segment_path(l->dir, 1);
    struct seen seen;

    assert_ok(avj_journal_maintain(journal, NULL, NULL, &err), err);
    avj_journal_close(journal);
    assert_ok(avj_read_segment_header(avj_io_posix(), first, &header, &err), err);
    assert_true(header.sealed);
    test_truncate_file(first, header.from.index_at);
    check(l->dir, &seen);
    if (!seen.summary.fold_complete)
        print_seen(&seen);
    assert_int_equal(seen.code, FSCK_DAMAGE);
    assert_int_equal(seen.by_code[FSCK_INDEX], 1);
    assert_int_equal(seen.findings, 1);
    assert_true(seen.summary.fold_complete);
    assert_memory_equal(seen.summary.view_digest, l->status.digest, 16);
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_what_the_store_shows),
        cmocka_unit_test(its_snapshot_is_proven_in_full),
        cmocka_unit_test(a_bad_header_further_on_hides_no_record_before_it),
        cmocka_unit_test(a_record_that_is_gone_when_it_is_needed_is_a_finding),
        cmocka_unit_test(an_index_that_is_gone_hides_no_record),
    };
    return cmocka_run_group_tests(tests, setup_large, teardown_large);
}
