/* Hostile segments read by every way in: see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include "journal/format.h"
#include "tests/support/alloc_wrap.h"
#include "tests/support/mem_io.h"
#include "tests/support/small_journal.h"

#include <string.h>

/* Windows, contexts and the journal itself, besides what lengths claim. */
#define OVERHEAD ((size_t)8 * 1024 * 1024)

void fuzz_begin(void)
{
    alloc_wrap_plan(0, false);
}

void fuzz_end(size_t input_len)
{
    struct alloc_wrap_seen seen = alloc_wrap_seen();

    fuzz_require(seen.largest <= 2 * AVJ_FRAME_RAW_MAX + 4096, "%zu bytes at once", seen.largest);
    fuzz_require(seen.peak <= 4 * AVJ_FRAME_RAW_MAX + OVERHEAD + 8 * input_len,
                 "%zu bytes together", seen.peak);
}

/* What one way of reading saw: how many records, and one hash over them all. */
struct seen {
    uint64_t records, next_seq;
    uint64_t hash;
    uint64_t frame_end; /* of the last frame that was reported */
    bool damage;
};

static void see(struct seen *seen, uint64_t seq, const uint8_t *data, size_t len)
{
    uint64_t parts[3] = {seen->hash, seq, avj_hash64(data, len)};

    seen->hash = avj_hash64(parts, sizeof parts);
    seen->records++;
    seen->next_seq = seq + 1;
}

static enum avj_status scan_frame(void *arg, const struct avj_frame_info *frame)
{
    struct seen *seen = arg;

    fuzz_require(frame->offset >= seen->frame_end && frame->offset % AVJ_FRAME_ALIGN == 0,
                 "frame at %llu", (unsigned long long)frame->offset);
    fuzz_require(frame->stored_len <= AVJ_FRAME_STORED_MAX && frame->raw_len <= AVJ_FRAME_RAW_MAX,
                 "%u and %u bytes", frame->stored_len, frame->raw_len);
    fuzz_require(frame->first_seq > 0 && frame->first_seq <= AVJ_SEQ_MAX &&
                     frame->count - 1 <= AVJ_SEQ_MAX - frame->first_seq,
                 "numbers from %llu on", (unsigned long long)frame->first_seq);
    seen->frame_end = frame->offset + frame->total_len;
    return AVJ_OK;
}

/* Records behind damage are hashed too, so that a sanitizer sees each byte of them, but not
 * counted. */
static enum avj_status scan_record(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                   const uint8_t *data, size_t len)
{
    struct seen *seen = arg, behind = {0};

    fuzz_require(seq - frame->first_seq < frame->count, "record %llu", (unsigned long long)seq);
    see(seen->damage ? &behind : seen, seq, data, len);
    return AVJ_OK;
}

static enum avj_status scan_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                   const struct avj_frame_info *next_good)
{
    struct seen *seen = arg;

    (void)len;
    fuzz_require(damage != AVJ_DAMAGE_NONE && avj_damage_text(damage), "damage of no kind");
    fuzz_require(!next_good || next_good->offset >= offset, "goes on in front of the damage");
    seen->damage = true;
    return AVJ_OK;
}

static enum avj_status scan(struct mem_io *mem, const char *path, size_t len, struct seen *seen)
{
    const struct avj_scan_events events = {
        .arg = seen, .frame = scan_frame, .record = scan_record, .damage = scan_damage};
    struct avj_scan_result result;
    struct avj_error err;
    enum avj_status status =
        avj_scan_segment(mem_io_table(mem), path, 0, true, &events, &result, &err);

    fuzz_require(status == AVJ_OK || status == AVJ_EVERSION, "%s", err.message);
    /* A file may end in front of its first frame: inside its dictionary. */
    fuzz_require((result.end <= len || result.end == result.header.frames_at) &&
                     result.file_bytes <= len,
                 "ends at %llu", (unsigned long long)result.end);
    return status;
}

static enum avj_status read_on(struct avj_journal *journal, uint64_t from, struct seen *seen)
{
    struct avj_cursor *cursor = NULL;
    struct avj_error err;
    enum avj_status status = avj_cursor_open(journal, from, &cursor, &err);

    while (status == AVJ_OK) {
        struct avj_record record;
        status = avj_cursor_next(cursor, &record, &err);
        if (status != AVJ_OK)
            break;
        fuzz_require(record.seq >= from && (seen->records == 0 || record.seq == seen->next_seq),
                     "record %llu behind %llu", (unsigned long long)record.seq,
                     (unsigned long long)seen->next_seq - 1);
        see(seen, record.seq, record.data, record.len);
    }
    avj_cursor_close(cursor);
    fuzz_require(status == AVJ_END || status == AVJ_ECORRUPT || status == AVJ_EVERSION, "%s",
                 err.message);
    return status;
}

static struct avj_journal *open_hostile(struct mem_io *mem, bool read_only)
{
    struct avj_journal_options options = small_options(mem);
    struct avj_journal *journal = NULL;
    struct avj_error err;
    enum avj_status status;

    options.read_only = read_only;
    status = avj_journal_open(SMALL_DIR, &options, &journal, &err);
    fuzz_require((status == AVJ_OK) == (journal != NULL), "%s", err.message);
    fuzz_require(status == AVJ_OK || status == AVJ_ECORRUPT || status == AVJ_EVERSION, "%s",
                 err.message);
    return journal;
}

/* Where the journal may be appended to, what was read before is read again, and the new record. */
static void append_to(struct mem_io *mem, const struct seen *before, enum avj_status ended)
{
    static const struct avj_slice record = {"appended", 8};
    struct avj_journal *journal = open_hostile(mem, false);
    struct seen expected = *before, seen = {0};
    struct avj_error err;
    uint64_t seq = 0;

    if (!journal)
        return;
    if (avj_journal_append(journal, &record, 1, AVJ_DURABLE, &seq, &err) == AVJ_OK &&
        ended == AVJ_END) {
        see(&expected, seq, record.data, record.len);
        fuzz_require(read_on(journal, 0, &seen) == AVJ_END, "what was appended can not be read");
        fuzz_require(seen.hash == expected.hash, "%llu records, wanted %llu",
                     (unsigned long long)seen.records, (unsigned long long)expected.records);
    }
    avj_journal_close(journal);
}

static void read_journal(struct mem_io *mem, const struct seen *scanned, enum avj_status status)
{
    struct seen seen = {0}, middle = {0};
    struct avj_journal *journal = open_hostile(mem, true);
    enum avj_status ended;

    if (!journal)
        return;
    ended = read_on(journal, 0, &seen);
    if (seen.records > 1)
        (void)read_on(journal, seen.next_seq - 1 - seen.records / 2, &middle);
    avj_journal_close(journal);
    /* Only the cursor asks whether the first segment is the first; and a dictionary that this
     * program does not have concerns it only where a frame needs it. */
    if ((ended == AVJ_ECORRUPT && seen.records == 0) || status == AVJ_EVERSION)
        return;
    fuzz_require(seen.records == scanned->records && seen.hash == scanned->hash,
                 "the cursor gave %llu records, the scan %llu", (unsigned long long)seen.records,
                 (unsigned long long)scanned->records);
    append_to(mem, &seen, ended);
}

/* A sealed segment is never the last one: an empty one that names it as its predecessor. */
static void put_successor(struct mem_io *mem, const uint8_t *data, size_t len)
{
    struct avj_segment_header here, next = {.version = AVJ_FORMAT_VERSION, .segment_no = 2};
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];

    if (len < sizeof bytes || avj_segment_header_decode(data, &here, NULL) != AVJ_OK ||
        !here.sealed)
        return;
    memcpy(next.journal_id, here.journal_id, 16);
    next.first_seq = here.from.last_seq + 1;
    next.prev_segment_no = here.segment_no;
    memcpy(next.prev_salt, here.from.salt, 16);
    next.prev_end = here.from.end;
    next.prev_last_seq = here.from.last_seq;
    next.prev_chain = here.from.chain;
    avj_segment_header_encode(&next, bytes);
    mem_io_put(mem, small_segment(2), bytes, sizeof bytes);
}

void fuzz_read_segment(const uint8_t *data, size_t len)
{
    struct mem_io *mem = mem_io_new(1);
    const struct avj_io *io = mem_io_table(mem);
    struct seen scanned = {0};
    enum avj_status status;

    fuzz_require(io->mkdir(io->ctx, SMALL_DIR) == 0, "no folder");
    fuzz_require(io->mkdir(io->ctx, SMALL_DIR "/segments") == 0, "no folder");
    mem_io_put(mem, small_segment(1), data, len);
    put_successor(mem, data, len);
    status = scan(mem, small_segment(1), len, &scanned);
    read_journal(mem, &scanned, status);
    fuzz_require(mem_io_counts(mem)->largest_read <= 2 * AVJ_FRAME_RAW_MAX,
                 "%zu bytes read at once", mem_io_counts(mem)->largest_read);
    mem_io_free(mem);
}
