/*
 * Reading segments without trusting them: what avchat-fsck and tests see of the format.  Unlike a
 * cursor, a scan does not stop at damage: it reports it and looks for the next good frame at every
 * 8-byte step.
 *
 * Threading: one thread a call.  Memory: bounded by AVJ_FRAME_RAW_MAX twice, whatever the bytes
 * say.
 */
#ifndef AVJ_SCAN_H
#define AVJ_SCAN_H

#include "journal/journal.h"

enum avj_dictionary_kind {
    AVJ_DICTIONARY_NONE = 0,
    AVJ_DICTIONARY_SHIPPED = 1,  /* ships with the program */
    AVJ_DICTIONARY_EMBEDDED = 2, /* stands behind the segment's header */
};

/* The dictionary that a segment's frames may be compressed with. */
struct avj_dictionary_ref {
    uint32_t kind;
    uint32_t len;         /* bytes */
    uint32_t stored_len;  /* embedded: bytes behind the header; a zstd frame where less than len */
    uint64_t hash;        /* XXH3-64 of the dictionary; its low half is what frames name */
    uint64_t stored_hash; /* XXH3-64 of the bytes between header and first frame */
};

/* Of a sealed segment: the one that it was rewritten from, as its successor names it. */
struct avj_sealed_from {
    uint8_t salt[16];
    uint64_t end, chain, last_seq;
    uint8_t content[16];      /* XXH3-128 of all records behind their lengths, as they are here */
    uint64_t index_at;        /* offset of the index frame */
    uint64_t set_aside_bytes; /* that stood behind the original's logical end; kept at the end */
    int64_t sealed_ms;
};

/* Of a compacted segment: records of it were replaced since it was sealed. */
struct avj_compacted {
    uint8_t sealed_content[16]; /* `content` as it was when it was sealed */
    uint64_t replaced;          /* records, by all rewritings */
    int64_t ms;                 /* of the last one */
};

/* A segment's header, decoded and verified by hash. */
struct avj_segment_header {
    uint16_t version;
    uint32_t compat, ro_compat, incompat; /* feature flags */
    uint8_t journal_id[16];
    uint64_t segment_no;
    uint8_t salt[16];
    uint64_t first_seq;
    uint8_t boot_id[16];
    int64_t created_ms;
    uint64_t prev_segment_no; /* 0: this is the first */
    uint8_t prev_salt[16];
    uint64_t
        prev_end; /* logical end of the predecessor: later bytes there are not part of the log */
    uint64_t prev_last_seq; /* 0: none */
    uint64_t prev_chain;    /* chain hash at prev_end */
    uint64_t chain;         /* chain value that this segment's first frame must carry */
    uint64_t frames_at;     /* offset of the first frame */
    struct avj_dictionary_ref dictionary;
    bool sealed; /* `from` holds */
    struct avj_sealed_from from;
    bool compacted; /* `compaction` holds; only of sealed ones */
    struct avj_compacted compaction;
};

struct avj_frame_info {
    uint64_t offset;    /* in the segment */
    uint64_t total_len; /* bytes from offset to the next frame */
    uint32_t stored_len, raw_len;
    uint32_t count; /* records */
    uint64_t first_seq;
    uint64_t durable_seq;
    uint64_t chain_before, chain_after;
    uint32_t writer_id;
    uint32_t dictionary; /* 0: none */
    uint8_t type;        /* enum avj_frame_type */
    bool compressed;
    bool bare; /* zstd's magic number is not stored */
};

enum avj_frame_type {
    AVJ_FRAME_RECORDS = 1,
    AVJ_FRAME_INDEX = 2,     /* of a sealed segment: where its frames are; holds no record */
    AVJ_FRAME_SET_ASIDE = 3, /* of a sealed segment: bytes from behind the original's end */
};

enum avj_damage {
    AVJ_DAMAGE_NONE,
    AVJ_DAMAGE_SEGMENT_HEADER, /* the segment's header fails its hash, magic or limits */
    AVJ_DAMAGE_FRAME_HEADER,   /* no valid frame header where one must be */
    AVJ_DAMAGE_PAYLOAD,        /* header good, payload hash wrong */
    AVJ_DAMAGE_TRAILER,        /* header and payload good, trailer wrong */
    AVJ_DAMAGE_CHAIN,          /* a valid frame that does not continue the chain before it */
    AVJ_DAMAGE_SEQUENCE,   /* chain good but sequence numbers jump (cannot happen without a bug) */
    AVJ_DAMAGE_DECOMPRESS, /* hashes good, zstd or record framing refuses: a writer's bug or a wrong
                              dictionary */
    AVJ_DAMAGE_PADDING,    /* bytes between payload and trailer that must be zero are not */
    AVJ_DAMAGE_TRUNCATED,  /* the file ends inside a frame */
    AVJ_DAMAGE_DICTIONARY, /* the dictionary behind the header fails its hash */
    AVJ_DAMAGE_INDEX,      /* sealed: the index is missing or tells of other frames */
    AVJ_DAMAGE_CONTENT,    /* sealed: the records are not those that it was made of */
};

/* Short constant phrase for a damage ("payload checksum wrong"). */
AVJ_API const char *avj_damage_text(enum avj_damage damage);

/* Callbacks return AVJ_OK to go on; anything else ends the scan with that status.  Any of them may
 * be NULL. */
struct avj_scan_events {
    void *arg;
    /* First: the header, where it is good.  The file is open from then on: what comes is of it. */
    enum avj_status (*segment)(void *arg, const struct avj_segment_header *header);
    /* Frames that hold records. */
    enum avj_status (*frame)(void *arg, const struct avj_frame_info *frame);
    /* After its frame: each record of an intact frame.  data is borrowed during the call. */
    enum avj_status (*record)(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                              const uint8_t *data, size_t len);
    /* Bytes [offset, offset+len) hold no frame that can be believed.  next_good is what resumes
     * behind it, NULL: nothing does. */
    enum avj_status (*damage)(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                              const struct avj_frame_info *next_good);
    /* Nothing but zeros from offset to the file's end (reserved space). */
    enum avj_status (*reserved)(void *arg, uint64_t offset, uint64_t len);
};

struct avj_scan_result {
    bool header_ok;
    struct avj_segment_header header;
    uint64_t file_bytes;
    uint64_t end; /* offset behind the last frame that continues the chain from the header without a
                     gap; never behind the file's */
    uint64_t chain;    /* chain value there */
    uint64_t next_seq; /* sequence number that the next frame there must have */
    uint64_t frames, records;
    uint64_t durable_seq;     /* highest durable_seq that any intact frame witnesses */
    uint64_t set_aside_bytes; /* behind `limit`, zeros apart; of a sealed segment: kept in it */
};

/*
 * Reads one segment file.  limit: look for no frame at or behind this offset (0: to the end of the
 * file); give a successor's prev_end, or the end captured from a live journal.  A sealed segment is
 * read whole, whatever the limit.  want_records:
 * decompress and walk payloads (the `decode` phase). Damage is not an error of the call: AVJ_OK
 * with damage() called.  Errors: AVJ_ENOTFOUND, AVJ_EACCES, AVJ_EIO, AVJ_ENOMEM, AVJ_EVERSION
 * (incompatible flags), or what a callback returned.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_scan_segment(const struct avj_io *io, const char *path,
                                                     uint64_t limit, bool want_records,
                                                     const struct avj_scan_events *events,
                                                     struct avj_scan_result *result,
                                                     struct avj_error *err);

/*
 * The same under another header than the file's own: for a file whose header is damaged, and known
 * from elsewhere.  Only salt, journal id, number, features and first_seq must be right; without the
 * chain value in front of it the first frame is told of as damage and given all the same.
 * dictionary: for the frames that need one, in place of what stands behind the header; NULL: that.
 */
struct avj_dictionary;
AVJ_API AVJ_CHECKED enum avj_status avj_scan_segment_as(
    const struct avj_io *io, const char *path, const struct avj_segment_header *header,
    const struct avj_dictionary *dictionary, uint64_t limit, bool want_records,
    const struct avj_scan_events *events, struct avj_scan_result *result, struct avj_error *err);

struct avj_segment_entry {
    uint64_t number;
    char name[24]; /* "0000000000000001.seg" */
};

/*
 * The segment files in journal directory `path`, by number.  *out: malloc'd array, the caller
 * frees.  Names that are not segments are given to `other` (may be NULL) as paths relative to
 * `path`. Errors: AVJ_ENOTJOURNAL (no segments folder), AVJ_EACCES, AVJ_EIO, AVJ_ENOMEM.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_list_segments(const struct avj_io *io, const char *path,
                                                      struct avj_segment_entry **out, size_t *count,
                                                      void (*other)(void *arg, const char *name),
                                                      void *arg, struct avj_error *err);

/* Reads and verifies only the header.  AVJ_ECORRUPT where it is damaged, AVJ_EVERSION where a newer
 * program wrote it. */
AVJ_API AVJ_CHECKED enum avj_status avj_read_segment_header(const struct avj_io *io,
                                                            const char *path,
                                                            struct avj_segment_header *header,
                                                            struct avj_error *err);

/* The durable witness in file `sync` (best of its two slots): what some process saw a sync succeed
 * for. */
struct avj_sync_witness {
    bool valid;
    bool marked;        /* some sync was begun, whether or not a witness tells of it */
    uint64_t unsettled; /* segment of which a sync in this boot failed, or whose end nobody saw; 0:
                           none.  avj_read_sync_witness fills it */
    uint32_t process;   /* that wrote it; for messages only */
    uint64_t segment_no, offset, seq, chain;
    uint8_t boot_id[16];
};
AVJ_API AVJ_CHECKED enum avj_status avj_read_sync_witness(const struct avj_io *io, const char *path,
                                                          struct avj_sync_witness *witness,
                                                          struct avj_error *err);

#endif
