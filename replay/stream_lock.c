/* Is the process that writes a stream still there?  It holds a lock on a file of its session,
 * `sessions/ID` in the journal's folder, that dies with it. */
#include "replay/store_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096

static const struct avj_io *io_of(const struct avj_store *store)
{
    return store->options.journal.io ? store->options.journal.io : avj_io_posix();
}

static bool path_of(const struct avj_store *store, const char *id, char out[PATH_SIZE])
{
    int n = snprintf(out, PATH_SIZE, "%s/sessions%s%s", avj_journal_path(store->journal),
                     *id ? "/" : "", id);
    return n > 0 && n < PATH_SIZE;
}

/* 0: no such file, or nobody holds it; 1: held; -errno. */
static int is_held(const struct avj_store *store, const char *id)
{
    const struct avj_io *io = io_of(store);
    char path[PATH_SIZE];
    if (!path_of(store, id, path))
        return -ENAMETOOLONG;
    int file = io->open(io->ctx, path, AVJ_OPEN_WRITE);
    if (file < 0)
        return file == -ENOENT || file == -ENOTDIR ? 0 : file;
    int taken = io->try_lock(io->ctx, file);
    (void)io->close(io->ctx, file);
    return taken == AVJ_LOCK_BUSY ? 1 : taken < 0 ? taken : 0;
}

bool avj_session_alive(const struct avj_store *store, const char *id)
{
    if (strcmp(id, store->session) == 0)
        return true;
    if (!*id || strspn(id, "0123456789abcdef") != strlen(id))
        return false; /* no session of this program */
    return is_held(store, id) != 0;
}

enum avj_status avj_session_hold(struct avj_store *store, struct avj_error *err)
{
    const struct avj_io *io = io_of(store);
    char path[PATH_SIZE];
    if (store->session_lock)
        return AVJ_OK;
    if (!path_of(store, "", path))
        return avj_fail(err, AVJ_EINVAL, "the journal's path is too long");
    int error = io->mkdir(io->ctx, path);
    if (error < 0 && error != -EEXIST)
        return avj_fail_errno(err, -error, "%s", path);
    if (!path_of(store, store->session, path))
        return avj_fail(err, AVJ_EINVAL, "the journal's path is too long");
    int file = io->open(io->ctx, path, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", path);
    int taken = io->try_lock(io->ctx, file);
    if (taken != AVJ_LOCK_TAKEN) {
        (void)io->close(io->ctx, file);
        return taken < 0 ? avj_fail_errno(err, -taken, "%s", path)
                         : avj_fail(err, AVJ_ELOCKED, "%s: locked by another process", path);
    }
    store->session_lock = file + 1;
    return AVJ_OK;
}

void avj_session_let_go(struct avj_store *store)
{
    const struct avj_io *io = io_of(store);
    char path[PATH_SIZE];
    if (!store->session_lock)
        return;
    if (path_of(store, store->session, path))
        (void)io->unlink(io->ctx, path);
    (void)io->close(io->ctx, store->session_lock - 1);
    store->session_lock = 0;
}
