/*
 * Records whose hashes are remembered, so that a reader can tell a wrong, moved, doubled, stale or
 * lost one: the oracle of tests that damage journals.  Unlike numbered.h's, no two records are ever
 * the same, not even two that got the same sequence number one after the other.
 *
 * Threading: one thread a struct.
 */
#ifndef TEST_KNOWN_H
#define TEST_KNOWN_H

#include "journal/journal.h"
#include "tests/support/rng.h"

struct known {
    struct test_rng rng;
    uint64_t last;    /* records 1..last were appended, the last of them perhaps in vain */
    uint64_t durable; /* of them 1..durable were promised to be on the disk */
    uint64_t *hashes; /* of record 1, 2, ...: owned */
    uint64_t *shorts; /* of what compaction may make of them (known_shorten) */
    size_t cap;
};

enum known_kind {
    KNOWN_RAW,  /* bytes that nothing makes smaller */
    KNOWN_TEXT, /* words; two lengths of them are compressed */
};

void known_init(struct known *known, uint64_t seed);
void known_copy(struct known *to, const struct known *from);
void known_release(struct known *known);

/* Appends `count` new records of `len` bytes each (the first 8 are noise in either kind) as one
 * frame. Where the journal's tail was lost, `last` is first set back to what it still had; the
 * journal's giving out a number that was promised already is AVJ_EFORMAT.  An append that fails may
 * have been written or not. */
enum avj_status known_append(struct known *known, struct avj_journal *journal, enum known_kind kind,
                             size_t len, size_t count, enum avj_durability durability,
                             struct avj_error *err);

/* Replaces every other record of the sealed segments, but those of the first, by its first 8 bytes:
 * compaction as a layer above would do it.  The record and its short form are both known. */
enum avj_status known_shorten(struct avj_journal *journal, uint64_t *replaced,
                              struct avj_error *err);

/* Is this record the one for its number? */
bool known_is(const struct known *known, uint64_t seq, const void *data, size_t len);

/*
 * Reads all that a new cursor gives from record `from` on (at least 1); numbers must rise by one
 * and each record must be the known one.  *last gets the last good one (from - 1: none).  AVJ_END:
 * the end was reached and all was right; AVJ_EFORMAT: a wrong record was given out (err says
 * which); else the error.
 */
enum avj_status known_read(const struct known *known, struct avj_journal *journal, uint64_t from,
                           uint64_t *last, struct avj_error *err);

#endif
