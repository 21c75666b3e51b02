/*
 * What the fuzz targets share.  A target is one function from bytes to an abort or nothing;
 * libFuzzer makes the bytes, or fuzz_main.c reads them from files.
 *
 * Threading: one thread.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include "journal/journal.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The target.  Returns 0: the input is worth keeping; -1: it is not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes taken one after the other; zeros when there are no more. */
struct fuzz_bytes {
    const uint8_t *data;
    size_t len;
};

static inline uint8_t fuzz_byte(struct fuzz_bytes *bytes)
{
    if (bytes->len == 0)
        return 0;
    bytes->len--;
    return *bytes->data++;
}

static inline uint32_t fuzz_number(struct fuzz_bytes *bytes, unsigned width)
{
    uint32_t value = 0;

    while (width-- > 0)
        value = value << 8 | fuzz_byte(bytes);
    return value;
}

#define fuzz_require(condition, ...)                                                               \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Around everything that a target does with hostile bytes: no length that they claim makes the
 * library allocate more than twice the limit at once, or hold much more than that together. */
void fuzz_begin(void);
void fuzz_end(size_t input_len);

/* A journal in memory whose first segment is these bytes, read by scan and by cursor and appended
 * to; checks that all agree. */
void fuzz_read_segment(const uint8_t *data, size_t len);

#endif
