/*
 * Looks at one moment of a simulated disk in the states that a power cut can leave it in: in each,
 * the journal opens, holds what it was told to hold and goes on; in some, the power goes again
 * during that recovery, at each of its calls.
 *
 * Threading: one thread at a time.
 */
#ifndef TEST_SIM_EXPLORE_H
#define TEST_SIM_EXPLORE_H

#include "tests/support/sim_disk.h"
#include "tests/support/sim_ledger.h"

#define SIM_JOURNAL "/home/j" /* where the journal lies */

struct sim_explorer {
    struct test_rng rng;
    uint64_t limit;              /* states; looks at no more */
    uint64_t states;             /* looked at, those of second crashes included */
    uint64_t second;             /* of them, of second crashes */
    uint64_t moments, exhausted; /* looked at; in every state there is */
    unsigned
        second_one_in;    /* of so many states one is crashed again during its recovery; 0: none */
    unsigned full_one_in; /* of moments with up to SIM_MANY states (but more than SIM_SOME), one of
                             so many is looked at in all of them; 0: none */
    int rots; /* not 0: in place of all that, so often at each moment everything has reached the
                 disk and a bit of a segment rots */
    uint64_t seed;   /* for the message */
    uint64_t sealed, compacted; /* segments, by the programs */
    bool failed;     /* what went wrong has been printed */
};

#define SIM_SOME 64u   /* states: always looked at one by one */
#define SIM_MANY 1024u /* 10 pieces: some moments */

/* Options for every journal of these tests: small segments, nothing that runs by itself. */
struct avj_journal_options sim_options(const struct avj_io *io);

/* A disk with the folder that SIM_JOURNAL lies in, durable. */
struct sim_disk *sim_explore_disk(uint64_t seed);

/* The states of this moment, as many as the explorer's measure says; `ledger` is what was told up
 * to now.  False: something is wrong (now or before). */
bool sim_explore(struct sim_explorer *explorer, struct sim_disk *disk,
                 const struct sim_ledger *ledger);

/* Without a crash: the journal opens and holds all that was told, relaxed records too. */
bool sim_explore_live(struct sim_explorer *explorer, struct sim_disk *disk,
                      const struct sim_ledger *ledger);

/* Something else is wrong: says so, with the disk's last calls. */
void sim_explore_wrong(struct sim_explorer *explorer, const struct sim_disk *disk, const char *what,
                       const char *why);

/* One line of what was done. */
void sim_explore_report(const struct sim_explorer *explorer, FILE *out);

#endif
