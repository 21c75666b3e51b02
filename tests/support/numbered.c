/* Records whose content follows from their number: see numbered.h. */
#include "tests/support/numbered.h"

#include "journal/bytes.h"
#include "tests/support/rng.h"

#include <stdlib.h>
#include <string.h>

size_t numbered_make(uint64_t number, uint8_t data[NUMBERED_MAX])
{
    static const char words[] =
        "and so the answer to this part of the question is that it depends; ";
    struct test_rng rng;
    size_t len, half;

    test_rng_init(&rng, number);
    len = 8 + test_rng_below(&rng, NUMBERED_MAX - 8 + 1);
    half = 8 + (len - 8) / 2;
    avj_put_le64(data, number);
    for (size_t i = 8; i < half; i++)
        data[i] = (uint8_t)words[(i + number) % (sizeof words - 1)];
    test_rng_fill(&rng, data + half, len - half);
    return len;
}

bool numbered_is(uint64_t number, const uint8_t *data, size_t len)
{
    uint8_t wanted[NUMBERED_MAX];

    return numbered_make(number, wanted) == len && memcmp(wanted, data, len) == 0;
}

enum avj_status numbered_append(struct avj_journal *journal, uint64_t from, size_t count,
                                enum avj_durability durability, uint64_t *first_seq,
                                struct avj_error *err)
{
    uint8_t *bytes = malloc(count * NUMBERED_MAX);
    struct avj_slice *slices = calloc(count, sizeof *slices);
    enum avj_status status;

    if (!bytes || !slices)
        abort();
    for (size_t i = 0; i < count; i++) {
        uint8_t *data = bytes + i * NUMBERED_MAX;
        slices[i] = (struct avj_slice){data, numbered_make(from + i, data)};
    }
    status = avj_journal_append(journal, slices, count, durability, first_seq, err);
    free(slices);
    free(bytes);
    return status;
}

static enum avj_status verify_next(struct avj_cursor *cursor, uint64_t *last, struct avj_error *err)
{
    struct avj_record record;
    enum avj_status status = avj_cursor_next(cursor, &record, err);

    if (status != AVJ_OK)
        return status;
    if (record.seq != *last + 1)
        return avj_fail(err, AVJ_EFORMAT, "sequence number %llu follows %llu",
                        (unsigned long long)record.seq, (unsigned long long)*last);
    if (!numbered_is(record.seq, record.data, record.len))
        return avj_fail(err, AVJ_EFORMAT, "record %llu is wrong", (unsigned long long)record.seq);
    *last = record.seq;
    return AVJ_OK;
}

enum avj_status numbered_verify(struct avj_journal *journal, uint64_t *last, struct avj_error *err)
{
    struct avj_cursor *cursor = NULL;
    enum avj_status status = avj_cursor_open(journal, 0, &cursor, err);

    *last = 0;
    while (status == AVJ_OK)
        status = verify_next(cursor, last, err);
    avj_cursor_close(cursor);
    return status;
}
