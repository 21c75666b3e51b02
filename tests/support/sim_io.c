/* The file interface of the simulated disk: see sim_disk.h. */
#include "tests/support/sim_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- a call ---- */

static bool plan_hits(struct sim_disk *disk, enum fault_call call)
{
    const struct fault_plan *plan = &disk->plan;
    uint64_t n;

    if (plan->nth == 0 || !(plan->calls & FAULT_IN(call)))
        return false;
    n = ++disk->matched;
    if (n < plan->nth || (plan->times > 0 && n >= plan->nth + plan->times))
        return false;
    disk->failed++;
    return true;
}

/* Takes the disk's lock and decides about the call: 0 or what it must return.  *fails (may be
 * NULL): it is one of those that the plan chose, and the caller does what that means. */
static int begin(struct sim_process *process, enum fault_call call, bool *fails)
{
    struct sim_disk *disk = process->disk;
    bool hit;

    if (disk->hook)
        disk->hook(disk->hook_arg, process, call);
    pthread_mutex_lock(&disk->mutex);
    if (process->dead || disk->off)
        return -EIO;
    disk->calls++;
    if (disk->off_at && disk->calls >= disk->off_at) {
        disk->off = true;
        return -EIO;
    }
    if (process->kill_at && --process->kill_at == 0) {
        sim_die(process);
        return -EIO;
    }
    hit = plan_hits(disk, call);
    if (fails)
        *fails = hit;
    return hit && !fails ? -disk->plan.errnum : 0;
}

static int64_t end(struct sim_process *process, enum fault_call call, const char *name,
                   uint64_t offset, size_t len, int64_t result)
{
    struct sim_disk *disk = process->disk;
    struct sim_call *entry = &disk->trace[disk->traced++ % SIM_TRACE];

    *entry = (struct sim_call){process->number, call, "", offset, len, result};
    snprintf(entry->name, sizeof entry->name, "%s", name ? name : "");
    pthread_mutex_unlock(&disk->mutex);
    return result;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

/* NULL: not an open file.  A bad number is a bug of the caller, unless its process is dead. */
static struct sim_handle *handle_of(const struct sim_process *process, int file)
{
    if (file < 0 || (size_t)file >= process->handle_count)
        return NULL;
    return process->handles[file];
}

static const char *name_of(const struct sim_process *process, int file)
{
    const struct sim_handle *handle = handle_of(process, file);

    return handle ? handle->node->name : "";
}

static bool full(const struct sim_disk *disk)
{
    return disk->space > 0 && sim_used_space(disk) >= disk->space;
}

/* ---- names ---- */

static int new_handle(struct sim_process *process, struct sim_node *node, unsigned flags)
{
    struct sim_handle *handle = sim_must(malloc(sizeof *handle));
    size_t file = 0;

    *handle = (struct sim_handle){sim_node_ref(node), (flags & AVJ_OPEN_WRITE) != 0};
    while (file < process->handle_count && process->handles[file])
        file++;
    if (file == process->handle_count) {
        process->handle_count += 8;
        process->handles =
            sim_must(realloc(process->handles, process->handle_count * sizeof *process->handles));
        for (size_t i = file; i < process->handle_count; i++)
            process->handles[i] = NULL;
    }
    process->handles[file] = handle;
    return (int)file;
}

/* A new file or directory with that name in `dir`, known to the cache only. */
static struct sim_node *link_new(struct sim_disk *disk, struct sim_node *dir, bool is_dir,
                                 const char *name)
{
    struct sim_op op = {.kind = SIM_LINK, .node = sim_node_new(disk, is_dir, name)};

    memcpy(op.name, name, SIM_NAME);
    sim_dir_change(disk, dir, &op);
    op.node->refs--; /* the directory has it */
    return op.node;
}

static int do_open(struct sim_process *process, const char *path, unsigned flags)
{
    char name[SIM_NAME] = "";
    struct sim_node *dir;
    struct sim_entry *entry;
    int r = sim_walk(process->disk, path, &dir, name);

    if (r < 0)
        return r;
    entry = sim_names_find(&dir->now, name);
    if (entry && (flags & AVJ_OPEN_EXCL))
        return -EEXIST;
    if (entry)
        return entry->node->dir ? -EISDIR : new_handle(process, entry->node, flags);
    if (!(flags & AVJ_OPEN_CREATE))
        return -ENOENT;
    if (full(process->disk))
        return -ENOSPC;
    return new_handle(process, link_new(process->disk, dir, false, name), flags);
}

static int do_mkdir(struct sim_disk *disk, const char *path)
{
    char name[SIM_NAME] = "";
    struct sim_node *dir;
    int r = sim_walk(disk, path, &dir, name);

    if (r < 0)
        return r;
    if (sim_names_find(&dir->now, name))
        return -EEXIST;
    if (full(disk))
        return -ENOSPC;
    link_new(disk, dir, true, name);
    return 0;
}

static int do_unlink(struct sim_disk *disk, const char *path)
{
    struct sim_op op = {.kind = SIM_UNLINK};
    struct sim_node *dir;
    struct sim_entry *entry;
    int r = sim_walk(disk, path, &dir, op.name);

    if (r < 0)
        return r;
    entry = sim_names_find(&dir->now, op.name);
    if (!entry)
        return -ENOENT;
    if (entry->node->dir)
        return -EISDIR;
    sim_dir_change(disk, dir, &op);
    return 0;
}

/* From one directory to another. */
static void move(struct sim_disk *disk, struct sim_node *from, struct sim_node *to,
                 const struct sim_op *op)
{
    struct sim_move *both = sim_must(calloc(1, sizeof *both));
    struct sim_op link = {.kind = SIM_LINK, .node = op->node, .move = both};
    struct sim_op away = {.kind = SIM_AWAY, .node = op->node, .target = to, .move = both};

    memcpy(link.name, op->to, SIM_NAME);
    memcpy(away.name, op->name, SIM_NAME);
    sim_dir_change(disk, to, &link);
    sim_dir_change(disk, from, &away);
}

/* Of files. */
static int do_rename(struct sim_disk *disk, const char *from, const char *to)
{
    struct sim_op op = {.kind = SIM_RENAME};
    struct sim_node *dir, *to_dir;
    struct sim_entry *entry;
    int r = sim_walk(disk, from, &dir, op.name);

    if (r == 0)
        r = sim_walk(disk, to, &to_dir, op.to);
    if (r < 0)
        return r;
    entry = sim_names_find(&dir->now, op.name);
    if (!entry)
        return -ENOENT;
    op.node = entry->node;
    if (op.node->dir)
        return -EISDIR;
    memcpy(op.node->name, op.to, SIM_NAME);
    if (dir != to_dir)
        move(disk, dir, to_dir, &op);
    else if (strcmp(op.name, op.to) != 0)
        sim_dir_change(disk, dir, &op);
    return 0;
}

static int sim_io_open(void *ctx, const char *path, unsigned flags)
{
    int r = begin(ctx, FAULT_OPEN, NULL);

    return (int)end(ctx, FAULT_OPEN, last_part(path), 0, 0, r < 0 ? r : do_open(ctx, path, flags));
}

static int sim_io_mkdir(void *ctx, const char *path)
{
    struct sim_process *process = ctx;
    int r = begin(ctx, FAULT_MKDIR, NULL);

    return (int)end(ctx, FAULT_MKDIR, last_part(path), 0, 0,
                    r < 0 ? r : do_mkdir(process->disk, path));
}

static int sim_io_unlink(void *ctx, const char *path)
{
    struct sim_process *process = ctx;
    int r = begin(ctx, FAULT_UNLINK, NULL);

    return (int)end(ctx, FAULT_UNLINK, last_part(path), 0, 0,
                    r < 0 ? r : do_unlink(process->disk, path));
}

static int sim_io_rename(void *ctx, const char *from, const char *to)
{
    struct sim_process *process = ctx;
    int r = begin(ctx, FAULT_RENAME, NULL);

    return (int)end(ctx, FAULT_RENAME, last_part(to), 0, 0,
                    r < 0 ? r : do_rename(process->disk, from, to));
}

static int sim_io_sync_dir(void *ctx, const char *path)
{
    struct sim_process *process = ctx;
    int r = begin(ctx, FAULT_SYNC_DIR, NULL);

    if (r == 0) {
        struct sim_node *dir = sim_lookup(process->disk, path);
        r = !dir ? -ENOENT : dir->dir ? 0 : -ENOTDIR;
        if (r == 0)
            sim_dir_sync(dir);
        process->disk->changes++;
    }
    return (int)end(ctx, FAULT_SYNC_DIR, last_part(path), 0, 0, r);
}

/* The names are copied first: `each` may call the interface. */
static int sim_io_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                       void *arg)
{
    struct sim_process *process = ctx;
    char(*names)[SIM_NAME] = NULL;
    size_t count = 0;
    int r = begin(ctx, FAULT_LIST, NULL);

    if (r == 0) {
        struct sim_node *dir = sim_lookup(process->disk, path);
        r = !dir ? -ENOENT : dir->dir ? 0 : -ENOTDIR;
        count = r == 0 ? dir->now.count : 0;
        names = sim_must(malloc((count + 1) * sizeof *names));
        for (size_t i = 0; i < count; i++)
            memcpy(names[i], dir->now.entries[i].name, SIM_NAME);
    }
    end(ctx, FAULT_LIST, last_part(path), 0, 0, r);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = each(arg, names[i]);
    free(names);
    return r;
}

/* ---- files ---- */

static int sim_io_close(void *ctx, int file)
{
    struct sim_process *process = ctx;
    int r = begin(ctx, FAULT_CLOSE, NULL);
    struct sim_handle *handle = handle_of(process, file);
    char name[SIM_NAME];

    snprintf(name, sizeof name, "%s", name_of(process, file));
    if (handle)
        sim_handle_close(&process->handles[file]);
    else if (r == 0)
        r = -EBADF;
    return (int)end(ctx, FAULT_CLOSE, name, 0, 0, r);
}

static size_t maybe_short(struct sim_disk *disk, size_t len)
{
    if (len < 2 || disk->short_one_in == 0 || test_rng_below(&disk->rng, disk->short_one_in) > 0)
        return len;
    return 1 + (size_t)test_rng_below(&disk->rng, len - 1);
}

static ssize_t sim_io_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    struct sim_process *process = ctx;
    int64_t r = begin(ctx, FAULT_PREAD, NULL);
    struct sim_handle *handle = handle_of(process, file);

    if (r == 0)
        r = handle ? (int64_t)sim_image_read(handle->node->cached, data,
                                             maybe_short(process->disk, len), offset)
                   : -EBADF;
    return (ssize_t)end(ctx, FAULT_PREAD, name_of(process, file), offset, len, r);
}

/* How much of a write has room; -ENOSPC: none of it. */
static int64_t room_for(const struct sim_disk *disk, const struct sim_node *file, size_t len,
                        uint64_t offset)
{
    uint64_t size = sim_image_size(file->cached), most, left, used;

    if (disk->space == 0 || offset + len <= size)
        return (int64_t)len;
    used = sim_used_space(disk);
    left = used < disk->space ? disk->space - used : 0;
    most = size + left; /* the file can be so long */
    if (offset >= most)
        return -ENOSPC;
    return (int64_t)(offset + len <= most ? len : most - offset);
}

static int64_t do_pwrite(struct sim_process *process, struct sim_handle *handle, const void *data,
                         size_t len, uint64_t offset)
{
    int64_t n;

    if (!handle || !handle->write)
        return -EBADF;
    n = room_for(process->disk, handle->node, maybe_short(process->disk, len), offset);
    if (n > 0)
        sim_file_write(process->disk, handle->node, data, (size_t)n, offset);
    return n;
}

static ssize_t sim_io_pwrite(void *ctx, int file, const void *data, size_t len, uint64_t offset)
{
    struct sim_process *process = ctx;
    const struct fault_plan *plan = &process->disk->plan;
    bool fails = false;
    int64_t r = begin(ctx, FAULT_PWRITE, &fails);
    struct sim_handle *handle = handle_of(process, file);

    if (r == 0 && fails && plan->how != FAULT_ERROR)
        r = do_pwrite(process, handle, data, (len + 1) / 2, offset);
    else if (r == 0 && !fails)
        r = do_pwrite(process, handle, data, len, offset);
    if (fails && r >= 0 && plan->how != FAULT_SHORT)
        r = -plan->errnum;
    return (ssize_t)end(ctx, FAULT_PWRITE, name_of(process, file), offset, len, r);
}

static int64_t sim_io_size(void *ctx, int file)
{
    struct sim_process *process = ctx;
    int64_t r = begin(ctx, FAULT_SIZE, NULL);
    struct sim_handle *handle = handle_of(process, file);

    if (r == 0)
        r = handle ? (int64_t)sim_image_size(handle->node->cached) : -EBADF;
    return end(ctx, FAULT_SIZE, name_of(process, file), 0, 0, r);
}

static int sim_io_sync(void *ctx, int file)
{
    struct sim_process *process = ctx;
    struct sim_disk *disk = process->disk;
    bool fails = false;
    int r = begin(ctx, FAULT_SYNC, &fails);
    struct sim_handle *handle = handle_of(process, file);

    if (r == 0 && !handle)
        r = -EBADF;
    if (r == 0 && fails) {
        sim_file_sync_fails(handle->node, disk->failure);
        r = -disk->plan.errnum;
    } else if (r == 0) {
        sim_file_sync(handle->node);
    }
    disk->changes++;
    return (int)end(ctx, FAULT_SYNC, name_of(process, file), 0, 0, r);
}

/* As an open file description's lock: another handle of the same process is another. */
static int sim_io_try_lock(void *ctx, int file)
{
    struct sim_process *process = ctx;
    int r = begin(ctx, FAULT_TRY_LOCK, NULL);
    struct sim_handle *handle = handle_of(process, file);

    if (r == 0 && (!handle || !handle->write))
        r = -EBADF;
    if (r == 0) {
        const void *holder = handle->node->locked_by;
        r = holder && holder != handle ? AVJ_LOCK_BUSY : AVJ_LOCK_TAKEN;
        if (r == AVJ_LOCK_TAKEN)
            handle->node->locked_by = handle;
    }
    return (int)end(ctx, FAULT_TRY_LOCK, name_of(process, file), 0, 0, r);
}

static int sim_io_unlock(void *ctx, int file)
{
    struct sim_process *process = ctx;
    int r = begin(ctx, FAULT_UNLOCK, NULL);
    struct sim_handle *handle = handle_of(process, file);

    if (r == 0 && !handle)
        r = -EBADF;
    if (r == 0 && handle->node->locked_by == handle)
        handle->node->locked_by = NULL;
    return (int)end(ctx, FAULT_UNLOCK, name_of(process, file), 0, 0, r);
}

/* ---- clocks, randomness ---- */

static int sim_io_random(void *ctx, void *data, size_t len)
{
    struct sim_process *process = ctx;
    int r = begin(ctx, FAULT_RANDOM, NULL);

    if (r == 0)
        test_rng_fill(&process->disk->rng, data, len);
    return (int)end(ctx, FAULT_RANDOM, "", 0, len, r);
}

static int64_t sim_io_monotonic_ms(void *ctx)
{
    struct sim_disk *disk = ((struct sim_process *)ctx)->disk;
    int64_t now;

    pthread_mutex_lock(&disk->mutex);
    now = (int64_t)(disk->now_us / 1000);
    pthread_mutex_unlock(&disk->mutex);
    return now;
}

static int64_t sim_io_now_ms(void *ctx)
{
    struct sim_disk *disk = ((struct sim_process *)ctx)->disk;

    return (int64_t)disk->base_ms + sim_io_monotonic_ms(ctx);
}

static void sim_io_sleep_us(void *ctx, unsigned us)
{
    struct sim_process *process = ctx;
    struct sim_disk *disk = process->disk;

    pthread_mutex_lock(&disk->mutex);
    disk->now_us += us;
    pthread_mutex_unlock(&disk->mutex);
    if (disk->hook)
        disk->hook(disk->hook_arg, process, SIM_SLEEP);
}

static void sim_io_boot_id(void *ctx, uint8_t id[16])
{
    memcpy(id, ((struct sim_process *)ctx)->disk->boot_id, 16);
}

void sim_table_init(struct sim_process *process)
{
    process->table = (struct avj_io){
        .ctx = process,
#define FAULT_X(name, text) .text = sim_io_##text,
        FAULT_CALL_TABLE(FAULT_X)
#undef FAULT_X
            .now_ms = sim_io_now_ms,
        .monotonic_ms = sim_io_monotonic_ms,
        .sleep_us = sim_io_sleep_us,
        .boot_id = sim_io_boot_id,
    };
}
