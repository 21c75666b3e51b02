/*
 * Random histories: entries as a log may hold them, one after the other, about so few documents
 * that everything meets everything: local work, pushes, acknowledgements with and without fields
 * kept back, rejections, rows under derived and foreign $ids and their duplicates, deletes, equal
 * and old versions, times and numbers written in odd ways, entries that lack something.
 *
 * Threading: one thread a history.  Out of memory aborts.
 */
#ifndef TEST_HISTORY_H
#define TEST_HISTORY_H

#include "replay/entry.h"
#include "tests/support/rng.h"

#define HISTORY_DOCS   16
#define HISTORY_FIELDS 14 /* of any entity, with two that the schema does not know */
#define HISTORY_ROWS   5  /* $ids a document is met under */

/* What the generator remembers of a document, so that acknowledgements and echoes fit mostly. */
struct history_doc {
    enum avj_entity entity;
    const char *id;
    char rows[HISTORY_ROWS][48];
    size_t row;                 /* that it mostly has */
    uint64_t last_seq;          /* of its last mutation */
    int values[HISTORY_FIELDS]; /* what it was last written as: a choice a field, 0: absent */
    int64_t version;            /* seconds behind a moment */
};

struct history {
    struct test_rng rng;
    uint64_t seq; /* of the last entry */
    uint64_t hlc;
    struct history_doc docs[HISTORY_DOCS];
    uint64_t conflicts[8];
    size_t conflict_count;
    unsigned odd;     /* of 100 entries so many are written in another way than this program does */
    unsigned broken;  /* of 1,000 so many lack something that their type needs */
    unsigned foreign; /* of 100 documents so many have other rows than the derived one */
    unsigned remote;  /* of 100 entries about so many come from the server */
    unsigned users;   /* 1: nobody else logs in */
};

/* Everything about the history follows from the seed. */
void history_init(struct history *history, uint64_t seed);

/* The next entry; its sequence number is history->seq then.  *entry: emptied first. */
void history_next(struct history *history, struct avj_pack *entry);

/* Message `number` of those that a history never mentions, some in its threads, some with ids that
 * are no UUIDs: made here, or a row from elsewhere under a foreign $id. */
void history_message(unsigned number, bool remote, struct avj_pack *entry);

/* msgpack written again with headers wider than they must be, here and there: the same value. */
void history_loosen(struct test_rng *rng, const void *data, size_t len, struct avj_pack *out);

#endif
