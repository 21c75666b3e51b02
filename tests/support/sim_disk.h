/*
 * A disk in memory behind the file interface, with everything that POSIX allows to happen to it:
 *
 *   - What is written, and every change of a directory, is seen by all processes at once and is on
 *     stable storage only after a sync of the file, of the directory.  A power cut leaves any
 * subset of the rest: each piece of a write (512 bytes at most, cut where sectors meet) by itself,
 * a file's size without its data, a name without the file's content, a rename or not.
 *   - Processes hold files and locks; a kill takes those, a power cut takes all that was not
 * synced. Afterwards the boot id is another.
 *   - Clocks stand still but for sleeps; randomness is seeded: a run can be repeated.
 *   - Syncs fail in the ways of Linux' file systems, the disk gets full, reads and writes are
 * short, any call fails.
 *
 * sim_crash() makes the disk as it is found after a power cut and leaves the old one as it is, so
 * that one moment can be looked at in every state it can leave.
 *
 * Threading: the file interface takes calls from several threads; everything else only while no
 * call is under way on that disk, but for a hook, which may do anything with it.  Out of memory, or
 * a use that makes no sense, aborts.
 */
#ifndef TEST_SIM_DISK_H
#define TEST_SIM_DISK_H

#include "tests/support/fault_io.h"
#include "tests/support/rng.h"

#include <stdio.h>

#define SIM_SECTOR 512u
#define SIM_NAME   40u /* longest name, with its NUL */

struct sim_disk;
struct sim_process;

/* An empty root folder "/", all of it durable. */
struct sim_disk *sim_disk_new(uint64_t seed);
/* Its processes too. */
void sim_disk_free(struct sim_disk *disk);

/* ---- processes ---- */

struct sim_process *sim_process_new(struct sim_disk *disk);
/* As a kill first; then its interface is gone too. */
void sim_process_free(struct sim_process *process);
/* Valid until free.  Files are known to their process alone. */
const struct avj_io *sim_process_io(struct sim_process *process);
/* Numbered from 1, in the order they were made. */
unsigned sim_process_number(const struct sim_process *process);
/* Its files are closed, its locks given up; every further call fails with EIO, so that the code
 * that made it comes to an end. */
void sim_kill(struct sim_process *process);
/* As that, in place of the nth call from now on (1: the next). */
void sim_kill_at(struct sim_process *process, uint64_t nth);
bool sim_killed(const struct sim_process *process);
int sim_open_files(const struct sim_process *process);

/* ---- what happens to a disk ---- */

/* In place of the nth call of any process from now on the power goes: that and all further calls
 * fail with EIO and change nothing.  sim_crash() then gives what is left.  0: never. */
void sim_power_off_at(struct sim_disk *disk, uint64_t nth);

enum sim_sync_failure {
    SIM_SYNC_LOST,     /* what was to be synced stays in the cache, counts as clean and is never
                          written, whatever is synced later, unless its page is written to again; any
                          part of it may have reached the disk (ext4, XFS) */
    SIM_SYNC_REVERTED, /* the cache goes back to what is on the disk, the size stays (btrfs) */
};

/* Makes chosen calls fail: fault_io.h's plan over all processes, counted from now on.  A failing
 * sync fails as `failure` says. */
void sim_fail(struct sim_disk *disk, const struct fault_plan *plan, enum sim_sync_failure failure);
/* How many calls were made to fail since. */
uint64_t sim_failed(const struct sim_disk *disk);
/* The files' sizes together are at most that; 0: no limit.  Overwriting needs no space. */
void sim_limit_space(struct sim_disk *disk, uint64_t bytes);
uint64_t sim_used_space(const struct sim_disk *disk);
/* One of so many reads and writes is short; 0: none. */
void sim_short_calls(struct sim_disk *disk, unsigned one_in);
/* The system writes back of its own accord: each file's and each directory's changes are durable
 * with probability 1/2. */
void sim_write_back(struct sim_disk *disk);
/* A counter of everything that changed the disk (or what of it is durable). */
uint64_t sim_changes(const struct sim_disk *disk);
/* Calls of all processes. */
uint64_t sim_calls(const struct sim_disk *disk);

/* Comes before a call is counted and before it does anything, outside of every lock; SIM_SLEEP: the
 * process sleeps.  It may kill the process that calls. */
#define SIM_SLEEP FAULT_CALLS
typedef void sim_hook(void *arg, struct sim_process *process, enum fault_call call);
void sim_set_hook(struct sim_disk *disk, sim_hook *hook, void *arg);

/* The last calls, one a line, behind `title`. */
void sim_trace_print(const struct sim_disk *disk, const char *title, FILE *out);

/* ---- power cuts ---- */

enum sim_unit_kind {
    SIM_DATA, /* a piece of a write */
    SIM_SIZE, /* the file is longer than its durable size, whatever of its data is there */
    SIM_ENTRY /* a change of a directory */
};

/* Something that is not on stable storage. */
struct sim_unit {
    enum sim_unit_kind kind;
    unsigned ways;   /* what can have become of it: 0 it is lost, 1 .. ways-1 it is there; a piece
                        that was overwritten is there in one of its versions, ways-1 the newest.  A
                        size has the ways 0 and 1 and, not counted in `ways`, up to SIM_SIZE_WAYS-1:
                        in between */
    uint64_t node;   /* the file, the directory */
    uint64_t offset; /* of data; of a size: the size */
    size_t len;      /* of data */
    char name[2 * SIM_NAME + 16]; /* for messages */
};
#define SIM_SIZE_WAYS 10u

/* Lists what is not durable, in the order it happened (of each file, each directory).  *units: the
 * caller frees. */
size_t sim_units(struct sim_disk *disk, struct sim_unit **units);

/* Choices for `count` units.  How: */
enum sim_preset {
    SIM_NOTHING,      /* all lost */
    SIM_EVERYTHING,   /* all there */
    SIM_PREFIX,       /* up to a random one */
    SIM_ALL_BUT_ONE,  /* a random one is lost */
    SIM_ONLY_ONE,     /* the last one, or a random one, is there */
    SIM_ONE_FILE_NOT, /* all but what belongs to one file or directory */
    SIM_ONE_FILE,     /* only what belongs to one file or directory */
    SIM_NAMES_ONLY,   /* directories yes, data no; sizes at random */
    SIM_DATA_ONLY,    /* data and sizes yes, directories no */
    SIM_HALF,         /* each with probability 1/2, in a random way */
    SIM_MOST,         /* each with probability 9/10 */
    SIM_FEW,          /* each with probability 1/10 */
    SIM_PRESETS
};
void sim_choose(enum sim_preset preset, const struct sim_unit *units, size_t count,
                struct test_rng *rng, uint8_t *ways);
/* How many choices there are; at most `most`. */
uint64_t sim_choices(const struct sim_unit *units, size_t count, uint64_t most);
/* The next choice in counting order, from all 0; false when it was the last. */
bool sim_next_choice(const struct sim_unit *units, size_t count, uint8_t *ways);

/* The disk after a power cut: `ways` says of each unit of sim_units() what became of it. */
struct sim_disk *sim_crash(struct sim_disk *disk, const uint8_t *ways, size_t count);
/* The units and what became of them, one a line. */
void sim_units_print(const struct sim_unit *units, size_t count, const uint8_t *ways, FILE *out);

#endif
