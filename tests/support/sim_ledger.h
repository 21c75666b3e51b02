/*
 * What the writers of a journal were told, and whether a journal read after a crash keeps it.
 *
 * Everything that is appended is a numbered batch: how many records it has, how long they are and
 * every byte of them follow from its number alone.  The ledger knows which batch was told to be at
 * which sequence number, up to where all was told to be durable, and which batches are in the air
 * (begun and not answered, or answered with an error that leaves it open).
 *
 * Threading: none of its own.
 */
#ifndef TEST_SIM_LEDGER_H
#define TEST_SIM_LEDGER_H

#include "journal/journal.h"
#include "tests/support/sim_disk.h"

#define SIM_BATCH_MAX 5u /* records */

/* How large batches are. */
enum sim_batch_size {
    SIM_TINY,   /* one record of up to 80 bytes */
    SIM_SMALL,  /* up to 5 records of up to 600 bytes */
    SIM_LARGE,  /* up to 5 records of up to 4 KiB */
    SIM_HUGE,   /* one record of 8 to 40 KiB that can not be compressed */
    SIM_NESTED, /* as that, with good frames of another journal in it, for which much more is
                   durable (sim_ledger_nest) */
    SIM_BATCH_SIZES
};

struct sim_list {
    uint64_t *items;
    size_t count, cap;
};

struct sim_ledger {
    struct sim_list at;     /* [seq - 1]: the tag of the record there, 0: not known */
    struct sim_list in_air; /* batches */
    uint64_t durable;       /* all up to there was told to be durable */
    uint64_t next;          /* batch */
    bool created;           /* the journal was told to be there */
    uint64_t broken; /* a sync covered a record at this place that another was given too; 0: none */
};

/* What a journal holds: the tags of its records, from sequence number 1 on. */
struct sim_reading {
    struct sim_list tags;
};

void sim_ledger_release(struct sim_ledger *ledger);
void sim_ledger_copy(struct sim_ledger *to, const struct sim_ledger *from);
void sim_reading_release(struct sim_reading *reading);

/* The frames for SIM_NESTED, once for the whole program: `count` of them, each `len` bytes. */
void sim_ledger_nest(const uint8_t *frames, size_t len, size_t count);

/* A new batch, in the air. */
uint64_t sim_ledger_begin(struct sim_ledger *ledger, enum sim_batch_size size);
/* It was told to be at first_seq. */
void sim_ledger_landed(struct sim_ledger *ledger, uint64_t batch, uint64_t first_seq);
/* It was told to have failed without a trace. */
void sim_ledger_never(struct sim_ledger *ledger, uint64_t batch);
/* All up to `seq` was told to be durable. */
void sim_ledger_durable(struct sim_ledger *ledger, uint64_t seq);
/* A sync failed: what was not durable may be gone from the cache, or not, and its places may be
 * given to others. */
void sim_ledger_doubt(struct sim_ledger *ledger);

/* Relaxed batches of one handle that no sync of it has covered yet, and where they were told to be.
 */
struct sim_relaxed {
    struct sim_list batches, seqs;
    uint64_t last; /* sequence number that the handle has written, 0: none */
};

/* The handle's sync succeeded: what it was told before is durable, at its place. */
void sim_ledger_synced(struct sim_ledger *ledger, struct sim_relaxed *relaxed);
/* The handle is gone, or was told that a sync failed: then it does not know what became of those.
 */
void sim_relaxed_release(struct sim_relaxed *relaxed);

/* Appends a batch by that process and tells the ledger; what a process is told that is killed
 * meanwhile it cannot tell anybody. */
enum avj_status sim_ledger_append(struct sim_ledger *ledger, struct sim_relaxed *relaxed,
                                  const struct sim_process *process, struct avj_journal *journal,
                                  enum sim_batch_size size, enum avj_durability durability,
                                  struct avj_error *err);

/* Compacts the sealed segments: two of three records of theirs become their first bytes, which name
 * them still.  Readers take either. */
enum avj_status sim_shorten(struct avj_journal *journal, uint64_t *segments, struct avj_error *err);

/* Reads all records with a new cursor.  AVJ_END: all was read; AVJ_EFORMAT: a record is none that
 * was ever written; else the error. */
enum avj_status sim_read(struct avj_journal *journal, struct sim_reading *reading,
                         struct avj_error *err);
/*
 * Does the journal hold what it may hold: all that was told to be durable; every known record at
 * its place; whole batches, each once, and none that was not in the air?  AVJ_OK, or AVJ_EFORMAT
 * and err says what is wrong.
 */
enum avj_status sim_ledger_verify(const struct sim_ledger *ledger,
                                  const struct sim_reading *reading, struct avj_error *err);
/* What was read is from now on what is there, durable, and nothing is in the air. */
void sim_ledger_adopt(struct sim_ledger *ledger, const struct sim_reading *reading);

#endif
