/* Records whose hashes are remembered: see known.h. */
#include "tests/support/known.h"

#include "journal/rewrite.h"

#include <stdlib.h>
#include <string.h>

void known_init(struct known *known, uint64_t seed)
{
    memset(known, 0, sizeof *known);
    test_rng_init(&known->rng, seed);
}

void known_release(struct known *known)
{
    free(known->hashes);
    free(known->shorts);
    memset(known, 0, sizeof *known);
}

/* Bytes that are left of a record that compaction shortened; they differ from any other's. */
#define SHORT ((size_t)8)

static void reserve(struct known *known, uint64_t last)
{
    size_t cap = known->cap ? known->cap : 64;

    while (cap < last)
        cap *= 2;
    if (cap == known->cap)
        return;
    known->hashes = realloc(known->hashes, cap * sizeof *known->hashes);
    known->shorts = realloc(known->shorts, cap * sizeof *known->shorts);
    if (!known->hashes || !known->shorts)
        abort();
    known->cap = cap;
}

void known_copy(struct known *to, const struct known *from)
{
    *to = *from;
    to->hashes = to->shorts = NULL;
    to->cap = 0;
    reserve(to, from->last);
    if (!from->last)
        return;
    memcpy(to->hashes, from->hashes, (size_t)from->last * sizeof *to->hashes);
    memcpy(to->shorts, from->shorts, (size_t)from->last * sizeof *to->shorts);
}

static void make_record(struct known *known, enum known_kind kind, uint8_t *data, size_t len)
{
    static const char words[] = "the answer to this part of the question is that it depends; ";

    test_rng_fill(&known->rng, data, kind == KNOWN_RAW || len < 8 ? len : 8);
    for (size_t i = 8; kind == KNOWN_TEXT && i < len; i++)
        data[i] = (uint8_t)words[(i + data[0]) % (sizeof words - 1)];
}

static enum avj_status remember(struct known *known, const struct avj_slice *slices, size_t count,
                                uint64_t first, struct avj_error *err)
{
    if (first <= known->durable || first > known->last + 1)
        return avj_fail(err, AVJ_EFORMAT,
                        "append gave number %llu; %llu were promised, %llu written",
                        (unsigned long long)first, (unsigned long long)known->durable,
                        (unsigned long long)known->last);
    known->last = first + count - 1;
    reserve(known, known->last);
    for (size_t i = 0; i < count; i++) {
        size_t shortened = slices[i].len < SHORT ? slices[i].len : SHORT;
        known->hashes[first - 1 + i] = avj_hash64(slices[i].data, slices[i].len);
        known->shorts[first - 1 + i] = avj_hash64(slices[i].data, shortened);
    }
    return AVJ_OK;
}

enum avj_status known_append(struct known *known, struct avj_journal *journal, enum known_kind kind,
                             size_t len, size_t count, enum avj_durability durability,
                             struct avj_error *err)
{
    uint8_t *bytes = malloc(count * len + 1);
    struct avj_slice *slices = calloc(count, sizeof *slices);
    uint64_t first = 0;
    enum avj_status status;

    if (!bytes || !slices)
        abort();
    for (size_t i = 0; i < count; i++) {
        make_record(known, kind, bytes + i * len, len);
        slices[i] = (struct avj_slice){bytes + i * len, len};
    }
    status = avj_journal_append(journal, slices, count, durability, &first, err);
    if (status == AVJ_OK)
        status = remember(known, slices, count, first, err);
    else if (status != AVJ_ECORRUPT)
        (void)remember(known, slices, count, known->last + 1, NULL);
    if (status == AVJ_OK && durability == AVJ_DURABLE)
        known->durable = known->last;
    free(slices);
    free(bytes);
    return status;
}

bool known_is(const struct known *known, uint64_t seq, const void *data, size_t len)
{
    uint64_t hash = avj_hash64(data, len);

    return seq >= 1 && seq <= known->last &&
           (known->hashes[seq - 1] == hash || known->shorts[seq - 1] == hash);
}

static enum avj_status shorten(void *arg, uint64_t seq, const void *data, size_t len,
                               struct avj_slice *instead, struct avj_error *err)
{
    (void)arg, (void)err;
    if (seq % 2 && len > SHORT)
        *instead = (struct avj_slice){data, SHORT};
    return AVJ_OK;
}

static bool not_the_first(void *arg, uint64_t first_seq, uint64_t last_seq, uint64_t bytes)
{
    (void)arg, (void)last_seq, (void)bytes;
    return first_seq > 1;
}

enum avj_status known_shorten(struct avj_journal *journal, uint64_t *replaced,
                              struct avj_error *err)
{
    const struct avj_rewriting how = {.decide = shorten, .wanted = not_the_first};
    struct avj_rewritten done;
    enum avj_status status = avj_journal_rewrite(journal, UINT64_MAX, &how, &done, err);

    *replaced = done.records;
    return status;
}

enum avj_status known_read(const struct known *known, struct avj_journal *journal, uint64_t from,
                           uint64_t *last, struct avj_error *err)
{
    struct avj_cursor *cursor = NULL;
    enum avj_status status = avj_cursor_open(journal, from, &cursor, err);

    *last = from - 1;
    while (status == AVJ_OK) {
        struct avj_record record;
        status = avj_cursor_next(cursor, &record, err);
        if (status != AVJ_OK)
            break;
        if (record.seq != *last + 1 || !known_is(known, record.seq, record.data, record.len))
            status = avj_fail(err, AVJ_EFORMAT, "record %llu behind %llu is none that was written",
                              (unsigned long long)record.seq, (unsigned long long)*last);
        else
            *last = record.seq;
    }
    avj_cursor_close(cursor);
    return status;
}
