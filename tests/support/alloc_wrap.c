/* Allocations counted, measured and made to fail: see alloc_wrap.h. */
#include "tests/support/alloc_wrap.h"

#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <zdict.h>
#include <zstd.h>
#include <zstd_errors.h>

static uint64_t plan_nth;
static bool plan_for_ever;
static atomic_uint_fast64_t calls, failed;
static atomic_size_t largest, peak;
static atomic_ptrdiff_t in_use;
static _Thread_local unsigned paused;

void alloc_wrap_plan(uint64_t nth, bool for_ever)
{
    plan_nth = nth;
    plan_for_ever = for_ever;
    atomic_store(&calls, 0);
    atomic_store(&failed, 0);
    atomic_store(&largest, 0);
    atomic_store(&peak, 0);
    atomic_store(&in_use, 0);
}

void alloc_wrap_pause(void)
{
    paused++;
}

void alloc_wrap_resume(void)
{
    paused--;
}

struct alloc_wrap_seen alloc_wrap_seen(void)
{
    return (struct alloc_wrap_seen){
        .calls = atomic_load(&calls),
        .failed = atomic_load(&failed),
        .largest = atomic_load(&largest),
        .peak = atomic_load(&peak),
        .kept = atomic_load(&in_use),
    };
}

static void raise_to(atomic_size_t *most, size_t value)
{
    size_t had = atomic_load(most);

    while (value > had && !atomic_compare_exchange_weak(most, &had, value))
        continue;
}

/* Is it this one's turn to fail? */
static bool fails(size_t len)
{
    uint64_t n;

    if (paused)
        return false;
    raise_to(&largest, len);
    n = atomic_fetch_add(&calls, 1) + 1;
    if (plan_nth == 0 || n < plan_nth || (n > plan_nth && !plan_for_ever))
        return false;
    atomic_fetch_add(&failed, 1);
    return true;
}

static void *took(void *memory)
{
    ptrdiff_t len = (ptrdiff_t)malloc_usable_size(memory);
    ptrdiff_t now = atomic_fetch_add(&in_use, len) + len;

    if (now > 0)
        raise_to(&peak, (size_t)now);
    return memory;
}

static void gave(void *memory)
{
    atomic_fetch_sub(&in_use, (ptrdiff_t)malloc_usable_size(memory));
}

/* The linker makes these names: __wrap_X is what callers of X reach, __real_X is X. */
#define WRAP(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

WRAP(void *, malloc, (size_t len))
{
    return fails(len) ? NULL : took(__real_malloc(len));
}

WRAP(void *, calloc, (size_t count, size_t len))
{
    return fails(count * len) ? NULL : took(__real_calloc(count, len));
}

WRAP(void *, realloc, (void *memory, size_t len))
{
    void *moved;

    if (fails(len))
        return NULL;
    gave(memory);
    moved = __real_realloc(memory, len);
    took(moved ? moved : memory);
    return moved;
}

WRAP(void, free, (void *memory))
{
    gave(memory);
    __real_free(memory);
}

WRAP(char *, strdup, (const char *text))
{
    return fails(strlen(text) + 1) ? NULL : took(__real_strdup(text));
}

WRAP(ZSTD_CCtx *, ZSTD_createCCtx, (void))
{
    return fails(0) ? NULL : __real_ZSTD_createCCtx();
}

WRAP(ZSTD_DCtx *, ZSTD_createDCtx, (void))
{
    return fails(0) ? NULL : __real_ZSTD_createDCtx();
}

WRAP(ZSTD_CDict *, ZSTD_createCDict, (const void *data, size_t len, int level))
{
    return fails(0) ? NULL : __real_ZSTD_createCDict(data, len, level);
}

WRAP(ZSTD_DDict *, ZSTD_createDDict, (const void *data, size_t len))
{
    return fails(0) ? NULL : __real_ZSTD_createDDict(data, len);
}

static size_t out_of_memory(void)
{
    return (size_t)0 - (size_t)ZSTD_error_memory_allocation;
}

WRAP(size_t, ZSTD_compress2, (ZSTD_CCtx * zstd, void *to, size_t cap, const void *from, size_t len))
{
    return fails(0) ? out_of_memory() : __real_ZSTD_compress2(zstd, to, cap, from, len);
}

WRAP(size_t, ZSTD_compressCCtx,
     (ZSTD_CCtx * zstd, void *to, size_t cap, const void *from, size_t len, int level))
{
    return fails(0) ? out_of_memory() : __real_ZSTD_compressCCtx(zstd, to, cap, from, len, level);
}

WRAP(size_t, ZSTD_compress_usingCDict,
     (ZSTD_CCtx * zstd, void *to, size_t cap, const void *from, size_t len, const ZSTD_CDict *dict))
{
    return fails(0) ? out_of_memory()
                    : __real_ZSTD_compress_usingCDict(zstd, to, cap, from, len, dict);
}

WRAP(size_t, ZSTD_CCtx_setParameter, (ZSTD_CCtx * zstd, ZSTD_cParameter name, int value))
{
    return fails(0) ? out_of_memory() : __real_ZSTD_CCtx_setParameter(zstd, name, value);
}

WRAP(size_t, ZSTD_CCtx_refCDict, (ZSTD_CCtx * zstd, const ZSTD_CDict *dict))
{
    return fails(0) ? out_of_memory() : __real_ZSTD_CCtx_refCDict(zstd, dict);
}

WRAP(size_t, ZDICT_trainFromBuffer,
     (void *to, size_t cap, const void *samples, const size_t *lens, unsigned count))
{
    return fails(0) ? out_of_memory() : __real_ZDICT_trainFromBuffer(to, cap, samples, lens, count);
}
