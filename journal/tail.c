/*
 * Where the log ends, and whether what lies behind is a torn append or rotten data.  FORMAT.md,
 * "The end of the log", has the rules as a table.
 */
#include "journal/private.h"

#include <stdio.h>
#include <string.h>

void avj_segment_path(const char *journal, uint64_t number, const char *suffix,
                      char out[AVJ_PATH_MAX])
{
    snprintf(out, AVJ_PATH_MAX, "%s/segments/%016llx%s", journal, (unsigned long long)number,
             suffix);
}

void avj_place_begin(struct avj_place *place, const struct avj_segment_header *segment)
{
    place->segment_no = segment->segment_no;
    place->offset = segment->frames_at;
    place->chain = segment->chain;
    place->next_seq = segment->first_seq;
}

void avj_place_step(struct avj_place *place, const struct avj_frame_info *frame)
{
    place->offset = frame->offset + frame->total_len;
    place->chain = frame->chain_after;
    place->next_seq = frame->first_seq + frame->count;
}

bool avj_follows(const struct avj_place *place, const struct avj_frame_info *frame)
{
    return frame->type == AVJ_FRAME_RECORDS && frame->chain_before == place->chain &&
           frame->first_seq == place->next_seq;
}

/* More was durable than the log holds up to `place`, or a segment that is not there any more. */
static bool knows_more(const struct avj_sync_witness *witness, const struct avj_place *place)
{
    return witness->valid &&
           (witness->seq >= place->next_seq || witness->segment_no > place->segment_no);
}

bool avj_tail_evidence(struct avj_reader *reader, const struct avj_place *place,
                       const struct avj_sync_witness *witness, bool same_boot)
{
    if (knows_more(witness, place))
        return true;
    struct avj_frame_info frame;
    uint64_t at = place->offset;
    while (avj_reader_resync(reader, at, UINT64_MAX, &frame)) {
        /* The machine has not stopped since: all that a killed process can leave is the beginning
         * of one write, never something good behind something bad. */
        if (frame.durable_seq >= place->next_seq || (same_boot && frame.offset > place->offset))
            return true;
        at = frame.offset + AVJ_FRAME_ALIGN;
    }
    return false;
}

/* ---- from one segment to the next ---- */

enum avj_status avj_tail_misfit(const char *what, const struct avj_place *place,
                                struct avj_error *err)
{
    return avj_fail(err, AVJ_ECORRUPT,
                    "%s does not continue segment %llu at offset %llu: records from sequence "
                    "number %llu on are damaged or missing; run avchat-fsck",
                    what, (unsigned long long)place->segment_no, (unsigned long long)place->offset,
                    (unsigned long long)place->next_seq);
}

enum avj_status avj_tail_missing(const struct avj_place *place, struct avj_error *err)
{
    return avj_fail(err, AVJ_ECORRUPT,
                    "segment %llu, which must follow a sealed one, is missing: records from "
                    "sequence number %llu on are lost; run avchat-fsck",
                    (unsigned long long)place->segment_no + 1, (unsigned long long)place->next_seq);
}

/* The end of `here` as its successor must name it: for a sealed segment, that of the original. */
struct end {
    const uint8_t *salt;
    uint64_t offset, chain, next_seq;
};

static struct end end_at(const struct avj_segment_header *here, const struct avj_place *place)
{
    if (here->sealed)
        return (struct end){here->from.salt, here->from.end, here->from.chain,
                            here->from.last_seq + 1};
    return (struct end){here->salt, place->offset, place->chain, place->next_seq};
}

static enum avj_fit fit_of(const struct avj_segment_header *next,
                           const struct avj_segment_header *here, const struct avj_place *place)
{
    struct end end = end_at(here, place);
    if (next->segment_no != place->segment_no + 1 || next->prev_segment_no != place->segment_no ||
        memcmp(next->journal_id, here->journal_id, 16) != 0 ||
        memcmp(next->prev_salt, end.salt, 16) != 0 || next->first_seq != next->prev_last_seq + 1 ||
        (here->sealed && place->next_seq != end.next_seq))
        return AVJ_FIT_WRONG;
    if (next->prev_end == end.offset)
        return next->prev_chain == end.chain && next->first_seq == end.next_seq ? AVJ_FIT_HERE
                                                                                : AVJ_FIT_WRONG;
    if (here->sealed)
        return AVJ_FIT_WRONG;
    return next->prev_end > end.offset ? AVJ_FIT_LATER : AVJ_FIT_CUT;
}

enum avj_status avj_tail_successor(const char *path, const struct avj_segment_header *here,
                                   const struct avj_place *place, struct avj_reader *next,
                                   struct avj_segment_header *header, enum avj_fit *fit,
                                   struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(path, place->segment_no + 1, ".seg", name);
    *fit = AVJ_FIT_NONE;
    struct avj_error why;
    enum avj_status status = avj_reader_open(next, name, header, &why);
    if (status == AVJ_ENOTFOUND)
        return AVJ_OK; /* not a failure: what is in *err stays */
    if (status != AVJ_OK)
        return avj_fail(err, status, "%s%s", why.message,
                        status == AVJ_ECORRUPT ? "; run avchat-fsck" : "");
    *fit = fit_of(header, here, place);
    return AVJ_OK;
}

/* Walks `reader` from `place` on to `offset`; false when no frames lead there. */
static bool walk_to(struct avj_reader *reader, struct avj_place *place, uint64_t offset)
{
    while (place->offset < offset) {
        struct avj_frame_info frame;
        const uint8_t *stored;
        enum avj_damage damage;
        if (avj_reader_frame(reader, place->offset, offset, &frame, &stored, &damage) !=
                AVJ_AT_FRAME ||
            !avj_follows(place, &frame))
            return false;
        avj_place_step(place, &frame);
    }
    return true;
}

/* The frames at both places hold the same records. */
static bool same_frame(struct avj_reader *old, struct avj_place *a, struct avj_reader *next,
                       struct avj_place *b)
{
    struct avj_frame_info fa, fb;
    const uint8_t *sa, *sb;
    enum avj_damage damage;
    if (avj_reader_frame(old, a->offset, UINT64_MAX, &fa, &sa, &damage) != AVJ_AT_FRAME ||
        avj_reader_frame(next, b->offset, UINT64_MAX, &fb, &sb, &damage) != AVJ_AT_FRAME ||
        !avj_follows(a, &fa) || !avj_follows(b, &fb) || fa.count != fb.count ||
        fa.raw_len != fb.raw_len || fa.bare != fb.bare || fa.stored_len != fb.stored_len ||
        memcmp(sa, sb, fa.stored_len) != 0)
        return false;
    avj_place_step(a, &fa);
    avj_place_step(b, &fb);
    return true;
}

enum avj_status avj_tail_across_cut(const char *path, struct avj_reader *old,
                                    const struct avj_segment_header *here, struct avj_reader *next,
                                    const struct avj_segment_header *header,
                                    struct avj_place *place, struct avj_error *err)
{
    struct avj_place a, b;
    char name[AVJ_PATH_MAX];
    avj_segment_path(path, header->segment_no, ".seg", name);
    avj_place_begin(&a, here);
    avj_place_begin(&b, header);
    avj_reader_forget(old);
    if (!walk_to(old, &a, header->prev_end) || a.chain != header->prev_chain ||
        a.next_seq != header->first_seq)
        return avj_tail_misfit(name, place, err);
    while (a.offset < place->offset && same_frame(old, &a, next, &b))
        continue;
    bool all = a.offset == place->offset;
    *place = b;
    if (all)
        return AVJ_OK;
    return avj_fail(err, AVJ_ESYNC,
                    "%s: a sync failed, and records from sequence number %llu on, which were not "
                    "acknowledged, are gone: open the journal again",
                    name, (unsigned long long)b.next_seq);
}

/* ---- catching up ---- */

/* Walks frames from the tail to the first place where none continues; *at says what is there. */
static enum avj_status walk(struct avj_journal *j, enum avj_at *at, struct avj_error *err)
{
    for (;;) {
        struct avj_frame_info frame;
        const uint8_t *stored;
        enum avj_damage damage;
        *at = avj_reader_frame(&j->reader, j->tail.offset, UINT64_MAX, &frame, &stored, &damage);
        if (*at == AVJ_AT_ERROR)
            return avj_fail_errno(err, -j->reader.io_error, "segment %llu at offset %llu",
                                  (unsigned long long)j->tail.segment_no,
                                  (unsigned long long)j->tail.offset);
        if (*at == AVJ_AT_FRAME && !avj_follows(&j->tail, &frame))
            *at = AVJ_AT_BAD;
        if (*at != AVJ_AT_FRAME)
            return AVJ_OK;
        avj_place_step(&j->tail, &frame);
        j->torn = false;
    }
}

static enum avj_status corrupt_tail(const struct avj_journal *j, struct avj_error *err)
{
    return avj_fail(err, AVJ_ECORRUPT,
                    "segment %llu at offset %llu: acknowledged records from sequence "
                    "number %llu on are damaged or missing; run avchat-fsck",
                    (unsigned long long)j->tail.segment_no, (unsigned long long)j->tail.offset,
                    (unsigned long long)j->tail.next_seq);
}

/* Zeros at the tail: how far do they go?  What was looked at once is not looked at again, since
 * whoever wrote since began at the tail. */
static enum avj_status measure_zeros(struct avj_journal *j, struct avj_error *err)
{
    uint64_t from = j->zeros_to > j->tail.offset ? j->zeros_to : j->tail.offset;
    uint64_t end = avj_reader_skip_zeros(&j->reader, from, UINT64_MAX);
    if (j->reader.io_error)
        return avj_fail_errno(err, -j->reader.io_error, "segment %llu",
                              (unsigned long long)j->tail.segment_no);
    j->zeros_to = end;
    return AVJ_OK;
}

/* The tail can not be continued and nobody is writing: torn or rotten? */
static enum avj_status judge(struct avj_journal *j, enum avj_at at, struct avj_error *err)
{
    struct avj_sync_state state;
    avj_sync_state_load(j->io, j->sync_file, j->journal_id, &state);
    int64_t size = avj_reader_size(&j->reader);
    if (size < 0)
        return avj_fail_errno(err, (int)-size, "segment %llu",
                              (unsigned long long)j->tail.segment_no);
    if (knows_more(&state.witness, &j->tail))
        return corrupt_tail(j, err);
    j->torn = at == AVJ_AT_BAD;
    if (at == AVJ_AT_ZEROS && j->zeros_to < (uint64_t)size) {
        enum avj_status status = measure_zeros(j, err);
        if (status != AVJ_OK)
            return status;
        j->torn = j->zeros_to < (uint64_t)size;
    }
    j->torn_bytes = 0;
    if (!j->torn)
        return AVJ_OK;
    j->zeros_to = 0;
    j->torn_bytes = (uint64_t)size - j->tail.offset;
    /* What a failed sync leaves behind proves nothing: carry.c takes what can be had of it. */
    bool same_boot = memcmp(j->segment.boot_id, j->boot_id, 16) == 0 &&
                     !avj_all_zero(j->boot_id, 16) &&
                     !avj_sync_is_over(j, &state, j->tail.segment_no);
    j->reader.io_error = 0;
    if (avj_tail_evidence(&j->reader, &j->tail, &state.witness, same_boot))
        return corrupt_tail(j, err);
    if (j->reader.io_error) /* what can not be read now may be the proof */
        return avj_fail_errno(err, -j->reader.io_error, "segment %llu",
                              (unsigned long long)j->tail.segment_no);
    return AVJ_OK;
}

/* Nothing has come since this handle looked here last, or wrote here. */
static bool is_judged(const struct avj_journal *j, enum avj_at at)
{
    if (j->torn || j->judged.segment_no != j->tail.segment_no || j->judged.offset != j->tail.offset)
        return false;
    return at == AVJ_AT_END || (at == AVJ_AT_ZEROS && j->tail.offset < j->zeros_to);
}

/* The tail is in `next` from now on. */
static void enter(struct avj_journal *j, struct avj_reader *next,
                  const struct avj_segment_header *header, const struct avj_place *place)
{
    avj_reader_release(&j->reader);
    j->reader = *next;
    avj_reader_init(next, j->io);
    j->segment = *header;
    j->tail = *place;
    j->segments++;
    j->sealed_bytes += header->prev_end;
    j->zeros_to = 0;
    j->torn = false;
}

static enum avj_status enter_across_cut(struct avj_journal *j, struct avj_reader *next,
                                        const struct avj_segment_header *header,
                                        struct avj_error *err)
{
    struct avj_place place = j->tail;
    enum avj_status status =
        avj_tail_across_cut(j->path, &j->reader, &j->segment, next, header, &place, err);
    if (status != AVJ_OK && status != AVJ_ESYNC)
        return status;
    pthread_mutex_lock(&j->state_mutex);
    avj_lose_records(j, place.next_seq, j->tail.next_seq - 1);
    pthread_mutex_unlock(&j->state_mutex);
    enter(j, next, header, &place);
    return AVJ_OK;
}

/* AVJ_END: there is no successor.  *again: it names a later end than the tail. */
static enum avj_status enter_next_segment(struct avj_journal *j, bool *again, struct avj_error *err)
{
    struct avj_reader next;
    struct avj_segment_header header;
    struct avj_place place;
    enum avj_fit fit;
    char name[AVJ_PATH_MAX];
    avj_reader_init(&next, j->io);
    enum avj_status status =
        avj_tail_successor(j->path, &j->segment, &j->tail, &next, &header, &fit, err);
    *again = status == AVJ_OK && fit == AVJ_FIT_LATER;
    if (status == AVJ_OK && fit == AVJ_FIT_NONE)
        status = j->segment.sealed ? avj_tail_missing(&j->tail, err) : AVJ_END;
    else if (status == AVJ_OK && fit == AVJ_FIT_CUT)
        status = enter_across_cut(j, &next, &header, err);
    else if (status == AVJ_OK && fit == AVJ_FIT_HERE) {
        avj_place_begin(&place, &header);
        enter(j, &next, &header, &place);
    } else if (status == AVJ_OK) {
        avj_segment_path(j->path, j->tail.segment_no + 1, ".seg", name);
        status = avj_tail_misfit(name, &j->tail, err);
    }
    avj_reader_release(&next);
    return status;
}

enum avj_status avj_tail_catch_up(struct avj_journal *j, bool locked, struct avj_error *err)
{
    bool reread = false;
    if (locked && j->undisturbed && !j->torn)
        return AVJ_OK;
    for (;;) {
        enum avj_at at;
        enum avj_status status = walk(j, &at, err);
        if (status != AVJ_OK)
            return status;
        bool again;
        status = enter_next_segment(j, &again, err);
        if (status == AVJ_ECORRUPT && again && !reread) {
            /* Frames came between our read and the successor's birth. */
            avj_reader_forget(&j->reader);
            reread = true;
            continue;
        }
        reread = false;
        if (status == AVJ_OK)
            continue;
        if (status != AVJ_END)
            return status;
        if (at != AVJ_AT_END)
            avj_reader_forget(&j->reader);
        if (!locked || is_judged(j, at))
            return AVJ_OK;
        status = judge(j, at, err);
        if (status == AVJ_OK)
            j->judged = j->tail;
        return status;
    }
}
