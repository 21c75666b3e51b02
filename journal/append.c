/* Appending: one frame at the tail, under the append lock. */
#include "journal/maintain.h"
#include "journal/tuning.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Space is written ahead as zeros: a sync of a file that did not grow costs the file system no
 * transaction of its own, a third of the latency.  Only for those who append durably again and
 * again: one append alone would pay for space that it does not use.
 */
#define AVJ_RESERVE_AFTER 4u
#define RESERVE_MIN       ((uint64_t)64 * 1024)
#define RESERVE_MAX       ((uint64_t)1024 * 1024)

static uint64_t reserve_end(const struct avj_journal *j)
{
    uint64_t ahead = j->tail.offset / 16;
    if (ahead < RESERVE_MIN)
        ahead = RESERVE_MIN;
    if (ahead > RESERVE_MAX)
        ahead = RESERVE_MAX;
    uint64_t end = (j->tail.offset + ahead) / 4096 * 4096;
    return end < j->options.segment_target ? end : j->options.segment_target;
}

/* Writes zeros behind the tail.  Failing costs speed, nothing else. */
static void reserve(struct avj_journal *j)
{
    static const uint8_t zeros[32 * 1024];
    uint64_t at = j->tail.offset, end = reserve_end(j);
    while (at < end) {
        size_t len = end - at < sizeof(zeros) ? (size_t)(end - at) : sizeof(zeros), done;
        int r = avj_io_write_full(j->io, j->file, zeros, len, at, &done);
        at += done;
        if (r < 0)
            break;
    }
    if (at > j->zeros_to)
        j->zeros_to = at;
}

static void reserve_where_it_pays(struct avj_journal *j, enum avj_durability durability)
{
    if (durability != AVJ_DURABLE || j->options.no_reserve)
        return;
    if (j->durable_appends < AVJ_RESERVE_AFTER)
        j->durable_appends++;
    else if (j->tail.offset > j->zeros_to)
        reserve(j);
}

static enum avj_status write_frame(struct avj_journal *j, const struct avj_payload *payload,
                                   struct avj_error *err)
{
    uint8_t *frame = malloc((size_t)avj_frame_total(payload->stored_len));
    if (!frame)
        return avj_fail(err, AVJ_ENOMEM, "append: out of memory");
    struct avj_frame_header h = {
        .type = AVJ_FRAME_RECORDS,
        .first_seq = j->tail.next_seq,
        .prev_hash = j->tail.chain,
        .writer_id = j->writer_id,
    };
    pthread_mutex_lock(&j->state_mutex);
    h.durable_seq = j->durable_seq;
    pthread_mutex_unlock(&j->state_mutex);
    size_t done, total = avj_frame_build(&h, payload, j->segment.salt, j->tail.offset, frame);
    int r = avj_io_write_full(j->io, j->file, frame, total, j->tail.offset, &done);
    if (r < 0) {
        free(frame);
        j->torn = done > 0 || j->torn;
        return avj_fail_errno(err, -r, "journal %s: append to segment %llu", j->path,
                              (unsigned long long)j->tail.segment_no);
    }
    avj_retain(j, frame, total, j->tail.offset, j->tail.next_seq + payload->count - 1);
    free(frame);
    j->tail.offset += total;
    j->tail.chain = h.header_hash;
    j->tail.next_seq += payload->count;
    j->judged = j->tail;
    j->own_last_seq = j->tail.next_seq - 1;
    pthread_mutex_lock(&j->state_mutex);
    j->published = j->tail;
    pthread_mutex_unlock(&j->state_mutex);
    return AVJ_OK;
}

/* The packer compresses with the dictionary of the segment that is written to. */
static enum avj_status use_dictionary(struct avj_journal *j, bool *changed, struct avj_error *err)
{
    struct avj_dictionary dictionary;
    *changed = j->segment.dictionary.hash != avj_packer_dictionary_hash(j->packer);
    if (!*changed)
        return AVJ_OK;
    enum avj_status status = avj_reader_dictionary(&j->reader, &j->segment, &dictionary, err);
    if (status == AVJ_OK && avj_packer_dictionary(j->packer, &dictionary) != AVJ_OK)
        status = avj_fail(err, AVJ_ENOMEM, "dictionary: out of memory");
    return status;
}

/* Who appends much at once gains nothing by a dictionary and is not kept waiting for one. */
static void train_where_due(struct avj_journal *j, const struct avj_payload *payload)
{
    if (payload->raw_len >= AVJ_BULK_RAW || j->sealed_bytes + j->tail.offset < j->next_training)
        return;
    j->next_training = UINT64_MAX; /* until that is done */
    avj_background_wake(j, AVJ_DUE_TRAINING);
}

/* What is to be appended. */
struct appending {
    const struct avj_slice *records;
    size_t count;
    enum avj_durability durability;
    bool (*stands)(void *arg, uint64_t next_seq); /* NULL: on no condition */
    void *arg;
    struct avj_payload payload;
    uint64_t first_seq, misfortunes;
};

static enum avj_status make_room(struct avj_journal *j, const struct appending *a,
                                 struct avj_error *err)
{
    enum avj_status status = avj_tail_catch_up(j, true, err);
    if (status != AVJ_OK)
        return status;
    if (a->stands && !a->stands(a->arg, j->tail.next_seq))
        return avj_fail(err, AVJ_ECHANGED, "journal %s: others have appended since", j->path);
    avj_look_for_dictionary(j);
    bool outdated = j->waiting_dictionary && j->waiting_dictionary != j->segment.dictionary.hash &&
                    j->tail.offset > j->segment.frames_at;
    bool full = j->tail.offset > j->segment.frames_at &&
                j->tail.offset + a->payload.stored_len > j->options.segment_target;
    return j->torn || full || outdated ? avj_segment_rotate(j, err) : avj_segment_adopt(j, err);
}

/* Caller holds append_mutex and the append lock. */
static enum avj_status append_locked(struct avj_journal *j, struct appending *a,
                                     struct avj_error *err)
{
    bool changed = false;
    enum avj_status status = make_room(j, a, err);
    if (status == AVJ_OK)
        status = use_dictionary(j, &changed, err);
    if (status == AVJ_OK && changed)
        status = avj_pack_records(j->packer, a->records, a->count, &a->payload, err);
    if (status != AVJ_OK)
        return status;
    if (j->tail.next_seq > AVJ_SEQ_MAX || a->count - 1 > AVJ_SEQ_MAX - j->tail.next_seq)
        return avj_fail(err, AVJ_ETOOBIG, "journal %s: sequence numbers are used up", j->path);
    a->first_seq = j->tail.next_seq;
    status = write_frame(j, &a->payload, err);
    if (status == AVJ_OK)
        reserve_where_it_pays(j, a->durability);
    train_where_due(j, &a->payload);
    pthread_mutex_lock(&j->state_mutex);
    a->misfortunes = j->misfortune_count;
    pthread_mutex_unlock(&j->state_mutex);
    return status;
}

static enum avj_status append(struct avj_journal *j, struct appending *a, struct avj_error *err)
{
    bool changed;
    enum avj_status status = use_dictionary(j, &changed, err);
    if (status == AVJ_OK)
        status = avj_pack_records(j->packer, a->records, a->count, &a->payload, err);
    if (status == AVJ_OK)
        status = avj_append_lock(j, err);
    if (status != AVJ_OK)
        return status;
    status = append_locked(j, a, err);
    j->in_order = status == AVJ_OK;
    avj_append_unlock(j);
    return status;
}

static enum avj_status writable(struct avj_journal *j, struct avj_error *err)
{
    if (j->options.read_only)
        return avj_fail(err, AVJ_EREADONLY, "journal %s is open read-only", j->path);
    pthread_mutex_lock(&j->state_mutex);
    bool failed = j->failed;
    pthread_mutex_unlock(&j->state_mutex);
    return failed ? avj_sync_failed(j, EIO, err) : AVJ_OK;
}

static enum avj_status append_all(struct avj_journal *j, struct appending *a, uint64_t *first_seq,
                                  struct avj_error *err)
{
    enum avj_status status = writable(j, err);
    if (status != AVJ_OK)
        return status;
    pthread_mutex_lock(&j->append_mutex);
    status = append(j, a, err);
    pthread_mutex_unlock(&j->append_mutex);
    if (status == AVJ_OK && a->durability == AVJ_DURABLE)
        status = avj_sync_up_to(j, a->first_seq + a->count - 1, a->misfortunes, err);
    if ((status == AVJ_OK || status == AVJ_EUNSYNCED) && first_seq)
        *first_seq = a->first_seq;
    return status;
}

enum avj_status avj_journal_append(struct avj_journal *j, const struct avj_slice *records,
                                   size_t count, enum avj_durability durability,
                                   uint64_t *first_seq, struct avj_error *err)
{
    struct appending a = {.records = records, .count = count, .durability = durability};
    return append_all(j, &a, first_seq, err);
}

enum avj_status avj_journal_append_if(struct avj_journal *j, const struct avj_slice *records,
                                      size_t count, enum avj_durability durability,
                                      bool (*stands)(void *arg, uint64_t next_seq), void *arg,
                                      uint64_t *first_seq, struct avj_error *err)
{
    struct appending a = {
        .records = records, .count = count, .durability = durability, .stands = stands, .arg = arg};
    return append_all(j, &a, first_seq, err);
}

enum avj_status avj_journal_sync(struct avj_journal *j, struct avj_error *err)
{
    enum avj_status status = writable(j, err);
    if (status != AVJ_OK)
        return status;
    pthread_mutex_lock(&j->state_mutex);
    uint64_t upto = j->file >= 0 ? j->published.next_seq - 1 : 0;
    uint64_t misfortunes = j->misfortune_count;
    pthread_mutex_unlock(&j->state_mutex);
    return upto ? avj_sync_up_to(j, upto, misfortunes, err) : AVJ_OK;
}

static enum avj_status rotate_locked(struct avj_journal *j, struct avj_error *err)
{
    enum avj_status status = avj_tail_catch_up(j, true, err);
    if (status == AVJ_OK && (j->torn || j->tail.offset > j->segment.frames_at))
        status = avj_segment_rotate(j, err);
    return status;
}

enum avj_status avj_journal_rotate(struct avj_journal *j, struct avj_error *err)
{
    enum avj_status status = writable(j, err);
    if (status != AVJ_OK)
        return status;
    pthread_mutex_lock(&j->append_mutex);
    status = avj_append_lock(j, err);
    if (status == AVJ_OK) {
        status = rotate_locked(j, err);
        avj_append_unlock(j);
    }
    pthread_mutex_unlock(&j->append_mutex);
    /* A segment is ended too where what stood in it could not be kept. */
    return status == AVJ_OK ? avj_tell_lost(j, err) : status;
}
