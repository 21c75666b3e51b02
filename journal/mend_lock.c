/* Keeping everybody out of a journal, and its witness: see mend.h. */
#include "journal/mend.h"
#include "journal/seal.h"
#include "journal/witness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_US 2000u

struct lock_kind {
    const char *name;
    bool own;         /* made where it is missing; else there is nobody to keep out */
    const char *does; /* what its holder does */
};

static const struct lock_kind kinds[AVJ_MEND_LOCKS] = {
    [AVJ_MEND_SEAL] = {AVJ_SEAL_LOCK, true, "compacting or sealing"},
    [AVJ_MEND_APPEND] = {"lock", true, "writing to"},
    [AVJ_MEND_SYNC] = {AVJ_WITNESS_FILE, true, "writing to"},
    [AVJ_MEND_LEADER] = {"sync.lock", false, "syncing"},
    [AVJ_MEND_SERVE] = {"serve.lock", false, "serving"},
};

/* The process that the file names, 0: none.  Those that name one begin with its number. */
static long holder(const struct avj_io *io, int file)
{
    char text[17] = "";
    size_t got = 0;
    if (avj_io_read_full(io, file, text, 16, 0, &got) != 0)
        return 0;
    text[got] = 0;
    return strtol(text, NULL, 10);
}

static enum avj_status busy(const struct avj_io *io, const char *path, int kind, int file,
                            struct avj_error *err)
{
    long process = holder(io, file);
    if (process > 0)
        return avj_fail(err, AVJ_ELOCKED,
                        "process %ld is %s this journal: end it, then try again (%s/%s)", process,
                        kinds[kind].does, path, kinds[kind].name);
    return avj_fail(err, AVJ_ELOCKED,
                    "another process is %s this journal: end it, then try again (%s/%s)",
                    kinds[kind].does, path, kinds[kind].name);
}

static enum avj_status take_one(struct avj_mend_lock *lock, const char *path, int kind,
                                int64_t give_up_ms, struct avj_error *err)
{
    const struct avj_io *io = lock->io;
    char name[AVJ_PATH_MAX];
    snprintf(name, sizeof(name), "%s/%s", path, kinds[kind].name);
    int file = io->open(io->ctx, name, AVJ_OPEN_WRITE | (kinds[kind].own ? AVJ_OPEN_CREATE : 0));
    if (file == -ENOENT)
        return AVJ_OK;
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", name);
    int r;
    while ((r = io->try_lock(io->ctx, file)) == AVJ_LOCK_BUSY || r == -EINTR) {
        if (io->monotonic_ms(io->ctx) >= give_up_ms)
            break;
        io->sleep_us(io->ctx, PAUSE_US);
    }
    if (r == AVJ_LOCK_TAKEN) {
        lock->files[kind] = file;
        return AVJ_OK;
    }
    enum avj_status status =
        r < 0 ? avj_fail_errno(err, -r, "lock %s", name) : busy(io, path, kind, file, err);
    (void)io->close(io->ctx, file);
    return status;
}

/* As every holder of the append lock signs it: whoever appended last must look at the log anew. */
static enum avj_status sign(struct avj_mend_lock *lock, const char *path, struct avj_error *err)
{
    char line[33];
    uint64_t handle = 0;
    size_t done;
    int r = lock->io->random(lock->io->ctx, &handle, sizeof(handle));
    snprintf(line, sizeof(line), "%-15ld\n%-15llx\n", (long)getpid(),
             (unsigned long long)handle >> 4);
    if (r >= 0)
        r = avj_io_write_full(lock->io, lock->files[AVJ_MEND_APPEND], line, 32, 0, &done);
    return r < 0 ? avj_fail_errno(err, -r, "sign %s/lock", path) : AVJ_OK;
}

enum avj_status avj_mend_lock_take(const struct avj_io *io, const char *path, unsigned timeout_ms,
                                   struct avj_mend_lock *lock, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    int64_t give_up_ms = io->monotonic_ms(io->ctx) + timeout_ms;
    lock->io = io;
    for (int kind = 0; kind < AVJ_MEND_LOCKS; kind++)
        lock->files[kind] = -1;
    for (int kind = 0; status == AVJ_OK && kind < AVJ_MEND_LOCKS; kind++)
        status = take_one(lock, path, kind, give_up_ms, err);
    return status == AVJ_OK ? sign(lock, path, err) : status;
}

void avj_mend_lock_release(struct avj_mend_lock *lock)
{
    for (int kind = 0; kind < AVJ_MEND_LOCKS; kind++) {
        if (lock->files[kind] < 0)
            continue;
        (void)lock->io->unlock(lock->io->ctx, lock->files[kind]);
        (void)lock->io->close(lock->io->ctx, lock->files[kind]);
        lock->files[kind] = -1;
    }
}

enum avj_status avj_mend_witness(struct avj_mend_lock *lock, const uint8_t journal_id[16],
                                 const struct avj_mend_end *end, struct avj_error *err)
{
    const struct avj_io *io = lock->io;
    uint8_t slots[(AVJ_WITNESS_SLOTS + 1) * AVJ_WITNESS_SLOT];
    struct avj_sync_witness witness = {
        .process = (uint32_t)getpid(),
        .segment_no = end->segment_no,
        .offset = end->end,
        .seq = end->last_seq,
        .chain = end->chain,
    };
    size_t done;
    io->boot_id(io->ctx, witness.boot_id);
    for (unsigned slot = 0; slot <= AVJ_WITNESS_SLOTS; slot++)
        avj_witness_encode(slot < AVJ_WITNESS_SLOTS ? AVJ_SLOT_WITNESS : AVJ_SLOT_MARK, &witness,
                           journal_id, slots + slot * AVJ_WITNESS_SLOT);
    int r = avj_io_write_full(io, lock->files[AVJ_MEND_SYNC], slots, sizeof(slots), 0, &done);
    return r < 0 ? avj_fail_errno(err, -r, "write the witness") : AVJ_OK;
}
