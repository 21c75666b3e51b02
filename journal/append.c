/* Appending: the file lock, frames, rotation, and the group sync. */
#include "journal/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the lock between processes ---- */

/* Who holds the lock is written into it, for the message of one who waits in vain; nothing else
 * depends on it. */
static void sign_lock(struct avj_journal *j)
{
    char line[17];
    size_t done;
    snprintf(line, sizeof(line), "%-15ld\n", (long)getpid());
    (void)avj_io_write_full(j->io, j->lock_file, line, 16, 0, &done);
}

static long lock_holder(struct avj_journal *j)
{
    char line[17] = "";
    size_t got;
    if (avj_io_read_full(j->io, j->lock_file, line, 16, 0, &got) != 0)
        return 0;
    return strtol(line, NULL, 10);
}

enum avj_status avj_file_lock(struct avj_journal *j, struct avj_error *err)
{
    int64_t give_up = 0;
    for (unsigned tries = 0;; tries++) {
        int r = j->io->try_lock(j->io->ctx, j->lock_file);
        if (r == AVJ_LOCK_TAKEN) {
            sign_lock(j);
            return AVJ_OK;
        }
        if (r == -EINTR)
            continue;
        if (r < 0)
            return avj_fail_errno(err, -r, "%s/lock", j->path);
        int64_t now = j->io->monotonic_ms(j->io->ctx);
        if (tries == 0)
            give_up = now + j->options.lock_timeout_ms;
        else if (now >= give_up)
            return avj_fail(err, AVJ_ELOCKED,
                            "journal %s has been locked by process %ld for %u ms: let it go on or "
                            "end it, then try again",
                            j->path, lock_holder(j), j->options.lock_timeout_ms);
        j->io->sleep_ms(j->io->ctx, tries < 20 ? 1 : 5);
    }
}

void avj_file_unlock(struct avj_journal *j)
{
    (void)j->io->unlock(j->io->ctx, j->lock_file);
}

/* ---- segments ---- */

static enum avj_status write_segment(const struct avj_io *io, const char *temp,
                                     const uint8_t *bytes, struct avj_error *err)
{
    (void)io->unlink(io->ctx, temp); /* left by a process that died here */
    int file = io->open(io->ctx, temp, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL);
    if (file < 0)
        return avj_fail_errno(err, -file, "create %s", temp);
    size_t done;
    int r = avj_io_write_full(io, file, bytes, AVJ_SEGMENT_HEADER_LEN, 0, &done);
    if (r == 0)
        r = io->sync(io->ctx, file);
    int closed = io->close(io->ctx, file);
    if (r == 0)
        r = closed;
    return r < 0 ? avj_fail_errno(err, -r, "write %s", temp) : AVJ_OK;
}

enum avj_status avj_segment_create(const struct avj_io *io, const char *path,
                                   const struct avj_segment_header *header, struct avj_error *err)
{
    char temp[AVJ_PATH_MAX], name[AVJ_PATH_MAX], dir[AVJ_PATH_MAX];
    avj_segment_path(path, header->segment_no, ".tmp", temp);
    avj_segment_path(path, header->segment_no, ".seg", name);
    snprintf(dir, sizeof(dir), "%s/segments", path);
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    avj_segment_header_encode(header, bytes);
    enum avj_status status = write_segment(io, temp, bytes, err);
    if (status == AVJ_OK) {
        int r = io->rename(io->ctx, temp, name);
        if (r < 0)
            status = avj_fail_errno(err, -r, "rename %s", temp);
    }
    if (status != AVJ_OK) {
        (void)io->unlink(io->ctx, temp);
        return status;
    }
    int r = io->sync_dir(io->ctx, dir);
    if (r < 0) {
        (void)io->unlink(io->ctx, name);
        return avj_fail_errno(err, -r, "sync directory %s", dir);
    }
    return AVJ_OK;
}

static enum avj_status sync_failed(struct avj_journal *j, int errnum, struct avj_error *err)
{
    char reason[96];
    return avj_fail(err, AVJ_ESYNC,
                    "journal %s: a sync failed (%s): the last changes may not survive a crash; "
                    "check the disk, then open the journal again",
                    j->path, strerror_r(errnum, reason, sizeof(reason)));
}

/* An interrupted sync may be asked for again; a failed one never. */
static int sync_file(struct avj_journal *j, int file)
{
    int r;
    do
        r = j->io->sync(j->io->ctx, file);
    while (r == -EINTR);
    return r;
}

/* Marks the handle as failed and wakes all who wait; caller holds state_mutex. */
static void fail_handle(struct avj_journal *j)
{
    j->failed = true;
    pthread_cond_broadcast(&j->synced);
}

/* Gives the file of the last segment up.  Everything in it is made durable first: a successor
 * vouches for its predecessor. */
static enum avj_status leave_segment(struct avj_journal *j, struct avj_error *err)
{
    pthread_mutex_lock(&j->state_mutex);
    while (j->syncing)
        pthread_cond_wait(&j->synced, &j->state_mutex);
    int file = j->file;
    j->syncing = true; /* nobody else syncs a file that is about to be closed */
    pthread_mutex_unlock(&j->state_mutex);

    int r = file >= 0 ? sync_file(j, file) : 0;

    pthread_mutex_lock(&j->state_mutex);
    j->syncing = false;
    if (r < 0)
        fail_handle(j);
    else {
        if (j->durable_seq + 1 < j->published.next_seq)
            j->durable_seq = j->published.next_seq - 1;
        if (file >= 0)
            (void)j->io->close(j->io->ctx, file);
        j->file = -1;
        pthread_cond_broadcast(&j->synced);
    }
    pthread_mutex_unlock(&j->state_mutex);
    return r < 0 ? sync_failed(j, -r, err) : AVJ_OK;
}

/* A segment whose name could not be made durable is taken back, and its number used again: what is
 * at the path must be the segment that was read. */
static enum avj_status same_segment(struct avj_journal *j, int file, const char *name,
                                    struct avj_error *err)
{
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    struct avj_segment_header header;
    size_t got;
    int r = avj_io_read_full(j->io, file, bytes, sizeof(bytes), 0, &got);
    if (r < 0)
        return avj_fail_errno(err, -r, "%s", name);
    if (got == sizeof(bytes) && avj_segment_header_decode(bytes, &header, NULL) == AVJ_OK &&
        memcmp(header.salt, j->segment.salt, 16) == 0)
        return AVJ_OK;
    return avj_fail(err, AVJ_EIO, "%s was replaced: open the journal again", name);
}

/* Opens the last segment for writing where that has not been done. */
static enum avj_status adopt_segment(struct avj_journal *j, struct avj_error *err)
{
    if (j->file >= 0 && j->published.segment_no == j->tail.segment_no)
        return AVJ_OK;
    if (j->file >= 0) {
        enum avj_status status = leave_segment(j, err);
        if (status != AVJ_OK)
            return status;
    }
    char name[AVJ_PATH_MAX];
    avj_segment_path(j->path, j->tail.segment_no, ".seg", name);
    int file = j->io->open(j->io->ctx, name, AVJ_OPEN_WRITE);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", name);
    enum avj_status same = same_segment(j, file, name, err);
    if (same != AVJ_OK) {
        (void)j->io->close(j->io->ctx, file);
        return same;
    }
    struct avj_sync_witness witness;
    avj_witness_load(j->io, j->sync_file, j->journal_id, &witness);
    pthread_mutex_lock(&j->state_mutex);
    j->file = file;
    j->published = j->tail;
    /* A witness in this segment was written behind the sync of its name. */
    j->name_durable = witness.valid && witness.segment_no >= j->tail.segment_no;
    if (witness.valid && witness.seq > j->durable_seq && witness.seq < j->tail.next_seq)
        j->durable_seq = witness.seq;
    if (j->durable_seq + 1 < j->segment.first_seq)
        j->durable_seq = j->segment.first_seq - 1; /* a successor vouches for its predecessor */
    pthread_mutex_unlock(&j->state_mutex);
    return AVJ_OK;
}

static enum avj_status next_header(struct avj_journal *j, struct avj_segment_header *h,
                                   struct avj_error *err)
{
    memset(h, 0, sizeof(*h));
    h->version = AVJ_FORMAT_VERSION;
    memcpy(h->journal_id, j->journal_id, 16);
    h->segment_no = j->tail.segment_no + 1;
    int r = j->io->random(j->io->ctx, h->salt, 16);
    if (r < 0)
        return avj_fail_errno(err, -r, "random numbers");
    h->first_seq = j->tail.next_seq;
    memcpy(h->boot_id, j->boot_id, 16);
    h->created_ms = j->io->now_ms(j->io->ctx);
    h->prev_segment_no = j->tail.segment_no;
    memcpy(h->prev_salt, j->segment.salt, 16);
    h->prev_end = j->tail.offset;
    h->prev_last_seq = j->tail.next_seq - 1;
    h->prev_chain = j->tail.chain;
    return AVJ_OK;
}

/* Begins a new segment that cuts the present one at the tail.  Caller holds the file lock. */
static enum avj_status rotate(struct avj_journal *j, struct avj_error *err)
{
    struct avj_segment_header header;
    enum avj_status status = adopt_segment(j, err);
    if (status == AVJ_OK)
        status = leave_segment(j, err);
    if (status == AVJ_OK)
        status = next_header(j, &header, err);
    if (status == AVJ_OK)
        status = avj_segment_create(j->io, j->path, &header, err);
    if (status == AVJ_OK)
        status = avj_tail_catch_up(j, true, err);
    if (status == AVJ_OK)
        status = adopt_segment(j, err);
    if (status != AVJ_OK)
        return status;
    pthread_mutex_lock(&j->state_mutex);
    j->name_durable = true;
    pthread_mutex_unlock(&j->state_mutex);
    return AVJ_OK;
}

/* ---- frames ---- */

static size_t build_frame(struct avj_journal *j, const struct avj_payload *payload, uint8_t *frame,
                          uint64_t *chain)
{
    uint64_t place = avj_frame_place(j->segment.salt, j->tail.offset);
    size_t total = (size_t)avj_frame_total(payload->stored_len);
    struct avj_frame_header h = {
        .type = AVJ_FRAME_TYPE_RECORDS,
        .flags = payload->compressed ? AVJ_FRAME_FLAG_ZSTD : 0,
        .count = payload->count,
        .stored_len = payload->stored_len,
        .raw_len = payload->raw_len,
        .first_seq = j->tail.next_seq,
        .durable_seq = j->durable_seq,
        .prev_hash = j->tail.chain,
        .payload_hash = avj_payload_hash(place, payload->stored, payload->stored_len),
        .writer_id = j->writer_id,
    };
    avj_frame_header_encode(&h, place, frame);
    memcpy(frame + AVJ_FRAME_HEADER_LEN, payload->stored, payload->stored_len);
    size_t used = AVJ_FRAME_HEADER_LEN + payload->stored_len;
    memset(frame + used, 0, total - used);
    avj_frame_trailer_encode((uint32_t)total, h.header_hash, frame + total - AVJ_FRAME_TRAILER_LEN);
    *chain = h.header_hash;
    return total;
}

static enum avj_status write_frame(struct avj_journal *j, const struct avj_payload *payload,
                                   struct avj_error *err)
{
    uint8_t *frame = malloc((size_t)avj_frame_total(payload->stored_len));
    if (!frame)
        return avj_fail(err, AVJ_ENOMEM, "append: out of memory");
    uint64_t chain;
    pthread_mutex_lock(&j->state_mutex); /* durable_seq */
    size_t total = build_frame(j, payload, frame, &chain);
    pthread_mutex_unlock(&j->state_mutex);
    size_t done;
    int r = avj_io_write_full(j->io, j->file, frame, total, j->tail.offset, &done);
    free(frame);
    if (r < 0) {
        j->torn = done > 0 || j->torn;
        return avj_fail_errno(err, -r, "journal %s: append to segment %llu", j->path,
                              (unsigned long long)j->tail.segment_no);
    }
    j->tail.offset += total;
    j->tail.chain = chain;
    j->tail.next_seq += payload->count;
    pthread_mutex_lock(&j->state_mutex);
    j->published = j->tail;
    pthread_mutex_unlock(&j->state_mutex);
    return AVJ_OK;
}

/* Caller holds append_mutex and the file lock. */
static enum avj_status append_locked(struct avj_journal *j, const struct avj_payload *payload,
                                     uint64_t *first_seq, struct avj_error *err)
{
    enum avj_status status = avj_tail_catch_up(j, true, err);
    if (status != AVJ_OK)
        return status;
    bool full = j->tail.offset > AVJ_SEGMENT_HEADER_LEN &&
                j->tail.offset + payload->stored_len > j->options.segment_target;
    status = j->torn || full ? rotate(j, err) : adopt_segment(j, err);
    if (status != AVJ_OK)
        return status;
    *first_seq = j->tail.next_seq;
    return write_frame(j, payload, err);
}

/* ---- durability ---- */

/* After a successful sync up to `place`: remember it for whoever opens the journal after a crash.
 * Only who leads the sync does this. */
static void bear_witness(struct avj_journal *j, const struct avj_place *place)
{
    struct avj_sync_witness witness = {
        .valid = true,
        .segment_no = place->segment_no,
        .offset = place->offset,
        .seq = place->next_seq - 1,
        .chain = place->chain,
    };
    memcpy(witness.boot_id, j->boot_id, 16);
    uint8_t slot[AVJ_WITNESS_SLOT];
    avj_witness_encode(&witness, j->journal_id, slot);
    size_t done;
    uint64_t offset = (j->witness_turn++ % 2) * AVJ_WITNESS_SLOT;
    (void)avj_io_write_full(j->io, j->sync_file, slot, sizeof(slot), offset, &done);
}

static int sync_segment(struct avj_journal *j, int file, bool name_durable)
{
    if (!name_durable) {
        char dir[AVJ_PATH_MAX];
        snprintf(dir, sizeof(dir), "%s/segments", j->path);
        int r = j->io->sync_dir(j->io->ctx, dir);
        if (r < 0)
            return r;
    }
    return sync_file(j, file);
}

/* Caller holds state_mutex, which is released during the sync. */
static enum avj_status lead_sync(struct avj_journal *j, struct avj_error *err)
{
    struct avj_place place = j->published;
    int file = j->file;
    bool name_durable = j->name_durable;
    j->syncing = true;
    pthread_mutex_unlock(&j->state_mutex);
    int r = sync_segment(j, file, name_durable);
    if (r == 0)
        bear_witness(j, &place);
    pthread_mutex_lock(&j->state_mutex);
    j->syncing = false;
    if (r < 0) {
        fail_handle(j);
        return sync_failed(j, -r, err);
    }
    j->name_durable = true;
    if (j->durable_seq + 1 < place.next_seq)
        j->durable_seq = place.next_seq - 1;
    pthread_cond_broadcast(&j->synced);
    return AVJ_OK;
}

/* Returns when everything up to `seq` is durable: one of those who wait syncs for all. */
static enum avj_status sync_up_to(struct avj_journal *j, uint64_t seq, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    pthread_mutex_lock(&j->state_mutex);
    while (status == AVJ_OK && j->durable_seq < seq) {
        if (j->failed)
            status = sync_failed(j, EIO, err);
        else if (j->syncing)
            pthread_cond_wait(&j->synced, &j->state_mutex);
        else
            status = lead_sync(j, err);
    }
    pthread_mutex_unlock(&j->state_mutex);
    return status;
}

static enum avj_status writable(struct avj_journal *j, struct avj_error *err)
{
    if (j->options.read_only)
        return avj_fail(err, AVJ_EREADONLY, "journal %s is open read-only", j->path);
    pthread_mutex_lock(&j->state_mutex);
    bool failed = j->failed;
    pthread_mutex_unlock(&j->state_mutex);
    return failed ? sync_failed(j, EIO, err) : AVJ_OK;
}

enum avj_status avj_journal_append(struct avj_journal *j, const struct avj_slice *records,
                                   size_t count, enum avj_durability durability,
                                   uint64_t *first_seq, struct avj_error *err)
{
    enum avj_status status = writable(j, err);
    if (status != AVJ_OK)
        return status;
    struct avj_payload payload;
    uint64_t first = 0;
    pthread_mutex_lock(&j->append_mutex);
    status = avj_pack_records(j->packer, records, count, &payload, err);
    if (status == AVJ_OK)
        status = avj_file_lock(j, err);
    if (status == AVJ_OK) {
        status = append_locked(j, &payload, &first, err);
        avj_file_unlock(j);
    }
    pthread_mutex_unlock(&j->append_mutex);
    if (status == AVJ_OK && durability == AVJ_DURABLE)
        status = sync_up_to(j, first + count - 1, err);
    if (status == AVJ_OK && first_seq)
        *first_seq = first;
    return status;
}

enum avj_status avj_journal_sync(struct avj_journal *j, struct avj_error *err)
{
    enum avj_status status = writable(j, err);
    if (status != AVJ_OK)
        return status;
    pthread_mutex_lock(&j->state_mutex);
    uint64_t upto = j->file >= 0 ? j->published.next_seq - 1 : 0;
    pthread_mutex_unlock(&j->state_mutex);
    return upto ? sync_up_to(j, upto, err) : AVJ_OK;
}
