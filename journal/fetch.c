/* Records by their sequence number, and the frames that are kept for them: see fetch.h. */
#include "journal/fetch_private.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_DEFAULT ((size_t)16 * 1024 * 1024)

enum avj_status avj_fetch_damaged(const struct fetch_segment *s, uint64_t offset, const char *what,
                                  struct avj_error *err)
{
    return avj_fail(err, AVJ_ECORRUPT, "segment %llu at offset %llu: %s; run avchat-fsck",
                    (unsigned long long)s->number, (unsigned long long)offset, what);
}

static enum avj_status no_memory(struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "fetch: out of memory");
}

/* ---- frames in memory ---- */

static void unlink_frame(struct avj_fetcher *f, struct fetch_frame *frame)
{
    *(frame->newer ? &frame->newer->older : &f->newest) = frame->older;
    *(frame->older ? &frame->older->newer : &f->oldest) = frame->newer;
}

static void make_newest(struct avj_fetcher *f, struct fetch_frame *frame)
{
    frame->newer = NULL;
    frame->older = f->newest;
    *(f->newest ? &f->newest->newer : &f->oldest) = frame;
    f->newest = frame;
}

/* Where the segment's frames with records from `seq` on begin. */
static size_t lower_bound(const struct fetch_segment *s, uint64_t seq)
{
    size_t low = 0, high = s->frame_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct avj_frame_info *info = &s->frames[middle]->info;
        if (info->first_seq + info->count <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct fetch_frame *find_cached(const struct fetch_segment *s, uint64_t seq)
{
    size_t i = lower_bound(s, seq);
    return i < s->frame_count && s->frames[i]->info.first_seq <= seq ? s->frames[i] : NULL;
}

/* Frees it; the segment does not name it any more. */
static void free_frame(struct avj_fetcher *f, struct fetch_frame *frame)
{
    unlink_frame(f, frame);
    f->stats.cached_bytes -= frame->cost;
    if (f->last == frame)
        f->last = NULL;
    if (f->live == frame)
        f->live = NULL;
    free(frame);
}

static void drop_frame(struct avj_fetcher *f, struct fetch_frame *frame)
{
    struct fetch_segment *s = frame->segment;
    size_t i = lower_bound(s, frame->info.first_seq);
    s->frame_count--;
    memmove(s->frames + i, s->frames + i + 1, (s->frame_count - i) * sizeof(*s->frames));
    free_frame(f, frame);
}

void avj_fetch_forget(struct avj_fetcher *f, struct fetch_segment *s, uint64_t from)
{
    size_t keep = lower_bound(s, from);
    while (s->frame_count > keep)
        free_frame(f, s->frames[--s->frame_count]);
}

static bool make_room(struct fetch_segment *s)
{
    if (s->frame_count < s->frame_room)
        return true;
    size_t room = s->frame_room ? s->frame_room * 2 : 8;
    struct fetch_frame **frames = realloc(s->frames, room * sizeof(*frames));
    if (!frames)
        return false;
    s->frames = frames;
    s->frame_room = room;
    return true;
}

static struct fetch_frame *new_frame(struct fetch_segment *s, const struct avj_frame_info *info,
                                     uint32_t parts)
{
    size_t cost = sizeof(struct fetch_frame) + info->count * sizeof(uint32_t) +
                  parts * sizeof(struct avj_part) + info->raw_len;
    struct fetch_frame *frame = make_room(s) ? malloc(cost) : NULL;
    if (!frame)
        return NULL;
    memset(frame, 0, sizeof(*frame));
    frame->segment = s;
    frame->info = *info;
    frame->cost = cost;
    frame->part_count = parts;
    frame->parts = (struct avj_part *)(void *)(frame->at + info->count);
    frame->raw = (uint8_t *)(frame->parts + parts);
    return frame;
}

/* Takes it in, and lets others go. */
static void keep_frame(struct avj_fetcher *f, struct fetch_frame *frame)
{
    struct fetch_segment *s = frame->segment;
    size_t i = lower_bound(s, frame->info.first_seq);
    memmove(s->frames + i + 1, s->frames + i, (s->frame_count - i) * sizeof(*s->frames));
    s->frames[i] = frame;
    s->frame_count++;
    make_newest(f, frame);
    f->stats.cached_bytes += frame->cost;
    while (f->stats.cached_bytes > f->cache_max && f->oldest != frame)
        drop_frame(f, f->oldest);
}

/* ---- unpacking ---- */

static struct fetch_unpacker *unpacker_slot(struct avj_fetcher *f, uint64_t dictionary)
{
    struct fetch_unpacker *oldest = &f->unpackers[0];
    for (size_t i = 0; i < AVJ_FETCH_UNPACKERS; i++) {
        struct fetch_unpacker *u = &f->unpackers[i];
        if (u->unpacker && u->dictionary == dictionary)
            return u;
        if (u->used < oldest->used)
            oldest = u;
    }
    return oldest;
}

enum avj_status avj_fetch_unpacker(struct avj_fetcher *f, struct fetch_segment *s,
                                   struct avj_unpacker **out, struct avj_error *err)
{
    const struct avj_segment_header *h = &s->header;
    uint64_t hash = h->dictionary.kind == AVJ_DICTIONARY_NONE ? 0 : h->dictionary.hash;
    struct fetch_unpacker *slot = unpacker_slot(f, hash);
    struct avj_dictionary dictionary;
    slot->used = ++f->clock;
    *out = slot->unpacker;
    if (slot->unpacker && slot->dictionary == hash)
        return AVJ_OK;
    avj_unpacker_free(slot->unpacker);
    slot->unpacker = NULL;
    enum avj_status status = avj_reader_dictionary(&f->reader, h, &dictionary, err);
    if (status != AVJ_OK)
        return status;
    if (!f->lender)
        f->lender = avj_unpacker_new();
    slot->unpacker = f->lender ? avj_unpacker_beside(f->lender) : NULL;
    if (!slot->unpacker || avj_unpacker_dictionary(slot->unpacker, &dictionary) != AVJ_OK) {
        avj_unpacker_free(slot->unpacker);
        slot->unpacker = NULL;
        return no_memory(err);
    }
    slot->dictionary = hash;
    *out = slot->unpacker;
    return AVJ_OK;
}

/* Notes where the records begin, as far as the frame is unpacked.  False: they do not fill it. */
static bool learn_records(struct fetch_frame *frame)
{
    const uint8_t *p = frame->raw + frame->next, *end = frame->raw + frame->have;
    struct avj_slice record;
    while (frame->known < frame->info.count) {
        const uint8_t *behind = avj_record_get(p, end, &record);
        if (!behind)
            break;
        frame->at[frame->known++] = (uint32_t)(p - frame->raw);
        p = behind;
    }
    frame->next = (uint32_t)(p - frame->raw);
    return frame->have < frame->info.raw_len ||
           (frame->known == frame->info.count && frame->next == frame->info.raw_len);
}

static bool learn_part(struct fetch_frame *frame, uint32_t i)
{
    const struct avj_part *part = &frame->parts[i];
    const uint8_t *p = frame->raw + part->at, *end = p + part->len;
    struct avj_slice record;
    for (uint32_t n = 0; p && n < part->count; n++) {
        frame->at[part->first + n] = (uint32_t)(p - frame->raw);
        p = avj_record_get(p, end, &record);
    }
    frame->parts_known |= 1u << i;
    frame->have += part->len;
    return p == end;
}

/* The part that a record is in. */
static uint32_t part_of(const struct fetch_frame *frame, uint32_t record)
{
    uint32_t i = 0;
    while (i + 1 < frame->part_count && frame->parts[i + 1].first <= record)
        i++;
    return i;
}

static bool is_known(const struct fetch_frame *frame, uint32_t record)
{
    if (!frame->part_count)
        return record < frame->known;
    return frame->parts_known & 1u << part_of(frame, record);
}

static enum avj_status unpack_part(struct avj_fetcher *f, struct fetch_frame *frame, uint32_t i)
{
    if (frame->parts_known & 1u << i)
        return AVJ_OK;
    enum avj_status status = avj_unpack_part(f->live_unpacker, i);
    return status == AVJ_OK && !learn_part(frame, i) ? AVJ_ECORRUPT : status;
}

/* Unpacks of the live frame what has that record. */
static enum avj_status unpack_to(struct avj_fetcher *f, struct fetch_frame *frame, uint32_t record)
{
    enum avj_status status = AVJ_OK;
    if (frame->part_count)
        return unpack_part(f, frame, part_of(frame, record));
    while (status == AVJ_OK && frame->known <= record) {
        status = avj_unpack_on(f->live_unpacker, frame->have + 1, &frame->have);
        if (status == AVJ_OK && !learn_records(frame))
            status = AVJ_ECORRUPT;
    }
    return status;
}

/* Of the live frame that record, or all of them. */
static enum avj_status unpack_records(struct avj_fetcher *f, struct fetch_frame *frame,
                                      uint32_t record, bool whole, struct avj_error *err)
{
    enum avj_status status = unpack_to(f, frame, whole ? frame->info.count - 1 : record);
    for (uint32_t i = 0; status == AVJ_OK && whole && i < frame->part_count; i++)
        status = unpack_part(f, frame, i);
    if (status == AVJ_ECORRUPT)
        return avj_fetch_damaged(frame->segment, frame->info.offset,
                                 avj_damage_text(AVJ_DAMAGE_DECOMPRESS), err);
    return status == AVJ_OK ? AVJ_OK : no_memory(err);
}

static enum avj_status begin_frame(struct avj_fetcher *f, struct fetch_segment *s,
                                   const struct avj_frame_info *info, const uint8_t *stored,
                                   struct fetch_frame **out, struct avj_error *err)
{
    struct avj_parts parts = {.count = 0};
    enum avj_status status = avj_unpack_look(f->live_unpacker, info, stored, &parts);
    *out = status == AVJ_OK ? new_frame(s, info, parts.count) : NULL;
    if (status == AVJ_OK && !*out)
        return no_memory(err);
    if (status == AVJ_OK) {
        memcpy((*out)->parts, parts.parts, parts.count * sizeof(*parts.parts));
        status = avj_unpack_begin(f->live_unpacker, (*out)->raw);
    }
    if (status == AVJ_OK)
        return AVJ_OK;
    free(*out);
    return status == AVJ_ENOMEM
               ? no_memory(err)
               : avj_fetch_damaged(s, info->offset, avj_damage_text(AVJ_DAMAGE_DECOMPRESS), err);
}

/* `stored` are the frame's bytes, verified, in the reader. */
static enum avj_status unpack(struct avj_fetcher *f, struct fetch_segment *s,
                              const struct avj_frame_info *info, const uint8_t *stored,
                              uint32_t record, bool whole, struct fetch_frame **out,
                              struct avj_error *err)
{
    struct fetch_frame *frame;
    enum avj_status status = avj_fetch_unpacker(f, s, &f->live_unpacker, err);
    if (status == AVJ_OK)
        status = begin_frame(f, s, info, stored, &frame, err);
    if (status != AVJ_OK)
        return status;
    f->stats.frames++;
    status = unpack_records(f, frame, record, whole, err);
    if (status != AVJ_OK) {
        free(frame);
        return status;
    }
    keep_frame(f, frame);
    f->live = frame->have < info->raw_len ? frame : NULL;
    *out = frame;
    return AVJ_OK;
}

/* ---- reading ---- */

/* The record is not where it must be, or will come to be. */
static enum avj_status verdict(struct avj_fetcher *f, const struct fetch_segment *s, uint64_t seq,
                               const struct avj_frame_info *frame, enum avj_damage damage,
                               struct avj_error *err)
{
    struct avj_place place = {s->number, frame->offset, frame->chain_before, frame->first_seq};
    struct avj_sync_witness witness;
    const char *what =
        damage == AVJ_DAMAGE_NONE ? "the log ends too early" : avj_damage_text(damage);
    if (s->limit == UINT64_MAX) {
        enum avj_status status = avj_read_sync_witness(f->io, f->path, &witness, err);
        if (status != AVJ_OK)
            return status;
        if (!avj_tail_evidence(&f->reader, &place, &witness, false))
            return avj_fail(err, AVJ_ENOTFOUND, "%s: record %llu is not written yet", f->path,
                            (unsigned long long)seq);
    }
    return avj_fetch_damaged(s, frame->offset, what, err);
}

/*
 * Reads the frame that holds the record.  A writer may be at work: that something is missing is
 * believed only after the place was looked at once more.
 */
static enum avj_status read_frame(struct avj_fetcher *f, uint64_t seq, bool whole,
                                  struct fetch_frame **out, struct avj_error *err)
{
    f->live = NULL;
    for (int look = 0;; look++) {
        struct fetch_segment *s;
        struct avj_frame_info info;
        const uint8_t *stored;
        enum avj_damage damage;
        enum avj_status status = avj_fetch_locate(f, seq, &s, &info, err);
        if (status != AVJ_OK && status != AVJ_END)
            return status;
        struct avj_frame_info found = info;
        enum avj_at at =
            avj_reader_frame(&f->reader, info.offset, s->limit, &found, &stored, &damage);
        if (at == AVJ_AT_ERROR)
            return avj_fail_errno(err, -f->reader.io_error, "segment %llu",
                                  (unsigned long long)s->number);
        if (status == AVJ_OK && at == AVJ_AT_FRAME)
            return unpack(f, s, &found, stored, (uint32_t)(seq - found.first_seq), whole, out, err);
        if (at == AVJ_AT_FRAME)
            damage = AVJ_DAMAGE_CHAIN;
        if (look > 0)
            return verdict(f, s, seq, &info, damage, err);
        avj_reader_forget(&f->reader);
    }
}

/* A frame in memory gives the record, or must be read (again). */
static enum avj_status find(struct avj_fetcher *f, uint64_t seq, struct fetch_frame **out,
                            struct avj_error *err)
{
    struct fetch_frame *frame = f->last;
    struct fetch_segment *s;
    if (!frame || seq < frame->info.first_seq || seq - frame->info.first_seq >= frame->info.count) {
        enum avj_status status = avj_fetch_segment_of(f, seq, &s, err);
        if (status != AVJ_OK)
            return status;
        frame = find_cached(s, seq);
        if (!frame)
            return read_frame(f, seq, false, out, err);
    }
    uint32_t record = (uint32_t)(seq - frame->info.first_seq);
    if (!is_known(frame, record) && frame != f->live) {
        /* Its packed bytes are gone: they are read again, and then to the end. */
        drop_frame(f, frame);
        return read_frame(f, seq, true, out, err);
    }
    if (f->newest != frame) {
        unlink_frame(f, frame);
        make_newest(f, frame);
    }
    enum avj_status status = unpack_records(f, frame, record, false, err);
    if (status != AVJ_OK) {
        drop_frame(f, frame);
        return status;
    }
    f->stats.hits++;
    *out = frame;
    return AVJ_OK;
}

enum avj_status avj_fetcher_get(struct avj_fetcher *f, uint64_t seq, struct avj_record *record,
                                struct avj_error *err)
{
    struct fetch_frame *frame;
    struct avj_slice slice;
    f->stats.gets++;
    enum avj_status status = find(f, seq, &frame, err);
    if (status != AVJ_OK)
        return status;
    f->last = frame;
    const uint8_t *at = frame->raw + frame->at[seq - frame->info.first_seq];
    (void)avj_record_get(at, frame->raw + frame->info.raw_len, &slice);
    *record =
        (struct avj_record){seq, slice.data, slice.len, frame->segment->number, frame->info.offset};
    return AVJ_OK;
}

/* ---- the fetcher ---- */

enum avj_status avj_fetcher_open(const struct avj_io *io, const char *path, size_t cache_bytes,
                                 struct avj_fetcher **out, struct avj_error *err)
{
    *out = NULL;
    struct avj_fetcher *f = calloc(1, sizeof(*f));
    if (!f || !(f->path = strdup(path))) {
        free(f);
        return no_memory(err);
    }
    f->io = io ? io : avj_io_posix();
    f->cache_max = cache_bytes ? cache_bytes : CACHE_DEFAULT;
    avj_reader_init(&f->reader, f->io);
    *out = f;
    return AVJ_OK;
}

void avj_fetcher_stats(const struct avj_fetcher *f, struct avj_fetcher_stats *stats)
{
    *stats = f->stats;
}

void avj_fetcher_close(struct avj_fetcher *f)
{
    if (!f)
        return;
    while (f->oldest)
        drop_frame(f, f->oldest);
    avj_fetch_segments_release(f); /* the reader's file among them */
    f->reader.file = -1;
    avj_reader_release(&f->reader);
    for (size_t i = 0; i < AVJ_FETCH_UNPACKERS; i++)
        avj_unpacker_free(f->unpackers[i].unpacker);
    avj_unpacker_free(f->lender);
    free(f->path);
    free(f);
}
