/* See sessions.h. */
#include "replay/avchat.h"
#include "replay/sessions_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER      "sessions"
#define TEMPORARY   ".tmp"
#define FILE_MAX    1024
#define ENTER_TRIES 8

/* ---- names ---- */

static const struct avj_io *io_of(const struct avj_store *store)
{
    return store->options.journal.io ? store->options.journal.io : avj_io_posix();
}

/* DIR/sessions, DIR/sessions/ID, DIR/sessions/ID.tmp; the caller frees. */
static char *path_of(const struct avj_store *store, const char *name, const char *end)
{
    const char *dir = avj_journal_path(store->journal);
    size_t size = strlen(dir) + strlen(name) + strlen(end) + sizeof("/" FOLDER "/");
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/" FOLDER "%s%s%s", dir, *name ? "/" : "", name, end);
    return path;
}

static bool is_id(const char *name)
{
    return strspn(name, "0123456789abcdef") == AVJ_SESSION_TEXT - 1 && !name[AVJ_SESSION_TEXT - 1];
}

static bool is_temporary(const char *name)
{
    return strspn(name, "0123456789abcdef") == AVJ_SESSION_TEXT - 1 &&
           strcmp(name + AVJ_SESSION_TEXT - 1, TEMPORARY) == 0;
}

/* ---- alive or gone ---- */

/* 1: somebody holds the lock of the file; 0: nobody; -ENOENT: there is no file; other -errno. */
static int is_held(const struct avj_store *store, const char *name, const char *end)
{
    const struct avj_io *io = io_of(store);
    char *path = path_of(store, name, end);
    if (!path)
        return -ENOMEM;
    int file = io->open(io->ctx, path, AVJ_OPEN_READ);
    free(path);
    if (file < 0)
        return file;
    int held = avj_io_is_locked(io, file);
    io->close(io->ctx, file);
    return held;
}

bool avj_session_alive(const struct avj_store *store, const char *id)
{
    if (strcmp(id, store->session) == 0)
        return true;
    if (!is_id(id))
        return false;
    int held = is_held(store, id, "");
    return held != 0 && held != -ENOENT;
}

/* ---- the file of a session ---- */

static void put_name(char out[AVJ_SESSION_NAME], const char *text)
{
    size_t n = 0;
    for (; text[n] && n < AVJ_SESSION_NAME - 1; n++)
        out[n] = (unsigned char)text[n] < ' ' ? ' ' : text[n];
    out[n] = 0;
}

static void describe_own(const struct avj_store *store, struct avj_session_info *info)
{
    const struct avj_io *io = io_of(store);
    char host[AVJ_SESSION_NAME] = "";
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = 0;
    *info = (struct avj_session_info){
        .pid = (long)getpid(), .since_ms = io->now_ms(io->ctx), .own = true};
    memcpy(info->id, store->session, sizeof(info->id));
    put_name(info->host, host);
    put_name(info->device, store->options.device ? store->options.device : host);
    put_name(info->program,
             store->options.program ? store->options.program : "libavchat " AVJ_VERSION);
}

static int write_file(const struct avj_io *io, int file, const struct avj_session_info *info)
{
    char text[FILE_MAX];
    size_t done;
    int len = snprintf(text, sizeof(text), "%ld\n%lld\n%s\n%s\n%s\n", info->pid,
                       (long long)info->since_ms, info->host, info->device, info->program);
    return avj_io_write_full(io, file, text, (size_t)len, 0, &done);
}

static char *take_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    if (end)
        *end++ = 0;
    *text = end ? end : line + strlen(line);
    return line;
}

static void read_file(const struct avj_io *io, int file, struct avj_session_info *info)
{
    char text[FILE_MAX] = "", *at = text;
    size_t got;
    if (avj_io_read_full(io, file, text, sizeof(text) - 1, 0, &got) != 0)
        return;
    info->pid = strtol(take_line(&at), NULL, 10);
    info->since_ms = strtoll(take_line(&at), NULL, 10);
    put_name(info->host, take_line(&at));
    put_name(info->device, take_line(&at));
    put_name(info->program, take_line(&at));
}

/*
 * Made under another name, so that a file named after a session is never there without its lock
 * while the session lives.  Who removes leftovers may take the temporary one away at any moment:
 * the rename then fails, and it is made anew.
 */
static int make_file(const struct avj_store *store, const struct avj_session_info *info,
                     const char *temporary, const char *path)
{
    const struct avj_io *io = io_of(store);
    int r = -EAGAIN;
    for (int i = 0; i < ENTER_TRIES && (r == -EAGAIN || r == -ENOENT); i++) {
        int file = io->open(io->ctx, temporary, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
        if (file < 0)
            return file;
        r = io->try_lock(io->ctx, file);
        r = r == AVJ_LOCK_BUSY ? -EAGAIN : r;
        if (r >= 0)
            r = write_file(io, file, info);
        if (r >= 0)
            r = io->rename(io->ctx, temporary, path);
        if (r >= 0)
            return file;
        io->close(io->ctx, file);
    }
    return r;
}

static int take_lock(const struct avj_store *store, const struct avj_session_info *info)
{
    const struct avj_io *io = io_of(store);
    char *folder = path_of(store, "", ""), *path = path_of(store, store->session, "");
    char *temporary = path_of(store, store->session, TEMPORARY);
    int file = -ENOMEM;
    if (folder && path && temporary) {
        (void)io->mkdir(io->ctx, folder); /* mostly there: making the file tells */
        file = make_file(store, info, temporary, path);
    }
    free(folder);
    free(path);
    free(temporary);
    return file;
}

static void remove_file(const struct avj_store *store, const char *id, const char *end)
{
    const struct avj_io *io = io_of(store);
    char *path = path_of(store, id, end);
    if (path)
        (void)io->unlink(io->ctx, path);
    free(path);
}

/* ---- those who are gone ---- */

struct looking {
    const struct avj_store *store;
    struct avj_graves *graves; /* NULL: only counted */
    size_t count;
};

static int look_at(void *arg, const char *name)
{
    struct looking *l = arg;
    if (is_temporary(name)) {
        char id[AVJ_SESSION_TEXT] = "";
        memcpy(id, name, AVJ_SESSION_TEXT - 1);
        if (is_held(l->store, id, TEMPORARY) == 0)
            remove_file(l->store, id, TEMPORARY);
        return 0;
    }
    if (!is_id(name) || is_held(l->store, name, "") != 0)
        return 0;
    l->count++;
    if (!l->graves)
        return 0;
    if (l->graves->count == AVJ_GRAVES_MAX)
        return 1;
    memcpy(l->graves->ids[l->graves->count++], name, AVJ_SESSION_TEXT);
    return 0;
}

static void look(struct looking *l)
{
    const struct avj_io *io = io_of(l->store);
    char *folder = path_of(l->store, "", "");
    l->count = 0;
    if (folder)
        (void)io->list(io->ctx, folder, look_at, l);
    free(folder);
}

/* One buries at a time, so that nobody is buried twice.  False: nothing to do, or not for us. */
static bool lock_graves(const struct avj_store *store, struct avj_graves *graves)
{
    const struct avj_io *io = io_of(store);
    char *path = path_of(store, "lock", "");
    if (!path)
        return false;
    graves->lock = io->open(io->ctx, path, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    free(path);
    if (graves->lock >= 0 && io->try_lock(io->ctx, graves->lock) == AVJ_LOCK_TAKEN)
        return true;
    if (graves->lock >= 0)
        io->close(io->ctx, graves->lock);
    graves->lock = -1;
    return false;
}

static void find_graves(const struct avj_store *store, struct avj_graves *graves)
{
    struct looking l = {store, NULL, 0};
    *graves = (struct avj_graves){.lock = -1};
    look(&l);
    if (l.count == 0 || !lock_graves(store, graves))
        return;
    graves->ids = malloc(AVJ_GRAVES_MAX * sizeof(*graves->ids));
    l.graves = graves;
    if (graves->ids)
        look(&l); /* anew: what was seen before the lock may be buried */
}

static void close_graves(const struct avj_store *store, struct avj_graves *graves, bool written)
{
    const struct avj_io *io = io_of(store);
    for (size_t i = 0; written && i < graves->count; i++)
        remove_file(store, graves->ids[i], "");
    if (graves->lock >= 0)
        io->close(io->ctx, graves->lock);
    free(graves->ids);
    *graves = (struct avj_graves){.lock = -1};
}

/* ---- entries ---- */

static void begin(struct avj_store *store, struct avj_batch *batch, const char *op, size_t pairs)
{
    avj_entry_begin(&batch->bytes, AVJ_E_SESSION, avj_store_stamp(store), store->session,
                    AVJ_ENTITIES, NULL, pairs + 1);
    avj_pack_cstr(&batch->bytes, "o");
    avj_pack_cstr(&batch->bytes, op);
}

static void put_text(struct avj_batch *batch, const char *key, const char *text)
{
    avj_pack_cstr(&batch->bytes, key);
    avj_pack_cstr(&batch->bytes, text);
}

static enum avj_status pack_killed(struct avj_store *store, struct avj_batch *batch, const char *id)
{
    begin(store, batch, "killed", 1);
    put_text(batch, "who", id);
    return avj_batch_end(batch);
}

static enum avj_status pack_graves(struct avj_store *store, const struct avj_graves *graves,
                                   struct avj_batch *batch)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < graves->count; i++)
        status = pack_killed(store, batch, graves->ids[i]);
    return status;
}

static enum avj_status pack_open(struct avj_store *store, struct avj_batch *batch,
                                 const struct avj_session_info *info)
{
    bool named = strcmp(info->device, info->host) != 0;
    begin(store, batch, "open", named ? 4 : 3);
    avj_pack_cstr(&batch->bytes, "pid");
    avj_pack_int(&batch->bytes, info->pid);
    put_text(batch, "host", info->host);
    if (named)
        put_text(batch, "device", info->device);
    put_text(batch, "program", info->program);
    return avj_batch_end(batch);
}

/* ---- coming and going ---- */

/* All in one frame: who writes one message and leaves pays for one sync. */
static bool join(struct avj_entrance *e, const struct avj_slice *records, size_t count)
{
    const struct avj_batch *more = &e->entries;
    size_t bytes = more->bytes.len + 5 * (more->count + count);
    for (size_t i = 0; i < count; i++)
        bytes += records[i].len;
    if (count + more->count > AVJ_RECORDS_PER_FRAME_MAX || bytes > AVJ_FRAME_RAW_MAX)
        return false;
    e->joined = malloc((count + more->count) * sizeof(*e->joined));
    if (!e->joined)
        return false;
    memcpy(e->joined, records, count * sizeof(*records));
    for (size_t i = 0, begin = 0; i < more->count; begin = more->ends[i++])
        e->joined[count + i] = (struct avj_slice){more->bytes.data + begin, more->ends[i] - begin};
    e->records = e->joined;
    e->count = count + more->count;
    return true;
}

static bool hold(struct avj_store *store, struct avj_session_info *info)
{
    describe_own(store, info);
    if (store->session_file < 0) {
        store->session_file = take_lock(store, info);
        store->session_pid = info->pid;
    }
    return store->session_file >= 0;
}

void avj_session_hold(struct avj_store *store)
{
    struct avj_session_info info;
    if (!store->options.read_only && !store->options.anonymous)
        (void)hold(store, &info);
}

void avj_session_enter(struct avj_store *store, const struct avj_slice *records, size_t count,
                       struct avj_entrance *entrance)
{
    struct avj_session_info info;
    *entrance = (struct avj_entrance){.records = records,
                                      .count = count,
                                      .frames = store->session_frames,
                                      .graves = {.lock = -1}};
    if (store->session_open || store->options.read_only || store->options.anonymous)
        return;
    if (!hold(store, &info))
        return;
    find_graves(store, &entrance->graves);
    if (pack_graves(store, &entrance->graves, &entrance->entries) == AVJ_OK &&
        pack_open(store, &entrance->entries, &info) == AVJ_OK)
        (void)join(entrance, records, count);
}

void avj_session_entered(struct avj_store *store, struct avj_entrance *entrance)
{
    bool written = entrance->joined && store->session_frames > entrance->frames;
    if (written)
        store->session_open = true;
    close_graves(store, &entrance->graves, written);
    avj_batch_release(&entrance->entries);
    free(entrance->joined);
}

static void write_close(struct avj_store *store)
{
    struct avj_batch batch = {.count = 0};
    begin(store, &batch, "close", 0);
    if (avj_batch_end(&batch) == AVJ_OK) {
        enum avj_status ignored = avj_batch_append(store, &batch, AVJ_RELAXED, NULL, NULL);
        (void)ignored; /* the file goes, which says the same */
    }
    avj_batch_release(&batch);
}

void avj_session_leave(struct avj_store *store)
{
    const struct avj_io *io = io_of(store);
    if (store->session_file < 0)
        return;
    if (store->session_pid == (long)getpid()) { /* else: forked, and none of ours */
        if (store->session_open && store->session_frames > 1)
            write_close(store);
        remove_file(store, store->session, "");
    }
    io->close(io->ctx, store->session_file); /* the lock lasts until the file is gone */
    store->session_file = -1;
}

/* ---- for programs ---- */

struct listing {
    struct avj_store *store;
    bool (*each)(void *arg, const struct avj_session_info *info);
    void *arg;
};

static int list_one(void *arg, const char *name)
{
    const struct listing *l = arg;
    const struct avj_io *io = io_of(l->store);
    bool own = strcmp(name, l->store->session) == 0;
    if (!is_id(name) || (!own && is_held(l->store, name, "") != 1))
        return 0;
    struct avj_session_info info = {.own = own};
    memcpy(info.id, name, sizeof(info.id));
    char *path = path_of(l->store, name, "");
    int file = path ? io->open(io->ctx, path, AVJ_OPEN_READ) : -ENOMEM;
    free(path);
    if (file < 0)
        return file == -ENOENT ? 0 : file; /* it ended in between */
    read_file(io, file, &info);
    io->close(io->ctx, file);
    return l->each(l->arg, &info) ? 0 : 1;
}

enum avj_status avj_sessions(struct avj_store *store,
                             bool (*each)(void *arg, const struct avj_session_info *info),
                             void *arg, struct avj_error *err)
{
    struct listing l = {store, each, arg};
    const struct avj_io *io = io_of(store);
    char *folder = path_of(store, "", "");
    if (!folder)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    int r = io->list(io->ctx, folder, list_one, &l);
    enum avj_status status = AVJ_OK;
    if (r < 0 && r != -ENOENT)
        status = avj_fail_errno(err, -r, "look into %s", folder);
    free(folder);
    return status;
}

enum avj_status avj_sessions_bury(struct avj_store *store, size_t *count, struct avj_error *err)
{
    struct avj_graves graves;
    struct avj_batch batch = {.count = 0};
    if (count)
        *count = 0;
    if (store->options.read_only)
        return avj_fail(err, AVJ_EREADONLY, "the journal is open read-only");
    find_graves(store, &graves);
    enum avj_status status = pack_graves(store, &graves, &batch);
    if (status == AVJ_OK)
        status = avj_batch_append(store, &batch, AVJ_RELAXED, NULL, err);
    else
        avj_fail(err, status, "out of memory");
    if (status == AVJ_OK && count)
        *count = graves.count;
    close_graves(store, &graves, status == AVJ_OK);
    avj_batch_release(&batch);
    return status;
}
