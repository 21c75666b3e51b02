/*
 * The inside of a fetcher, shared by fetch.c (records out of frames, the cache of frames) and
 * fetch_segments.c (which frame holds a record, and where it stands).
 *
 * Of each segment file a fetcher knows coarsely where its frames are: a *mark* for about every
 * 4 KiB of file.  From a mark on the frames' headers lead to the one that is wanted.
 */
#ifndef AVJ_FETCH_PRIVATE_H
#define AVJ_FETCH_PRIVATE_H

#include "journal/fetch.h"
#include "journal/private.h"

#define AVJ_FETCH_FILES_MAX     32u
#define AVJ_FETCH_DIRECTORY_MAX ((size_t)4 * 1024 * 1024)
/* Dictionaries that are ready for use: sealed segments have each their own, of 128 KiB. */
#define AVJ_FETCH_UNPACKERS 32u

struct fetch_mark {
    uint64_t first_seq, offset;
};

/* A frame in memory: one allocation with its records' offsets, its parts and its bytes.  It is
 * unpacked part by part, where it has parts, or from the front. */
struct fetch_frame {
    struct fetch_frame *newer, *older; /* by last use */
    struct fetch_segment *segment;
    struct avj_frame_info info;
    size_t cost;
    size_t have;                      /* bytes that are unpacked */
    uint32_t known;                   /* without parts: records of which the offset is known */
    uint32_t next;                    /* offset of the one behind them */
    uint32_t part_count, parts_known; /* the latter: a bit for each that is unpacked */
    struct avj_part *parts;           /* behind the offsets */
    uint8_t *raw;                     /* info.raw_len bytes, behind those */
    uint32_t at[];
};

struct fetch_segment {
    uint64_t number;
    uint64_t first_seq; /* 0: not read yet */

    /* Of the file that was opened last under its name: */
    bool entered; /* what follows holds */
    struct avj_segment_header header;
    int file;              /* -1: closed, to be opened again */
    uint64_t used;         /* as the fetcher counts */
    int64_t checked_ms;    /* when its name was last seen to lead to it */
    uint64_t limit;        /* where its log ends; UINT64_MAX: it may still grow */
    struct avj_place next; /* what the successor says of that end */

    bool listed; /* marks lead to every frame in front of `walked` */
    struct fetch_mark *marks;
    size_t mark_count, mark_room;
    struct avj_place walked;
    enum avj_damage stop; /* what stands there; AVJ_DAMAGE_NONE: nothing */

    struct fetch_frame **frames; /* in memory, by sequence number */
    size_t frame_count, frame_room;
};

struct avj_fetcher {
    const struct avj_io *io;
    char *path;
    size_t cache_max;
    uint64_t clock; /* counts uses */

    bool has_id; /* journal_id holds */
    uint8_t journal_id[16];
    struct fetch_segment **segments; /* by number, without holes */
    size_t segment_count, segment_room;
    struct avj_reader reader; /* borrows the file of `reading` */
    struct fetch_segment *reading;

    struct fetch_unpacker {
        struct avj_unpacker *unpacker;
        uint64_t dictionary, used;
    } unpackers[AVJ_FETCH_UNPACKERS];
    struct avj_unpacker *lender; /* of what they work with */
    struct fetch_frame *newest, *oldest;
    struct fetch_frame *last; /* that a record was taken from last */
    /* The frame that was read last, where it is not unpacked to its end: from the reader's bytes it
     * can be, until the reader is used for something else. */
    struct fetch_frame *live;
    struct avj_unpacker *live_unpacker;
    struct avj_fetcher_stats stats;
};

/* ---- fetch_segments.c ---- */

/* The segment whose records `seq` is among, as far as is known; reads headers where they are not.
 * Leaves the fetcher's reader alone.  Errors as avj_fetcher_get. */
AVJ_CHECKED enum avj_status avj_fetch_segment_of(struct avj_fetcher *fetcher, uint64_t seq,
                                                 struct fetch_segment **segment,
                                                 struct avj_error *err);

/* Where the frame is that holds record `seq`: the fetcher's reader is on the segment, *frame its
 * header.  AVJ_END: there is no such frame in *segment, where it must be or will come to be.
 * Errors as avj_fetcher_get. */
AVJ_CHECKED enum avj_status avj_fetch_locate(struct avj_fetcher *fetcher, uint64_t seq,
                                             struct fetch_segment **segment,
                                             struct avj_frame_info *frame, struct avj_error *err);

void avj_fetch_segments_release(struct avj_fetcher *fetcher);

/* ---- fetch.c ---- */

/* Frames with records from `from` on are forgotten. */
void avj_fetch_forget(struct avj_fetcher *fetcher, struct fetch_segment *segment, uint64_t from);

/* For frames of that segment, which the reader is on. */
AVJ_CHECKED enum avj_status avj_fetch_unpacker(struct avj_fetcher *fetcher,
                                               struct fetch_segment *segment,
                                               struct avj_unpacker **out, struct avj_error *err);

enum avj_status avj_fetch_damaged(const struct fetch_segment *segment, uint64_t offset,
                                  const char *what, struct avj_error *err);

#endif
