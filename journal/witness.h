/*
 * The durable witness: file `sync` holds two alternating slots that say what a sync succeeded for,
 * so that a later open can tell a torn tail (nobody was promised anything) from rotten data
 * (somebody was).  A slot is written after each successful sync and is itself not synced: losing it
 * weakens the verdict, never the data.
 */
#ifndef AVJ_WITNESS_H
#define AVJ_WITNESS_H

#include "journal/scan.h"

#define AVJ_WITNESS_SLOT 64u
#define AVJ_WITNESS_FILE "sync"

void avj_witness_encode(const struct avj_sync_witness *witness, const uint8_t journal_id[16],
                        uint8_t out[AVJ_WITNESS_SLOT]);
/* Best valid slot of `file` for this journal; none: valid is false. */
void avj_witness_load(const struct avj_io *io, int file, const uint8_t journal_id[16],
                      struct avj_sync_witness *witness);

#endif
