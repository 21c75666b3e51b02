/* What store.c needs of sessions.c: the entries that go with a session's first write and its end.
 */
#ifndef AVJ_SESSIONS_PRIVATE_H
#define AVJ_SESSIONS_PRIVATE_H

#include "replay/sessions.h"
#include "replay/store_private.h"

#define AVJ_GRAVES_MAX 256 /* buried with one write; the others with the next one's */

/* Sessions that are gone, as long as nobody else buries any. */
struct avj_graves {
    char (*ids)[AVJ_SESSION_TEXT];
    size_t count;
    int lock; /* -1: none */
};

/* What is appended: the records that were given, or these and what a session's first write
 * carries. */
struct avj_entrance {
    const struct avj_slice *records;
    size_t count;
    uint64_t frames; /* of the session before it */
    struct avj_slice *joined;
    struct avj_graves graves;
    struct avj_batch entries;
};

/* Before a write.  With the first one takes the session's lock and adds its entries; where that can
 * not be done (the folder, memory, the frame is full) the next one tries.  Ended by entered. */
void avj_session_enter(struct avj_store *store, const struct avj_slice *records, size_t count,
                       struct avj_entrance *entrance);
void avj_session_entered(struct avj_store *store, struct avj_entrance *entrance);
/* Before the journal is closed. */
void avj_session_leave(struct avj_store *store);

#endif
