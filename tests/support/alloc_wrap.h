/*
 * Allocations counted, measured and made to fail.  A program that uses this is linked with
 * avj_alloc_wrap (tests/CMakeLists.txt), which puts it between the program's objects (the library's
 * and the test's) and malloc, calloc, realloc, strdup, free and zstd's constructors; what libc and
 * libzstd allocate inside themselves is not seen.
 *
 * Threading: calls may come from several threads; plans are made while none is under way.
 */
#ifndef TEST_ALLOC_WRAP_H
#define TEST_ALLOC_WRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on the nth allocation (from 1; 0: none) fails, and all behind it where `for_ever`.
 * Counting and measuring start anew. */
void alloc_wrap_plan(uint64_t nth, bool for_ever);

/* What this thread allocates meanwhile is neither counted nor failed: a test's own needs.  Nests.
 */
void alloc_wrap_pause(void);
void alloc_wrap_resume(void);

struct alloc_wrap_seen { /* since the plan */
    uint64_t calls, failed;
    size_t largest; /* single request */
    size_t peak;    /* bytes in use at once, over those at the time of the plan */
    ptrdiff_t kept; /* bytes in use now, over those */
};
struct alloc_wrap_seen alloc_wrap_seen(void);

#endif
