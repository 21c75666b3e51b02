/*
 * Two things that a crash may not be mistaken for, and that may not be mistaken for a crash: frames
 * of another journal inside of records, and a bit that rots.
 *
 * Threading: none of its own.
 */
#ifndef TEST_SIM_ROT_H
#define TEST_SIM_ROT_H

#include "tests/support/sim_explore.h"

#include "journal/scan.h"

/* Makes the frames that SIM_NESTED batches carry; before the first of those. */
void sim_rot_nest(void);
/* Flips a bit in one of the journal's segments; false: there is none. */
bool sim_rot(struct sim_disk *disk, struct test_rng *rng);

#endif
