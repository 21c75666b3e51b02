/*
 * A file interface for tests: passes every call on to another one (the posix one), counts and
 * records it, and makes chosen calls fail.
 *
 * Threading: calls may come from several threads; the functions here are called while none is under
 * way.
 */
#ifndef TEST_FAULT_IO_H
#define TEST_FAULT_IO_H

#include "journal/io.h"

/* Every call of struct avj_io that can fail. */
#define FAULT_CALL_TABLE(X)                                                                        \
    X(OPEN, open)                                                                                  \
    X(CLOSE, close)                                                                                \
    X(PREAD, pread)                                                                                \
    X(PWRITE, pwrite)                                                                              \
    X(SIZE, size)                                                                                  \
    X(SYNC, sync)                                                                                  \
    X(SYNC_DIR, sync_dir)                                                                          \
    X(RENAME, rename)                                                                              \
    X(UNLINK, unlink)                                                                              \
    X(MKDIR, mkdir)                                                                                \
    X(LIST, list)                                                                                  \
    X(TRY_LOCK, try_lock)                                                                          \
    X(UNLOCK, unlock)                                                                              \
    X(RANDOM, random)

enum fault_call {
#define FAULT_X(name, text) FAULT_##name,
    FAULT_CALL_TABLE(FAULT_X)
#undef FAULT_X
        FAULT_CALLS
};

/* A set of calls, for a plan. */
#define FAULT_IN(call) (1u << (call))
#define FAULT_ANY      (FAULT_IN(FAULT_CALLS) - 1u)
/* What a full disk refuses: not overwriting, but that is not told apart here. */
#define FAULT_SPACE (FAULT_IN(FAULT_PWRITE) | FAULT_IN(FAULT_MKDIR) | FAULT_IN(FAULT_RENAME))

enum fault_how {
    FAULT_ERROR,      /* the call does nothing and returns -errnum (close and unlock: does it, and
                         returns -errnum) */
    FAULT_HALF_ERROR, /* pwrite: writes half of the data and returns -errnum; the others as
                         FAULT_ERROR */
    FAULT_SHORT, /* pread and pwrite: at most half (but one byte at least); the others succeed */
};

struct fault_plan {
    unsigned calls; /* FAULT_IN()s it is about */
    uint64_t nth;   /* the first of those that fails, from 1; 0: none */
    uint64_t times; /* how many in a row, 0: all from then on */
    enum fault_how how;
    int errnum;
};

/* One recorded call. */
struct fault_record {
    enum fault_call call;
    int file;
    uint64_t offset;
    size_t len;
    int64_t result;
    char path[160]; /* of open, sync_dir, rename (its target), unlink, mkdir, list; and of the file
                       of the others */
};

struct fault_io;

/* Called behind every call, with its record; may do anything, calls through the same interface
 * included. */
typedef void fault_hook(void *arg, const struct fault_record *record);

/* `base` is borrowed.  Starts without a plan. */
struct fault_io *fault_io_new(const struct avj_io *base);
void fault_io_free(struct fault_io *fault);
/* The interface to hand out; valid until free. */
const struct avj_io *fault_io_table(struct fault_io *fault);

/* Sets the plan and starts counting (and recording) anew. */
void fault_io_plan(struct fault_io *fault, const struct fault_plan *plan);
/* NULL: none (as at first). */
void fault_io_hook(struct fault_io *fault, fault_hook *hook, void *arg);
/* Calls of the set since the plan was set, and how many of them were made to fail. */
uint64_t fault_io_count(const struct fault_io *fault, unsigned calls);
uint64_t fault_io_failed(const struct fault_io *fault);
/* The calls since the plan was set, oldest first.  Borrowed until the next call through the
 * interface. */
const struct fault_record *fault_io_records(const struct fault_io *fault, size_t *count);
/* Files that are open through the interface. */
int fault_io_open_files(const struct fault_io *fault);
const char *fault_call_name(enum fault_call call);

#endif
