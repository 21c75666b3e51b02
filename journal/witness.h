/*
 * File `sync`: what syncs did, for whoever looks later or from another process.
 *
 * Two slots hold the *witness*: the last place that a sync succeeded for, written in turn.  With it
 * a later open tells a torn tail (nobody was promised anything) from rotten data (somebody was),
 * and a process that waits learns that another's sync covered its records.  A third slot holds the
 * *mark*: the sync that was begun last.  A mark that no witness settles is a sync whose end nobody
 * saw, or that failed: what stands behind the last witness in that segment must be written anew
 * (carry.c), since a second sync of the same file may succeed without having done anything.
 *
 * None of them is synced: they are for other processes of the same boot.  Losing a witness weakens
 * a verdict, never the data.
 */
#ifndef AVJ_WITNESS_H
#define AVJ_WITNESS_H

#include "journal/scan.h"

#define AVJ_WITNESS_SLOT  64u
#define AVJ_WITNESS_SLOTS 2u
#define AVJ_WITNESS_FILE  "sync"

/* What a slot says; see FORMAT.md. */
enum avj_slot_kind { AVJ_SLOT_WITNESS, AVJ_SLOT_MARK };

void avj_witness_encode(enum avj_slot_kind kind, const struct avj_sync_witness *witness,
                        const uint8_t journal_id[16], uint8_t out[AVJ_WITNESS_SLOT]);

struct avj_sync_state {
    struct avj_sync_witness witness; /* the better of the two slots; none: valid is false */
    unsigned older;                  /* the slot that the next witness goes to */
    struct avj_sync_witness mark;
};

/* Reads all slots; what can not be read counts as absent. */
void avj_sync_state_load(const struct avj_io *io, int file, const uint8_t journal_id[16],
                         struct avj_sync_state *state);

/* The mark speaks of a sync in this segment and boot, and no witness says how it ended. */
bool avj_sync_unsettled(const struct avj_sync_state *state, uint64_t segment_no,
                        const uint8_t boot_id[16]);

/* Best valid slot of `file` for this journal; none: valid is false. */
void avj_witness_load(const struct avj_io *io, int file, const uint8_t journal_id[16],
                      struct avj_sync_witness *witness);

#endif
