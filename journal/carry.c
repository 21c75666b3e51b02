/*
 * Carrying the log over into a new segment after a sync that failed, or whose end nobody saw.
 *
 * A kernel that could not write a page may call it clean all the same, so that the next sync of the
 * file succeeds and proves nothing.  What no earlier sync covered is therefore written anew, to
 * another file: each frame as the old file gives it back, where its hashes hold, or as this handle
 * still has it in memory.  The new segment names the last durable place as the old one's end; it is
 * synced before it gets its name, so that a crash leaves either the old log or the new one.
 */
#include "journal/private.h"

#include <stdlib.h>
#include <string.h>

/* ---- what this handle wrote, kept in memory ---- */

/* More than a segment that is not synced; beyond it only the file is asked. */
#define RETAINED_MAX ((size_t)32 * 1024 * 1024)

static void forget(struct avj_retained *r)
{
    r->len = 0;
    r->count = 0;
}

static bool has_room(struct avj_retained *r, size_t len)
{
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        struct avj_retained_frame *frames = realloc(r->frames, room * sizeof(*frames));
        if (!frames)
            return false;
        r->frames = frames;
        r->room = room;
    }
    if (r->len + len <= r->cap)
        return true;
    size_t cap = r->cap ? r->cap : 4096;
    while (cap < r->len + len)
        cap *= 2;
    uint8_t *bytes = realloc(r->bytes, cap);
    if (!bytes)
        return false;
    r->bytes = bytes;
    r->cap = cap;
    return true;
}

void avj_retain(struct avj_journal *j, const uint8_t *frame, size_t len, uint64_t offset,
                uint64_t last_seq)
{
    struct avj_retained *r = &j->retained;
    pthread_mutex_lock(&j->state_mutex);
    bool synced = j->durable_seq >= r->last_seq;
    pthread_mutex_unlock(&j->state_mutex);
    if (synced || r->segment_no != j->tail.segment_no || r->len + len > RETAINED_MAX)
        forget(r);
    r->segment_no = j->tail.segment_no;
    r->last_seq = last_seq;
    if (!has_room(r, len))
        return; /* without it only the file is asked */
    memcpy(r->bytes + r->len, frame, len);
    r->frames[r->count++] = (struct avj_retained_frame){offset, r->len, len};
    r->len += len;
}

void avj_retained_release(struct avj_retained *r)
{
    free(r->bytes);
    free(r->frames);
    memset(r, 0, sizeof(*r));
}

static const struct avj_retained_frame *find_retained(const struct avj_retained *r, uint64_t offset)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->frames[i].offset == offset)
            return &r->frames[i];
    return NULL;
}

/* ---- carrying ---- */

struct carrying {
    struct avj_journal *journal;
    struct avj_reader old;
    struct avj_place from;  /* of the next frame, in the old segment */
    struct avj_place to;    /* its place in the new one */
    uint64_t durable_seq;   /* what was durable before */
    struct avj_draft draft; /* the new segment */
    struct avj_segment_header header;
};

static enum avj_status write_frame(struct carrying *c, const struct avj_frame_info *info,
                                   const uint8_t *stored, struct avj_error *err)
{
    struct avj_payload payload = {
        .stored = stored,
        .stored_len = info->stored_len,
        .raw_len = info->raw_len,
        .dictionary = info->dictionary,
        .count = (uint16_t)info->count,
        .compressed = info->compressed,
        .bare = info->bare,
    };
    struct avj_frame_header h = {
        .type = info->type,
        .first_seq = info->first_seq,
        .durable_seq = c->durable_seq,
        .prev_hash = c->to.chain,
        .writer_id = info->writer_id,
    };
    uint8_t *frame = malloc((size_t)info->total_len);
    if (!frame)
        return avj_fail(err, AVJ_ENOMEM, "carrying the log over: out of memory");
    size_t total = avj_frame_build(&h, &payload, c->header.salt, c->to.offset, frame);
    enum avj_status status = avj_draft_write(&c->draft, frame, total, err);
    free(frame);
    if (status != AVJ_OK)
        return status;
    c->to.offset += total;
    c->to.chain = h.header_hash;
    c->to.next_seq += info->count;
    avj_place_step(&c->from, info);
    return AVJ_OK;
}

/* The frame at c->from, from the file or else from memory. */
static bool next_frame(struct carrying *c, struct avj_frame_info *info, const uint8_t **stored)
{
    struct avj_journal *j = c->journal;
    enum avj_damage damage;
    enum avj_at at = avj_reader_frame(&c->old, c->from.offset, UINT64_MAX, info, stored, &damage);
    if (at == AVJ_AT_FRAME && avj_follows(&c->from, info))
        return true;
    if (j->retained.segment_no != c->from.segment_no)
        return false;
    const struct avj_retained_frame *kept = find_retained(&j->retained, c->from.offset);
    return kept &&
           avj_frame_from_memory(j->segment.salt, c->from.offset, j->retained.bytes + kept->at,
                                 kept->len, info, stored) &&
           avj_follows(&c->from, info);
}

static enum avj_status write_frames(struct carrying *c, struct avj_error *err)
{
    struct avj_frame_info info;
    const uint8_t *stored;
    enum avj_status status = AVJ_OK;
    while (status == AVJ_OK && next_frame(c, &info, &stored))
        status = write_frame(c, &info, stored, err);
    return status;
}

static enum avj_status write_segment(struct carrying *c, struct avj_error *err)
{
    struct avj_journal *j = c->journal;
    struct avj_dictionary dictionary;
    /* The payloads are taken as they are, so the dictionary stays. */
    enum avj_status status = avj_reader_dictionary(&c->old, &j->segment, &dictionary, err);
    if (status == AVJ_OK)
        status = avj_next_header(j, &c->from, &c->header, err);
    if (status == AVJ_OK)
        status = avj_draft_begin(&c->draft, j->io, j->path, c->header.segment_no, NULL, err);
    if (status != AVJ_OK)
        return status;
    status = avj_draft_header(&c->draft, &c->header, &dictionary, err);
    avj_place_begin(&c->to, &c->header);
    if (status == AVJ_OK)
        status = write_frames(c, err);
    if (status == AVJ_OK)
        return avj_draft_publish(&c->draft, err);
    avj_draft_drop(&c->draft);
    return status;
}

/* The tail of the handle moves to the new segment. */
static enum avj_status enter(struct carrying *c, uint64_t cut, struct avj_error *err)
{
    struct avj_journal *j = c->journal;
    struct avj_segment_header header;
    struct avj_reader reader;
    char name[AVJ_PATH_MAX];
    avj_segment_path(j->path, c->to.segment_no, ".seg", name);
    avj_reader_init(&reader, j->io);
    enum avj_status status = avj_reader_open(&reader, name, &header, err);
    if (status != AVJ_OK) {
        avj_reader_release(&reader);
        return status;
    }
    avj_reader_release(&j->reader);
    j->reader = reader;
    j->segment = header;
    j->tail = c->to;
    j->torn = false;
    j->zeros_to = 0;
    j->segments++;
    j->sealed_bytes += cut;
    forget(&j->retained);
    avj_leave(j);
    return AVJ_OK;
}

/* Makes c->from the last place of the old segment that a sync is known to have succeeded for.  The
 * frames in front of it stay where they are, so they must be there. */
static enum avj_status find_durable(struct carrying *c, const struct avj_sync_state *state,
                                    struct avj_error *err)
{
    struct avj_journal *j = c->journal;
    const struct avj_sync_witness *w = &state->witness;
    avj_place_begin(&c->from, &j->segment);
    if (!w->valid || w->segment_no != j->segment.segment_no)
        return AVJ_OK;
    while (c->from.offset < w->offset) {
        struct avj_frame_info info;
        const uint8_t *stored;
        enum avj_damage damage;
        if (avj_reader_frame(&c->old, c->from.offset, w->offset, &info, &stored, &damage) !=
                AVJ_AT_FRAME ||
            !avj_follows(&c->from, &info))
            return avj_tail_misfit("what is known to be durable", &c->from, err);
        avj_place_step(&c->from, &info);
    }
    return c->from.chain == w->chain
               ? AVJ_OK
               : avj_tail_misfit("what is known to be durable", &c->from, err);
}

static enum avj_status carry(struct carrying *c, const struct avj_sync_state *state,
                             struct avj_error *err)
{
    struct avj_journal *j = c->journal;
    struct avj_segment_header header;
    char name[AVJ_PATH_MAX];
    avj_segment_path(j->path, j->tail.segment_no, ".seg", name);
    enum avj_status status = avj_reader_open(&c->old, name, &header, err);
    if (status != AVJ_OK)
        return status;
    status = find_durable(c, state, err);
    if (status != AVJ_OK)
        return status;
    c->durable_seq = c->from.next_seq - 1;
    uint64_t cut = c->from.offset, tail = j->tail.next_seq;
    status = write_segment(c, err);
    if (status != AVJ_OK)
        return status;
    avj_bear_witness(j, state->older, &c->to);
    pthread_mutex_lock(&j->state_mutex);
    avj_lose_records(j, c->to.next_seq, tail - 1);
    if (j->durable_seq + 1 < c->to.next_seq)
        j->durable_seq = c->to.next_seq - 1;
    pthread_mutex_unlock(&j->state_mutex);
    return enter(c, cut, err);
}

enum avj_status avj_carry_over(struct avj_journal *j, struct avj_error *err)
{
    struct carrying c = {.journal = j};
    struct avj_sync_state state;
    enum avj_status status = avj_sync_lock(j, err);
    if (status != AVJ_OK)
        return status;
    avj_sync_state_load(j->io, j->sync_file, j->journal_id, &state);
    if (avj_sync_is_over(j, &state, j->tail.segment_no)) {
        avj_reader_init(&c.old, j->io);
        status = carry(&c, &state, err);
        avj_reader_release(&c.old);
        if (status != AVJ_OK)
            avj_wrap(err, "carrying the log over behind a failed sync");
    }
    avj_sync_unlock(j);
    return status;
}
