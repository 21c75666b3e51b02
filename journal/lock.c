/* The append lock between processes, and how one waits for a lock: see private.h. */
#include "journal/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A lock is held for some 20 microseconds, or for a sync: waits begin short.  There is no way to
 * wait for a file lock with a limit in time without signals, which a library must not use. */
#define PAUSE_MIN_US 40u
#define PAUSE_MAX_US 2000u

void avj_patience_init(struct avj_patience *p, struct avj_journal *j)
{
    p->give_up_ms = j->io->monotonic_ms(j->io->ctx) + j->options.lock_timeout_ms;
    p->pause_us = PAUSE_MIN_US;
}

bool avj_patience_wait(struct avj_patience *p, struct avj_journal *j)
{
    if (j->io->monotonic_ms(j->io->ctx) >= p->give_up_ms)
        return false;
    j->io->sleep_us(j->io->ctx, p->pause_us);
    p->pause_us = p->pause_us * 3 / 2;
    if (p->pause_us > PAUSE_MAX_US)
        p->pause_us = PAUSE_MAX_US;
    return true;
}

/* Process, for the message of one who waits in vain, and handle. */
#define PROCESS_LEN   16
#define SIGNATURE_LEN 32

/*
 * Who holds the lock signs it before anything else.  A handle that finds its own signature knows
 * that nobody has held the lock since it did, and so that the log ends where it left it: most
 * appends are spared the look.
 */
static enum avj_status sign_lock(struct avj_journal *j, struct avj_error *err)
{
    char line[SIGNATURE_LEN + 1], there[SIGNATURE_LEN];
    size_t done;
    snprintf(line, sizeof(line), "%-15ld\n%-15llx\n", j->process, (unsigned long long)j->handle_id);
    int r = avj_io_read_full(j->io, j->lock_file, there, SIGNATURE_LEN, 0, &done);
    bool own = r == 0 && done == SIGNATURE_LEN && memcmp(line, there, SIGNATURE_LEN) == 0;
    j->undisturbed = own && j->in_order;
    j->in_order = false; /* until what the lock was taken for is done */
    if (own)
        return AVJ_OK;
    r = avj_io_write_full(j->io, j->lock_file, line, SIGNATURE_LEN, 0, &done);
    return r < 0 ? avj_fail_errno(err, -r, "sign %s/lock", j->path) : AVJ_OK;
}

static long lock_holder(struct avj_journal *j)
{
    char line[PROCESS_LEN + 1] = "";
    size_t got;
    if (avj_io_read_full(j->io, j->lock_file, line, PROCESS_LEN, 0, &got) != 0)
        return 0;
    return strtol(line, NULL, 10);
}

enum avj_status avj_append_lock(struct avj_journal *j, struct avj_error *err)
{
    struct avj_patience patience;
    bool waiting = false;
    for (;;) {
        int r = j->io->try_lock(j->io->ctx, j->lock_file);
        if (r == AVJ_LOCK_TAKEN) {
            enum avj_status status = sign_lock(j, err);
            if (status != AVJ_OK)
                avj_append_unlock(j);
            return status;
        }
        if (r == -EINTR)
            continue;
        if (r < 0)
            return avj_fail_errno(err, -r, "%s/lock", j->path);
        if (!waiting)
            avj_patience_init(&patience, j);
        waiting = true;
        if (!avj_patience_wait(&patience, j))
            return avj_fail(err, AVJ_ELOCKED,
                            "journal %s has been locked by process %ld for %u ms: let it go on or "
                            "end it, then try again",
                            j->path, lock_holder(j), j->options.lock_timeout_ms);
    }
}

void avj_append_unlock(struct avj_journal *j)
{
    (void)j->io->unlock(j->io->ctx, j->lock_file);
}
