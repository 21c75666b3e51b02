/*
 * Damage.  A tail that nobody was promised is set aside and the log goes on in a new segment;
 * damage to what was promised is reported with its place; and never, whatever the bytes say, is a
 * wrong record given out.
 */
#include "journal/format.h"
#include "journal/witness.h"
#include "tests/support/journal_case.h"
#include "tests/support/rng.h"

static const struct avj_journal_options small = {.segment_target = 64 * 1024};
static const struct avj_journal_options read_only = {.read_only = true};

#define DURABLE 20

/* Records 1..DURABLE durable, then `relaxed` more as one frame, as a process leaves them that is
 * killed: a copy of the files made while the journal is open.  Returns the copy's path; *tail gets
 * the offset of the last frame. */
static char *killed_journal(struct journal_case *c, size_t relaxed, uint64_t *tail)
{
    char *image = test_path(c->folder, "image"), *segment;
    struct avj_journal *journal;

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    for (uint64_t from = 1; from <= DURABLE; from += 5)
        append_numbered(journal, from, 5, AVJ_DURABLE);
    segment = last_segment(c->dir);
    *tail = test_file_size(segment);
    if (relaxed > 0)
        append_numbered(journal, DURABLE + 1, relaxed, AVJ_RELAXED);
    test_copy_tree(c->dir, image);
    avj_journal_close(journal);
    free(segment);
    return image;
}

/* Opens a copy whose tail is torn: the durable records are there, `torn` bytes are set aside and
 * stay, the next append begins a new segment, and everything reads, now and after opening again. */
static void assert_goes_on(const char *dir, uint64_t torn)
{
    struct avj_journal *journal = open_journal(dir, NULL);
    struct avj_journal_info info = journal_info(journal);
    char *before = last_segment(dir), *after;
    uint64_t size = test_file_size(before);

    assert_int_equal(info.next_seq, DURABLE + 1);
    assert_int_equal(info.unsynced_tail_bytes, torn);
    assert_numbered(journal, DURABLE);
    append_numbered(journal, DURABLE + 1, 2, AVJ_DURABLE);
    after = last_segment(dir);
    if (torn > 0) {
        assert_string_not_equal(before, after);
        assert_int_equal(test_file_size(before), size);
    } else {
        assert_string_equal(before, after);
    }
    assert_numbered(journal, DURABLE + 2);
    avj_journal_close(journal);
    journal = open_journal(dir, NULL);
    assert_int_equal(journal_info(journal).unsynced_tail_bytes, 0);
    append_numbered(journal, DURABLE + 3, 1, AVJ_DURABLE);
    assert_numbered(journal, DURABLE + 3);
    avj_journal_close(journal);
    free(before);
    free(after);
}

static void a_frame_torn_at_any_byte_is_set_aside_and_the_log_goes_on(void **state)
{
    struct journal_case *c = *state;
    uint64_t tail, end;
    char *image = killed_journal(c, 1, &tail), *segment = last_segment(image);

    end = test_file_size(segment);
    free(segment);
    assert_true(end > tail);
    for (uint64_t len = tail; len < end; len++) {
        char *dir = test_path(c->folder, "torn");
        test_copy_tree(image, dir);
        segment = last_segment(dir);
        test_truncate_file(segment, len);
        free(segment);
        assert_goes_on(dir, len - tail);
        test_dir_free(dir);
    }
    free(image);
}

enum tail_kind { ZEROS, NOISE, EARLIER_FRAMES };

static void put_tail(enum tail_kind kind, const char *segment, uint64_t tail, struct test_rng *rng,
                     size_t len)
{
    size_t size;
    uint8_t *file = test_read_file(segment, &size), *bytes = calloc(1, len);

    assert_non_null(bytes);
    if (kind == NOISE) {
        test_rng_fill(rng, bytes, len);
        bytes[0] |= 1; /* a single zero would be another case */
    }
    if (kind == EARLIER_FRAMES)
        memcpy(bytes, file + 4096, len < tail - 4096 ? len : tail - 4096);
    test_append_file(segment, bytes, len);
    free(file);
    free(bytes);
}

static void noise_and_stale_frames_behind_the_end_are_no_records(void **state)
{
    static const struct {
        const char *sentence;
        enum tail_kind kind;
    } rows[] = {
        {"random bytes", NOISE},
        {"frames from an earlier place of the same segment", EARLIER_FRAMES},
    };
    static const size_t lengths[] = {1, 7, 8, 63, 64, 65, 72, 500, 2000, 5000};
    struct journal_case *c = *state;
    struct test_rng rng;
    uint64_t tail;
    char *image = killed_journal(c, 0, &tail);

    test_rng_init(&rng, test_rng_seed(__func__));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] * sizeof lengths / sizeof lengths[0]; i++) {
        size_t row = i % 2, len = lengths[i / 2];
        char *dir = test_path(c->folder, "tail"), *segment;
        test_copy_tree(image, dir);
        segment = last_segment(dir);
        put_tail(rows[row].kind, segment, tail, &rng, len);
        print_message("%zu bytes of %s\n", len, rows[row].sentence);
        assert_goes_on(dir, len);
        free(segment);
        test_dir_free(dir);
    }
    free(image);
}

/* Zeros are what a file system leaves of a write that was only reserved.  Whether the log goes on
 * in their place or in a new segment is the journal's choice; nothing may be lost either way. */
static void zeros_behind_the_end_are_no_records(void **state)
{
    static const size_t lengths[] = {1, 7, 8, 63, 64, 65, 72, 4096, 70000};
    struct journal_case *c = *state;
    uint64_t tail;
    char *image = killed_journal(c, 0, &tail);

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *dir = test_path(c->folder, "tail"), *segment;
        struct avj_journal *journal;
        test_copy_tree(image, dir);
        segment = last_segment(dir);
        put_tail(ZEROS, segment, tail, NULL, lengths[i]);
        journal = open_journal(dir, NULL);
        assert_numbered(journal, DURABLE);
        append_numbered(journal, DURABLE + 1, 3, AVJ_DURABLE);
        assert_numbered(journal, DURABLE + 3);
        avj_journal_close(journal);
        journal = open_journal(dir, NULL);
        append_numbered(journal, DURABLE + 4, 3, AVJ_DURABLE);
        assert_numbered(journal, DURABLE + 6);
        avj_journal_close(journal);
        free(segment);
        test_dir_free(dir);
    }
    free(image);
}

/* What a reader of damaged files may see: all that is before the damage, then AVJ_ECORRUPT. */
static void assert_corrupt(const char *dir, uint64_t last, const char *what)
{
    struct avj_journal *journal = NULL;
    struct avj_error err = {0};
    uint64_t seen = 0;
    enum avj_status status = avj_journal_open(dir, &read_only, &journal, &err);

    if (status == AVJ_OK)
        status = numbered_verify(journal, &seen, &err);
    avj_journal_close(journal);
    if (status != AVJ_ECORRUPT || seen >= last)
        fail_msg("%s: %s after %llu records: %s", what, avj_status_text(status),
                 (unsigned long long)seen, err.message);
    if (!strstr(err.message, "segment"))
        fail_msg("%s: the message does not say where: %s", what, err.message);
}

static void durable_records_that_are_cut_off_are_damage_and_no_torn_tail(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    uint64_t end, start = 0;
    char *segment;

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        segment = last_segment(c->dir);
        start = test_file_size(segment);
        free(segment);
        append_numbered(journal, seq, 1, AVJ_DURABLE);
    }
    avj_journal_close(journal);
    segment = last_segment(c->dir);
    end = test_file_size(segment);
    for (uint64_t len = end - 1; len >= start; len -= 3) {
        char *dir = test_path(c->folder, "cut"), *cut, what[64];
        test_copy_tree(c->dir, dir);
        cut = last_segment(dir);
        test_truncate_file(cut, len);
        snprintf(what, sizeof what, "cut at %llu", (unsigned long long)len);
        assert_corrupt(dir, 4, what);
        free(cut);
        test_dir_free(dir);
    }
    free(segment);
}

static void a_flip_of_any_byte_is_found_and_named(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct test_rng rng;
    struct avj_error err = {0};
    uint64_t size;
    char *segment;
    uint8_t noise[200];
    const struct avj_slice raw = {noise, sizeof noise};

    test_rng_init(&rng, test_rng_seed(__func__));
    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    append_numbered(journal, 1, 3, AVJ_DURABLE);
    append_numbered(journal, 4, 1, AVJ_DURABLE);
    append_numbered(journal, 5, 2, AVJ_DURABLE);
    /* What can not be compressed is stored as it is: there only the journal's own hash guards it.
     */
    test_rng_fill(&rng, noise, sizeof noise);
    assert_ok(avj_journal_append(journal, &raw, 1, AVJ_DURABLE, NULL, &err), err);
    avj_journal_close(journal);
    segment = last_segment(c->dir);
    size = test_file_size(segment);
    for (uint64_t offset = 0; offset < size; offset++) {
        unsigned bit = (unsigned)test_rng_below(&rng, 8);
        char what[64];
        snprintf(what, sizeof what, "byte %llu, bit %u", (unsigned long long)offset, bit);
        test_flip(segment, offset, (uint8_t)(1u << bit));
        assert_corrupt(c->dir, 7, what);
        test_flip(segment, offset, (uint8_t)(1u << bit));
    }
    free(segment);
}

static uint64_t several_segments(const char *dir)
{
    struct avj_journal *journal;
    uint64_t next = 1;

    create_journal(dir, &small);
    journal = open_journal(dir, &small);
    while (count_segments(dir) < 4) {
        append_numbered(journal, next, 12, AVJ_RELAXED);
        next += 12;
    }
    append_numbered(journal, next, 1, AVJ_DURABLE);
    avj_journal_close(journal);
    return next;
}

static void flips_zeroed_sectors_and_noise_in_any_segment_are_found(void **state)
{
    struct journal_case *c = *state;
    struct test_rng rng;
    uint64_t last = several_segments(c->dir);
    static const size_t widths[] = {1, 2, 8, 64, 512, 4096};

    test_rng_init(&rng, test_rng_seed(__func__));
    for (int i = 0; i < 600; i++) {
        char *name = test_path(c->dir, "segments/%016llx.seg",
                               1 + (unsigned long long)test_rng_below(&rng, 4));
        size_t size, width = widths[test_rng_below(&rng, 6)], at;
        uint8_t *good = test_read_file(name, &size), *bad = test_read_file(name, &size);
        char what[96];
        at = (size_t)test_rng_below(&rng, size);
        if (width >= 512)
            at -= at % width;
        if (width > size - at)
            width = size - at;
        if (test_rng_below(&rng, 2))
            test_rng_fill(&rng, bad + at, width);
        else
            memset(bad + at, 0, width);
        snprintf(what, sizeof what, "%s: %zu bytes at %zu", name + strlen(c->dir), width, at);
        if (memcmp(good, bad, size) != 0) {
            test_write_file(name, bad, size);
            assert_corrupt(c->dir, last, what);
            test_write_file(name, good, size);
        }
        free(good);
        free(bad);
        free(name);
    }
}

static void segments_that_are_missing_swapped_or_foreign_are_found(void **state)
{
    struct journal_case *c = *state;
    char *other = test_path(c->folder, "other");
    uint64_t last = several_segments(c->dir);

    several_segments(other);
    for (unsigned victim = 1; victim <= 4; victim++) {
        char *name = test_path(c->dir, "segments/%016x.seg", victim);
        char *foreign = test_path(other, "segments/%016x.seg", victim);
        char *neighbour = test_path(c->dir, "segments/%016x.seg", victim % 4 + 1);
        size_t size, foreign_size, neighbour_size;
        uint8_t *good = test_read_file(name, &size);
        uint8_t *bad = test_read_file(foreign, &foreign_size),
                *swap = test_read_file(neighbour, &neighbour_size);

        print_message("segment %u\n", victim);
        test_remove_tree(name);
        assert_corrupt(c->dir, last, "missing");
        test_write_file(name, bad, foreign_size);
        assert_corrupt(c->dir, last, "from another journal");
        test_write_file(name, swap, neighbour_size);
        assert_corrupt(c->dir, last, "its neighbour's copy");
        test_write_file(name, good, size);
        free(good);
        free(bad);
        free(swap);
        free(name);
        free(foreign);
        free(neighbour);
    }
    free(other);
}

static void a_cursor_stays_at_the_damage_and_names_the_first_missing_record(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_record record = {0};
    struct avj_error err = {0};
    uint64_t offset, last = several_segments(c->dir);
    char *name = test_path(c->dir, "segments/%016x.seg", 2u), text[32];

    journal = open_journal(c->dir, NULL);
    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    do
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
    while (record.segment < 2 || record.seq % 12 != 1);
    offset = record.offset;
    avj_cursor_close(cursor);
    test_flip(name, offset + 70, 0x10);

    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    for (uint64_t seq = 1; seq < record.seq; seq++) {
        struct avj_record before;
        assert_ok(avj_cursor_next(cursor, &before, &err), err);
        assert_int_equal(before.seq, seq);
    }
    for (int again = 0; again < 3; again++) {
        struct avj_record none;
        assert_status(AVJ_ECORRUPT, avj_cursor_next(cursor, &none, &err), err);
        snprintf(text, sizeof text, "segment 2");
        assert_contains(err.message, text);
        snprintf(text, sizeof text, "%llu", (unsigned long long)offset);
        assert_contains(err.message, text);
        snprintf(text, sizeof text, "%llu", (unsigned long long)record.seq);
        assert_contains(err.message, text);
    }
    assert_true(record.seq < last);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
    free(name);
}

static void
damage_before_the_tail_is_found_by_the_next_append_and_nothing_is_overwritten(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal = NULL;
    struct avj_error err = {0};
    uint64_t tail;
    size_t before_len, after_len;
    uint8_t *before, *after;
    char *image = killed_journal(c, 0, &tail), *segment = last_segment(image);
    enum avj_status status;

    test_flip(segment, tail - 20, 1);
    before = test_read_file(segment, &before_len);
    status = avj_journal_open(image, NULL, &journal, &err);
    if (status == AVJ_OK)
        status = numbered_append(journal, DURABLE + 1, 1, AVJ_DURABLE, NULL, &err);
    avj_journal_close(journal);
    assert_int_equal(status, AVJ_ECORRUPT);
    after = test_read_file(segment, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, after_len);
    assert_int_equal(count_segments(image), 1);
    free(before);
    free(after);
    free(segment);
    free(image);
}

/* Three records of 300 bytes that compress to nothing less, so that the frames of two histories lie
 * at the same places. */
static void append_history(const char *dir, uint8_t history, size_t count)
{
    struct avj_journal *journal = open_journal(dir, NULL);
    struct avj_error err = {0};

    for (size_t i = 0; i < count; i++) {
        uint8_t data[300];
        struct avj_slice slice = {data, sizeof data};
        struct test_rng rng;
        test_rng_init(&rng, (uint64_t)history << 8 | i);
        test_rng_fill(&rng, data, sizeof data);
        data[0] = history;
        assert_ok(avj_journal_append(journal, &slice, 1, AVJ_DURABLE, NULL, &err), err);
    }
    avj_journal_close(journal);
}

/* A copy of the files lived on and was mixed with the original: the same segment, the same places
 * and numbers, both hashes good. Only the chain tells. */
static void a_frame_of_another_history_of_the_same_segment_is_no_record(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    uint64_t tail;
    size_t own_len, other_len;
    char *image = killed_journal(c, 0, &tail), *own, *other;
    uint8_t *bytes;

    append_history(c->dir, 'a', 1);
    append_history(image, 'b', 2);
    own = last_segment(c->dir);
    other = last_segment(image);
    own_len = (size_t)test_file_size(own);
    bytes = test_read_file(other, &other_len);
    assert_int_equal(other_len - tail, 2 * (own_len - tail));
    test_append_file(own, bytes + own_len, other_len - own_len);

    journal = open_journal(c->dir, NULL);
    assert_int_equal(journal_info(journal).next_seq, DURABLE + 2);
    append_numbered(journal, DURABLE + 2, 1, AVJ_DURABLE);
    assert_ok(avj_cursor_open(journal, DURABLE + 1, &cursor, &err), err);
    assert_ok(avj_cursor_next(cursor, &record, &err), err);
    assert_int_equal(record.data[0], 'a');
    assert_ok(avj_cursor_next(cursor, &record, &err), err);
    assert_true(numbered_is(DURABLE + 2, record.data, record.len));
    assert_status(AVJ_END, avj_cursor_next(cursor, &record, &err), err);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
    free(bytes);
    free(own);
    free(other);
    free(image);
}

/* The segment held no record yet, so that numbers alone do not tell; and an append must not wait
 * for a sync that can never come. */
static void a_segment_that_was_synced_and_is_gone_is_damage(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal = NULL;
    struct avj_journal_info info;
    struct avj_error err = {0};
    char *sync = test_path(c->dir, "sync");
    uint8_t slot[AVJ_WITNESS_SLOT];
    size_t len;

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    append_numbered(journal, 1, 3, AVJ_DURABLE);
    info = journal_info(journal);
    const struct avj_sync_witness later = {
        .valid = true, .segment_no = 2, .offset = AVJ_SEGMENT_HEADER_LEN, .seq = 3};
    avj_witness_encode(AVJ_SLOT_WITNESS, &later, info.journal_id, slot);
    uint8_t *file = test_read_file(sync, &len);
    memcpy(file + AVJ_WITNESS_SLOT, slot, sizeof slot);
    test_write_file(sync, file, len);
    enum avj_status status = numbered_append(journal, 4, 1, AVJ_DURABLE, NULL, &err);
    assert_true(status == AVJ_ECORRUPT || status == AVJ_EUNSYNCED);
    avj_journal_close(journal);
    test_write_file(sync, file, len);
    assert_status(AVJ_ECORRUPT, avj_journal_open(c->dir, NULL, &journal, &err), err);
    assert_contains(err.message, "avchat-fsck");
    free(file);
    free(sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(a_frame_torn_at_any_byte_is_set_aside_and_the_log_goes_on),
        JOURNAL_CASE(noise_and_stale_frames_behind_the_end_are_no_records),
        JOURNAL_CASE(zeros_behind_the_end_are_no_records),
        JOURNAL_CASE(durable_records_that_are_cut_off_are_damage_and_no_torn_tail),
        JOURNAL_CASE(a_flip_of_any_byte_is_found_and_named),
        JOURNAL_CASE(flips_zeroed_sectors_and_noise_in_any_segment_are_found),
        JOURNAL_CASE(segments_that_are_missing_swapped_or_foreign_are_found),
        JOURNAL_CASE(a_frame_of_another_history_of_the_same_segment_is_no_record),
        JOURNAL_CASE(a_cursor_stays_at_the_damage_and_names_the_first_missing_record),
        JOURNAL_CASE(a_segment_that_was_synced_and_is_gone_is_damage),
        JOURNAL_CASE(damage_before_the_tail_is_found_by_the_next_append_and_nothing_is_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
