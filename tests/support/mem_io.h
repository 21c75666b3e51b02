/*
 * A file system in memory behind struct avj_io: for fuzzing and for damage done exhaustively, where
 * a disk would take days.  Everything that differs from run to run (random numbers, clocks, the
 * boot's id) comes from a seed, so that the same calls give the same bytes.
 *
 * It knows what was synced: mem_io_cut() gives what a power cut may leave.
 *
 * Threading: the calls of the interface may come from several threads; the functions here are
 * called while none is under way.  Failures of memory abort: they are failures of the test.
 */
#ifndef TEST_MEM_IO_H
#define TEST_MEM_IO_H

#include "journal/io.h"

struct mem_io;

/* Empty, but for the root folder ".". */
struct mem_io *mem_io_new(uint64_t seed);
/* The same files with the same content; no file is open.  What was not synced counts as synced. */
struct mem_io *mem_io_copy(const struct mem_io *from);
/* The files of `mem` become those of `from`.  Files that are open in `mem` stay so, nameless. */
void mem_io_restore(struct mem_io *mem, const struct mem_io *from);
void mem_io_free(struct mem_io *mem);
/* The interface to hand out; valid until free. */
const struct avj_io *mem_io_table(struct mem_io *mem);

/* ---- files, by their path ---- */

/* The bytes of a file, to be read and changed in place; NULL: there is none.  Valid until the file
 * is written, resized or removed. */
uint8_t *mem_io_data(struct mem_io *mem, const char *path, size_t *len);
bool mem_io_exists(const struct mem_io *mem, const char *path);
/* Makes or replaces a file; folders on the way must be there. */
void mem_io_put(struct mem_io *mem, const char *path, const void *data, size_t len);
/* Cuts a file or fills it up with zeros. */
void mem_io_resize(struct mem_io *mem, const char *path, size_t len);
void mem_io_remove(struct mem_io *mem, const char *path);
void mem_io_move(struct mem_io *mem, const char *from, const char *to);
/* The i-th file (no folder) in byte order of the paths; NULL: there are no more.  Valid until names
 * change. */
const char *mem_io_name(struct mem_io *mem, size_t i);

/* ---- accidents ---- */

/* The machine was started anew: another boot id. */
void mem_io_boot(struct mem_io *mem);

/* As if the process had been killed: until this is taken back every call that would change a file,
 * a name or what is synced gives -EIO and does nothing.  Between the two the journal's handles can
 * be closed without leaving a trace. */
void mem_io_kill(struct mem_io *mem, bool killed);
/* As if it were killed in the middle of the next sync of a file, before that did anything. */
void mem_io_kill_at_sync(struct mem_io *mem);

/* Which of two is kept; any answer is a state that a file system may leave. */
typedef bool mem_io_choice(void *arg);

/*
 * A power cut.  Of each file what was synced is there; of what was not, each piece of 512 bytes is
 * there or as it was before, as `keep` says, and the length likewise.  Names that were made, moved
 * or removed since their folder's last sync likewise, each for itself.  No file may be open.
 */
void mem_io_cut(struct mem_io *mem, mem_io_choice *keep, void *arg);

/* ---- what was seen ---- */

struct mem_io_counts {
    size_t largest_read; /* asked for by one pread */
    uint64_t reads, writes, syncs;
    int open_files;
};
const struct mem_io_counts *mem_io_counts(const struct mem_io *mem);

#endif
