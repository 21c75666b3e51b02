/* A file interface that counts, records and fails calls: see fault_io.h. */
#include "tests/support/fault_io.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 1024

struct fault_io {
    const struct avj_io *base;
    struct avj_io table;
    pthread_mutex_t mutex; /* guards everything below */
    struct fault_plan plan;
    uint64_t matched, failed;
    uint64_t counts[FAULT_CALLS];
    struct fault_record *records;
    size_t record_count, record_cap;
    char *paths[FILES_MAX]; /* of open files */
    fault_hook *hook;
    void *hook_arg;
    int open_files;
};

/* A call under way. */
struct call {
    struct fault_io *fault;
    struct fault_record record;
    bool fails;
    enum fault_how how;
    int errnum;
};

static const char *const call_names[FAULT_CALLS] = {
#define FAULT_X(name, text) #text,
    FAULT_CALL_TABLE(FAULT_X)
#undef FAULT_X
};

const char *fault_call_name(enum fault_call call)
{
    return call_names[call];
}

/* Counts the call and decides about it. */
static struct call begin(void *ctx, enum fault_call kind, int file, const char *path)
{
    struct fault_io *fault = ctx;
    const struct fault_plan *plan = &fault->plan;
    struct call call = {.fault = fault, .record = {.call = kind, .file = file}};

    pthread_mutex_lock(&fault->mutex);
    if (!path && file >= 0 && file < FILES_MAX)
        path = fault->paths[file];
    snprintf(call.record.path, sizeof call.record.path, "%s", path ? path : "");
    fault->counts[kind]++;
    if (plan->nth > 0 && (plan->calls & FAULT_IN(kind))) {
        uint64_t n = ++fault->matched;
        call.fails = n >= plan->nth && (plan->times == 0 || n < plan->nth + plan->times);
    }
    if (call.fails)
        fault->failed++;
    call.how = plan->how;
    call.errnum = plan->errnum;
    pthread_mutex_unlock(&fault->mutex);
    return call;
}

static void record(struct fault_io *fault, const struct fault_record *entry)
{
    if (fault->record_count == fault->record_cap) {
        size_t cap = fault->record_cap ? fault->record_cap * 2 : 256;
        struct fault_record *grown = realloc(fault->records, cap * sizeof *grown);
        if (!grown)
            abort();
        fault->records = grown;
        fault->record_cap = cap;
    }
    fault->records[fault->record_count++] = *entry;
}

static int64_t finish(struct call *call, int64_t result)
{
    pthread_mutex_lock(&call->fault->mutex);
    call->record.result = result;
    record(call->fault, &call->record);
    pthread_mutex_unlock(&call->fault->mutex);
    if (call->fault->hook)
        call->fault->hook(call->fault->hook_arg, &call->record);
    return result;
}

static bool refused(const struct call *call)
{
    return call->fails && call->how != FAULT_SHORT;
}

/* The calls that take a path and give 0 or -errno. */
#define PATH_CALL(kind, ctx, path, action)                                                         \
    struct call call = begin(ctx, kind, -1, path);                                                 \
    const struct avj_io *base = call.fault->base;                                                  \
    return (int)finish(&call, refused(&call) ? -call.errnum : (action))

static int fault_sync_dir(void *ctx, const char *path)
{
    PATH_CALL(FAULT_SYNC_DIR, ctx, path, base->sync_dir(base->ctx, path));
}

static int fault_rename(void *ctx, const char *from, const char *to)
{
    PATH_CALL(FAULT_RENAME, ctx, to, base->rename(base->ctx, from, to));
}

static int fault_unlink(void *ctx, const char *path)
{
    PATH_CALL(FAULT_UNLINK, ctx, path, base->unlink(base->ctx, path));
}

static int fault_mkdir(void *ctx, const char *path)
{
    PATH_CALL(FAULT_MKDIR, ctx, path, base->mkdir(base->ctx, path));
}

static int fault_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                      void *arg)
{
    PATH_CALL(FAULT_LIST, ctx, path, base->list(base->ctx, path, each, arg));
}

static int fault_open(void *ctx, const char *path, unsigned flags)
{
    struct call call = begin(ctx, FAULT_OPEN, -1, path);
    const struct avj_io *base = call.fault->base;
    int file = refused(&call) ? -call.errnum : base->open(base->ctx, path, flags);

    if (file >= FILES_MAX)
        abort();
    if (file >= 0) {
        pthread_mutex_lock(&call.fault->mutex);
        free(call.fault->paths[file]);
        call.fault->paths[file] = strdup(path);
        call.fault->open_files++;
        pthread_mutex_unlock(&call.fault->mutex);
    }
    return (int)finish(&call, file);
}

/* As on Linux the descriptor is gone even when close reports an error. */
static int fault_close(void *ctx, int file)
{
    struct call call = begin(ctx, FAULT_CLOSE, file, NULL);
    const struct avj_io *base = call.fault->base;
    int result;

    pthread_mutex_lock(&call.fault->mutex);
    free(call.fault->paths[file]);
    call.fault->paths[file] = NULL;
    call.fault->open_files--;
    pthread_mutex_unlock(&call.fault->mutex);
    result = base->close(base->ctx, file);
    return (int)finish(&call, refused(&call) ? -call.errnum : result);
}

static size_t cut(const struct call *call, size_t len)
{
    return call->fails && call->how != FAULT_ERROR && len > 1 ? len / 2 : len;
}

static ssize_t fault_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    struct call call = begin(ctx, FAULT_PREAD, file, NULL);
    const struct avj_io *base = call.fault->base;

    call.record.offset = offset;
    call.record.len = len;
    return (ssize_t)finish(
        &call, refused(&call) ? -call.errnum
                              : base->pread(base->ctx, file, data, cut(&call, len), offset));
}

static ssize_t fault_pwrite(void *ctx, int file, const void *data, size_t len, uint64_t offset)
{
    struct call call = begin(ctx, FAULT_PWRITE, file, NULL);
    const struct avj_io *base = call.fault->base;
    ssize_t result = -call.errnum;

    call.record.offset = offset;
    call.record.len = len;
    if (!call.fails || call.how != FAULT_ERROR)
        result = base->pwrite(base->ctx, file, data, cut(&call, len), offset);
    return (ssize_t)finish(&call, refused(&call) ? -call.errnum : result);
}

static int64_t fault_size(void *ctx, int file)
{
    struct call call = begin(ctx, FAULT_SIZE, file, NULL);
    const struct avj_io *base = call.fault->base;

    return finish(&call, refused(&call) ? -call.errnum : base->size(base->ctx, file));
}

static int fault_sync(void *ctx, int file)
{
    struct call call = begin(ctx, FAULT_SYNC, file, NULL);
    const struct avj_io *base = call.fault->base;

    return (int)finish(&call, refused(&call) ? -call.errnum : base->sync(base->ctx, file));
}

static int fault_try_lock(void *ctx, int file)
{
    struct call call = begin(ctx, FAULT_TRY_LOCK, file, NULL);
    const struct avj_io *base = call.fault->base;

    return (int)finish(&call, refused(&call) ? -call.errnum : base->try_lock(base->ctx, file));
}

/* The lock is given up even when the call reports an error: nothing could be tested behind one that
 * never ends. */
static int fault_unlock(void *ctx, int file)
{
    struct call call = begin(ctx, FAULT_UNLOCK, file, NULL);
    const struct avj_io *base = call.fault->base;
    int result = base->unlock(base->ctx, file);

    return (int)finish(&call, refused(&call) ? -call.errnum : result);
}

static int fault_random(void *ctx, void *data, size_t len)
{
    struct call call = begin(ctx, FAULT_RANDOM, -1, NULL);
    const struct avj_io *base = call.fault->base;

    return (int)finish(&call, refused(&call) ? -call.errnum : base->random(base->ctx, data, len));
}

static const struct avj_io *base_of(void *ctx)
{
    return ((struct fault_io *)ctx)->base;
}

static int64_t fault_now_ms(void *ctx)
{
    return base_of(ctx)->now_ms(base_of(ctx)->ctx);
}

static int64_t fault_monotonic_ms(void *ctx)
{
    return base_of(ctx)->monotonic_ms(base_of(ctx)->ctx);
}

static void fault_sleep_us(void *ctx, unsigned us)
{
    base_of(ctx)->sleep_us(base_of(ctx)->ctx, us);
}

static void fault_boot_id(void *ctx, uint8_t id[16])
{
    base_of(ctx)->boot_id(base_of(ctx)->ctx, id);
}

struct fault_io *fault_io_new(const struct avj_io *base)
{
    struct fault_io *fault = calloc(1, sizeof *fault);

    if (!fault || pthread_mutex_init(&fault->mutex, NULL) != 0)
        abort();
    fault->base = base;
    fault->table = (struct avj_io){
        .ctx = fault,
#define FAULT_X(name, text) .text = fault_##text,
        FAULT_CALL_TABLE(FAULT_X)
#undef FAULT_X
            .now_ms = fault_now_ms,
        .monotonic_ms = fault_monotonic_ms,
        .sleep_us = fault_sleep_us,
        .boot_id = fault_boot_id,
    };
    return fault;
}

void fault_io_free(struct fault_io *fault)
{
    if (!fault)
        return;
    for (int i = 0; i < FILES_MAX; i++)
        free(fault->paths[i]);
    free(fault->records);
    pthread_mutex_destroy(&fault->mutex);
    free(fault);
}

const struct avj_io *fault_io_table(struct fault_io *fault)
{
    return &fault->table;
}

void fault_io_plan(struct fault_io *fault, const struct fault_plan *plan)
{
    fault->plan = *plan;
    fault->matched = fault->failed = 0;
    fault->record_count = 0;
    memset(fault->counts, 0, sizeof fault->counts);
}

void fault_io_hook(struct fault_io *fault, fault_hook *hook, void *arg)
{
    fault->hook = hook;
    fault->hook_arg = arg;
}

uint64_t fault_io_count(const struct fault_io *fault, unsigned calls)
{
    uint64_t sum = 0;

    for (unsigned call = 0; call < FAULT_CALLS; call++)
        if (calls & FAULT_IN(call))
            sum += fault->counts[call];
    return sum;
}

uint64_t fault_io_failed(const struct fault_io *fault)
{
    return fault->failed;
}

const struct fault_record *fault_io_records(const struct fault_io *fault, size_t *count)
{
    *count = fault->record_count;
    return fault->records;
}

int fault_io_open_files(const struct fault_io *fault)
{
    return fault->open_files;
}
