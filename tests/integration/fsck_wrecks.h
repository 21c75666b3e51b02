/*
 * Ways to damage the small journal of fsck_case.h: one function each.  Segment 1 holds records 1-3,
 * the others four each: 4-7, 8-11, 12-15; each record is a frame of its own.
 */
#ifndef FSCK_WRECKS_H
#define FSCK_WRECKS_H

#include "tests/integration/fsck_case.h"

#include "journal/scan.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- bytes ---- */

/* Where frame `index` of a segment stands. */
static inline uint64_t frame_offset(const char *path, unsigned index)
{
    size_t len;
    uint8_t *data = test_read_file(path, &len);
    uint64_t at = HEADER;

    while (index-- > 0)
        at += 64 + (avj_get_le32(data + at + 8) + 7) / 8 * 8 + 8;
    free(data);
    return at;
}

static inline void overwrite(const char *path, uint64_t offset, size_t count, uint8_t with)
{
    size_t len;
    uint8_t *data = test_read_file(path, &len);

    for (size_t i = 0; i < count && offset + i < len; i++)
        data[offset + i] = with;
    test_write_file(path, data, len);
    free(data);
}

static inline void overwrite_frame(const char *dir, uint64_t segment, unsigned index)
{
    char *path = segment_path(dir, segment);

    overwrite(path, frame_offset(path, index) + 66, 20, 0xee);
    free(path);
}

static inline void overwrite_header(const char *dir, uint64_t segment)
{
    char *path = segment_path(dir, segment);

    overwrite(path, 0, HEADER, 0);
    free(path);
}

static inline void flip_in_header(const char *dir, uint64_t segment, uint64_t offset)
{
    char *path = segment_path(dir, segment);

    test_flip(path, offset, 0x10);
    free(path);
}

static inline void remove_file(const char *dir, const char *name)
{
    char *path = test_path(dir, "%s", name);

    assert_int_equal(unlink(path), 0);
    free(path);
}

static inline void take_away(const char *dir, uint64_t segment)
{
    char *path = segment_path(dir, segment);

    assert_int_equal(unlink(path), 0);
    free(path);
}

static inline void move_segment(const char *dir, uint64_t number, const char *name)
{
    char *from = segment_path(dir, number), *to = test_path(dir, "segments/%s", name);

    assert_int_equal(rename(from, to), 0);
    free(from);
    free(to);
}

static inline void copy_segment(const char *from_dir, uint64_t number, const char *to)
{
    char *from = segment_path(from_dir, number);
    size_t len;
    uint8_t *data = test_read_file(from, &len);

    test_write_file(to, data, len);
    free(data);
    free(from);
}

static inline void cut_segment(const char *dir, uint64_t number, uint64_t less)
{
    char *path = segment_path(dir, number);

    test_truncate_file(path, test_file_size(path) - less);
    free(path);
}

/* ---- the table's ---- */

static void a_frame_in_the_middle(const char *dir)
{
    overwrite_frame(dir, 2, 1);
}

static void the_first_frame(const char *dir)
{
    overwrite_frame(dir, 1, 0);
}

static void the_last_frame(const char *dir)
{
    overwrite_frame(dir, SEGMENTS, 3);
}

static void a_frame_in_the_last_segment(const char *dir)
{
    overwrite_frame(dir, SEGMENTS, 1);
}

static void a_frame_header(const char *dir)
{
    char *path = segment_path(dir, 3);

    overwrite(path, frame_offset(path, 2), 64, 0);
    free(path);
}

static void frames_of_two_segments(const char *dir)
{
    overwrite_frame(dir, 2, 3);
    overwrite_frame(dir, 3, 0);
}

static void the_salt_in_a_header(const char *dir)
{
    flip_in_header(dir, 3, 50);
}

static void the_number_in_a_header(const char *dir)
{
    flip_in_header(dir, 2, 40);
}

static void the_last_header(const char *dir)
{
    flip_in_header(dir, SEGMENTS, 4000);
}

static void a_whole_header(const char *dir)
{
    overwrite_header(dir, 2);
}

static void the_whole_first_header(const char *dir)
{
    overwrite_header(dir, 1);
}

static void the_whole_last_header(const char *dir)
{
    overwrite_header(dir, SEGMENTS);
}

static void a_whole_segment(const char *dir)
{
    char *path = segment_path(dir, 3);

    overwrite(path, 0, (size_t)test_file_size(path), 0x5a);
    free(path);
}

static void an_empty_file(const char *dir)
{
    char *path = segment_path(dir, 2);

    test_truncate_file(path, 0);
    free(path);
}

static void a_middle_one_is_gone(const char *dir)
{
    take_away(dir, 2);
}

static void the_first_is_gone(const char *dir)
{
    take_away(dir, 1);
}

static void the_last_is_gone(const char *dir)
{
    take_away(dir, SEGMENTS);
}

static void two_in_a_row_are_gone(const char *dir)
{
    take_away(dir, 2);
    take_away(dir, 3);
}

static void the_last_two_are_gone(const char *dir)
{
    take_away(dir, 3);
    take_away(dir, 4);
}

static void two_are_swapped(const char *dir)
{
    move_segment(dir, 2, "x");
    move_segment(dir, 3, "0000000000000002.seg");
    char *from = test_path(dir, "segments/x"), *to = segment_path(dir, 3);
    assert_int_equal(rename(from, to), 0);
    free(from);
    free(to);
}

static void one_is_renamed(const char *dir)
{
    move_segment(dir, 2, "0000000000000002.seg.bak");
}

static void the_last_is_renamed(const char *dir)
{
    move_segment(dir, SEGMENTS, "old-one");
}

static void one_has_a_later_number(const char *dir)
{
    move_segment(dir, 2, "0000000000000009.seg");
}

static void one_is_copied_over_the_next(const char *dir)
{
    char *to = segment_path(dir, 3);

    copy_segment(dir, 2, to);
    free(to);
}

static void one_is_there_twice(const char *dir)
{
    char *to = segment_path(dir, SEGMENTS + 1);

    copy_segment(dir, 2, to);
    free(to);
}

static void put_foreign(const char *dir, uint64_t number)
{
    char *other = test_path(dir, "../other"), *to = segment_path(dir, number);

    (void)build(other, SEGMENTS);
    copy_segment(other, number, to);
    free(other);
    free(to);
}

static void a_foreign_one(const char *dir)
{
    put_foreign(dir, 3);
}

static void a_foreign_first(const char *dir)
{
    put_foreign(dir, 1);
}

static void a_foreign_last(const char *dir)
{
    put_foreign(dir, SEGMENTS);
}

static void cut_in_the_middle(const char *dir)
{
    cut_segment(dir, 2, 100);
}

static void cut_at_a_frame(const char *dir)
{
    char *path = segment_path(dir, 2);

    test_truncate_file(path, frame_offset(path, 1));
    free(path);
}

static void cut_in_the_last(const char *dir)
{
    cut_segment(dir, SEGMENTS, 1);
}

static void cut_deep_in_the_last(const char *dir)
{
    cut_segment(dir, SEGMENTS, 60);
}

static void a_wrong_bit(const char *dir)
{
    char *path = segment_path(dir, 2);

    test_flip(path, frame_offset(path, 1) + 90, 4);
    test_flip(path, frame_offset(path, 3) + 17, 4); /* in the header of another */
    free(path);
}

static void a_damaged_trailer(const char *dir)
{
    char *path = segment_path(dir, 2);

    overwrite(path, frame_offset(path, 2) - 8, 8, 0xee);
    free(path);
}

static void cut_the_last_at_a_frame(const char *dir)
{
    char *path = segment_path(dir, SEGMENTS);

    test_truncate_file(path, frame_offset(path, 2));
    free(path);
}

static void a_copy_was_being_sealed(const char *dir)
{
    char *to = test_path(dir, "seal.tmp");

    copy_segment(dir, 2, to);
    overwrite_frame(dir, 2, 1);
    overwrite_frame(dir, 2, 2);
    free(to);
}

static void no_witness(const char *dir)
{
    remove_file(dir, "sync");
}

static void a_rotten_witness(const char *dir)
{
    char *path = test_path(dir, "sync");

    overwrite(path, 0, 192, 0x77);
    free(path);
}

static void no_lock(const char *dir)
{
    remove_file(dir, "lock");
}

static void a_torn_append(const char *dir)
{
    char *path = segment_path(dir, SEGMENTS);

    test_append_file(path, "AVJF\1\1\1\0half a frame", 20);
    free(path);
}

static void a_leftover(const char *dir)
{
    char *path = test_path(dir, "segments/%016x.tmp", SEGMENTS + 1);

    test_write_file(path, "half a header", 13);
    free(path);
}

static void a_strange_name(const char *dir)
{
    char *path = test_path(dir, "segments/notes.txt");

    test_write_file(path, "not a segment", 13);
    free(path);
}

static void an_open_session(const char *dir)
{
    char *path = test_path(dir, "session.json");

    test_write_file(path, "{}", 2);
    assert_int_equal(chmod(path, 0644), 0);
    free(path);
}

static void seal_all(const char *dir)
{
    struct avj_journal *journal = open_it(dir);
    struct avj_maintained done;
    struct avj_error err = {0};

    assert_ok(avj_journal_maintain(journal, NULL, &done, &err), err);
    assert_int_equal(done.sealed, SEGMENTS - 1);
    avj_journal_close(journal);
}

static uint64_t sealed_index_at(const char *path)
{
    struct avj_segment_header header;

    assert_int_equal(avj_read_segment_header(avj_io_posix(), path, &header, NULL), AVJ_OK);
    assert_true(header.sealed);
    return header.from.index_at;
}

static void the_index_of_a_sealed_one(const char *dir)
{
    seal_all(dir);
    char *path = segment_path(dir, 2);
    overwrite(path, sealed_index_at(path) + 66, 8, 0xee);
    free(path);
}

static void the_records_of_a_sealed_one(const char *dir)
{
    seal_all(dir);
    overwrite_frame(dir, 2, 0);
}

static void the_header_of_a_sealed_one(const char *dir)
{
    seal_all(dir);
    flip_in_header(dir, 2, 180);
}

static void a_sealed_one_is_gone(const char *dir)
{
    seal_all(dir);
    take_away(dir, 2);
}

static void what_follows_a_sealed_one_is_gone(const char *dir)
{
    seal_all(dir);
    take_away(dir, SEGMENTS);
}

static void a_sealed_one_and_its_original(const char *dir)
{
    char *to = test_path(dir, "segments/0000000000000002.old");

    copy_segment(dir, 2, to);
    seal_all(dir);
    overwrite_frame(dir, 2, 0);
    free(to);
}

static void append_bad_record(const char *dir, const void *data, size_t len)
{
    struct avj_journal *journal = open_it(dir);
    struct avj_slice record = {data, len};
    struct avj_error err = {0};

    assert_ok(avj_journal_append(journal, &record, 1, AVJ_DURABLE, NULL, &err), err);
    avj_journal_close(journal);
}

static void a_record_that_is_no_entry(const char *dir)
{
    append_bad_record(dir, "\xc1not msgpack", 12);
}

static void everything_at_once(const char *dir)
{
    overwrite_header(dir, 1);
    take_away(dir, 2);
    flip_in_header(dir, 3, 1000);
    overwrite_frame(dir, 3, 0);
    cut_segment(dir, SEGMENTS, 3);
    remove_file(dir, "lock");
    a_leftover(dir);
}

/* What becomes of each: the records from `first` to `last` are lost (0: none), and those from
 * first2 on. */
struct wreck_case {
    const char *sentence;
    void (*make)(const char *dir);
    uint64_t first, last, first2, last2;
};

static const struct wreck_case wreck_cases[] = {
    {"a damaged frame costs its records and no others", a_frame_in_the_middle, 5, 5, 0, 0},
    {"a damaged first frame costs its records", the_first_frame, 1, 1, 0, 0},
    {"a damaged last frame costs its records", the_last_frame, 15, 15, 0, 0},
    {"frames behind a damaged one of the last segment stay", a_frame_in_the_last_segment, 13, 13, 0,
     0},
    {"a frame without a header costs its records", a_frame_header, 10, 10, 0, 0},
    {"damage on both sides of a segment's end is one range", frames_of_two_segments, 7, 8, 0, 0},
    {"a wrong bit in a header costs nothing: the salt", the_salt_in_a_header, 0, 0, 0, 0},
    {"a wrong bit in a header costs nothing: the number", the_number_in_a_header, 0, 0, 0, 0},
    {"a wrong bit in the last header costs nothing", the_last_header, 0, 0, 0, 0},
    {"frames behind a lost header are known by the successor", a_whole_header, 0, 0, 0, 0},
    {"frames behind the first header, lost, are known by the successor", the_whole_first_header, 0,
     0, 0, 0},
    {"a last segment without a header is lost", the_whole_last_header, 12, 15, 0, 0},
    {"a segment of which nothing is left is lost", a_whole_segment, 8, 11, 0, 0},
    {"an empty file is a lost segment", an_empty_file, 4, 7, 0, 0},
    {"a missing segment is made with what stands in for its records", a_middle_one_is_gone, 4, 7, 0,
     0},
    {"a missing first segment is made", the_first_is_gone, 1, 3, 0, 0},
    {"a missing last segment is made, the witness knows how much was in it", the_last_is_gone, 12,
     15, 0, 0},
    {"two missing segments are made", two_in_a_row_are_gone, 4, 11, 0, 0},
    {"the last two segments are made", the_last_two_are_gone, 8, 15, 0, 0},
    {"swapped segments are put right", two_are_swapped, 0, 0, 0, 0},
    {"a renamed segment is found", one_is_renamed, 0, 0, 0, 0},
    {"a renamed last segment is found", the_last_is_renamed, 0, 0, 0, 0},
    {"a segment under a later number is put right", one_has_a_later_number, 0, 0, 0, 0},
    {"a segment that was copied over is lost", one_is_copied_over_the_next, 8, 11, 0, 0},
    {"a segment that is there twice costs nothing", one_is_there_twice, 0, 0, 0, 0},
    {"a segment of another journal makes way", a_foreign_one, 8, 11, 0, 0},
    {"a first segment of another journal makes way", a_foreign_first, 1, 3, 0, 0},
    {"a last segment of another journal makes way", a_foreign_last, 12, 15, 0, 0},
    {"a file cut inside a frame costs that", cut_in_the_middle, 7, 7, 0, 0},
    {"a file cut between frames costs what was behind", cut_at_a_frame, 5, 7, 0, 0},
    {"a frame without its last byte costs nothing", cut_in_the_last, 0, 0, 0, 0},
    {"the last file cut inside a frame costs that", cut_deep_in_the_last, 15, 15, 0, 0},
    {"a wrong bit in a frame costs nothing", a_wrong_bit, 0, 0, 0, 0},
    {"a frame with a damaged end costs nothing", a_damaged_trailer, 0, 0, 0, 0},
    {"the last file cut between frames costs what was durable", cut_the_last_at_a_frame, 14, 15, 0,
     0},
    {"an intact copy that was not finished is used", a_copy_was_being_sealed, 0, 0, 0, 0},
    {"a lost witness is written again", no_witness, 0, 0, 0, 0},
    {"a rotten witness is written again", a_rotten_witness, 0, 0, 0, 0},
    {"a missing lock file is made", no_lock, 0, 0, 0, 0},
    {"an unsynced tail is gone on from", a_torn_append, 0, 0, 0, 0},
    {"a leftover is moved aside", a_leftover, 0, 0, 0, 0},
    {"a strange file is moved aside", a_strange_name, 0, 0, 0, 0},
    {"an open session file is closed", an_open_session, 0, 0, 0, 0},
    {"the index of a sealed segment is made anew", the_index_of_a_sealed_one, 0, 0, 0, 0},
    {"a damaged frame of a sealed segment costs its records", the_records_of_a_sealed_one, 4, 7, 0,
     0},
    {"a wrong bit in the header of a sealed segment costs nothing", the_header_of_a_sealed_one, 0,
     0, 0, 0},
    {"a missing sealed segment is made", a_sealed_one_is_gone, 4, 7, 0, 0},
    {"what follows the last sealed segment is made", what_follows_a_sealed_one_is_gone, 12, 15, 0,
     0},
    {"the original of a damaged sealed segment is used", a_sealed_one_and_its_original, 0, 0, 0, 0},
    {"a record that is no entry is replaced by one that says so", a_record_that_is_no_entry, 0, 0,
     0, 0},
    {"damage of many kinds at once", everything_at_once, 1, 8, 0, 0},
};
#define WRECK_CASES (sizeof wreck_cases / sizeof wreck_cases[0])

#endif
