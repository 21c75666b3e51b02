/* Records of several processes, checked: see lives.h. */
#include "tests/support/lives.h"

#include "journal/bytes.h"

#include <stdlib.h>
#include <string.h>

#define HEAD       17u
#define RECORD_MAX (HEAD + NUMBERED_MAX)

/* A msgpack map of two, up to the two bytes of the length of "n". */
static const uint8_t head[HEAD - 2] = {0x82, 0xa1, 't', 0xa8, 'n',  'u', 'm', 'b',
                                       'e',  'r',  'e', 'd',  0xa1, 'n', 0xc5};

static size_t life_record(uint64_t number, uint8_t data[RECORD_MAX])
{
    size_t len = numbered_make(number, data + HEAD);

    memcpy(data, head, sizeof head);
    data[HEAD - 2] = (uint8_t)(len >> 8);
    data[HEAD - 1] = (uint8_t)len;
    return HEAD + len;
}

enum avj_status life_append(struct avj_journal *journal, uint64_t life, uint64_t index,
                            size_t count, enum avj_durability durability, uint64_t *first_seq,
                            struct avj_error *err)
{
    uint8_t *bytes = malloc(count * RECORD_MAX);
    struct avj_slice *slices = calloc(count, sizeof *slices);
    enum avj_status status;

    if (!bytes || !slices)
        abort();
    for (size_t i = 0; i < count; i++) {
        uint8_t *data = bytes + i * RECORD_MAX;
        slices[i] = (struct avj_slice){data, life_record(life << 32 | (index + i), data)};
    }
    status = avj_journal_append(journal, slices, count, durability, first_seq, err);
    free(slices);
    free(bytes);
    return status;
}

void lives_init(struct lives *lives, uint64_t count)
{
    *lives = (struct lives){.count = count, .found = calloc((size_t)count, sizeof *lives->found)};
    if (!lives->found)
        abort();
}

void lives_release(struct lives *lives)
{
    free(lives->found);
}

/* Has it the sequence number that its append gave? */
static bool as_promised(const struct lives *lives, uint64_t life, uint64_t index, uint64_t seq)
{
    uint64_t promise = lives->promises ? atomic_load(&lives->promises[life]) : 0;

    return promise == 0 || promise >> 32 != index || (promise & UINT32_MAX) == seq;
}

enum avj_status lives_take(struct lives *lives, const struct avj_record *record,
                           struct avj_error *err)
{
    uint64_t number = record->len < HEAD + 8 ? 0 : avj_get_le64(record->data + HEAD);
    uint64_t life = number >> 32, index = number & UINT32_MAX;
    uint8_t wanted[RECORD_MAX];
    uint64_t both[2];

    if (record->seq != lives->seq + 1)
        return avj_fail(err, AVJ_EFORMAT, "sequence number %llu follows %llu",
                        (unsigned long long)record->seq, (unsigned long long)lives->seq);
    if (life_record(number, wanted) != record->len ||
        memcmp(wanted, record->data, record->len) != 0)
        return avj_fail(err, AVJ_EFORMAT, "record %llu is wrong", (unsigned long long)record->seq);
    if (life >= lives->count || index != lives->found[life])
        return avj_fail(err, AVJ_EFORMAT, "record %llu: index %llu of life %llu, after %llu",
                        (unsigned long long)record->seq, (unsigned long long)index,
                        (unsigned long long)life,
                        (unsigned long long)(life < lives->count ? lives->found[life] : 0));
    if (!as_promised(lives, life, index, record->seq))
        return avj_fail(err, AVJ_EFORMAT, "record %llu was said to have another number",
                        (unsigned long long)record->seq);
    both[0] = lives->digest;
    both[1] = avj_hash64(record->data, record->len);
    lives->digest = avj_hash64(both, sizeof both);
    lives->seq = record->seq;
    lives->found[life]++;
    return AVJ_OK;
}

enum avj_status lives_follow(struct lives *lives, struct avj_cursor *cursor, struct avj_error *err)
{
    struct avj_record record;
    enum avj_status status;

    while ((status = avj_cursor_next(cursor, &record, err)) == AVJ_OK) {
        status = lives_take(lives, &record, err);
        if (status != AVJ_OK)
            break;
    }
    return status == AVJ_END ? AVJ_OK : status;
}

enum avj_status lives_read(struct lives *lives, struct avj_journal *journal, struct avj_error *err)
{
    struct avj_cursor *cursor;
    enum avj_status status = avj_cursor_open(journal, 0, &cursor, err);

    if (status == AVJ_OK)
        status = lives_follow(lives, cursor, err);
    avj_cursor_close(cursor);
    return status;
}
