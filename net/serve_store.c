/* The embedded upstream on a store (serve_store.h). */
#include "net/serve_store.h"

#include "replay/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

static enum avj_status sink_append(void *arg, const struct avj_slice *entries, size_t count,
                                   struct avj_error *err)
{
    return avj_store_append(arg, entries, count, AVJ_DURABLE, NULL, err);
}

static uint64_t sink_stamp(void *arg)
{
    return avj_store_stamp(arg);
}

static bool sink_random(void *arg, void *data, size_t len)
{
    const struct avj_io *io = avj_io_posix();
    (void)arg;
    return io->random(io->ctx, data, len) >= 0;
}

static enum avj_status replay_record(struct avj_serve *serve, const struct avj_record *record,
                                     struct avj_error *err)
{
    struct avj_entry entry;
    enum avj_status status = avj_entry_decode(record->data, record->len, &entry, err);
    if (status == AVJ_OK && entry.type == AVJ_E_SERVER)
        status = avj_serve_replay(serve, entry.root, err);
    if (status != AVJ_OK)
        avj_wrap(err, "record %llu", (unsigned long long)record->seq);
    avj_entry_release(&entry);
    return status;
}

static enum avj_status replay(struct avj_serve *serve, struct avj_store *store,
                              struct avj_error *err)
{
    struct avj_cursor *cursor;
    enum avj_status status = avj_cursor_open(avj_store_journal(store), 0, &cursor, err);
    if (status != AVJ_OK)
        return status;
    struct avj_record record;
    while ((status = avj_cursor_next(cursor, &record, err)) == AVJ_OK) {
        status = replay_record(serve, &record, err);
        if (status != AVJ_OK)
            break;
    }
    avj_cursor_close(cursor);
    return status == AVJ_END ? AVJ_OK : status;
}

enum avj_status avj_serve_open(struct avj_store *store, const struct avj_serve_config *config,
                               struct avj_serve **out, struct avj_error *err)
{
    const struct avj_serve_sink sink = {
        .arg = store, .append = sink_append, .stamp = sink_stamp, .random = sink_random};
    const struct avj_upstream *upstream = avj_store_upstream(store);
    if (upstream && upstream->endpoint)
        return avj_fail(err, AVJ_EINVAL,
                        "this journal syncs with %s and cannot be an upstream itself: serve one "
                        "made by `avchat init --guest`",
                        upstream->endpoint);
    struct avj_serve *serve = avj_serve_new(config, &sink);
    if (!serve)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    enum avj_status status = replay(serve, store, err);
    if (status != AVJ_OK) {
        avj_serve_free(serve);
        avj_wrap(err, "load the server's state");
        return status;
    }
    *out = serve;
    return AVJ_OK;
}

enum avj_status avj_serve_lock(struct avj_store *store, int *fd, struct avj_error *err)
{
    char path[4096];
    const char *folder = avj_journal_path(avj_store_journal(store));
    if ((size_t)snprintf(path, sizeof(path), "%s/serve.lock", folder) >= sizeof(path))
        return avj_fail(err, AVJ_EINVAL, "the journal's path is too long");
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return avj_fail_errno(err, errno, "open %s", path);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return AVJ_OK;
    (void)close(*fd);
    return avj_fail(err, AVJ_ELOCKED, "another `avchat serve` already serves %s", folder);
}
