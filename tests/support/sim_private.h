/* The inside of struct sim_disk, shared by sim_disk.c (files, directories), sim_process.c
 * (processes), sim_io.c (the interface) and sim_crash.c (power cuts). */
#ifndef TEST_SIM_PRIVATE_H
#define TEST_SIM_PRIVATE_H

#include "tests/support/sim_disk.h"
#include "tests/support/sim_image.h"

#include <pthread.h>

#define SIM_VERSIONS                                                                               \
    3u                /* of a piece that is overwritten; those between the second and the newest   \
                         are forgotten */
#define SIM_TRACE 96u /* calls */

/* A part of a write that is not durable. */
struct sim_piece {
    uint64_t offset;
    uint32_t len;
    uint32_t versions;
    bool lost; /* a sync of it failed: counts as clean */
    uint8_t *data[SIM_VERSIONS];
};

struct sim_entry {
    char name[SIM_NAME];
    struct sim_node *node; /* counted */
};

struct sim_names {
    struct sim_entry *entries;
    size_t count, cap;
};

/* A rename from one directory to another is a link there and, here, the end of the old name: that
 * is on the disk only where the link is. */
struct sim_move {
    unsigned refs; /* the two operations */
    bool durable;  /* the link is */
    bool kept;     /* the link is, in the power cut that is being made */
};

/* A change of a directory. */
struct sim_op {
    enum { SIM_LINK, SIM_UNLINK, SIM_RENAME, SIM_AWAY } kind;
    char name[SIM_NAME], to[SIM_NAME];
    struct sim_node *node;   /* counted; NULL: unlink */
    struct sim_node *target; /* of SIM_AWAY: the other directory; counted */
    struct sim_move *move;   /* of SIM_AWAY and its SIM_LINK; counted */
};

/* A file or a directory. */
struct sim_node {
    unsigned refs;
    bool dir;
    uint64_t serial;
    char name[SIM_NAME]; /* the last it had, for messages */
    /* A file. */
    struct sim_image *cached, *durable;
    struct sim_piece *pieces;
    size_t piece_count, piece_cap, lost_count;
    const void *locked_by; /* a struct sim_handle */
    /* A directory. */
    struct sim_names now, synced;
    struct sim_op *ops;
    size_t op_count, op_cap;
};

/* An open file. */
struct sim_handle {
    struct sim_node *node; /* counted; NULL: closed */
    bool write;
};

struct sim_process {
    struct sim_disk *disk;
    struct avj_io table;
    unsigned number;
    struct sim_handle **handles;
    size_t handle_count;
    bool dead;
    uint64_t kill_at; /* calls left until then, 0: never */
    struct sim_process *next;
};

struct sim_call {
    unsigned process;
    enum fault_call call;
    char name[SIM_NAME];
    uint64_t offset;
    size_t len;
    int64_t result;
};

struct sim_disk {
    pthread_mutex_t mutex; /* guards all of it during calls */
    struct sim_node *root;
    struct test_rng rng;
    uint64_t next_serial, calls, changes;
    uint64_t space; /* 0: no limit */
    unsigned short_one_in;
    struct sim_process *processes;
    unsigned made; /* processes, ever */
    bool off;
    uint64_t off_at;
    struct fault_plan plan;
    uint64_t matched, failed;
    enum sim_sync_failure failure;
    uint64_t now_us, base_ms;
    uint8_t boot_id[16];
    sim_hook *hook;
    void *hook_arg;
    struct sim_call trace[SIM_TRACE];
    uint64_t traced;
};

void *sim_must(void *memory);
/* Makes room for one more element. */
#define SIM_ROOM(array, count, cap)                                                                \
    do {                                                                                           \
        if ((count) == (cap)) {                                                                    \
            (cap) = (cap) ? 2 * (cap) : 8;                                                         \
            (array) = sim_must(realloc((array), (cap) * sizeof *(array)));                         \
        }                                                                                          \
    } while (0)

/* ---- sim_disk.c ---- */

struct sim_node *sim_node_new(struct sim_disk *disk, bool dir, const char *name);
struct sim_node *sim_node_ref(struct sim_node *node);
void sim_node_unref(struct sim_node *node);
/* NULL: no such name. */
struct sim_entry *sim_names_find(const struct sim_names *names, const char *name);
void sim_names_put(struct sim_names *names, const char *name, struct sim_node *node);
void sim_names_remove(struct sim_names *names, const char *name);
/* What an operation does to a directory's names. */
void sim_names_apply(struct sim_names *names, const struct sim_op *op);

/* The directory of `path` and its last part; -errno. */
int sim_walk(struct sim_disk *disk, const char *path, struct sim_node **dir, char name[SIM_NAME]);
/* The node at `path`, NULL: none. */
struct sim_node *sim_lookup(struct sim_disk *disk, const char *path);
/* Changes a directory now, and durably with its next sync. */
void sim_dir_change(struct sim_disk *disk, struct sim_node *dir, const struct sim_op *op);
void sim_dir_sync(struct sim_node *dir);

void sim_file_write(struct sim_disk *disk, struct sim_node *file, const void *data, size_t len,
                    uint64_t offset);
void sim_file_sync(struct sim_node *file);
void sim_file_sync_fails(struct sim_node *file, enum sim_sync_failure failure);

/* ---- sim_process.c ---- */

/* Without a root. */
struct sim_disk *sim_disk_empty(uint64_t seed);
void sim_handle_close(struct sim_handle **slot);
/* Caller holds the disk's lock. */
void sim_die(struct sim_process *process);

/* ---- sim_io.c ---- */

void sim_table_init(struct sim_process *process);

#endif
