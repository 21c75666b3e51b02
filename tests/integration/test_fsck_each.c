/*
 * Every finding of the table, produced by a small journal: one row says how it is made, and what a
 * check then says, exactly: these findings and no others, and that exit code.
 */
#include "tests/integration/fsck_wrecks.h"

#include "journal/format.h"
#include "journal/maintain.h"
#include "replay/snapshot_file.h"
#include "replay/stream.h"

#include <errno.h>
#include <pthread.h>

#define BIT(code) ((uint64_t)1 << (code))
static_assert(FSCK_CODES <= 64, "a set of findings is a number");

/* ---- frames that are whole and say something wrong ---- */

enum forged { OTHER_NUMBER, OTHER_CHAIN, OTHER_WRITER, NOT_ZSTD };

/* Frame `index` of a segment, with hashes that fit. */
static void forge_frame(const char *dir, uint64_t segment, unsigned index, enum forged how)
{
    char *path = segment_path(dir, segment);
    struct avj_segment_header segment_header;
    struct avj_frame_header h;
    struct avj_error err = {0};
    size_t len;
    uint8_t *data = test_read_file(path, &len);
    uint64_t at = frame_offset(path, index);

    assert_ok(avj_segment_header_decode(data, &segment_header, &err), err);
    uint64_t place = avj_frame_place(segment_header.salt, at);
    assert_true(avj_frame_header_decode(data + at, place, &h));
    uint8_t *stored = data + at + AVJ_FRAME_HEADER_LEN;
    if (how == OTHER_NUMBER)
        h.first_seq += 2;
    else if (how == OTHER_CHAIN)
        h.prev_hash ^= 1;
    else if (how == OTHER_WRITER)
        h.writer_id ^= 1;
    if (how == NOT_ZSTD) {
        memset(stored, 0xee, h.stored_len);
        h.flags |= AVJ_FRAME_FLAG_ZSTD;
    }
    h.payload_hash = avj_payload_hash(place, stored, h.stored_len);
    avj_frame_header_encode(&h, place, data + at);
    size_t total = (size_t)avj_frame_total(h.stored_len);
    avj_frame_trailer_encode((uint32_t)total, h.header_hash,
                             data + at + total - AVJ_FRAME_TRAILER_LEN);
    test_write_file(path, data, len);
    free(data);
    free(path);
}

static void a_frame_with_another_number(const char *dir)
{
    forge_frame(dir, 2, 3, OTHER_NUMBER);
}

static void a_frame_with_another_chain(const char *dir)
{
    forge_frame(dir, 2, 1, OTHER_CHAIN);
}

static void a_frame_that_does_not_unpack(const char *dir)
{
    forge_frame(dir, SEGMENTS, 3, NOT_ZSTD);
}

static void the_last_frame_otherwise(const char *dir)
{
    forge_frame(dir, SEGMENTS, 3, OTHER_WRITER);
}

static void a_byte_between_frames(const char *dir)
{
    char *path = segment_path(dir, 2);
    size_t len;
    uint8_t *data = test_read_file(path, &len);
    bool found = false;

    for (unsigned i = 0; i < 4 && !found; i++) {
        uint64_t at = frame_offset(path, i);
        uint32_t stored = avj_get_le32(data + at + 8);
        found = stored % AVJ_FRAME_ALIGN != 0;
        if (found)
            test_flip(path, at + AVJ_FRAME_HEADER_LEN + stored, 1);
    }
    assert_true(found);
    free(data);
    free(path);
}

/* ---- segments ---- */

static void all_are_gone(const char *dir)
{
    for (unsigned s = 1; s <= SEGMENTS; s++)
        take_away(dir, s);
}

static void a_bit_in_a_header(const char *dir)
{
    flip_in_header(dir, 2, 1000);
}

static void remains_of_a_torn_write(const char *dir)
{
    char *path = segment_path(dir, 2);

    test_append_file(path, "remains of a torn write", 23);
    free(path);
}

/* Nothing can come before the first one. */
static void another_predecessor(const char *dir)
{
    char *path = segment_path(dir, 1);
    struct avj_segment_header header;
    struct avj_error err = {0};
    size_t len;
    uint8_t *data = test_read_file(path, &len);

    assert_ok(avj_segment_header_decode(data, &header, &err), err);
    header.prev_segment_no = 7;
    avj_segment_header_encode(&header, data);
    test_write_file(path, data, len);
    free(data);
    free(path);
}

static void an_index_cut_off(const char *dir)
{
    char *path = segment_path(dir, 2);

    seal_all(dir);
    test_truncate_file(path, sealed_index_at(path));
    free(path);
}

static void other_content_than_was_sealed(const char *dir)
{
    char *path = segment_path(dir, 2);
    struct avj_segment_header header;
    struct avj_error err = {0};
    size_t len;

    seal_all(dir);
    uint8_t *data = test_read_file(path, &len);
    assert_ok(avj_segment_header_decode(data, &header, &err), err);
    header.from.content[0] ^= 1;
    avj_segment_header_encode(&header, data);
    test_write_file(path, data, len);
    free(data);
    free(path);
}

/* ---- records ---- */

static void append_pack(const char *dir, struct avj_pack *pack)
{
    assert_false(pack->failed);
    append_bad_record(dir, pack->data, pack->len);
    avj_pack_release(pack);
}

static void an_unknown_type(const char *dir)
{
    append_bad_record(dir, "\x82\xa1t\xa6later!\xa1h\x01", 13);
}

static void a_change_that_says_not_what(const char *dir)
{
    struct avj_pack pack = {0};

    avj_entry_begin(&pack, AVJ_E_LOCAL, (uint64_t)2 << 40, "session-a", AVJ_MESSAGE, "message-2",
                    0);
    append_pack(dir, &pack);
}

static void an_answer(const char *dir, const char *id, int64_t upto)
{
    struct avj_pack pack = {0};

    avj_entry_begin(&pack, AVJ_E_ACK, (uint64_t)2 << 40, "session-a", AVJ_MESSAGE, id, 5);
    avj_pack_cstr(&pack, "r");
    avj_pack_cstr(&pack, "row-2");
    avj_pack_cstr(&pack, "s");
    avj_pack_int(&pack, upto);
    avj_pack_cstr(&pack, "v");
    avj_pack_cstr(&pack, "2026-01-01T00:00:01.000+00:00");
    avj_pack_cstr(&pack, "x");
    avj_pack_int(&pack, 201);
    avj_pack_cstr(&pack, "f");
    avj_pack_map(&pack, 2);
    avj_pack_cstr(&pack, "content");
    avj_pack_cstr(&pack, "as upstream");
    avj_pack_cstr(&pack, "threadId");
    avj_pack_cstr(&pack, "thread-1");
    append_pack(dir, &pack);
}

static void an_answer_to_nothing(const char *dir)
{
    an_answer(dir, "unheard", 2);
}

static void an_answer_before_its_question(const char *dir)
{
    an_answer(dir, "message-2", 17); /* it is record 16 */
}

/* Two hours before the records in front of it. */
static void a_change_of_before(const char *dir)
{
    struct avj_pack pack = {0};

    avj_entry_begin(&pack, AVJ_E_RETRY, (((uint64_t)1 << 24) - 7200000) << 16, "session-b",
                    AVJ_MESSAGE, "message-2", 1);
    avj_pack_cstr(&pack, "s");
    avj_pack_int(&pack, 2);
    append_pack(dir, &pack);
}

static void an_answer_cut_short(const char *dir)
{
    struct avj_store_options options = {.anonymous = true};
    struct avj_store *store;
    struct avj_stream *stream;
    struct avj_error err = {0};

    assert_ok(avj_store_open(dir, &options, &store, &err), err);
    assert_ok(avj_stream_begin(store, "thread-1", NULL, &stream, &err), err);
    assert_ok(avj_stream_append(stream, "half of what", 12, &err), err);
    assert_ok(avj_stream_abort(stream, false, &err), err);
    avj_stream_close(stream);
    avj_store_close(store);
}

static void two_messages_in_one_row(const char *dir)
{
    an_answer(dir, "message-2", 2);
    an_answer(dir, "message-3", 3);
}

/* Realtime may have told of it, or two answers were found for one attempt. */
static void an_answer_given_twice_is_fine(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    an_answer(f->dir, "message-2", 2);
    an_answer(f->dir, "message-2", 2);
    check(f->dir, &seen);
    assert_int_equal(seen.findings, 0);
}

static void a_message_alone(const char *dir)
{
    struct avj_pack pack = {0};

    avj_entry_begin(&pack, AVJ_E_LOCAL, (uint64_t)2 << 40, "session-a", AVJ_MESSAGE, "alone", 3);
    avj_pack_cstr(&pack, "o");
    avj_pack_cstr(&pack, "create");
    avj_pack_cstr(&pack, "f");
    avj_pack_map(&pack, 3);
    avj_pack_cstr(&pack, "id");
    avj_pack_cstr(&pack, "alone");
    avj_pack_cstr(&pack, "threadId");
    avj_pack_cstr(&pack, "nowhere");
    avj_pack_cstr(&pack, "createdAt");
    avj_pack_cstr(&pack, "2026-01-01T00:00:00.000Z");
    avj_pack_cstr(&pack, "u");
    avj_pack_nil(&pack);
    append_pack(dir, &pack);
}

static void more_than_are_listed(const char *dir)
{
    struct avj_slice records[FSCK_FINDINGS_PER_KIND + 1];
    struct avj_journal *journal = open_it(dir);
    struct avj_error err = {0};

    for (size_t i = 0; i < FSCK_FINDINGS_PER_KIND + 1; i++)
        records[i] = (struct avj_slice){"\xc1not msgpack", 12};
    assert_ok(
        avj_journal_append(journal, records, FSCK_FINDINGS_PER_KIND + 1, AVJ_DURABLE, NULL, &err),
        err);
    avj_journal_close(journal);
}

/* More records than are at hand when the last, an edit, needs one of the first. */
#define FAR_BACK 12000u
#define A_FRAME  500u

static void an_edit_of_long_ago(const char *dir)
{
    struct avj_pack packs[A_FRAME] = {{0}}, edit = {0};
    struct avj_slice records[A_FRAME];
    struct avj_error err = {0};
    struct avj_journal *journal = open_it(dir);

    assert_ok(avj_journal_rotate(journal, &err), err);
    for (unsigned at = 0; at < FAR_BACK; at += A_FRAME) {
        for (unsigned i = 0; i < A_FRAME; i++) {
            add_local(&packs[i], 100 + at + i);
            records[i] = (struct avj_slice){packs[i].data, packs[i].len};
        }
        assert_ok(avj_journal_append(journal, records, A_FRAME, AVJ_RELAXED, NULL, &err), err);
    }
    avj_journal_close(journal);
    for (unsigned i = 0; i < A_FRAME; i++)
        avj_pack_release(&packs[i]);
    avj_entry_begin(&edit, AVJ_E_LOCAL, (uint64_t)2 << 40, "session-a", AVJ_MESSAGE, "message-2",
                    3);
    avj_pack_cstr(&edit, "o");
    avj_pack_cstr(&edit, "update");
    avj_pack_cstr(&edit, "f");
    avj_pack_map(&edit, 1);
    avj_pack_cstr(&edit, "content");
    avj_pack_cstr(&edit, "edited");
    avj_pack_cstr(&edit, "u");
    avj_pack_nil(&edit);
    append_pack(dir, &edit);
}

/* ---- snapshots ---- */

/* Edits a message and makes a snapshot. */
static void go_on_to_a_snapshot(const char *dir)
{
    struct avj_store *store = NULL;
    struct avj_error err = {0};

    assert_ok(avj_store_open(dir, NULL, &store, &err), err);
    assert_ok(avj_message_edit(store, "message-3", "edited", 6, &err), err);
    assert_ok(avj_store_snapshot(store, NULL, &err), err);
    avj_store_close(store);
}

static char *snapshot_of(const char *dir)
{
    char *folder = test_path(dir, "snapshots"), *path = test_last_name(folder, ".snap");

    assert_non_null(path);
    free(folder);
    return path;
}

static void a_bit_of_a_snapshot(const char *dir)
{
    go_on_to_a_snapshot(dir);
    char *path = snapshot_of(dir);
    test_flip(path, test_file_size(path) - 1, 1);
    free(path);
}

static void a_snapshot_with_another_digest(const char *dir)
{
    go_on_to_a_snapshot(dir);
    char *path = snapshot_of(dir);
    struct avj_snapshot_header header;
    size_t len;
    uint8_t *file = test_read_file(path, &len);

    assert_true(avj_snapshot_header_decode(file, &header));
    header.digest[3] ^= 1;
    avj_snapshot_header_encode(&header, file);
    test_write_file(path, file, len);
    free(file);
    free(path);
}

static void a_snapshot_of_a_later_program(const char *dir)
{
    go_on_to_a_snapshot(dir);
    char *path = snapshot_of(dir);
    size_t len;
    uint8_t *file = test_read_file(path, &len);

    avj_put_le32(file + 8, AVJ_SNAPSHOT_VERSION + 1);
    avj_put_le64(file + AVJ_SNAPSHOT_PAGE - 8, avj_hash64(file, AVJ_SNAPSHOT_PAGE - 8));
    test_write_file(path, file, len);
    free(file);
    free(path);
}

static void a_snapshot_that_was_set_aside(const char *dir)
{
    go_on_to_a_snapshot(dir);
    char *path = test_path(dir, "snapshots/0000000000000009.bad");
    test_write_file(path, "x", 1);
    free(path);
}

/* The log is restored from a backup, the snapshots are not. */
static void a_snapshot_of_what_is_not_there(const char *dir)
{
    static const char *const parts[] = {"segments", "sync"};
    char *backup = test_path(dir, "../backup");

    test_copy_tree(dir, backup);
    go_on_to_a_snapshot(dir);
    for (size_t i = 0; i < 2; i++) {
        char *here = test_path(dir, "%s", parts[i]), *there = test_path(backup, "%s", parts[i]);
        if (i == 0) {
            test_remove_tree(here);
            test_copy_tree(there, here);
        } else {
            size_t len;
            uint8_t *witness = test_read_file(there, &len);
            test_write_file(here, witness, len);
            free(witness);
        }
        free(here);
        free(there);
    }
    free(backup);
}

/* ---- dictionaries ---- */

static void a_bit_of_a_dictionary(const char *dir)
{
    struct avj_journal *journal = open_it(dir);
    struct avj_dictionary own;
    struct avj_error err = {0};
    char *path = segment_path(dir, SEGMENTS + 1);

    avj_dictionary_default(&own);
    uint8_t *bytes = malloc(own.len);
    assert_non_null(bytes);
    memcpy(bytes, own.data, own.len);
    bytes[own.len - 1] ^= 1;
    own =
        (struct avj_dictionary){.data = bytes, .len = own.len, .hash = avj_hash64(bytes, own.len)};
    assert_ok(avj_dictionary_save(journal, &own, 1, &err), err);
    free(bytes);
    assert_ok(avj_journal_rotate(journal, &err), err);
    append(journal, 16, AVJ_DURABLE);
    avj_journal_close(journal);
    test_flip(path, HEADER + 20, 8);
    free(path);
}

/* ---- file systems ---- */

static pthread_t checks;

static bool is_the_second(const char *path)
{
    return strstr(path, "0000000000000002.seg") != NULL;
}

static int open_or_fail(void *ctx, const char *path, unsigned flags)
{
    (void)ctx;
    return is_the_second(path) ? -EIO : avj_io_posix()->open(NULL, path, flags);
}

static int open_or_refuse(void *ctx, const char *path, unsigned flags)
{
    (void)ctx;
    return is_the_second(path) ? -EACCES : avj_io_posix()->open(NULL, path, flags);
}

/* A file can be read by the thread that checks it, and by no other afterwards. */
static int open_once(void *ctx, const char *path, unsigned flags)
{
    (void)ctx;
    if (strstr(path, "0000000000000001.seg") && !pthread_equal(pthread_self(), checks))
        return -EIO;
    return avj_io_posix()->open(NULL, path, flags);
}

static int64_t racing_clock(void *ctx)
{
    int64_t *now = ctx;
    return *now += 10;
}

enum reading { AS_IT_IS, WITH_ERRORS, AS_A_STRANGER, READING_ONCE, IN_A_HURRY };

static void check_reading(const char *dir, enum reading reading, struct seen *seen)
{
    struct avj_io io = *avj_io_posix();
    struct fsck_options options = {.io = &io};
    int64_t now = 0;

    checks = pthread_self();
    if (reading == WITH_ERRORS)
        io.open = open_or_fail;
    else if (reading == AS_A_STRANGER)
        io.open = open_or_refuse;
    else if (reading == READING_ONCE)
        io.open = open_once;
    if (reading == IN_A_HURRY) {
        io.ctx = &now; /* the functions of the real file system do not look at it */
        io.monotonic_ms = racing_clock;
        options.max_duration_ms = 45;
    }
    check_with(dir, &options, seen);
}

/* ---- the table ---- */

static void nothing(const char *dir)
{
    (void)dir;
}

struct row {
    enum fsck_code code;
    const char *sentence;
    void (*make)(const char *dir);
    int exit;
    uint64_t also; /* what comes with it */
    enum reading reading;
};

#define STOPPED BIT(FSCK_FOLD_STOPPED)
#define ALONE   BIT(FSCK_NO_THREAD)

static const struct row rows[] = {
    {FSCK_NO_SEGMENTS, "a log without files", all_are_gone, 68, STOPPED | BIT(FSCK_NO_WITNESS),
     AS_IT_IS},
    {FSCK_SEGMENT_MISSING, "a segment deleted", a_middle_one_is_gone, 4, STOPPED, AS_IT_IS},
    {FSCK_UNREADABLE, "a segment that the disk does not give", nothing, 12, STOPPED, WITH_ERRORS},
    {FSCK_NO_ACCESS, "a segment that is somebody else's", nothing, 8, STOPPED, AS_A_STRANGER},
    {FSCK_LEFTOVER, "a temporary file", a_leftover, 0, 0, AS_IT_IS},
    {FSCK_STRANGE_NAME, "a file that is no segment", a_strange_name, 0, 0, AS_IT_IS},
    {FSCK_NO_LOCK, "no lock file", no_lock, 0, 0, AS_IT_IS},
    {FSCK_NO_WITNESS, "no note of what was durable", no_witness, 64, 0, AS_IT_IS},
    {FSCK_SESSION_MODE, "a login that others can read", an_open_session, 0, 0, AS_IT_IS},
    {FSCK_SEGMENT_HEADER, "a bit wrong in a header", a_bit_in_a_header, 4, STOPPED, AS_IT_IS},
    {FSCK_FRAME_HEADER, "a frame without its header", a_frame_header, 4, STOPPED, AS_IT_IS},
    {FSCK_PAYLOAD, "a frame overwritten", a_frame_in_the_middle, 4, STOPPED, AS_IT_IS},
    {FSCK_TRAILER, "the end of a frame overwritten", a_damaged_trailer, 4, STOPPED, AS_IT_IS},
    {FSCK_PADDING, "a bit between two frames", a_byte_between_frames, 4, STOPPED, AS_IT_IS},
    {FSCK_TRUNCATED, "a file without its last byte", cut_in_the_last, 4, STOPPED, AS_IT_IS},
    {FSCK_DECOMPRESS, "a frame that never was zstd", a_frame_that_does_not_unpack, 4, STOPPED,
     AS_IT_IS},
    {FSCK_UNSYNCED_TAIL, "half a frame at the end", a_torn_append, 64, 0, AS_IT_IS},
    {FSCK_SET_ASIDE, "half a frame, gone on from", remains_of_a_torn_write, 0, 0, AS_IT_IS},
    {FSCK_DICTIONARY, "a bit wrong in a dictionary", a_bit_of_a_dictionary, 4, STOPPED, AS_IT_IS},
    {FSCK_FOREIGN, "a file of another journal", a_foreign_one, 4, STOPPED, AS_IT_IS},
    {FSCK_MISPLACED, "a segment copied over the next", one_is_copied_over_the_next, 4, STOPPED,
     AS_IT_IS},
    {FSCK_PREDECESSOR, "a first segment that follows one", another_predecessor, 4,
     BIT(FSCK_CHAIN_BROKEN), AS_IT_IS},
    {FSCK_SHORT, "a file cut between frames", cut_at_a_frame, 4, STOPPED, AS_IT_IS},
    {FSCK_CHAIN_BROKEN, "a frame behind another than it says", a_frame_with_another_chain, 4, 0,
     AS_IT_IS},
    {FSCK_SEQUENCE, "a frame with a number too high", a_frame_with_another_number, 4,
     STOPPED | BIT(FSCK_CHAIN_BROKEN), AS_IT_IS},
    {FSCK_MISSING_DURABLE, "the last segment deleted", the_last_is_gone, 4, STOPPED, AS_IT_IS},
    {FSCK_WITNESS_DIFFERS, "another last frame than was made durable", the_last_frame_otherwise, 4,
     0, AS_IT_IS},
    {FSCK_INDEX, "a sealed segment without its index", an_index_cut_off, 4, 0, AS_IT_IS},
    {FSCK_CONTENT, "a segment sealed with something else", other_content_than_was_sealed, 4, 0,
     AS_IT_IS},
    {FSCK_NOT_AN_ENTRY, "a record that is no msgpack", a_record_that_is_no_entry, 4, 0, AS_IT_IS},
    {FSCK_UNKNOWN_TYPES, "an entry of a later program", an_unknown_type, 0, 0, AS_IT_IS},
    {FSCK_NOT_FOLDED, "a change that does not say what it does", a_change_that_says_not_what, 4, 0,
     AS_IT_IS},
    {FSCK_FOLD_STOPPED, "a gap in the log", the_last_frame, 4, BIT(FSCK_PAYLOAD), AS_IT_IS},
    {FSCK_UNMATCHED_ACKS, "an answer about what was never there", an_answer_to_nothing, 0, 0,
     AS_IT_IS},
    {FSCK_NO_THREAD, "a message in no thread", a_message_alone, 0, 0, AS_IT_IS},
    {FSCK_NOT_FETCHED, "a record that can be read once only", an_edit_of_long_ago, 4, STOPPED,
     READING_ONCE},
    {FSCK_SNAPSHOT_DAMAGED, "a bit wrong in a snapshot", a_bit_of_a_snapshot, 0, 0, AS_IT_IS},
    {FSCK_SNAPSHOT_STALE, "a log older than its snapshot", a_snapshot_of_what_is_not_there, 0, 0,
     AS_IT_IS},
    {FSCK_SNAPSHOT_DIFFERS, "a snapshot with another digest", a_snapshot_with_another_digest, 4, 0,
     AS_IT_IS},
    {FSCK_SNAPSHOT_LEFTOVER, "a snapshot set aside", a_snapshot_that_was_set_aside, 0, 0, AS_IT_IS},
    {FSCK_SNAPSHOT_OTHER, "a snapshot of a later program", a_snapshot_of_a_later_program, 0, 0,
     AS_IT_IS},
    {FSCK_UNFINISHED, "a check without the time it needs", nothing, 8, 0, IN_A_HURRY},
    {FSCK_MORE, "more records that are no entries than are listed", more_than_are_listed, 4,
     BIT(FSCK_NOT_AN_ENTRY), AS_IT_IS},
    {FSCK_LATER, "an answer to the next record", an_answer_before_its_question, 0, 0, AS_IT_IS},
    {FSCK_CLOCK_BACK, "a change of two hours before", a_change_of_before, 0, 0, AS_IT_IS},
    {FSCK_INTERRUPTED, "half an answer", an_answer_cut_short, 0, 0, AS_IT_IS},
    {FSCK_SHARED_ROW, "two messages in one row", two_messages_in_one_row, 0, 0, AS_IT_IS},
};
#define ROWS (sizeof rows / sizeof rows[0])

static void each_finding_comes_from_what_it_tells_of(void **state)
{
    unsigned bad = 0;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        struct fixture *f;
        struct seen seen;
        uint64_t found = 0;

        setup((void **)&f);
        row->make(f->dir);
        check_reading(f->dir, row->reading, &seen);
        for (int code = 0; code < FSCK_CODES; code++)
            if (seen.by_code[code])
                found |= BIT(code);
        if (found != (BIT(row->code) | row->also) || seen.code != row->exit) {
            print_message("%s: wanted %s and exit %d\n", row->sentence, fsck_kind(row->code)->id,
                          row->exit);
            print_seen(&seen);
            bad++;
        }
        teardown((void **)&f);
    }
    assert_int_equal(bad, 0);
}

/* Damage shows in the exit code, a warning does not. */
static void the_exit_code_goes_with_the_severity(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        bool damage = fsck_kind(rows[i].code)->severity == FSCK_DAMAGED;
        for (int code = 0; code < FSCK_CODES; code++)
            damage = damage || ((rows[i].also & BIT(code)) &&
                                fsck_kind((enum fsck_code)code)->severity == FSCK_DAMAGED);
        assert_int_equal((rows[i].exit & FSCK_DAMAGE) != 0, damage);
    }
}

static void every_finding_has_a_row(void **state)
{
    uint64_t all = 0;

    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        all |= BIT(rows[i].code);
    for (int code = 0; code < FSCK_CODES; code++)
        if (!(all & BIT(code)))
            fail_msg("no row makes %s", fsck_kind((enum fsck_code)code)->id);
}

static void no_wreck_goes_unnoticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < WRECK_CASES; i++) {
        struct fixture *f;
        struct seen seen;

        setup((void **)&f);
        wreck_cases[i].make(f->dir);
        check(f->dir, &seen);
        teardown((void **)&f);
        if (!seen.findings)
            fail_msg("nothing is found where \"%s\"", wreck_cases[i].sentence);
    }
}

/* ---- what findings say of what is lost ---- */

static char title[80];

static void see_titles(void *arg, const struct fsck_finding *finding)
{
    struct fsck_finding *payload = arg;

    if (finding->code != FSCK_PAYLOAD)
        return;
    *payload = *finding; /* its ids are not to be used */
    if (finding->threads.count == 1 && finding->titles[0])
        snprintf(title, sizeof title, "%s", finding->titles[0]);
}

/* The thread was renamed in a record that is lost: its acknowledgement tells. */
static void lost_records_are_told_by_time_and_by_title(void **state)
{
    struct fixture *f = *state;
    struct avj_pack pack = {0};
    struct fsck_finding payload = {.code = FSCK_CODES};
    struct fsck_sink sink = {.arg = &payload, .finding = see_titles};
    struct avj_error err = {0};

    title[0] = 0;
    avj_entry_begin(&pack, AVJ_E_ACK, (uint64_t)2 << 40, "session-a", AVJ_THREAD, "thread-1", 3);
    avj_pack_cstr(&pack, "r");
    avj_pack_cstr(&pack, "row-1");
    avj_pack_cstr(&pack, "s");
    avj_pack_int(&pack, 5);
    avj_pack_cstr(&pack, "x");
    avj_pack_int(&pack, 200);
    append_pack(f->dir, &pack);
    overwrite_frame(f->dir, 2, 1); /* record 5 */
    assert_int_equal(fsck_run(f->dir, NULL, &sink, &err), FSCK_DAMAGE);
    assert_int_equal(payload.first_seq, 5);
    assert_string_equal(title, "A thread");
    /* The clock of record n of this journal stands at 2^24 + n. */
    assert_int_equal(payload.after_ms, (1 << 24) + 4);
    assert_int_equal(payload.before_ms, (1 << 24) + 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_finding_comes_from_what_it_tells_of),
        cmocka_unit_test(the_exit_code_goes_with_the_severity),
        cmocka_unit_test(every_finding_has_a_row),
        cmocka_unit_test(no_wreck_goes_unnoticed),
        WHOLE(an_answer_given_twice_is_fine),
        WHOLE(lost_records_are_told_by_time_and_by_title),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
