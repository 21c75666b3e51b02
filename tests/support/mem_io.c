/* Files in memory: see mem_io.h. */
#include "tests/support/mem_io.h"

#include "tests/support/rng.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 256
#define PIECE     512u

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

struct inode {
    int refs; /* of names, durable names and handles */
    bool folder;
    struct bytes now, synced;
    int holder; /* handle that has the lock, -1 */
};

struct name {
    char *path;
    struct inode *inode;
};

struct names {
    struct name *list; /* in byte order of the paths */
    size_t count, cap;
};

struct handle {
    struct inode *inode; /* NULL: free */
    bool writable;
};

struct mem_io {
    struct avj_io table;
    pthread_mutex_t mutex;
    struct names now, durable;
    struct handle handles[FILES_MAX];
    struct test_rng rng;
    uint64_t seed, boots;
    int64_t clock_ms;
    struct mem_io_counts counts;
    bool killed, dies_at_sync;
};

/* ---- bytes ---- */

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void bytes_resize(struct bytes *b, size_t len)
{
    if (len > b->cap) {
        b->cap = len + len / 2 + 64;
        b->data = must(realloc(b->data, b->cap));
    }
    if (len > b->len)
        memset(b->data + b->len, 0, len - b->len);
    b->len = len;
}

static void bytes_set(struct bytes *b, const void *data, size_t len)
{
    bytes_resize(b, len);
    if (len)
        memcpy(b->data, data, len);
}

/* ---- inodes and names ---- */

static struct inode *inode_new(bool folder)
{
    struct inode *inode = must(calloc(1, sizeof *inode));

    inode->folder = folder;
    inode->holder = -1;
    return inode;
}

static void unref(struct inode *inode)
{
    if (--inode->refs > 0)
        return;
    free(inode->now.data);
    free(inode->synced.data);
    free(inode);
}

/* The place of `path`, or where it belongs. */
static size_t names_at(const struct names *names, const char *path)
{
    size_t at = 0;

    while (at < names->count && strcmp(names->list[at].path, path) < 0)
        at++;
    return at;
}

static struct inode *names_get(const struct names *names, const char *path)
{
    size_t at = names_at(names, path);

    return at < names->count && strcmp(names->list[at].path, path) == 0 ? names->list[at].inode
                                                                        : NULL;
}

static void names_drop(struct names *names, size_t at)
{
    unref(names->list[at].inode);
    free(names->list[at].path);
    names->count--;
    memmove(names->list + at, names->list + at + 1, (names->count - at) * sizeof *names->list);
}

static void names_remove(struct names *names, const char *path)
{
    if (names_get(names, path))
        names_drop(names, names_at(names, path));
}

static void names_put(struct names *names, const char *path, struct inode *inode)
{
    size_t at = names_at(names, path);

    inode->refs++;
    if (names_get(names, path)) {
        unref(names->list[at].inode);
        names->list[at].inode = inode;
        return;
    }
    if (names->count == names->cap) {
        names->cap = names->cap ? names->cap * 2 : 16;
        names->list = must(realloc(names->list, names->cap * sizeof *names->list));
    }
    memmove(names->list + at + 1, names->list + at, (names->count - at) * sizeof *names->list);
    names->list[at] = (struct name){.path = must(strdup(path)), .inode = inode};
    names->count++;
}

static void names_clear(struct names *names)
{
    while (names->count > 0)
        names_drop(names, names->count - 1);
}

/* Is `path` a direct entry of `folder`? */
static const char *entry_of(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    const char *name = path;

    if (strcmp(folder, ".") != 0) {
        if (strncmp(path, folder, len) != 0 || path[len] != '/')
            return NULL;
        name = path + len + 1;
    }
    return strchr(name, '/') || strcmp(name, ".") == 0 ? NULL : name;
}

static bool has_folder(const struct mem_io *mem, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    struct inode *inode;

    if (!slash)
        return true;
    folder = must(strndup(path, (size_t)(slash - path)));
    inode = names_get(&mem->now, folder);
    free(folder);
    return inode && inode->folder;
}

/* ---- the interface ---- */

static struct mem_io *lock(void *ctx)
{
    struct mem_io *mem = ctx;

    pthread_mutex_lock(&mem->mutex);
    return mem;
}

static int64_t unlock(struct mem_io *mem, int64_t result)
{
    pthread_mutex_unlock(&mem->mutex);
    return result;
}

static struct handle *handle_of(struct mem_io *mem, int file)
{
    if (file < 0 || file >= FILES_MAX || !mem->handles[file].inode)
        abort(); /* a file that was not open, or was closed before */
    return &mem->handles[file];
}

static int open_inode(struct mem_io *mem, struct inode *inode, unsigned flags)
{
    for (int file = 0; file < FILES_MAX; file++) {
        if (mem->handles[file].inode)
            continue;
        mem->handles[file] =
            (struct handle){.inode = inode, .writable = (flags & AVJ_OPEN_WRITE) != 0};
        inode->refs++;
        mem->counts.open_files++;
        return file;
    }
    return -EMFILE;
}

static int mem_open(void *ctx, const char *path, unsigned flags)
{
    struct mem_io *mem = lock(ctx);
    struct inode *inode = names_get(&mem->now, path);

    if (mem->killed && (flags & (AVJ_OPEN_WRITE | AVJ_OPEN_CREATE)))
        return (int)unlock(mem, -EIO);
    if (inode && (flags & AVJ_OPEN_EXCL))
        return (int)unlock(mem, -EEXIST);
    if (inode && inode->folder)
        return (int)unlock(mem, -EISDIR);
    if (!inode && (!(flags & AVJ_OPEN_CREATE) || !has_folder(mem, path)))
        return (int)unlock(mem, -ENOENT);
    if (!inode) {
        inode = inode_new(false);
        names_put(&mem->now, path, inode);
    }
    return (int)unlock(mem, open_inode(mem, inode, flags));
}

static int mem_close(void *ctx, int file)
{
    struct mem_io *mem = lock(ctx);
    struct handle *handle;

    if (file < 0)
        return (int)unlock(mem, -EBADF);
    handle = handle_of(mem, file);
    if (handle->inode->holder == file)
        handle->inode->holder = -1;
    unref(handle->inode);
    handle->inode = NULL;
    mem->counts.open_files--;
    return (int)unlock(mem, 0);
}

static ssize_t mem_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    struct mem_io *mem = lock(ctx);
    const struct bytes *b = &handle_of(mem, file)->inode->now;
    size_t got = 0;

    mem->counts.reads++;
    if (len > mem->counts.largest_read)
        mem->counts.largest_read = len;
    if (offset < b->len) {
        got = len < b->len - offset ? len : (size_t)(b->len - offset);
        memcpy(data, b->data + offset, got);
    }
    return (ssize_t)unlock(mem, (int64_t)got);
}

static ssize_t mem_pwrite(void *ctx, int file, const void *data, size_t len, uint64_t offset)
{
    struct mem_io *mem = lock(ctx);
    struct handle *handle = handle_of(mem, file);
    struct bytes *b = &handle->inode->now;

    mem->counts.writes++;
    if (!handle->writable || mem->killed)
        return (ssize_t)unlock(mem, mem->killed ? -EIO : -EBADF);
    if (offset + len > b->len)
        bytes_resize(b, (size_t)offset + len);
    memcpy(b->data + offset, data, len);
    return (ssize_t)unlock(mem, (int64_t)len);
}

static int64_t mem_size(void *ctx, int file)
{
    struct mem_io *mem = lock(ctx);

    return unlock(mem, (int64_t)handle_of(mem, file)->inode->now.len);
}

static int mem_sync(void *ctx, int file)
{
    struct mem_io *mem = lock(ctx);
    struct inode *inode = handle_of(mem, file)->inode;

    if (mem->killed || mem->dies_at_sync) {
        mem->killed = true;
        return (int)unlock(mem, -EIO);
    }
    mem->counts.syncs++;
    bytes_set(&inode->synced, inode->now.data, inode->now.len);
    return (int)unlock(mem, 0);
}

static int mem_sync_dir(void *ctx, const char *path)
{
    struct mem_io *mem = lock(ctx);

    if (mem->killed || !names_get(&mem->now, path))
        return (int)unlock(mem, mem->killed ? -EIO : -ENOENT);
    for (size_t i = mem->durable.count; i-- > 0;)
        if (entry_of(mem->durable.list[i].path, path) &&
            !names_get(&mem->now, mem->durable.list[i].path))
            names_drop(&mem->durable, i);
    for (size_t i = 0; i < mem->now.count; i++)
        if (entry_of(mem->now.list[i].path, path))
            names_put(&mem->durable, mem->now.list[i].path, mem->now.list[i].inode);
    return (int)unlock(mem, 0);
}

static int mem_rename(void *ctx, const char *from, const char *to)
{
    struct mem_io *mem = lock(ctx);
    struct inode *inode = names_get(&mem->now, from);

    if (mem->killed || !inode || !has_folder(mem, to))
        return (int)unlock(mem, mem->killed ? -EIO : -ENOENT);
    names_put(&mem->now, to, inode);
    if (strcmp(from, to) != 0)
        names_remove(&mem->now, from);
    return (int)unlock(mem, 0);
}

static int mem_unlink(void *ctx, const char *path)
{
    struct mem_io *mem = lock(ctx);
    struct inode *inode = names_get(&mem->now, path);

    if (mem->killed || !inode)
        return (int)unlock(mem, mem->killed ? -EIO : -ENOENT);
    if (inode->folder)
        return (int)unlock(mem, -EISDIR);
    names_remove(&mem->now, path);
    return (int)unlock(mem, 0);
}

static int mem_mkdir(void *ctx, const char *path)
{
    struct mem_io *mem = lock(ctx);

    if (mem->killed)
        return (int)unlock(mem, -EIO);
    if (names_get(&mem->now, path))
        return (int)unlock(mem, -EEXIST);
    if (!has_folder(mem, path))
        return (int)unlock(mem, -ENOENT);
    names_put(&mem->now, path, inode_new(true));
    return (int)unlock(mem, 0);
}

/* The names are copied first: `each` may call anything. */
static int mem_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                    void *arg)
{
    struct mem_io *mem = lock(ctx);
    struct inode *folder = names_get(&mem->now, path);
    char **entries;
    size_t count = 0;
    int r = 0;

    if (!folder || !folder->folder)
        return (int)unlock(mem, folder ? -ENOTDIR : -ENOENT);
    entries = must(calloc(mem->now.count, sizeof *entries));
    for (size_t i = 0; i < mem->now.count; i++) {
        const char *entry = entry_of(mem->now.list[i].path, path);
        if (entry)
            entries[count++] = must(strdup(entry));
    }
    unlock(mem, 0);
    for (size_t i = 0; i < count; i++) {
        if (r == 0)
            r = each(arg, entries[i]);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int mem_try_lock(void *ctx, int file)
{
    struct mem_io *mem = lock(ctx);
    struct inode *inode = handle_of(mem, file)->inode;

    if (inode->holder >= 0 && inode->holder != file)
        return (int)unlock(mem, AVJ_LOCK_BUSY);
    inode->holder = file;
    return (int)unlock(mem, AVJ_LOCK_TAKEN);
}

static int mem_unlock(void *ctx, int file)
{
    struct mem_io *mem = lock(ctx);
    struct inode *inode = handle_of(mem, file)->inode;

    if (inode->holder == file)
        inode->holder = -1;
    return (int)unlock(mem, 0);
}

static int64_t mem_clock(void *ctx)
{
    struct mem_io *mem = lock(ctx);

    return unlock(mem, ++mem->clock_ms);
}

static void mem_sleep_us(void *ctx, unsigned us)
{
    struct mem_io *mem = lock(ctx);

    mem->clock_ms += us / 1000 + 1;
    unlock(mem, 0);
    sched_yield(); /* another thread may be what is waited for */
}

static int mem_random(void *ctx, void *data, size_t len)
{
    struct mem_io *mem = lock(ctx);

    test_rng_fill(&mem->rng, data, len);
    return (int)unlock(mem, 0);
}

static void mem_boot_id(void *ctx, uint8_t id[16])
{
    struct mem_io *mem = lock(ctx);

    memset(id, 0xb0, 16);
    memcpy(id, &mem->boots, sizeof mem->boots);
    unlock(mem, 0);
}

static const struct avj_io calls = {
    .open = mem_open,
    .close = mem_close,
    .pread = mem_pread,
    .pwrite = mem_pwrite,
    .size = mem_size,
    .sync = mem_sync,
    .sync_dir = mem_sync_dir,
    .rename = mem_rename,
    .unlink = mem_unlink,
    .mkdir = mem_mkdir,
    .list = mem_list,
    .try_lock = mem_try_lock,
    .unlock = mem_unlock,
    .now_ms = mem_clock,
    .monotonic_ms = mem_clock,
    .sleep_us = mem_sleep_us,
    .random = mem_random,
    .boot_id = mem_boot_id,
};

/* ---- life ---- */

struct mem_io *mem_io_new(uint64_t seed)
{
    struct mem_io *mem = must(calloc(1, sizeof *mem));

    if (pthread_mutex_init(&mem->mutex, NULL) != 0)
        abort();
    mem->table = calls;
    mem->table.ctx = mem;
    mem->seed = seed;
    mem->clock_ms = 1795370972548;
    test_rng_init(&mem->rng, seed);
    names_put(&mem->now, ".", inode_new(true));
    names_put(&mem->durable, ".", mem->now.list[0].inode);
    return mem;
}

void mem_io_restore(struct mem_io *mem, const struct mem_io *from)
{
    names_clear(&mem->now);
    names_clear(&mem->durable);
    for (size_t i = 0; i < from->now.count; i++) {
        const struct name *name = &from->now.list[i];
        struct inode *inode = inode_new(name->inode->folder);

        bytes_set(&inode->now, name->inode->now.data, name->inode->now.len);
        bytes_set(&inode->synced, name->inode->now.data, name->inode->now.len);
        names_put(&mem->now, name->path, inode);
        names_put(&mem->durable, name->path, inode);
    }
}

struct mem_io *mem_io_copy(const struct mem_io *from)
{
    struct mem_io *mem = mem_io_new(from->seed);

    mem_io_restore(mem, from);
    mem->rng = from->rng;
    mem->boots = from->boots;
    mem->clock_ms = from->clock_ms;
    return mem;
}

void mem_io_free(struct mem_io *mem)
{
    if (!mem)
        return;
    if (mem->counts.open_files != 0)
        abort(); /* the journal left files open */
    names_clear(&mem->now);
    names_clear(&mem->durable);
    free(mem->now.list);
    free(mem->durable.list);
    pthread_mutex_destroy(&mem->mutex);
    free(mem);
}

const struct avj_io *mem_io_table(struct mem_io *mem)
{
    return &mem->table;
}

/* ---- files ---- */

static struct inode *file_of(struct mem_io *mem, const char *path)
{
    struct inode *inode = names_get(&mem->now, path);

    return inode && !inode->folder ? inode : NULL;
}

uint8_t *mem_io_data(struct mem_io *mem, const char *path, size_t *len)
{
    static uint8_t nothing[1];
    struct inode *inode = file_of(mem, path);

    *len = inode ? inode->now.len : 0;
    if (inode && !inode->now.data)
        return nothing;
    return inode ? inode->now.data : NULL;
}

bool mem_io_exists(const struct mem_io *mem, const char *path)
{
    return names_get(&mem->now, path) != NULL;
}

/* What a test changes is on the disk: it counts as synced. */
static void settle(struct mem_io *mem, const char *path, struct inode *inode)
{
    bytes_set(&inode->synced, inode->now.data, inode->now.len);
    names_put(&mem->durable, path, inode);
}

void mem_io_put(struct mem_io *mem, const char *path, const void *data, size_t len)
{
    struct inode *inode = inode_new(false);

    if (!has_folder(mem, path))
        abort();
    bytes_set(&inode->now, data, len);
    names_put(&mem->now, path, inode);
    settle(mem, path, inode);
}

void mem_io_resize(struct mem_io *mem, const char *path, size_t len)
{
    struct inode *inode = must(file_of(mem, path));

    bytes_resize(&inode->now, len);
    settle(mem, path, inode);
}

void mem_io_remove(struct mem_io *mem, const char *path)
{
    names_remove(&mem->now, path);
    names_remove(&mem->durable, path);
}

void mem_io_move(struct mem_io *mem, const char *from, const char *to)
{
    struct inode *inode = must(file_of(mem, from));

    names_put(&mem->now, to, inode);
    settle(mem, to, inode);
    mem_io_remove(mem, from);
}

const char *mem_io_name(struct mem_io *mem, size_t i)
{
    for (size_t at = 0; at < mem->now.count; at++)
        if (!mem->now.list[at].inode->folder && i-- == 0)
            return mem->now.list[at].path;
    return NULL;
}

/* ---- accidents ---- */

void mem_io_boot(struct mem_io *mem)
{
    mem->boots++;
}

void mem_io_kill(struct mem_io *mem, bool killed)
{
    mem->killed = killed;
    mem->dies_at_sync = false;
}

void mem_io_kill_at_sync(struct mem_io *mem)
{
    mem->dies_at_sync = true;
}

static void cut_names(struct mem_io *mem, mem_io_choice *keep, void *arg)
{
    for (size_t i = mem->now.count; i-- > 0;) {
        const struct name *name = &mem->now.list[i];
        struct inode *before = names_get(&mem->durable, name->path);

        if (before == name->inode || keep(arg))
            continue;
        if (before)
            names_put(&mem->now, name->path, before);
        else
            names_drop(&mem->now, i);
    }
    for (size_t i = 0; i < mem->durable.count; i++) {
        const struct name *name = &mem->durable.list[i];

        if (!names_get(&mem->now, name->path) && has_folder(mem, name->path) && !keep(arg))
            names_put(&mem->now, name->path, name->inode);
    }
}

static size_t piece_len(const struct bytes *b, size_t at)
{
    return b->len <= at ? 0 : b->len - at < PIECE ? b->len - at : PIECE;
}

static void cut_inode(struct inode *inode, mem_io_choice *keep, void *arg)
{
    struct bytes *now = &inode->now;
    struct bytes *old = &inode->synced;

    if (now->len != old->len && !keep(arg))
        bytes_resize(now, old->len);
    for (size_t at = 0; at < now->len; at += PIECE) {
        size_t len = piece_len(now, at), had = piece_len(old, at) < len ? piece_len(old, at) : len;

        if (had == len && memcmp(now->data + at, old->data + at, len) == 0)
            continue;
        if (keep(arg))
            continue;
        memset(now->data + at, 0, len);
        if (had)
            memcpy(now->data + at, old->data + at, had);
    }
    bytes_set(old, now->data, now->len);
}

void mem_io_cut(struct mem_io *mem, mem_io_choice *keep, void *arg)
{
    if (mem->counts.open_files != 0)
        abort();
    cut_names(mem, keep, arg);
    names_clear(&mem->durable);
    for (size_t i = 0; i < mem->now.count; i++) {
        cut_inode(mem->now.list[i].inode, keep, arg);
        names_put(&mem->durable, mem->now.list[i].path, mem->now.list[i].inode);
    }
    mem_io_boot(mem);
}

const struct mem_io_counts *mem_io_counts(const struct mem_io *mem)
{
    return &mem->counts;
}
