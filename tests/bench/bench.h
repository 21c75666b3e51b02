/*
 * Benchmarks of the journal and the store beside what they are measured against: SQLite, LMDB,
 * LevelDB, RocksDB (engines.h), zstd alone, and bare system calls.  Every engine gets the same
 * messages in the same run; each measurement is repeated in rounds, and the median is reported.
 * README.md tells what is measured and how.
 *
 * Threading: one thread.  A failure of any engine ends the program with a line that says which.
 */
#ifndef BENCH_H
#define BENCH_H

#include "replay/store.h"

#define BENCH_BATCH 1000

/* A document: what is appended, in the forms that the engines take.  The slices after `fields`
 * point into `entry` and are {NULL, 0} where the document has no such field. */
struct bench_item {
    enum avj_entity entity;
    char *id;
    struct avj_slice entry;   /* as a ready-made `local` entry; owned */
    struct avj_fields fields; /* within entry */
    struct avj_slice thread, role, content, model, title;
    int64_t created_ms;
    bool pinned;
    size_t json_len; /* of its import line */
};

enum bench_order { BENCH_ORDER_BOTH, BENCH_ORDER_REAL, BENCH_ORDER_SCATTERED };

struct bench {
    bool json, markdown;
    size_t messages; /* asked for, then: that there are */
    size_t ops;      /* of each engine where every single one is timed */
    size_t large;    /* messages of the large journal */
    bool life;       /* what life/life.h says, in place of the other benchmarks */
    size_t threads;  /* of a life */
    enum bench_order order;
    bool keep; /* the files of a life are left */
    int rounds, round;
    int level;          /* zstd level of the journal and of zstd alone */
    const char *only;   /* benchmark; NULL: all */
    const char *engine; /* NULL: all */
    const char *data;   /* file of import lines; NULL: made-up messages */
    char *dir;
    struct bench_item *items; /* messages, and their threads before them */
    size_t count;         /* different ones; behind them, up to `ops`, the same with fresh ids */
    uint64_t json_bytes;  /* of the `count` items as import lines */
    uint64_t entry_bytes; /* of their entries */
};

_Noreturn void bench_die(const char *format, ...) AVJ_PRINTF(1, 2);
/* Ends the program unless status is AVJ_OK. */
void bench_ok(enum avj_status status, const struct avj_error *err, const char *what);
uint64_t bench_now_ns(void);
/* Processor time of this process, all its threads, in user and kernel mode. */
uint64_t bench_cpu_ns(void);
void *bench_calloc(size_t count, size_t size);
/* Bytes that the files under `dir` take on the disk, as the file system counts its blocks. */
uint64_t bench_disk_usage(const char *dir);
/* The folder of this program, on the disk where it was built: /tmp is often kept in memory.  The
 * caller frees it. */
char *bench_own_folder(void);

/* ---- bench_results.c ---- */

/* One result of one round. */
void bench_add(const char *name, const char *engine, size_t messages, const char *unit,
               double value);
/* Median of what was added so far under name, engine and unit; 0 where nothing was. */
double bench_median(const char *name, const char *engine, const char *unit);
/* The same of the best engine whose name fits `engine`: a name, or its beginning and "*".  *found:
 * which that is. */
double bench_best(const char *name, const char *engine, const char *unit, bool more_is_better,
                  const char **found);
/* Latencies of one round in ns (sorted by the call) as p50 and p99. */
void bench_add_latencies(const char *name, const char *engine, uint64_t *ns, size_t count);
/* Prints everything, the bars of bench_bars.c last. */
void bench_report(const struct bench *bench);

/* ---- bench_bars.c ---- */

/* A quotient of two medians, or one median, beside what the design asks of it. */
struct bench_bar {
    const char *what, *engine, *rival; /* rival: NULL where the value stands alone */
    const char *unit;                  /* "ratio" where there is a rival */
    double value;
    char bar[16]; /* "<= 0.8"; empty: none */
    bool met;
};

/* The i-th bar that this run has the numbers for; false behind the last. */
bool bench_bar(size_t i, struct bench_bar *out);

/* ---- bench_data.c, bench_data_file.c ---- */
void bench_data_make(struct bench *bench, uint64_t seed);
/* Takes the first bench->messages messages and their threads from bench->data. */
void bench_data_read(struct bench *bench);
/* Appends an item; `fields` (canonical) is copied. */
void bench_data_add(struct bench *bench, enum avj_entity entity, const char *id,
                    struct avj_fields fields, size_t json_len);
/* Appends a made-up message. */
struct message;
void bench_data_message(struct bench *bench, const struct message *message);
/* Copies with fresh ids behind the items, until there are bench->ops of them. */
void bench_data_cycle(struct bench *bench);
/* Releases the first `count` items; there are none then. */
void bench_data_clear(struct bench *bench, size_t count);
void bench_data_free(struct bench *bench);
/* End of the batch of `size` items that begins at `from`. */
size_t bench_batch_end(const struct bench *bench, size_t from, size_t size);

/* ---- the benchmarks; each call is one round ---- */
void bench_durable(struct bench *bench); /* bench_durable.c */
void bench_bulk(struct bench *bench);    /* bench_bulk.c */
void bench_single(struct bench *bench);  /* bench_bulk.c */
void bench_replay(struct bench *bench);  /* bench_replay.c */
void bench_read(struct bench *bench);    /* bench_read.c */
void bench_large(struct bench *bench);   /* bench_large.c */
void bench_wake(struct bench *bench);    /* bench_wake.c */
void bench_sealed(struct bench *bench);  /* bench_sealed.c */
void bench_calls(struct bench *bench);   /* bench_calls.c */

/* ---- bench_zstd.c: zstd alone, nothing written ---- */

enum bench_blocks { BENCH_BLOCKS_BATCH, BENCH_BLOCKS_64K, BENCH_BLOCKS_MESSAGE };

struct bench_zstd {
    uint64_t compress_ns, compress_cpu_ns, decompress_ns;
    uint64_t raw, stored; /* bytes */
};

/* All items, compressed in blocks of this kind and back. */
struct bench_zstd bench_zstd(const struct bench *bench, enum bench_blocks blocks);

#endif
