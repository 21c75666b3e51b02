/* Segments read without trust: see scan.h. */
#include "journal/hash.h"
#include "journal/index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const damage_texts[] = {
    [AVJ_DAMAGE_NONE] = "no damage",
    [AVJ_DAMAGE_SEGMENT_HEADER] = "segment header damaged",
    [AVJ_DAMAGE_FRAME_HEADER] = "no valid frame header",
    [AVJ_DAMAGE_PAYLOAD] = "payload checksum wrong",
    [AVJ_DAMAGE_TRAILER] = "frame trailer wrong",
    [AVJ_DAMAGE_CHAIN] = "frame does not continue the chain",
    [AVJ_DAMAGE_SEQUENCE] = "sequence numbers do not continue",
    [AVJ_DAMAGE_DECOMPRESS] = "payload can not be decoded",
    [AVJ_DAMAGE_PADDING] = "padding is not zero",
    [AVJ_DAMAGE_TRUNCATED] = "file ends inside a frame",
    [AVJ_DAMAGE_DICTIONARY] = "dictionary damaged",
    [AVJ_DAMAGE_INDEX] = "index missing or wrong",
    [AVJ_DAMAGE_CONTENT] = "records are not those that were written here",
};

const char *avj_damage_text(enum avj_damage damage)
{
    size_t index = (size_t)damage;
    return index < sizeof(damage_texts) / sizeof(damage_texts[0]) ? damage_texts[index]
                                                                  : "unknown damage";
}

/* ---- listing ---- */

struct listing {
    struct avj_segment_entry *entries;
    size_t count, cap;
    void (*other)(void *arg, const char *name);
    void *arg;
    const char *prefix;
    bool segments; /* inside segments/ */
};

static bool segment_number(const char *name, uint64_t *number)
{
    if (strlen(name) != 20 || strcmp(name + 16, ".seg") != 0)
        return false;
    *number = 0;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *number = *number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return *number > 0;
}

static int add_segment(struct listing *l, const char *name, uint64_t number)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct avj_segment_entry *entries = realloc(l->entries, cap * sizeof(*entries));
        if (!entries)
            return -ENOMEM;
        l->entries = entries;
        l->cap = cap;
    }
    l->entries[l->count].number = number;
    snprintf(l->entries[l->count].name, sizeof(l->entries[0].name), "%s", name);
    l->count++;
    return 0;
}

static int list_one(void *arg, const char *name)
{
    struct listing *l = arg;
    uint64_t number;
    if (l->segments && segment_number(name, &number))
        return add_segment(l, name, number);
    if (l->other && (l->segments || strcmp(name, "segments") != 0)) {
        char full[AVJ_PATH_MAX];
        snprintf(full, sizeof(full), "%s%s", l->prefix, name);
        l->other(l->arg, full);
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct avj_segment_entry *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

enum avj_status avj_list_segments(const struct avj_io *io, const char *path,
                                  struct avj_segment_entry **out, size_t *count,
                                  void (*other)(void *arg, const char *name), void *arg,
                                  struct avj_error *err)
{
    *out = NULL;
    *count = 0;
    char dir[AVJ_PATH_MAX];
    if (strlen(path) > AVJ_PATH_MAX - 64)
        return avj_fail(err, AVJ_EINVAL, "path too long");
    snprintf(dir, sizeof(dir), "%s/segments", path);
    struct listing l = {.other = other, .arg = arg, .prefix = "segments/", .segments = true};
    int r = io->list(io->ctx, dir, list_one, &l);
    if (r == 0 && other) {
        l.segments = false;
        l.prefix = "";
        r = io->list(io->ctx, path, list_one, &l);
    }
    if (r < 0) {
        free(l.entries);
        if (r == -ENOENT || r == -ENOTDIR)
            return avj_fail(err, AVJ_ENOTJOURNAL, "%s is not a journal", path);
        return avj_fail_errno(err, -r, "%s", dir);
    }
    if (l.count)
        qsort(l.entries, l.count, sizeof(*l.entries), by_number);
    *out = l.entries;
    *count = l.count;
    return AVJ_OK;
}

enum avj_status avj_read_segment_header(const struct avj_io *io, const char *path,
                                        struct avj_segment_header *header, struct avj_error *err)
{
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    size_t got = 0;
    int file = io->open(io->ctx, path, AVJ_OPEN_READ);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", path);
    int r = avj_io_read_full(io, file, bytes, sizeof(bytes), 0, &got);
    (void)io->close(io->ctx, file);
    if (r < 0)
        return avj_fail_errno(err, -r, "%s", path);
    if (got < sizeof(bytes))
        return avj_fail(err, AVJ_ECORRUPT, "%s: shorter than a segment header", path);
    enum avj_status status = avj_segment_header_decode(bytes, header, err);
    if (status != AVJ_OK)
        avj_wrap(err, "%s", path);
    return status;
}

/* ---- scanning ---- */

struct scan {
    struct avj_reader reader;
    struct avj_unpacker *unpacker;
    const struct avj_scan_events *events;
    struct avj_scan_result *result;
    struct avj_error *err;
    const char *path;
    const struct avj_segment_header *as;     /* in place of the file's own; NULL: that */
    const struct avj_dictionary *dictionary; /* in place of the segment's; NULL: that */
    uint64_t limit;
    uint64_t at;
    bool chained; /* no gap since the header: result->end moves */
    bool want_records;

    /* Of a sealed segment: */
    struct avj_index_builder index; /* as it must be */
    struct avj_hash_stream *content;
    bool index_met;
};

static enum avj_status tell_damage(struct scan *s, enum avj_damage damage, uint64_t offset,
                                   uint64_t len, const struct avj_frame_info *next)
{
    s->chained = false;
    if (!s->events->damage)
        return AVJ_OK;
    return s->events->damage(s->events->arg, damage, offset, len, next);
}

/* Damage to what stands beside the frames: it breaks no chain. */
static enum avj_status tell_aside(struct scan *s, enum avj_damage damage, uint64_t offset,
                                  uint64_t len)
{
    if (!s->events->damage)
        return AVJ_OK;
    return s->events->damage(s->events->arg, damage, offset, len, NULL);
}

static enum avj_status give_records(struct scan *s, const struct avj_frame_info *frame,
                                    const uint8_t *stored)
{
    enum avj_status status = avj_unpack(s->unpacker, frame, stored);
    if (status == AVJ_ECORRUPT)
        return tell_damage(s, AVJ_DAMAGE_DECOMPRESS, frame->offset, frame->total_len, NULL);
    if (status != AVJ_OK)
        return avj_fail(s->err, status, "%s: out of memory", s->path);
    struct avj_slice record = avj_unpacked(s->unpacker);
    if (s->content)
        avj_hash_stream_add(s->content, record.data, record.len);
    uint64_t seq = frame->first_seq;
    while (avj_unpack_next(s->unpacker, &record)) {
        if (s->events->record)
            status = s->events->record(s->events->arg, frame, seq, record.data, record.len);
        if (status != AVJ_OK)
            return status;
        seq++;
    }
    return AVJ_OK;
}

/* The index of a sealed segment must tell of just the frames that were met. */
static enum avj_status take_index(struct scan *s, const struct avj_frame_info *frame,
                                  const uint8_t *stored)
{
    enum avj_status status = avj_unpack(s->unpacker, frame, stored);
    if (status == AVJ_ENOMEM)
        return avj_fail(s->err, status, "%s: out of memory", s->path);
    struct avj_slice entries = avj_unpacked(s->unpacker);
    size_t len = s->index.count * AVJ_INDEX_ENTRY_LEN;
    s->index_met = true;
    if (status == AVJ_OK && s->chained && frame->offset == s->result->header.from.index_at &&
        frame->chain_before == s->result->chain && frame->first_seq == s->result->next_seq &&
        s->result->next_seq == s->result->header.from.last_seq + 1 && entries.len == len &&
        memcmp(entries.data, s->index.entries, len) == 0)
        return AVJ_OK;
    return tell_aside(s, AVJ_DAMAGE_INDEX, frame->offset, frame->total_len);
}

/* A frame of a sealed segment that holds no records. */
static enum avj_status take_other(struct scan *s, const struct avj_frame_info *frame,
                                  const uint8_t *stored)
{
    enum avj_status status = AVJ_OK;
    if (!s->result->header_ok || !s->result->header.sealed)
        status = tell_damage(s, AVJ_DAMAGE_FRAME_HEADER, frame->offset, frame->total_len, NULL);
    else if (frame->type == AVJ_FRAME_INDEX && !s->index_met)
        status = take_index(s, frame, stored);
    else if (frame->type != AVJ_FRAME_SET_ASIDE || !s->index_met ||
             frame->chain_before != s->result->chain)
        status = tell_damage(s, AVJ_DAMAGE_CHAIN, frame->offset, frame->total_len, NULL);
    s->at = frame->offset + frame->total_len;
    s->result->chain = frame->chain_after;
    return status;
}

/* An intact frame: does it continue what was before? Either way it is reported. */
static enum avj_status take_frame(struct scan *s, const struct avj_frame_info *frame,
                                  const uint8_t *stored)
{
    struct avj_scan_result *r = s->result;
    enum avj_status status = AVJ_OK;
    if (frame->type != AVJ_FRAME_RECORDS)
        return take_other(s, frame, stored);
    const struct avj_place place = {
        .offset = frame->offset, .chain = frame->chain_before, .next_seq = frame->first_seq};
    if (r->header.sealed && !avj_index_add(&s->index, &place))
        return avj_fail(s->err, AVJ_ENOMEM, "%s: out of memory", s->path);
    if (frame->chain_before != r->chain)
        status = s->chained
                     ? tell_damage(s, AVJ_DAMAGE_CHAIN, frame->offset, frame->total_len, frame)
                     : AVJ_OK;
    else if (frame->first_seq != r->next_seq)
        status = tell_damage(s, AVJ_DAMAGE_SEQUENCE, frame->offset, frame->total_len, frame);
    if (status == AVJ_OK && s->events->frame)
        status = s->events->frame(s->events->arg, frame);
    if (status == AVJ_OK && s->want_records)
        status = give_records(s, frame, stored);
    s->at = frame->offset + frame->total_len;
    r->frames++;
    r->records += frame->count;
    if (frame->durable_seq > r->durable_seq)
        r->durable_seq = frame->durable_seq;
    r->chain = frame->chain_after;
    r->next_seq = frame->first_seq + frame->count;
    if (s->chained)
        r->end = s->at;
    return status;
}

static enum avj_status take_zeros(struct scan *s, bool *done)
{
    uint64_t end = avj_reader_skip_zeros(&s->reader, s->at, s->limit);
    if (s->reader.io_error)
        return avj_fail_errno(s->err, -s->reader.io_error, "%s", s->path);
    if (end >= s->limit || end >= s->result->file_bytes) {
        uint64_t stop = s->limit < s->result->file_bytes ? s->limit : s->result->file_bytes;
        *done = true;
        if (!s->events->reserved)
            return AVJ_OK;
        return s->events->reserved(s->events->arg, s->at, stop - s->at);
    }
    struct avj_frame_info next;
    bool found = avj_reader_resync(&s->reader, s->at, s->limit, &next);
    if (s->reader.io_error)
        return avj_fail_errno(s->err, -s->reader.io_error, "%s", s->path);
    uint64_t stop =
        found ? next.offset : (s->limit < s->result->file_bytes ? s->limit : s->result->file_bytes);
    uint64_t from = s->at;
    s->at = stop;
    *done = !found;
    return tell_damage(s, AVJ_DAMAGE_FRAME_HEADER, from, stop - from, found ? &next : NULL);
}

static enum avj_status take_damage(struct scan *s, enum avj_damage damage, bool *done)
{
    struct avj_frame_info next;
    bool found = avj_reader_resync(&s->reader, s->at + AVJ_FRAME_ALIGN, s->limit, &next);
    if (s->reader.io_error) /* what can not be read now is not gone */
        return avj_fail_errno(s->err, -s->reader.io_error, "%s", s->path);
    uint64_t size = s->result->file_bytes < s->limit ? s->result->file_bytes : s->limit;
    uint64_t stop = found ? next.offset : size;
    uint64_t from = s->at;
    s->at = stop;
    *done = !found;
    return tell_damage(s, damage, from, stop - from, found ? &next : NULL);
}

static enum avj_status scan_frames(struct scan *s)
{
    bool done = false;
    while (!done) {
        struct avj_frame_info frame;
        const uint8_t *stored;
        enum avj_damage damage;
        enum avj_status status = AVJ_OK;
        switch (avj_reader_frame(&s->reader, s->at, s->limit, &frame, &stored, &damage)) {
        case AVJ_AT_FRAME:
            status = take_frame(s, &frame, stored);
            break;
        case AVJ_AT_END:
            done = true;
            break;
        case AVJ_AT_ZEROS:
            status = take_zeros(s, &done);
            break;
        case AVJ_AT_BAD:
            status = take_damage(s, damage, &done);
            break;
        case AVJ_AT_ERROR:
            return avj_fail_errno(s->err, -s->reader.io_error, "%s at offset %llu", s->path,
                                  (unsigned long long)s->at);
        }
        if (status != AVJ_OK)
            return status;
    }
    return AVJ_OK;
}

/* A header that can not be believed: its salt may still be good, so frames behind it may still be
 * found. */
static enum avj_status scan_headerless(struct scan *s)
{
    uint64_t size = s->result->file_bytes < s->limit ? s->result->file_bytes : s->limit;
    uint64_t len = size < AVJ_SEGMENT_HEADER_LEN ? size : AVJ_SEGMENT_HEADER_LEN;
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    size_t got;
    struct avj_frame_info next;
    bool found = false;
    int r = avj_io_read_full(s->reader.io, s->reader.file, bytes, sizeof(bytes), 0, &got);
    if (r == 0 && got == sizeof(bytes)) {
        memcpy(s->reader.salt, bytes + 48, 16);
        found = avj_reader_resync(&s->reader, AVJ_SEGMENT_HEADER_LEN, s->limit, &next);
        r = s->reader.io_error;
    }
    if (r < 0)
        return avj_fail_errno(s->err, -r, "%s", s->path);
    s->at = AVJ_SEGMENT_HEADER_LEN;
    enum avj_status status =
        tell_damage(s, AVJ_DAMAGE_SEGMENT_HEADER, 0, len, found ? &next : NULL);
    if (status != AVJ_OK || !found)
        return status;
    s->result->chain = next.chain_before;
    s->result->next_seq = next.first_seq;
    return scan_frames(s);
}

/* The dictionary is needed to unpack frames only; without it those that use it are lost. */
static enum avj_status load_dictionary(struct scan *s)
{
    struct avj_dictionary dictionary;
    const struct avj_segment_header *h = &s->result->header;
    enum avj_status status = AVJ_OK;
    if (s->dictionary)
        dictionary = *s->dictionary;
    else
        status = avj_reader_dictionary(&s->reader, h, &dictionary, s->err);
    if (status == AVJ_ECORRUPT)
        return tell_aside(s, AVJ_DAMAGE_DICTIONARY, AVJ_SEGMENT_HEADER_LEN,
                          h->dictionary.stored_len);
    if (status == AVJ_OK && avj_unpacker_dictionary(s->unpacker, &dictionary) != AVJ_OK)
        status = avj_fail(s->err, AVJ_ENOMEM, "%s: out of memory", s->path);
    return status;
}

/* A sealed segment was synced before it got its name: nothing of it may be missing. */
static enum avj_status end_sealed(struct scan *s)
{
    const struct avj_segment_header *h = &s->result->header;
    uint8_t content[16];
    if (!s->index_met)
        return tell_aside(s, AVJ_DAMAGE_INDEX, h->from.index_at, 0);
    if (!s->content || !s->chained)
        return AVJ_OK;
    avj_hash_stream_end(s->content, content);
    if (memcmp(content, h->from.content, 16) == 0)
        return AVJ_OK;
    return tell_aside(s, AVJ_DAMAGE_CONTENT, h->frames_at, h->from.index_at - h->frames_at);
}

/* Bytes behind the limit, where they are more than space written ahead. */
static enum avj_status measure_set_aside(struct scan *s)
{
    struct avj_scan_result *r = s->result;
    if (r->header.sealed) {
        r->set_aside_bytes = r->header.from.set_aside_bytes;
        return AVJ_OK;
    }
    if (r->file_bytes <= s->limit)
        return AVJ_OK;
    s->reader.io_error = 0;
    uint64_t zeros_to = avj_reader_skip_zeros(&s->reader, s->limit, UINT64_MAX);
    if (s->reader.io_error)
        return avj_fail_errno(s->err, -s->reader.io_error, "%s", s->path);
    if (zeros_to < r->file_bytes)
        r->set_aside_bytes = r->file_bytes - s->limit;
    return AVJ_OK;
}

static enum avj_status scan_whole(struct scan *s)
{
    struct avj_scan_result *r = s->result;
    enum avj_status status = AVJ_OK;
    r->header_ok = true;
    s->at = r->header.frames_at;
    r->end = s->at < r->file_bytes ? s->at : r->file_bytes;
    r->chain = r->header.chain;
    r->next_seq = r->header.first_seq;
    s->chained = true;
    if (r->header.sealed)
        s->limit = UINT64_MAX;
    if (r->header.sealed && s->want_records && !(s->content = avj_hash_stream_new()))
        return avj_fail(s->err, AVJ_ENOMEM, "%s: out of memory", s->path);
    if (s->events->segment)
        status = s->events->segment(s->events->arg, &r->header);
    if (status == AVJ_OK)
        status = load_dictionary(s);
    if (status == AVJ_OK)
        status = scan_frames(s);
    if (status == AVJ_OK && r->header.sealed)
        status = end_sealed(s);
    return status == AVJ_OK ? measure_set_aside(s) : status;
}

static enum avj_status run_scan(struct scan *s)
{
    struct avj_scan_result *r = s->result;
    enum avj_status status = avj_reader_open(&s->reader, s->path, &r->header, s->err);
    if (s->reader.file >= 0) {
        int64_t size = avj_reader_size(&s->reader);
        if (size < 0)
            return avj_fail_errno(s->err, (int)-size, "%s", s->path);
        r->file_bytes = (uint64_t)size;
    }
    if (s->as && (status == AVJ_OK || status == AVJ_ECORRUPT)) {
        r->header = *s->as;
        memcpy(s->reader.salt, s->as->salt, 16);
        return scan_whole(s);
    }
    if (status == AVJ_ECORRUPT)
        return scan_headerless(s);
    return status == AVJ_OK ? scan_whole(s) : status;
}

enum avj_status avj_scan_segment(const struct avj_io *io, const char *path, uint64_t limit,
                                 bool want_records, const struct avj_scan_events *events,
                                 struct avj_scan_result *result, struct avj_error *err)
{
    return avj_scan_segment_as(io, path, NULL, NULL, limit, want_records, events, result, err);
}

enum avj_status avj_scan_segment_as(const struct avj_io *io, const char *path,
                                    const struct avj_segment_header *header,
                                    const struct avj_dictionary *dictionary, uint64_t limit,
                                    bool want_records, const struct avj_scan_events *events,
                                    struct avj_scan_result *result, struct avj_error *err)
{
    static const struct avj_scan_events none;
    memset(result, 0, sizeof(*result));
    struct scan s = {
        .unpacker = avj_unpacker_new(),
        .events = events ? events : &none,
        .result = result,
        .err = err,
        .path = path,
        .as = header,
        .dictionary = dictionary,
        .limit = limit ? limit : UINT64_MAX,
        .want_records = want_records,
    };
    if (!s.unpacker)
        return avj_fail(err, AVJ_ENOMEM, "%s: out of memory", path);
    avj_reader_init(&s.reader, io);
    enum avj_status status = run_scan(&s);
    avj_reader_release(&s.reader);
    avj_unpacker_free(s.unpacker);
    avj_index_builder_release(&s.index);
    avj_hash_stream_free(s.content);
    return status;
}
