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

bool avj_tail_evidence(struct avj_reader *reader, const struct avj_place *place,
                       const struct avj_sync_witness *witness)
{
    if (witness->valid && witness->seq >= place->next_seq)
        return true;
    struct avj_frame_info frame;
    uint64_t at = place->offset;
    while (avj_reader_resync(reader, at, UINT64_MAX, &frame)) {
        if (frame.durable_seq >= place->next_seq)
            return true;
        at = frame.offset + AVJ_FRAME_ALIGN;
    }
    return false;
}

static enum avj_status misfit(const char *name, const struct avj_place *place,
                              struct avj_error *err)
{
    return avj_fail(err, AVJ_ECORRUPT,
                    "%s does not continue segment %llu at offset %llu: records from sequence "
                    "number %llu on are damaged or missing; run avchat-fsck",
                    name, (unsigned long long)place->segment_no, (unsigned long long)place->offset,
                    (unsigned long long)place->next_seq);
}

static bool continues(const struct avj_segment_header *next, const struct avj_segment_header *here,
                      const struct avj_place *place)
{
    return next->prev_segment_no == place->segment_no &&
           next->segment_no == place->segment_no + 1 &&
           memcmp(next->prev_salt, here->salt, 16) == 0 &&
           memcmp(next->journal_id, here->journal_id, 16) == 0 && next->prev_end == place->offset &&
           next->prev_chain == place->chain && next->prev_last_seq == place->next_seq - 1 &&
           next->first_seq == place->next_seq;
}

enum avj_status avj_tail_next_segment(const struct avj_io *io, const char *path,
                                      struct avj_reader *reader, struct avj_segment_header *segment,
                                      struct avj_place *place, bool *again, struct avj_error *err)
{
    *again = false;
    char name[AVJ_PATH_MAX];
    avj_segment_path(path, place->segment_no + 1, ".seg", name);
    struct avj_reader next;
    struct avj_segment_header header;
    avj_reader_init(&next, io);
    struct avj_error why;
    enum avj_status status = avj_reader_open(&next, name, &header, &why);
    if (status == AVJ_ENOTFOUND)
        return AVJ_END;
    if (status == AVJ_OK && !continues(&header, segment, place)) {
        *again = header.prev_end > place->offset;
        status = misfit(name, place, &why);
    }
    if (status != AVJ_OK) {
        avj_reader_release(&next);
        return avj_fail(err, status, "%s", why.message);
    }
    avj_reader_release(reader);
    *reader = next;
    *segment = header;
    place->segment_no = header.segment_no;
    place->offset = AVJ_SEGMENT_HEADER_LEN;
    place->chain = header.chain;
    return AVJ_OK;
}

static bool follows(const struct avj_place *place, const struct avj_frame_info *frame)
{
    return frame->chain_before == place->chain && frame->first_seq == place->next_seq;
}

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
        if (*at == AVJ_AT_FRAME && !follows(&j->tail, &frame))
            *at = AVJ_AT_BAD;
        if (*at != AVJ_AT_FRAME)
            return AVJ_OK;
        j->tail.offset += frame.total_len;
        j->tail.chain = frame.chain_after;
        j->tail.next_seq += frame.count;
        j->torn = false;
    }
}

static void load_witness(struct avj_journal *j, struct avj_sync_witness *witness)
{
    memset(witness, 0, sizeof(*witness));
    if (j->sync_file >= 0)
        avj_witness_load(j->io, j->sync_file, j->journal_id, witness);
}

/* The tail can not be continued and nobody is writing: torn or rotten? */
static enum avj_status judge(struct avj_journal *j, enum avj_at at, struct avj_error *err)
{
    struct avj_sync_witness witness;
    load_witness(j, &witness);
    uint64_t end = j->tail.offset;
    if (at == AVJ_AT_ZEROS) {
        end = avj_reader_skip_zeros(&j->reader, j->tail.offset, UINT64_MAX);
        if (end == UINT64_MAX && j->reader.io_error)
            return avj_fail_errno(err, -j->reader.io_error, "segment %llu",
                                  (unsigned long long)j->tail.segment_no);
    }
    int64_t size = avj_reader_size(&j->reader);
    if (size < 0)
        return avj_fail_errno(err, (int)-size, "segment %llu",
                              (unsigned long long)j->tail.segment_no);
    if (avj_tail_evidence(&j->reader, &j->tail, &witness))
        return avj_fail(err, AVJ_ECORRUPT,
                        "segment %llu at offset %llu: acknowledged records from sequence number "
                        "%llu on are damaged or missing; run avchat-fsck",
                        (unsigned long long)j->tail.segment_no, (unsigned long long)j->tail.offset,
                        (unsigned long long)j->tail.next_seq);
    j->torn = at == AVJ_AT_BAD || (at == AVJ_AT_ZEROS && end < (uint64_t)size);
    j->torn_bytes = j->torn ? (uint64_t)size - j->tail.offset : 0;
    return AVJ_OK;
}

static enum avj_status enter_next_segment(struct avj_journal *j, bool *again, struct avj_error *err)
{
    uint64_t left_at = j->tail.offset;
    enum avj_status status =
        avj_tail_next_segment(j->io, j->path, &j->reader, &j->segment, &j->tail, again, err);
    if (status != AVJ_OK)
        return status;
    j->segments++;
    j->sealed_bytes += left_at;
    j->torn = false;
    return AVJ_OK;
}

enum avj_status avj_tail_catch_up(struct avj_journal *j, bool locked, struct avj_error *err)
{
    bool reread = false;
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
        return locked ? judge(j, at, err) : AVJ_OK;
    }
}
