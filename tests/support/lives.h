/*
 * An oracle for journals that several processes write: each process, or incarnation of one, is a
 * *life* with a number of its own.  Its records hold the numbered ones (numbered.h) for
 * life << 32 | index, the index rising by one from 0.  So a reader can tell whose a record is, and
 * whether one is missing, doubled, moved or wrong.  To the checker each is an entry of a type that
 * it does not know: {"t": "numbered", "n": bytes}.
 *
 * Threading: one thread a struct.  No cmocka: for forked processes too.
 */
#ifndef TEST_LIVES_H
#define TEST_LIVES_H

#include "tests/support/numbered.h"

#include <stdatomic.h>

/* What an append was told: index and sequence number of a record (each below 2^32), in one word
 * that a kill does not tear.  0: nothing. */
static inline uint64_t life_promise(uint64_t index, uint64_t seq)
{
    return index << 32 | seq;
}

struct lives {
    uint64_t count;                   /* lives that there may be */
    uint64_t *found;                  /* records of each so far */
    uint64_t seq;                     /* of the last record */
    uint64_t digest;                  /* of all bytes so far */
    const _Atomic uint64_t *promises; /* one of each life, to be compared; borrowed, may be NULL */
};

/* Appends records index .. index+count-1 of that life as one frame. */
enum avj_status life_append(struct avj_journal *journal, uint64_t life, uint64_t index,
                            size_t count, enum avj_durability durability, uint64_t *first_seq,
                            struct avj_error *err);

void lives_init(struct lives *lives, uint64_t count);
void lives_release(struct lives *lives);
/* The next record as a cursor gave it.  AVJ_EFORMAT: it can not be that; err says why. */
enum avj_status lives_take(struct lives *lives, const struct avj_record *record,
                           struct avj_error *err);
/* Takes what the cursor has, to the end; AVJ_OK there. */
enum avj_status lives_follow(struct lives *lives, struct avj_cursor *cursor, struct avj_error *err);
/* The same with a new cursor, from the first record on. */
enum avj_status lives_read(struct lives *lives, struct avj_journal *journal, struct avj_error *err);

#endif
