/*
 * The checker against damage of every kind: small journals of several segments are built through
 * the library, damaged in one way, and checked in-process.  The table says which damage must give
 * what.
 */
#include "tests/integration/fsck_case.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- nothing wrong ---- */

static void a_whole_journal_is_clean(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    check(f->dir, &seen);
    if (seen.code)
        print_seen(&seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_int_equal(seen.findings, 0);
    assert_true(seen.summary.ok);
    assert_true(seen.summary.complete);
    assert_int_equal(seen.summary.segments, SEGMENTS);
    assert_int_equal(seen.summary.records, f->records);
    assert_int_equal(seen.summary.frames, f->records);
    assert_int_equal(seen.summary.pending, f->records);
    assert_int_equal(seen.summary.visible[AVJ_MESSAGE], f->records - 1);
    assert_int_equal(seen.summary.lost_records, 0);
    assert_true(seen.summary.fold_complete);
}

static void a_journal_without_records_is_clean(void **state)
{
    struct fixture *f = *state;
    struct avj_error err = {0};
    struct seen seen;

    assert_ok(avj_journal_create(f->dir, NULL, &err), err);
    check(f->dir, &seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_int_equal(seen.findings, 0);
    assert_int_equal(seen.summary.bytes, HEADER);
}

static void the_digest_is_the_stores(void **state)
{
    struct fixture *f = *state;
    struct avj_store_status status;
    struct avj_store *store = NULL;
    struct avj_error err = {0};
    struct seen seen;

    assert_ok(avj_store_open(f->dir, NULL, &store, &err), err);
    assert_ok(avj_store_status(store, &status, &err), err);
    avj_store_close(store);
    check(f->dir, &seen);
    assert_memory_equal(seen.summary.view_digest, status.digest, 16);
    assert_int_equal(seen.summary.pending, status.pending);
    assert_int_equal(seen.summary.records, status.records);
}

/* The bytes of every file of the journal, as one hash: a check must not change any. */
static uint64_t hash_of(const char *dir)
{
    uint64_t sum = 0;

    for (unsigned s = 1; s <= SEGMENTS; s++) {
        char *path = segment_path(dir, s);
        size_t len;
        uint8_t *data = test_read_file(path, &len);
        sum = sum * 31 + avj_hash64(data, len);
        free(data);
        free(path);
    }
    for (int i = 0; i < 2; i++) {
        char *path = test_path(dir, "%s", i ? "sync" : "lock");
        size_t len;
        uint8_t *data = test_read_file(path, &len);
        sum = sum * 31 + avj_hash64(data, len) + len;
        free(data);
        free(path);
    }
    return sum;
}

static void a_check_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    char *last = segment_path(f->dir, SEGMENTS);

    uint64_t before = hash_of(f->dir);
    check(f->dir, &seen);
    assert_true(before == hash_of(f->dir));
    test_append_file(last, "torn", 4);
    before = hash_of(f->dir);
    check(f->dir, &seen);
    assert_true(before == hash_of(f->dir));
    free(last);
}

/* ---- damage, one of each kind ---- */

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(from, to), 0);
}

static void swap_segments(const char *dir)
{
    char *two = segment_path(dir, 2), *three = segment_path(dir, 3);
    char *aside = test_path(dir, "aside");

    move(two, aside);
    move(three, two);
    move(aside, three);
    free(two);
    free(three);
    free(aside);
}

static void remove_segment(const char *dir, uint64_t number)
{
    char *path = segment_path(dir, number);

    assert_int_equal(unlink(path), 0);
    free(path);
}

static void remove_a_middle_one(const char *dir)
{
    remove_segment(dir, 2);
}

static void remove_the_first(const char *dir)
{
    remove_segment(dir, 1);
}

static void remove_the_last(const char *dir)
{
    remove_segment(dir, SEGMENTS);
}

static void remove_all(const char *dir)
{
    for (unsigned s = 1; s <= SEGMENTS; s++)
        remove_segment(dir, s);
}

static void take_from(const char *dir, const char *other, uint64_t number)
{
    char *from = segment_path(other, number), *to = segment_path(dir, number);
    size_t len;
    uint8_t *data = test_read_file(from, &len);

    test_write_file(to, data, len);
    free(data);
    free(from);
    free(to);
}

/* Segment `number` of another journal of the same shape. */
static void put_foreign(const char *dir, uint64_t number)
{
    char *other = test_path(dir, "../other");

    build(other, SEGMENTS);
    take_from(dir, other, number);
    free(other);
}

static void put_a_foreign_one(const char *dir)
{
    put_foreign(dir, 3);
}

static void put_a_foreign_first(const char *dir)
{
    put_foreign(dir, 1);
}

static void put_a_foreign_last(const char *dir)
{
    put_foreign(dir, SEGMENTS);
}

static void copy_over_the_next(const char *dir)
{
    char *two = segment_path(dir, 2), *three = segment_path(dir, 3);
    size_t len;
    uint8_t *data = test_read_file(two, &len);

    test_write_file(three, data, len);
    free(data);
    free(two);
    free(three);
}

/* As it was when it held one frame: restored from an earlier backup. */
static void restore_an_earlier(const char *dir)
{
    char *path = segment_path(dir, 2);
    size_t len;
    uint8_t *data = test_read_file(path, &len);
    uint64_t total = 64 + (avj_get_le32(data + HEADER + 8) + 7) / 8 * 8 + 8;

    test_truncate_file(path, HEADER + total);
    free(data);
    free(path);
}

/* ---- forks: a copy of the journal went on by itself, and files of both were mixed ---- */

/* Goes on in `dir` by a segment and its records, and by one more segment. */
static void go_on(const char *dir, uint64_t last, uint64_t number)
{
    begin_segment(dir, last, &number);
    fill(dir, &number);
    begin_segment(dir, last + 1, &number);
    fill(dir, &number);
}

static char *fork_of(const char *dir)
{
    char *other = test_path(dir, "../fork");

    test_copy_tree(dir, other);
    return other;
}

static void mix_segments_of_a_fork(const char *dir)
{
    char *other = fork_of(dir);

    forked = true;
    go_on(other, SEGMENTS, 3 * SEGMENTS + SEGMENTS);
    forked = false;
    go_on(dir, SEGMENTS, 3 * SEGMENTS + SEGMENTS);
    take_from(dir, other,
              SEGMENTS + 1); /* begun behind the same, but not the one that was gone on from */
    free(other);
}

static void mix_a_segment_that_went_on_in_a_fork(const char *dir)
{
    char *other = fork_of(dir);
    uint64_t number = 3 * SEGMENTS + SEGMENTS, same = number;

    forked = true;
    fill(other, &number);
    forked = false;
    fill(dir, &same);
    begin_segment(dir, SEGMENTS, &same);
    take_from(dir, other,
              SEGMENTS); /* the same segment, with other records of the same length at its end */
    free(other);
}

static void mix_the_last_segment_of_a_fork(const char *dir)
{
    char *other = fork_of(dir);
    uint64_t number = 3 * SEGMENTS + SEGMENTS, same = number;

    forked = true;
    fill(other, &number);
    fill(other, &number);
    forked = false;
    fill(dir, &same);
    take_from(dir, other, SEGMENTS); /* longer than what the witness knows, and different there */
    free(other);
}

static void append_bytes(const char *dir, uint64_t from, size_t len)
{
    char *path = segment_path(dir, SEGMENTS);
    size_t size;
    uint8_t *data = test_read_file(path, &size);

    test_append_file(path, data + from, len ? len : size - from);
    free(data);
    free(path);
}

static void append_a_frame_again(const char *dir)
{
    append_bytes(dir, HEADER, 0);
}

static void append_a_torn_frame(const char *dir)
{
    append_bytes(dir, HEADER, 77);
}

static void append_garbage_to_a_middle_one(const char *dir)
{
    char *path = segment_path(dir, 2);

    test_append_file(path, "remains of a torn write", 23);
    free(path);
}

static void append_zeros(const char *dir)
{
    static const uint8_t zeros[8192];
    char *path = segment_path(dir, SEGMENTS);

    test_append_file(path, zeros, sizeof zeros);
    free(path);
}

static void cut_the_last_frame(const char *dir)
{
    char *path = segment_path(dir, SEGMENTS);

    test_truncate_file(path, test_file_size(path) - 1);
    free(path);
}

static void remove_the_witness(const char *dir)
{
    char *path = test_path(dir, "sync");

    assert_int_equal(unlink(path), 0);
    free(path);
}

static void spoil_the_witness(const char *dir)
{
    char *path = test_path(dir, "sync");

    for (uint64_t offset = 0; offset < test_file_size(path); offset++)
        test_flip(path, offset, 0x55);
    free(path);
}

static void cut_and_remove_the_witness(const char *dir)
{
    cut_the_last_frame(dir);
    remove_the_witness(dir);
}

static void remove_the_lock(const char *dir)
{
    char *path = test_path(dir, "lock");

    assert_int_equal(unlink(path), 0);
    free(path);
}

static void leave_a_temporary(const char *dir)
{
    char *path = test_path(dir, "segments/%016x.tmp", SEGMENTS + 1);

    test_write_file(path, "half a header", 13);
    free(path);
}

static void leave_a_strange_name(const char *dir)
{
    char *path = test_path(dir, "segments/0000000000000002.seg.bak");

    test_write_file(path, "x", 1);
    free(path);
}

static void open_the_session(const char *dir)
{
    char *path = test_path(dir, "session.json");

    test_write_file(path, "{}", 2);
    assert_int_equal(chmod(path, 0644), 0);
    free(path);
}

static void append_record(const char *dir, const void *data, size_t len)
{
    struct avj_journal *journal = open_it(dir);
    struct avj_slice record = {data, len};
    struct avj_error err = {0};

    assert_ok(avj_journal_append(journal, &record, 1, AVJ_DURABLE, NULL, &err), err);
    avj_journal_close(journal);
}

static void append_no_entry(const char *dir)
{
    append_record(dir, "\xc1not msgpack", 12);
}

static void append_unknown_type(const char *dir)
{
    append_record(dir, "\x82\xa1t\xa6later!\xa1h\x01", 13);
}

/* What a later program notes of its session. */
static void append_session_note(const char *dir)
{
    struct avj_pack pack = {0};

    avj_entry_begin(&pack, AVJ_E_SESSION, (uint64_t)2 << 40, "session-a", AVJ_ENTITIES, NULL, 2);
    avj_pack_cstr(&pack, "o");
    avj_pack_cstr(&pack, "clock");
    avj_pack_cstr(&pack, "z");
    avj_pack_int(&pack, -1500);
    append_record(dir, pack.data, pack.len);
    avj_pack_release(&pack);
}

static void a_session_note_that_is_not_known_is_clean(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    append_session_note(f->dir);
    check_with(f->dir, &(struct fsck_options){.deep = true, .audit = true}, &seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_int_equal(seen.findings, 0);
    assert_int_equal(seen.summary.records, f->records + 1);
}

static void append_unmatched_ack(const char *dir)
{
    struct avj_pack pack = {0};

    avj_entry_begin(&pack, AVJ_E_ACK, (uint64_t)2 << 40, "session-a", AVJ_MESSAGE, "unheard", 5);
    avj_pack_cstr(&pack, "r");
    avj_pack_cstr(&pack, "row-2");
    avj_pack_cstr(&pack, "s");
    avj_pack_int(&pack, 2);
    avj_pack_cstr(&pack, "v");
    avj_pack_cstr(&pack, "2026-01-01T00:00:01.000+00:00");
    avj_pack_cstr(&pack, "x");
    avj_pack_int(&pack, 201);
    avj_pack_cstr(&pack, "f");
    avj_pack_map(&pack, 1);
    avj_pack_cstr(&pack, "content");
    avj_pack_cstr(&pack, "as upstream");
    append_record(dir, pack.data, pack.len);
    avj_pack_release(&pack);
}

struct damage_case {
    const char *sentence;
    void (*make)(const char *dir);
    int code;
    enum fsck_code finding;
    uint64_t segment;     /* of the finding, 0: not looked at */
    uint64_t first, last; /* records of the finding, 0: not looked at */
    uint64_t lost;
};

/* Segment 1 holds records 1-3, the others four each: 4-7, 8-11, 12-15. */
static const struct damage_case damage_cases[] = {
    {"two segments swapped are told by the numbers inside", swap_segments, FSCK_DAMAGE,
     FSCK_MISPLACED, 2, 4, 11, 8},
    {"a middle segment deleted is missing with its records", remove_a_middle_one, FSCK_DAMAGE,
     FSCK_SEGMENT_MISSING, 2, 4, 7, 4},
    {"the first segment deleted is missing with its records", remove_the_first, FSCK_DAMAGE,
     FSCK_SEGMENT_MISSING, 1, 1, 3, 3},
    {"the last segment deleted is known by the witness", remove_the_last, FSCK_DAMAGE,
     FSCK_MISSING_DURABLE, 0, 12, 15, 4},
    {"all segments deleted is damage, the journal was one", remove_all, FSCK_DAMAGE | FSCK_TAIL,
     FSCK_NO_SEGMENTS, 0, 0, 0, 0},
    {"a segment of another journal is foreign", put_a_foreign_one, FSCK_DAMAGE, FSCK_FOREIGN, 3, 8,
     11, 4},
    {"a foreign first segment does not make the others foreign", put_a_foreign_first,
     FSCK_DAMAGE | FSCK_TAIL, FSCK_FOREIGN, 1, 1, 3, 3},
    {"a foreign last segment hides durable records", put_a_foreign_last, FSCK_DAMAGE, FSCK_FOREIGN,
     SEGMENTS, 12, 15, 4},
    {"a segment copied over the next is misplaced", copy_over_the_next, FSCK_DAMAGE, FSCK_MISPLACED,
     3, 8, 11, 4},
    {"a segment restored from an earlier backup ends too early", restore_an_earlier, FSCK_DAMAGE,
     FSCK_SHORT, 2, 5, 7, 3},
    {"a segment that a fork of the journal began does not fit the next one", mix_segments_of_a_fork,
     FSCK_DAMAGE, FSCK_PREDECESSOR, SEGMENTS + 2, 0, 0, 0},
    {"a segment that went on in a fork has another chain than its successor knows",
     mix_a_segment_that_went_on_in_a_fork, FSCK_DAMAGE, FSCK_CHAIN_BROKEN, SEGMENTS, 0, 0, 0},
    {"a longer last segment from a fork differs from what was made durable",
     mix_the_last_segment_of_a_fork, FSCK_DAMAGE, FSCK_WITNESS_DIFFERS, SEGMENTS, 0, 0, 0},
    {"a frame appended again is no frame there", append_a_frame_again, FSCK_TAIL,
     FSCK_UNSYNCED_TAIL, SEGMENTS, 0, 0, 0},
    {"a torn append is an unsynced tail", append_a_torn_frame, FSCK_TAIL, FSCK_UNSYNCED_TAIL,
     SEGMENTS, 0, 0, 0},
    {"the remains behind a segment that was gone on from are set aside",
     append_garbage_to_a_middle_one, FSCK_CLEAN, FSCK_SET_ASIDE, 2, 0, 0, 0},
    {"a durable frame without its last byte is damage", cut_the_last_frame, FSCK_DAMAGE,
     FSCK_TRUNCATED, SEGMENTS, 15, 15, 1},
    {"without a witness the end is not proven", remove_the_witness, FSCK_TAIL, FSCK_NO_WITNESS, 0,
     0, 0, 0},
    {"a spoilt witness is none", spoil_the_witness, FSCK_TAIL, FSCK_NO_WITNESS, 0, 0, 0, 0},
    {"a cut frame without a witness is an unsynced tail", cut_and_remove_the_witness, FSCK_TAIL,
     FSCK_UNSYNCED_TAIL, SEGMENTS, 15, 0, 0},
    {"a missing lock file is a warning", remove_the_lock, FSCK_CLEAN, FSCK_NO_LOCK, 0, 0, 0, 0},
    {"a leftover temporary file is a warning", leave_a_temporary, FSCK_CLEAN, FSCK_LEFTOVER, 0, 0,
     0, 0},
    {"a strange name is a warning", leave_a_strange_name, FSCK_CLEAN, FSCK_STRANGE_NAME, 0, 0, 0,
     0},
    {"a session file that others can read is a warning", open_the_session, FSCK_CLEAN,
     FSCK_SESSION_MODE, 0, 0, 0, 0},
    {"a record that is no entry is damage", append_no_entry, FSCK_DAMAGE, FSCK_NOT_AN_ENTRY,
     SEGMENTS, 16, 16, 0},
    {"an entry of an unknown type is information", append_unknown_type, FSCK_CLEAN,
     FSCK_UNKNOWN_TYPES, 0, 0, 0, 0},
    {"an acknowledgement of nothing is a warning", append_unmatched_ack, FSCK_CLEAN,
     FSCK_UNMATCHED_ACKS, 0, 0, 0, 0},
};

static void each_damage_gives_its_finding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damage_cases / sizeof damage_cases[0]; i++) {
        const struct damage_case *c = &damage_cases[i];
        struct fixture *f;
        struct seen seen;

        setup((void **)&f);
        c->make(f->dir);
        check(f->dir, &seen);
        const struct fsck_finding *finding = &seen.first[c->finding];
        bool good = seen.code == c->code && seen.by_code[c->finding] &&
                    (!c->segment || finding->segment == c->segment) &&
                    (!c->first || finding->first_seq == c->first) &&
                    (!c->last || finding->last_seq == c->last) &&
                    (!c->first || !(c->code & FSCK_DAMAGE) || seen.summary.lost_records == c->lost);
        if (!good) {
            print_message("%s: wanted exit %d with %s\n", c->sentence, c->code,
                          fsck_kind(c->finding)->id);
            print_seen(&seen);
        }
        teardown((void **)&f);
        assert_true(good);
    }
}

static void another_boot(void *ctx, uint8_t id[16])
{
    (void)ctx;
    memset(id, 0x5a, 16);
}

/* The journal with two relaxed appends at its end, and the witness of before them. */
static char *end_with_relaxed_frames(struct fixture *f)
{
    char *sync = test_path(f->dir, "sync"), *last = segment_path(f->dir, SEGMENTS);
    size_t len;
    uint8_t *witness = test_read_file(sync, &len);
    struct avj_journal *journal = open_it(f->dir);

    append(journal, f->records + 1, AVJ_RELAXED);
    append(journal, f->records + 2, AVJ_RELAXED);
    avj_journal_close(journal);
    test_write_file(sync, witness, len); /* closing is a sync */
    free(witness);
    free(sync);
    return last;
}

static void without_a_witness_a_later_frame_proves_what_was_durable(void **state)
{
    struct fixture *f = *state;
    struct avj_io io = *avj_io_posix();
    char *last = segment_path(f->dir, SEGMENTS);
    uint64_t frames = test_file_size(last) - HEADER;
    struct seen seen;

    io.boot_id = another_boot;
    remove_the_witness(f->dir);
    test_flip(last, HEADER + frames / 2 + 70, 1); /* the third of four frames */
    check_with(f->dir, &(struct fsck_options){.io = &io}, &seen);
    assert_int_equal(seen.code, FSCK_DAMAGE | FSCK_TAIL);
    assert_int_equal(seen.first[FSCK_PAYLOAD].first_seq, f->records - 1);
    assert_int_equal(seen.first[FSCK_PAYLOAD].last_seq, f->records - 1);
    free(last);
}

static void after_a_boot_an_unsynced_frame_may_be_missing_before_another(void **state)
{
    struct fixture *f = *state;
    struct avj_io io = *avj_io_posix();
    char *last = segment_path(f->dir, SEGMENTS);
    uint64_t end = test_file_size(last);
    struct seen seen;

    free(last);
    last = end_with_relaxed_frames(f);
    io.boot_id = another_boot;
    test_flip(last, end + 70, 1);
    check_with(f->dir, &(struct fsck_options){.io = &io}, &seen);
    assert_int_equal(seen.code, FSCK_TAIL);
    assert_int_equal(seen.first[FSCK_UNSYNCED_TAIL].offset, end);
    assert_int_equal(seen.summary.records, f->records);
    free(last);
}

static void without_a_boot_it_may_not(void **state)
{
    struct fixture *f = *state;
    char *last = segment_path(f->dir, SEGMENTS);
    uint64_t end = test_file_size(last);
    struct seen seen;

    free(last);
    last = end_with_relaxed_frames(f);
    test_flip(last, end + 70, 1);
    check(f->dir, &seen);
    assert_int_equal(seen.code, FSCK_DAMAGE);
    assert_int_equal(seen.summary.lost_records, 1);
    free(last);
}

static void reserved_zeros_behind_the_end_are_fine(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    append_zeros(f->dir);
    check(f->dir, &seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_int_equal(seen.findings, 0);
    assert_int_equal(seen.summary.records, f->records);
}

/* An ordinary crash: the torn bytes stay, the next append begins a segment, and the check is clean
 * again. */
static void a_torn_tail_is_set_aside_by_the_next_append(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    append_a_torn_frame(f->dir);
    check(f->dir, &seen);
    assert_int_equal(seen.code, FSCK_TAIL);
    assert_true(seen.summary.ok);
    assert_int_equal(seen.summary.unsynced_tail_bytes, 77);
    assert_int_equal(seen.summary.records, f->records);
    struct avj_journal *journal = open_it(f->dir);
    append(journal, f->records + 1, AVJ_DURABLE);
    avj_journal_close(journal);
    check(f->dir, &seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_int_equal(seen.by_code[FSCK_SET_ASIDE], 1);
    assert_int_equal(seen.summary.set_aside_bytes, 77);
    assert_int_equal(seen.summary.records, f->records + 1);
}

static void the_thread_of_later_messages_is_known_to_be_affected(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    char *path = segment_path(f->dir, 1);

    test_flip(path, HEADER + 70, 1); /* the frame that made the thread */
    check(f->dir, &seen);
    assert_int_equal(seen.first[FSCK_PAYLOAD].first_seq, 1);
    assert_int_equal(seen.first[FSCK_PAYLOAD].last_seq, 1);
    assert_int_equal(seen.thread_count, 1);
    assert_string_equal(seen.threads[0], "thread-1");
    assert_int_equal(seen.by_code[FSCK_FOLD_STOPPED], 1);
    assert_false(seen.summary.fold_complete);
    assert_int_equal(seen.summary.records, f->records - 1);
    free(path);
}

/* ---- not to be checked ---- */

static void what_is_no_journal_is_said(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    char *file = test_path(f->folder, "file");

    test_write_file(file, "x", 1);
    check(f->folder, &seen);
    assert_int_equal(seen.code, FSCK_FAILED);
    assert_false(seen.summary.ok);
    assert_contains(seen.err.message, "not a journal");
    assert_contains(seen.err.message, "avchat init");
    check(file, &seen);
    assert_int_equal(seen.code, FSCK_FAILED);
    assert_contains(seen.err.message, "not a journal");
    check("/nowhere/at/all", &seen);
    assert_int_equal(seen.code, FSCK_FAILED);
    assert_contains(seen.err.message, "/nowhere/at/all");
    free(file);
}

static void a_newer_format_is_refused(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    char *path = segment_path(f->dir, SEGMENTS);
    size_t len;
    uint8_t *data = test_read_file(path, &len);
    uint8_t hash[16];

    data[8] = 99; /* the version, hashed anew */
    avj_hash128(data, HEADER - 16, hash);
    memcpy(data + HEADER - 16, hash, 16);
    test_write_file(path, data, len);
    check(f->dir, &seen);
    assert_int_equal(seen.code, FSCK_FAILED);
    assert_contains(seen.err.message, "newer");
    free(data);
    free(path);
}

static int64_t racing_clock(void *ctx)
{
    int64_t *now = ctx;
    return *now += 10;
}

static void a_check_out_of_time_says_so(void **state)
{
    struct fixture *f = *state;
    struct avj_io io = *avj_io_posix();
    int64_t now = 0;
    struct seen seen;

    io.ctx = &now; /* the functions of the real file system do not look at it */
    io.monotonic_ms = racing_clock;
    check_with(f->dir, &(struct fsck_options){.io = &io, .max_duration_ms = 45}, &seen);
    assert_int_equal(seen.code, FSCK_FAILED);
    assert_int_equal(seen.by_code[FSCK_UNFINISHED], 1);
    assert_false(seen.summary.complete);
    assert_false(seen.summary.ok);
    assert_true(seen.summary.records > 0 && seen.summary.records < f->records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE(a_whole_journal_is_clean),
        EMPTY(a_journal_without_records_is_clean),
        WHOLE(the_digest_is_the_stores),
        WHOLE(a_check_changes_nothing),
        cmocka_unit_test(each_damage_gives_its_finding),
        WHOLE(without_a_witness_a_later_frame_proves_what_was_durable),
        WHOLE(after_a_boot_an_unsynced_frame_may_be_missing_before_another),
        WHOLE(without_a_boot_it_may_not),
        WHOLE(a_session_note_that_is_not_known_is_clean),
        WHOLE(reserved_zeros_behind_the_end_are_fine),
        WHOLE(a_torn_tail_is_set_aside_by_the_next_append),
        WHOLE(the_thread_of_later_messages_is_known_to_be_affected),
        EMPTY(what_is_no_journal_is_said),
        WHOLE(a_newer_format_is_refused),
        WHOLE(a_check_out_of_time_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
