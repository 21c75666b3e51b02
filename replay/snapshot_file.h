/*
 * The bytes of a snapshot file: a header of one page, then sections, each at a page's beginning.
 * SNAPSHOT.md describes them.  Sections hold the view's arrays as they are in memory, so a file is
 * only of use to the version, byte order and structure sizes that wrote it; the header says which.
 *
 * Threading: one thread a writer; verification starts one of its own.
 */
#ifndef AVJ_SNAPSHOT_FILE_H
#define AVJ_SNAPSHOT_FILE_H

#include "journal/io.h"

#include <stddef.h>
#include <stdint.h>

#define AVJ_SNAPSHOT_VERSION 3u
#define AVJ_SNAPSHOT_PAGE    ((size_t)4096)
/* Sections are hashed in blocks of this size, so that two threads can verify them. */
#define AVJ_SNAPSHOT_BLOCK ((size_t)256 * 1024)

enum avj_section_kind {
    AVJ_SECTION_SLOTS,
    AVJ_SECTION_TEXTS,
    AVJ_SECTION_BASE,
    AVJ_SECTION_DATA,
    AVJ_SECTION_THREADS,
    AVJ_SECTION_SIDES,
    AVJ_SECTION_OPEN,
    AVJ_SECTION_OUTBOX,
    AVJ_SECTION_CONFLICTS,
    AVJ_SECTION_META,
    AVJ_SECTIONS
};

struct avj_section {
    uint64_t at, len; /* bytes in the file */
    uint64_t count;   /* items */
    uint64_t hash;    /* XXH3-64 of the XXH3-64s of its blocks */
};

struct avj_snapshot_header {
    uint8_t journal_id[16];
    uint64_t seq;            /* last record folded in */
    uint8_t record_hash[16]; /* XXH3-128 of that record */
    uint64_t hlc;            /* highest stamp */
    uint8_t digest[16];      /* of the view */
    uint64_t bytes;          /* of the file */
    struct avj_section sections[AVJ_SECTIONS];
};

void avj_snapshot_header_encode(const struct avj_snapshot_header *header,
                                uint8_t page[AVJ_SNAPSHOT_PAGE]);
/* False: no header of this version, byte order and structure sizes, or a damaged one. */
bool avj_snapshot_header_decode(const uint8_t page[AVJ_SNAPSHOT_PAGE],
                                struct avj_snapshot_header *header);

/* ---- writing ---- */

struct avj_snapshot_writer {
    const struct avj_io *io;
    int file;
    uint64_t at; /* where the next byte goes */
    uint8_t *block;
    size_t used;
    uint64_t *hashes; /* of the blocks of the section at hand */
    size_t hash_count, hash_cap;
    struct avj_section *section;
    int error; /* -errno of the first failure */
};

/* file: open for writing, empty.  False: out of memory. */
bool avj_snapshot_writer_init(struct avj_snapshot_writer *writer, const struct avj_io *io,
                              int file);
void avj_snapshot_writer_release(struct avj_snapshot_writer *writer);
void avj_section_begin(struct avj_snapshot_writer *writer, struct avj_section *section);
void avj_section_add(struct avj_snapshot_writer *writer, const void *data, size_t len);
void avj_section_end(struct avj_snapshot_writer *writer, uint64_t count);
/* Writes the header and makes the file durable.  0 or -errno. */
int avj_snapshot_writer_finish(struct avj_snapshot_writer *writer,
                               struct avj_snapshot_header *header);

/* ---- reading ---- */

/* Reads every section and compares its hash, with two threads where `threads`.  AVJ_ECORRUPT
 * (something is not as it was written, or can not be read), AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_snapshot_verify(const struct avj_io *io, int file,
                                                const struct avj_snapshot_header *header,
                                                bool threads);

#endif
