/*
 * Durability: one sync for all who wait, in whatever thread or process; and what happens when it
 * fails.  See private.h for the locks and witness.h for what processes tell each other.
 */
#include "journal/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum avj_status avj_sync_failed(struct avj_journal *j, int errnum, struct avj_error *err)
{
    char reason[96];
    return avj_fail(err, AVJ_ESYNC,
                    "journal %s: a sync failed (%s): the last changes may not survive a crash; "
                    "check the disk, then open the journal again",
                    j->path, strerror_r(errnum, reason, sizeof(reason)));
}

/* The sync failed and the log goes on elsewhere. */
static enum avj_status not_acknowledged(struct avj_journal *j, struct avj_error *err)
{
    return avj_fail(err, AVJ_ESYNC,
                    "journal %s: a sync failed: this change is not acknowledged, but may be kept: "
                    "look before you make it again; the journal goes on in a new segment; check "
                    "the disk",
                    j->path);
}

static enum avj_status earlier_ones_lost(struct avj_journal *j, struct avj_error *err)
{
    return avj_fail(err, AVJ_ESYNC,
                    "journal %s: a sync failed, and changes that were made before without waiting "
                    "for the disk are lost; the journal goes on in a new segment; check the disk",
                    j->path);
}

enum avj_status avj_tell_lost(struct avj_journal *j, struct avj_error *err)
{
    pthread_mutex_lock(&j->state_mutex);
    bool lost = j->lost;
    j->lost = false;
    pthread_mutex_unlock(&j->state_mutex);
    return lost ? earlier_ones_lost(j, err) : AVJ_OK;
}

void avj_add_misfortune(struct avj_journal *j, uint64_t first_seq, uint64_t last_seq)
{
    if (last_seq < first_seq)
        return;
    j->misfortunes[j->misfortune_count++ % AVJ_MISFORTUNES] =
        (struct avj_misfortune){first_seq, last_seq};
}

void avj_lose_records(struct avj_journal *j, uint64_t first_seq, uint64_t last_seq)
{
    avj_add_misfortune(j, first_seq, last_seq);
    if (first_seq <= last_seq && j->own_last_seq >= first_seq)
        j->lost = true;
}

/* Caller holds state_mutex. */
static bool met_misfortune(const struct avj_journal *j, uint64_t since, uint64_t seq)
{
    if (j->misfortune_count - since > AVJ_MISFORTUNES)
        return true; /* too many to tell */
    for (uint64_t i = since; i < j->misfortune_count; i++) {
        const struct avj_misfortune *m = &j->misfortunes[i % AVJ_MISFORTUNES];
        if (seq >= m->first_seq && seq <= m->last_seq)
            return true;
    }
    return false;
}

/* ---- the lock between processes, and what they tell each other ---- */

static enum avj_status stalled(struct avj_journal *j, struct avj_error *err)
{
    struct avj_sync_state state;
    char who[40] = "another process";
    avj_sync_state_load(j->io, j->sync_file, j->journal_id, &state);
    if (state.mark.valid)
        snprintf(who, sizeof(who), "process %lu", (unsigned long)state.mark.process);
    return avj_fail(err, AVJ_ELOCKED,
                    "journal %s: %s has not come to the end of a sync for %u ms: let it go on or "
                    "end it",
                    j->path, who, j->options.lock_timeout_ms);
}

/* Tries once: AVJ_OK, AVJ_END (busy), or an error. */
static enum avj_status try_sync_lock(struct avj_journal *j, struct avj_error *err)
{
    int r;
    do
        r = j->io->try_lock(j->io->ctx, j->sync_file);
    while (r == -EINTR);
    if (r < 0)
        return avj_fail_errno(err, -r, "%s/" AVJ_WITNESS_FILE, j->path);
    return r == AVJ_LOCK_TAKEN ? AVJ_OK : AVJ_END;
}

enum avj_status avj_sync_lock(struct avj_journal *j, struct avj_error *err)
{
    struct avj_patience patience;
    avj_patience_init(&patience, j);
    for (;;) {
        enum avj_status status = try_sync_lock(j, err);
        if (status != AVJ_END)
            return status;
        if (!avj_patience_wait(&patience, j))
            return stalled(j, err);
    }
}

void avj_sync_unlock(struct avj_journal *j)
{
    (void)j->io->unlock(j->io->ctx, j->sync_file);
}

static void write_slot(struct avj_journal *j, enum avj_slot_kind kind, unsigned slot,
                       const struct avj_place *place)
{
    struct avj_sync_witness w = {
        .valid = true,
        .process = (uint32_t)j->process,
        .segment_no = place->segment_no,
        .offset = place->offset,
        .seq = place->next_seq - 1,
        .chain = place->chain,
    };
    memcpy(w.boot_id, j->boot_id, 16);
    uint8_t bytes[AVJ_WITNESS_SLOT];
    avj_witness_encode(kind, &w, j->journal_id, bytes);
    size_t done;
    (void)avj_io_write_full(j->io, j->sync_file, bytes, sizeof(bytes), slot * AVJ_WITNESS_SLOT,
                            &done);
}

void avj_bear_witness(struct avj_journal *j, unsigned slot, const struct avj_place *place)
{
    write_slot(j, AVJ_SLOT_WITNESS, slot, place);
}

/* ---- one sync ---- */

enum outcome {
    SYNCED,   /* by this process or another */
    FAILED,   /* *errnum says how */
    UNSETTLED /* an earlier one failed, or nobody knows how it ended; or the log has moved on into
                 another segment */
};

/* A sync of that file failed here: it is never asked for another. */
static bool is_poisoned(struct avj_journal *j, uint64_t segment_no)
{
    pthread_mutex_lock(&j->state_mutex);
    bool poisoned = j->poisoned == segment_no;
    pthread_mutex_unlock(&j->state_mutex);
    return poisoned;
}

bool avj_sync_is_over(struct avj_journal *j, const struct avj_sync_state *state,
                      uint64_t segment_no)
{
    return is_poisoned(j, segment_no) || avj_sync_unsettled(state, segment_no, j->boot_id);
}

/* Caller holds the lock of file `sync`. */
static enum outcome sync_place(struct avj_journal *j, int file, bool name_durable,
                               const struct avj_place *place, int *errnum)
{
    struct avj_sync_state state;
    avj_sync_state_load(j->io, j->sync_file, j->journal_id, &state);
    if (avj_sync_is_over(j, &state, place->segment_no) ||
        (state.witness.valid && state.witness.segment_no > place->segment_no))
        return UNSETTLED;
    int r = 0;
    if (!name_durable) {
        char dir[AVJ_PATH_MAX];
        snprintf(dir, sizeof(dir), "%s/segments", j->path);
        r = j->io->sync_dir(j->io->ctx, dir);
    }
    write_slot(j, AVJ_SLOT_MARK, AVJ_WITNESS_SLOTS, place);
    if (r >= 0)
        r = avj_io_sync(j->io, file);
    if (r < 0) {
        *errnum = -r;
        return FAILED;
    }
    avj_bear_witness(j, state.older, place);
    return SYNCED;
}

static bool is_covered(struct avj_journal *j, const struct avj_place *place)
{
    struct avj_sync_witness w;
    avj_witness_load(j->io, j->sync_file, j->journal_id, &w);
    return w.valid && w.segment_no == place->segment_no && w.offset >= place->offset;
}

/* Others may have appended while this process waited for its turn: their records come along. */
static void take_along(struct avj_journal *j, struct avj_place *place)
{
    if (pthread_mutex_trylock(&j->append_mutex) != 0)
        return; /* a thread is appending, which may wait for us */
    if (avj_tail_catch_up(j, false, NULL) == AVJ_OK && j->tail.segment_no == place->segment_no)
        *place = j->tail;
    pthread_mutex_unlock(&j->append_mutex);
}

/* Waits for its turn among the processes, or until one of them has synced for this one too. */
static enum avj_status sync_in_turn(struct avj_journal *j, int file, bool name_durable,
                                    struct avj_place *place, enum outcome *outcome, int *errnum,
                                    struct avj_error *err)
{
    struct avj_patience patience;
    bool waited = false;
    enum avj_status status;
    *outcome = SYNCED;
    while ((status = try_sync_lock(j, err)) == AVJ_END) {
        if (!waited)
            avj_patience_init(&patience, j);
        waited = true;
        if (is_covered(j, place))
            return AVJ_OK;
        if (!avj_patience_wait(&patience, j))
            return stalled(j, err);
    }
    if (status != AVJ_OK)
        return status;
    if (waited)
        take_along(j, place);
    if (!waited || !is_covered(j, place))
        *outcome = sync_place(j, file, name_durable, place, errnum);
    avj_sync_unlock(j);
    return AVJ_OK;
}

/* ---- waiting ---- */

/* Marks the handle as failed and wakes all who wait; caller holds state_mutex. */
static void fail_handle(struct avj_journal *j)
{
    j->failed = true;
    pthread_cond_broadcast(&j->synced);
}

/* A sync up to `place` failed; caller holds state_mutex. */
static void poison(struct avj_journal *j, const struct avj_place *place, uint64_t durable_seq)
{
    j->poisoned = place->segment_no;
    avj_add_misfortune(j, durable_seq + 1, place->next_seq - 1);
}

/* Brings the log to where it can be synced again: into a new segment, made here or by another
 * process. */
static enum avj_status move_on(struct avj_journal *j, struct avj_error *err)
{
    pthread_mutex_lock(&j->append_mutex);
    enum avj_status status = avj_append_lock(j, err);
    if (status == AVJ_OK) {
        status = avj_tail_catch_up(j, true, err);
        if (status == AVJ_OK)
            status = avj_carry_over(j, err);
        if (status == AVJ_OK)
            status = avj_segment_adopt(j, err);
        avj_append_unlock(j);
    }
    pthread_mutex_unlock(&j->append_mutex);
    return status;
}

/* Caller holds state_mutex, which is released during the sync. */
static enum avj_status lead_sync(struct avj_journal *j, struct avj_error *err)
{
    struct avj_place place = j->published;
    int file = j->file, errnum = 0;
    bool name_durable = j->name_durable;
    uint64_t durable = j->durable_seq;
    enum outcome outcome;
    j->syncing = true;
    pthread_mutex_unlock(&j->state_mutex);
    enum avj_status status = sync_in_turn(j, file, name_durable, &place, &outcome, &errnum, err);
    pthread_mutex_lock(&j->state_mutex);
    j->syncing = false;
    if (status == AVJ_OK && outcome == SYNCED) {
        if (j->published.segment_no == place.segment_no)
            j->name_durable = true;
        if (j->durable_seq + 1 < place.next_seq)
            j->durable_seq = place.next_seq - 1;
    }
    if (status == AVJ_OK && outcome == FAILED)
        poison(j, &place, durable);
    pthread_cond_broadcast(&j->synced);
    if (status != AVJ_OK || outcome == SYNCED)
        return status;
    pthread_mutex_unlock(&j->state_mutex);
    status = move_on(j, err);
    pthread_mutex_lock(&j->state_mutex);
    if (status != AVJ_OK && status != AVJ_ELOCKED) {
        fail_handle(j);
        if (outcome == FAILED || status != AVJ_ECORRUPT)
            return avj_sync_failed(j, errnum ? errnum : EIO, err);
    }
    return status;
}

/* Somebody holds a lock that is needed for a sync, not for what was to be written. */
static enum avj_status not_yet_durable(struct avj_journal *j, const struct avj_error *why,
                                       struct avj_error *err)
{
    j->stalls++; /* whoever has waited with this thread has waited as long */
    pthread_cond_broadcast(&j->synced);
    return avj_fail(err, AVJ_EUNSYNCED, "written, but not known to be durable: %s", why->message);
}

/* Each round syncs, waits for one who does, or moves on into another segment: far more than that
 * takes. */
#define ROUNDS_MAX 10000u

enum avj_status avj_sync_up_to(struct avj_journal *j, uint64_t seq, uint64_t misfortunes,
                               struct avj_error *err)
{
    struct avj_error why;
    enum avj_status status = AVJ_OK;
    pthread_mutex_lock(&j->state_mutex);
    uint64_t stalls = j->stalls;
    unsigned rounds = 0;
    while (status == AVJ_OK) {
        if (rounds++ == ROUNDS_MAX)
            status = avj_fail(err, AVJ_EUNSYNCED,
                              "journal %s: written, but not known to be durable: file "
                              "`" AVJ_WITNESS_FILE "` tells of segments that are not there; run "
                              "avchat-fsck",
                              j->path);
        else if (met_misfortune(j, misfortunes, seq))
            status = not_acknowledged(j, err);
        else if (j->durable_seq >= seq)
            break;
        else if (j->failed)
            status = avj_sync_failed(j, EIO, err);
        else if (j->stalls != stalls)
            status = avj_fail(err, AVJ_EUNSYNCED,
                              "journal %s: written, but not known to be durable: another process "
                              "holds up the sync",
                              j->path);
        else if (j->syncing)
            pthread_cond_wait(&j->synced, &j->state_mutex);
        else if ((status = lead_sync(j, &why)) == AVJ_ELOCKED)
            status = not_yet_durable(j, &why, err);
        else if (status != AVJ_OK)
            avj_fail(err, status, "%s", why.message);
    }
    pthread_mutex_unlock(&j->state_mutex);
    return status == AVJ_OK ? avj_tell_lost(j, err) : status;
}

/* ---- leaving a segment ---- */

/* Waits until no thread syncs the file that is about to be given up; returns it. */
static int take_file(struct avj_journal *j, struct avj_place *published, bool *name_durable)
{
    pthread_mutex_lock(&j->state_mutex);
    while (j->syncing)
        pthread_cond_wait(&j->synced, &j->state_mutex);
    j->syncing = true;
    int file = j->file;
    *published = j->published;
    *name_durable = j->name_durable;
    pthread_mutex_unlock(&j->state_mutex);
    return file;
}

static void file_is_given_up(struct avj_journal *j, uint64_t durable_next)
{
    pthread_mutex_lock(&j->state_mutex);
    j->syncing = false;
    if (j->durable_seq + 1 < durable_next)
        j->durable_seq = durable_next - 1;
    if (j->file >= 0)
        (void)j->io->close(j->io->ctx, j->file);
    j->file = -1;
    pthread_cond_broadcast(&j->synced);
    pthread_mutex_unlock(&j->state_mutex);
}

void avj_leave(struct avj_journal *j)
{
    struct avj_place published;
    bool name_durable;
    if (take_file(j, &published, &name_durable) >= 0)
        file_is_given_up(j, j->segment.first_seq);
    else
        file_is_given_up(j, 0);
}

enum avj_status avj_sync_and_leave(struct avj_journal *j, bool *carried, struct avj_error *err)
{
    struct avj_place published;
    bool name_durable;
    int errnum = 0, file = take_file(j, &published, &name_durable);
    enum outcome outcome = SYNCED;
    *carried = false;
    enum avj_status status = avj_sync_lock(j, err);
    if (status == AVJ_OK) {
        outcome = sync_place(j, file, name_durable, &j->tail, &errnum);
        avj_sync_unlock(j);
    }
    if (status == AVJ_OK && outcome == SYNCED) {
        file_is_given_up(j, j->tail.next_seq);
        return AVJ_OK;
    }
    pthread_mutex_lock(&j->state_mutex);
    j->syncing = false;
    if (status == AVJ_OK && outcome == FAILED)
        poison(j, &published, j->durable_seq);
    pthread_cond_broadcast(&j->synced);
    pthread_mutex_unlock(&j->state_mutex);
    if (status != AVJ_OK)
        return status;
    *carried = true;
    status = avj_carry_over(j, err);
    if (status == AVJ_OK || status == AVJ_ELOCKED)
        return status;
    pthread_mutex_lock(&j->state_mutex);
    fail_handle(j);
    pthread_mutex_unlock(&j->state_mutex);
    return avj_sync_failed(j, errnum ? errnum : EIO, err);
}
