/*
 * The sessions of a log: who wrote from when to when, on which device, and what the session entries
 * say.
 *
 * Threading: one thread.  Memory: some 200 bytes a session, at most FSCK_SESSIONS_MAX of them.
 */
#ifndef FSCK_AUDIT_SESSIONS_H
#define FSCK_AUDIT_SESSIONS_H

#include "fsck/fsck_audit.h"
#include "fsck/fsck_audit_read.h"

struct fsck_sessions;

struct fsck_sessions *fsck_sessions_new(void); /* NULL: out of memory */
void fsck_sessions_free(struct fsck_sessions *sessions);

/* Every entry.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_sessions_meet(struct fsck_sessions *sessions, uint64_t seq,
                                               const struct fsck_told *told);
/* The session of the entry met last, valid until free. */
const char *fsck_sessions_last(const struct fsck_sessions *sessions);
/* A session entry, which was met.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_sessions_fact(struct fsck_sessions *sessions, uint64_t seq,
                                               const struct fsck_told *told);
/* Into the summary those that wrote at since_ms or later; valid until free. */
void fsck_sessions_end(struct fsck_sessions *sessions, int64_t since_ms,
                       struct fsck_audit_summary *summary);

/* A number of a map; 0: none. */
int64_t fsck_field_int(struct avj_fields fields, const char *name);

#endif
