/*
 * A file interface for plays of several processes: it counts calls in memory that all of them
 * share, and holds chosen ones in the middle until the director says go.  So a test can stop or
 * kill a process at exactly the place it is about, without waiting by time.
 *
 * Made by the director (the test) before it forks; every process uses the same stage.  A process
 * may be killed anywhere, held calls included.
 *
 * Threading: the table may be used by any number of threads and processes; the director's
 * functions by one thread.
 */
#ifndef TEST_STAGE_IO_H
#define TEST_STAGE_IO_H

#include "journal/io.h"

enum stage_call {
    STAGE_LOCK,  /* try_lock of any file */
    STAGE_FRAME, /* a frame written to a segment or a segment in the making */
    STAGE_SYNC,  /* sync of a segment (not of one in the making) */
    STAGE_READY, /* stage_ready() */
    STAGE_CALLS
};

enum stage_how {
    STAGE_TELL, /* the call is done, then the director is told */
    STAGE_HOLD, /* the director is told and the call waits, not yet done, for stage_go() */
    STAGE_HALF, /* as STAGE_HOLD, but half of the frame is written already */
};

struct stage;

struct stage *stage_new(void);
void stage_free(struct stage *stage);
const struct avj_io *stage_io(struct stage *stage);

/* ---- for the director ---- */

/* Counts these calls anew; the nth from now on (0: none) is told of or held. */
void stage_plan(struct stage *stage, enum stage_call call, uint64_t nth, enum stage_how how);
/* Calls since then; frames count one by one, however many a write has. */
uint64_t stage_count(const struct stage *stage, enum stage_call call);
/* Waits until the planned call is there, and says which process makes it; what else happens is kept
 * for later.  Nothing for 60 seconds: prints that and aborts. */
pid_t stage_wait(struct stage *stage, enum stage_call call);
/* Lets what the process is held in go on. */
void stage_go(struct stage *stage, pid_t pid);

/* ---- for the players ---- */

/* Tells the director, and waits until it says go. */
void stage_ready(struct stage *stage);
/* Has a sync that began after the frame with record `seq` was written come to its good end?  Where
 * all is in one segment, nothing else may acknowledge that record. */
bool stage_synced(const struct stage *stage, uint64_t seq);

#endif
