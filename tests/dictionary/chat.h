/*
 * Made-up chat as journal entries, the same for the same seed: what the built-in dictionary's
 * statistics are taken from.  Not the generator of tests/support/messages.h, which the benchmarks
 * measure with: a dictionary must not be made from what it is measured with.
 *
 * Threading: one thread a struct.
 */
#ifndef DICTIONARY_CHAT_H
#define DICTIONARY_CHAT_H

#include "replay/entry.h"
#include "tests/dictionary/texts.h"
#include "tests/support/rng.h"

struct chat {
    const struct texts *texts; /* borrowed */
    struct test_rng rng;
    char *text; /* of the message in the making */
    size_t len, limit;
    bool silent; /* messages without text */
    char session[33], thread[48];
    uint64_t number; /* of the entry */
};

void chat_init(struct chat *chat, const struct texts *texts, uint64_t seed);
void chat_release(struct chat *chat);
/* The next entry, shaped as a frame's payload: behind its length.  Appended to `out`. */
void chat_next(struct chat *chat, struct avj_pack *out);
/* One entry of each kind without any text: what all entries have in common. */
void chat_skeleton(struct chat *chat, struct avj_pack *out);

#endif
