/*
 * Searching titles and contents for words, exactly, in what is visible now (or was, in a store
 * opened with at_seq or at_ms).
 *
 * Threading and lifetimes as store.h.
 */
#ifndef AVJ_SEARCH_H
#define AVJ_SEARCH_H

#include "replay/store.h"

AVJ_BEGIN_C

struct avj_search_options { /* all zero: the defaults */
    const char *thread;     /* only in this thread; NULL: everywhere */
    size_t limit;           /* most hits, the newest ones; 0: all */
    bool
        match_case; /* else upper and lower case are the same, as Unicode's simple folding has it */
    /* true ends the search early, with what was found */
    bool (*stop)(void *arg);
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* records looked at */
    void *arg;
};

struct avj_hit {
    enum avj_entity entity; /* AVJ_THREAD: in its title; AVJ_MESSAGE: in its content */
    const char *id;
    const char *thread; /* its own id where it is one; NULL: a message in none */
    int64_t ms;         /* createdAt of a message, last message of a thread */
};

/*
 * Documents that contain every one of `words` (NULL-terminated array of non-empty UTF-8 texts; each
 * is looked for as it stands, inside words too), newest first.  *hits: owned by the store, valid
 * until the next search or change.
 *
 * Without a thread, the log is read once from end to end, by a thread for each of up to four
 * processors (one only, with journal.no_background); stop and progress are called in the thread
 * that searches.  Errors: AVJ_EINVAL (no word, an empty one, one that is no UTF-8), AVJ_ENOTFOUND
 * (no such thread), AVJ_ENOMEM, and those of reading the log.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_store_search(struct avj_store *store,
                                                     const char *const *words,
                                                     const struct avj_search_options *options,
                                                     const struct avj_hit **hits, size_t *count,
                                                     struct avj_error *err);

AVJ_END_C

#endif
