/* Which frame holds a record, and where it stands: see fetch_private.h. */
#include "journal/fetch_private.h"
#include "journal/bytes.h"
#include "journal/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of file between two marks. */
#define MARK_EVERY 4096u
/* A file is looked for under its name so often: sealing and compaction put another one there. */
#define CHECK_EVERY_MS 1000

static enum avj_status no_memory(struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "fetch: out of memory");
}

static enum avj_status missing(const struct avj_fetcher *f, uint64_t number, struct avj_error *err)
{
    return avj_fail(err, AVJ_ECORRUPT, "%s: segment %llu is missing; run avchat-fsck", f->path,
                    (unsigned long long)number);
}

/* ---- the table of segments ---- */

static enum avj_status add_segment(struct avj_fetcher *f, uint64_t number, struct avj_error *err)
{
    if (f->segment_count == f->segment_room) {
        size_t room = f->segment_room ? f->segment_room * 2 : 16;
        struct fetch_segment **segments = realloc(f->segments, room * sizeof(*segments));
        if (!segments)
            return no_memory(err);
        f->segments = segments;
        f->segment_room = room;
    }
    struct fetch_segment *s = calloc(1, sizeof(*s));
    if (!s)
        return no_memory(err);
    s->number = number;
    s->file = -1;
    f->segments[f->segment_count++] = s;
    return AVJ_OK;
}

/* Those that come later are met as successors of these. */
static enum avj_status list_segments(struct avj_fetcher *f, struct avj_error *err)
{
    struct avj_segment_entry *entries;
    size_t count;
    enum avj_status status = avj_list_segments(f->io, f->path, &entries, &count, NULL, NULL, err);
    if (status != AVJ_OK)
        return status;
    /* Behind a hole nothing is known to follow: the one that is missing is told of. */
    for (size_t i = 0; i < count && status == AVJ_OK; i++)
        if (entries[i].number == entries[0].number + i)
            status = add_segment(f, entries[i].number, err);
    free(entries);
    if (status == AVJ_OK && count == 0)
        return avj_fail(err, AVJ_ECORRUPT, "%s: all segments are gone; run avchat-fsck", f->path);
    return status;
}

/* A header that was read is that of this place of this journal. */
static enum avj_status accept_header(struct avj_fetcher *f, struct fetch_segment *s,
                                     const struct avj_segment_header *header, const char *name,
                                     struct avj_error *err)
{
    if (!f->has_id) {
        memcpy(f->journal_id, header->journal_id, 16);
        f->has_id = true;
    }
    if (memcmp(f->journal_id, header->journal_id, 16) != 0 || header->segment_no != s->number ||
        (s->first_seq && s->first_seq != header->first_seq))
        return avj_fail(err, AVJ_ECORRUPT,
                        "%s belongs to another place or journal; run avchat-fsck", name);
    s->first_seq = header->first_seq;
    return AVJ_OK;
}

static enum avj_status read_header(struct avj_fetcher *f, struct fetch_segment *s,
                                   struct avj_segment_header *header, struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(f->path, s->number, ".seg", name);
    enum avj_status status = avj_read_segment_header(f->io, name, header, err);
    if (status == AVJ_ENOTFOUND)
        return missing(f, s->number, err);
    return status == AVJ_OK ? accept_header(f, s, header, name, err) : status;
}

static enum avj_status learn_first_seq(struct avj_fetcher *f, struct fetch_segment *s,
                                       struct avj_error *err)
{
    struct avj_segment_header header;
    return s->first_seq ? AVJ_OK : read_header(f, s, &header, err);
}

static enum avj_status before_the_first(struct avj_fetcher *f, uint64_t seq, struct avj_error *err)
{
    const struct fetch_segment *first = f->segments[0];
    return avj_fail(err, first->number == 1 || !seq ? AVJ_ENOTFOUND : AVJ_ECORRUPT,
                    "%s: record %llu is not kept, the first is %llu", f->path,
                    (unsigned long long)seq, (unsigned long long)first->first_seq);
}

enum avj_status avj_fetch_segment_of(struct avj_fetcher *f, uint64_t seq,
                                     struct fetch_segment **segment, struct avj_error *err)
{
    enum avj_status status = f->segment_count ? AVJ_OK : list_segments(f, err);
    size_t low = 0, high = f->segment_count;
    while (status == AVJ_OK && high - low > 1) {
        size_t middle = low + (high - low) / 2;
        status = learn_first_seq(f, f->segments[middle], err);
        if (f->segments[middle]->first_seq <= seq)
            low = middle;
        else
            high = middle;
    }
    if (status == AVJ_OK)
        status = learn_first_seq(f, f->segments[low], err);
    if (status != AVJ_OK)
        return status;
    *segment = f->segments[low];
    return seq < (*segment)->first_seq || seq == 0 ? before_the_first(f, seq, err) : AVJ_OK;
}

/* ---- marks ---- */

static void drop_marks(struct avj_fetcher *f, struct fetch_segment *s)
{
    f->stats.directory_bytes -= s->mark_room * sizeof(*s->marks);
    free(s->marks);
    s->marks = NULL;
    s->mark_count = s->mark_room = 0;
    s->listed = false;
}

static bool add_mark(struct avj_fetcher *f, struct fetch_segment *s, uint64_t seq, uint64_t offset)
{
    if (s->mark_count && offset - s->marks[s->mark_count - 1].offset < MARK_EVERY)
        return true;
    if (s->mark_count == s->mark_room) {
        size_t room = s->mark_room ? s->mark_room * 2 : 16;
        struct fetch_mark *marks = realloc(s->marks, room * sizeof(*marks));
        if (!marks)
            return false;
        f->stats.directory_bytes += (room - s->mark_room) * sizeof(*marks);
        s->marks = marks;
        s->mark_room = room;
    }
    s->marks[s->mark_count++] = (struct fetch_mark){seq, offset};
    return true;
}

static void bound_directories(struct avj_fetcher *f, const struct fetch_segment *keep)
{
    while (f->stats.directory_bytes > AVJ_FETCH_DIRECTORY_MAX) {
        struct fetch_segment *oldest = NULL;
        for (size_t i = 0; i < f->segment_count; i++) {
            struct fetch_segment *s = f->segments[i];
            if (s != keep && s->mark_room && (!oldest || s->used < oldest->used))
                oldest = s;
        }
        if (!oldest)
            return;
        drop_marks(f, oldest);
    }
}

/* ---- files ---- */

static void close_file(struct avj_fetcher *f, struct fetch_segment *s)
{
    if (s->file < 0)
        return;
    (void)f->io->close(f->io->ctx, s->file);
    s->file = -1;
    f->stats.open_files--;
    if (f->reading == s) {
        f->reading = NULL;
        f->reader.file = -1;
    }
}

static void bound_files(struct avj_fetcher *f)
{
    while (f->stats.open_files >= AVJ_FETCH_FILES_MAX) {
        struct fetch_segment *oldest = NULL;
        for (size_t i = 0; i < f->segment_count; i++) {
            struct fetch_segment *s = f->segments[i];
            if (s->file >= 0 && (!oldest || s->used < oldest->used))
                oldest = s;
        }
        close_file(f, oldest);
    }
}

/* What was known of another file under that name holds no more. */
static void forget_file(struct avj_fetcher *f, struct fetch_segment *s)
{
    drop_marks(f, s);
    avj_fetch_forget(f, s, 0);
    s->entered = false;
}

static enum avj_status open_file(struct avj_fetcher *f, struct fetch_segment *s,
                                 struct avj_segment_header *header, struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    size_t got;
    avj_segment_path(f->path, s->number, ".seg", name);
    int file = f->io->open(f->io->ctx, name, AVJ_OPEN_READ);
    if (file == -ENOENT)
        return missing(f, s->number, err);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", name);
    s->file = file;
    f->stats.open_files++;
    int r = avj_io_read_full(f->io, file, bytes, sizeof(bytes), 0, &got);
    if (r < 0)
        return avj_fail_errno(err, -r, "%s", name);
    if (got < sizeof(bytes))
        return avj_fail(err, AVJ_ECORRUPT, "%s: shorter than a segment header; run avchat-fsck",
                        name);
    enum avj_status status = avj_segment_header_decode(bytes, header, err);
    if (status != AVJ_OK)
        avj_wrap(err, "%s", name);
    return status == AVJ_OK ? accept_header(f, s, header, name, err) : status;
}

/* The segment in front, where its header can be read, is the one that this one goes on from. */
static enum avj_status check_predecessor(struct avj_fetcher *f, const struct fetch_segment *s,
                                         struct avj_error *err)
{
    struct avj_segment_header before;
    char name[AVJ_PATH_MAX];
    if (s == f->segments[0])
        return AVJ_OK;
    avj_segment_path(f->path, s->number - 1, ".seg", name);
    enum avj_status status = avj_read_segment_header(f->io, name, &before, err);
    if (status == AVJ_ECORRUPT || status == AVJ_EVERSION || status == AVJ_ENOTFOUND)
        return AVJ_OK; /* to be told of by who wants a record of it */
    if (status != AVJ_OK)
        return status;
    const uint8_t *salt = before.sealed ? before.from.salt : before.salt;
    if (s->header.prev_segment_no == s->number - 1 && memcmp(s->header.prev_salt, salt, 16) == 0)
        return AVJ_OK;
    return avj_fail(err, AVJ_ECORRUPT,
                    "segment %llu does not continue segment %llu; run avchat-fsck",
                    (unsigned long long)s->number, (unsigned long long)s->number - 1);
}

/* Opens what is under the segment's name. */
static enum avj_status open_anew(struct avj_fetcher *f, struct fetch_segment *s,
                                 struct avj_error *err)
{
    struct avj_segment_header header;
    bound_files(f);
    enum avj_status status = open_file(f, s, &header, err);
    if (status == AVJ_OK && s->entered && memcmp(header.salt, s->header.salt, 16) == 0)
        return AVJ_OK;
    if (status == AVJ_OK) {
        forget_file(f, s);
        s->header = header;
        status = check_predecessor(f, s, err);
    }
    if (status != AVJ_OK) {
        close_file(f, s);
        return status;
    }
    s->entered = true;
    s->limit = header.sealed ? header.from.index_at : UINT64_MAX;
    memset(&s->next, 0, sizeof(s->next));
    avj_place_begin(&s->walked, &s->header);
    return AVJ_OK;
}

/* The reader is on the segment's file. */
static enum avj_status use(struct avj_fetcher *f, struct fetch_segment *s, struct avj_error *err)
{
    int64_t now = f->io->monotonic_ms(f->io->ctx);
    s->used = ++f->clock;
    if (now - s->checked_ms >= CHECK_EVERY_MS)
        close_file(f, s);
    if (s->file < 0) {
        enum avj_status status = open_anew(f, s, err);
        if (status != AVJ_OK)
            return status;
        s->checked_ms = now;
    }
    if (f->reading != s) {
        f->reading = s;
        f->reader.file = s->file;
        memcpy(f->reader.salt, s->header.salt, 16);
        avj_reader_forget(&f->reader);
    }
    return AVJ_OK;
}

/* ---- where the frames are ---- */

static enum avj_status list_sealed(struct avj_fetcher *f, struct fetch_segment *s,
                                   struct avj_error *err)
{
    struct avj_unpacker *unpacker;
    struct avj_index index;
    enum avj_status status = avj_fetch_unpacker(f, s, &unpacker, err);
    if (status == AVJ_OK)
        status = avj_index_load(&f->reader, &s->header, unpacker, &index, err);
    if (status == AVJ_ECORRUPT)
        return avj_fetch_damaged(s, s->header.from.index_at, avj_damage_text(AVJ_DAMAGE_INDEX),
                                 err);
    for (size_t i = 0; status == AVJ_OK && i < index.count; i++) {
        const uint8_t *entry = index.entries + i * AVJ_INDEX_ENTRY_LEN;
        if (!add_mark(f, s, avj_get_le64(entry), avj_get_le64(entry + 8)))
            status = no_memory(err);
    }
    s->walked = (struct avj_place){.segment_no = s->number,
                                   .offset = s->header.from.index_at,
                                   .next_seq = s->header.from.last_seq + 1};
    return status;
}

/* One frame further; false where none continues, or it is not there to its end. */
static enum avj_status step(struct avj_fetcher *f, struct fetch_segment *s, uint64_t size,
                            bool *done, struct avj_error *err)
{
    struct avj_frame_info frame;
    enum avj_damage damage;
    enum avj_at at = avj_reader_header(&f->reader, s->walked.offset, s->limit, &frame, &damage);
    if (at == AVJ_AT_ERROR)
        return avj_fail_errno(err, -f->reader.io_error, "segment %llu",
                              (unsigned long long)s->number);
    if (at == AVJ_AT_FRAME && !avj_follows(&s->walked, &frame)) {
        at = AVJ_AT_BAD;
        damage = AVJ_DAMAGE_CHAIN;
    }
    if (at == AVJ_AT_FRAME && frame.offset + frame.total_len > size) {
        at = AVJ_AT_BAD;
        damage = AVJ_DAMAGE_TRUNCATED;
    }
    s->stop = damage;
    *done = at != AVJ_AT_FRAME;
    if (*done)
        return AVJ_OK;
    if (!add_mark(f, s, s->walked.next_seq, s->walked.offset))
        return no_memory(err);
    avj_place_step(&s->walked, &frame);
    return AVJ_OK;
}

static enum avj_status walk(struct avj_fetcher *f, struct fetch_segment *s, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    int64_t size = avj_reader_size(&f->reader);
    if (size < 0)
        return avj_fail_errno(err, (int)-size, "segment %llu", (unsigned long long)s->number);
    for (bool done = false; status == AVJ_OK && !done;)
        status = step(f, s, (uint64_t)size, &done, err);
    return status;
}

/* Marks up to the end of the log, or of the segment's. */
static enum avj_status list_frames(struct avj_fetcher *f, struct fetch_segment *s,
                                   struct avj_error *err)
{
    enum avj_status status;
    if (s->listed && (s->header.sealed || s->walked.offset == s->limit))
        return AVJ_OK;
    if (!s->listed) {
        avj_place_begin(&s->walked, &s->header);
        drop_marks(f, s);
    }
    status = s->header.sealed ? list_sealed(f, s, err) : walk(f, s, err);
    s->listed = status == AVJ_OK || !s->header.sealed;
    bound_directories(f, s);
    return status;
}

/* ---- the successor ---- */

/* It is there: what it says of this segment's end. */
static enum avj_status set_limit(struct avj_fetcher *f, struct fetch_segment *s,
                                 const struct avj_segment_header *next, struct avj_error *err)
{
    if (s->header.sealed)
        return AVJ_OK;
    s->limit = next->prev_end;
    s->next = (struct avj_place){s->number, next->prev_end, next->prev_chain, next->first_seq};
    if (s->walked.offset <= s->limit)
        return list_frames(f, s, err);
    /* What stands behind was carried over. */
    drop_marks(f, s);
    avj_fetch_forget(f, s, next->first_seq);
    avj_reader_forget(&f->reader);
    return list_frames(f, s, err);
}

/* The segment ends as its successor says; *grew: that was not known of before. */
static enum avj_status look_for_successor(struct avj_fetcher *f, struct fetch_segment *s,
                                          bool *grew, struct avj_error *err)
{
    struct avj_reader reader;
    struct avj_segment_header next;
    struct avj_place begin;
    enum avj_fit fit;
    bool is_last = s == f->segments[f->segment_count - 1];
    *grew = false;
    if (!is_last && s->next.segment_no)
        return AVJ_OK;
    avj_place_begin(&begin, &s->header);
    if (s->header.sealed)
        begin.next_seq = s->header.from.last_seq + 1;
    avj_reader_init(&reader, f->io);
    enum avj_status status =
        avj_tail_successor(f->path, &s->header, &begin, &reader, &next, &fit, err);
    avj_reader_release(&reader);
    if ((status == AVJ_ECORRUPT || status == AVJ_EVERSION) && !s->header.sealed)
        return AVJ_OK; /* to be told of by who wants a record of it */
    if (status != AVJ_OK)
        return status;
    if (fit == AVJ_FIT_NONE)
        return is_last ? AVJ_OK : missing(f, s->number + 1, err);
    if (fit != AVJ_FIT_HERE && fit != AVJ_FIT_LATER)
        return avj_tail_misfit("its successor", &begin, err);
    s->next.segment_no = s->number;
    *grew = is_last;
    if (is_last)
        status = add_segment(f, s->number + 1, err);
    return status == AVJ_OK ? set_limit(f, s, &next, err) : status;
}

/* An end that is known is reached, and as the successor knows it. */
static bool ends_well(const struct fetch_segment *s)
{
    return s->header.sealed || s->limit == UINT64_MAX ||
           (s->walked.offset == s->next.offset && s->walked.chain == s->next.chain &&
            s->walked.next_seq == s->next.next_seq);
}

/* ---- a record's frame ---- */

static const struct fetch_mark *find_mark(const struct fetch_segment *s, uint64_t seq)
{
    size_t low = 0, high = s->mark_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->marks[middle].first_seq <= seq)
            low = middle;
        else
            high = middle;
    }
    return &s->marks[low];
}

/* From the mark on, header by header. */
static enum avj_status find_frame(struct avj_fetcher *f, const struct fetch_segment *s,
                                  uint64_t seq, struct avj_frame_info *frame, struct avj_error *err)
{
    const struct fetch_mark *mark = find_mark(s, seq);
    uint64_t at_seq = mark->first_seq, offset = mark->offset;
    const struct avj_reader *r = &f->reader;
    if (offset < r->window_at || offset >= r->window_at + r->len)
        avj_reader_forget(&f->reader); /* little is read ahead */
    for (;;) {
        enum avj_damage damage;
        enum avj_at at = avj_reader_header(&f->reader, offset, s->limit, frame, &damage);
        if (at == AVJ_AT_ERROR)
            return avj_fail_errno(err, -f->reader.io_error, "segment %llu",
                                  (unsigned long long)s->number);
        if (at != AVJ_AT_FRAME || frame->type != AVJ_FRAME_RECORDS || frame->first_seq != at_seq ||
            seq < at_seq) {
            *frame = (struct avj_frame_info){.offset = offset, .first_seq = at_seq};
            return AVJ_END;
        }
        at_seq += frame->count;
        offset += frame->total_len;
        if (seq < at_seq)
            return AVJ_OK;
    }
}

static enum avj_status locate_in(struct avj_fetcher *f, uint64_t seq, struct fetch_segment *s,
                                 struct avj_frame_info *frame, bool *again, struct avj_error *err)
{
    enum avj_status status = use(f, s, err);
    if (status == AVJ_OK)
        status = list_frames(f, s, err);
    if (status == AVJ_OK)
        status = look_for_successor(f, s, again, err);
    if (status != AVJ_OK || *again)
        return status;
    *frame = (struct avj_frame_info){.offset = s->walked.offset,
                                     .first_seq = s->walked.next_seq,
                                     .chain_before = s->walked.chain};
    if (s->walked.offset == s->limit && !ends_well(s))
        return avj_tail_misfit("its successor", &s->walked, err);
    if (seq < s->walked.next_seq)
        return find_frame(f, s, seq, frame, err);
    return s->header.sealed ? avj_tail_missing(&s->walked, err) : AVJ_END;
}

enum avj_status avj_fetch_locate(struct avj_fetcher *f, uint64_t seq,
                                 struct fetch_segment **segment, struct avj_frame_info *frame,
                                 struct avj_error *err)
{
    for (;;) {
        bool again = false;
        enum avj_status status = avj_fetch_segment_of(f, seq, segment, err);
        if (status == AVJ_OK)
            status = locate_in(f, seq, *segment, frame, &again, err);
        if (status != AVJ_OK || !again)
            return status;
    }
}

void avj_fetch_segments_release(struct avj_fetcher *f)
{
    for (size_t i = 0; i < f->segment_count; i++) {
        struct fetch_segment *s = f->segments[i];
        close_file(f, s);
        free(s->marks);
        free(s->frames);
        free(s);
    }
    free(f->segments);
}
